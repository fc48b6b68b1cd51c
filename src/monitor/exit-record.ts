// From an exit that has been handled to its record in the trap log.

import type { Cpu } from "../cpu/cpu.ts";
import type { CpuExit } from "../cpu/exit.ts";
import type { ContextUnit } from "../cpu/processor.ts";
import type { Decoded } from "../isa/decoded.ts";
import type { Decoder } from "../isa/decoder.ts";
import { CPL, CR0, CS, EAX, EDX, EFLAGS_SHARED, EFLAGS_SYSTEM, EFLAGS_VM, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, TR } from "../isa/state-layout.ts";
import {
  ACTIONS, type ActionName, digest, packDigest, packMode, REASON_INT, REASON_IRQ, REASON_CALLOUT, REASON_SYSENTER, REASON_TCMISS, REASON_VMX,
} from "../protocol/trap-record.ts";
import { GuestCode, type KeptCode } from "./guest-code.ts";
import type { RowFacts } from "./row-facts.ts";
import { createTrapEvent, type TrapLog } from "./trap-log.ts";

const PAGE_FAULT = 14;
const ACCESS_CODE32 = 1 << 14;

/** By action: what the record's operands are. */
const OF_STATE = 0, OF_PORT = 1, OF_PORT_BLOCK = 2, OF_CONTROL = 3, OF_TABLE = 4, OF_MSR = 5, OF_INTERRUPT = 6, OF_FAULT = 7, OF_INJECTED = 8;
const OPERANDS = new Uint8Array(256).fill(OF_STATE);
for (const [what, actions] of [
  [OF_PORT, ["port-in", "port-out"]], [OF_PORT_BLOCK, ["port-block"]], [OF_CONTROL, ["control"]], [OF_TABLE, ["table"]], [OF_MSR, ["msr"]],
  [OF_INTERRUPT, ["deliver-irq", "park-irq"]], [OF_FAULT, ["shadow-fill", "mmio", "traced-write"]],
  [OF_INJECTED, ["inject"]],
] as const) for (const action of actions) OPERANDS[ACTIONS[action]] = what;

/** Who may have planted bytes of its own among the guest's. */
export interface PlantedBytes {
  /** Puts the guest's own bytes in the place of what is planted among those at `linear`. V is the active context. */
  originalBytes?(linear: number, bytes: Uint8Array, available: number): void;
}

/** State before the exit is handled, kept for the record. */
export class ExitRecorder {
  private readonly cpu: Cpu;
  private readonly log: TrapLog;
  private readonly code: GuestCode;
  /** The instruction that left; null between two, and where there is none. */
  private decoded: Decoded | null = null;
  /** Of its row. */
  facts: RowFacts | null = null;
  private readonly event = createTrapEvent();
  private digestBefore = 0;
  private errorCode = 0;
  private cr2 = 0;
  /** Of the exit. */
  eip = 0;

  constructor(cpu: Cpu, log: TrapLog, decoder: Decoder) {
    this.cpu = cpu;
    this.log = log;
    this.code = new GuestCode(cpu, decoder);
  }

  /** Call before the exit is handled: the instruction is still there, and V is as it was and active. */
  begin(exit: CpuExit, icount: number, timeNs: number, unit: ContextUnit, planted: PlantedBytes | null): void {
    const { cpu, code } = this;
    const v = cpu.v.context;
    this.log.registersBefore();
    const byInstruction = exit.kind !== "interrupt";
    const { eip } = cpu.state;
    this.eip = eip;
    const linear = (v.segmentBase(CS) + eip) | 0;
    const code32 = (v.segmentAccess(CS) & ACCESS_CODE32) !== 0;
    if (byInstruction) code.fetch(linear, unit);
    const available = byInstruction ? code.available : 0;
    planted?.originalBytes?.(linear, code.bytes, available);
    const vm = (v.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
    const mode = packMode(v.get(CPL), cpu.h.context.get(CPL), vm, (v.get(CR0) & 1) !== 0, code32);
    this.event.reason = exit.kind === "exception" && exit.vmxReason < 0 ? exit.vector : reasonOf(exit);
    this.errorCode = exit.hasErrorCode ? exit.errorCode : exit.vector;
    this.cr2 = exit.cr2;
    this.event.icount = icount;
    this.event.timeNs = timeNs;
    this.digestBefore = this.digest();
    const kept = byInstruction ? code.find(code32) : null;
    const found = kept !== null && kept.facts !== null;
    this.decoded = found ? kept.decoded : null;
    this.facts = found ? kept.facts : null;
    this.findSite(kept, linear, eip, mode, available);
  }

  private findSite(kept: KeptCode | null, linear: number, eip: number, mode: number, available: number): void {
    const { code, cpu, log } = this;
    const cs = cpu.v.context.selector(CS), shape = cs | (mode << 16);
    if (
      kept !== null && kept.site >= 0 && kept.linear === linear && kept.eip === eip && kept.shape === shape && kept.available === available &&
      (kept.handedOut === log.sitesHandedOut || log.isSiteAgain(kept.site, kept.handedOut))
    ) {
      kept.handedOut = log.sitesHandedOut;
      this.event.site = kept.site;
      return;
    }
    const site = log.site(linear >>> 0, eip >>> 0, cs, mode, code.bytes, 0, available);
    this.event.site = site;
    if (kept === null) return;
    kept.site = site;
    kept.handedOut = log.sitesHandedOut;
    kept.linear = linear;
    kept.eip = eip;
    kept.shape = shape;
    kept.available = available;
  }

  /** The instruction that left, null between two. */
  get instruction(): Decoded | null {
    return this.decoded;
  }

  /** The bytes of the instruction that left. */
  get bytes(): Uint8Array {
    return this.code.bytes.slice(0, this.decoded?.length ?? 0);
  }

  /** What comes next is no exit. */
  forget(): void {
    this.decoded = null;
    this.facts = null;
    this.eip = this.cpu.state.eip;
  }

  private get mnemonic(): string {
    return this.decoded?.row?.mnemonic ?? "";
  }

  /** Writes the record. `action` says what was done; emulated port and control instructions are told apart here. */
  commit(action: ActionName, flags: number): void {
    const { event, facts } = this;
    const number = action === "emulate" && facts !== null ? facts.action : ACTIONS[action];
    event.action = number;
    event.flags = flags;
    event.a = this.errorCode;
    const what = OPERANDS[number];
    if (what === OF_STATE) event.b = packDigest(this.digestBefore, this.digest());
    else this.findOperands(what!);
    this.log.exit(event);
  }

  /** What `a` and `b` of the record are: protocol/trap-record.ts. */
  private findOperands(what: number): void {
    switch (what) {
      case OF_PORT: {
        const decoded = this.decoded!, width = this.facts!.isByte ? 1 : decoded.operandSize;
        return this.setOperands(this.port(decoded) | (width << 16), this.cpu.state.register(EAX, width) >>> 0);
      }
      case OF_PORT_BLOCK: {
        const decoded = this.decoded!;
        return this.setOperands(this.port(decoded) | ((decoded.opcodeByte & 1 ? decoded.operandSize : 1) << 16), 0);
      }
      case OF_CONTROL: return this.findControl(this.decoded!);
      case OF_TABLE: return this.findTable();
      case OF_MSR: return this.setOperands(this.cpu.state.gpr(1), this.cpu.state.gpr(EAX));
      case OF_INTERRUPT: return this.setOperands(this.errorCode, 0);
      case OF_FAULT: return this.setOperands(this.errorCode, this.cr2);
      case OF_INJECTED: return this.setOperands(this.errorCode, this.event.reason === PAGE_FAULT ? this.cr2 : packDigest(this.digestBefore, this.digest()));
    }
  }

  private findControl(decoded: Decoded): void {
    const { cpu } = this;
    const { namesControl, isDebugRegister } = this.facts!;
    if (!namesControl) return this.setOperands(0, cpu.v.context.get(CR0));
    this.setOperands(decoded.reg + (isDebugRegister ? 16 : 0), cpu.state.gpr(decoded.rm));
  }

  private findTable(): void {
    const v = this.cpu.v.context;
    switch (this.mnemonic) {
      case "LGDT": return this.setOperands(v.get(GDTR_LIMIT) & 0xffff, v.get(GDTR_BASE));
      case "LIDT": return this.setOperands((v.get(IDTR_LIMIT) & 0xffff) | (1 << 16), v.get(IDTR_BASE));
      case "LLDT": return this.setOperands(2 << 16, v.selector(LDTR));
      default: return this.setOperands(3 << 16, v.selector(TR));
    }
  }

  /** Status flags are no part of it. */
  private digest(): number {
    const { state } = this.cpu, v = this.cpu.v.context;
    return digest(state.read(EFLAGS_SHARED) | v.get(EFLAGS_SYSTEM), v.get(CPL), v.get(CR0));
  }

  private setOperands(a: number, b: number): void {
    this.event.a = a;
    this.event.b = b;
  }

  /** None of these instructions changes DX. */
  private port(decoded: Decoded): number {
    return this.facts!.hasImmediate ? decoded.immediate & 0xff : this.cpu.state.gpr(EDX) & 0xffff;
  }

  /** The vector of a delivered interrupt, known only once it was acknowledged. */
  set vector(value: number) {
    this.errorCode = value;
  }
}

export function reasonOf(exit: CpuExit): number {
  if (exit.vmxReason >= 0) return REASON_VMX + exit.vmxReason;
  switch (exit.kind) {
    case "interrupt": return REASON_IRQ;
    case "software-interrupt": return REASON_INT;
    case "callout": return REASON_CALLOUT;
    case "tc-miss": return REASON_TCMISS;
    case "sysenter": return REASON_SYSENTER;
    default: return exit.vector;
  }
}

