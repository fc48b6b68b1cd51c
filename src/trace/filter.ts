// The filter language of the trap log.
//
//   expression = term { ("or" | "||") term }          term = factor { ("and" | "&&") factor }
//   factor     = ("not" | "!") factor | "(" expression ")" | comparison
//   comparison = FIELD ("==" | "!=" | "<" | "<=" | ">" | ">=") VALUE | FIELD "in" NUMBER ".." NUMBER | FIELD "contains" TEXT or BYTES
//
// Numbers: 4096, 0x1000, 1e6; times with a unit, too: t > 1.5ms. Words need no quotes: popf, #GP, pm32. Case does not matter. `bytes contains 0f 01` looks for
// bytes at any place of the instruction (?? stands for any byte). A comparison with a field that does not apply is false.

import { TECHNIQUES } from "../protocol/technique.ts";
import { ACTIONS, allReasons, KINDS } from "../protocol/trap-record.ts";
import type { TrapFields } from "./trap-fields.ts";
import { modelledCycles, TRAP_CLASSES, trapClass } from "./trap-fields.ts";

export type TrapPredicate = (trap: TrapFields) => boolean;

export interface FilterError {
  readonly ok: false;
  /** Where in the text, and how many characters. */
  readonly position: number;
  readonly length: number;
  readonly message: string;
  /** What may stand there. */
  readonly allowed: readonly string[];
}

export type FilterResult = { readonly ok: true; readonly test: TrapPredicate } | FilterError;

interface NumberField {
  readonly type: "number";
  readonly get: (trap: TrapFields) => number | null;
}
interface WordField {
  readonly type: "word";
  readonly get: (trap: TrapFields) => string | null;
  /** The values there are; null: any. */
  readonly values: readonly string[] | null;
}
interface BytesField {
  readonly type: "bytes";
}
type FilterField = (NumberField | WordField | BytesField) & { readonly title: string };

/** Fields by the name that a filter uses. */
export type FilterFields = Readonly<Record<string, FilterField>>;

const number = (title: string, get: NumberField["get"]): FilterField => ({ type: "number", get, title });
const word = (title: string, values: readonly string[] | null, get: WordField["get"]): FilterField => ({ type: "word", get, values, title });

const INSTRUCTION = word("mnemonic without size letter", null, (t) => t.instruction);
const TIME = number("guest time in nanoseconds, or with a unit: 1.5ms", (t) => t.timeNs);
const TIME_UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** Every field by name, with a line of help. */
export const FILTER_FIELDS: FilterFields = {
  insn: INSTRUCTION,
  instruction: INSTRUCTION,
  kind: word("exit, leak or observed", KINDS, (t) => t.kind),
  class: word("how it is related to privilege", TRAP_CLASSES, trapClass),
  reason: word("what the processor raised", allReasons().map((reason) => reason.name), (t) => t.reason),
  action: word("what the monitor did", Object.keys(ACTIONS), (t) => t.action),
  technique: word("what the guest ran under", TECHNIQUES, (t) => t.technique),
  mode: word("the guest's own mode", ["real", "v86", "pm16", "pm32"], (t) => t.mode),
  text: word("disassembly", null, (t) => t.text),
  effect: word("what changed", null, (t) => t.effect),
  bytes: { type: "bytes", title: "instruction bytes" },
  eip: number("EIP", (t) => t.eip),
  linear: number("linear address", (t) => t.linear),
  page: number("number of the 4 KB page of the linear address", (t) => t.linear >>> 12),
  cs: number("code segment selector", (t) => t.cs),
  vcpl: number("the guest's own CPL", (t) => t.vcpl),
  hcpl: number("the ring it really ran in", (t) => t.hcpl),
  vector: number("exception or interrupt vector", (t) => t.vector),
  error: number("error code", (t) => t.error),
  observed: number("what the guest saw", (t) => t.observed),
  expected: number("what bare metal would have given", (t) => t.expected),
  icount: number("retired instructions before it", (t) => t.icount),
  t: TIME,
  timens: TIME,
  cost: number("modelled cycles", modelledCycles),
  seq: number("number of the record", (t) => t.seq),
};

/** Mnemonics that people write with a size letter. */
const SPELLINGS: Readonly<Record<string, string>> = {
  pushfd: "pushf", popfd: "popf", pushfw: "pushf", popfw: "popf", iretd: "iret", iretw: "iret", insb: "ins", insw: "ins", insd: "ins",
  outsb: "outs", outsw: "outs", outsd: "outs",
};

const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="] as const;
type Comparison = (typeof COMPARISONS)[number];

interface Token {
  readonly kind: "word" | "text" | "operator" | "end";
  readonly text: string;
  readonly at: number;
  readonly length: number;
}

class Problem extends Error {
  readonly token: Token;
  readonly allowed: readonly string[];
  constructor(token: Token, message: string, allowed: readonly string[]) {
    super(message);
    this.token = token;
    this.allowed = allowed;
  }
}

const OPERATOR = /^(==|!=|<=|>=|\.\.|&&|\|\||[<>!()=])/;
/** A word ends at `..` so that ranges need no blanks. */
const WORD = /^(?:[A-Za-z0-9_#:?+-]|\.(?!\.))+/;

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const rest = source.slice(at);
    const blank = /^\s+/.exec(rest);
    if (blank) {
      at += blank[0].length;
      continue;
    }
    const quoted = /^"([^"]*)"?/.exec(rest);
    const match = OPERATOR.exec(rest) ?? WORD.exec(rest);
    if (quoted) {
      tokens.push({ kind: "text", text: quoted[1], at, length: quoted[0].length });
      if (!quoted[0].endsWith('"') || quoted[0].length === 1) throw new Problem(tokens[tokens.length - 1], "The closing quote is missing.", ['"']);
      at += quoted[0].length;
    } else if (match) {
      tokens.push({ kind: OPERATOR.test(rest) ? "operator" : "word", text: match[0], at, length: match[0].length });
      at += match[0].length;
    } else {
      throw new Problem({ kind: "operator", text: rest[0], at, length: 1 }, `"${rest[0]}" means nothing here.`, []);
    }
  }
  tokens.push({ kind: "end", text: "", at: source.length, length: 1 });
  return tokens;
}

class Parser {
  private readonly tokens: readonly Token[];
  private readonly fields: FilterFields;
  private index = 0;

  constructor(source: string, fields: FilterFields) {
    this.tokens = tokenize(source);
    this.fields = fields;
  }

  parse(): TrapPredicate {
    const test = this.expression();
    if (this.peek().kind !== "end") throw new Problem(this.peek(), `"${this.peek().text}" after a complete comparison.`, ["and", "or"]);
    return test;
  }

  private peek(): Token {
    return this.tokens[this.index];
  }

  private take(): Token {
    return this.tokens[this.index++];
  }

  private accept(...texts: string[]): boolean {
    const token = this.peek();
    if (token.kind === "text" || token.kind === "end" || !texts.includes(token.text.toLowerCase())) return false;
    this.index++;
    return true;
  }

  private expression(): TrapPredicate {
    let left = this.term();
    while (this.accept("or", "||")) {
      const [x, y] = [left, this.term()];
      left = (trap) => x(trap) || y(trap);
    }
    return left;
  }

  private term(): TrapPredicate {
    let left = this.factor();
    while (this.accept("and", "&&")) {
      const [x, y] = [left, this.factor()];
      left = (trap) => x(trap) && y(trap);
    }
    return left;
  }

  private factor(): TrapPredicate {
    if (this.accept("not", "!")) {
      const inner = this.factor();
      return (trap) => !inner(trap);
    }
    if (this.accept("(")) {
      const inner = this.expression();
      if (!this.accept(")")) throw new Problem(this.peek(), "The closing bracket is missing.", [")"]);
      return inner;
    }
    return this.comparison();
  }

  private comparison(): TrapPredicate {
    const name = this.take();
    const fields = Object.keys(this.fields);
    if (name.kind !== "word") throw new Problem(name, name.kind === "end" ? "Something is missing here." : `A field was expected, not "${name.text}".`, fields);
    const field = Object.hasOwn(this.fields, name.text.toLowerCase()) ? this.fields[name.text.toLowerCase()] : undefined;
    if (!field) throw new Problem(name, `There is no field "${name.text}".`, fields);
    const operators = field.type === "number" ? [...COMPARISONS, "in"] : field.type === "word" ? ["==", "!=", "contains"] : ["contains", "=="];
    const token = this.take();
    const operator = token.text === "=" ? "==" : token.text.toLowerCase();
    if (token.kind === "text" || !operators.includes(operator)) {
      throw new Problem(token, token.kind === "end" ? `What about ${name.text}?` : `"${token.text}" cannot be used with ${name.text}.`, operators);
    }
    switch (field.type) {
      case "number": return this.numberTest(field, operator as Comparison | "in");
      case "word": return this.wordTest(field, operator);
      case "bytes": return this.bytesTest(operator);
    }
  }

  private numberTest(field: NumberField, operator: Comparison | "in"): TrapPredicate {
    const { get } = field;
    const value = this.number(field);
    const test = (compare: (own: number) => boolean): TrapPredicate => (trap) => {
      const own = get(trap);
      return own !== null && compare(own);
    };
    switch (operator) {
      case "in": {
        if (!this.accept("..")) throw new Problem(this.peek(), "A range is written low..high.", [".."]);
        const high = this.number(field);
        return test((own) => own >= value && own <= high);
      }
      case "==": return test((own) => own === value);
      case "!=": return test((own) => own !== value);
      case "<": return test((own) => own < value);
      case "<=": return test((own) => own <= value);
      case ">": return test((own) => own > value);
      case ">=": return test((own) => own >= value);
    }
  }

  private number(field: NumberField): number {
    const token = this.take();
    const text = token.text.replaceAll("_", "");
    const time = field === TIME ? /^([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s)$/i.exec(text) : null;
    if (time) return Number(time[1]) * TIME_UNITS[time[2].toLowerCase()];
    const valid = token.kind === "word" && (/^0x[0-9a-f]+$/i.test(text) || /^[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$/i.test(text));
    if (!valid) throw new Problem(token, token.kind === "end" ? "A number is missing." : `"${token.text}" is not a number.`, field === TIME ? ["1.5ms", "2s", "1e6"] : ["4096", "0x1000", "1e6"]);
    return Number(text);
  }

  private wordTest(field: WordField, operator: string): TrapPredicate {
    const token = this.take();
    if (token.kind !== "word" && token.kind !== "text") throw new Problem(token, "A word is missing.", field.values ?? []);
    const { get } = field;
    const wanted = token.text.toLowerCase();
    if (operator === "contains") return (trap) => get(trap)?.toLowerCase().includes(wanted) ?? false;
    const plain = (value: string): string => {
      const low = value.toLowerCase().replace(/^#/, "");
      return field === INSTRUCTION ? (SPELLINGS[low] ?? low) : low;
    };
    if (field.values && !field.values.some((value) => plain(value) === plain(token.text))) throw new Problem(token, `"${token.text}" is not one of its values.`, field.values);
    const value = plain(token.text);
    const equal: TrapPredicate = (trap) => {
      const own = get(trap);
      return own !== null && plain(own) === value;
    };
    return operator === "==" ? equal : (trap) => get(trap) !== null && !equal(trap);
  }

  private bytesTest(operator: string): TrapPredicate {
    const pattern: number[] = [];
    while (this.peek().kind === "word" && /^([0-9a-f]{2}|\?\?)+$/i.test(this.peek().text)) {
      for (const pair of this.take().text.match(/../g) ?? []) pattern.push(pair === "??" ? -1 : Number.parseInt(pair, 16));
    }
    if (pattern.length === 0) throw new Problem(this.peek(), "Bytes are pairs of hexadecimal digits.", ["0f 01", "9d", "0f ?? 05"]);
    const matchesAt = (bytes: Uint8Array, at: number): boolean => pattern.every((byte, i) => byte < 0 || bytes[at + i] === byte);
    if (operator === "==") return (trap) => trap.bytes !== null && trap.bytes.length === pattern.length && matchesAt(trap.bytes, 0);
    return (trap) => {
      const { bytes } = trap;
      for (let at = 0; bytes && at + pattern.length <= bytes.length; at++) if (matchesAt(bytes, at)) return true;
      return false;
    };
  }
}

/** An empty text matches everything. `fields`: for a list that has not all of them. */
export function compileFilter(source: string, fields = FILTER_FIELDS): FilterResult {
  if (source.trim() === "") return { ok: true, test: () => true };
  try {
    return { ok: true, test: new Parser(source, fields).parse() };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { ok: false, position: error.token.at, length: error.token.length, message: error.message, allowed: error.allowed };
  }
}
