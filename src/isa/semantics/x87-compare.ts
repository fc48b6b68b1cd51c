// x87 comparison and classification: FCOM FUCOM FICOM FCOMI FUCOMI FTST FXAM. SDM Vol. 1, section 8.3.6 "Comparison and
// Classification Instructions".

import type { Builder, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EFLAGS_CF, EFLAGS_PF, EFLAGS_ZF, FSW } from "../state-layout.ts";
import { type ExtendedOperand, memoryInteger, memoryReal } from "./x87-formats.ts";
import { denormalFlag, EXPONENT, exponentOf, isNan, isSignalling, isUnsupported, normalize, SIGN, signOf } from "./x87-number.ts";
import {
  begin, C0, C1, C2, C3, emptyFlags, IE, isEmpty, pop, raise, remember, signExponent, significand, STACK_FAULT, stackRegister,
} from "./x87-registers.ts";

/** Relation of ST(0) to the other operand, as the condition codes have it. */
const LESS = C0, EQUAL = C3, UNORDERED = C0 | C2 | C3;
const CODES = C0 | C2 | C3;

/** (x, y, flags, quiet): relation of x to y and flags. `quiet`: a quiet NaN is no invalid operand. */
const x87Compare: SharedFunction = {
  name: "x87Compare", params: ["i64", "i32", "i64", "i32", "i32", "i32"], results: ["i32", "i32"],
  body: (b, [x, xse, y, yse, given, quiet]) => {
    const relation = b.variable(b.imm(UNORDERED)), flags = b.variable(given);
    b.when(b.eqz(b.and(given, b.imm(IE))), () => b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => {
      const unsupported = b.or(isUnsupported(b, x, xse), isUnsupported(b, y, yse));
      const signals = b.or(isSignalling(b, x, xse), isSignalling(b, y, yse));
      flags.set(b.or(b.eqz(quiet), b.or(unsupported, signals)));
    }, () => {
      flags.set(b.or(given, b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse))));
      const xn = normalize(b, x, xse), yn = normalize(b, y, yse);
      const sameMagnitude = b.let(b.and(b.eq(xn.exponent, yn.exponent), b.eq64(xn.value, yn.value)));
      const smaller = b.let(b.or(b.ltS(xn.exponent, yn.exponent), b.and(b.eq(xn.exponent, yn.exponent), b.ltU64(xn.value, yn.value))));
      const negative = b.let(signOf(b, xse));
      const zeros = b.eqz64(b.or64(x, y));
      const sameSign = b.let(b.eq(negative, signOf(b, yse)));
      const less = b.select(sameSign, b.xor(smaller, negative), negative);
      const equal = b.or(zeros, b.and(sameSign, sameMagnitude));
      relation.set(b.select(equal, b.imm(EQUAL), b.select(less, b.imm(LESS), b.imm(0))));
    }));
    return [relation.get(), flags.get()];
  },
};

type Target = "codes" | "eflags";

/** Compares ST(0), sets the condition codes or EFLAGS, and pops unless an unmasked exception stops it. */
function conclude<V>(b: Builder<V>, y: V, yse: V, yFlags: V, quiet: boolean, target: Target, pops: 0 | 1 | 2): void {
  const top = stackRegister(b, b.imm(0));
  const empty = b.let(emptyFlags(b, top));
  const given = b.select(empty, empty, yFlags);
  const [relation, flags] = b.call(x87Compare, significand(b, top), signExponent(b, top), y, yse, given, b.imm(quiet ? 1 : 0));
  const before = b.let(b.get(FSW));
  const done = raise(b, flags);
  if (target === "codes") b.set(FSW, b.or(b.and(b.get(FSW), b.imm(~CODES)), relation));
  else {
    const bit = (code: number, flag: number) => b.select(b.and(relation, b.imm(code)), b.imm(flag), b.imm(0));
    b.setStatusFlags(b.or(b.or(bit(C0, EFLAGS_CF), bit(C2, EFLAGS_PF)), bit(C3, EFLAGS_ZF)));
    // C1 tells of a stack fault alone.
    const kept = b.select(b.and(flags, b.imm(STACK_FAULT)), b.imm(0), b.and(before, b.imm(C1)));
    b.set(FSW, b.or(b.get(FSW), kept));
  }
  if (pops > 0) {
    b.when(done, () => {
      for (let n = 0; n < pops; n++) pop(b);
    });
  }
}

/** The other operand on the stack is op[operand]. */
function withStack(operand: number, quiet: boolean, target: Target, pops: 0 | 1 | 2): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const other = stackRegister(b, i.op[operand].number(b));
    conclude(b, significand(b, other), signExponent(b, other), emptyFlags(b, other), quiet, target, pops);
  };
}
function withMemory(read: ExtendedOperand, pops: 0 | 1): Semantics {
  return (b, i) => {
    begin(b);
    const [value, se, raised] = read(b, i);
    remember(b, i);
    conclude(b, value, se, raised, false, "codes", pops);
  };
}

export const fcom = withStack(0, false, "codes", 0);
export const fcomp = withStack(0, false, "codes", 1);
export const fucom = withStack(0, true, "codes", 0);
export const fucomp = withStack(0, true, "codes", 1);
export const fcomi = withStack(1, false, "eflags", 0);
export const fcomip = withStack(1, false, "eflags", 1);
export const fucomi = withStack(1, true, "eflags", 0);
export const fucomip = withStack(1, true, "eflags", 1);
export const fcomReal = withMemory(memoryReal, 0);
export const fcompReal = withMemory(memoryReal, 1);
export const ficom = withMemory(memoryInteger, 0);
export const ficomp = withMemory(memoryInteger, 1);

/** FCOMPP and FUCOMPP: with ST(1). */
function bothPopped(quiet: boolean): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const other = stackRegister(b, b.imm(1));
    conclude(b, significand(b, other), signExponent(b, other), emptyFlags(b, other), quiet, "codes", 2);
  };
}
export const fcompp = bothPopped(false);
export const fucompp = bothPopped(true);

export const ftst: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  conclude(b, b.imm64(0n), b.imm(0), b.imm(0), false, "codes", 0);
};

/** Class in C3 C2 C0, sign (of an empty register too) in C1. Raises nothing. */
export const fxam: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const top = stackRegister(b, b.imm(0));
  const value = significand(b, top), se = signExponent(b, top);
  const zero = b.select(b.eqz64(value), b.imm(C3), b.imm(C3 | C2));
  const largest = b.select(isNan(b, value, se), b.imm(C0), b.imm(C2 | C0));
  const exponent = b.let(exponentOf(b, se));
  const finite = b.select(exponent, b.imm(C2), zero);
  const supported = b.select(b.eq(exponent, b.imm(EXPONENT)), largest, finite);
  const full = b.select(isUnsupported(b, value, se), b.imm(0), supported);
  const codes = b.select(isEmpty(b, top), b.imm(C3 | C0), full);
  const sign = b.shrU(b.and(se, b.imm(SIGN)), b.imm(6));
  b.set(FSW, b.or(b.and(b.get(FSW), b.imm(~(CODES | C1))), b.or(codes, sign)));
};
