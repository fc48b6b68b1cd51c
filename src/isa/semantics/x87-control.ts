// Control instructions of the x87 that do no arithmetic. SDM Vol. 1, "x87 FPU Control Instructions".

import type { Semantics } from "../row.ts";
import { FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTOP, FTW } from "../state-layout.ts";

/** Kinds of `fpuCheck`. */
const WAITING = 0, NO_WAIT = 1, WAIT = 2;

/** Exception flags IE-PE, stack fault SF, summary ES and busy B. */
const FSW_EXCEPTIONS = 0x3f, FSW_SUMMARY = 0x8080, FSW_CLEARED = 0x80ff;
const FCW_MASKS = 0x3f;
/** Bits of the control word that exist, and the reserved one that reads as 1. */
const FCW_BITS = 0x1f3f, FCW_FIXED = 0x40;
const FCW_INITIAL = 0x37f;
const FTW_EMPTY = 0xffff;

export const wait: Semantics = (b) => {
  b.helper("fpuCheck", b.imm(WAIT));
};

export const fninit: Semantics = (b) => {
  b.helper("fpuCheck", b.imm(NO_WAIT));
  b.set(FCW, b.imm(FCW_INITIAL));
  for (const field of [FSW, FTOP, FIP, FCS, FDP, FDS, FOP]) b.set(field, b.imm(0));
  b.set(FTW, b.imm(FTW_EMPTY));
};

export const fnclex: Semantics = (b) => {
  b.helper("fpuCheck", b.imm(NO_WAIT));
  b.set(FSW, b.and(b.get(FSW), b.imm(~FSW_CLEARED)));
};

export const fnstsw: Semantics = (b, i) => {
  b.helper("fpuCheck", b.imm(NO_WAIT));
  i.op[0].write(b, b.or(b.get(FSW), b.shl(b.get(FTOP), b.imm(11))));
};

export const fnstcw: Semantics = (b, i) => {
  b.helper("fpuCheck", b.imm(NO_WAIT));
  i.op[0].write(b, b.get(FCW));
};

/** Unmasking an exception that is flagged already makes it pending. */
export const fldcw: Semantics = (b, i) => {
  b.helper("fpuCheck", b.imm(WAITING));
  const word = b.let(b.or(b.and(i.op[0].read(b), b.imm(FCW_BITS)), b.imm(FCW_FIXED)));
  const status = b.let(b.and(b.get(FSW), b.imm(~FSW_SUMMARY)));
  const unmasked = b.and(b.and(status, b.xor(word, b.imm(FCW_MASKS))), b.imm(FSW_EXCEPTIONS));
  b.set(FCW, word);
  b.set(FSW, b.select(unmasked, b.or(status, b.imm(FSW_SUMMARY)), status));
};
