// The notation of the opcode rows.
//
// `row(opcode, mnemonic, operands, semantics, options)`: opcode bytes in hex without spaces, a mandatory prefix first
// ("F390", "660F6F"); then " /n" for ModRM.reg, " mem" or " reg" to admit only memory or only register forms,
// " C0+" for ModRM bytes C0-C7, " E3" for exactly that ModRM byte. Operands are codes of operand.ts.

import type { OperandCode } from "../operand.ts";
import type { Row, RowOptions, Semantics } from "../row.ts";

/** A row that has no place in the whole table yet. */
export type UnnumberedRow = Omit<Row, "index">;

export function row(opcode: string, mnemonic: string, operands: string, semantics: Semantics, options: RowOptions = {}): UnnumberedRow {
  return { opcode, mnemonic, operands: operands === "" ? [] : (operands.split(" ") as OperandCode[]), semantics, ...options };
}

/** Two-digit upper-case hex of an opcode byte. */
export function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}

/** Suffixes of Jcc, SETcc and CMOVcc in encoding order. */
export const CONDITION_NAMES = ["O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"] as const;
