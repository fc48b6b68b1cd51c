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
import { factsOf } from "./row-facts.ts";
import type { TrapLog } from "./trap-log.ts";

const PAGE_FAULT = 14;
const ACCESS_CODE32 = 1 << 14;

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
  private site = 0;
  private reason = 0;
  private digestBefore = 0;
  private errorCode = 0;
  private cr2 = 0;
  private icount = 0;
  private timeNs = 0;
  private a = 0;
  private b = 0;
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
    this.log.registers?.before();
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
    this.reason = reasonOf(exit);
    this.errorCode = exit.hasErrorCode ? exit.errorCode : exit.vector;
    this.cr2 = exit.cr2;
    this.icount = icount;
    this.timeNs = timeNs;
    this.digestBefore = this.digest();
    const kept = byInstruction ? code.find(code32) : null;
    this.decoded = kept?.valid ? kept.decoded : null;
    this.findSite(kept, linear, eip, mode, available);
  }

  private findSite(kept: KeptCode | null, linear: number, eip: number, mode: number, available: number): void {
    const { code, cpu, log } = this;
    const cs = cpu.v.context.selector(CS), shape = cs | (mode << 16);
    if (
      kept !== null && kept.site >= 0 && kept.linear === linear && kept.eip === eip && kept.shape === shape && kept.available === available &&
      log.isSiteAgain(kept.site, kept.handedOut)
    ) {
      this.site = kept.site;
      return;
    }
    this.site = log.site(linear >>> 0, eip >>> 0, cs, mode, code.bytes, 0, available);
    if (kept === null) return;
    kept.site = this.site;
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
    this.eip = this.cpu.state.eip;
  }

  private get mnemonic(): string {
    return this.decoded?.row?.mnemonic ?? "";
  }

  /** Writes the record. `action` says what was done; emulated port and control instructions are told apart here. */
  commit(action: ActionName, flags: number): void {
    const row = this.decoded?.row ?? null;
    const refined = action === "emulate" && row !== null ? factsOf(row).action : action;
    this.findOperands(refined);
    this.log.exit(this.site, this.icount, this.timeNs, this.reason, ACTIONS[refined], flags, this.a, this.b);
  }

  /** What `a` and `b` of the record are: protocol/trap-record.ts. */
  private findOperands(action: ActionName): void {
    const { cpu } = this;
    const { state } = cpu;
    const v = cpu.v.context;
    const decoded = this.decoded!;
    switch (action) {
      case "port-in": case "port-out": {
        const width = decoded.row!.operands.includes("AL") ? 1 : decoded.operandSize;
        return this.setOperands(this.port(decoded) | (width << 16), state.register(EAX, width) >>> 0);
      }
      case "port-block": return this.setOperands(this.port(decoded) | ((decoded.opcodeByte & 1 ? decoded.operandSize : 1) << 16), 0);
      case "control": {
        if (this.mnemonic !== "MOV") return this.setOperands(0, v.get(CR0));
        const debug = decoded.row!.operands.some((o) => o === "Dd");
        return this.setOperands(decoded.reg + (debug ? 16 : 0), state.gpr(decoded.rm));
      }
      case "table":
        switch (this.mnemonic) {
          case "LGDT": return this.setOperands(v.get(GDTR_LIMIT) & 0xffff, v.get(GDTR_BASE));
          case "LIDT": return this.setOperands((v.get(IDTR_LIMIT) & 0xffff) | (1 << 16), v.get(IDTR_BASE));
          case "LLDT": return this.setOperands(2 << 16, v.selector(LDTR));
          default: return this.setOperands(3 << 16, v.selector(TR));
        }
      case "msr": return this.setOperands(state.gpr(1), state.gpr(EAX));
      case "deliver-irq": case "park-irq": return this.setOperands(this.errorCode, 0);
      case "shadow-fill": case "mmio": case "traced-write": return this.setOperands(this.errorCode, this.cr2);
      default:
        if (action === "inject" && this.reason === PAGE_FAULT) return this.setOperands(this.errorCode, this.cr2);
        return this.setOperands(this.errorCode, packDigest(this.digestBefore, this.digest()));
    }
  }

  /** Status flags are no part of it. */
  private digest(): number {
    const { state } = this.cpu, v = this.cpu.v.context;
    return digest(state.read(EFLAGS_SHARED) | v.get(EFLAGS_SYSTEM), v.get(CPL), v.get(CR0));
  }

  private setOperands(a: number, b: number): void {
    this.a = a;
    this.b = b;
  }

  /** None of these instructions changes DX. */
  private port(decoded: Decoded): number {
    return decoded.row!.operands.includes("Ib") ? decoded.immediate & 0xff : this.cpu.state.gpr(EDX) & 0xffff;
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

