// What each operand code names: the one place where the codes of operand.ts are interpreted.
// SDM Vol. 2 Appendix A.2, "Key to Abbreviations"; register numbers: Appendix B.1.4.

import type { Decoded } from "./decoded.ts";
import type { OperandCode } from "./operand.ts";
import type { Row } from "./row.ts";

export type OperandKind =
  | "gpr" | "segment" | "control" | "debug" | "test" | "mem" | "imm" | "rel" | "far"
  | "st" | "mm" | "xmm" | "string-src" | "string-dst" | "const";

/** Where in the encoding an operand is stated. */
export type OperandSource = "reg" | "rm" | "rm-register" | "opcode" | "fixed" | "moffs" | "immediate" | "constant";

/** Widths that depend on the operand-size attribute. */
export const WIDTH_V = -1; // operand size
export const WIDTH_FAR = -2; // selector and offset: operand size + 2
export const WIDTH_PAIR = -3; // two words: 2 x operand size

export interface OperandShape {
  readonly source: OperandSource;
  /** Of the register for an r/m operand; the memory form is "mem". */
  readonly kind: OperandKind;
  /** Bytes, 0 where the operand has no one size (M), or WIDTH_*. */
  readonly width: number;
  /** Register number of a fixed register, or the constant. */
  readonly number: number;
  /** r/m with mod = 3 is no such instruction. */
  readonly memoryOnly: boolean;
}

/** One resolved operand. Reused between calls: copy what must last. */
export interface Operand {
  kind: OperandKind;
  /** Bytes; 0 where the memory operand has no one size. */
  width: number;
  /** Register number in encoding order (gpr of width 1: AL CL DL BL AH CH DH BH); ESI or EDI of a string operand; else -1. */
  number: number;
  /** imm, const: value zero-extended from `width` (int32 at 4). rel: signed displacement. far: offset. Else 0. */
  value: number;
  /** far: selector. */
  selector: number;
}

export function createOperand(): Operand {
  return { kind: "const", width: 0, number: -1, value: 0, selector: 0 };
}

function shape(source: OperandSource, kind: OperandKind, width: number, number = -1, memoryOnly = false): OperandShape {
  return { source, kind, width, number, memoryOnly };
}
const memory = (width: number) => shape("rm", "mem", width, -1, true);
const fixed = (kind: OperandKind, number: number, width: number) => shape("fixed", kind, width, number);

export const OPERAND_SHAPES: Readonly<Record<OperandCode, OperandShape>> = {
  Eb: shape("rm", "gpr", 1), Ew: shape("rm", "gpr", 2), Ev: shape("rm", "gpr", WIDTH_V), Ed: shape("rm", "gpr", 4),
  Gb: shape("reg", "gpr", 1), Gw: shape("reg", "gpr", 2), Gv: shape("reg", "gpr", WIDTH_V), Gd: shape("reg", "gpr", 4),
  Ib: shape("immediate", "imm", 1), Iw: shape("immediate", "imm", 2), Iv: shape("immediate", "imm", WIDTH_V),
  Iz: shape("immediate", "imm", WIDTH_V), Ibs: shape("immediate", "imm", WIDTH_V),
  Jb: shape("immediate", "rel", WIDTH_V), Jz: shape("immediate", "rel", WIDTH_V), Ap: shape("immediate", "far", WIDTH_FAR),
  Mp: memory(WIDTH_FAR), M: memory(0), Mb: memory(1), Mw: memory(2), Md: memory(4), Mq: memory(8), Mt: memory(10),
  Ma: memory(WIDTH_PAIR), Ms: memory(6), Mx: memory(16), Mu: memory(16),
  Ob: shape("moffs", "mem", 1), Ov: shape("moffs", "mem", WIDTH_V),
  Sw: shape("reg", "segment", 2), Cd: shape("reg", "control", 4), Dd: shape("reg", "debug", 4), Td: shape("reg", "test", 4),
  Rd: shape("rm-register", "gpr", 4), Zb: shape("opcode", "gpr", 1), Zv: shape("opcode", "gpr", WIDTH_V),
  AL: fixed("gpr", 0, 1), AX: fixed("gpr", 0, 2), eAX: fixed("gpr", 0, WIDTH_V), CL: fixed("gpr", 1, 1), DX: fixed("gpr", 2, 2),
  "1": shape("constant", "const", 1, 1), "3": shape("constant", "const", 1, 3),
  ES: fixed("segment", 0, 2), CS: fixed("segment", 1, 2), SS: fixed("segment", 2, 2),
  DS: fixed("segment", 3, 2), FS: fixed("segment", 4, 2), GS: fixed("segment", 5, 2),
  Xb: fixed("string-src", 6, 1), Xv: fixed("string-src", 6, WIDTH_V), Yb: fixed("string-dst", 7, 1), Yv: fixed("string-dst", 7, WIDTH_V),
  ST: fixed("st", 0, 10), STi: shape("rm-register", "st", 10),
  Pq: shape("reg", "mm", 8), Qq: shape("rm", "mm", 8), Qd: shape("rm", "mm", 4),
  Vx: shape("reg", "xmm", 16), Vd: shape("reg", "xmm", 4), Vq: shape("reg", "xmm", 8),
  Wx: shape("rm", "xmm", 16), Wu: shape("rm", "xmm", 16), Wd: shape("rm", "xmm", 4), Wq: shape("rm", "xmm", 8),
  Nq: shape("rm-register", "mm", 8), Ux: shape("rm-register", "xmm", 16), Uq: shape("rm-register", "xmm", 8), Edw: shape("rm", "gpr", 4),
};

/** Whether 16 bytes in memory raise #GP(0) unless they are aligned. */
export function isAligned(code: OperandCode): boolean {
  return code === "Wx" || code === "Mx";
}

function operandWidth(width: number, operandSize: 2 | 4): number {
  switch (width) {
    case WIDTH_V: return operandSize;
    case WIDTH_FAR: return operandSize + 2;
    case WIDTH_PAIR: return operandSize * 2;
    default: return width;
  }
}

/** What operand `code` of the decoded instruction is. Allocates nothing when `into` is given. */
export function resolveOperand(code: OperandCode, decoded: Decoded, into: Operand = createOperand()): Operand {
  const { source, kind, width, number } = OPERAND_SHAPES[code];
  into.kind = kind;
  into.width = operandWidth(width, decoded.operandSize);
  into.number = -1;
  into.value = 0;
  into.selector = 0;
  switch (source) {
    case "reg": into.number = decoded.reg; break;
    case "rm":
      if (decoded.mod === 3) into.number = decoded.rm;
      else {
        into.kind = "mem";
        if (code === "Edw") into.width = 2;
      }
      break;
    case "rm-register": into.number = decoded.rm; break;
    case "opcode": into.number = decoded.opcodeByte & 7; break;
    case "fixed": into.number = number; break;
    case "constant": into.value = number; break;
    case "moffs": break;
    case "immediate": {
      // ENTER alone has two immediates: Iw, then Ib.
      const second = code === "Ib" && decoded.row !== null && decoded.row.operands[0] === "Iw";
      const value = second ? decoded.immediate2 : decoded.immediate;
      if (kind === "far") {
        into.value = value;
        into.selector = decoded.immediate2;
      } else if (kind === "rel") into.value = value;
      else into.value = into.width === 1 ? value & 0xff : into.width === 2 ? value & 0xffff : value;
      break;
    }
  }
  return into;
}

const BYTE_DATA: ReadonlySet<OperandCode> = new Set<OperandCode>(["Eb", "Gb", "Mb", "Ob", "Zb", "AL", "Xb", "Yb"]);
const SIZED_DATA: ReadonlySet<OperandCode> = new Set<OperandCode>(
  ["Ev", "Ew", "Ed", "Gv", "Gw", "Gd", "Ov", "Zv", "eAX", "AX", "Xv", "Yv", "Iz", "Iv", "Ibs"]);

/** `Instance.width` of a row: 1 for byte forms (byte data and no wider data operand), else the operand size. */
export function instanceWidth(row: Row, operandSize: 2 | 4): 1 | 2 | 4 {
  if (row.operands.some((code) => SIZED_DATA.has(code))) return operandSize;
  return row.operands.some((code) => BYTE_DATA.has(code)) ? 1 : operandSize;
}
