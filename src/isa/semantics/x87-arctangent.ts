// FPATAN: the angle of the vector with x in ST(0) and y in ST(1). SDM Vol. 2, FPATAN, Table 3-30. Results are within 0.51 ulp.

import type { Builder, SharedFunction } from "../builder.ts";
import {
  add128, constant128, divideReals, fractionToWide, less128, multiplyFractions, multiplyReals, normalizeWide, ONE, select128, series, subtract128,
  wideToFraction,
} from "./wide-reals.ts";
import { x87Nan } from "./x87-arithmetic.ts";
import { BIAS, denormalFlag, isInfinite, isNan, normalize, SIGN, signOf } from "./x87-number.ts";
import { binaryPop, finish, type Result, resultOf, setResult } from "./x87-registers.ts";
import { roundIrrational, shiftRightSticky } from "./x87-rounding.ts";

/** atan(x) / x by x^2 up to 1/64. */
const arctangentSeries = series("arctangentSeries", Array.from({ length: 14 }, (_, k) => (k === 0 ? ONE - 1n : ONE / BigInt(2 * k + 1))), true, 1 / 64);

/** Angles are sums over 2^126. */
const ANGLE_EXPONENT = BIAS + 1;
/** atan(n / 4) */
const ARCTANGENTS = [
  0n, 0x0fad_bafc_9640_6eb1_56dc_79ef_5f7a_217en, 0x1dac_6705_61bb_4f68_adfc_88bd_9787_51a0n, 0x292f_1f46_4d3d_c249_066a_1fca_915f_6b27n,
  0x3243_f6a8_885a_308d_3131_98a2_e037_0734n,
] as const;
const QUARTER_PI = ARCTANGENTS[4];

function roundAngle<V>(b: Builder<V>, result: Result<V>, negative: V, [high, low]: readonly V[]): void {
  roundIrrational(b, result, negative, b.call(normalizeWide, high, low, b.imm(ANGLE_EXPONENT)));
}

/** (n from 0 to 4) -> atan(n / 4) */
const quarterArctangent: SharedFunction = {
  name: "x87QuarterArctangent", params: ["i32"], results: ["i64", "i64"],
  body: (b, [n]) => {
    let angle = constant128(b, ARCTANGENTS[0]);
    for (let k = 1; k < ARCTANGENTS.length; k++) angle = select128(b, b.eq(n, b.imm(k)), constant128(b, ARCTANGENTS[k]), angle);
    return angle;
  },
};

/**
 * (a, b, distance of their exponents) of two magnitudes a <= b, normalized -> (high, low, exponent, n, below): the angle of a / b as
 * atan(n / 4) + (-)atan(r), with r up to 1/8 as a wide number, high 0 where it is zero.
 */
const reduceRatio: SharedFunction = {
  name: "x87ReduceRatio", params: ["i64", "i64", "i32"], results: ["i64", "i64", "i32", "i32", "i32"],
  body: (b, [small, large, distance]) => {
    const zero = b.imm64(0n);
    const high = b.variable64(zero), low = b.variable64(zero), exponent = b.variable(b.imm(0));
    const set = ([h, l, e]: readonly (typeof small)[]) => {
      high.set(h);
      low.set(l);
      exponent.set(e);
    };
    const steps = b.variable(b.imm(0)), below = b.variable(b.imm(0));
    const two = b.imm64(2n), three = b.imm64(3n);
    // Exact multiples of both, in 128 bits: a and b times 2^60 times the common power of two.
    const a = b.call(shiftRightSticky, b.shrU64(small, b.imm64(4n)), b.shl64(small, b.imm64(60n)), distance);
    const c = [b.let64(b.shrU64(large, b.imm64(4n))), b.let64(b.shl64(large, b.imm64(60n)))] as const;
    const shifted = ([h, l]: readonly (typeof small)[], by: typeof two, back: bigint) =>
      [b.let64(b.or64(b.shl64(h, by), b.shrU64(l, b.imm64(back)))), b.let64(b.shl64(l, by))] as const;
    b.when(b.ltS(distance, b.imm(4)), () => {
      const a8 = shifted(a, three, 61n), double = add128(b, c, c);
      let threshold: readonly (typeof small)[] = c;
      let count = b.imm(0);
      for (let n = 0; n < 4; n++) {
        count = b.add(count, b.eqz(less128(b, a8, threshold)));
        threshold = add128(b, threshold, double);
      }
      steps.set(count);
    });
    const n = steps.get();
    b.when(n, () => {
      const multiple = (of: readonly (typeof small)[]) => {
        const doubled = add128(b, of, of), none = [zero, zero];
        return add128(b, select128(b, b.and(n, b.imm(1)), of, none), add128(b, select128(b, b.and(n, b.imm(2)), doubled, none), select128(b, b.and(n, b.imm(4)), add128(b, doubled, doubled), none)));
      };
      // (a/b - n/4) / (1 + n/4 a/b)
      const a4 = shifted(a, two, 62n), ofB = multiple(c);
      const negative = b.let(less128(b, a4, ofB));
      const numerator = select128(b, negative, subtract128(b, ofB, a4), subtract128(b, a4, ofB));
      const denominator = add128(b, shifted(c, two, 62n), multiple(a));
      below.set(negative);
      b.when(b.ne64(b.or64(numerator[0], numerator[1]), zero), () => {
        const [nh, nl, ne] = b.call(normalizeWide, numerator[0], numerator[1], b.imm(BIAS));
        const [dh, dl, de] = b.call(normalizeWide, denominator[0], denominator[1], b.imm(BIAS));
        set(b.call(divideReals, nh, nl, ne, dh, dl, de));
      });
    }, () => set(b.call(divideReals, small, zero, b.sub(b.imm(BIAS), distance), large, zero, b.imm(BIAS))));
    return [high.get(), low.get(), exponent.get(), n, below.get()];
  },
};

/** (y, x) -> the angle. */
const x87Arctangent: SharedFunction = {
  name: "x87Arctangent", params: ["i64", "i32", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [y, yse, x, xse]) => {
    const result = resultOf(b);
    const sign = b.let(signOf(b, yse)), left = b.let(signOf(b, xse));
    const denormal = b.let(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)));
    const yInfinite = b.let(isInfinite(b, yse)), xInfinite = b.let(isInfinite(b, xse));
    const along = b.let(b.or(b.eqz64(y), b.and(xInfinite, b.eqz(yInfinite))));
    const across = b.or(b.eqz64(x), yInfinite);
    b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, y, yse, x, xse)), () => {
      b.when(b.and(along, b.eqz(left)), () => setResult(result, [b.imm64(0n), b.and(yse, b.imm(SIGN)), denormal]), () => {
        b.when(b.or(along, across), () => {
          // Quarters of pi: along the negative axis 4, across it 2, between two infinities 1 or 3.
          const diagonal = b.and(yInfinite, xInfinite);
          const ofDiagonal = select128(b, left, constant128(b, QUARTER_PI * 3n), constant128(b, QUARTER_PI));
          const ofAxis = select128(b, along, constant128(b, QUARTER_PI * 4n), constant128(b, QUARTER_PI * 2n));
          roundAngle(b, result, sign, select128(b, diagonal, ofDiagonal, ofAxis));
        }, () => {
          const yn = normalize(b, y, yse), xn = normalize(b, x, xse);
          const steep = b.let(b.or(b.ltS(xn.exponent, yn.exponent), b.and(b.eq(xn.exponent, yn.exponent), b.ltU64(xn.value, yn.value))));
          const difference = b.let(b.sub(xn.exponent, yn.exponent));
          const distance = b.let(b.select(steep, b.sub(b.imm(0), difference), difference));
          const small = b.select64(steep, xn.value, yn.value), large = b.select64(steep, yn.value, xn.value);
          const [rh, rl, re, n, below] = b.call(reduceRatio, small, large, distance);
          const [fh, fl] = wideToFraction(b, [rh, rl, re]);
          const [zh, zl] = b.call(multiplyFractions, fh, fl, fh, fl);
          const [sh, sl, se] = fractionToWide(b, b.call(arctangentSeries, zh, zl));
          const [ah, al, ae] = b.call(multiplyReals, rh, rl, re, sh, sl, se);
          b.when(b.or(b.or(n, steep), left), () => {
            const part = b.call(shiftRightSticky, ah, al, b.sub(b.imm(ANGLE_EXPONENT), ae));
            const whole = b.call(quarterArctangent, n);
            const zero = b.eqz64(rh);
            const sum = select128(b, zero, whole, select128(b, below, subtract128(b, whole, part), add128(b, whole, part)));
            const upright = select128(b, steep, subtract128(b, constant128(b, QUARTER_PI * 2n), sum), sum);
            roundAngle(b, result, sign, select128(b, left, subtract128(b, constant128(b, QUARTER_PI * 4n), upright), upright));
          }, () => roundIrrational(b, result, sign, [ah, al, ae]));
        });
        result.flags.set(b.or(result.flags.get(), denormal));
      });
    });
    return finish(result);
  },
};

export const fpatan = binaryPop(x87Arctangent);
