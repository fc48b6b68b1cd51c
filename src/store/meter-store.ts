// Speed: MIPS, traps a second, the monitor's share of the time; from the shared counters, twice a second.

import type { StatsReader } from "../protocol/stats-view.ts";
import { Observable } from "./observable.ts";

const SAMPLE_MS = 500;
const HISTORY = 60;

export const COUNTED = ["traps", "leaks", "observed", "callouts"] as const;
export type Counted = (typeof COUNTED)[number];
export interface Rate {
  readonly perSecond: number;
  readonly history: readonly number[];
}

export interface MeterState {
  readonly mips: number;
  /** Of each family, now and over the last half minute, oldest first. */
  readonly rates: Readonly<Record<Counted, Rate>>;
  /** Part of the running time spent in the monitor, 0-1; null while nobody measures it. */
  readonly monitorShare: number | null;
  /** The guest waits for an interrupt: few instructions are no failure. */
  readonly waiting: boolean;
  readonly instructions: number;
  readonly emulatedInstructions: number;
  readonly guestNs: number;
}

function each<T>(value: (name: Counted) => T): Readonly<Record<Counted, T>> {
  return { traps: value("traps"), leaks: value("leaks"), observed: value("observed"), callouts: value("callouts") };
}

const NOTHING: MeterState = {
  mips: 0, rates: each(() => ({ perSecond: 0, history: [] })), monitorShare: null, waiting: false, instructions: 0, emulatedInstructions: 0, guestNs: 0,
};

interface Sample {
  readonly atMs: number;
  readonly instructions: number;
  readonly counts: Readonly<Record<Counted, number>>;
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
    const { rates } = this.state.get();
    this.state.patch({ mips: 0, rates: each((name) => ({ perSecond: 0, history: rates[name].history })), waiting: false, ...(stats ? counts(stats) : {}) });
  }

  tick(nowMs: number): void {
    const { stats, last } = this;
    if (!stats || !this.running || (last && nowMs - last.atMs < SAMPLE_MS)) return;
    const sample: Sample = {
      atMs: nowMs, instructions: stats.scalar("instructions"), counts: each((name) => stats.scalar(name)), runNs: stats.scalar("runNs"),
      monitorNs: stats.scalar("monitorNs"),
    };
    this.last = sample;
    if (!last) return;
    const seconds = (nowMs - last.atMs) / 1000;
    const { rates } = this.state.get();
    const runNs = sample.runNs - last.runNs;
    this.state.set({
      mips: (sample.instructions - last.instructions) / seconds / 1e6,
      rates: each((name) => {
        const perSecond = (sample.counts[name] - last.counts[name]) / seconds;
        return { perSecond, history: [...rates[name].history.slice(1 - HISTORY), perSecond] };
      }),
      monitorShare: runNs > 0 && sample.monitorNs > 0 ? Math.min(1, (sample.monitorNs - last.monitorNs) / runNs) : null,
      waiting: stats.scalar("waiting") === 1,
      ...counts(stats),
    });
  }
}

function counts(stats: StatsReader): Pick<MeterState, "instructions" | "emulatedInstructions" | "guestNs"> {
  return { instructions: stats.scalar("instructions"), emulatedInstructions: stats.scalar("emulatedInstructions"), guestNs: stats.scalar("guestNs") };
}
