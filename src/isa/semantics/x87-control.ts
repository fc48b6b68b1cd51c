// Control instructions of the x87. SDM Vol. 1, section 8.3.8 "x87 FPU Control Instructions".

import type { Builder } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { CR0, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTOP, FTW } from "../state-layout.ts";
import { begin, C1, CR0_EM_TS, EXCEPTIONS, NO_WAIT, pop, remember, setTag, stackRegister, SUMMARY, WAIT } from "./x87-registers.ts";

/** Exception flags IE-PE, stack fault, summary and busy. */
const FSW_CLEARED = 0x80ff;
/** Bits of the control word that exist, and the reserved one that reads as 1. */
const FCW_BITS = 0x1f3f, FCW_FIXED = 0x40;
const FCW_INITIAL = 0x37f;
const FTW_EMPTY = 0xffff;

/** Device available; an exception may be pending. */
export function beginControl<V>(b: Builder<V>): void {
  b.when(b.and(b.get(CR0), b.imm(CR0_EM_TS)), () => void b.helper("fpuCheck", b.imm(NO_WAIT)));
}

/** Control and status word at once: an exception that is flagged and unmasked is pending. */
export function setControlAndStatus<V>(b: Builder<V>, control: V, status: V): void {
  const word = b.let(b.or(b.and(control, b.imm(FCW_BITS)), b.imm(FCW_FIXED)));
  const flags = b.let(b.and(status, b.imm(~SUMMARY)));
  const unmasked = b.and(b.and(flags, b.xor(word, b.imm(EXCEPTIONS))), b.imm(EXCEPTIONS));
  b.set(FCW, word);
  b.set(FSW, b.select(unmasked, b.or(flags, b.imm(SUMMARY)), flags));
}

export const wait: Semantics = (b) => {
  b.helper("fpuCheck", b.imm(WAIT));
};

export function initialize<V>(b: Builder<V>): void {
  b.set(FCW, b.imm(FCW_INITIAL));
  for (const field of [FSW, FTOP, FIP, FCS, FDP, FDS, FOP]) b.set(field, b.imm(0));
  b.set(FTW, b.imm(FTW_EMPTY));
}

export const fninit: Semantics = (b) => {
  beginControl(b);
  initialize(b);
};

export const fnclex: Semantics = (b) => {
  beginControl(b);
  b.set(FSW, b.and(b.get(FSW), b.imm(~FSW_CLEARED)));
};

export const fnstsw: Semantics = (b, i) => {
  beginControl(b);
  i.op[0].write(b, b.or(b.get(FSW), b.shl(b.get(FTOP), b.imm(11))));
};

export const fnstcw: Semantics = (b, i) => {
  beginControl(b);
  i.op[0].write(b, b.get(FCW));
};

export const fldcw: Semantics = (b, i) => {
  begin(b);
  setControlAndStatus(b, b.let(i.op[0].read(b)), b.get(FSW));
};

function rotateStack(by: number): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    b.set(FTOP, b.and(b.add(b.get(FTOP), b.imm(by)), b.imm(7)));
    b.set(FSW, b.and(b.get(FSW), b.imm(~C1)));
  };
}
export const fincstp = rotateStack(1);
export const fdecstp = rotateStack(-1);

function free(pops: boolean): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    setTag(b, stackRegister(b, i.op[0].number(b)), 3);
    b.set(FSW, b.and(b.get(FSW), b.imm(~C1)));
    if (pops) pop(b);
  };
}
export const ffree = free(false);
export const ffreep = free(true);

export const fnop: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
};

/** FENI, FDISI, FSETPM: of the 8087 and 80287, without effect since. */
export const formerControl: Semantics = (b) => {
  beginControl(b);
};
