// Whether what a lab says about its steps is so.

import { type CountTable, type RunCounts, totalOf } from "../protocol/run-counts.ts";
import { type Check, type Measure, type Relation, stepsOf } from "./lab.ts";

/** What one step came to. */
export interface StepResult {
  /** An outcome of the command line. */
  readonly end: string;
  /** Why the technique gave up, or null. */
  readonly refusal: string | null;
  /** Every byte of COM1. */
  readonly serial: string;
  readonly whole: RunCounts;
  readonly phases: Readonly<Record<string, RunCounts>>;
  /** What the technique counts besides exits. */
  readonly statistics: Readonly<Record<string, number>>;
  /** Records of the trap log that matched each filter of the lab. */
  readonly records: Readonly<Record<string, number>>;
}

export interface CheckResult {
  readonly check: Check;
  /** "skipped": a step that it needs did not run. */
  readonly status: "holds" | "fails" | "skipped";
  /** What was found. */
  readonly found: string;
}

export function evaluate(checks: readonly Check[], results: Readonly<Record<string, StepResult>>): CheckResult[] {
  return checks.map((check) => {
    if (!stepsOf(check).every((step) => results[step] !== undefined)) return { check, status: "skipped", found: "" };
    const { holds, found } = judge(check, (step) => results[step]!);
    return { check, status: holds ? "holds" : "fails", found };
  });
}

function judge(check: Check, result: (step: string) => StepResult): { holds: boolean; found: string } {
  switch (check.kind) {
    case "end": {
      const { end, refusal } = result(check.step);
      return { holds: end === check.outcome, found: refusal === null ? end : `${end}: ${refusal}` };
    }
    case "refused": {
      const { end, refusal } = result(check.step);
      return { holds: refusal?.includes(check.because) === true, found: refusal ?? `not refused: ${end}` };
    }
    case "text": {
      const there = result(check.step).serial.includes(check.contains);
      return { holds: there !== (check.absent === true), found: `${JSON.stringify(check.contains)} is ${there ? "" : "not "}there` };
    }
    case "same-text": {
      const same = result(check.step).serial === result(check.as).serial;
      return { holds: same, found: same ? "the same text" : "another text" };
    }
    case "exactly": return exactly(check, countsAt(result(check.step), check.phase));
    case "number": {
      const value = measured(check.of, result);
      return { holds: stands(value, check.is, check.than), found: String(value) };
    }
    case "compare": {
      const left = measured(check.left, result), right = measured(check.right, result);
      return { holds: stands(left, check.is, right * (check.times ?? 1)), found: `${left} and ${right}` };
    }
    case "statistic": {
      const value = result(check.step).statistics[check.name] ?? 0;
      return { holds: stands(value, check.is, check.than), found: String(value) };
    }
    case "records": {
      const count = result(check.step).records[check.filter] ?? 0;
      return { holds: stands(count, check.is, check.than), found: String(count) };
    }
  }
}

function exactly(check: Extract<Check, { kind: "exactly" }>, counts: RunCounts | null): { holds: boolean; found: string } {
  if (!counts) return { holds: false, found: "the guest did not come to this phase" };
  const named = "IRQ" in check.traps;
  const shown = (table: CountTable): CountTable => (named ? table : Object.fromEntries(Object.entries(table).filter(([name]) => name !== "IRQ")));
  const pairs: readonly (readonly [string, CountTable, CountTable])[] = [
    ["traps", shown(counts.traps.byInstruction), check.traps],
    ...(check.reasons ? [["reasons", shown(counts.traps.byReason), check.reasons] as const] : []),
    ["callouts", check.callouts === undefined ? counts.callouts.byReason : { CALLOUT: counts.callouts.byReason["CALLOUT"] ?? 0 }, { CALLOUT: check.callouts ?? 0 }],
    ["leaks", counts.leaks.byInstruction, check.leaks],
  ];
  return {
    holds: pairs.every(([, found, wanted]) => sameTable(found, wanted)),
    found: pairs.filter(([name, found, wanted]) => name === "traps" || totalOf(found) + totalOf(wanted) > 0).map(([name, found]) => `${name} ${shownTable(found)}`).join(", "),
  };
}

function sameTable(a: CountTable, b: CountTable): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((name) => (a[name] ?? 0) === (b[name] ?? 0));
}

export function shownTable(table: CountTable): string {
  const entries = Object.entries(table).filter(([, count]) => count !== 0);
  return entries.length === 0 ? "none" : entries.map(([name, count]) => `${name} ${count}`).join(" ");
}

function countsAt(result: StepResult, phase: number | undefined): RunCounts | null {
  return phase === undefined ? result.whole : (result.phases[phase] ?? null);
}

function measured(measure: Measure, result: (step: string) => StepResult): number {
  const counts = countsAt(result(measure.step), measure.phase);
  return counts ? counted(counts, measure) : Number.NaN;
}

/** One number of a stretch. */
export function counted(counts: RunCounts, { count, of }: Pick<Measure, "count" | "of">): number {
  const events = (family: { readonly byInstruction: CountTable; readonly byReason?: CountTable }): number =>
    of === undefined ? totalOf(family.byInstruction) : (family.byInstruction[of] ?? family.byReason?.[of] ?? 0);
  switch (count) {
    case "exits": return events(counts.traps) + events(counts.callouts);
    case "instructions": case "emulatedInstructions": return counts[count];
    default: return events(counts[count]);
  }
}

function stands(value: number, is: Relation, than: number): boolean {
  switch (is) {
    case "=": return value === than;
    case "<": return value < than;
    case "<=": return value <= than;
    case ">": return value > than;
    case ">=": return value >= than;
  }
}
