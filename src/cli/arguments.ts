// Options of a command line: `--name value`, `--name=value`, `--switch`; the rest are positionals.

import { UsageError } from "../base/errors.ts";

export interface OptionSpec {
  /** What its value is called in the help; absent: a switch. */
  readonly value?: string;
  /** The value may be left out; it is given as `--name=value` alone. */
  readonly optional?: boolean;
  /** May be given more than once. */
  readonly repeats?: boolean;
  /** The values there are, where `value` does not list them. */
  readonly choices?: readonly string[];
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export class Arguments {
  readonly positionals: readonly string[];
  private readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals;
    this.values = values;
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  get(name: string): string | undefined {
    return this.values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }
}

export function parseArguments(command: string, argv: readonly string[], specs: OptionSpecs): Arguments {
  const positionals: string[] = [];
  const values = new Map<string, string[]>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] === "-h" ? "--help" : argv[at]!;
    if (!word.startsWith("--") || word === "--") {
      if (word.length > 1 && word.startsWith("-") && word !== "--") throw unknownOption(command, word);
      if (word !== "--") positionals.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (!spec) throw unknownOption(command, `--${name}`);
    let value = "";
    if (spec.optional) value = equals < 0 ? "" : word.slice(equals + 1);
    else if (spec.value !== undefined) {
      const next = equals < 0 ? argv[++at] : word.slice(equals + 1);
      if (next === undefined || (equals < 0 && next.startsWith("--"))) throw new UsageError(`--${name} needs a value: --${name} ${spec.value}.`);
      value = next;
    } else if (equals >= 0) {
      throw new UsageError(`--${name} takes no value.`);
    }
    const before = values.get(name);
    if (before && !spec.repeats) throw new UsageError(`--${name} is given twice.`);
    if (before) before.push(value);
    else values.set(name, [value]);
  }
  return new Arguments(positionals, values);
}

function unknownOption(command: string, word: string): UsageError {
  return new UsageError(`Unknown option ${word}. "trapscope ${command} --help" lists the options.`);
}

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1 << 10, M: 1 << 20, G: 1 << 30 };

/** `128M`, `1.5G`, `65536`. */
export function parseSize(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(text);
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : Number.NaN;
  if (!Number.isInteger(bytes)) throw new UsageError(`--${name} ${text}: give a size like 64M; K, M and G are known.`);
  return bytes;
}

/** `50e6`, `1000`. */
export function parseCount(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} ${text}: give a whole number above 0, such as 50e6.`);
  return value;
}

export function parseSeconds(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`--${name} ${text}: give a number of seconds above 0.`);
  return value;
}

/** One of the words, or a UsageError that lists them. */
export function parseChoice<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found === undefined) throw new UsageError(`--${name} ${text}: one of ${allowed.join(", ")} is needed.`);
  return found;
}
