// A row of the opcode map: encoding, operands, privilege, sensitivity and meaning of one instruction form.

import type { Builder, Instance } from "./builder.ts";
import type { OperandCode } from "./operand.ts";

/** The meaning of a row, written once over the abstract Builder. Runs after the row's checks, before EIP moves on. */
export type Semantics = <V>(b: Builder<V>, i: Instance<V>) => void;

/** Popek-Goldberg class of a row. `behavior`: sensitive and not privileged, the hole of the x86. `control`: changes privileged state. `io`: I/O-sensitive (IOPL, bitmap). */
export type SensitivityClass = "privileged" | "behavior" | "control" | "io";
export interface Sensitivity {
  readonly class: SensitivityClass;
  /** One sentence: what the instruction shows or changes. */
  readonly why: string;
}

export interface RowOptions {
  /** LOCK is allowed (with a memory destination). */
  readonly lock?: boolean;
  /** #GP(0) unless CPL = 0. */
  readonly privileged?: boolean;
  /** #UD in real mode and V86. */
  readonly protectedOnly?: boolean;
  /** Ends a decoded block: changes EIP, the mode, paging, the interrupt flag, or talks to devices. */
  readonly ends?: boolean;
  /** Operand size is 32 bits whatever the prefix (MOV CRn) or at least defaults to the stack's. */
  readonly fixedOperandSize?: 1 | 2 | 4 | 8 | 10 | 16;
  /** Only if the CPU model has this CPUID feature (or, where CPUID has no bit for it, is of that age); else #UD. */
  readonly feature?: "fpu" | "cmov" | "cx8" | "tsc" | "msr" | "sep" | "mmx" | "sse" | "sse2" | "sse3" | "fxsr" | "clflush" | "monitor" | "rdpmc" | "hints";
  /** How REP/REPE/REPNE prefixes act: a string instruction without or with a zero-flag test. */
  readonly string?: "rep" | "repe";
  /** First operand is only read (CMP TEST BT ...). Default: written. */
  readonly readsOnly?: boolean;
  readonly sensitivity?: Sensitivity;
}

export interface Row extends RowOptions {
  /** As the SDM writes it: "01", "0FAF", "80 /0", "0F01 /4", "D8 C0+", "660F6F", "F30F10", "0FC7 /1 mem". */
  readonly opcode: string;
  /** The SDM's mnemonic in upper case without size letter. */
  readonly mnemonic: string;
  readonly operands: readonly OperandCode[];
  readonly semantics: Semantics;
  /** Position in the table of all rows; stable within a run. */
  readonly index: number;
}
