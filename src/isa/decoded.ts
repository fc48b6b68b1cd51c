// One decoded instruction: what the decoder fills in and everybody else reads. Reused between calls: copy what must last.

import type { Row } from "./row.ts";

/** Attributes of the code segment that decoding depends on. */
export interface CodeAttributes {
  /** CS.D: 32-bit code. */
  readonly code32: boolean;
}

export interface Decoded {
  /** Null: no such instruction (#UD). */
  row: Row | null;
  /** Bytes, prefixes included; 1-15. */
  length: number;
  operandSize: 2 | 4;
  addressSize: 2 | 4;
  lock: boolean;
  /** LOCK where it is not allowed: #UD. Set only when `lock` and the row or its destination forbids it. */
  lockInvalid: boolean;
  /** 0 none, 1 F3, 2 F2 (as written; whether it means REP is the row's matter). */
  rep: 0 | 1 | 2;
  /** Segment-override prefix, or -1. */
  segmentOverride: number;
  /** ModRM fields; `mod` = -1 without ModRM. */
  mod: number;
  reg: number;
  rm: number;
  /** Memory operand (mod 0-2, moffs, string source): segment after override or default, -1 where there is none. */
  segment: number;
  /** Register numbers or -1. 16-bit addressing is normalized to the same form (BX=3, BP=5, SI=6, DI=7). */
  base: number;
  index: number;
  /** Shift count 0-3. */
  scale: number;
  /** Signed displacement or moffs. */
  displacement: number;
  /** First and second immediate (sign-extended for Ibs, Jb, Jz); ptr16:32: immediate = offset, immediate2 = selector; ENTER: Iw, Ib. */
  immediate: number;
  immediate2: number;
  /** Last opcode byte (condition codes, registers in the low bits). */
  opcodeByte: number;
}

/** Reads guest code bytes. `at` counts from the instruction's first byte. A reader may throw to report that a byte cannot be fetched. */
export interface CodeReader {
  byte(at: number): number;
}

/** Thrown by a CodeReader user never; returned by `decode`: the instruction is longer than 15 bytes (#GP). */
export const TOO_LONG = 16;
