// Leak probes: around every sensitive instruction that runs without an exit, what it really did is compared with what
// bare metal would have done. What is right is an observation; what is not is a leak. Neither is ever counted as a trap.
//
// The comparison looks at what the instruction left behind (registers, memory, flags): nothing here is told that a
// technique leaks.

import type { SensitiveProbe } from "../../cpu/core.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import { getStatus, setStatus } from "../../cpu/eflags.ts";
import { createDecoded, type Decoder } from "../../isa/decoder.ts";
import { resolveOperand } from "../../isa/operand-location.ts";
import { R_LENGTH, R_OFFSET } from "../../isa/record-layout.ts";
import type { Row } from "../../isa/row.ts";
import {
  CPL, CR0, CR4, CS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_SYSTEM, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, EFLAGS_ZF, EIP_BASE, ESP, GDTR_BASE,
  GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, RECORD, SS, TR,
} from "../../isa/state-layout.ts";
import { ACTIONS, packMode } from "../../protocol/trap-record.ts";
import type { TrapLog } from "../trap-log.ts";
import { PRIVILEGED_FLAGS, Truth } from "./truth.ts";

const ACCESS_CODE32 = 1 << 14;
const CR0_PE = 1;
const CR4_VME = 1;
const SHOWN_FLAGS = EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_VIF | EFLAGS_VIP;

export interface ProbeParts {
  readonly cpu: Cpu;
  readonly rows: readonly Row[];
  readonly decoder: Decoder;
  readonly log: TrapLog;
  readonly icount: () => number;
  readonly nowNs: () => number;
  /** LAR, LSL, VERR, VERW on the active context; result value, ZF in the status flags. */
  readonly dryRun: { readonly [mnemonic: string]: (selector: number) => number };
}

export class Probes implements SensitiveProbe {
  readonly truth: Truth;
  private readonly parts: ProbeParts;
  private readonly bytes = new Uint8Array(16);
  private readonly decoded = createDecoded();
  private readonly mnemonicIds: Int32Array;
  /** Executions per row that are not written down one by one. */
  private readonly bulk: Float64Array;
  /** Write every observation into the ring; off: only count. */
  recordObserved = false;

  // Noted before the instruction.
  private site = 0;
  private stackImage = 0;
  private stackPointer = 0;
  private selectorIn = 0;

  constructor(parts: ProbeParts) {
    this.parts = parts;
    this.truth = new Truth(parts.cpu);
    this.bulk = new Float64Array(parts.rows.length);
    this.mnemonicIds = Int32Array.from(parts.rows, (row) => (row.sensitivity ? parts.log.counters.mnemonicId(row.mnemonic) : 0));
  }

  /** Moves what was only counted into the shared statistics. Call before they are read. */
  flush(): void {
    for (let row = 0; row < this.bulk.length; row++) {
      const count = this.bulk[row]!;
      if (count === 0) continue;
      this.bulk[row] = 0;
      this.parts.log.counters.countObserved(this.mnemonicIds[row]!, count);
    }
  }

  before(row: number): void {
    const { cpu } = this.parts;
    if (!cpu.hostAttached) {
      if (this.recordObserved) this.site = this.siteOfRecord(false);
      return;
    }
    if (!cpu.context.isHardware) return; // the monitor steps: that is no execution by the guest
    this.site = this.siteOfRecord(true);
    this.decode();
    this.note(this.parts.rows[row]!);
  }

  after(row: number): void {
    const { cpu, log, icount, nowNs } = this.parts;
    if (!cpu.hostAttached) {
      if (this.recordObserved) log.observed(this.site, icount(), nowNs(), ACTIONS.native, 0, this.shown(this.parts.rows[row]!));
      else this.bulk[row]!++;
      return;
    }
    if (!cpu.context.isHardware) return;
    this.compare(this.parts.rows[row]!, row);
  }

  // --- where

  private siteOfRecord(native: boolean): number {
    const { cpu, log } = this.parts;
    const { state } = cpu;
    const v = cpu.v.context;
    const record = state.read(RECORD);
    const eip = (state.read(EIP_BASE) + state.view.getUint16(record + R_OFFSET, true)) | 0;
    const linear = (cpu.context.segmentBase(CS) + eip) | 0;
    const length = state.u8[record + R_LENGTH]!;
    const first = cpu.peekPhysical(linear);
    const second = (linear & 0xfff) + length > 4096 ? cpu.peekPhysical((linear | 0xfff) + 1) : -1;
    for (let i = 0; i < length; i++) {
      const offset = (linear & 0xfff) + i;
      const physical = offset < 4096 ? first : second;
      const host = physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
      this.bytes[i] = host === 0 ? 0 : state.u8[host + (offset & 0xfff)]!;
    }
    const vm = (v.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
    const code32 = (cpu.context.segmentAccess(CS) & ACCESS_CODE32) !== 0;
    const mode = packMode(v.get(CPL), native ? cpu.context.get(CPL) : v.get(CPL), vm, (v.get(CR0) & CR0_PE) !== 0, code32);
    return log.site(linear >>> 0, eip >>> 0, v.selector(CS), mode, this.bytes, 0, length);
  }

  private decode(): void {
    const { cpu, decoder } = this.parts;
    decoder.decodeBytes(this.bytes, 0, 15, (cpu.context.segmentAccess(CS) & ACCESS_CODE32) !== 0, this.decoded);
  }

  // --- before

  private note(row: Row): void {
    const { cpu } = this.parts;
    const { state } = cpu;
    this.stackPointer = state.gpr(ESP);
    switch (row.mnemonic) {
      case "POPF": this.stackImage = this.stack(0); break;
      case "IRET": this.stackImage = this.stack(2 * this.decoded.operandSize); break;
      case "LAR": case "LSL": this.selectorIn = this.readOperand(1); break;
      case "VERR": case "VERW": this.selectorIn = this.readOperand(0); break;
    }
  }

  /** Operand-size word at `offset` above the top of the stack. */
  private stack(offset: number): number {
    const { cpu } = this.parts;
    const wide = (cpu.context.segmentAccess(SS) & ACCESS_CODE32) !== 0;
    const pointer = wide ? (cpu.state.gpr(ESP) + offset) | 0 : (cpu.state.gpr(ESP) + offset) & 0xffff;
    return this.peek((cpu.context.segmentBase(SS) + pointer) | 0, this.decoded.operandSize);
  }

  private peek(linear: number, width: number): number {
    const { cpu } = this.parts;
    let value = 0;
    for (let i = 0; i < width; i++) {
      const physical = cpu.peekPhysical((linear + i) | 0);
      const host = physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
      if (host !== 0) value |= cpu.state.u8[host + (physical & 0xfff)]! << (8 * i);
    }
    return value;
  }

  /** Linear address of the memory operand. */
  private address(): number {
    const { cpu } = this.parts;
    const { state } = cpu;
    const d = this.decoded;
    const sum = (d.base < 0 ? 0 : state.gpr(d.base)) + (d.index < 0 ? 0 : state.gpr(d.index) << d.scale) + d.displacement;
    return (cpu.context.segmentBase(d.segment) + (d.addressSize === 4 ? sum | 0 : sum & 0xffff)) | 0;
  }

  /** Present value of operand `index`: a register or memory. */
  private readOperand(index: number, width?: number): number {
    const { cpu } = this.parts;
    const operand = resolveOperand(this.decoded.row!.operands[index]!, this.decoded);
    const bytes = width ?? operand.width;
    if (operand.kind === "mem") return this.peek(this.address(), bytes);
    if (operand.kind === "segment") return cpu.context.selector(operand.number);
    return bytes === 4 ? cpu.state.gpr(operand.number) : cpu.state.register(operand.number, bytes);
  }

  // --- after

  /** What the guest saw, for an observation's record. */
  private shown(row: Row): number {
    this.decode();
    if (!this.decoded.row) return 0;
    switch (row.mnemonic) {
      case "PUSHF": return this.stack(0);
      case "SLDT": case "STR": case "SMSW": return this.readOperand(0);
      case "SGDT": case "SIDT": return this.peek((this.address() + 2) | 0, 4);
      default: return 0;
    }
  }

  private compare(row: Row, index: number): void {
    const { cpu } = this.parts;
    const { truth } = this;
    const v = cpu.v.context;
    switch (row.mnemonic) {
      case "PUSHF": return this.pushedFlags(index);
      case "POPF": return this.poppedFlags(index);
      case "SGDT": return this.storedTable(index, v.get(GDTR_BASE), v.get(GDTR_LIMIT));
      case "SIDT": return this.storedTable(index, v.get(IDTR_BASE), v.get(IDTR_LIMIT));
      case "SLDT": return this.read(index, this.readOperand(0, 2), v.selector(LDTR));
      case "STR": return this.read(index, this.readOperand(0, 2), v.selector(TR));
      case "SMSW": return this.read(index, this.readOperand(0, 2), v.get(CR0) & 0xffff);
      case "LAR": case "LSL": case "VERR": case "VERW": return this.dryRun(row, index);
      case "PUSH": return this.storedSelector(index, this.stack(0) & 0xffff, this.sourceSegment(0));
      case "MOV": {
        const source = row.operands[1];
        if (source === "Sw") return this.storedSelector(index, this.readOperand(0, 2), this.decoded.reg);
        return this.native(index, this.readOperand(1));
      }
      case "IRET": return this.returned(index);
      default:
        this.native(index, 0);
        if (row.mnemonic === "CLI" || row.mnemonic === "STI") truth.flags = row.mnemonic === "STI" ? truth.flags | EFLAGS_IF : truth.flags & ~EFLAGS_IF;
    }
  }

  private sourceSegment(operand: number): number {
    return resolveOperand(this.decoded.row!.operands[operand]!, this.decoded).number;
  }

  private native(index: number, value: number): void {
    const { log, icount, nowNs } = this.parts;
    if (this.recordObserved) log.observed(this.site, icount(), nowNs(), ACTIONS.native, 0, value);
    else this.bulk[index]!++;
  }

  private leak(action: number, observed: number, expected: number): void {
    const { log, icount, nowNs } = this.parts;
    log.leak(this.site, icount(), nowNs(), action, 0, observed, expected);
  }

  private read(index: number, observed: number, expected: number): void {
    if (observed === expected) this.native(index, observed);
    else this.leak(ACTIONS["leaked-read"], observed, expected);
  }

  private pushedFlags(index: number): void {
    const image = this.stack(0);
    const mask = this.decoded.operandSize === 4 ? SHOWN_FLAGS : SHOWN_FLAGS & 0xffff;
    const expected = (image & ~mask) | (this.truth.eflags() & mask);
    this.read(index, image, expected);
  }

  /** IF by CPL <= IOPL, IOPL at CPL 0 (SDM Vol. 2, POPF "Operation"): did V get what bare metal would have got? */
  private poppedFlags(index: number): void {
    const { truth } = this;
    const { cpu } = this.parts;
    const iopl = (truth.flags & EFLAGS_IOPL) >>> 12;
    const mask = truth.cpl === 0 ? PRIVILEGED_FLAGS : truth.cpl <= iopl ? EFLAGS_IF : 0;
    const wanted = (truth.flags & ~mask) | (this.stackImage & mask);
    const vme = cpu.context.get(EFLAGS_SYSTEM) & EFLAGS_VM && cpu.context.get(CR4) & CR4_VME;
    const kept = vme
      ? (cpu.v.context.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) | (cpu.context.get(EFLAGS_SYSTEM) & EFLAGS_VIF ? EFLAGS_IF : 0)
      : cpu.v.context.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS;
    truth.flags = wanted;
    if (wanted === kept) this.native(index, this.stackImage);
    else this.leak(ACTIONS["lost-write"], kept, wanted);
  }

  private storedTable(index: number, base: number, limit: number): void {
    const address = this.address();
    const observedLimit = this.peek(address, 2);
    const shownBytes = this.decoded.operandSize === 4 ? 0xffff_ffff : 0x00ff_ffff;
    const observed = this.peek((address + 2) | 0, 4);
    const expected = base & shownBytes;
    if (observed === expected && observedLimit === (limit & 0xffff)) this.native(index, observed);
    else if (observed === expected) this.leak(ACTIONS["leaked-read"], observedLimit, limit & 0xffff);
    else this.leak(ACTIONS["leaked-read"], observed, expected);
  }

  /** CS and SS show the ring that the guest really runs in; the other selectors are the guest's own. */
  private storedSelector(index: number, observed: number, segment: number): void {
    const { cpu } = this.parts;
    const isPrivileged = segment === CS || segment === SS;
    const virtual = cpu.v.context.get(CR0) & CR0_PE && !(cpu.v.context.get(EFLAGS_SYSTEM) & EFLAGS_VM);
    const expected = isPrivileged && virtual ? (cpu.context.selector(segment) & 0xfffc) | this.truth.cpl : cpu.context.selector(segment);
    this.read(index, observed, expected & 0xffff);
  }

  /** The same check on the guest's own tables, with the guest's own privilege. */
  private dryRun(row: Row, index: number): void {
    const { cpu, dryRun } = this.parts;
    const after = getStatus(cpu.state);
    const observed = row.mnemonic === "LAR" || row.mnemonic === "LSL" ? this.readOperand(0) : 0;
    cpu.switchContext("V");
    const value = dryRun[row.mnemonic]!(this.selectorIn & 0xffff);
    const expectedZero = getStatus(cpu.state) & EFLAGS_ZF;
    cpu.switchContext("H");
    setStatus(cpu.state, after);
    const zero = after & EFLAGS_ZF;
    if (zero !== expectedZero) return this.leak(ACTIONS["leaked-read"], zero, expectedZero);
    if (zero === 0 || row.mnemonic === "VERR" || row.mnemonic === "VERW") return this.native(index, zero);
    const mask = this.decoded.operandSize === 4 ? -1 : 0xffff;
    this.read(index, observed & mask, value & mask);
  }

  /** An IRET that did not leave: did ring, stack and IF become what the image asked for? */
  private returned(index: number): void {
    const { cpu } = this.parts;
    const { truth } = this;
    const { operandSize } = this.decoded;
    const v = cpu.v.context;
    const protectedMode = v.get(CR0) & CR0_PE && !(v.get(EFLAGS_SYSTEM) & EFLAGS_VM);
    if (!protectedMode) {
      truth.flags = (truth.flags & ~EFLAGS_IF) | (this.stackImage & EFLAGS_IF);
      return this.native(index, 0);
    }
    const returnsTo = this.returnRing();
    const iopl = (truth.flags & EFLAGS_IOPL) >>> 12;
    const mask = truth.cpl === 0 ? PRIVILEGED_FLAGS : truth.cpl <= iopl ? EFLAGS_IF : 0;
    const wanted = (truth.flags & ~mask) | (this.stackImage & mask);
    const from = truth.cpl;
    truth.flags = wanted;
    if (returnsTo > from) {
      truth.cpl = returnsTo;
      // Bare metal pops SS:ESP as well when the ring changes.
      const popped = (cpu.state.gpr(ESP) - this.stackPointer) | 0;
      if (popped === 3 * operandSize) return this.leak(ACTIONS["wrong-frame"], 3 * operandSize, 5 * operandSize);
    }
    const kept = v.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS;
    if (kept === wanted) this.native(index, this.stackImage);
    else this.leak(ACTIONS["lost-write"], kept, wanted);
  }

  /** Ring of the CS that was just loaded, as the guest's own table has it. */
  private returnRing(): number {
    const rpl = this.parts.cpu.context.selector(CS) & 3;
    return rpl === 1 ? 0 : rpl;
  }
}

