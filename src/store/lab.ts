// A lab on the page: what the learner foretells, the runs that she starts, and what they show. Checks are judged by her own runs alone.

import type { StartRun } from "../client/run-client.ts";
import type { CheckResult, StepResult } from "../labs/check.ts";
import type { Lab, LabStep } from "../labs/lab.ts";
import type { MachineConfig } from "../protocol/commands.ts";
import type { RunReport } from "../protocol/run.ts";
import { Observable } from "./observable.ts";

export interface LabState {
  /** Null until the labs have been loaded. */
  readonly list: readonly Lab[] | null;
  readonly lab: Lab | null;
  /** Index of the choice for each question, in its order; null: not answered. */
  readonly answers: readonly (number | null)[];
  readonly reports: Readonly<Record<string, RunReport>>;
  readonly problems: Readonly<Record<string, string>>;
  /** The step that runs, and how far it is. */
  readonly running: { readonly step: string; readonly instructions: number } | null;
  readonly checks: readonly CheckResult[];
}

const NOTHING: LabState = { list: null, lab: null, answers: [], reports: {}, problems: {}, running: null, checks: [] };
const INSTRUCTION_LIMIT = 400e6;
const GUEST_MEMORY = 16 << 20;

/** Steps whose guest comes with the page. */
export function canRun(step: LabStep): boolean {
  return typeof step.guest === "string" && step.script === undefined;
}

export class LabStore {
  readonly state = new Observable<LabState>(NOTHING);
  private readonly startRun: StartRun | null;
  private readonly fetchImage: (guest: string) => Promise<{ readonly name: string; readonly data: Uint8Array }>;
  private evaluate: ((checks: Lab["checks"], results: Readonly<Record<string, StepResult>>) => CheckResult[]) | null = null;
  private cancelRun: () => void = () => {};

  constructor(startRun: StartRun | null, fetchImage: LabStore["fetchImage"]) {
    this.startRun = startRun;
    this.fetchImage = fetchImage;
  }

  async load(): Promise<readonly Lab[]> {
    const { list } = this.state.get();
    if (list) return list;
    const [{ LABS }, { evaluate }] = await Promise.all([import("../labs/list.ts"), import("../labs/check.ts")]);
    this.evaluate = evaluate;
    this.state.patch({ list: LABS });
    return LABS;
  }

  /** False: there is none of this name. */
  async open(id: string): Promise<boolean> {
    const lab = (await this.load()).find((own) => own.id.toLowerCase() === id.toLowerCase());
    if (!lab) return false;
    this.cancel();
    this.state.patch({ lab, answers: lab.predict.map(() => null), reports: {}, problems: {}, running: null, checks: [] });
    return true;
  }

  close(): void {
    this.cancel();
    this.state.patch({ lab: null });
  }

  answer(question: number, choice: number): void {
    const { answers, reports } = this.state.get();
    if (Object.keys(reports).length > 0) return; // it has been seen
    this.state.patch({ answers: answers.map((own, index) => (index === question ? choice : own)) });
  }

  /** Everything has been foretold: the runs may begin. */
  get foretold(): boolean {
    return this.state.get().answers.every((answer) => answer !== null);
  }

  async runAll(): Promise<void> {
    const { lab } = this.state.get();
    for (const step of lab?.steps ?? []) {
      if (!canRun(step) || this.state.get().lab !== lab) continue;
      if (!(await this.run(step))) return;
    }
  }

  /** False: it was cancelled. */
  async run(step: LabStep): Promise<boolean> {
    const { lab } = this.state.get();
    const { startRun } = this;
    if (!lab || !startRun || !this.foretold || typeof step.guest !== "string") return false;
    this.cancel();
    this.state.patch({ running: { step: step.id, instructions: 0 } });
    try {
      const medium = await this.fetchImage(step.guest);
      const config: MachineConfig = { technique: step.technique, ring: step.ring ?? 1, set: step.set ?? {}, memoryBytes: GUEST_MEMORY, clock: "virtual", drives: { fda: medium } };
      const filters = lab.checks.flatMap((check) => (check.kind === "records" && check.step === step.id ? [check.filter] : []));
      const report = await new Promise<RunReport | null>((resolve, reject) => {
        const handle = startRun({ type: "run", config, instructionLimit: step.instructionLimit ?? INSTRUCTION_LIMIT, filters }, (event) => {
          if (event.type === "progress") this.state.patch({ running: { step: step.id, instructions: event.instructions } });
          else if (event.type === "done") resolve(event.report);
          else if (event.type === "failed") reject(new Error(event.reason));
        });
        this.cancelRun = () => {
          handle.cancel();
          resolve(null);
        };
      });
      if (!report || this.state.get().lab !== lab) return false;
      this.state.patch({ reports: { ...this.state.get().reports, [step.id]: report } });
      this.judge(lab);
    } catch (error) {
      this.state.patch({ problems: { ...this.state.get().problems, [step.id]: error instanceof Error ? error.message : String(error) } });
    }
    this.state.patch({ running: null });
    return true;
  }

  cancel(): void {
    this.cancelRun();
    this.cancelRun = () => {};
    this.state.patch({ running: null });
  }

  private judge(lab: Lab): void {
    const results = Object.fromEntries(Object.entries(this.state.get().reports).map(([step, report]): [string, StepResult] => [step, {
      end: report.outcome, refusal: report.refusal, serial: report.serial, whole: report.counts, phases: report.phases, statistics: report.statistics, records: report.records,
    }]));
    this.state.patch({ checks: this.evaluate?.(lab.checks, results) ?? [] });
  }
}
