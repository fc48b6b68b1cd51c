// Extended-precision numbers: their parts and classes. SDM Vol. 1, sections 4.8.2 "Real Number and NaN Encodings" and
// 8.2.2 "Unsupported Double Extended-Precision Floating-Point Encodings and Pseudo-Denormals".

import type { Builder } from "../builder.ts";

export const SIGN = 0x8000, EXPONENT = 0x7fff, BIAS = 0x3fff;
export const INTEGER_BIT = 1n << 63n, QUIET_BIT = 1n << 62n;
/** The real indefinite QNaN. */
export const INDEFINITE = INTEGER_BIT | QUIET_BIT;
export const INDEFINITE_SE = 0xffff;

export const exponentOf = <V>(b: Builder<V>, se: V): V => b.and(se, b.imm(EXPONENT));
/** 0 or 1. */
export const signOf = <V>(b: Builder<V>, se: V): V => b.shrU(se, b.imm(15));
/** Infinity, NaN, or an encoding that the 80387 and its successors do not support (exponent without integer bit). */
export function isSpecial<V>(b: Builder<V>, value: V, se: V): V {
  const exponent = b.let(exponentOf(b, se));
  return b.or(b.eq(exponent, b.imm(EXPONENT)), b.and(b.ne(exponent, b.imm(0)), isPositive64(b, value)));
}
export function isUnsupported<V>(b: Builder<V>, value: V, se: V): V {
  return b.and(b.ne(exponentOf(b, se), b.imm(0)), isPositive64(b, value));
}
/** NaN or unsupported. */
export function isNan<V>(b: Builder<V>, value: V, se: V): V {
  const exponent = b.let(exponentOf(b, se));
  const nan = b.and(b.eq(exponent, b.imm(EXPONENT)), b.ne64(value, b.imm64(INTEGER_BIT)));
  return b.or(nan, b.and(b.ne(exponent, b.imm(0)), isPositive64(b, value)));
}
/** Of a supported value. */
export function isSignalling<V>(b: Builder<V>, value: V, se: V): V {
  const nan = b.and(b.eq(exponentOf(b, se), b.imm(EXPONENT)), b.ne64(value, b.imm64(INTEGER_BIT)));
  return b.and(nan, b.eqz64(b.and64(value, b.imm64(QUIET_BIT))));
}
/** DE if the value is denormal, a pseudo-denormal included. */
export function denormalFlag<V>(b: Builder<V>, value: V, se: V): V {
  return b.shl(b.and(b.eqz(exponentOf(b, se)), b.ne64(value, b.imm64(0n))), b.imm(1));
}
function isPositive64<V>(b: Builder<V>, value: V): V {
  return b.eqz64(b.shrU64(value, b.imm64(63n)));
}

/** A finite number as magnitude with bit 63 set (or 0) and an exponent without lower limit. */
export function normalize<V>(b: Builder<V>, value: V, se: V): { value: V; exponent: V } {
  const shift = b.let64(b.clz64(value));
  const biased = b.let(exponentOf(b, se));
  return {
    value: b.let64(b.shl64(value, shift)),
    exponent: b.let(b.sub(b.add(biased, b.eqz(biased)), b.wrap(shift))),
  };
}

export function isInfinite<V>(b: Builder<V>, se: V): V {
  return b.eq(exponentOf(b, se), b.imm(EXPONENT));
}
