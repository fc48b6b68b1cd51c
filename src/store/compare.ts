// The same guest under two to four techniques, each in a worker of its own, and where each goes another way than the first.

import type { StartRun, RunHandle } from "../client/run-client.ts";
import type { MachineConfig } from "../protocol/commands.ts";
import type { DivergenceReport, RunEvent, RunReport } from "../protocol/run.ts";
import type { Ring, TechniqueId } from "../protocol/technique.ts";
import { totalOf } from "../protocol/run-counts.ts";
import { Observable } from "./observable.ts";

export interface Subject {
  readonly technique: TechniqueId;
  readonly ring: Ring;
}

export const MOST_SUBJECTS = 4;
export const LIMITS: readonly number[] = [1e6, 10e6, 100e6, 1000e6];

export interface Column {
  readonly subject: Subject;
  readonly state: "waiting" | "running" | "done" | "failed" | "cancelled";
  readonly instructions: number;
  readonly traps: number;
  readonly leaks: number;
  readonly callouts: number;
  readonly report: RunReport | null;
  readonly problem: string | null;
  /** Against the first column; null while it is looked for, and in the first column itself. */
  readonly divergence: DivergenceReport | null;
}

export interface CompareState {
  /** A bundled guest, or null: what the machine was started with. */
  readonly guest: string | null;
  readonly subjects: readonly Subject[];
  readonly limit: number;
  readonly columns: readonly Column[];
  readonly running: boolean;
  /** What was compared. */
  readonly title: string;
}

export function subjectName({ technique, ring }: Subject): string {
  return technique === "emulate" ? technique : `${technique}/${ring}`;
}

/** The names of a run's report that a person compares, in the order of the table. */
export const MEASURES: readonly (readonly [name: string, title: string, value: (report: RunReport) => number])[] = [
  ["traps", "exits that the processor made by itself", ({ counts }) => totalOf(counts.traps.byReason)],
  ["callouts", "calls of translated code", ({ counts }) => totalOf(counts.callouts.byReason)],
  ["leaks", "what did not trap and went wrong", ({ counts }) => totalOf(counts.leaks.byInstruction)],
  ["instructions", "retired", ({ instructions }) => instructions],
  ["emulated", "of them run by the monitor for the guest", ({ emulatedInstructions }) => emulatedInstructions],
  ["modelled cycles", "of all exits, on a Core 2: a model", ({ modelledCycles }) => modelledCycles],
  ["monitor time, ms", "host time in the monitor: measured at one exit in sixteen, so that other programs weigh in", ({ monitorNs, runNs }) => Math.min(monitorNs, runNs) / 1e6],
  ["host time, ms", "of the whole run: measured, with the others running beside it", ({ runNs }) => runNs / 1e6],
];

const IDLE: Omit<Column, "subject"> = { state: "waiting", instructions: 0, traps: 0, leaks: 0, callouts: 0, report: null, problem: null, divergence: null };

export class CompareStore {
  readonly state = new Observable<CompareState>({
    guest: "popf", subjects: [{ technique: "emulate", ring: 1 }, { technique: "trap", ring: 1 }, { technique: "vtx", ring: 1 }], limit: 10e6, columns: [], running: false, title: "",
  });
  private readonly startRun: StartRun | null;
  private handles: RunHandle[] = [];
  /** Events of an earlier comparison are nobody's. */
  private round = 0;

  constructor(startRun: StartRun | null) {
    this.startRun = startRun;
  }

  /** `config`: what all of them run; each gets its own technique. */
  start(config: MachineConfig, title: string): void {
    const { startRun } = this;
    if (!startRun) return;
    this.cancel();
    const round = ++this.round;
    const { subjects, limit } = this.state.get();
    this.state.patch({ columns: subjects.map((subject) => ({ subject, ...IDLE, state: "running" })), running: true, title });
    const under = ({ technique, ring }: Subject): MachineConfig => ({ ...config, technique, ring });
    const listen = (index: number) => (event: RunEvent): void => {
      if (this.round === round) this.onEvent(index, event);
    };
    this.handles = subjects.map((subject, index) => startRun({ type: "run", config: under(subject), instructionLimit: limit, filters: [] }, listen(index)));
    subjects.forEach((subject, index) => {
      if (index > 0) this.handles.push(startRun({ type: "diverge", a: under(subjects[0]), b: under(subject), instructionLimit: limit }, listen(index)));
    });
  }

  private onEvent(index: number, event: RunEvent): void {
    switch (event.type) {
      case "progress": {
        // A comparison of states says nothing of traps; the run beside it does.
        const { traps, leaks, callouts, instructions } = event;
        if (this.state.get().columns[index].report === null && instructions > this.state.get().columns[index].instructions) this.patch(index, traps + leaks + callouts > 0 ? { traps, leaks, callouts, instructions } : { instructions });
        return;
      }
      case "done": return this.patch(index, { report: event.report, state: "done", instructions: event.report.instructions });
      case "compared": return this.patch(index, { divergence: event.report });
      case "failed": return this.patch(index, { state: "failed", problem: event.reason });
    }
  }

  private patch(index: number, changes: Partial<Column>): void {
    const columns = this.state.get().columns.map((column, own) => (own === index ? { ...column, ...changes } : column));
    const running = columns.some((column, own) => column.state === "running" || (own > 0 && column.state === "done" && column.divergence === null));
    this.state.patch({ columns, running });
  }

  cancel(): void {
    for (const handle of this.handles) handle.cancel();
    this.handles = [];
    this.round++;
    this.state.patch({ running: false, columns: this.state.get().columns.map((column) => (column.state === "running" ? { ...column, state: "cancelled" } : column)) });
  }

  /** Everything that was found, for another program. */
  json(): string {
    const { title, limit, columns } = this.state.get();
    return `${JSON.stringify({ format: "trapscope-comparison", version: 1, guest: title, instructionLimit: limit, runs: columns.map(({ subject, report, problem, divergence }) => ({ ...subject, report, problem, divergence })) }, null, 2)}\n`;
  }
}
