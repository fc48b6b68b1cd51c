// Backwards in time: checkpoints of the whole machine now and then, and the way forward again from the last one before the instant
// that is wanted. It needs the virtual clock, with which a run depends on nothing but its start and its input.
//
// An instant is a number of retired instructions. Input from outside goes through `input`, which keeps it for the way forward.

import { UsageError } from "../base/errors.ts";
import { VirtualClock } from "./guest-clock.ts";
import type { Machine, RunReason } from "./machine.ts";
import { MachineRam } from "./ram-pages.ts";
import { applySnapshot, type MachineSnapshot, takeSnapshot } from "./snapshot.ts";

export interface HistoryOptions {
  /** Instructions between two checkpoints. */
  readonly every?: number;
  /** Checkpoints that are kept; beyond it every second one of the older half is dropped. */
  readonly keep?: number;
}

interface Input {
  readonly retired: number;
  readonly apply: () => void;
}

const EVERY = 2_000_000, KEEP = 64;

export class History {
  private readonly machine: Machine;
  private readonly ram: MachineRam;
  private readonly every: number;
  private readonly keep: number;
  private checkpoints: MachineSnapshot[] = [];
  private inputs: Input[] = [];

  /** The past begins here. */
  constructor(machine: Machine, { every = EVERY, keep = KEEP }: HistoryOptions = {}) {
    if (!(machine.clock instanceof VirtualClock)) throw new UsageError("Going back needs the virtual clock: with the real one no run is like another.");
    this.machine = machine;
    this.ram = new MachineRam(machine.map);
    this.every = every;
    this.keep = keep;
    this.checkpoint();
  }

  /** The instant that the machine is at. */
  get now(): number {
    return this.machine.core.retired();
  }

  /** The earliest instant that can be gone back to. */
  get oldest(): number {
    return this.checkpoints[0]!.retired;
  }

  /** Something from outside: done now, and again whenever the machine comes by on its way forward. What it does must not depend on the outside. */
  input(apply: () => void): void {
    const { now } = this;
    this.inputs = this.inputs.filter(({ retired }) => retired <= now);
    this.inputs.push({ retired: now, apply });
    apply();
    // The way forward begins behind it.
    if (this.checkpoints.at(-1)!.retired === now) {
      this.checkpoints.pop();
      this.checkpoint();
    }
  }

  /** As the machine's own, with checkpoints. Input that was to come later in another past is forgotten. */
  run(instructions: number): RunReason {
    const { now } = this;
    this.inputs = this.inputs.filter(({ retired }) => retired <= now);
    this.checkpoints = this.checkpoints.filter(({ retired }) => retired <= now);
    const end = now + instructions;
    for (;;) {
      const due = this.checkpoints.at(-1)!.retired + this.every;
      const left = Math.min(end, due) - this.now;
      if (left > 0) {
        const reason = this.machine.run(left);
        if (reason !== "budget") return reason;
      }
      if (this.now >= due) this.checkpoint();
      if (this.now >= end) return "budget";
    }
  }

  /** Goes to an instant of the past, or back to the future that was left. */
  goTo(retired: number): void {
    if (retired < this.oldest) throw new UsageError(`The past begins after ${this.oldest} instructions.`);
    const from = this.checkpoints.filter((checkpoint) => checkpoint.retired <= retired).at(-1)!;
    if (retired < this.now || from.retired > this.now) applySnapshot(this.machine, this.ram, from);
    this.forward(retired);
  }

  stepBack(): boolean {
    if (this.now <= this.oldest) return false;
    this.goTo(this.now - 1);
    return true;
  }

  /**
   * To the last instant before this one at which `matches` held between two instructions, or to the oldest one. False: it held
   * nowhere. `matches` is asked before each instruction and must change nothing.
   */
  runBack(matches: () => boolean): boolean {
    const present = this.now;
    for (let n = this.checkpoints.length - 1, end = present; n >= 0; n--) {
      const checkpoint = this.checkpoints[n]!;
      if (checkpoint.retired >= end) continue;
      applySnapshot(this.machine, this.ram, checkpoint);
      let found = -1;
      this.machine.breakpoints.setTracer({
        covers: () => true,
        before: () => {
          if (this.now < end && matches()) found = this.now;
          return false;
        },
      });
      this.forward(end);
      this.machine.breakpoints.setTracer(null);
      if (found >= 0) {
        this.goTo(found);
        return true;
      }
      end = checkpoint.retired;
    }
    this.goTo(this.oldest);
    return false;
  }

  /** On the way that was gone before; breakpoints do not stop it. */
  private forward(retired: number): void {
    const { machine } = this;
    const list = machine.breakpoints.suspend();
    try {
      for (const input of this.inputs) {
        // What came at the instant of a checkpoint is in it.
        if (input.retired <= this.now || input.retired > retired) continue;
        this.runTo(input.retired);
        input.apply();
      }
      this.runTo(retired);
    } finally {
      machine.breakpoints.resume(list);
    }
  }

  private runTo(retired: number): void {
    while (this.now < retired) {
      const before = this.now, time = this.machine.clock.nowNs();
      const reason = this.machine.run(retired - before);
      if (this.now === before && this.machine.clock.nowNs() === time && reason !== "break") throw new Error(`the way forward ends after ${before} instructions: ${reason}`);
    }
  }

  private checkpoint(): void {
    this.checkpoints.push(takeSnapshot(this.machine, this.ram, this.checkpoints.at(-1)?.ram ?? null));
    if (this.checkpoints.length <= this.keep) return;
    const half = this.checkpoints.length >> 1;
    this.checkpoints = this.checkpoints.filter((_, n) => n === 0 || n >= half || n % 2 === 0);
  }
}
