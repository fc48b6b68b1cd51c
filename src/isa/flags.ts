// Lazy status flags: how the flags of an operation become FLAG_RESULT and FLAG_CARRIES, and come out again.
// state-layout.ts defines the two words. Written over the Builder's primitive operations, shared by every back-end.
//
// A carry vector has in bit i the carry (or borrow) out of bit i. From operands x, y and result r, carry-in included:
//   x + y:  x ^ ((x ^ y) & (y ^ r))       where y and r differ the carry-in or x decides, and then y is the majority
//   x - y:  r ^ ((x ^ y) & (y ^ r))
// Moved so that the operand's top bit is bit 31, bit 31 is CF, bit 30 the carry into the top bit, so that OF is their difference.

import type { Builder, ConditionCode, FlagKind, Width } from "./builder.ts";
import { EFLAGS_AF, EFLAGS_CF, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF, EFLAGS_ZF, FLAG_CARRIES, FLAG_RESULT } from "./state-layout.ts";

/** FLAG_CARRIES: everything but the bits that bend SF (0) and PF (8-15). */
const CARRY_BITS = 0xffff00fe;
const CARRY_AF = 8;

/** The carry vector of an operation of `width`, with bits 31, 30 and 3 in place. */
function placeCarries<V>(b: Builder<V>, width: Width, carries: V): V {
  if (width === 4) return b.and(carries, b.imm(CARRY_BITS));
  const vector = b.let(carries);
  return b.or(b.shl(vector, b.imm(width === 1 ? 24 : 16)), b.and(vector, b.imm(CARRY_AF)));
}

/** CF in bit 31 and CF ^ OF in bit 30. */
function carryOverflow<V>(b: Builder<V>, cf: V, of: V): V {
  const carry = b.let(cf);
  return b.or(b.shl(carry, b.imm(31)), b.shl(b.xor(carry, of), b.imm(30)));
}

/**
 * Sets the six flags of `kind`, computed from operands `x` and `y` (1 for inc and dec, unused for logic) and `result`.
 * Only the low `width` bytes of the three count. INC and DEC leave CF as it is.
 */
export function lowerFlags<V>(b: Builder<V>, kind: FlagKind, width: Width, x: V, y: V, result: V): void {
  switch (kind) {
    case "logic":
      b.set(FLAG_RESULT, b.signExtend(result, width));
      b.set(FLAG_CARRIES, b.imm(0));
      return;
    case "add": case "adc": case "sub": case "sbb": {
      const differ = b.and(b.xor(x, y), b.xor(y, result));
      const carries = b.xor(kind === "add" || kind === "adc" ? x : result, differ);
      b.set(FLAG_CARRIES, placeCarries(b, width, carries));
      b.set(FLAG_RESULT, b.signExtend(result, width));
      return;
    }
    case "inc": case "dec": {
      const not = b.imm(-1);
      const carries = kind === "inc" ? b.and(x, b.xor(result, not)) : b.and(b.xor(x, not), result);
      const vector = b.let(placeCarries(b, width, carries));
      // Where the vector's CF is not the old one, both bits turn over: CF stays and so does their difference, OF.
      const turn = b.and(b.shrS(b.xor(vector, b.get(FLAG_CARRIES)), b.imm(31)), b.imm(0xc0000000));
      b.set(FLAG_CARRIES, b.xor(vector, turn));
      b.set(FLAG_RESULT, b.signExtend(result, width));
      return;
    }
  }
}

/** SF, ZF and PF by `result`; CF, OF and AF by values of 0 or 1. */
export function lowerFlagsExplicit<V>(b: Builder<V>, width: Width, result: V, cf: V, of: V, af: V): void {
  b.set(FLAG_CARRIES, b.or(carryOverflow(b, cf, of), b.shl(af, b.imm(3))));
  b.set(FLAG_RESULT, b.signExtend(result, width));
}

/** CF and OF alone. */
export function lowerSetCarryOverflow<V>(b: Builder<V>, cf: V, of: V): void {
  const rest = b.and(b.get(FLAG_CARRIES), b.imm(0x3fffffff));
  b.set(FLAG_CARRIES, b.or(rest, carryOverflow(b, cf, of)));
}

/** AF = 1 alone: what DIV and IDIV leave. */
export function lowerSetAuxiliaryCarry<V>(b: Builder<V>): void {
  b.set(FLAG_CARRIES, b.or(b.get(FLAG_CARRIES), b.imm(CARRY_AF)));
}

export function lowerCarry<V>(b: Builder<V>): V {
  return b.shrU(b.get(FLAG_CARRIES), b.imm(31));
}

function overflow<V>(b: Builder<V>): V {
  const carries = b.let(b.get(FLAG_CARRIES));
  return b.shrU(b.xor(carries, b.shl(carries, b.imm(1))), b.imm(31));
}

function zero<V>(b: Builder<V>): V {
  return b.eqz(b.get(FLAG_RESULT));
}

function sign<V>(b: Builder<V>): V {
  return b.xor(b.shrU(b.get(FLAG_RESULT), b.imm(31)), b.and(b.get(FLAG_CARRIES), b.imm(1)));
}

/** 1 if an odd number of bits of the parity byte is set, that is, PF = 0. */
function oddParity<V>(b: Builder<V>): V {
  const byte = b.and(b.xor(b.get(FLAG_RESULT), b.shrU(b.get(FLAG_CARRIES), b.imm(8))), b.imm(0xff));
  return b.and(b.popcnt(byte), b.imm(1));
}

/** SF ^ OF: bit 31 of the result, turned over by bit 0, 31 and 30 of the carries. */
function less<V>(b: Builder<V>): V {
  const carries = b.let(b.get(FLAG_CARRIES));
  const bend = b.xor(b.xor(carries, b.shl(carries, b.imm(1))), b.shl(carries, b.imm(31)));
  return b.shrU(b.xor(b.get(FLAG_RESULT), bend), b.imm(31));
}

/** 0 or 1. SDM Vol. 1, Appendix B, "EFLAGS Condition Codes". */
export function lowerCondition<V>(b: Builder<V>, code: ConditionCode): V {
  switch (code) {
    case 0: return overflow(b);
    case 1: return b.eqz(overflow(b));
    case 2: return lowerCarry(b);
    case 3: return b.geS(b.get(FLAG_CARRIES), b.imm(0));
    case 4: return zero(b);
    case 5: return b.ne(b.get(FLAG_RESULT), b.imm(0));
    case 6: return b.or(lowerCarry(b), zero(b));
    case 7: return b.eqz(b.or(lowerCarry(b), zero(b)));
    case 8: return sign(b);
    case 9: return b.eqz(sign(b));
    case 10: return b.eqz(oddParity(b));
    case 11: return oddParity(b);
    case 12: return less(b);
    case 13: return b.eqz(less(b));
    case 14: return b.or(less(b), zero(b));
    case 15: return b.eqz(b.or(less(b), zero(b)));
  }
}

/** CF PF AF ZF SF OF at their EFLAGS positions. */
export function lowerStatusFlags<V>(b: Builder<V>): V {
  const carries = b.let(b.get(FLAG_CARRIES));
  const of = b.and(b.shrU(b.xor(carries, b.shl(carries, b.imm(1))), b.imm(20)), b.imm(EFLAGS_OF));
  const sf = b.shl(sign(b), b.imm(7));
  const zf = b.shl(zero(b), b.imm(6));
  const af = b.shl(b.and(carries, b.imm(CARRY_AF)), b.imm(1));
  const pf = b.shl(b.eqz(oddParity(b)), b.imm(2));
  const cf = b.shrU(carries, b.imm(31));
  return b.or(b.or(b.or(of, sf), b.or(zf, af)), b.or(pf, cf));
}

/** Of values of 0 or 1. A result of 0 shows even parity, which bit 8 of the carries takes back. */
export function lowerFlagsOrdered<V>(b: Builder<V>, less: V, equal: V, unordered: V): void {
  const none = b.let(unordered), same = b.let(equal), below = b.or(less, none);
  b.set(FLAG_CARRIES, b.or(b.select(below, b.imm(0xc0000000 | 0), b.imm(0)), b.shl(same, b.imm(8))));
  b.set(FLAG_RESULT, b.eqz(b.or(same, none)));
}

/** Sets the six flags from an EFLAGS image; other bits of it do not count. */
export function lowerSetStatusFlags<V>(b: Builder<V>, image: V): void {
  const bits = b.let(image);
  const flag = (mask: number): V => b.and(b.shrU(bits, b.imm(31 - Math.clz32(mask))), b.imm(1));
  const zf = b.let(flag(EFLAGS_ZF));
  // The result is 0 or 1 by ZF, positive and of parity ZF; the bending bits do the rest.
  const parity = b.shl(b.xor(zf, flag(EFLAGS_PF)), b.imm(8));
  const af = b.and(b.shrU(bits, b.imm(1)), b.imm(EFLAGS_AF >> 1));
  const carries = b.or(carryOverflow(b, flag(EFLAGS_CF), flag(EFLAGS_OF)), b.or(af, b.or(parity, flag(EFLAGS_SF))));
  b.set(FLAG_CARRIES, carries);
  b.set(FLAG_RESULT, b.xor(zf, b.imm(1)));
}
