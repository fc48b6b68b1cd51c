// The source of the small assembler, in Intel order as NASM reads it: lines, operands, expressions.

export class AssemblyError extends Error {}

export const fail = (message: string): never => {
  throw new AssemblyError(message);
};

export interface RegisterOperand {
  readonly kind: "gpr" | "segment" | "control" | "debug" | "test" | "st" | "mm" | "xmm";
  readonly number: number;
  /** In bytes. */
  readonly width: number;
}
export interface MemoryOperand {
  readonly kind: "mem";
  /** In bytes; 0: not said. */
  readonly size: number;
  readonly far: boolean;
  readonly segment: number;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly addressSize: 0 | 2 | 4;
  readonly displacement: Value;
}
export interface ImmediateOperand {
  readonly kind: "imm";
  readonly size: number;
  readonly distance: "short" | "near" | null;
  readonly value: Value;
}
export interface FarOperand {
  readonly kind: "far";
  readonly size: number;
  readonly selector: Value;
  readonly offset: Value;
}
export type AsmOperand = RegisterOperand | MemoryOperand | ImmediateOperand | FarOperand;

/** A number; `known` false: a symbol in it has no value yet. */
export interface Value {
  readonly number: number;
  readonly known: boolean;
}

export interface Scope {
  symbol(name: string): number | null;
  readonly here: number;
  readonly start: number;
}

const NAMES_8 = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"], NAMES_16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
export const SIZES: Readonly<Record<string, number>> = { byte: 1, word: 2, dword: 4, fword: 6, qword: 8, tword: 10, tbyte: 10, oword: 16, xmmword: 16 };

export function segmentNumber(name: string): number {
  return SEGMENTS.indexOf(name);
}

export function register(name: string): RegisterOperand | null {
  const of = (kind: RegisterOperand["kind"], number: number, width: number): RegisterOperand | null => (number < 0 ? null : { kind, number, width });
  const named = of("gpr", NAMES_8.indexOf(name), 1) ?? of("gpr", NAMES_16.indexOf(name), 2) ?? (name[0] === "e" ? of("gpr", NAMES_16.indexOf(name.slice(1)), 4) : null) ?? of("segment", segmentNumber(name), 2);
  if (named) return named;
  if (name === "st") return { kind: "st", number: 0, width: 10 };
  const match = /^(cr|dr|tr|mm|xmm|st)([0-7])$/.exec(name);
  if (!match) return null;
  const kind = { cr: "control", dr: "debug", tr: "test", mm: "mm", xmm: "xmm", st: "st" } as const;
  const width = { cr: 4, dr: 4, tr: 4, mm: 8, xmm: 16, st: 10 } as const;
  const prefix = match[1] as keyof typeof kind;
  return { kind: kind[prefix], number: Number(match[2]), width: width[prefix] };
}

const TOKEN = /\s*(?:("(?:[^"])*"|'(?:[^'])*'|`(?:[^`])*`)|(\$\$|0x[0-9a-f]+|\$[0-9][0-9a-f]*|[0-9][0-9a-z_]*)|([a-z_.?$@][\w.?$@#~]*)|(<<|>>|[-+*/%&|^~()[\],:]))/iy;

export type Token = { readonly kind: "text" | "number" | "name" | "sign"; readonly text: string };

export function tokens(source: string): Token[] {
  const list: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; source.slice(at).trim() !== ""; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (!match) return fail(`"${source.slice(at).trim()[0]}" is not understood here`);
    const [, text, number, name, sign] = match;
    list.push(text !== undefined ? { kind: "text", text: text.slice(1, -1) } : number !== undefined ? { kind: "number", text: number } : name !== undefined ? { kind: "name", text: name } : { kind: "sign", text: sign! });
  }
  return list;
}

function numberOf(text: string): number {
  const plain = text.toLowerCase().replaceAll("_", "");
  const [, digits, base] = /^0x([0-9a-f]+)()$/.exec(plain) ?? /^([0-9][0-9a-f]*)(h)$/.exec(plain) ?? [];
  if (digits !== undefined && base !== undefined) return Number.parseInt(digits, 16);
  if (/^[01]+b$/.test(plain)) return Number.parseInt(plain, 2);
  if (/^0b[01]+$/.test(plain)) return Number.parseInt(plain.slice(2), 2);
  if (/^[0-7]+[oq]$/.test(plain)) return Number.parseInt(plain, 8);
  return /^\d+$/.test(plain) ? Number.parseInt(plain, 10) : fail(`${text} is no number: 10, 0x10, 10h, 1010b`);
}

/** Reads the operands of one line. */
export class OperandReader {
  readonly #list: readonly Token[];
  readonly #scope: Scope;
  #at = 0;

  constructor(list: readonly Token[], scope: Scope) {
    this.#list = list;
    this.#scope = scope;
  }

  get done(): boolean {
    return this.#at >= this.#list.length;
  }

  #peek(text: string): boolean {
    const token = this.#list[this.#at];
    return token !== undefined && token.kind !== "text" && token.text.toLowerCase() === text;
  }

  take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at++;
    return true;
  }

  #need(text: string): void {
    if (!this.take(text)) fail(`"${text}" is missing`);
  }

  /** A string between quotes that stands alone, or null. */
  text(): string | null {
    const token = this.#list[this.#at], next = this.#list[this.#at + 1];
    if (token?.kind !== "text" || (next && next.text !== ",")) return null;
    this.#at++;
    return token.text;
  }

  operand(): AsmOperand {
    let size = 0, far = false, distance: "short" | "near" | null = null;
    for (let token = this.#list[this.#at]; token?.kind === "name"; token = this.#list[this.#at]) {
      const word = token.text.toLowerCase();
      if (word in SIZES) size = SIZES[word]!;
      else if (word === "far") far = true;
      else if (word === "short" || word === "near") distance = word;
      else if (word !== "ptr") break;
      this.#at++;
    }
    const token = this.#list[this.#at];
    const own = token?.kind === "name" ? register(token.text.toLowerCase()) : null;
    if (own && this.#list[this.#at + 1]?.text !== ":") {
      this.#at++;
      if (own.kind === "st" && this.take("(")) {
        const number = this.expression().number;
        this.#need(")");
        return { ...own, number };
      }
      return own;
    }
    if (own?.kind === "segment") {
      this.#at += 2;
      this.#need("[");
      return this.#memory(size, far, own.number);
    }
    if (this.take("[")) return this.#memory(size, far, -1);
    const value = this.expression();
    if (this.take(":")) return { kind: "far", size, selector: value, offset: this.expression() };
    return { kind: "imm", size, distance, value };
  }

  #memory(size: number, far: boolean, override: number): MemoryOperand {
    let segment = override, base = -1, index = -1, scale = 1, addressSize: 0 | 2 | 4 = 0;
    const displacements: Value[] = [];
    const first = this.#list[this.#at], second = this.#list[this.#at + 1];
    if (first?.kind === "name" && second?.text === ":" && segmentNumber(first.text.toLowerCase()) >= 0) {
      segment = segmentNumber(first.text.toLowerCase());
      this.#at += 2;
    }
    for (let sign = 1; ; ) {
      const token = this.#list[this.#at], own = token?.kind === "name" ? register(token.text.toLowerCase()) : null;
      if (own) {
        if (own.kind !== "gpr" || own.width === 1 || sign < 0) fail(`${token!.text} is no part of an address`);
        if (addressSize !== 0 && addressSize !== own.width) fail("16-bit and 32-bit registers in one address");
        addressSize = own.width as 2 | 4;
        this.#at++;
        if (this.take("*")) {
          if (index >= 0) fail("two scaled registers in one address");
          index = own.number;
          scale = this.#primary().number;
        } else if (base < 0) base = own.number;
        else if (index < 0) index = own.number;
        else fail("three registers in one address");
      } else {
        const value = this.#term();
        displacements.push({ number: sign * value.number, known: value.known });
      }
      if (this.take("+")) sign = 1;
      else if (this.take("-")) sign = -1;
      else break;
    }
    this.#need("]");
    const displacement = { number: displacements.reduce((sum, { number }) => sum + number, 0), known: displacements.every(({ known }) => known) };
    return { kind: "mem", size, far, segment, base, index, scale, addressSize, displacement };
  }

  expression(): Value {
    let left = this.#sum();
    for (;;) {
      if (this.take("|")) left = both(left, this.#sum(), (a, b) => a | b);
      else if (this.take("^")) left = both(left, this.#sum(), (a, b) => a ^ b);
      else if (this.take("&")) left = both(left, this.#sum(), (a, b) => a & b);
      else if (this.take("<<")) left = both(left, this.#sum(), (a, b) => a * 2 ** b);
      else if (this.take(">>")) left = both(left, this.#sum(), (a, b) => Math.floor(a / 2 ** b));
      else return left;
    }
  }

  #sum(): Value {
    let left = this.#term();
    for (;;) {
      if (this.take("+")) left = both(left, this.#term(), (a, b) => a + b);
      else if (this.take("-")) left = both(left, this.#term(), (a, b) => a - b);
      else return left;
    }
  }

  #term(): Value {
    let left = this.#primary();
    for (;;) {
      if (this.take("*")) left = both(left, this.#primary(), (a, b) => a * b);
      else if (this.take("/")) left = both(left, this.#primary(), (a, b) => Math.trunc(a / b));
      else if (this.take("%")) left = both(left, this.#primary(), (a, b) => a % b);
      else return left;
    }
  }

  #primary(): Value {
    if (this.take("-")) return both({ number: 0, known: true }, this.#primary(), (a, b) => a - b);
    if (this.take("+")) return this.#primary();
    if (this.take("~")) return both({ number: 0, known: true }, this.#primary(), (_, b) => ~b);
    if (this.take("(")) {
      const inner = this.expression();
      this.#need(")");
      return inner;
    }
    const token = this.#list[this.#at++];
    if (!token || token.kind === "sign") return fail("a value is missing");
    if (token.text === "$$") return { number: this.#scope.start, known: true };
    if (token.text === "$") return { number: this.#scope.here, known: true };
    if (token.kind === "number") return { number: numberOf(token.text), known: true };
    if (token.kind === "text") return { number: [...token.text].reduceRight((sum, character) => sum * 256 + character.charCodeAt(0), 0), known: true };
    if (register(token.text.toLowerCase())) return fail(`${token.text} stands where a number belongs`);
    const value = this.#scope.symbol(token.text);
    return { number: value ?? this.#scope.here, known: value !== null };
  }
}

function both(left: Value, right: Value, of: (a: number, b: number) => number): Value {
  return { number: of(left.number, right.number), known: left.known && right.known };
}
