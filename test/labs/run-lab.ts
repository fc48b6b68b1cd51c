// A lab's steps in this process: what came of them, and which checks hold.
import { openImage } from "../../src/cli/files.ts";
import { openBootImage } from "../../src/cli/images.ts";
import { type LabSeams, runStep, type StepRun } from "../../src/cli/lab-run.ts";
import { type CheckResult, evaluate } from "../../src/labs/check.ts";
import type { Lab } from "../../src/labs/lab.ts";

const DEBIAN = process.env.TRAPSCOPE_LABS_DISK;

/** `only`: steps to run, by name; the others count as left out. */
export function runLab(lab: Lab, { only, seams }: { only?: readonly string[]; seams?: LabSeams } = {}): { results: Record<string, StepRun>; checks: CheckResult[] } {
  const results: Record<string, StepRun> = {};
  for (const step of lab.steps) {
    if (only && !only.includes(step.id)) continue;
    if (typeof step.guest === "string") results[step.id] = runStep(lab, step, openImage(step.guest), { ...seams, checks: true });
    else if (DEBIAN !== undefined) results[step.id] = runStep(lab, step, openBootImage(DEBIAN), seams);
  }
  return { results, checks: evaluate(lab.checks, results) };
}

export function failures(checks: readonly CheckResult[]): string[] {
  return checks.flatMap(({ check, status, found }) => (status === "fails" ? [`${check.says} Found: ${found}`] : []));
}
