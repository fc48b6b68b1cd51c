// The command line: finds the command, and turns whatever happens into one message and one exit code.

import { ImageError, UsageError } from "../base/errors.ts";
import { parseArguments } from "./arguments.ts";
import { writeDefectReport } from "./defect.ts";
import { diff } from "./diff.ts";
import { disasm } from "./disasm.ts";
import { packageVersion } from "./files.ts";
import { runHelp, USAGE } from "./help.ts";
import { info } from "./info.ts";
import { lab } from "./lab.ts";
import { EXIT_CODES, type Outcome } from "./outcome.ts";
import { replay } from "./replay.ts";
import { costSummary, report, type RunSettings, summary, translationSummary } from "./report.ts";
import { Run } from "./run.ts";
import { RUN_OPTIONS, type RunOptions, runOptions } from "./run-options.ts";

/** Commands that are built. */
const COMMANDS = ["run", "info", "diff", "disasm", "lab", "replay"] as const;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
const DEFAULTS: RunSettings = { technique: "emulate", ring: 1, clock: "virtual" };

export async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  try {
    switch (command) {
      case "run":
        return await runCommand(rest);
      case "info":
        return info(rest);
      case "diff":
        return diff(rest);
      case "disasm":
        return disasm(rest);
      case "lab":
        return lab(rest);
      case "replay":
        return replay(rest);
      case "--help": case "-h": case "help":
        process.stdout.write(USAGE);
        return 0;
      case "--version":
        process.stdout.write(`trapscope ${packageVersion()}\n`);
        return 0;
      case undefined:
        throw new UsageError(`A command is missing: one of ${COMMANDS.join(", ")}. "trapscope --help" explains them.`);
      default:
        throw new UsageError(`"${command}" is no command that is built: ${COMMANDS.join(", ")} are.`);
    }
  } catch (error) {
    const outcome = failure(error, argv);
    process.stderr.write(`trapscope: ${outcome.reason}\n`);
    if (rest.includes("--json")) process.stdout.write(`${JSON.stringify(report(outcome, null, DEFAULTS))}\n`);
    return EXIT_CODES[outcome.outcome];
  }
}

/** What an exception means to the person who called. */
function failure(error: unknown, argv: readonly string[]): Outcome {
  if (error instanceof UsageError) return { outcome: "usage", reason: error.message };
  if (error instanceof ImageError) return { outcome: "image-refused", reason: error.message };
  const file = writeDefectReport(error, argv);
  return { outcome: "defect", reason: `This is a fault of trapscope itself. Please report it with ${file}.` };
}

async function runCommand(argv: readonly string[]): Promise<number> {
  const args = parseArguments("run", argv, RUN_OPTIONS);
  if (args.has("help")) {
    process.stdout.write(runHelp());
    return 0;
  }
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

function finish(run: Run, outcome: Outcome, options: RunOptions): number {
  const result = run.result();
  const line = report(outcome, result, options);
  if (options.screenText && !options.json) process.stdout.write(`${result.screenText ?? "(graphics: --screen FILE.png shows it)"}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(line)}\n`);
  process.stderr.write(`trapscope: ${summary(line)}\n`);
  if (options.profile) process.stderr.write(`trapscope: ${costSummary(result.machine, options.profile)}\n`);
  if (options.jitStats) process.stderr.write(`trapscope: ${translationSummary(result.machine)}\n`);
  return line.exitCode;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT_CODES.quit); // whoever read it has seen enough
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
