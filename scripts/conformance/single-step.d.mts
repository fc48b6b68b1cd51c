import type { CreateOptions, TrapscopeMachine } from "../../src/index.ts";

export interface SingleStepCase {
  readonly f: string;
  readonly name: string;
  readonly bytes: string;
  readonly init: { readonly regs: Readonly<Record<string, number>>; readonly ram: readonly (readonly [number, number])[] };
  readonly final: { readonly regs: Readonly<Record<string, number>>; readonly ram: readonly (readonly [number, number])[] };
  readonly exc: readonly number[] | null;
}

export interface CaseOutcome {
  readonly differences: readonly { readonly what: string; readonly expected: unknown; readonly actual: unknown }[];
  readonly exception: { readonly vector: number; readonly error: number | null } | null;
}

export interface RunResult {
  readonly cases: number;
  readonly passed: number;
  readonly unexplained: number;
  readonly explained: ReadonlyMap<string, number>;
}

export const MACHINE: CreateOptions;
export const EXPLAINED: readonly { readonly id: string; readonly why: string }[];
export function runCase(machine: TrapscopeMachine, test: SingleStepCase): CaseOutcome;
export function explain(test: SingleStepCase, outcome: CaseOutcome): { readonly id: string; readonly why: string } | null;
export function runCases(machine: TrapscopeMachine, tests: Iterable<SingleStepCase>, onUnexplained: (test: SingleStepCase, outcome: CaseOutcome) => void): RunResult;
