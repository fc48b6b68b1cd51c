// `trapscope run`: from its arguments to what is printed about it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "../machine/machine.ts";
import { argumentsOf } from "./command.ts";
import { RUN } from "./help.ts";
import type { Outcome } from "./outcome.ts";
import { costSummary, report, summary, translationSummary } from "./report.ts";
import { Run } from "./run.ts";
import { type RunOptions, runOptions } from "./run-options.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

export async function runCommand(argv: readonly string[]): Promise<number> {
  const args = argumentsOf(RUN, argv);
  if (!args) return 0;
  const options = runOptions(args);
  const run = new Run(options);
  const stopOn = Object.entries(SIGNALS).map(([signal, exitCode]) => {
    const listener = (): void => run.stop({ outcome: "quit", reason: `Ended by ${signal}.`, exitCode });
    process.once(signal, listener);
    return [signal, listener] as const;
  });
  let outcome: Outcome;
  try {
    outcome = await run.toOutcome();
  } finally {
    for (const [signal, listener] of stopOn) process.off(signal, listener);
  }
  return finish(run, outcome, options);
}

/** A file for each live region. */
function writeListings(machine: Machine, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of machine.translations?.listings() ?? []) writeFileSync(join(folder, `${name}.txt`), text);
}

function finish(run: Run, outcome: Outcome, options: RunOptions): number {
  const result = run.result();
  const line = report(outcome, result, options);
  if (options.screenText && !options.json) process.stdout.write(`${result.screenText ?? "(graphics: --screen FILE.png shows it)"}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(line)}\n`);
  process.stderr.write(`trapscope: ${summary(line)}\n`);
  if (options.profile) process.stderr.write(`trapscope: ${costSummary(result.machine, options.profile)}\n`);
  if (options.jitDump !== undefined) writeListings(result.machine, options.jitDump);
  if (options.jitStats) process.stderr.write(`trapscope: ${translationSummary(result.machine)}\n`);
  return line.exitCode;
}
