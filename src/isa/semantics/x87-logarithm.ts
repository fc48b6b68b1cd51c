// F2XM1 FYL2X FYL2XP1. SDM Vol. 1, section 8.3.9 "Logarithmic, Exponential, and Scale". Results are within 0.51 ulp.

import type { Builder, SharedFunction } from "../builder.ts";
import { FCW } from "../state-layout.ts";
import {
  add128, constant128, divideReals, fractionToWide, multiplyFractions, multiplyReals, normalizeWide, ONE, select128, series, subtract128, wideToFraction,
} from "./wide-reals.ts";
import { x87Nan } from "./x87-arithmetic.ts";
import { BIAS, denormalFlag, EXPONENT, exponentOf, INTEGER_BIT, isInfinite, isNan, normalize, SIGN, signOf } from "./x87-number.ts";
import { binaryPop, finish, PE, resultOf, setResult, UE, unary, ZE } from "./x87-registers.ts";
import { PRECISION_64, roundIrrational, shiftRightSticky, x87Round } from "./x87-rounding.ts";

/** Wide numbers: ln 2, and 2 log2 e. */
const LN_2 = 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6afn, LN_2_EXPONENT = BIAS - 1;
const TWO_LOG2_E = 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88n, TWO_LOG2_E_EXPONENT = BIAS + 1;
const ROOT_2 = 0xb504_f333_f9de_6484n;

function halvedInverseFactorials(count: number): bigint[] {
  let factorial = 2n;
  return Array.from({ length: count }, (_, k) => {
    factorial *= BigInt(k + 1);
    return ONE / factorial;
  });
}
/** Half of (e^x - 1) / x and of (1 - e^-x) / x, x up to ln 2; half of artanh(x) / x by x^2 up to 0.03. */
const exponentialSeries = series("exponentialSeries", halvedInverseFactorials(25), false, 0.6932);
const decaySeries = series("decaySeries", halvedInverseFactorials(25), true, 0.6932);
const artanhSeries = series("artanhSeries", Array.from({ length: 18 }, (_, k) => ONE / BigInt(4 * k + 2)), false, 0.03);

/** (x) -> 2^x - 1. Beyond -1 to 1, where the manual leaves the result open, x itself, as inexact. */
const x87Exponential: SharedFunction = {
  name: "x87Exponential", params: ["i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, se]) => {
    const result = resultOf(b);
    const negative = b.let(signOf(b, se));
    b.when(isNan(b, x, se), () => setResult(result, b.call(x87Nan, x, se, x, se)), () => {
      b.when(b.or(b.eqz64(x), b.geU(exponentOf(b, se), b.imm(BIAS))), () => {
        // Exactly -1 gives -1/2, minus infinity -1.
        const minusOne = b.and(b.eq(se, b.imm(SIGN | BIAS)), b.eq64(x, b.imm64(INTEGER_BIT)));
        const limit = b.select(b.eq(se, b.imm(SIGN | EXPONENT)), b.imm(SIGN | BIAS), se);
        const exact = b.or(b.eqz64(x), isInfinite(b, se));
        setResult(result, [x, b.select(minusOne, b.imm(SIGN | (BIAS - 1)), limit), b.select(exact, b.imm(0), b.imm(PE))]);
      }, () => {
        const number = normalize(b, x, se);
        const [lh, ll] = constant128(b, LN_2);
        const [ah, al, ae] = b.call(multiplyReals, number.value, b.imm64(0n), number.exponent, lh, ll, b.imm(LN_2_EXPONENT));
        const [fh, fl] = wideToFraction(b, [ah, al, ae]);
        const h = b.variable64(b.imm64(0n)), l = b.variable64(b.imm64(0n));
        const set = ([high, low]: readonly (typeof x)[]) => {
          h.set(high);
          l.set(low);
        };
        b.when(negative, () => set(b.call(decaySeries, fh, fl)), () => set(b.call(exponentialSeries, fh, fl)));
        const [sh, sl, sx] = fractionToWide(b, [h.get(), l.get()]);
        roundIrrational(b, result, negative, b.call(multiplyReals, ah, al, ae, sh, sl, b.add(sx, b.imm(1))));
        result.flags.set(b.or(result.flags.get(), denormalFlag(b, x, se)));
      });
    });
    return finish(result);
  },
};
export const f2xm1 = unary(x87Exponential);

/** (n, d) wide, n/d up to 0.172 -> log2((1 + n/d) / (1 - n/d)) */
const log2OfRatio: SharedFunction = {
  name: "x87Log2OfRatio", params: ["i64", "i64", "i32", "i64", "i64", "i32"], results: ["i64", "i64", "i32"],
  body: (b, [nh, nl, ne, dh, dl, de]) => {
    const [qh, ql, qe] = b.call(divideReals, nh, nl, ne, dh, dl, de);
    const [fh, fl] = wideToFraction(b, [qh, ql, qe]);
    const [zh, zl] = b.call(multiplyFractions, fh, fl, fh, fl);
    const [sh, sl, se] = fractionToWide(b, b.call(artanhSeries, zh, zl));
    const [ph, pl, pe] = b.call(multiplyReals, qh, ql, qe, sh, sl, b.add(se, b.imm(1)));
    const [lh, ll] = constant128(b, TWO_LOG2_E);
    return b.call(multiplyReals, ph, pl, pe, lh, ll, b.imm(TWO_LOG2_E_EXPONENT));
  },
};

/** (wide number) -> (negative, wide number, rational): its binary logarithm, high 0 where that is zero, rational where it is an integer. */
const log2: SharedFunction = {
  name: "x87Log2", params: ["i64", "i64", "i32"], results: ["i32", "i64", "i64", "i32", "i32"],
  body: (b, [high, low, exponent]) => {
    // m x 2^e with m from sqrt(1/2) to sqrt 2.
    const below = b.let(b.ltU64(b.imm64(ROOT_2), high));
    const e = b.let(b.sub(b.add(exponent, below), b.imm(BIAS)));
    const number = [high, low], zero = b.imm64(0n);
    const fraction = select128(b, below, subtract128(b, [zero, zero], number), subtract128(b, number, constant128(b, ONE >> 1n)));
    const rational = b.let(b.eqz64(b.or64(fraction[0], fraction[1])));
    const h = b.variable64(zero), l = b.variable64(zero), x = b.variable(b.imm(0)), negative = b.variable(below);
    b.when(b.eqz(rational), () => {
      // m - 1 over m + 1, the latter halved to fit.
      const halved = [b.shrU64(high, b.imm64(1n)), b.or64(b.shl64(high, b.imm64(63n)), b.shrU64(low, b.imm64(1n)))];
      const [nh, nl, ne] = b.call(normalizeWide, fraction[0], fraction[1], b.sub(b.imm(BIAS), below));
      const sum = add128(b, halved, [b.select64(below, b.imm64(1n << 63n), b.imm64(1n << 62n)), b.imm64(0n)]);
      const [dh, dl, de] = b.call(normalizeWide, sum[0], sum[1], b.sub(b.imm(BIAS + 1), below));
      const [rh, rl, re] = b.call(log2OfRatio, nh, nl, ne, dh, dl, de);
      h.set(rh);
      l.set(rl);
      x.set(re);
    });
    b.when(e, () => {
      // Together with e in units of 2^-112.
      const sign = b.let(b.shrU(e, b.imm(31)));
      const magnitude = b.select(sign, b.sub(b.imm(0), e), e);
      const whole = [b.shl64(b.extendU(magnitude), b.imm64(48n)), b.imm64(0n)];
      const part = b.call(shiftRightSticky, h.get(), l.get(), b.sub(b.imm(BIAS + 15), x.get()));
      const opposed = b.ne(sign, below);
      const sum = select128(b, opposed, subtract128(b, whole, part), add128(b, whole, part));
      const [th, tl, te] = b.call(normalizeWide, sum[0], sum[1], b.imm(BIAS + 15));
      h.set(th);
      l.set(tl);
      x.set(te);
      negative.set(sign);
    });
    return [negative.get(), h.get(), l.get(), x.get(), rational];
  },
};

/** y times a logarithm (negative, wide number, rational), y finite and not zero. */
function timesLogarithm<V>(b: Builder<V>, y: V, yse: V, [negative, high, low, exponent, rational]: readonly V[]): readonly V[] {
  const sign = b.let(b.xor(signOf(b, yse), negative));
  const number = normalize(b, y, yse);
  const [ph, pl, pe] = b.call(multiplyReals, number.value, b.imm64(0n), number.exponent, high, low, exponent);
  const sticky = b.extendU(b.eqz(rational));
  const [value, se, flags] = b.call(x87Round, sign, pe, ph, b.or64(pl, sticky), b.or(b.get(FCW), b.imm(PRECISION_64)));
  // The processor does not notice that the logarithm of a power of two is exact.
  return [value, se, b.or(flags, b.select(exponentOf(b, se), b.imm(PE), b.imm(PE | UE)))];
}

/** (y, x) -> y log2 x */
const x87YLog2X: SharedFunction = {
  name: "x87YLog2X", params: ["i64", "i32", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [y, yse, x, xse]) => {
    const result = resultOf(b);
    const denormal = b.let(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)));
    const yInfinite = b.let(isInfinite(b, yse)), xInfinite = b.let(isInfinite(b, xse));
    const ySign = b.let(b.and(yse, b.imm(SIGN)));
    const one = b.let(b.and(b.eq(xse, b.imm(BIAS)), b.eq64(x, b.imm64(INTEGER_BIT))));
    const xZero = b.let(b.eqz64(x)), yZero = b.let(b.eqz64(y));
    b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, y, yse, x, xse)), () => {
      // Of a negative number; 0 x infinity in its three forms.
      const undefinedLogarithm = b.and(signOf(b, xse), b.eqz(xZero));
      const product = b.or(b.and(yZero, b.or(xZero, xInfinite)), b.and(yInfinite, one));
      b.when(b.eqz(b.or(undefinedLogarithm, product)), () => {
        const negative = b.let(b.or(xZero, b.ltU(exponentOf(b, xse), b.imm(BIAS))));
        const sign = b.let(b.xor(ySign, b.shl(negative, b.imm(15))));
        b.when(b.or(b.or(yInfinite, xInfinite), xZero), () => {
          const divided = b.select(b.and(xZero, b.eqz(yInfinite)), b.imm(ZE), denormal);
          setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), divided]);
        }, () => b.when(b.or(yZero, one), () => setResult(result, [b.imm64(0n), sign, denormal]), () => {
          const number = normalize(b, x, xse);
          setResult(result, timesLogarithm(b, y, yse, b.call(log2, number.value, b.imm64(0n), number.exponent)));
          result.flags.set(b.or(result.flags.get(), denormal));
        }));
      });
    });
    return finish(result);
  },
};
export const fyl2x = binaryPop(x87YLog2X);

/** (x) of a number above -1 and not zero -> (negative, wide number): log2(1 + x) */
const log2Plus1: SharedFunction = {
  name: "x87Log2Plus1", params: ["i64", "i32"], results: ["i32", "i64", "i64", "i32", "i32"],
  body: (b, [x, se]) => {
    const number = normalize(b, x, se);
    const negative = b.let(signOf(b, se));
    const sign = b.variable(negative), h = b.variable64(b.imm64(0n)), l = b.variable64(b.imm64(0n)), exponent = b.variable(b.imm(0));
    const rational = b.variable(b.imm(0));
    b.when(b.ltS(number.exponent, b.imm(BIAS - 2)), () => {
      // x over 2 + x; 2 is 2^126 here.
      const part = b.call(shiftRightSticky, number.value, b.imm64(0n), b.sub(b.imm(BIAS + 2), number.exponent));
      const two = constant128(b, 1n << 126n);
      const sum = select128(b, negative, subtract128(b, two, part), add128(b, two, part));
      const [dh, dl, de] = b.call(normalizeWide, sum[0], sum[1], b.imm(BIAS + 2));
      const [rh, rl, re] = b.call(log2OfRatio, number.value, b.imm64(0n), number.exponent, dh, dl, de);
      h.set(rh);
      l.set(rl);
      exponent.set(re);
    }, () => {
      // 1 + x itself: its lower bits count no more. The larger of both is 2^126 or twice that here.
      const large = b.let(b.select(b.ltS(number.exponent, b.imm(BIAS)), b.imm(BIAS), number.exponent));
      const part = b.call(shiftRightSticky, number.value, b.imm64(0n), b.add(b.sub(large, number.exponent), b.imm(1)));
      const one = b.call(shiftRightSticky, b.imm64(1n << 62n), b.imm64(0n), b.sub(large, b.imm(BIAS)));
      const sum = select128(b, negative, subtract128(b, one, part), add128(b, one, part));
      const [mh, ml, me] = b.call(normalizeWide, sum[0], sum[1], b.add(large, b.imm(1)));
      const [n, rh, rl, re, integer] = b.call(log2, mh, ml, me);
      sign.set(n);
      h.set(rh);
      l.set(rl);
      exponent.set(re);
      rational.set(integer);
    });
    return [sign.get(), h.get(), l.get(), exponent.get(), rational.get()];
  },
};

/** (y, x) -> y log2(x + 1). From -1 down, where the manual leaves the result open, x itself, as inexact. */
const x87YLog2XPlus1: SharedFunction = {
  name: "x87YLog2XPlus1", params: ["i64", "i32", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [y, yse, x, xse]) => {
    const result = resultOf(b);
    const denormal = b.let(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)));
    const yInfinite = b.let(isInfinite(b, yse)), xInfinite = b.let(isInfinite(b, xse));
    const sign = b.let(b.and(b.xor(xse, yse), b.imm(SIGN)));
    const xZero = b.let(b.eqz64(x)), yZero = b.let(b.eqz64(y));
    b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, y, yse, x, xse)), () => {
      const tooLow = b.let(b.and(signOf(b, xse), b.geU(exponentOf(b, xse), b.imm(BIAS))));
      const product = b.or(b.and(yZero, xInfinite), b.and(yInfinite, xZero));
      b.when(b.eqz(b.or(product, b.and(tooLow, xInfinite))), () => {
        b.when(b.or(yInfinite, xInfinite), () => setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), denormal]), () => {
          b.when(b.or(yZero, xZero), () => setResult(result, [b.imm64(0n), sign, denormal]), () => {
            b.when(tooLow, () => setResult(result, [x, xse, b.imm(PE)]), () => setResult(result, timesLogarithm(b, y, yse, b.call(log2Plus1, x, xse))));
            result.flags.set(b.or(result.flags.get(), denormal));
          });
        });
      });
    });
    return finish(result);
  },
};
export const fyl2xp1 = binaryPop(x87YLog2XPlus1);
