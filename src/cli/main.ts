// The command line: finds the command, and turns whatever happens into one message and one exit code.

import { ImageError, UsageError } from "../base/errors.ts";
import { parseArguments } from "./arguments.ts";
import { commandHelp } from "./command.ts";
import { COMMANDS, USAGE } from "./commands.ts";
import { writeDefectReport } from "./defect.ts";
import { packageVersion } from "./files.ts";
import { EXIT_CODES, type Outcome } from "./outcome.ts";
import { report, type RunSettings } from "./report.ts";
import { RUN_OPTIONS, runOptions } from "./run-options.ts";

/** What was asked for, as far as it can be understood. */
function settingsOf(argv: readonly string[]): RunSettings {
  try {
    return runOptions(parseArguments("run", argv, RUN_OPTIONS));
  } catch {
    return { technique: "emulate", ring: 1, clock: "virtual" };
  }
}

export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  try {
    switch (name) {
      case "--help": case "-h": case "help":
        process.stdout.write(rest[0] === undefined ? USAGE : commandHelp(commandOf(rest[0]).spec));
        return 0;
      case "--version":
        process.stdout.write(`trapscope ${packageVersion()}\n`);
        return 0;
      case undefined:
        throw new UsageError(`A command is missing: one of ${NAMES}. "trapscope --help" explains them.`);
      default:
        return await commandOf(name).perform(rest);
    }
  } catch (error) {
    const outcome = failure(error, argv);
    process.stderr.write(`trapscope: ${outcome.reason}\n`);
    if (rest.includes("--json")) process.stdout.write(`${JSON.stringify(report(outcome, null, settingsOf(rest)))}\n`);
    return EXIT_CODES[outcome.outcome];
  }
}

const NAMES = COMMANDS.map(({ spec }) => spec.name).join(", ");

function commandOf(name: string): (typeof COMMANDS)[number] {
  const found = COMMANDS.find(({ spec }) => spec.name === name);
  if (!found) throw new UsageError(`"${name}" is no command that is built: ${NAMES} are.`);
  return found;
}

/** What an exception means to the person who called. */
function failure(error: unknown, argv: readonly string[]): Outcome {
  if (error instanceof UsageError) return { outcome: "usage", reason: error.message };
  if (error instanceof ImageError) return { outcome: "image-refused", reason: error.message };
  const file = writeDefectReport(error, argv);
  return { outcome: "defect", reason: `This is a fault of trapscope itself. Please report it with ${file}.` };
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT_CODES.quit); // whoever read it has seen enough
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
