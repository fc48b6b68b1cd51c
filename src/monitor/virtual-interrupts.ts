// The guest's interrupts. The silicon's IF is always 1: a request leaves at once, and the guest's own IF decides when it
// is delivered. Until then it is parked: the line to the silicon is held low, so that one request is one exit.

import type { Core } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { deliverEvent, EVENT_EXTERNAL } from "../cpu/exceptions.ts";
import { NMI } from "../cpu/processor.ts";
import { ACTIVITY, EFLAGS_IF, EFLAGS_SYSTEM, NMI_BLOCKED, SHADOW } from "../isa/state-layout.ts";

/** The board's interrupt controller. */
export interface InterruptSource {
  readonly pending: () => boolean;
  /** Vector of the highest request. */
  readonly acknowledge: () => number;
}

const HALTED = 1;
/** With an interrupt waiting and IF = 0 this long, a person wants to know. */
const STARVED_INSTRUCTIONS = 50e6;

export class VirtualInterrupts {
  private readonly cpu: Cpu;
  private readonly core: Core;
  private readonly source: InterruptSource;
  private readonly starved: () => void;
  /** Instructions that had retired when the request was parked; -1: none is. */
  private parkedAt = -1;
  /** The same for the first of the requests since IF was open: one of the timer is taken back and made again at each tick. */
  private waitingSince = -1;
  private nmiParked = false;
  private starvationTold = false;
  /** Vector delivered last. */
  vector = 0;

  constructor(cpu: Cpu, core: Core, source: InterruptSource, starved: () => void) {
    this.cpu = cpu;
    this.core = core;
    this.source = source;
    this.starved = starved;
  }

  get parked(): boolean {
    return this.parkedAt >= 0;
  }

  /** Something waits for the guest to be ready, or the guest waits for something. */
  get waits(): boolean {
    return this.parkedAt >= 0 || this.nmiParked || this.cpu.v.context.get(ACTIVITY) === HALTED;
  }

  /** The controller's INTR output. */
  setLine(level: boolean): void {
    if (!level) this.parkedAt = -1;
    this.core.setIntr(level && !this.parked);
  }

  /** The guest takes external interrupts: IF = 1, no shadow of STI or MOV SS. */
  private get open(): boolean {
    const v = this.cpu.v.context;
    return (v.get(EFLAGS_SYSTEM) & EFLAGS_IF) !== 0 && v.get(SHADOW) === 0;
  }

  /** The silicon left for a request. True: delivered; false: parked. V is the active context. */
  handle(): boolean {
    if (this.open && this.source.pending()) {
      this.deliver();
      return true;
    }
    this.parkedAt = this.core.retired();
    if (this.waitingSince < 0) {
      this.waitingSince = this.parkedAt;
      this.starvationTold = false;
    }
    this.core.setIntr(false);
    return false;
  }

  /** The silicon left for an NMI. */
  handleNmi(): boolean {
    if (this.cpu.v.context.get(NMI_BLOCKED) !== 0) {
      this.nmiParked = true;
      return false;
    }
    this.cpu.deliverNmi();
    this.vector = NMI;
    return true;
  }

  /**
   * What waits and may go in now. True: V has changed. `step` runs one instruction of the guest, for a request that waits
   * behind the shadow of STI; `false` where the budget has no room for it.
   */
  deliverWaiting(step: (() => void) | null): boolean {
    const v = this.cpu.v.context;
    if (this.nmiParked && v.get(NMI_BLOCKED) === 0) {
      this.nmiParked = false;
      this.cpu.switchContext("V");
      this.cpu.deliverNmi();
      return true;
    }
    if (!this.parked && v.get(ACTIVITY) !== HALTED) return false;
    if (!this.source.pending()) {
      this.setLine(false);
      return false;
    }
    if ((v.get(EFLAGS_SYSTEM) & EFLAGS_IF) === 0) {
      this.noteStarvation();
      return false;
    }
    this.waitingSince = -1;
    if (v.get(SHADOW) === 0) {
      this.cpu.switchContext("V");
      this.deliver();
      return true;
    }
    if (!step) return false;
    step();
    return true;
  }

  private deliver(): void {
    this.waitingSince = -1;
    this.vector = this.source.acknowledge();
    deliverEvent(this.cpu, this.vector, EVENT_EXTERNAL);
    this.release();
  }

  /** Nothing is parked; the line shows what the controller wants. */
  release(): void {
    this.parkedAt = -1;
    this.core.setIntr(this.source.pending());
    if (this.nmiParked) {
      this.nmiParked = false;
      this.core.raiseNmi();
    }
  }

  /** While V runs by itself, its own processor takes interrupts. */
  whileEmulating(run: () => void): void {
    const wasParked = this.parked;
    this.release();
    run();
    if (!wasParked || !this.source.pending() || this.open) return;
    this.parkedAt = this.core.retired();
    this.core.setIntr(false);
  }

  private noteStarvation(): void {
    if (this.starvationTold || !this.parked || this.core.retired() - this.waitingSince <= STARVED_INSTRUCTIONS) return;
    this.starvationTold = true;
    this.starved();
  }
}
