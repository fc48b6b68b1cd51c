// What a command says of itself: its help, and what a shell completes, are made of this.

import { type Arguments, type OptionSpecs, parseArguments } from "./arguments.ts";
import { EXIT_CODES, type OutcomeName } from "./outcome.ts";

export interface CommandSpec {
  readonly name: string;
  /** What stands behind the name. */
  readonly operands: string;
  /** What the operands are. */
  readonly takes: "image" | "file" | "recording" | "lab" | "shell";
  /** A few words, for the list of commands. */
  readonly summary: string;
  /** What a person should know first. */
  readonly about: string;
  readonly options: OptionSpecs;
  /** Behind the options. */
  readonly notes?: string;
  /** What it is good for, and the words behind `trapscope` that do it. */
  readonly examples: readonly (readonly [purpose: string, words: string])[];
  /** How it can end, besides `usage` and `defect`. */
  readonly outcomes: readonly (OutcomeName | readonly [name: string, code: number])[];
}

/** The arguments of a command; null: help was asked for and given. */
export function argumentsOf(spec: CommandSpec, argv: readonly string[]): Arguments | null {
  const args = parseArguments(spec.name, argv, spec.options);
  if (!args.has("help")) return args;
  process.stdout.write(commandHelp(spec));
  return null;
}

export function commandHelp({ name, operands, about, options, notes, examples, outcomes }: CommandSpec): string {
  const parts = [
    `trapscope ${name} ${operands}`, about,
    `Examples:\n${examples.map(([purpose, words]) => `  # ${purpose}\n  trapscope ${words}`).join("\n")}`,
    `Options:\n${optionLines(options)}`,
    ...(notes === undefined ? [] : [notes]),
    `Exit codes: ${exitCodes(outcomes)}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

function exitCodes(outcomes: CommandSpec["outcomes"]): string {
  const byCode = new Map<number, string[]>();
  for (const outcome of [...outcomes, "usage", "defect"] as const) {
    const [name, code] = typeof outcome === "string" ? [outcome, EXIT_CODES[outcome]] : outcome;
    byCode.set(code, [...(byCode.get(code) ?? []), name]);
  }
  return [...byCode].sort(([a], [b]) => a - b).map(([code, names]) => `${code} ${names.join(", ")}`).join("; ");
}

const COLUMN = 24;

/** What is too long for its column has a line of its own. */
export function helpLine(left: string, help: string): string {
  return `  ${left.length < COLUMN ? left.padEnd(COLUMN) : `${left}\n  ${" ".repeat(COLUMN)}`}${help}`;
}

function optionLines(specs: OptionSpecs): string {
  return Object.entries(specs)
    .map(([name, { value, optional, help }]) => {
      const left = `--${name}${value === undefined ? "" : optional ? `[=${value}]` : ` ${value}`}`;
      return helpLine(left, help);
    })
    .join("\n");
}
