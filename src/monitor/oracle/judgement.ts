// What bare metal would have done with an instruction that ran without an exit, and whether that is what happened.
//
// The comparison looks at what the instruction left behind (registers, memory, flags): nothing here is told that a
// technique leaks.

import type { Cpu } from "../../cpu/cpu.ts";
import { getStatus } from "../../cpu/eflags.ts";
import { virtualFlags } from "../../cpu/v86.ts";
import {
  CPL, CR0, CR4, CS, DS, EAX, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_SYSTEM, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, EFLAGS_ZF, ES, ESP, FS,
  GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, LDTR, SS, TR,
} from "../../isa/state-layout.ts";
import { ACTIONS } from "../../protocol/trap-record.ts";
import type { GuestDescriptors } from "./guest-descriptors.ts";
import type { NativeInstruction } from "./native-instruction.ts";
import { PRIVILEGED_FLAGS, type Truth } from "./truth.ts";

const CR0_PE = 1;
const CR4_VME = 1, CR4_PVI = 2;
const SHOWN_FLAGS = EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_VIF | EFLAGS_VIP;
const RIGHT = 0;
const GENERAL_PROTECTION = 13;
/** Their verdict needs what they find: operands that they overwrite, a stack or a ring that they leave. */
const NOTED: ReadonlySet<string> = new Set(["POPF", "IRET", "RETF", "INT", "LAR", "LSL", "VERR", "VERW", "CALL", "JMP", "SYSENTER", "SYSEXIT"]);
const SEGMENT_OF: Readonly<Record<string, number>> = { LES: ES, LSS: SS, LDS: DS, LFS: FS, LGS: GS };

export class Judgement {
  private readonly cpu: Cpu;
  private readonly truth: Truth;
  private readonly insn: NativeInstruction;
  private readonly guest: GuestDescriptors;
  /** Time-stamp ticks that the monitor has spent: what RDTSC shows too much. */
  private readonly monitorTicks: () => number;
  /** The verdict of the last call: 0, or what kind of leak (ACTIONS). */
  action = RIGHT;
  observed = 0;
  expected = 0;
  /** A write of IF was lost. */
  lostInterruptFlag = false;

  // Noted before the instruction.
  private pointer = 0;
  private image = 0;
  private imageSelector = 0;
  private imageStack = 0;
  private selectorIn = 0;
  private codeSelector = 0;
  private cplBefore = 0;

  constructor(cpu: Cpu, truth: Truth, insn: NativeInstruction, guest: GuestDescriptors, monitorTicks: () => number) {
    this.cpu = cpu;
    this.truth = truth;
    this.insn = insn;
    this.guest = guest;
    this.monitorTicks = monitorTicks;
  }

  /** Whether what is there before it runs decides. */
  static notes(mnemonic: string): boolean {
    return NOTED.has(mnemonic);
  }

  /** Before the instruction. */
  note(mnemonic: string): void {
    const { cpu, insn } = this;
    this.pointer = cpu.state.gpr(ESP);
    this.codeSelector = cpu.context.selector(CS);
    this.cplBefore = cpu.context.get(CPL);
    switch (mnemonic) {
      case "POPF": this.image = insn.stack(0); break;
      case "IRET": this.noteReturn(true); break;
      case "RETF": this.noteReturn(false); break;
      case "INT": this.image = this.truth.eflags(); break;
      case "LAR": case "LSL": this.selectorIn = insn.operand(1, 2); break;
      case "VERR": case "VERW": this.selectorIn = insn.operand(0, 2); break;
    }
  }

  /** The frame: EIP, CS, of an interrupt also EFLAGS; then ESP and SS, behind the parameters that RETF drops. */
  private noteReturn(ofInterrupt: boolean): void {
    const { insn } = this;
    this.imageSelector = insn.stack(1) & 0xffff;
    this.image = ofInterrupt ? insn.stack(2) : 0;
    this.imageStack = (ofInterrupt ? insn.stack(4) : insn.stack(3, this.pointer + insn.immediate)) & 0xffff;
  }

  /** After the instruction: fills `action`, `observed`, `expected`. */
  judge(mnemonic: string): void {
    const { cpu, insn } = this;
    const v = cpu.v.context;
    this.right(0);
    this.lostInterruptFlag = false;
    switch (mnemonic) {
      case "PUSHF": this.pushedFlags(); break;
      case "POPF": this.poppedFlags(); break;
      case "SGDT": this.storedTable(v.get(GDTR_BASE), v.get(GDTR_LIMIT)); break;
      case "SIDT": this.storedTable(v.get(IDTR_BASE), v.get(IDTR_LIMIT)); break;
      case "SLDT": this.read(insn.operand(0, 2), v.selector(LDTR)); break;
      case "STR": this.read(insn.operand(0, 2), v.selector(TR)); break;
      case "SMSW": this.storedStatusWord(v.get(CR0)); break;
      case "LAR": this.examined(this.guest.accessRights(this.selectorIn, this.truth.cpl), 0x00f0_ff00); break;
      case "LSL": this.examined(this.guest.limit(this.selectorIn, this.truth.cpl), -1); break;
      case "VERR": this.verified(this.guest.isReadable(this.selectorIn, this.truth.cpl)); break;
      case "VERW": this.verified(this.guest.isWritable(this.selectorIn, this.truth.cpl)); break;
      case "PUSH": this.storedSelector(insn.stack(0) & 0xffff, insn.segment(0)); break;
      case "MOV": this.moved(); break;
      case "POP": this.loadedSegment(insn.segment(0)); break;
      case "LDS": case "LES": case "LSS": case "LFS": case "LGS": this.loadedSegment(SEGMENT_OF[mnemonic]!); break;
      case "JMP": this.jumpedFar(false); break;
      case "CALL": this.jumpedFar(true); break;
      case "RETF": if (this.inProtectedMode) this.returned(2); break;
      case "IRET": this.returnedFromInterrupt(); break;
      case "INT": this.redirectedInterrupt(); break;
      case "CLI": if (!this.isV86Task) this.truth.flags &= ~EFLAGS_IF; break;
      case "STI": if (!this.isV86Task) this.truth.flags |= EFLAGS_IF; break;
      case "FNSTENV": case "FNSAVE": this.savedPointers(4 * insn.operandSize, 6 * insn.operandSize); break;
      case "FXSAVE": this.savedPointers(12, 20); break;
      case "RDTSC": this.read(cpu.state.gpr(EAX), (cpu.state.gpr(EAX) - (cpu.readSilicon ? this.monitorTicks() : 0)) | 0); break;
    }
  }

  // --- verdicts

  private right(value: number): void {
    this.action = RIGHT;
    this.observed = this.expected = value;
  }

  private wrong(action: number, observed: number, expected: number): void {
    this.action = action;
    this.observed = observed;
    this.expected = expected;
  }

  private read(observed: number, expected: number): void {
    if (observed === expected) this.right(observed);
    else this.wrong(ACTIONS["leaked-read"], observed, expected);
  }

  /** A 32-bit register takes all of CR0, PG of the monitor's too. */
  private storedStatusWord(cr0: number): void {
    const { insn } = this;
    this.read(insn.operand(0), insn.operandBytes(0) === 4 ? cr0 : cr0 & 0xffff);
  }

  // --- the guest's mode

  private get isV86Task(): boolean {
    return (this.cpu.v.context.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
  }
  private get inProtectedMode(): boolean {
    return (this.cpu.v.context.get(CR0) & CR0_PE) !== 0 && !this.isV86Task;
  }

  // --- flags

  private pushedFlags(): void {
    const image = this.insn.stack(0);
    if (this.isV86Task) return this.right(image); // runs only with the guest's own VME, on its own VIF
    const mask = this.insn.operandSize === 4 ? SHOWN_FLAGS : SHOWN_FLAGS & 0xffff;
    this.read(image, (image & ~mask) | (this.truth.eflags() & mask));
  }

  /** Which of IF and IOPL bare metal writes: IF by CPL <= IOPL, IOPL at CPL 0 (SDM Vol. 2, POPF "Operation"). */
  private writableFlags(): number {
    const { flags, cpl } = this.truth;
    return cpl === 0 ? PRIVILEGED_FLAGS : cpl <= (flags & EFLAGS_IOPL) >>> 12 ? EFLAGS_IF : 0;
  }

  /** What the guest has now: in real-mode code under VME, in a kernel under PVI, the silicon's VIF is its IF. */
  private keptFlags(): number {
    const { cpu } = this;
    const h = cpu.context, system = cpu.v.context.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS;
    if ((h.get(CR4) & (h.get(EFLAGS_SYSTEM) & EFLAGS_VM ? CR4_VME : CR4_PVI)) === 0) return system;
    return (system & EFLAGS_IOPL) | (h.get(EFLAGS_SYSTEM) & EFLAGS_VIF ? EFLAGS_IF : 0);
  }

  private poppedFlags(): void {
    if (this.isV86Task) this.right(this.image);
    else this.wroteFlags(this.writableFlags());
  }

  /** The bits of `mask` were to come from the image. */
  private wroteFlags(mask: number): void {
    const kept = this.keptFlags() & mask, wanted = this.image & mask;
    this.truth.flags = (this.truth.flags & ~mask) | wanted;
    this.lostInterruptFlag = ((kept ^ wanted) & EFLAGS_IF) !== 0;
    if (kept === wanted) this.right(this.image);
    else this.wrong(ACTIONS["lost-write"], kept, wanted);
  }

  /** INT n of real-mode code that VME led to its own handler: the frame's flags; then IF is 0. */
  private redirectedInterrupt(): void {
    const image = this.insn.stack(2) & 0xffff;
    const mask = SHOWN_FLAGS & 0xffff;
    const expected = (image & ~mask) | ((this.isV86Task ? virtualFlags(this.image) : this.image) & mask);
    if (!this.isV86Task) this.truth.flags &= ~EFLAGS_IF;
    this.read(image, expected);
  }

  // --- tables and selectors

  private storedTable(base: number, limit: number): void {
    const { insn } = this;
    const at = insn.address();
    const observedLimit = insn.memory(at, 2), observed = insn.memory((at + 2) | 0, 4);
    if (observed === base && observedLimit !== (limit & 0xffff)) this.read(observedLimit, limit & 0xffff);
    else this.read(observed, base);
  }

  /** The selectors of the last x87 instruction and its operand, at these offsets. Outside protected mode linear addresses are stored. */
  private savedPointers(...offsets: readonly number[]): void {
    if (!this.inProtectedMode) return;
    const at = this.insn.address();
    for (const offset of offsets) {
      const observed = this.insn.memory((at + offset) | 0, 2);
      this.read(observed, (observed & 0xfffc) | this.guest.rpl(observed, 0));
      if (this.action !== RIGHT) return;
    }
  }

  private examined(expected: number, mask: number): void {
    const zero = getStatus(this.cpu.state) & EFLAGS_ZF;
    const expectedZero = expected < 0 ? 0 : EFLAGS_ZF;
    if (zero !== expectedZero) return this.wrong(ACTIONS["leaked-read"], zero, expectedZero);
    if (zero === 0) return this.right(0);
    const shown = this.insn.operandSize === 4 ? mask : mask & 0xffff;
    this.read(this.insn.operand(0) & shown, expected & shown);
  }

  private verified(expected: boolean): void {
    this.read(getStatus(this.cpu.state) & EFLAGS_ZF, expected ? EFLAGS_ZF : 0);
  }

  /** CS and SS show the ring that the guest really runs in; the other selectors are the guest's own. */
  private storedSelector(observed: number, segment: number): void {
    this.read(observed, this.truth.selector(segment, this.cpu.context.selector(segment)) & 0xffff);
  }

  private moved(): void {
    const { row } = this.insn;
    if (row?.operands[1] === "Sw") this.storedSelector(this.insn.operand(0, 2), this.insn.segment(1));
    else if (row?.operands[0] === "Sw") this.loadedSegment(this.insn.segment(0));
  }

  private loadedSegment(index: number): void {
    this.truth.loaded(index);
    const selector = this.cpu.context.selector(index);
    const vector = this.inProtectedMode ? this.guest.faultOfLoad(index, selector, this.truth.cpl) : 0;
    if (vector === 0) this.right(selector);
    else this.wrong(ACTIONS["wrong-fault"], selector, vector);
  }

  // --- far transfers

  private jumpedFar(isCall: boolean): void {
    if (!this.inProtectedMode) return;
    const { cpl } = this.truth;
    const vector = this.guest.faultOfTransfer(this.cpu.context.selector(CS), cpl);
    if (vector !== 0) this.wrong(ACTIONS["wrong-fault"], this.cpu.context.selector(CS), vector);
    else if (isCall) this.read(this.insn.stack(1) & 0xffff, (this.codeSelector & 0xfffc) | cpl);
  }

  private returnedFromInterrupt(): void {
    if (this.isV86Task) return;
    // In real-mode code under VME the frame that INT n pushed shows IOPL 3: only IF comes back.
    if (!this.inProtectedMode) return this.wroteFlags(EFLAGS_IF);
    const toV86 = this.insn.operandSize === 4 && this.image & EFLAGS_VM && this.truth.cpl === 0;
    this.wroteFlags(this.writableFlags());
    if (toV86) this.wrong(ACTIONS["wrong-frame"], 3 * 4, 9 * 4);
    else this.returned(3);
  }

  /** RETF, IRET: did ring and stack become what the image asked for? Of an IRET `wroteFlags` has judged the flags. */
  private returned(words: number): void {
    const { cpu, guest, truth } = this;
    const from = truth.cpl, to = guest.rpl(this.imageSelector, from);
    const size = this.insn.operandSize;
    if (to < from) return this.wrong(ACTIONS["wrong-fault"], this.imageSelector, GENERAL_PROTECTION);
    if (to === from) return;
    truth.returnedOutward(to, this.imageStack, (selector) => guest.isInside(selector, to));
    if (cpu.context.get(CPL) === this.cplBefore) this.wrong(ACTIONS["wrong-frame"], words * size, (words + 2) * size);
  }
}
