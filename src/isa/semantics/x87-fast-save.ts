// FXSAVE and FXRSTOR: x87, MXCSR and XMM state in 512 bytes. SDM Vol. 2, FXSAVE, Table 3-43 "Non-64-Bit-Mode Layout".

import type { Builder, Instance } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FCS, FCW, FDP, FDS, FIP, FOP, FTW, MXCSR, SEG_BASE, XMM_BASE } from "../state-layout.ts";
import { beginControl } from "./x87-control.ts";
import { probeRead, setStatusWord, statusWord } from "./x87-environment.ts";
import { signExponent, significand, stackRegister } from "./x87-registers.ts";

const AREA = 512, ALIGNMENT = 15;
const GENERAL_PROTECTION = 13;
const FCW_AT = 0, FSW_AT = 2, TAGS_AT = 4, FOP_AT = 6, FIP_AT = 8, FCS_AT = 12, FDP_AT = 16, FDS_AT = 20, MXCSR_AT = 24, MASK_AT = 28, ST_AT = 32, XMM_AT = 160;
/** Bits that MXCSR has, and that MXCSR_MASK tells. */
const MXCSR_BITS = 0xffff;
const PAIRS = 0x5555, OPCODE = 0x7ff;

/** The area's offset, aligned: else #GP(0). */
function area<V>(b: Builder<V>, i: Instance<V>): V {
  beginControl(b);
  const base = b.let(i.op[0].address(b));
  const linear = b.add(b.segment("operand", SEG_BASE), base);
  b.when(b.and(linear, b.imm(ALIGNMENT)), () => b.raise(GENERAL_PROTECTION, b.imm(0)));
  return base;
}

/** Runs `body` for the numbers 0 to 7 with the place of the number's 16 bytes. */
function eachOfEight<V>(b: Builder<V>, base: V, body: (number: V, at: V) => void): void {
  const number = b.variable(b.imm(0));
  b.loop(() => {
    const present = number.get();
    body(present, b.let(b.add(base, b.shl(present, b.imm(4)))));
    const next = b.let(b.add(present, b.imm(1)));
    number.set(next);
    return b.ltU(next, b.imm(8));
  });
}

export const fxsave: Semantics = (b, i) => {
  const base = area(b, i);
  b.probeWrite("operand", base, AREA);
  const at = (offset: number) => b.add(base, b.imm(offset));
  b.store("operand", at(FCW_AT), 2, b.get(FCW));
  b.store("operand", at(FSW_AT), 2, statusWord(b));
  // One bit a register: not empty.
  const tags = b.get(FTW);
  const full = b.variable(b.and(b.xor(b.and(tags, b.shrU(tags, b.imm(1))), b.imm(-1)), b.imm(PAIRS)));
  for (const [by, mask] of [[1, 0x3333], [2, 0x0f0f], [4, 0x00ff]]) {
    const pairs = full.get();
    full.set(b.and(b.or(pairs, b.shrU(pairs, b.imm(by))), b.imm(mask)));
  }
  b.store("operand", at(TAGS_AT), 2, full.get());
  b.store("operand", at(FOP_AT), 2, b.get(FOP));
  for (const [offset, field] of [[FIP_AT, FIP], [FCS_AT, FCS], [FDP_AT, FDP], [FDS_AT, FDS], [MXCSR_AT, MXCSR]] as const) {
    b.store("operand", at(offset), 4, b.get(field));
  }
  b.store("operand", at(MASK_AT), 4, b.imm(MXCSR_BITS));
  eachOfEight(b, b.let(at(ST_AT)), (number, place) => {
    const register = stackRegister(b, number);
    b.store64("operand", place, significand(b, register));
    b.store64("operand", b.add(place, b.imm(8)), b.extendU(signExponent(b, register)));
  });
  eachOfEight(b, b.let(at(XMM_AT)), (number, place) => {
    const register = b.let(b.add(b.imm(XMM_BASE), b.shl(number, b.imm(4))));
    b.store64("operand", place, b.stateLoad64(register));
    b.store64("operand", b.add(place, b.imm(8)), b.stateLoad64(b.add(register, b.imm(8))));
  });
};

export const fxrstor: Semantics = (b, i) => {
  const base = area(b, i);
  const at = (offset: number) => b.add(base, b.imm(offset));
  probeRead(b, base, AREA);
  const mxcsr = b.load("operand", at(MXCSR_AT), 4);
  b.when(b.and(mxcsr, b.imm(~MXCSR_BITS)), () => b.raise(GENERAL_PROTECTION, b.imm(0)));
  setStatusWord(b, b.load("operand", at(FCW_AT), 2), b.load("operand", at(FSW_AT), 2));
  const full = b.variable(b.load("operand", at(TAGS_AT), 1));
  for (const [by, mask] of [[4, 0x0f0f], [2, 0x3333], [1, PAIRS]]) {
    const bits = full.get();
    full.set(b.and(b.or(bits, b.shl(bits, b.imm(by))), b.imm(mask)));
  }
  b.set(FTW, b.mul(b.xor(full.get(), b.imm(PAIRS)), b.imm(3)));
  b.set(FOP, b.and(b.load("operand", at(FOP_AT), 2), b.imm(OPCODE)));
  for (const [offset, field, width] of [[FIP_AT, FIP, 4], [FCS_AT, FCS, 2], [FDP_AT, FDP, 4], [FDS_AT, FDS, 2]] as const) {
    b.set(field, b.load("operand", at(offset), width));
  }
  b.set(MXCSR, mxcsr);
  eachOfEight(b, b.let(at(ST_AT)), (number, place) => {
    const register = stackRegister(b, number);
    b.stateStore64(register.address, b.load64("operand", place));
    b.stateStore(b.add(register.address, b.imm(8)), 2, b.load("operand", b.add(place, b.imm(8)), 2));
  });
  eachOfEight(b, b.let(at(XMM_AT)), (number, place) => {
    const register = b.let(b.add(b.imm(XMM_BASE), b.shl(number, b.imm(4))));
    b.stateStore64(register, b.load64("operand", place));
    b.stateStore64(b.add(register, b.imm(8)), b.load64("operand", b.add(place, b.imm(8))));
  });
};
