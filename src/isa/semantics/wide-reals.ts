// Real arithmetic with 128 significant bits, for functions whose result is then rounded to 64. Errors of each operation are a few
// units in the last place.
//
// Fraction: (high, low), the value high.low / 2^128 in [0, 1). Wide number: (high, low, exponent), bit 63 of `high` set and the
// exponent biased as in the extended format, so that `high` is the significand of the value cut to 64 bits.

import type { Builder, SharedFunction } from "../builder.ts";
import { product } from "./wide-integers.ts";
import { BIAS } from "./x87-number.ts";
import { shiftRightSticky } from "./x87-rounding.ts";

const WORD = (1n << 64n) - 1n;
/** One, as the numerator of a fraction. */
export const ONE = 1n << 128n;

/** A 128-bit constant. */
export function constant128<V>(b: Builder<V>, value: bigint): readonly [V, V] {
  return [b.imm64(value >> 64n), b.imm64(value & WORD)];
}

export function add128<V>(b: Builder<V>, [xh, xl]: readonly V[], [yh, yl]: readonly V[]): readonly [V, V] {
  const low = b.let64(b.add64(xl, yl));
  return [b.let64(b.add64(b.add64(xh, yh), b.extendU(b.ltU64(low, xl)))), low];
}

export function subtract128<V>(b: Builder<V>, [xh, xl]: readonly V[], [yh, yl]: readonly V[]): readonly [V, V] {
  const low = b.let64(b.sub64(xl, yl));
  return [b.let64(b.sub64(b.sub64(xh, yh), b.extendU(b.ltU64(xl, yl)))), low];
}

export function less128<V>(b: Builder<V>, [xh, xl]: readonly V[], [yh, yl]: readonly V[]): V {
  return b.or(b.ltU64(xh, yh), b.and(b.eq64(xh, yh), b.ltU64(xl, yl)));
}

export function select128<V>(b: Builder<V>, condition: V, [xh, xl]: readonly V[], [yh, yl]: readonly V[]): readonly [V, V] {
  const chosen = b.let(condition);
  return [b.let64(b.select64(chosen, xh, yh)), b.let64(b.select64(chosen, xl, yl))];
}

/** Upper half of the product of what are lower and upper word of two fractions: less than 2^33 too small. */
function crossProduct<V>(b: Builder<V>, x: V, y: V): V {
  return b.mul64(b.shrU64(x, b.imm64(32n)), b.shrU64(y, b.imm64(32n)));
}

/** Product of two fractions: less than 2^-94 too small, and exact where both have 64 bits. */
export const multiplyFractions: SharedFunction = {
  name: "multiplyFractions", params: ["i64", "i64", "i64", "i64"], results: ["i64", "i64"],
  body: (b, [xh, xl, yh, yl]) => {
    const zero = b.imm64(0n);
    const first = add128(b, product(b, xh, yh), [zero, crossProduct(b, xh, yl)]);
    return add128(b, first, [zero, b.let64(crossProduct(b, xl, yh))]);
  },
};

/** Bits of a digit of a quotient. */
const DIGIT = 30;

/**
 * Quotient x / y of fractions, where x < y and bit 63 of yh is set: less than 2^-85 too small. Three digits by division of the upper bits; each comes
 * out a few units too small, and the next one is as much larger.
 */
const divideFractions: SharedFunction = {
  name: "divideFractions", params: ["i64", "i64", "i64", "i64"], results: ["i64", "i64"],
  body: (b, [xh, xl, yh, yl]) => {
    const eight = b.imm64(8n), half = b.imm64(32n), digit = b.imm64(BigInt(DIGIT)), rest = b.imm64(BigInt(64 - DIGIT));
    // 120 bits of both, so that a remainder of several times the divisor has room; of the divisor the upper 88 count.
    const divisorHigh = b.let64(b.shrU64(yh, eight));
    const divisorLow = b.let64(b.shrU64(b.or64(b.shl64(yh, b.imm64(56n)), b.shrU64(yl, eight)), half));
    const top = b.let64(b.add64(b.shrU64(divisorHigh, b.imm64(24n)), b.imm64(1n)));
    let high = b.let64(b.shrU64(xh, eight)), low = b.let64(b.or64(b.shl64(xh, b.imm64(56n)), b.shrU64(xl, eight)));
    const next = () => b.let64(b.divU64(b.shl64(high, b.imm64(6n)), top));
    const digits = [next()];
    while (digits.length < 3) {
      const present = digits.at(-1)!;
      const partial = b.let64(b.mul64(present, divisorLow));
      const shifted = [b.or64(b.shl64(high, digit), b.shrU64(low, rest)), b.shl64(low, digit)];
      const taken = [b.add64(b.mul64(present, divisorHigh), b.shrU64(partial, half)), b.let64(b.shl64(partial, half))];
      [high, low] = subtract128(b, shifted, taken);
      digits.push(next());
    }
    const upper = b.add64(b.shl64(digits[0], b.imm64(64n - 30n)), b.shl64(digits[1], b.imm64(64n - 60n)));
    return add128(b, [upper, b.imm64(0n)], [b.shrU64(digits[2], b.imm64(26n)), b.shl64(digits[2], b.imm64(64n - 26n))]);
  },
};

/** (high, low, exponent), not zero -> the same number with bit 63 of `high` set. */
export const normalizeWide: SharedFunction = {
  name: "normalizeWide", params: ["i64", "i64", "i32"], results: ["i64", "i64", "i32"],
  body: (b, [high, low, exponent]) => {
    const top = b.variable64(high), rest = b.variable64(low), exp = b.variable(exponent);
    b.when(b.eqz64(high), () => {
      top.set(low);
      rest.set(b.imm64(0n));
      exp.set(b.sub(exponent, b.imm(64)));
    });
    const shift = b.let64(b.clz64(top.get()));
    b.when(b.ne64(shift, b.imm64(0n)), () => {
      top.set(b.or64(b.shl64(top.get(), shift), b.shrU64(rest.get(), b.sub64(b.imm64(64n), shift))));
      rest.set(b.shl64(rest.get(), shift));
      exp.set(b.sub(exp.get(), b.wrap(shift)));
    });
    return [top.get(), rest.get(), exp.get()];
  },
};

/** The fraction as a wide number. */
export function fractionToWide<V>(b: Builder<V>, [high, low]: readonly V[]): readonly V[] {
  return b.call(normalizeWide, high, low, b.imm(BIAS - 1));
}

/** A wide number below 1 as a fraction. */
export function wideToFraction<V>(b: Builder<V>, [high, low, exponent]: readonly V[]): readonly V[] {
  return b.call(shiftRightSticky, high, low, b.sub(b.imm(BIAS - 1), exponent));
}

export const multiplyReals: SharedFunction = {
  name: "multiplyReals", params: ["i64", "i64", "i32", "i64", "i64", "i32"], results: ["i64", "i64", "i32"],
  body: (b, [xh, xl, xe, yh, yl, ye]) => {
    const [high, low] = multiplyFractions.body(b, [xh, xl, yh, yl]);
    return b.call(normalizeWide, high, low, b.add(b.sub(xe, b.imm(BIAS)), b.add(ye, b.imm(1))));
  },
};

export const divideReals: SharedFunction = {
  name: "divideReals", params: ["i64", "i64", "i32", "i64", "i64", "i32"], results: ["i64", "i64", "i32"],
  body: (b, [xh, xl, xe, yh, yl, ye]) => {
    const half = b.let(b.eqz(b.ltU64(xh, yh)));
    const shift = b.let64(b.extendU(half));
    const low = b.or64(b.shrU64(xl, shift), b.select64(half, b.shl64(xh, b.imm64(63n)), b.imm64(0n)));
    const [high, rest] = b.call(divideFractions, b.shrU64(xh, shift), low, yh, yl);
    return b.call(normalizeWide, high, rest, b.add(b.sub(xe, ye), b.add(half, b.imm(BIAS - 1))));
  },
};

/** Bits below one that the terms of a series are taken to, and that its sum keeps of errors: results have 64, and are rounded once more. */
const NEGLIGIBLE = 80, PRECISE = 77;

/**
 * (z) -> c0 + c1 z + c2 z^2 ... of a fraction z up to `largest`, with the signs alternating if `alternates`. Coefficients are numerators
 * over 2^128 and fall so fast that every partial sum is a fraction. The terms behind the first few are so small that 64 bits of their
 * sum, times a power of two, are enough.
 */
export function series(name: string, coefficients: readonly bigint[], alternates: boolean, largest: number): SharedFunction {
  const needed = coefficients.filter((coefficient, n) => (Number(coefficient) / 2 ** 128) * largest ** n > 2 ** -NEGLIGIBLE);
  /** By how many powers of two the sum from term `n` on, over z^n, can be multiplied and still be a fraction. */
  const room = (n: number) => Math.floor(-Math.log2(needed.slice(n).reduce((sum, coefficient, k) => sum + (Number(coefficient) / 2 ** 128) * largest ** k, 2 ** -64)));
  let split = 1;
  while (64 + room(split) - split * Math.log2(largest) < PRECISE) split++;
  const shift = room(split);
  const small = needed.slice(split).map((coefficient) => (coefficient << BigInt(shift)) >> 64n);
  return {
    name, params: ["i64", "i64"], results: ["i64", "i64"],
    body: (b, [zh, zl]) => {
      // Even and odd terms side by side: the host need not wait for one to begin the other.
      const square = product(b, zh, zh)[0];
      const [even, odd] = [0, 1].map((first) => {
        const terms = small.filter((_, n) => n % 2 === first);
        let part = b.imm64(terms.at(-1) ?? 0n);
        for (const coefficient of terms.slice(0, -1).reverse()) part = b.let64(b.add64(b.imm64(coefficient), product(b, part, square)[0]));
        return part;
      });
      const odds = product(b, odd, zh)[0];
      const tail = b.let64(alternates ? b.sub64(even, odds) : b.add64(even, odds));
      let sum: readonly (typeof zh)[] = [b.let64(b.shrU64(tail, b.imm64(BigInt(shift)))), b.let64(b.shl64(tail, b.imm64(BigInt(64 - shift))))];
      for (const coefficient of needed.slice(0, split).reverse()) {
        const term = multiplyFractions.body(b, [sum[0], sum[1], zh, zl]);
        const next = constant128(b, coefficient);
        sum = alternates ? subtract128(b, next, term) : add128(b, next, term);
      }
      return sum;
    },
  };
}
