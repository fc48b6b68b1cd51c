// `trapscope diff IMAGE --a emulate --b trap`: the same guest under two techniques, and the first instruction after which they differ.

import { UsageError } from "../base/errors.ts";
import { configureBoot } from "../machine/boot/boot-request.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { compareMachines, type Comparison, type Divergence, type Side } from "../machine/lockstep.ts";
import { Machine } from "../machine/machine.ts";
import type { Difference, InstructionAt } from "../machine/machine-state.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import type { Ring, TechniqueId } from "../protocol/technique.ts";
import { explainInstruction } from "../trace/instruction.ts";
import { hexBytes } from "../trace/trap-fields.ts";
import { parseChoice } from "./arguments.ts";
import { bootRequestOf } from "./boot-files.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { Director } from "./director.ts";
import { EXIT_CODES } from "./outcome.ts";
import { RUN_OPTIONS, type RunOptions, runOptions } from "./run-options.ts";
import { stepsOf } from "./run.ts";

const { technique: _technique, clock: _clock, timeout: _timeout, "trap-log": _trapLog, log: _log, filter: _filter, serial: _serial, profile: _profile, cost: _cost, ...SHARED } = RUN_OPTIONS;
const TECHNIQUES_HELP = `${BUILT_TECHNIQUES.join(", ")}; with its ring behind a slash: trap/3`;
const SIDES = BUILT_TECHNIQUES.flatMap((id) => (id === "emulate" ? [id] : [id, `${id}/3`]));
export const DIFF: CommandSpec = {
  name: "diff", operands: "IMAGE --b NAME [options]", takes: "image",
  summary: "the same guest under two techniques: the first difference",
  about: `Runs a guest on two machines in lock step, by retired instructions with the virtual clock, and compares registers and memory: the first
instruction after which they differ, and the place where they go different ways.`,
  options: {
    a: { value: "NAME", choices: SIDES, help: `one technique: ${TECHNIQUES_HELP} (default: emulate)` },
    b: { value: "NAME", choices: SIDES, help: "the other" },
    ...SHARED,
    "max-instructions": { value: "N", help: "compare N instructions (default: 500e6)" },
  },
  examples: [
    ["What does a guest see that it should not?", "diff tables --a emulate --b trap"],
    ["Does ring 3 make a difference?", "diff rings --a trap/1 --b trap/3"],
    ["Until a text comes, as JSON", 'diff disk.img --b scan --expect "login:" --json'],
  ],
  outcomes: [["equal", 0], "image-refused", "divergence"],
};

const DEFAULT_LIMIT = "500e6";

interface Subject {
  readonly technique: TechniqueId;
  readonly ring: Ring;
}

export function diff(argv: readonly string[]): number {
  const args = argumentsOf(DIFF, argv);
  if (!args) return 0;
  const options = runOptions(args);
  const named = args.get("b");
  if (named === undefined) throw new UsageError(`Say what to compare with: --b NAME, one of ${BUILT_TECHNIQUES.join(", ")}.`);
  const subjects = { a: subject("a", args.get("a") ?? "emulate", options.ring), b: subject("b", named, options.ring) };
  const limit = args.has("max-instructions") ? options.maxInstructions : Number(DEFAULT_LIMIT);
  const result = compareMachines((side) => machineSide(options, subjects[side]), limit);
  const exitCode = result.divergence ? EXIT_CODES.divergence : 0;
  if (options.json) process.stdout.write(`${JSON.stringify(asJson(result, subjects, exitCode))}\n`);
  else process.stdout.write(asText(result, subjects));
  return exitCode;
}

function subject(option: string, text: string, ring: Ring): Subject {
  const [name = "", own = String(ring), more] = text.split("/");
  if (more !== undefined) throw new UsageError(`--${option} ${text}: a technique, or one with its ring, as trap/3.`);
  return { technique: parseChoice(option, name, BUILT_TECHNIQUES), ring: Number(parseChoice(option, own, ["1", "3"])) as Ring };
}

function machineSide(options: RunOptions, { technique, ring }: Subject): Side {
  const { machine: boot } = configureBoot(bootRequestOf(options, (file) => file));
  const machine = new Machine({
    memoryBytes: options.memoryBytes, cpu: options.cpu, technique, ring, set: options.set, clock: "virtual",
    ...(options.epochMs === undefined ? {} : { epochMs: options.epochMs }),
    ...boot,
  });
  machine.supervisor.log.recordKinds = 0;
  const director = new Director(machine, new GuestScreen(machine.pc), stepsOf(options));
  machine.events.serial = (port, byte) => director.byte(port, byte);
  machine.events.debugConsole = (byte) => director.byte("debug", byte);
  return { machine, proceed: () => director.proceed(), done: () => director.done };
}

// --- what is said

const nameOf = ({ technique, ring }: Subject): string => (technique === "emulate" ? technique : `${technique}/${ring}`);
const place = ({ cs, eip }: InstructionAt): string => `${cs.toString(16).padStart(4, "0")}:${eip.toString(16).padStart(8, "0")}`;

function decoded({ bytes, eip, code32 }: InstructionAt): { text: string; bytes: string } {
  const instruction = explainInstruction(bytes, eip, code32);
  return { text: instruction?.text ?? "(bad)", bytes: hexBytes(instruction?.bytes ?? bytes) };
}

function shown(value: Difference["a"]): string {
  return typeof value === "number" ? value.toString(16).padStart(8, "0") : value;
}

function asText({ divergence, instructions, end }: Comparison, { a, b }: { a: Subject; b: Subject }): string {
  if (!divergence) return `No difference between ${nameOf(a)} and ${nameOf(b)} in ${instructions} instructions (${end}).\n`;
  const { icount, instruction, differences, parting } = divergence;
  const { text, bytes } = decoded(instruction);
  const lines = [
    `${nameOf(a)} and ${nameOf(b)} differ after ${icount} instructions, at ${place(instruction)}: ${text} (${bytes})`,
    ...differences.map((difference) => `  ${difference.what.padEnd(16)}${nameOf(a)} ${shown(difference.a)}   ${nameOf(b)} ${shown(difference.b)}`),
  ];
  if (parting) lines.push(`They go different ways after ${parting.icount} instructions, at ${place(parting.instruction)}: ${decoded(parting.instruction).text}`);
  return `${lines.join("\n")}\n`;
}

function asJson(result: Comparison, { a, b }: { a: Subject; b: Subject }, exitCode: number): object {
  const { divergence, instructions, end } = result;
  const where = (icount: number, instruction: InstructionAt) => ({
    icount, cs: instruction.cs, eip: instruction.eip, linear: instruction.linear, ...decoded(instruction),
  });
  const parts = ({ icount, instruction, differences, parting }: Divergence) => ({
    ...where(icount, instruction), differences, parting: parting && where(parting.icount, parting.instruction),
  });
  return {
    version: 1, outcome: divergence ? "divergence" : "equal", exitCode, a: nameOf(a), b: nameOf(b), instructions, end: divergence ? null : end,
    divergence: divergence && parts(divergence),
  };
}
