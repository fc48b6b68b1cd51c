// The instruction decoder: bytes to Decoded. SDM Vol. 2 chapter 2, "Instruction Format".
//
// Not implemented: 64-bit mode, VEX and EVEX.

import {
  buildDecodeTables, ENTRY_GROUP, ENTRY_MODRM, ENTRY_SHIFT, GROUP_SLOTS, IMM_BYTE, IMM_ENTER, IMM_FAR, IMM_NONE, IMM_OFFSET, IMM_OPERAND,
  IMM_SIGNED_BYTE, IMM_SIGNED_OPERAND, IMM_WORD, INFO_IMMEDIATE, INFO_IMPLICIT_MEMORY, INFO_LOCKABLE, INFO_MOD_IGNORED, INFO_OPERAND16,
  INFO_OPERAND32, PREFIX_66, PREFIX_F2, PREFIX_F3, PREFIX_NONE,
} from "./decode-table.ts";
import { type CodeAttributes, type CodeReader, type Decoded, TOO_LONG } from "./decoded.ts";
import type { Row } from "./row.ts";
import { DS, EBP, EBX, EDI, ESI, ESP, SS } from "./state-layout.ts";

/** Returned by `decodeBytes`: the bytes end inside the instruction. */
export const NEEDS_MORE_BYTES = 0;
/** The processor's limit of instruction length. */
export const MAX_LENGTH = 15;

export interface Decoder {
  /** Decodes from a reader that is asked for one byte after the other and for no byte too many. Returns the length or TOO_LONG. */
  decode(reader: CodeReader, attributes: CodeAttributes, into: Decoded): number;
  /** Decodes bytes[at..end). Returns the length, TOO_LONG or NEEDS_MORE_BYTES; in the last two cases `into` is void. */
  decodeBytes(bytes: Uint8Array, at: number, end: number, code32: boolean, into: Decoded): number;
}

export function createDecoded(): Decoded {
  return {
    row: null, length: 0, operandSize: 4, addressSize: 4, lock: false, lockInvalid: false, rep: 0, segmentOverride: -1,
    mod: -1, reg: 0, rm: 0, segment: -1, base: -1, index: -1, scale: 0, displacement: 0, immediate: 0, immediate2: 0, opcodeByte: 0,
  };
}

// Prefix bytes: 1-6 a segment override + 1, then the rest.
const OPERAND_SIZE = 7, ADDRESS_SIZE = 8, LOCK = 9, REPNE = 10, REP = 11;
const PREFIXES = new Uint8Array(256);
for (const [byte, kind] of [
  [0x26, 1], [0x2e, 2], [0x36, 3], [0x3e, 4], [0x64, 5], [0x65, 6],
  [0x66, OPERAND_SIZE], [0x67, ADDRESS_SIZE], [0xf0, LOCK], [0xf2, REPNE], [0xf3, REP],
] as const) PREFIXES[byte] = kind;

// 16-bit addressing by ModRM.rm (SDM Vol. 2 table 2-1).
const BASE_16 = Int8Array.of(EBX, EBX, EBP, EBP, -1, -1, EBP, EBX);
const INDEX_16 = Int8Array.of(ESI, EDI, ESI, EDI, ESI, EDI, -1, -1);

export function createDecoder(rows: readonly Row[]): Decoder {
  let decoder = decoders.get(rows);
  if (!decoder) {
    decoder = decoderOf(rows);
    decoders.set(rows, decoder);
  }
  return decoder;
}

/** A decoder has no state, so all machines of a model share one. */
const decoders = new WeakMap<readonly Row[], Decoder>();

function decoderOf(rows: readonly Row[]): Decoder {
  const { entries, groups, rowInfo } = buildDecodeTables(rows);

  function decodeBytes(bytes: Uint8Array, at: number, end: number, code32: boolean, into: Decoded): number {
    const available = end - at;
    const limit = available > MAX_LENGTH ? at + MAX_LENGTH : end;
    const short = available >= MAX_LENGTH ? TOO_LONG : NEEDS_MORE_BYTES;
    let p = at;

    let operandToggled = false, addressToggled = false, lock = false;
    let rep: 0 | 1 | 2 = 0;
    let override = -1;
    let opcode = 0;
    for (;;) {
      if (p >= limit) return short;
      opcode = bytes[p++] as number;
      const kind = PREFIXES[opcode] as number;
      if (kind === 0) break;
      if (kind <= 6) override = kind - 1;
      else if (kind === OPERAND_SIZE) operandToggled = true;
      else if (kind === ADDRESS_SIZE) addressToggled = true;
      else if (kind === LOCK) lock = true;
      else rep = kind === REP ? 1 : 2;
    }
    // F3 and F2 go before 66 as mandatory prefixes.
    let key = (rep === 1 ? PREFIX_F3 : rep === 2 ? PREFIX_F2 : operandToggled ? PREFIX_66 : PREFIX_NONE) << 9;
    if (opcode === 0x0f) {
      if (p >= limit) return short;
      opcode = bytes[p++] as number;
      key |= 0x100;
    }
    const entry = entries[key | opcode] as number;
    let operandSize: 2 | 4 = code32 !== operandToggled ? 4 : 2;
    const addressSize: 2 | 4 = code32 !== addressToggled ? 4 : 2;

    into.addressSize = addressSize;
    into.lock = lock;
    into.rep = rep;
    into.segmentOverride = override;
    into.opcodeByte = opcode;
    let mod = -1, reg = 0, rm = 0;
    let segment = -1, base = -1, index = -1, scale = 0, displacement = 0, immediate = 0, immediate2 = 0;
    let number = -1;
    if (entry >= 0) {
      number = entry >> ENTRY_SHIFT;
      if (entry & ENTRY_MODRM) {
        if (p >= limit) return short;
        const modrm = bytes[p++] as number;
        mod = modrm >> 6;
        reg = (modrm >> 3) & 7;
        rm = modrm & 7;
        if (entry & ENTRY_GROUP) number = groups[number * GROUP_SLOTS + (mod === 3 ? 8 + (modrm & 63) : reg)] as number;
        // MOV to and from control, debug and test registers takes every ModRM as a register form.
        if (mod !== 3 && number >= 0 && rowInfo[number]! & INFO_MOD_IGNORED) mod = 3;
        if (mod !== 3) {
          let bytesOfDisplacement = mod === 2 ? addressSize : mod;
          if (addressSize === 4) {
            if (rm === 4) {
              if (p >= limit) return short;
              const sib = bytes[p++] as number;
              scale = sib >> 6;
              index = (sib >> 3) & 7;
              base = sib & 7;
              if (index === ESP) {
                index = -1;
                scale = 0;
              }
            } else base = rm;
            if (base === EBP && mod === 0) {
              base = -1;
              bytesOfDisplacement = 4;
            }
            segment = base === ESP || base === EBP ? SS : DS;
          } else {
            base = BASE_16[rm] as number;
            index = INDEX_16[rm] as number;
            if (rm === 6 && mod === 0) {
              base = -1;
              bytesOfDisplacement = 2;
            }
            segment = base === EBP ? SS : DS;
          }
          if (override >= 0) segment = override;
          if (bytesOfDisplacement !== 0) {
            if (p + bytesOfDisplacement > limit) return short;
            if (bytesOfDisplacement === 1) displacement = (bytes[p]! << 24) >> 24;
            else if (bytesOfDisplacement === 2) displacement = ((bytes[p]! | (bytes[p + 1]! << 8)) << 16) >> 16;
            else displacement = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
            p += bytesOfDisplacement;
          }
        }
      }
    }

    let lockable = false;
    if (number >= 0) {
      const info = rowInfo[number] as number;
      if (info & INFO_OPERAND32) operandSize = 4;
      else if (info & INFO_OPERAND16) operandSize = 2;
      lockable = (info & INFO_LOCKABLE) !== 0 && mod !== 3;
      if (info & INFO_IMPLICIT_MEMORY) segment = override >= 0 ? override : DS;
      switch (info & INFO_IMMEDIATE) {
        case IMM_NONE: break;
        case IMM_BYTE:
          if (p >= limit) return short;
          immediate = bytes[p++] as number;
          break;
        case IMM_SIGNED_BYTE:
          if (p >= limit) return short;
          immediate = (bytes[p++]! << 24) >> 24;
          break;
        case IMM_WORD:
          if (p + 2 > limit) return short;
          immediate = bytes[p]! | (bytes[p + 1]! << 8);
          p += 2;
          break;
        case IMM_OPERAND: case IMM_SIGNED_OPERAND: case IMM_FAR:
          if (p + operandSize > limit) return short;
          immediate = bytes[p]! | (bytes[p + 1]! << 8);
          if (operandSize === 4) immediate |= (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
          else if ((info & INFO_IMMEDIATE) === IMM_SIGNED_OPERAND) immediate = (immediate << 16) >> 16;
          p += operandSize;
          if ((info & INFO_IMMEDIATE) === IMM_FAR) {
            if (p + 2 > limit) return short;
            immediate2 = bytes[p]! | (bytes[p + 1]! << 8);
            p += 2;
          }
          break;
        case IMM_ENTER:
          if (p + 3 > limit) return short;
          immediate = bytes[p]! | (bytes[p + 1]! << 8);
          immediate2 = bytes[p + 2] as number;
          p += 3;
          break;
        case IMM_OFFSET:
          if (p + addressSize > limit) return short;
          displacement = bytes[p]! | (bytes[p + 1]! << 8);
          if (addressSize === 4) displacement |= (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
          p += addressSize;
          break;
      }
    }

    into.row = number >= 0 ? (rows[number] as Row) : null;
    into.length = p - at;
    into.operandSize = operandSize;
    into.lockInvalid = lock && !lockable;
    into.mod = mod;
    into.reg = reg;
    into.rm = rm;
    into.segment = segment;
    into.base = base;
    into.index = index;
    into.scale = scale;
    into.displacement = displacement;
    into.immediate = immediate;
    into.immediate2 = immediate2;
    return p - at;
  }

  const fetched = new Uint8Array(MAX_LENGTH);

  function decode(reader: CodeReader, attributes: CodeAttributes, into: Decoded): number {
    for (let count = 1; count <= MAX_LENGTH; count++) {
      fetched[count - 1] = reader.byte(count - 1);
      const length = decodeBytes(fetched, 0, count, attributes.code32, into);
      if (length !== NEEDS_MORE_BYTES) return length;
    }
    return TOO_LONG;
  }

  return { decode, decodeBytes };
}
