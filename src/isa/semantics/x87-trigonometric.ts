// FSIN FCOS FSINCOS FPTAN. SDM Vol. 1, sections 8.3.7 "Trigonometric Instructions" and 8.3.8 "Approximation of Pi": angles are
// reduced by a pi of 66 bits. Results are within 0.51 ulp of the function so defined.

import type { SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FSW } from "../state-layout.ts";
import {
  constant128, divideReals, fractionToWide, less128, multiplyFractions, multiplyReals, normalizeWide, ONE, select128, series, subtract128,
  wideToFraction,
} from "./wide-reals.ts";
import { product } from "./wide-integers.ts";
import { x87Nan } from "./x87-arithmetic.ts";
import { BIAS, denormalFlag, exponentOf, INTEGER_BIT, isInfinite, isNan, normalize, signOf } from "./x87-number.ts";
import {
  begin, C1, C2, emptyFlags, finish, FULL_STACK, IE, isEmpty, push, raise, remember, resultOf, setResult, settle, signExponent, significand, stackRegister,
  writeRegister,
} from "./x87-registers.ts";
import { roundIrrational } from "./x87-rounding.ts";

/** Pi to 66 bits, times 2^64. */
const PI_66 = 0x3_243f_6a88_85a3_08d3n;
/** 2/pi times 2^64, by that pi. */
const INVERSE = (1n << 129n) / PI_66;

/** 1/first! 1/(first+2)! ... over 2^128; 1 as the largest fraction. */
function inverseFactorials(first: number, count: number): bigint[] {
  const coefficients: bigint[] = [];
  let factorial = 1n;
  for (let n = 2, k = 0; k < count; k++) {
    for (; n <= first + 2 * k; n++) factorial *= BigInt(n);
    coefficients.push(factorial === 1n ? ONE - 1n : ONE / factorial);
  }
  return coefficients;
}
/** sin(x) / x and cos(x) by x^2 up to (pi/4)^2. */
const sineSeries = series("sineSeries", inverseFactorials(1, 13), true, 0.617);
const cosineSeries = series("cosineSeries", inverseFactorials(0, 13), true, 0.617);

/**
 * (significand, exponent) of a normalized magnitude below 2^63 -> (high, low, exponent, quadrant, negative): the angle as
 * quadrant x pi/2 + (-)r, with r up to pi/4 as a wide number.
 */
const reduceAngle: SharedFunction = {
  name: "x87ReduceAngle", params: ["i64", "i32"], results: ["i64", "i64", "i32", "i32", "i32"],
  body: (b, [value, exponent]) => {
    const high = b.variable64(value), low = b.variable64(b.imm64(0n)), exp = b.variable(exponent);
    const quadrant = b.variable(b.imm(0)), negative = b.variable(b.imm(0));
    b.when(b.geS(exponent, b.imm(BIAS - 1)), () => {
      // The magnitude times 2^65 is an integer of at most 128 bits; pi/2 times 2^65 is PI_66.
      const shift = b.let(b.sub(exponent, b.imm(BIAS - 2)));
      const whole = b.let(b.eq(shift, b.imm(64)));
      const top = b.let64(b.select64(whole, value, b.shrU64(value, b.extendU(b.sub(b.imm(64), shift)))));
      const bottom = b.let64(b.select64(whole, b.imm64(0n), b.shl64(value, b.extendU(shift))));
      // By the reciprocal of pi/2: the quotient of at most 63 bits comes out right or 1 too small.
      const [scaled] = product(b, value, b.imm64(INVERSE));
      const estimate = b.let64(b.shrU64(b.shrU64(scaled, b.imm64(1n)), b.extendU(b.sub(b.imm(64), shift))));
      const divisor = constant128(b, PI_66);
      const [multipleHigh, multipleLow] = product(b, estimate, divisor[1]);
      const multiple = [b.add64(multipleHigh, b.mul64(estimate, divisor[0])), multipleLow];
      const difference = subtract128(b, [top, bottom], multiple);
      const under = b.let(b.eqz(less128(b, difference, divisor)));
      const rest = select128(b, under, subtract128(b, difference, divisor), difference);
      const turns = b.add(b.wrap(estimate), under);
      const opposite = subtract128(b, divisor, rest);
      const nearer = b.let(less128(b, opposite, rest));
      quadrant.set(b.and(b.add(turns, nearer), b.imm(3)));
      negative.set(nearer);
      const nearest = select128(b, nearer, opposite, rest);
      const [h, l, e] = b.call(normalizeWide, nearest[0], nearest[1], b.imm(BIAS + 62));
      high.set(h);
      low.set(l);
      exp.set(e);
    });
    return [high.get(), low.get(), exp.get(), quadrant.get(), negative.get()];
  },
};

/** (r, at most pi/4, as a wide number) -> (sin r or cos r) */
const sineOrCosine: SharedFunction = {
  name: "x87SineOrCosine", params: ["i64", "i64", "i32", "i32"], results: ["i64", "i64", "i32"],
  body: (b, [high, low, exponent, cosine]) => {
    const [fh, fl] = wideToFraction(b, [high, low, exponent]);
    const [zh, zl] = b.call(multiplyFractions, fh, fl, fh, fl);
    const h = b.variable64(b.imm64(0n)), l = b.variable64(b.imm64(0n)), e = b.variable(b.imm(0));
    const set = (wide: readonly (typeof high)[]) => {
      h.set(wide[0]);
      l.set(wide[1]);
      e.set(wide[2]);
    };
    b.when(cosine, () => set(fractionToWide(b, b.call(cosineSeries, zh, zl))), () => {
      const [qh, ql, qe] = fractionToWide(b, b.call(sineSeries, zh, zl));
      set(b.call(multiplyReals, high, low, exponent, qh, ql, qe));
    });
    return [h.get(), l.get(), e.get()];
  },
};

/** (significand, sign-exponent of a finite number, function) -> result; the function is 0 sine, 1 cosine, 2 tangent. C2: 2^63 or more. */
const x87Circular: SharedFunction = {
  name: "x87Circular", params: ["i64", "i32", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [value, se, kind]) => {
    const result = resultOf(b);
    const cosine = b.let(b.eq(kind, b.imm(1))), tangent = b.let(b.eq(kind, b.imm(2)));
    b.when(b.gtU(exponentOf(b, se), b.imm(BIAS + 62)), () => setResult(result, [value, se, b.imm(C2)]), () => {
      b.when(b.eqz64(value), () => {
        setResult(result, [b.select64(cosine, b.imm64(INTEGER_BIT), value), b.select(cosine, b.imm(BIAS), se), b.imm(0)]);
      }, () => {
        const number = normalize(b, value, se);
        const [high, low, exponent, quadrant, negative] = b.call(reduceAngle, number.value, number.exponent);
        const turned = b.let(b.and(b.add(quadrant, cosine), b.imm(3)));
        const odd = b.let(b.and(turned, b.imm(1)));
        const sine = b.let(b.xor(signOf(b, se), negative));
        b.when(tangent, () => {
          const [nh, nl, ne] = b.call(sineOrCosine, high, low, exponent, odd);
          const [dh, dl, de] = b.call(sineOrCosine, high, low, exponent, b.eqz(odd));
          const [qh, ql, qe] = b.call(divideReals, nh, nl, ne, dh, dl, de);
          // Where the quotient cannot show that tan x is above x.
          const tiny = b.let(b.ltS(number.exponent, b.imm(BIAS - 40)));
          const wide = [b.select64(tiny, number.value, qh), b.select64(tiny, b.imm64(0n), ql), b.select(tiny, number.exponent, qe)];
          roundIrrational(b, result, b.xor(sine, odd), wide);
        }, () => {
          const ofSine = b.select(odd, b.xor(sine, negative), sine);
          const sign = b.xor(b.select(cosine, b.select(odd, b.imm(0), negative), ofSine), b.shrU(turned, b.imm(1)));
          roundIrrational(b, result, sign, b.call(sineOrCosine, high, low, exponent, odd));
        });
        result.flags.set(b.or(result.flags.get(), denormalFlag(b, value, se)));
      });
    });
    return finish(result);
  },
};

const SINE = 0, COSINE = 1, TANGENT = 2;

/** ST(0) becomes a function of it; `pushed`, where there is one, is pushed above. */
function circular(first: number, pushed: "cosine" | "one" | null): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0));
    const value = significand(b, top), se = signExponent(b, top);
    const empty = b.let(emptyFlags(b, top));
    const full = pushed ? b.select(isEmpty(b, stackRegister(b, b.imm(-1))), b.imm(0), b.imm(FULL_STACK)) : b.imm(0);
    const stackFault = b.let(b.select(empty, empty, full));
    const x = resultOf(b), y = resultOf(b);
    x.flags.set(b.select(stackFault, stackFault, b.imm(IE)));
    b.when(b.eqz(stackFault), () => b.when(isNan(b, value, se), () => {
      const nan = b.call(x87Nan, value, se, value, se);
      setResult(x, nan);
      setResult(y, nan);
    }, () => b.when(b.eqz(isInfinite(b, se)), () => {
      setResult(x, b.call(x87Circular, value, se, b.imm(first)));
      if (pushed === "one") setResult(y, [b.imm64(INTEGER_BIT), b.imm(BIAS), b.imm(0)]);
      if (pushed === "cosine") {
        setResult(y, b.call(x87Circular, value, se, b.imm(COSINE)));
        x.flags.set(b.or(x.flags.get(), y.flags.get()));
      }
    })));
    const flags = b.let(x.flags.get());
    if (!pushed) {
      settle(b, top, x.value.get(), x.se.get(), flags, C1 | C2);
      return;
    }
    if (b.stackKnown) b.insist(b.or(stackFault, b.and(flags, b.imm(C2))));
    const pushes = b.stackKnown ? b.imm(1) : b.eqz(b.and(flags, b.imm(C2)));
    b.when(b.and(raise(b, flags, C1 | C2), pushes), () => {
      writeRegister(b, top, x.value.get(), x.se.get());
      push(b, y.value.get(), y.se.get(), b.imm(0));
      // The push has set C1 as for itself.
      b.set(FSW, b.or(b.and(b.get(FSW), b.imm(~C1)), b.and(flags, b.imm(C1))));
    });
  };
}

export const fsin = circular(SINE, null);
export const fcos = circular(COSINE, null);
export const fsincos = circular(SINE, "cosine");
export const fptan = circular(TANGENT, "one");
