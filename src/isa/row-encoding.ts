// The decoder's inverse: the bytes of one instruction, for each opcode row that has its mnemonic and takes its operands.
// SDM Vol. 2, chapter 2, "Instruction Format", and Appendix A.2.

import { type AsmOperand, fail, type MemoryOperand, type Value } from "./assembler-syntax.ts";
import { parseOpcode } from "./decode-table.ts";
import { OPERAND_SHAPES, WIDTH_FAR, WIDTH_PAIR, WIDTH_V } from "./operand-location.ts";
import type { OperandCode } from "./operand.ts";
import type { Row } from "./row.ts";
import { DS, EBP, EBX, EDI, ESI, ESP, SS } from "./state-layout.ts";

export interface Situation {
  readonly code32: boolean;
  /** Address of the instruction. */
  readonly here: number;
  /** Operand size that the mnemonic says (PUSHFD, MOVSW): 0: none. */
  readonly saidSize: 0 | 1 | 2 | 4;
  readonly lock: boolean;
  readonly rep: 0 | 0xf3 | 0xf2;
  /** Of a prefix that stands before the mnemonic; -1: none. */
  readonly segment: number;
  /** Of the registers that a string instruction uses; 0: as usual. */
  readonly addressSize: 0 | 2 | 4;
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const PREFIXES = [0, 0x66, 0xf3, 0xf2];
const STRING_CODES: ReadonlySet<OperandCode> = new Set<OperandCode>(["Xb", "Xv", "Yb", "Yv"]);
const CONTROL_REGISTERS: ReadonlySet<number> = new Set([0, 2, 3, 4]);

export function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => (i < 4 ? (value >>> (i * 8)) & 0xff : value < 0 ? 0xff : Math.floor(value / 2 ** (8 * i)) & 0xff));
}

const fits = (value: number, bytes: number): boolean => value >= -(2 ** (8 * bytes - 1)) && value < 2 ** (8 * bytes);
/** As a signed number of that size. */
const signed = (value: number, bytes: number): number => (bytes === 2 ? (value << 16) >> 16 : value | 0);

/** Null: the row does not take these operands. */
export function encodeRow(row: Row, operands: readonly AsmOperand[], situation: Situation): number[] | null {
  const codes = row.operands.filter((code) => !STRING_CODES.has(code) && !(row.string && (code === "AL" || code === "eAX" || code === "DX")));
  // Arithmetic on the stack top may leave it unsaid.
  const given = codes.length === operands.length + 1 && codes[0] === "ST" ? codes.slice(1) : codes;
  if (given.length !== operands.length) return null;
  const operandSize = sizeOf(row, given, operands, situation);
  if (operandSize === 0 || !given.every((code, n) => matches(row, code, operands[n]!, operandSize, situation))) return null;
  return new RowBytes(row, given, operands, operandSize, situation).bytes();
}

/** The operand-size attribute; 0: the operands do not agree. */
function sizeOf(row: Row, codes: readonly OperandCode[], operands: readonly AsmOperand[], { code32, saidSize }: Situation): 0 | 2 | 4 {
  const usual = code32 ? 4 : 2;
  let size = 0, unsaid = false;
  for (const [n, code] of codes.entries()) {
    const { width } = OPERAND_SHAPES[code], operand = operands[n]!;
    // `inc [bx]`: a byte or more?
    if (code === "Eb" && operand.kind === "mem" && operand.size === 0 && !codes.includes("Gb") && !codes.includes("AL") && !row.mnemonic.startsWith("SET")) return 0;
    if (width === WIDTH_FAR) {
      const own = operand.kind === "far" ? operand.size : operand.kind === "mem" && operand.far ? (operand.size === 6 ? 4 : operand.size === 4 ? 2 : 0) : 0;
      if (own === 2 || own === 4) size = own;
      continue;
    }
    if (width !== WIDTH_V) continue;
    const own = operand.kind === "mem" ? operand.size : operand.kind === "gpr" ? operand.width : 0;
    if (operand.kind === "imm") {
      if ((operand.size === 2 || operand.size === 4) && codes.length === 1) size = operand.size;
      continue;
    }
    if (own === 0) {
      unsaid = true;
      continue;
    }
    if ((own !== 2 && own !== 4) || (size !== 0 && size !== own)) return 0;
    size = own;
  }
  if (saidSize === 2 || saidSize === 4) return size === 0 || size === saidSize ? saidSize : 0;
  if (size !== 0) return size as 2 | 4;
  // What goes to the stack or into EIP has a usual size; `inc [bx]` has none.
  return unsaid && !["PUSH", "POP", "CALL", "JMP", "NOP"].includes(row.mnemonic) ? 0 : usual;
}

function matches(row: Row, code: OperandCode, operand: AsmOperand, operandSize: 2 | 4, situation: Situation): boolean {
  const { source, kind, width, number, memoryOnly } = OPERAND_SHAPES[code];
  const bytes = width === WIDTH_V ? operandSize : width === WIDTH_FAR || width === WIDTH_PAIR ? 0 : width;
  const pattern = parseOpcode(row.opcode), own = "number" in operand && operand.kind === kind ? operand : null;
  switch (source) {
    case "fixed": return own !== null && own.number === number && (kind === "st" || own.width === bytes);
    case "reg": case "rm-register": case "opcode":
      if (own === null || (kind === "control" && !CONTROL_REGISTERS.has(own.number))) return false;
      // A row for one segment register, as MOV SS.
      if (kind === "segment" && pattern.reg >= 0 && own.number !== pattern.reg) return false;
      if (source === "opcode" && own.number !== (pattern.opcode & 7)) return false;
      return kind !== "gpr" || own.width === bytes;
    case "rm":
      if (operand.kind !== "mem") return !memoryOnly && pattern.form !== "mem" && own !== null && (kind !== "gpr" || own.width === bytes);
      if (pattern.form === "reg" || pattern.second >= 0) return false;
      if (code === "Mp" && (row.mnemonic === "JMP" || row.mnemonic === "CALL")) return operand.far;
      return !operand.far && (operand.size === 0 || bytes === 0 || operand.size === (code === "Edw" ? 2 : bytes));
    case "moffs": return operand.kind === "mem" && operand.base < 0 && operand.index < 0 && (operand.size === 0 || operand.size === bytes);
    case "constant": return operand.kind === "imm" && operand.value.known && operand.value.number === number;
    case "immediate":
      if (kind === "far") return operand.kind === "far";
      return operand.kind === "imm" && immediateFits(code, operand.value, operand.size, operand.distance, operandSize, row, situation);
  }
}

function immediateFits(code: OperandCode, { number, known }: Value, size: number, distance: "short" | "near" | null, operandSize: 2 | 4, row: Row, { here }: Situation): boolean {
  switch (code) {
    case "Jb": {
      if (distance === "near") return false;
      const by = signed(number - here - 2, operandSize);
      return (known && by >= -128 && by <= 127) || !known || distance === "short" || row.operands.length !== 1 || !/^J/.test(row.mnemonic) || row.mnemonic === "JCXZ";
    }
    case "Jz": return distance !== "short";
    case "Ib": return size <= 1 && (!known || fits(number, 1));
    case "Ibs": return known && (size <= 1 || size === operandSize) && fits(number, operandSize) && signed(number, operandSize) >= -128 && signed(number, operandSize) <= 127;
    case "Iw": return !known || fits(number, 2);
    default: return size !== 1 && fits(number, operandSize);
  }
}

class RowBytes {
  readonly #row: Row;
  readonly #codes: readonly OperandCode[];
  readonly #operands: readonly AsmOperand[];
  readonly #operandSize: 2 | 4;
  readonly #situation: Situation;

  constructor(row: Row, codes: readonly OperandCode[], operands: readonly AsmOperand[], operandSize: 2 | 4, situation: Situation) {
    this.#row = row;
    this.#codes = codes;
    this.#operands = operands;
    this.#operandSize = operandSize;
    this.#situation = situation;
  }

  bytes(): number[] | null {
    const row = this.#row, { code32, lock, rep, saidSize } = this.#situation;
    const usual = code32 ? 4 : 2, pattern = parseOpcode(row.opcode);
    const memory = this.#operands.find((operand): operand is MemoryOperand => operand.kind === "mem");
    const string = row.string !== undefined || row.mnemonic === "XLAT";
    const address = memory ? this.#address(memory) : null;
    if (memory && !address) return null;
    const addressSize = address?.addressSize ?? (this.#situation.addressSize || usual);
    const bytes: number[] = [];
    if (lock) bytes.push(0xf0);
    if (rep) bytes.push(rep);
    const segment = memory && memory.segment >= 0 ? memory.segment : this.#situation.segment;
    if (segment >= 0 && (memory || string)) {
      const implied = address && !string ? address.segment : DS;
      if (segment !== implied) bytes.push(SEGMENT_PREFIXES[segment]!);
    }
    if (this.#sizeMatters && this.#operandSize !== usual) bytes.push(0x66);
    if (addressSize !== usual || (/^(LOOP|JCXZ)/.test(row.mnemonic) && saidSize !== 0 && saidSize !== usual)) bytes.push(0x67);
    if (pattern.prefix) bytes.push(PREFIXES[pattern.prefix]!);
    if (pattern.twoByte) bytes.push(0x0f);
    bytes.push(pattern.opcode);
    const shapes = this.#codes.map((code) => OPERAND_SHAPES[code]);
    const registerOf = (source: string): number => {
      const n = shapes.findIndex((shape) => shape.source === source), operand = this.#operands[n];
      return operand && "number" in operand ? operand.number : -1;
    };
    if (pattern.second >= 0) bytes.push(pattern.second + (pattern.secondRange ? Math.max(0, registerOf("rm-register")) : 0));
    else if (shapes.some(({ source }) => source === "reg" || source === "rm" || source === "rm-register") || pattern.reg >= 0 || pattern.form !== "any") {
      const reg = pattern.reg >= 0 ? pattern.reg : Math.max(0, registerOf("reg"));
      const rm = shapes.findIndex(({ source }) => source === "rm");
      const operand = this.#operands[rm];
      if (operand?.kind === "mem" || (rm < 0 && address && shapes.every(({ source }) => source !== "moffs"))) bytes.push(address!.modrm | (reg << 3), ...address!.rest);
      else bytes.push(0xc0 | (reg << 3) | Math.max(0, rm >= 0 ? registerOf("rm") : registerOf("rm-register")));
    }
    if (shapes.some(({ source }) => source === "moffs")) bytes.push(...littleEndian(memory!.displacement.number, addressSize));
    this.#immediates(bytes);
    return bytes;
  }

  /** Whether the operand-size attribute chooses anything. */
  get #sizeMatters(): boolean {
    const row = this.#row, { saidSize } = this.#situation;
    if (row.fixedOperandSize !== undefined) return false;
    if (row.operands.some((code) => [WIDTH_V, WIDTH_FAR, WIDTH_PAIR].includes(OPERAND_SHAPES[code].width))) return true;
    return saidSize !== 0 && row.operands.length === 0;
  }

  #immediates(bytes: number[]): void {
    const size = this.#operandSize, { here } = this.#situation;
    this.#codes.forEach((code, n) => {
      const operand = this.#operands[n]!;
      if (OPERAND_SHAPES[code].source !== "immediate") return;
      if (operand.kind === "far") bytes.push(...littleEndian(operand.offset.number, size), ...littleEndian(operand.selector.number, 2));
      else if (operand.kind === "imm") {
        const { number, known } = operand.value, length = code === "Ib" || code === "Ibs" || code === "Jb" ? 1 : code === "Iw" ? 2 : size;
        if (code !== "Jb" && code !== "Jz") bytes.push(...littleEndian(number, length));
        else {
          const by = signed(number - (here + bytes.length + length), size);
          if (code === "Jb" && known && (by < -128 || by > 127)) fail("the target is farther away than the 127 bytes that a short jump reaches");
          bytes.push(...littleEndian(by, length));
        }
      }
    });
  }

  #address({ base, index, scale, addressSize, displacement }: MemoryOperand): { modrm: number; rest: number[]; addressSize: 2 | 4; segment: number } | null {
    const size = addressSize || (this.#situation.code32 ? 4 : 2);
    const { number, known } = displacement;
    if (known && !fits(number, size)) return null;
    const near = signed(number, size), short = known && near >= -128 && near <= 127;
    return size === 4 ? address32(base, index, scale, near, known, short) : address16(base, index, scale, near, known, short);
  }
}

type Address = { modrm: number; rest: number[]; addressSize: 2 | 4; segment: number };

const PAIRS_16: readonly (readonly [number, number])[] = [[EBX, ESI], [EBX, EDI], [EBP, ESI], [EBP, EDI], [ESI, -1], [EDI, -1], [EBP, -1], [EBX, -1]];

function address16(base: number, index: number, scale: number, near: number, known: boolean, short: boolean): Address | null {
  if (base < 0 && index < 0) return { modrm: 6, rest: littleEndian(near, 2), addressSize: 2, segment: DS };
  if (scale !== 1) return null;
  const rm = PAIRS_16.findIndex(([a, b]) => (a === base && b === index) || (a === index && b === base));
  if (rm < 0) return null;
  const segment = base === EBP || index === EBP ? SS : DS;
  if (known && near === 0 && rm !== 6) return { modrm: rm, rest: [], addressSize: 2, segment };
  return short ? { modrm: 0x40 | rm, rest: [near & 0xff], addressSize: 2, segment } : { modrm: 0x80 | rm, rest: littleEndian(near, 2), addressSize: 2, segment };
}

function address32(givenBase: number, givenIndex: number, scale: number, near: number, known: boolean, short: boolean): Address | null {
  let base = givenBase, index = givenIndex;
  if (index === ESP && scale === 1 && base !== ESP) [base, index] = [index, base];
  const power = [1, 2, 4, 8].indexOf(scale);
  if (index === ESP || power < 0) return null;
  if (base < 0 && index < 0) return { modrm: 5, rest: littleEndian(near, 4), addressSize: 4, segment: DS };
  if (base < 0) return { modrm: 4, rest: [(power << 6) | (index << 3) | 5, ...littleEndian(near, 4)], addressSize: 4, segment: DS };
  const segment = base === EBP || base === ESP ? SS : DS;
  const sib = index >= 0 || base === ESP ? [(power << 6) | ((index < 0 ? 4 : index) << 3) | base] : [];
  const rm = sib.length > 0 ? 4 : base;
  if (known && near === 0 && base !== EBP) return { modrm: rm, rest: sib, addressSize: 4, segment };
  return short ? { modrm: 0x40 | rm, rest: [...sib, near & 0xff], addressSize: 4, segment } : { modrm: 0x80 | rm, rest: [...sib, ...littleEndian(near, 4)], addressSize: 4, segment };
}
