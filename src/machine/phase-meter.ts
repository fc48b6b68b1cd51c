// The phases of the bundled guests: OUT of n to port E8h, which belongs to no device of the PC, opens phase n, OUT of 0 closes it
// (guests/README.md). The counts of a phase are everything after the opening OUT, up to and including the closing one.

import { countsBetween, readRunCounts, type RunCounts } from "../protocol/run-counts.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import type { Machine } from "./machine.ts";

export const PHASE_PORT = 0xe8;

export class PhaseMeter {
  /** What each phase that is over counted; of one that came twice, the last time. */
  readonly phases: Record<string, RunCounts> = {};
  private readonly machine: Machine;
  private readonly stats: StatsReader;
  private open: { readonly name: string; readonly counts: RunCounts } | null = null;

  /** Takes port E8h of the machine. */
  constructor(machine: Machine) {
    this.machine = machine;
    this.stats = new StatsReader(machine.map.buffer, machine.map.view.stats);
    machine.pc.io.attach(PHASE_PORT, PHASE_PORT, { read: () => 0xff, write: (_offset, _width, value) => this.mark(value) });
  }

  /** Everything counted so far. */
  now(): RunCounts {
    this.machine.supervisor.publish();
    return readRunCounts(this.stats);
  }

  private mark(phase: number): void {
    const counts = this.now();
    if (this.open) this.phases[this.open.name] = countsBetween(this.open.counts, counts);
    this.open = phase === 0 ? null : { name: String(phase), counts };
  }
}
