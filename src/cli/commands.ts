// The commands that are built.

import type { CommandSpec } from "./command.ts";
import { COMPLETION, completion } from "./completion.ts";
import { DIFF, diff } from "./diff.ts";
import { DISASM, disasm } from "./disasm.ts";
import { RUN } from "./help.ts";
import { INFO, info } from "./info.ts";
import { LAB, lab } from "./lab.ts";
import { REPLAY, replay } from "./replay.ts";
import { runCommand } from "./run-command.ts";

export interface Command {
  readonly spec: CommandSpec;
  /** The exit code. */
  readonly perform: (argv: readonly string[]) => number | Promise<number>;
}

export const COMMANDS: readonly Command[] = [
  { spec: RUN, perform: runCommand },
  { spec: INFO, perform: info },
  { spec: DIFF, perform: diff },
  { spec: DISASM, perform: disasm },
  { spec: LAB, perform: lab },
  { spec: REPLAY, perform: replay },
  { spec: COMPLETION, perform: (argv) => completion(argv, COMMANDS.map(({ spec }) => spec)) },
];

export const USAGE = `trapscope runs an x86 guest and shows what traps.

${COMMANDS.map(({ spec }) => `  ${`trapscope ${spec.name} ${spec.operands.replace(/\[?(--json|options)\]?/g, "").trim()}`.padEnd(40)}${spec.summary}`).join("\n")}
  ${"trapscope COMMAND --help".padEnd(40)}examples and options of a command
  trapscope --version

Begin with a guest that comes along, first as it is, then under a monitor that can catch only what the processor faults on:

  trapscope run popf
  trapscope run popf --technique trap
`;
