// Random x87, MMX and SSE states, and operands in memory: numbers near each other, near what formats can hold, and the special ones.

import type { Row } from "../../../src/isa/row.ts";
import type { Prng } from "../../support/prng.ts";
import { CONTROL, FLOAT_BYTES, INSTRUCTION, MXCSR_AT, OPCODE, OPERAND, ST, ST_BYTES, STATUS, TAGS, XMM, XMM_BYTES } from "./float-state.ts";

/** What numbers a row works on. */
export type NumberKind = "single" | "double" | "extended" | "word" | "dword" | "qword" | "decimal" | "packed" | "environment" | "fast-save";

interface Format {
  readonly bytes: number;
  /** Of the fraction, without integer bit. */
  readonly fractionBits: number;
  readonly bias: number;
}

const FORMATS = {
  single: { bytes: 4, fractionBits: 23, bias: 0x7f }, double: { bytes: 8, fractionBits: 52, bias: 0x3ff }, extended: { bytes: 10, fractionBits: 63, bias: 0x3fff },
} as const satisfies Record<string, Format>;
/** Distances of exponents from the bias at which results leave an integer, a fraction or a narrower format. */
const BORDERS = [-16446, -16383, -1075, -1074, -1023, -1022, -150, -149, -127, -126, -64, -25, -24, -2, -1, 0, 1, 2, 14, 15, 16, 30, 31, 32, 52, 53, 62, 63, 64, 127, 128, 1023, 1024];
const X87_EXCEPTIONS = 0x3f, SUMMARY = 0x8080;

/** Runs of ones and zeros, few bits, ties of the narrower formats; anything otherwise. */
function pattern(random: Prng): bigint {
  const any = (BigInt(random.next()) << 32n) | BigInt(random.next());
  const shift = BigInt(random.below(64));
  switch (random.below(9)) {
    case 0: return any >> shift << shift;
    case 1: return BigInt.asUintN(64, -1n << shift);
    case 2: return (1n << shift) | (1n << BigInt(random.below(64)));
    case 3: return 0xffff_ffff_ffff_ffffn >> shift;
    case 4: return (any >> 40n << 40n) | ((1n << 39n) + BigInt(random.below(3) - 1));
    case 5: return (any >> 11n << 11n) | ((1n << 10n) + BigInt(random.below(3) - 1));
    case 6: return random.pick([0n, 1n, 1n << 62n, 1n << 63n, 3n << 62n, (1n << 64n) - 1n]);
    default: return any;
  }
}

/** `near`: an exponent, without bias, about which most lie. */
function real(random: Prng, { bytes, fractionBits, bias }: Format, near: number): bigint {
  const most = 2 * bias + 1;
  let exponent: number;
  switch (random.below(8)) {
    case 0: exponent = random.pick([0, 0, 1, most - 1, most, most]); break;
    case 1: exponent = bias + random.pick(BORDERS); break;
    case 2: exponent = random.below(most + 1); break;
    default: exponent = bias + near + random.below(fractionBits * 2) - fractionBits;
  }
  exponent = Math.min(Math.max(exponent, 0), most);
  const sign = BigInt(random.below(2)), fraction = pattern(random);
  if (bytes !== 10) return (((sign << BigInt(bytes * 8 - 1 - fractionBits)) | BigInt(exponent)) << BigInt(fractionBits)) | (fraction >> BigInt(64 - fractionBits));
  const integer = exponent === 0 ? random.below(8) === 0 : random.below(32) !== 0;
  return (((sign << 15n) | BigInt(exponent)) << 64n) | BigInt.asUintN(63, fraction) | (integer ? 1n << 63n : 0n);
}

function put(to: Uint8Array, at: number, value: bigint, bytes: number): void {
  for (let n = 0, rest = value; n < bytes; n++, rest >>= 8n) to[at + n] = Number(rest & 0xffn);
}

/** Packed integers: every lane something near its ends, or anything. */
function packed(random: Prng): bigint {
  if (random.oneIn(2)) return pattern(random);
  let value = 0n;
  for (let n = 0; n < 8; n++) value = (value << 8n) | BigInt(random.pick([0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, random.below(256)]));
  return value;
}

function fill(random: Prng, to: Uint8Array, at: number, length: number, kind: "single" | "double" | "packed", near: number): void {
  const format = kind === "packed" ? null : FORMATS[kind];
  for (let n = 0; n < length; n += format?.bytes ?? 8) put(to, at + n, format ? real(random, format, near) : packed(random), format?.bytes ?? 8);
}

/** Of the memory operand, and of XMM registers. */
export function kindOf(row: Row): NumberKind {
  const { mnemonic, opcode, operands } = row;
  if (/^F(NST|LD)ENV|^FNSAVE|^FRSTOR/.test(mnemonic)) return "environment";
  if (/^FX(SAVE|RSTOR)/.test(mnemonic)) return "fast-save";
  if (/^D[89A-F]/.test(opcode)) {
    if (operands.includes("Mt")) return /^FB/.test(mnemonic) ? "decimal" : "extended";
    const width = operands.includes("Mw") ? "word" : operands.includes("Mq") ? "qword" : "dword";
    return /^FI|CW|SW/.test(mnemonic) ? width : width === "qword" ? "double" : "single";
  }
  if (/^CVTT?PS|^CVTT?SS/.test(mnemonic)) return "single";
  if (/^CVTT?PD|^CVTT?SD/.test(mnemonic)) return "double";
  if (/^(CVT|P|MASKMOV|MOVD|MOVQ|MOVNT[IQ]|MOVDQ|MOVNTDQ|LDMXCSR|STMXCSR|LDDQU)/.test(mnemonic)) return "packed";
  return /[PS]S$|^MOVS[LH]DUP/.test(mnemonic) ? "single" : /[PS]D$|^MOVDDUP/.test(mnemonic) ? "double" : "packed";
}

/** Contents for the memory operand of a row. */
export function randomOperand(random: Prng, row: Row): readonly number[] {
  const near = random.oneIn(3) ? 0 : random.below(200) - 100;
  const bytes = new Uint8Array(row.mnemonic.startsWith("FX") ? 512 : 108);
  const kind = kindOf(row);
  switch (kind) {
    case "word": case "dword": case "qword": put(bytes, 0, random.oneIn(3) ? BigInt.asUintN(64, BigInt(random.below(9) - 4)) : packed(random), 8); return [...bytes.subarray(0, 8)];
    case "decimal":
      for (let n = 0; n < 10; n++) bytes[n] = random.oneIn(24) ? random.below(256) : random.below(10) * 16 + random.below(10);
      if (!random.oneIn(3)) bytes[9] = random.pick([0, 0x80]);
      return [...bytes.subarray(0, 10)];
    case "extended": put(bytes, 0, real(random, FORMATS.extended, near), 10); return [...bytes.subarray(0, 10)];
    case "environment": case "fast-save": {
      for (let n = 0; n < bytes.length; n++) bytes[n] = random.below(256);
      if (kind === "fast-save" && !random.oneIn(4)) bytes.set([...littleWord(randomMxcsr(random)), 0, 0], 24);
      return [...bytes];
    }
    default:
      fill(random, bytes, 0, 16, kind, near);
      if (row.mnemonic === "LDMXCSR" && !random.oneIn(4)) bytes.set([...littleWord(randomMxcsr(random)), 0, 0], 0);
      else if (/^PS(LL|RL|RA)/.test(row.mnemonic) && !random.oneIn(3)) put(bytes, 0, BigInt(random.below(70)), 8);
      return [...bytes.subarray(0, 16)];
  }
}

const littleWord = (value: number) => [value & 0xff, value >> 8];

function randomMxcsr(random: Prng): number {
  const masks = random.oneIn(4) ? random.next() & 0x1f80 : 0x1f80;
  const flags = random.oneIn(2) ? 0x20 : random.oneIn(3) ? random.below(64) : 0;
  return masks | flags | (random.oneIn(2) ? random.below(4) << 13 : 0) | (random.oneIn(3) ? 0x8000 : 0) | (random.oneIn(3) ? 0x40 : 0);
}

export function randomFloat(random: Prng, row: Row): Uint8Array {
  const bytes = new Uint8Array(FLOAT_BYTES), view = new DataView(bytes.buffer);
  const isX87 = /^(9B|D[89A-F])/.test(row.opcode), kind = kindOf(row);
  const masks = random.oneIn(3) ? random.below(64) : X87_EXCEPTIONS;
  view.setUint32(CONTROL, masks | 0x40 | (random.below(16) << 8), true);
  const top = isX87 || random.oneIn(4) ? random.below(8) : 0;
  // Flags from before: mostly masked ones; where one is not, an exception is pending.
  const flags = random.oneIn(24) ? random.below(64) : random.oneIn(2) ? random.next() & masks & X87_EXCEPTIONS : 0;
  const pending = flags & ~masks & X87_EXCEPTIONS ? SUMMARY : 0;
  view.setUint32(STATUS, (random.oneIn(2) ? random.next() & 0x4700 : 0) | flags | (flags & 1 && random.oneIn(4) ? 0x40 : 0) | pending | (top << 11), true);
  let full = 0;
  // Mostly operands where they are wanted and room to push.
  for (let n = 0; n < 8; n++) if (random.oneIn(8) ? random.oneIn(2) : n < 7 && (!row.operands.some((code) => code.startsWith("M")) || n < 6)) full |= 1 << ((top + n) & 7);
  view.setUint32(TAGS, isX87 || random.oneIn(2) ? full : random.below(256), true);
  // The host's kernel keeps the pointers of a pending exception alone (float-compare.ts).
  if (pending) {
    view.setUint32(INSTRUCTION, random.next(), true);
    view.setUint32(OPERAND, random.next(), true);
    view.setUint32(OPCODE, random.below(0x800), true);
  }
  view.setUint32(MXCSR_AT, randomMxcsr(random), true);
  const near = random.oneIn(3) ? 0 : random.below(300) - 150, nearExtended = random.oneIn(4) ? random.below(0x8000) - 0x3fff : near;
  for (let n = 0; n < 8; n++) {
    const at = ST + n * ST_BYTES;
    if (isX87) put(bytes, at, real(random, FORMATS.extended, n === 1 && random.oneIn(4) ? near + random.below(64) : nearExtended), ST_BYTES);
    else {
      put(bytes, at, packed(random), 8);
      put(bytes, at + 8, BigInt(random.oneIn(2) ? 0xffff : random.below(0x1_0000)), 2);
    }
  }
  if (isX87) return bytes;
  const lanes = kind === "single" || kind === "double" ? kind : "packed";
  fill(random, bytes, XMM, 8 * XMM_BYTES, lanes, near);
  // Shift counts in range.
  if (/^PS(LL|RL|RA)/.test(row.mnemonic) && !random.oneIn(3)) {
    for (let n = 0; n < 8; n++) {
      if (random.oneIn(2)) put(bytes, XMM + n * XMM_BYTES, BigInt(random.below(70)), 8);
      if (random.oneIn(2)) put(bytes, ST + n * ST_BYTES, BigInt(random.below(70)), 8);
    }
  }
  return bytes;
}
