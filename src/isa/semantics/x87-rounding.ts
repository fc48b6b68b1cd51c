// Rounding to the destination's precision and range, with overflow and underflow. SDM Vol. 1, sections 4.8.4 "Rounding",
// 8.5.4 "Numeric Overflow Exception", 8.5.5 "Numeric Underflow Exception". Tininess is judged after rounding.

import type { Builder, SharedFunction } from "../builder.ts";
import { FCW } from "../state-layout.ts";
import { EXPONENT, INTEGER_BIT } from "./x87-number.ts";
import { C1, OE, PE, type Result, setResult, UE } from "./x87-registers.ts";

/** Rounding-control field: to nearest (even), down, up, toward zero. */
export const RC_DOWN = 1, RC_UP = 2;
/** Precision-control field of the control word with 64 bits. */
export const PRECISION_64 = 0x300;
/** Bias adjustment of an unmasked overflow or underflow. */
export const WRAP = 24576;

export function roundingMode<V>(b: Builder<V>, control: V): V {
  return b.and(b.shrU(control, b.imm(10)), b.imm(3));
}

/** 1 if the magnitude is to be incremented. `rest`: the part below the last bit, as a 64-bit fraction; `odd`: the last bit. */
export function roundsUpToNearest<V>(b: Builder<V>, odd: V, rest: V): V {
  const beyondHalf = b.or(odd, b.ne64(b.shl64(rest, b.imm64(1n)), b.imm64(0n)));
  return b.and(b.wrap(b.shrU64(rest, b.imm64(63n))), beyondHalf);
}
export function roundsUp<V>(b: Builder<V>, negative: V, odd: V, rest: V, mode: V): V {
  const away = b.and(b.eq(mode, b.sub(b.imm(RC_UP), negative)), b.ne64(rest, b.imm64(0n)));
  return b.select(mode, away, roundsUpToNearest(b, odd, rest));
}

/** Shifts (high, low) right by `count` >= 0; ones that fall out stay visible in the lowest bit. */
export const shiftRightSticky: SharedFunction = {
  name: "shiftRightSticky", params: ["i64", "i64", "i32"], results: ["i64", "i64"],
  body: <V>(b: Builder<V>, [high, low, count]: readonly V[]) => {
    const top = b.variable64(high), rest = b.variable64(low);
    const by = b.let64(b.extendU(count));
    const back = b.let64(b.sub64(b.imm64(64n), by));
    const sticky = (bits: V) => b.extendU(b.ne64(bits, b.imm64(0n)));
    b.when(b.gtU(count, b.imm(127)), () => {
      rest.set(sticky(b.or64(high, low)));
      top.set(b.imm64(0n));
    }, () => b.when(b.gtU(count, b.imm(63)), () => {
      // The count modulo 64 shifts within the word; at 64 itself nothing falls out of `high`.
      const fallen = b.select64(b.eq(count, b.imm(64)), b.imm64(0n), b.shl64(high, back));
      rest.set(b.or64(b.shrU64(high, by), sticky(b.or64(fallen, low))));
      top.set(b.imm64(0n));
    }, () => b.when(count, () => {
      rest.set(b.or64(b.or64(b.shl64(high, back), b.shrU64(low, by)), sticky(b.shl64(low, back))));
      top.set(b.shrU64(high, by));
    })));
    return [top.get(), rest.get()];
  },
};

/** What is cut off below `drop` bits of `high`, as a fraction of the last bit kept. */
function fraction<V>(b: Builder<V>, high: V, low: V, drop: V): V {
  const bits = b.or64(b.shl64(high, b.sub64(b.imm64(64n), drop)), b.extendU(b.ne64(low, b.imm64(0n))));
  return b.let64(b.select64(b.eqz64(drop), low, bits));
}

export interface Format<V> {
  /** Bits of the significand that the destination has not, 0-63, as a 64-bit value. */
  readonly drop: V;
  /** Biased exponent of infinity. */
  readonly infinity: number;
  /** Whether an unmasked overflow or underflow gives a result with an adjusted exponent (a register), or none (memory). */
  readonly wraps: boolean;
}

/**
 * Rounds the number of magnitude high.low x 2^exponent, bit 63 of `high` set, `exponent` biased as the format has it.
 * Gives the significand with its integer bit, the exponent (0: denormal or zero) and the flags.
 */
export function roundTo<V>(b: Builder<V>, format: Format<V>, negative: V, exponent: V, high: V, low: V, control: V): { value: V; exponent: V; flags: V } {
  const { drop, infinity, wraps } = format;
  const mode = b.let(roundingMode(b, control));
  const unit = b.let64(b.shl64(b.imm64(1n), drop));
  const above = b.let64(b.sub64(b.imm64(0n), unit));
  const value = b.variable64(high), rest = b.variable64(low), exp = b.variable(exponent), flags = b.variable(b.imm(0));
  const tiny = b.variable(b.imm(0));
  const round = () => {
    const present = value.get();
    const cut = fraction(b, present, rest.get(), drop);
    const odd = b.ne64(b.and64(present, unit), b.imm64(0n));
    const up = b.let(roundsUp(b, negative, odd, cut, mode));
    const kept = b.and64(present, above);
    return { cut, up, sum: b.let64(b.add64(kept, b.select64(up, unit, b.imm64(0n)))) };
  };
  b.when(b.leS(exponent, b.imm(0)), () => {
    // With an unbounded exponent, would rounding carry up to the smallest normal number?
    const carries = b.eqz64(round().sum);
    tiny.set(b.eqz(b.and(carries, b.eqz(exponent))));
    b.when(b.and(control, b.imm(UE)), () => {
      const [top, bottom] = b.call(shiftRightSticky, high, low, b.sub(b.imm(1), exponent));
      value.set(top);
      rest.set(bottom);
      exp.set(b.imm(0));
    }, () => b.when(tiny.get(), () => {
      exp.set(wraps ? b.add(exponent, b.imm(WRAP)) : b.imm(0));
      flags.set(b.imm(UE));
    }));
  });
  const { cut, up, sum } = round();
  value.set(sum);
  b.when(b.and(up, b.eqz64(sum)), () => {
    value.set(b.imm64(INTEGER_BIT));
    exp.set(b.add(exp.get(), b.imm(1)));
  });
  // A denormal number that rounding made normal.
  const normal = b.wrap(b.shrU64(value.get(), b.imm64(63n)));
  exp.set(b.or(exp.get(), b.and(b.eqz(exp.get()), normal)));
  b.when(b.ne64(cut, b.imm64(0n)), () => {
    const underflow = b.select(tiny.get(), b.imm(PE | UE), b.imm(PE));
    flags.set(b.or(b.or(flags.get(), underflow), b.shl(up, b.imm(9))));
  });
  b.when(b.geS(exp.get(), b.imm(infinity)), () => {
    b.when(b.and(control, b.imm(OE)), () => {
      const toInfinity = b.let(b.or(b.eqz(mode), b.eq(mode, b.sub(b.imm(RC_UP), negative))));
      value.set(b.select64(toInfinity, b.imm64(INTEGER_BIT), above));
      exp.set(b.select(toInfinity, b.imm(infinity), b.imm(infinity - 1)));
      flags.set(b.select(toInfinity, b.imm(OE | PE | C1), b.imm(OE | PE)));
    }, () => {
      exp.set(b.sub(exp.get(), b.imm(WRAP)));
      flags.set(b.or(flags.get(), b.imm(OE)));
    });
  });
  if (!wraps) {
    const unmasked = b.and(b.and(flags.get(), b.imm(OE | UE)), b.xor(control, b.imm(-1)));
    b.when(unmasked, () => flags.set(b.and(flags.get(), b.imm(OE | UE))));
  }
  return { value: value.get(), exponent: exp.get(), flags: flags.get() };
}

/**
 * (negative, biased exponent of any size, high, low, control word) -> (significand, sign-exponent, flags). Bit 63 of `high`
 * is set; precision and rounding as the control word says.
 */
export const x87Round: SharedFunction = {
  name: "x87Round", params: ["i32", "i32", "i64", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [negative, exponent, high, low, control]) => {
    const precision = b.let(b.and(b.shrU(control, b.imm(8)), b.imm(3)));
    const drop = b.select64(b.eqz(precision), b.imm64(40n), b.select64(b.eq(precision, b.imm(2)), b.imm64(11n), b.imm64(0n)));
    const rounded = roundTo(b, { drop: b.let64(drop), infinity: EXPONENT, wraps: true }, negative, exponent, high, low, control);
    return [rounded.value, b.or(b.shl(negative, b.imm(15)), rounded.exponent), rounded.flags];
  },
};

/** The control word's rounding and precision fields, and their value for nearest and 64 bits. */
const RC_AND_PC = 0xf00;

/** As x87Round into `result`: the usual case, a normal number rounded to the nearest of 64 bits, in place. */
export function roundInto<V>(b: Builder<V>, result: Result<V>, negative: V, exponent: V, high: V, low: V, control: V): void {
  const usual = b.and(b.eq(b.and(control, b.imm(RC_AND_PC)), b.imm(PRECISION_64)), b.ltU(b.sub(exponent, b.imm(1)), b.imm(EXPONENT - 2)));
  b.when(usual, () => {
    const up = b.let(roundsUpToNearest(b, b.wrap(b.and64(high, b.imm64(1n))), low));
    const sum = b.let64(b.add64(high, b.extendU(up)));
    const carry = b.let(b.eqz64(sum));
    result.value.set(b.or64(sum, b.shl64(b.extendU(carry), b.imm64(63n))));
    result.se.set(b.or(b.shl(negative, b.imm(15)), b.add(exponent, carry)));
    result.flags.set(b.or(b.shl(b.ne64(low, b.imm64(0n)), b.imm(5)), b.shl(up, b.imm(9))));
  }, () => setResult(result, b.call(x87Round, negative, exponent, high, low, control)));
}

/** Rounds an irrational number (high, low, exponent), which is never exact, into `result`. Precision control does not count. */
export function roundIrrational<V>(b: Builder<V>, result: Result<V>, negative: V, [high, low, exponent]: readonly V[]): void {
  const control = b.let(b.or(b.get(FCW), b.imm(PRECISION_64)));
  roundInto(b, result, b.let(negative), b.let(exponent), b.let64(high), b.let64(b.or64(low, b.imm64(1n))), control);
}
