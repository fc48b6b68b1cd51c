// A case on both back-ends, judged by what silicon did; and whether a case may be run natively at all.

import { MAX_LENGTH } from "../../../src/isa/decoder.ts";
import type { Row } from "../../../src/isa/row.ts";
import { CS, EFLAGS_TF } from "../../../src/isa/state-layout.ts";
import { type Bytes, type Case, COMPLETED, difference, linearEip, type Outcome } from "./case.ts";
import { deviationOf } from "./deviations.ts";
import { reconcile } from "./float-compare.ts";
import { CODE, CODE_BYTES, descriptorOf } from "./sandbox.ts";
import { LEAD_IN, LeavesSandbox, type SandboxMachine } from "./sandbox-machine.ts";
import { undefinedFlags } from "./silicon-rows.ts";

const PAGE_FAULT = 14;

export interface Prediction {
  readonly evaluator: Outcome;
  readonly interpreter: Outcome;
  /** Of a translated region; null: there is none of the case. */
  readonly translated: Outcome | null;
}

/** Single-step traps, and the fetch of what may be cut off at the end of the code or is too long, are the run loop's: the evaluating back-end has none. */
export function needsRunLoop(c: Case): boolean {
  return (c.eflags & EFLAGS_TF) !== 0 || c.code.length > MAX_LENGTH || linearEip(c) + c.code.length === CODE + CODE_BYTES;
}

/** `both`: on the evaluating back-end, too; else its outcome is taken to be the same. `translator`: in a region, too. */
export function predict(machine: SandboxMachine, c: Case, both: boolean, translator: SandboxMachine | null = null): Prediction {
  const interpreter = machine.runInterpreter(c);
  // What jumps back into what leads into the region goes on there.
  const jumpsBack = interpreter.vector === COMPLETED && interpreter.eip < c.eip && interpreter.eip >= c.eip - LEAD_IN.length;
  const translated = jumpsBack ? null : (translator?.runTranslated(c) ?? null);
  // It may have read that.
  const isOurs = translated === null || difference(interpreter, translated, 0) === "" || difference(interpreter, machine.runInterpreter(c, LEAD_IN), 0) === "";
  return { evaluator: !both || needsRunLoop(c) ? interpreter : machine.runEvaluator(c), interpreter, translated: isOurs ? translated : null };
}

export interface Verdict {
  /** How the back-ends differ from silicon, in words; empty if they do not, or if `deviation` explains it. */
  readonly difference: string;
  /** Name of a known deviation of the silicon. */
  readonly deviation: string | null;
}

/** `strict`: undefined flags count too. */
export function judge(row: Row, c: Case, silicon: Outcome, prediction: Prediction, strict = false): Verdict {
  const mask = strict ? 0 : undefinedFlags(row);
  const reconciled = (ours: Outcome): Outcome => (c.float && silicon.float && ours.float ? { ...ours, float: reconcile(row, c.float, silicon.float, ours.float) } : ours);
  const ours = reconciled(prediction.interpreter);
  const interpreter = difference(silicon, ours, mask);
  const evaluator = prediction.evaluator === prediction.interpreter ? interpreter : difference(silicon, reconciled(prediction.evaluator), mask);
  const translated = prediction.translated === null ? interpreter : difference(silicon, reconciled(prediction.translated), mask);
  if (evaluator === "" && interpreter === "" && translated === "") return { difference: "", deviation: null };
  if (evaluator !== interpreter || translated !== interpreter) return { difference: `evaluator\n${evaluator}\ninterpreter\n${interpreter}\ntranslator\n${translated}`, deviation: null };
  const deviation = deviationOf(row, c, silicon, ours);
  return deviation ? { difference: "", deviation: deviation.name } : { difference: evaluator, deviation: null };
}

/** Whether bytes lie in [from, to). */
function reaches({ address, bytes }: Bytes, from: number, to: number): boolean {
  return address < to && address + bytes.length > from;
}

/** Null if the case must not run natively: it would touch what the harness occupies, write into its own code, or execute anything behind itself. */
export function predictIfSafe(machine: SandboxMachine, c: Case, occupied: readonly (readonly [number, number])[], both = true, translator: SandboxMachine | null = null): Prediction | null {
  let prediction: Prediction;
  try {
    prediction = predict(machine, c, both, translator);
  } catch (error) {
    if (error instanceof LeavesSandbox) return null;
    throw error;
  }
  const begin = linearEip(c);
  const isOccupied = (linear: number) => occupied.some(([from, to]) => linear >= from && linear < to);
  const end = begin + c.code.length;
  for (const outcome of [prediction.evaluator, prediction.interpreter]) {
    if (outcome.changes.some((change) => reaches(change, begin, end))) return null;
    if (outcome.vector === PAGE_FAULT && isOccupied(outcome.cr2 >>> 0)) return null;
    if (outcome.vector !== COMPLETED) continue;
    const base = descriptorOf((outcome.selectors[CS] as number) | 3)?.base ?? 0;
    const next = (base + outcome.eip) >>> 0;
    if (isOccupied(next) || (next >= begin && next < end)) return null;
    if ([...c.memory, ...outcome.changes].some((bytes) => reaches(bytes, next, next + 1))) return null;
  }
  return prediction;
}
