// The processor as the run loop, the monitor and the library see it.

import { Processor } from "./processor.ts";

export class Cpu extends Processor {
  /** Delivers the fault that FAULT names: reads and clears it. EIP is the faulting instruction's own. May end in `exit.pending` or in shutdown (ACTIVITY = 2). */
  deliverFault(): void {}

  /** An external interrupt that the controller has acknowledged; wakes a halted processor. */
  deliverInterrupt(_vector: number): void {}

  /** A non-maskable interrupt; the caller has looked at NMI_BLOCKED. */
  deliverNmi(): void {}

  /** Whether an external interrupt would be taken at this instruction boundary. */
  interruptible(): boolean {
    return false;
  }

  /** Power-up or INIT state. SDM Vol. 3A, "Processor State After Reset". */
  reset(): void {}

  /** Recomputes MODE and the TLB pointers after any change of CPL, CR0, EFLAGS.VM/TF/AC, DR7 or a segment register from outside the cpu's own code. */
  updateMode(): void {}

  /** Makes V or H the active context. */
  switchContext(name: "V" | "H"): void {
    const unit = name === "V" ? this.v : this.h;
    this.context = unit.context;
    this.tlb = unit.tlb;
    this.physical = unit.physical;
    this.tlb.prepare();
  }

  /** The page holds decoded code from now on: stores to it report `hooks.codeWritten`. */
  markCode(_physicalPage: number): void {}

  /** The page holds no decoded code any more. */
  unmarkCode(_physicalPage: number): void {}

  /** Entry of the instruction TLB for a fetch at `linear` (TLB_CODE_*), after a page walk where needed; 0: #PF raised. */
  translateCode(_linear: number): number {
    return 0;
  }

  // Slow paths of memory operands: segment check, translation, page-crossing, devices, breakpoints. A fault is left in FAULT; then the result means nothing.
  loadSlow(_segment: number, _offset: number, _width: 1 | 2 | 4): number {
    return 0;
  }

  storeSlow(_segment: number, _offset: number, _width: 1 | 2 | 4, _value: number): void {}

  /** Leaves the value in SLOW_RESULT. */
  load64Slow(_segment: number, _offset: number): void {}

  store64Slow(_segment: number, _offset: number, _low: number, _high: number): void {}

  /** Proves that the range (at most a page long) may be written; the stores after it cannot fault. */
  probeWriteSlow(_segment: number, _offset: number, _bytes: number): void {}

  /** Before an instruction in MODE_SINGLE; false: a #DB fault was raised instead of running it. `linear` = CS base + EIP. */
  beforeInstruction(_linear: number): boolean {
    return true;
  }

  /** After a completed instruction in MODE_SINGLE, and whenever `pendingDebug` is not 0: delivers #DB traps. */
  afterInstruction(): void {}
}
