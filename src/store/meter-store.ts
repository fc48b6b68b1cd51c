// Speed: MIPS, traps a second, the monitor's share of the time; from the shared counters, twice a second.

import type { StatsReader } from "../protocol/stats-view.ts";
import { Observable } from "./observable.ts";

const SAMPLE_MS = 500;
const HISTORY = 60;

export interface MeterState {
  readonly mips: number;
  readonly trapsPerSecond: number;
  readonly leaksPerSecond: number;
  /** Part of the running time spent in the monitor, 0-1; null while nobody measures it. */
  readonly monitorShare: number | null;
  /** The guest waits for an interrupt: few instructions are no failure. */
  readonly waiting: boolean;
  readonly instructions: number;
  readonly emulatedInstructions: number;
  readonly guestNs: number;
  /** Traps a second of the last half minute, oldest first. */
  readonly history: readonly number[];
}

const NOTHING: MeterState = {
  mips: 0, trapsPerSecond: 0, leaksPerSecond: 0, monitorShare: null, waiting: false, instructions: 0, emulatedInstructions: 0, guestNs: 0, history: [],
};

interface Sample {
  readonly atMs: number;
  readonly instructions: number;
  readonly traps: number;
  readonly leaks: number;
  readonly runNs: number;
  readonly monitorNs: number;
}

export class MeterStore {
  readonly state = new Observable<MeterState>(NOTHING);
  private stats: StatsReader | null = null;
  private last: Sample | null = null;
  private running = false;

  bind(stats: StatsReader | null): void {
    this.stats = stats;
    this.last = null;
    this.running = false;
    this.state.set(NOTHING);
  }

  started(): void {
    this.running = true;
    this.last = null;
  }

  stopped(): void {
    this.running = false;
    const { stats } = this;
    this.state.patch({ mips: 0, trapsPerSecond: 0, leaksPerSecond: 0, waiting: false, ...(stats ? counts(stats) : {}) });
  }

  tick(nowMs: number): void {
    const { stats, last } = this;
    if (!stats || !this.running || (last && nowMs - last.atMs < SAMPLE_MS)) return;
    const sample: Sample = {
      atMs: nowMs, instructions: stats.scalar("instructions"), traps: stats.scalar("traps"), leaks: stats.scalar("leaks"), runNs: stats.scalar("runNs"),
      monitorNs: stats.scalar("monitorNs"),
    };
    this.last = sample;
    if (!last) return;
    const seconds = (nowMs - last.atMs) / 1000;
    const trapsPerSecond = (sample.traps - last.traps) / seconds;
    const runNs = sample.runNs - last.runNs;
    this.state.set({
      mips: (sample.instructions - last.instructions) / seconds / 1e6,
      trapsPerSecond,
      leaksPerSecond: (sample.leaks - last.leaks) / seconds,
      monitorShare: runNs > 0 && sample.monitorNs > 0 ? Math.min(1, (sample.monitorNs - last.monitorNs) / runNs) : null,
      waiting: stats.scalar("waiting") === 1,
      ...counts(stats),
      history: [...this.state.get().history.slice(1 - HISTORY), trapsPerSecond],
    });
  }
}

function counts(stats: StatsReader): Pick<MeterState, "instructions" | "emulatedInstructions" | "guestNs"> {
  return { instructions: stats.scalar("instructions"), emulatedInstructions: stats.scalar("emulatedInstructions"), guestNs: stats.scalar("guestNs") };
}
