// Whole runs in a worker of their own, for comparing techniques and for labs: one guest from power-on to its end under the virtual
// clock, or two side by side until they differ. A worker does one and is then thrown away, which is also how one is cancelled.

import type { MachineConfig } from "./commands.ts";
import type { Outcome } from "./events.ts";
import type { RunCounts } from "./run-counts.ts";

export type RunRequest =
  /** `filters`: how many records match each is counted, with nothing lost. */
  | { readonly type: "run"; readonly config: MachineConfig; readonly instructionLimit: number; readonly filters: readonly string[] }
  | { readonly type: "diverge"; readonly a: MachineConfig; readonly b: MachineConfig; readonly instructionLimit: number };

export interface RunReport {
  readonly outcome: Outcome;
  /** One sentence. */
  readonly reason: string;
  readonly eip: number;
  /** Why the technique gave up, or null. */
  readonly refusal: string | null;
  /** What COM1 got. */
  readonly serial: string;
  readonly counts: RunCounts;
  /** By the number that the guest wrote to port E8h. */
  readonly phases: Readonly<Record<string, RunCounts>>;
  readonly records: Readonly<Record<string, number>>;
  /** What the technique counts of its own. */
  readonly statistics: Readonly<Record<string, number>>;
  readonly instructions: number;
  readonly emulatedInstructions: number;
  /** Modelled cycles of all exits, as in the log's cost column. */
  readonly modelledCycles: number;
  /** Host time: in the monitor as sampled, and altogether. */
  readonly monitorNs: number;
  readonly runNs: number;
  readonly guestNs: number;
  /** A sentence about the leak that matters most; "" where nothing leaked. */
  readonly leak: string;
}

export interface DivergedAt {
  readonly icount: number;
  readonly cs: number;
  readonly eip: number;
  readonly text: string;
  readonly bytes: string;
}

export interface DivergenceReport {
  /** Null: none within what was compared. */
  readonly divergence: (DivergedAt & {
    readonly differences: readonly { readonly what: string; readonly a: number | string; readonly b: number | string }[];
    readonly parting: DivergedAt | null;
  }) | null;
  readonly instructions: number;
  /** How both ended, or "budget". */
  readonly end: string;
}

export type RunEvent =
  | { readonly type: "progress"; readonly instructions: number; readonly traps: number; readonly leaks: number; readonly callouts: number }
  | { readonly type: "done"; readonly report: RunReport }
  | { readonly type: "compared"; readonly report: DivergenceReport }
  | { readonly type: "failed"; readonly reason: string };
