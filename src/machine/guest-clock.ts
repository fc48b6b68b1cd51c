// Guest time. Virtual: derived from retired instructions, so that runs replay bit for bit. Real: a wall clock given from above.

import type { Clock, Timer } from "../hardware/device.ts";

/** The rate of the virtual clock: one retired instruction takes this long. */
export const NS_PER_INSTRUCTION = 10;
/** Ticks of the time-stamp counter in a nanosecond of guest time: a 1 GHz processor. */
export const TSC_PER_NS = 1;

/** With the real clock, guest time passes at most this fast while instructions retire. */
const MAX_NS_PER_INSTRUCTION = 500;

/** RTC at power-on with the virtual clock: the day the mailing-list thread began. */
export const VIRTUAL_EPOCH_MS = Date.UTC(2003, 1, 14, 14, 18, 30);

export abstract class GuestClock implements Clock {
  readonly epochMs: number;
  private readonly timers: ClockTimer[] = [];
  /** Called when `expire` should run soon: a timer was armed for a time before all others, or time has reached one. */
  onDue: () => void = () => {};
  /** Time of the earliest timer, or Infinity. */
  nextDeadlineNs = Infinity;

  constructor(epochMs: number) {
    this.epochMs = epochMs;
  }

  abstract nowNs(): number;

  /** The time of a snapshot. No timer is armed after it: devices arm theirs when they are loaded. */
  restore(timeNs: number): void {
    for (const timer of this.timers) timer.deadlineNs = Infinity;
    this.nextDeadlineNs = Infinity;
    this.setNow(timeNs);
  }

  protected abstract setNow(timeNs: number): void;

  timer(onExpire: (nowNs: number) => void): Timer {
    const timer = new ClockTimer(this, onExpire);
    this.timers.push(timer);
    return timer;
  }

  /** Runs what is due, in the order of the deadlines. */
  expire(): void {
    const now = this.nowNs();
    while (this.nextDeadlineNs <= now) {
      const due = this.timers.find((t) => t.deadlineNs === this.nextDeadlineNs);
      if (!due) throw new Error("clock: no timer has the deadline");
      due.deadlineNs = Infinity;
      this.refresh();
      due.onExpire(now);
    }
  }

  changed(deadlineNs: number): void {
    const before = this.nextDeadlineNs;
    this.refresh();
    if (deadlineNs < before) this.onDue();
  }

  private refresh(): void {
    let next = Infinity;
    for (const timer of this.timers) if (timer.deadlineNs < next) next = timer.deadlineNs;
    this.nextDeadlineNs = next;
  }
}

class ClockTimer implements Timer {
  deadlineNs = Infinity;
  private readonly clock: GuestClock;
  readonly onExpire: (nowNs: number) => void;

  constructor(clock: GuestClock, onExpire: (nowNs: number) => void) {
    this.clock = clock;
    this.onExpire = onExpire;
  }

  arm(atNs: number): void {
    this.deadlineNs = atNs;
    this.clock.changed(atNs);
  }

  cancel(): void {
    if (this.deadlineNs === Infinity) return;
    this.deadlineNs = Infinity;
    this.clock.changed(Infinity);
  }
}

/** Time by retired instructions; a waiting guest jumps to its next event. */
export class VirtualClock extends GuestClock {
  protected readonly retired: () => number;
  private skippedNs = 0;
  /** A waiting guest jumps to its next event by itself. */
  readonly jumps: boolean = true;

  constructor(epochMs: number, retired: () => number) {
    super(epochMs);
    this.retired = retired;
  }

  nowNs(): number {
    return this.retired() * NS_PER_INSTRUCTION + this.skippedNs;
  }

  protected setNow(timeNs: number): void {
    this.skippedNs = timeNs - this.retired() * NS_PER_INSTRUCTION;
  }

  /** What makes time from retired instructions, exactly: for a checkpoint of this machine. */
  get parameters(): readonly number[] {
    return [this.skippedNs];
  }

  /** To be called behind `restore`, with the same instructions retired. */
  set parameters(values: readonly number[]) {
    this.skippedNs = values[0]!;
  }

  /** The processor waits: time jumps. */
  skipTo(timeNs: number): void {
    const ahead = timeNs - this.nowNs();
    if (ahead > 0) this.skippedNs += ahead;
  }

  /** Instructions until `timeNs`, at least 0. */
  instructionsUntil(timeNs: number): number {
    return Math.max(0, Math.ceil((timeNs - this.nowNs()) / NS_PER_INSTRUCTION));
  }
}

/** Fractions of a nanosecond that a paced clock counts in: sums of them are exact in a double, however they are made. */
const PACE_FRACTIONS = 64;
const SLOWEST_PACE = MAX_NS_PER_INSTRUCTION, FASTEST_PACE = 1;

/**
 * Time by retired instructions at a pace that is set from above now and then, so that it keeps near a wall clock. Between two
 * settings it is a function of the instructions alone: with the settings written down, a run replays bit for bit.
 */
export class PacedClock extends VirtualClock {
  override readonly jumps = false;
  private baseNs = 0;
  private baseRetired = 0;
  private nsPerInstruction = NS_PER_INSTRUCTION;

  override nowNs(): number {
    return this.baseNs + (this.retired() - this.baseRetired) * this.nsPerInstruction;
  }

  protected override setNow(timeNs: number): void {
    this.baseNs = Math.ceil(timeNs * PACE_FRACTIONS) / PACE_FRACTIONS;
    this.baseRetired = this.retired();
  }

  override get parameters(): readonly number[] {
    return [this.baseNs, this.baseRetired, this.nsPerInstruction];
  }

  override set parameters([baseNs, baseRetired, nsPerInstruction]: readonly number[]) {
    this.baseNs = baseNs!;
    this.baseRetired = baseRetired!;
    this.nsPerInstruction = nsPerInstruction!;
  }

  override skipTo(timeNs: number): void {
    if (timeNs > this.nowNs()) this.setNow(timeNs);
  }

  override instructionsUntil(timeNs: number): number {
    return Math.max(0, Math.ceil((timeNs - this.nowNs()) / this.nsPerInstruction));
  }

  /** From now on. Time does not go back. */
  pace(timeNs: number, nsPerInstruction: number): void {
    this.setNow(Math.max(timeNs, this.nowNs()));
    this.nsPerInstruction = PacedClock.rate(nsPerInstruction);
  }

  static rate(nsPerInstruction: number): number {
    return Math.round(Math.min(SLOWEST_PACE, Math.max(FASTEST_PACE, nsPerInstruction)) * PACE_FRACTIONS) / PACE_FRACTIONS;
  }
}

/**
 * Guest time follows a wall clock while the machine runs and stands still while it is paused.
 *
 * When the host takes the processor away for some milliseconds, the guest must not see its timers leap between two
 * instructions: a kernel that calibrates its TSC against the 8254 by polling would give up. So time never advances faster
 * than MAX_NS_PER_INSTRUCTION while instructions retire, and catches up over the next few thousand of them. Nor does it pass the
 * next timer's deadline before that timer has expired: each tick of a periodic timer gets its own interrupt.
 */
export class RealClock extends GuestClock {
  private readonly wallNs: () => number;
  private readonly retired: () => number;
  private offsetNs: number;
  private pausedAtNs: number | null;
  private lastNs = 0;
  private lastRetired = 0;

  /** `wallNs`: a monotonic clock in nanoseconds. */
  constructor(epochMs: number, wallNs: () => number, retired: () => number) {
    super(epochMs);
    this.wallNs = wallNs;
    this.retired = retired;
    this.offsetNs = -wallNs();
    this.pausedAtNs = 0;
  }

  nowNs(): number {
    if (this.pausedAtNs !== null) return this.pausedAtNs;
    const retired = this.retired();
    const reachable = this.lastNs + (retired - this.lastRetired) * MAX_NS_PER_INSTRUCTION;
    const now = Math.min(this.wallNs() + this.offsetNs, reachable, this.nextDeadlineNs);
    this.lastRetired = retired;
    if (now > this.lastNs) this.lastNs = now;
    if (this.lastNs >= this.nextDeadlineNs) this.onDue();
    return this.lastNs;
  }

  /** The processor waits in HLT: the time that passes meanwhile is the guest's to see at once. */
  catchUp(): void {
    if (this.pausedAtNs !== null) return;
    this.lastNs = Math.max(this.lastNs, Math.min(this.wallNs() + this.offsetNs, this.nextDeadlineNs));
    this.lastRetired = this.retired();
  }

  protected setNow(timeNs: number): void {
    this.lastNs = timeNs;
    this.lastRetired = this.retired();
    this.offsetNs = timeNs - this.wallNs();
    if (this.pausedAtNs !== null) this.pausedAtNs = timeNs;
  }

  pause(): void {
    if (this.pausedAtNs === null) this.pausedAtNs = this.nowNs();
  }

  resume(): void {
    if (this.pausedAtNs === null) return;
    this.offsetNs = this.pausedAtNs - this.wallNs();
    this.lastNs = this.pausedAtNs;
    this.lastRetired = this.retired();
    this.pausedAtNs = null;
  }
}
