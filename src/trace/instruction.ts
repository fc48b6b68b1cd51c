// Instruction bytes explained: text, what each byte is, why the instruction is sensitive. Computed where it is shown.

import { createDecoded, createDecoder } from "../isa/decoder.ts";
import type { Decoder } from "../isa/decoder.ts";
import type { Decoded } from "../isa/decoded.ts";
import type { ByteRange } from "../isa/disassembler.ts";
import { branchTarget, describeBytes, disassemble } from "../isa/disassembler.ts";
import { ROWS } from "../isa/opcode-map/index.ts";
import type { SensitivityNote } from "../isa/sensitivity.ts";
import { sensitivityNote } from "../isa/sensitivity.ts";

let decoder: Decoder | null = null;
const decoded: Decoded = createDecoded();

/** True when the bytes from `at` are one whole instruction, which is then in `decoded`. */
function decodeAt(bytes: Uint8Array, at: number, code32: boolean): boolean {
  decoder ??= createDecoder(ROWS);
  const length = decoder.decodeBytes(bytes, at, bytes.length, code32, decoded);
  return length > 0 && length <= 15;
}

/** Text of one instruction; "(bad)" for bytes that are none. */
export function disassembleBytes(bytes: Uint8Array, eip: number, code32: boolean): string {
  return decodeAt(bytes, 0, code32) ? disassemble(decoded, eip) : "(bad)";
}

export interface Instruction {
  readonly text: string;
  readonly mnemonic: string;
  readonly bytes: Uint8Array;
  readonly parts: readonly ByteRange[];
  /** Null where the instruction is not sensitive. */
  readonly note: SensitivityNote | null;
}

/** Null for bytes that are no instruction. */
export function explainInstruction(bytes: Uint8Array, eip: number, code32: boolean): Instruction | null {
  if (!decodeAt(bytes, 0, code32) || !decoded.row) return null;
  const own = bytes.subarray(0, decoded.length);
  return { text: disassemble(decoded, eip), mnemonic: decoded.row.mnemonic, bytes: own, parts: describeBytes(decoded, own), note: sensitivityNote(decoded.row) };
}

/** Where a relative branch or call leads, as an offset in its segment; null: the instruction is none. */
export function branchOf(bytes: Uint8Array, eip: number, code32: boolean): number | null {
  return decodeAt(bytes, 0, code32) && decoded.row?.operands.some((code) => code === "Jb" || code === "Jz") ? branchTarget(decoded, eip) : null;
}

export interface CodeLine {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly sensitive: boolean;
}

/** Consecutive instructions; a byte that starts none takes a line of its own. Stops where the bytes end inside an instruction. */
export function disassembleRun(bytes: Uint8Array, eip: number, code32: boolean, lines: number): CodeLine[] {
  const result: CodeLine[] = [];
  for (let at = 0; at < bytes.length && result.length < lines; ) {
    const whole = decodeAt(bytes, at, code32);
    if (!whole && bytes.length - at < 15) break;
    const length = whole ? decoded.length : 1;
    const note = whole && decoded.row ? sensitivityNote(decoded.row) : null;
    result.push({ offset: at, bytes: bytes.subarray(at, at + length), text: whole ? disassemble(decoded, eip + at) : "(bad)", sensitive: note !== null });
    at += length;
  }
  return result;
}
