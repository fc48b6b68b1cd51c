// The processor as the run loop, the monitor and the library see it.

import { EFLAGS_IF, EFLAGS_SYSTEM, NMI_BLOCKED, SHADOW } from "../isa/state-layout.ts";
import { beginInstruction, endInstruction, setDebugStatus } from "./debug.ts";
import { deliverEvent, deliverRaised, EVENT_EXTERNAL, EVENT_TRAP, recordExit } from "./exceptions.ts";
import { translateCode } from "./linear-memory.ts";
import { ModeOrigin, switchMode, updateMode } from "./mode.ts";
import { peekPhysical } from "./paging.ts";
import { DB, NMI, PAGE_HOLDS_CODE, PAGE_IS_PRIVATE, PAGE_IS_TRACED, PAGE_READS_WATCHED, Processor } from "./processor.ts";
import { resetProcessor } from "./reset.ts";
import type { Tlb } from "./tlb.ts";
import { EXIT_EXCEPTION, EXIT_EXTERNAL_INTERRUPT, EXIT_INTERRUPT_WINDOW } from "./vmx-controls.ts";

export class Cpu extends Processor {
  /** Delivers the fault that FAULT names: reads and clears it. EIP is the faulting instruction's own. May end in `exit.pending` or in shutdown (ACTIVITY = 2). */
  deliverFault(): void {
    deliverRaised(this);
  }

  /** An external interrupt that the controller has acknowledged; wakes a halted processor. */
  deliverInterrupt(vector: number): void {
    deliverEvent(this, vector, EVENT_EXTERNAL);
  }

  /** With a monitor attached: the interrupt leaves to ring 0 unacknowledged; the monitor asks its controller for the vector. */
  exitForInterrupt(): void {
    recordExit(this, "interrupt", 0, this.state.eip, this.nonRoot !== null ? EXIT_EXTERNAL_INTERRUPT : -1);
  }

  /** Non-root operation: what leaves between two instructions, whatever the guest's own IF. True: it has left. */
  exitBetweenInstructions(intr: boolean, nmi: boolean): boolean {
    const block = this.nonRoot;
    if (block === null) return false;
    if (nmi && block.nmiExiting) recordExit(this, "interrupt", NMI, this.state.eip, EXIT_EXCEPTION);
    else if (intr && block.externalInterruptExiting) this.exitForInterrupt();
    else if (block.interruptWindowExiting && this.interruptible()) recordExit(this, "vmx", 0, this.state.eip, EXIT_INTERRUPT_WINDOW);
    return this.exit.pending;
  }

  /** A non-maskable interrupt; blocks further ones until IRET. */
  deliverNmi(): void {
    if (!this.deprivileged) this.context.set(NMI_BLOCKED, 1);
    deliverEvent(this, NMI, EVENT_EXTERNAL);
  }

  /** Whether an external interrupt would be taken at this instruction boundary. */
  interruptible(): boolean {
    return (this.context.get(EFLAGS_SYSTEM) & EFLAGS_IF) !== 0 && this.context.get(SHADOW) === 0;
  }

  nmiDeliverable(): boolean {
    return this.context.get(NMI_BLOCKED) === 0 && this.context.get(SHADOW) === 0;
  }

  /** Power-up state of both contexts. SDM Vol. 3A, "Processor State After Reset". */
  reset(): void {
    resetProcessor(this);
  }

  /** Recomputes MODE and the TLB pointers after any change of CPL, CR0, EFLAGS.VM/TF/AC, DR7 or a segment register from outside the cpu's own code. */
  updateMode(): void {
    updateMode(this);
  }

  /** Makes V or H the active context. */
  switchContext(name: "V" | "H"): void {
    const unit = name === "V" ? this.v : this.h;
    this.context = unit.context;
    this.tlb = unit.tlb;
    this.physical = unit.physical;
    this.tlb.prepare();
    switchMode(this, name === "V" ? this.guestMode : this.hardwareMode);
  }
  private readonly guestMode = new ModeOrigin();
  private readonly hardwareMode = new ModeOrigin();

  /** Makes V the active context where it is not: what follows from its registers is kept up to date while it is. */
  useGuest(): void {
    if (this.context !== this.v.context) this.switchContext("V");
  }

  /** The page holds decoded code from now on: stores to it report `hooks.codeWritten`. */
  markCode(physicalPage: number): void {
    this.watchPage(physicalPage, PAGE_HOLDS_CODE);
  }

  /** A monitor watches stores to the page: they report `hooks.codeWritten` too. */
  markTraced(physicalPage: number): void {
    this.watchPage(physicalPage, PAGE_IS_TRACED);
  }

  unmarkTraced(physicalPage: number): void {
    this.codePages[physicalPage]! &= ~PAGE_IS_TRACED;
  }

  /** A monitor watches loads from the page, too: they go to `touchWatch`. The page is traced. */
  watchReads(physicalPage: number, watched: boolean): void {
    if (!watched) this.codePages[physicalPage]! &= ~PAGE_READS_WATCHED;
    else if ((this.codePages[physicalPage]! & PAGE_READS_WATCHED) === 0) {
      this.codePages[physicalPage]! |= PAGE_READS_WATCHED;
      this.eachHostOf(physicalPage, (tlb, host) => tlb.dropRead(host));
    }
  }

  /** Pages that are a monitor's own. Call before the silicon's TLB holds any of them. */
  setPrivate(firstPage: number, count: number, own: boolean): void {
    for (let page = firstPage; page < firstPage + count; page++) {
      if (own) this.codePages[page]! |= PAGE_IS_PRIVATE;
      else this.codePages[page]! &= ~PAGE_IS_PRIVATE;
    }
  }

  private watchPage(physicalPage: number, why: number): void {
    const before = this.codePages[physicalPage]!;
    if (before & why) return;
    this.codePages[physicalPage] = before | why;
    this.eachHostOf(physicalPage, (tlb, host) => tlb.dropWrite(host));
  }

  private eachHostOf(physicalPage: number, drop: (tlb: Tlb, host: number) => void): void {
    for (const unit of [this.v, this.h]) {
      const host = unit.physical.hostPage(physicalPage);
      if (host !== 0) drop(unit.tlb, host);
    }
  }

  /** The page holds no decoded code any more. */
  unmarkCode(physicalPage: number): void {
    this.codePages[physicalPage]! &= ~PAGE_HOLDS_CODE;
  }

  /** Entry of the instruction TLB for a fetch at `linear` (TLB_CODE_*), after a page walk where needed; 0: #PF raised. */
  translateCode(linear: number): number {
    return translateCode(this, linear);
  }

  /** Physical address of a linear one in the active context, without any effect on the guest; -1 where it is not mapped. */
  peekPhysical(linear: number): number {
    return peekPhysical(this, linear);
  }

  /** Before an instruction in MODE_SINGLE; false: a #DB fault was raised instead of running it. `linear` = CS base + EIP. */
  beforeInstruction(linear: number): boolean {
    return beginInstruction(this, linear);
  }

  /** After a completed instruction in MODE_SINGLE, and whenever `pendingDebug` is not 0: delivers #DB traps. True if there was one. */
  afterInstruction(deliver = true): boolean {
    const bits = endInstruction(this);
    if (bits === 0) return false;
    setDebugStatus(this, bits);
    if (deliver) deliverEvent(this, DB, EVENT_TRAP);
    return true;
  }
}
