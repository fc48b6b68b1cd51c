// A small assembler over the opcode rows: what the processor decodes is what it encodes. Syntax of NASM, one file, no macros.
//
// Instructions take the shortest form. Sizes depend on addresses and those on sizes: passes are made until nothing moves, and what
// has once taken a longer form keeps it.
//
// Not implemented: macros, sections, floating-point constants, SSE comparison pseudo-instructions.

import { AssemblyError, fail, OperandReader, type Scope, segmentNumber, type Token, tokens } from "./assembler-syntax.ts";
import { CONDITION_NAMES } from "./opcode-map/row-builder.ts";
import { ROWS } from "./opcode-map/index.ts";
import { encodeRow, littleEndian, type Situation } from "./row-encoding.ts";
import type { Row } from "./row.ts";
import { EDI } from "./state-layout.ts";

export interface AssembledLine {
  /** From 0. */
  readonly line: number;
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface Assembly {
  readonly bytes: Uint8Array;
  readonly origin: number;
  readonly lines: readonly AssembledLine[];
  readonly symbols: ReadonlyMap<string, number>;
  readonly errors: readonly { readonly line: number; readonly message: string }[];
}

export interface AssembleOptions {
  readonly origin?: number;
  readonly code32?: boolean;
  /** More bytes than this are an error. */
  readonly most?: number;
}

const MOST_PASSES = 40, MOST_BYTES = 1 << 20;
const CONDITIONS: Readonly<Record<string, string>> = { C: "B", NAE: "B", NC: "NB", AE: "NB", E: "Z", NE: "NZ", NA: "BE", A: "NBE", PE: "P", PO: "NP", NGE: "L", GE: "NL", NG: "LE", G: "NLE" };
const SYNONYMS: Readonly<Record<string, readonly [string, (0 | 1 | 2 | 4)?]>> = {
  PUSHFD: ["PUSHF", 4], PUSHFW: ["PUSHF", 2], POPFD: ["POPF", 4], POPFW: ["POPF", 2], IRETD: ["IRET", 4], IRETW: ["IRET", 2], PUSHAD: ["PUSHA", 4], PUSHAW: ["PUSHA", 2],
  POPAD: ["POPA", 4], POPAW: ["POPA", 2], CBW: ["CBW", 2], CWDE: ["CBW", 4], CWD: ["CWD", 2], CDQ: ["CWD", 4], SAL: ["SHL"], RETN: ["RET"], XLATB: ["XLAT"], FWAIT: ["WAIT"],
  JECXZ: ["JCXZ", 4], JCXZ: ["JCXZ", 2], LOOPZ: ["LOOPE"], LOOPNZ: ["LOOPNE"], LOOPD: ["LOOP", 4], LOOPW: ["LOOP", 2], ICEBP: ["INT1"],
};
const STRINGS: ReadonlySet<string> = new Set(ROWS.filter((row) => row.string).map((row) => row.mnemonic));
const STRING_SIZES = { B: 1, W: 2, D: 4 } as const;
const BY_MNEMONIC = new Map<string, Row[]>();
for (const row of ROWS) BY_MNEMONIC.set(row.mnemonic, [...(BY_MNEMONIC.get(row.mnemonic) ?? []), row]);
const PREFIX_WORDS: Readonly<Record<string, 0xf3 | 0xf2>> = { rep: 0xf3, repe: 0xf3, repz: 0xf3, repne: 0xf2, repnz: 0xf2 };
const DATA_SIZES: Readonly<Record<string, number>> = { db: 1, dw: 2, dd: 4, dq: 8 };

/** Rows of a mnemonic as it is written, and the size that it says. */
function rowsOf(word: string): { rows: readonly Row[]; saidSize: 0 | 1 | 2 | 4 } {
  const upper = word.toUpperCase();
  const string = /^(.+)([BWD])$/.exec(upper);
  // CMPSD and MOVSD are instructions on XMM registers, too: those have operands.
  if (string && STRINGS.has(string[1]!)) {
    const saidSize = STRING_SIZES[string[2] as "B" | "W" | "D"];
    const rows = BY_MNEMONIC.get(string[1]!)!.filter((row) => row.string && row.operands.some((code) => code === (saidSize === 1 ? "Xb" : "Xv") || code === (saidSize === 1 ? "Yb" : "Yv")));
    return { rows: [...rows, ...(BY_MNEMONIC.get(upper) ?? [])], saidSize };
  }
  const condition = /^(J|SET|CMOV)([A-Z]+)$/.exec(upper);
  const name = condition ? (CONDITIONS[condition[2]!] ?? condition[2]!) : "";
  if (condition && (CONDITION_NAMES as readonly string[]).includes(name)) return { rows: BY_MNEMONIC.get(condition[1]! + name)!, saidSize: 0 };
  const [mnemonic, saidSize = 0] = SYNONYMS[upper] ?? [upper];
  return { rows: BY_MNEMONIC.get(mnemonic) ?? [], saidSize };
}

/** Where comments begin, outside of quotes. */
function withoutComment(line: string): string {
  const match = /^(?:[^;"'`]|"[^"]*"|'[^']*'|`[^`]*`)*/.exec(line);
  return match![0];
}

class Pass {
  readonly symbols = new Map<string, number>();
  readonly lines: AssembledLine[] = [];
  readonly errors: { line: number; message: string }[] = [];
  readonly out: number[] = [];
  origin: number;
  code32: boolean;
  private readonly known: ReadonlyMap<string, number>;
  private readonly longest: Map<number, number>;
  private readonly last: boolean;
  private lastLabel = "";
  private statement = 0;

  constructor(options: AssembleOptions, known: ReadonlyMap<string, number>, longest: Map<number, number>, last: boolean) {
    this.origin = options.origin ?? 0;
    this.code32 = options.code32 ?? false;
    this.known = known;
    this.longest = longest;
    this.last = last;
  }

  get here(): number {
    return this.origin + this.out.length;
  }

  line(source: string, number: number): void {
    const address = this.here, begin = this.out.length;
    try {
      this.parts(tokens(withoutComment(source)));
      if (this.out.length > MOST_BYTES) fail("this is more than a megabyte");
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      this.errors.push({ line: number, message: error.message });
    }
    if (this.out.length > begin) this.lines.push({ line: number, address, bytes: Uint8Array.from(this.out.slice(begin)) });
  }

  private full(name: string): string {
    return name.startsWith(".") ? this.lastLabel + name : name;
  }

  private scope(): Scope {
    return {
      here: this.here, start: this.origin,
      symbol: (name) => {
        const value = this.symbols.get(this.full(name)) ?? this.known.get(this.full(name));
        if (value === undefined && this.last) fail(`${name} is not defined`);
        return value ?? null;
      },
    };
  }

  private define(name: string, value: number): void {
    const full = this.full(name);
    if (!name.startsWith(".")) this.lastLabel = name;
    if (this.symbols.has(full)) fail(`${name} is defined twice`);
    this.symbols.set(full, value);
  }

  private parts(list: readonly Token[]): void {
    const [first, second] = list;
    if (!first) return;
    if (first.kind !== "name") return fail(`a line begins with a label or an instruction, not with ${first.text}`);
    const word = first.text.toLowerCase();
    if (second?.text === ":" && segmentNumber(word) < 0) {
      this.define(first.text, this.here);
      return this.parts(list.slice(2));
    }
    if (second?.kind === "name" && second.text.toLowerCase() === "equ") return this.define(first.text, new OperandReader(list.slice(2), this.scope()).expression().number);
    if (second?.kind === "name" && second.text.toLowerCase() in DATA_SIZES && !this.isInstruction(word)) {
      this.define(first.text, this.here);
      return this.parts(list.slice(1));
    }
    if (word in DATA_SIZES) return this.data(DATA_SIZES[word]!, list.slice(1));
    switch (word) {
      case "org":
        if (this.out.length > 0) fail("org stands before the first byte");
        this.origin = new OperandReader(list.slice(1), this.scope()).expression().number;
        return;
      case "bits": case "use16": case "use32": {
        const bits = word === "bits" ? second?.text : word.slice(3);
        if (bits !== "16" && bits !== "32") fail("bits 16, or bits 32");
        this.code32 = bits === "32";
        return;
      }
      case "align": {
        const to = new OperandReader(list.slice(1), this.scope()).expression().number;
        if (!(to > 0 && to <= 4096)) fail("align wants a number to 4096");
        while (this.here % to !== 0) this.out.push(0x90);
        return;
      }
      case "times": return this.times(list.slice(1));
    }
    this.instruction(list);
  }

  private isInstruction(word: string): boolean {
    return rowsOf(word).rows.length > 0 || word in PREFIX_WORDS || word === "lock" || word === "times";
  }

  /** The count is all up to the first word that is an instruction or a directive. */
  private times(list: readonly Token[]): void {
    const at = list.findIndex((token) => token.kind === "name" && (token.text.toLowerCase() in DATA_SIZES || this.isInstruction(token.text.toLowerCase())));
    if (at < 1) return fail("times COUNT INSTRUCTION");
    const count = new OperandReader(list.slice(0, at), this.scope()).expression();
    if (count.number < 0 && this.last) fail(`times ${count.number}: the code before is too long`);
    if (count.number > MOST_BYTES) fail("times: that is too often");
    for (let n = 0; n < count.number; n++) this.parts(list.slice(at));
  }

  private data(size: number, list: readonly Token[]): void {
    const reader = new OperandReader(list, this.scope());
    do {
      const text = reader.text();
      if (text !== null) {
        const bytes = [...new TextEncoder().encode(text)];
        while (bytes.length % size !== 0) bytes.push(0);
        this.out.push(...bytes);
        continue;
      }
      const { number } = reader.expression();
      if (this.last && (number < -(2 ** (8 * size - 1)) || number >= 2 ** (8 * size))) fail(`${number} does not fit into ${size} ${size === 1 ? "byte" : "bytes"}`);
      this.out.push(...littleEndian(number, size));
    } while (reader.take(","));
    if (!reader.done) fail("a comma is missing");
  }

  private instruction(list: readonly Token[]): void {
    let at = 0, lock = false, rep: Situation["rep"] = 0, segment = -1;
    for (; at < list.length - 1; at++) {
      const word = list[at]!.text.toLowerCase();
      if (word === "lock") lock = true;
      else if (word in PREFIX_WORDS) rep = PREFIX_WORDS[word]!;
      else if (segmentNumber(word) >= 0 && list[at + 1]!.kind === "name") segment = segmentNumber(word);
      else break;
    }
    const { text } = list[at]!;
    const { rows, saidSize } = rowsOf(text);
    let addressSize: 0 | 2 | 4 = 0;
    if (rows.length === 0) return fail(`${text} is no instruction, directive or label (a label ends in a colon)`);
    const scope = this.scope(), reader = new OperandReader(list.slice(at + 1), scope), operands = [];
    if (!reader.done) {
      do operands.push(reader.operand());
      while (reader.take(","));
    }
    if (!reader.done) return fail("something stands behind the operands");
    // What a string instruction works on is known; written out, it says a segment and a size of addresses.
    if (operands.length > 0 && rows.every(({ string, mnemonic }) => string !== undefined || mnemonic === "XLAT")) {
      for (const operand of operands.splice(0)) {
        if (operand.kind === "mem" && operand.index < 0 && operand.displacement.number === 0) {
          addressSize = operand.addressSize;
          if (operand.base !== EDI && operand.segment >= 0) segment = operand.segment;
        } else if (operand.kind !== "gpr") fail(`${text} takes no such operand`);
      }
    }
    const situation: Situation = { code32: this.code32, here: this.here, saidSize, lock, rep, segment, addressSize };
    const statement = this.statement++, least = this.longest.get(statement) ?? 0;
    let best: number[] | null = null, refusal: AssemblyError | null = null;
    for (const row of rows) {
      if (rep !== 0 && !row.string) continue;
      if (lock && !row.lock) continue;
      let bytes: number[] | null = null;
      try {
        bytes = encodeRow(row, operands, row.string || row.operands.length === 0 || /^(LOOP|J[CE]*CXZ)/.test(row.mnemonic) ? situation : { ...situation, saidSize: saidSize === 1 ? 0 : saidSize });
      } catch (error) {
        if (!(error instanceof AssemblyError)) throw error;
        refusal = error;
      }
      if (bytes && bytes.length >= least && (!best || bytes.length < best.length)) best = bytes;
    }
    if (!best) throw refusal ?? new AssemblyError(rep !== 0 || lock ? `${text} does not take ${lock ? "lock" : "rep"}, or not with these operands` : `${text} does not take these operands; say the size (byte, word, dword) where no register does`);
    this.longest.set(statement, Math.max(least, best.length));
    this.out.push(...best);
  }
}

export function assemble(source: string, options: AssembleOptions = {}): Assembly {
  const texts = source.split(/\r?\n/);
  const longest = new Map<number, number>();
  let known: ReadonlyMap<string, number> = new Map();
  const pass = (last: boolean): Pass => {
    const run = new Pass(options, known, longest, last);
    texts.forEach((text, number) => run.line(text, number));
    return run;
  };
  for (let n = 0; n < MOST_PASSES; n++) {
    const run = pass(false);
    const settled = known.size === run.symbols.size && [...run.symbols].every(([name, value]) => known.get(name) === value);
    known = run.symbols;
    if (settled) break;
  }
  const { out, lines, symbols, errors, origin } = pass(true);
  if (options.most !== undefined && out.length > options.most) errors.push({ line: texts.length - 1, message: `${out.length} bytes: ${options.most} are the most` });
  return { bytes: Uint8Array.from(out), origin, lines, symbols, errors };
}
