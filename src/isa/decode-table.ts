// Flat decode tables built from the opcode rows. SDM Vol. 2 Appendix A: one-byte and two-byte maps, groups (ModRM.reg),
// x87 escapes (whole ModRM byte) and mandatory prefixes.
//
// Not implemented: the 0F38 and 0F3A maps, VEX and EVEX (later than the processor model).

import { OPERAND_SHAPES } from "./operand-location.ts";
import type { Row } from "./row.ts";

/** Classes of mandatory prefix, in table order. */
export const PREFIX_NONE = 0, PREFIX_66 = 1, PREFIX_F3 = 2, PREFIX_F2 = 3;

export interface OpcodePattern {
  /** PREFIX_*: the mandatory prefix the row is written with. */
  readonly prefix: number;
  readonly twoByte: boolean;
  readonly opcode: number;
  /** Low three opcode bits are a register number ("B8+"). */
  readonly registerInOpcode: boolean;
  /** ModRM.reg of a group member, or -1. */
  readonly reg: number;
  /** Exact ModRM byte ("D9 E0"), or -1; with `secondRange` its low three bits are free ("D8 C0+"). */
  readonly second: number;
  readonly secondRange: boolean;
  readonly form: "any" | "mem" | "reg";
}

/** Reads the notation of Row.opcode. */
export function parseOpcode(text: string): OpcodePattern {
  const fail = (): never => {
    throw new Error(`Opcode "${text}" is not in the notation of Row.opcode`);
  };
  const [first = "", ...rest] = text.trim().split(/\s+/);
  const match = /^((?:[0-9A-F]{2})+)(\+?)$/i.exec(first);
  if (!match) return fail();
  const bytes = (match[1] as string).match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  let prefix = PREFIX_NONE;
  if (bytes.length > 1) {
    prefix = bytes[0] === 0x66 ? PREFIX_66 : bytes[0] === 0xf3 ? PREFIX_F3 : bytes[0] === 0xf2 ? PREFIX_F2 : PREFIX_NONE;
    if (prefix !== PREFIX_NONE) bytes.shift();
  }
  const twoByte = bytes.length > 1 && bytes[0] === 0x0f;
  if (twoByte) bytes.shift();
  if (bytes.length !== 1) return fail();
  let reg = -1, second = -1, secondRange = false;
  let form: OpcodePattern["form"] = "any";
  for (const word of rest) {
    const exact = /^([0-9A-F]{2})(\+?)$/i.exec(word);
    if (/^\/[0-7]$/.test(word)) reg = Number(word[1]);
    else if (word === "mem" || word === "reg") form = word;
    else if (exact) {
      second = Number.parseInt(exact[1] as string, 16);
      secondRange = exact[2] === "+";
      if (second < 0xc0) return fail();
    } else if (word !== "/r") return fail();
  }
  return { prefix, twoByte, opcode: bytes[0] as number, registerInOpcode: match[2] === "+", reg, second, secondRange, form };
}

/** How many bytes follow ModRM and displacement, and how they are read. */
export const IMM_NONE = 0, IMM_BYTE = 1, IMM_SIGNED_BYTE = 2, IMM_WORD = 3, IMM_OPERAND = 4, IMM_SIGNED_OPERAND = 5,
  IMM_FAR = 6, IMM_ENTER = 7, IMM_OFFSET = 8;

/** Bits of DecodeTables.rowInfo. */
export const INFO_IMMEDIATE = 15, INFO_OPERAND16 = 16, INFO_OPERAND32 = 32, INFO_LOCKABLE = 64, INFO_MOD_IGNORED = 128, INFO_IMPLICIT_MEMORY = 256;

/** Entries of DecodeTables.entries: negative = undefined; bit 0: has ModRM; bit 1: value is a group; from bit 2: row or group number. */
export const ENTRY_MODRM = 1, ENTRY_GROUP = 2, ENTRY_SHIFT = 2;
/** A group: by ModRM.reg for memory forms (8), then by the low six bits of ModRM for register forms (64). */
export const GROUP_SLOTS = 72;

export interface DecodeTables {
  /** Index: prefix class << 9 | two-byte << 8 | opcode. */
  readonly entries: Int32Array;
  /** Index: group * GROUP_SLOTS + slot; a row number or -1. */
  readonly groups: Int16Array;
  /** By row number: INFO_*. */
  readonly rowInfo: Uint16Array;
  readonly rows: readonly Row[];
}

// Instructions that address memory without an operand code: [(E)BX+AL], DS:(E)DI, DS:(E)AX.
const IMPLICIT_MEMORY: ReadonlySet<string> = new Set(["XLAT", "XLATB", "MASKMOVQ", "MASKMOVDQU", "MONITOR"]);

function immediateOf(row: Row): number {
  let kind = IMM_NONE;
  for (const code of row.operands) {
    switch (code) {
      case "Ib": kind = kind === IMM_WORD ? IMM_ENTER : IMM_BYTE; break;
      case "Ibs": case "Jb": kind = IMM_SIGNED_BYTE; break;
      case "Iw": kind = IMM_WORD; break;
      case "Iv": case "Iz": kind = IMM_OPERAND; break;
      case "Jz": kind = IMM_SIGNED_OPERAND; break;
      case "Ap": kind = IMM_FAR; break;
      case "Ob": case "Ov": kind = IMM_OFFSET; break;
    }
  }
  return kind;
}

/** Bytes of the row's immediates. */
export function immediateBytes(row: Row, operandSize: 2 | 4): number {
  switch (immediateOf(row)) {
    case IMM_BYTE: case IMM_SIGNED_BYTE: return 1;
    case IMM_WORD: return 2;
    case IMM_OPERAND: case IMM_SIGNED_OPERAND: return operandSize;
    case IMM_FAR: return operandSize + 2;
    case IMM_ENTER: return 3;
    default: return 0;
  }
}

function infoOf(row: Row): number {
  const sources = row.operands.map((code) => OPERAND_SHAPES[code]);
  let info = immediateOf(row);
  if (row.fixedOperandSize === 2) info |= INFO_OPERAND16;
  if (row.fixedOperandSize === 4) info |= INFO_OPERAND32;
  if (row.lock) info |= INFO_LOCKABLE;
  if (row.operands.includes("Rd")) info |= INFO_MOD_IGNORED;
  if (sources.some((shape) => shape.kind === "string-src" || shape.source === "moffs") || IMPLICIT_MEMORY.has(row.mnemonic))
    info |= INFO_IMPLICIT_MEMORY;
  return info;
}

/**
 * MMX, SSE and the instructions of their time distinguish 66, F3 and F2, so another prefix than the row's own makes another (here undefined)
 * instruction; elsewhere, and for the PREFETCH hints (0F18), these prefixes are an operand size or are ignored.
 */
function refusesOtherPrefixes(row: Row, pattern: OpcodePattern): boolean {
  if (!pattern.twoByte || pattern.opcode === 0x18) return false;
  switch (row.feature) {
    case "mmx": case "sse": case "sse2": case "sse3": case "fxsr": case "clflush": case "monitor": return true;
    default: return false;
  }
}

function hasModrm(row: Row, pattern: OpcodePattern): boolean {
  if (pattern.reg >= 0 || pattern.second >= 0 || pattern.form !== "any") return true;
  return row.operands.some((code) => {
    const { source } = OPERAND_SHAPES[code];
    return source === "reg" || source === "rm" || source === "rm-register";
  });
}

/** MOV to and from another number is no instruction: #UD at every privilege level. */
const CONTROL_REGISTERS: ReadonlySet<number> = new Set([0, 2, 3, 4]);

/** Slots of a group that a row takes. */
function* slotsOf(row: Row, pattern: OpcodePattern): Generator<number> {
  if (pattern.second >= 0) {
    for (let i = 0; i < (pattern.secondRange ? 8 : 1); i++) yield 8 + (pattern.second & 63) + i;
    return;
  }
  const memoryOnly = pattern.form === "mem" || row.operands.some((code) => OPERAND_SHAPES[code].memoryOnly);
  const controlRegister = row.operands.includes("Cd");
  for (let slot = 0; slot < GROUP_SLOTS; slot++) {
    const isMemory = slot < 8;
    const reg = isMemory ? slot : (slot - 8) >> 3;
    if (pattern.reg >= 0 && reg !== pattern.reg) continue;
    if (controlRegister && !CONTROL_REGISTERS.has(reg)) continue;
    if (isMemory ? pattern.form === "reg" : memoryOnly) continue;
    yield slot;
  }
}

interface Cell {
  readonly modrm: boolean;
  readonly slots: Int16Array;
  readonly ranks: Uint8Array;
}

export function buildDecodeTables(rows: readonly Row[]): DecodeTables {
  const cells: (Cell | undefined)[] = new Array(4 << 9);
  const cellAt = (key: number, modrm: boolean): Cell => {
    cells[key] ??= { modrm, slots: new Int16Array(GROUP_SLOTS).fill(-1), ranks: new Uint8Array(GROUP_SLOTS) };
    return cells[key];
  };
  const rowInfo = new Uint16Array(rows.length);
  const strict = new Uint8Array(rows.length);

  rows.forEach((row, number) => {
    const pattern = parseOpcode(row.opcode);
    rowInfo[number] = infoOf(row);
    strict[number] = refusesOtherPrefixes(row, pattern) ? 1 : 0;
    const modrm = hasModrm(row, pattern);
    // An exact second byte goes before a range of them, that before a group member, that before a whole opcode.
    const rank = pattern.second >= 0 ? (pattern.secondRange ? 3 : 4) : pattern.reg >= 0 ? 2 : 1;
    for (let i = 0; i < (pattern.registerInOpcode ? 8 : 1); i++) {
      const key = (pattern.prefix << 9) | (pattern.twoByte ? 0x100 : 0) | (pattern.opcode + i);
      const cell = cellAt(key, modrm);
      if (cell.modrm !== modrm) throw new Error(`Rows disagree whether ${row.opcode} has a ModRM byte`);
      for (const slot of slotsOf(row, pattern)) {
        const present = cell.ranks[slot] as number;
        if (present === rank) throw new Error(`Two rows for ${row.opcode}: ${row.mnemonic}, ${rows[cell.slots[slot] as number]?.mnemonic}`);
        if (present > rank) continue;
        cell.slots[slot] = number;
        cell.ranks[slot] = rank;
      }
    }
  });

  // Where a prefix makes no instruction of its own, it is an ordinary prefix of the unprefixed row.
  for (let key = 0; key < 1 << 9; key++) {
    const plain = cells[key];
    if (!plain) continue;
    for (let prefix = PREFIX_66; prefix <= PREFIX_F2; prefix++) {
      const cell = cellAt((prefix << 9) | key, plain.modrm);
      if (cell.modrm !== plain.modrm) throw new Error(`Opcode ${(key & 0xff).toString(16)} has a ModRM byte with some prefixes only`);
      for (let slot = 0; slot < GROUP_SLOTS; slot++) {
        const row = plain.slots[slot] as number;
        if (cell.slots[slot] === -1 && row >= 0 && !strict[row]) cell.slots[slot] = row;
      }
    }
  }

  const entries = new Int32Array(4 << 9).fill(-1);
  const groups: number[] = [];
  cells.forEach((cell, key) => {
    if (!cell) return;
    const first = cell.slots[0] as number;
    const whole = cell.slots.every((row) => row === first);
    if (whole && first < 0) return;
    if (whole) {
      entries[key] = (first << ENTRY_SHIFT) | (cell.modrm ? ENTRY_MODRM : 0);
      return;
    }
    entries[key] = ((groups.length / GROUP_SLOTS) << ENTRY_SHIFT) | ENTRY_GROUP | ENTRY_MODRM;
    groups.push(...cell.slots);
  });
  return { entries, groups: Int16Array.from(groups), rowInfo, rows };
}
