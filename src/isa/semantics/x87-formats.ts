// Conversions between the x87's extended format and the formats in memory: single, double and the binary integers.
// SDM Vol. 1, sections 4.2.2 "Floating-Point Data Types", 8.2 "x87 FPU Data Types", 4.8.3.7 "QNaN Floating-Point Indefinite".

import type { Builder, Instance, SharedFunction } from "../builder.ts";
import { BIAS, EXPONENT, exponentOf, INTEGER_BIT, isSignalling, isUnsupported, normalize, QUIET_BIT, SIGN, signOf } from "./x87-number.ts";
import { DE, finish, IE, PE, resultOf, setResult } from "./x87-registers.ts";
import { roundingMode, roundsUp, roundsUpToNearest, roundTo, shiftRightSticky } from "./x87-rounding.ts";

/** An interchange format: bits of the stored fraction, and the exponent of infinities and NaNs. */
interface RealFormat {
  readonly fractionBits: number;
  readonly infinity: number;
}
const SINGLE: RealFormat = { fractionBits: 23, infinity: 0xff };
const DOUBLE: RealFormat = { fractionBits: 52, infinity: 0x7ff };

/** Difference of the biases. */
function rebias(format: RealFormat): number {
  return BIAS - (format.infinity >> 1);
}

/** (bits, zero-extended) -> (significand, sign-exponent, DE or 0). A signalling NaN stays one. */
function widening(name: string, format: RealFormat): SharedFunction {
  const { fractionBits, infinity } = format;
  return {
    name, params: ["i64"], results: ["i64", "i32", "i32"],
    body: (b, [bits]) => {
      const high = b.let(b.wrap(b.shrU64(bits, b.imm64(BigInt(fractionBits)))));
      const sign = b.let(b.and(fractionBits === 52 ? b.shl(high, b.imm(4)) : b.shl(high, b.imm(7)), b.imm(SIGN)));
      const biased = b.let(b.and(high, b.imm(infinity)));
      const fraction = b.let64(b.shrU64(b.shl64(bits, b.imm64(BigInt(64 - fractionBits))), b.imm64(1n)));
      const result = resultOf(b);
      const exponent = b.select(b.eq(biased, b.imm(infinity)), b.imm(EXPONENT), b.add(biased, b.imm(rebias(format))));
      setResult(result, [b.or64(fraction, b.imm64(INTEGER_BIT)), b.or(exponent, sign), b.imm(0)]);
      b.when(b.eqz(biased), () => b.when(b.eqz64(fraction), () => setResult(result, [b.imm64(0n), sign, b.imm(0)]), () => {
        const shift = b.let64(b.clz64(fraction));
        setResult(result, [b.shl64(fraction, shift), b.or(b.sub(b.imm(rebias(format) + 1), b.wrap(shift)), sign), b.imm(DE)]);
      }));
      return finish(result);
    },
  };
}

export const widenSingle = widening("x87WidenSingle", SINGLE);
export const widenDouble = widening("x87WidenDouble", DOUBLE);

/** (significand, sign-exponent, control word) -> (bits, flags). */
function narrowing(name: string, format: RealFormat): SharedFunction {
  const { fractionBits, infinity } = format;
  const drop = 63 - fractionBits;
  return {
    name, params: ["i64", "i32", "i32"], results: ["i64", "i32"],
    body: (b, [value, se, control]) => {
      const fractionMask = b.imm64((1n << BigInt(fractionBits)) - 1n);
      const negative = b.let(signOf(b, se));
      const bits = b.variable64(b.imm64(((1n << 64n) - (1n << BigInt(fractionBits - 1))) & ((1n << BigInt(fractionBits === 52 ? 64 : 32)) - 1n)));
      const flags = b.variable(b.imm(IE));
      const pack = (fraction: typeof value, exponent: typeof value, raised: typeof value) => {
        const high = b.extendU(b.or(b.shl(negative, b.imm(fractionBits === 52 ? 11 : 8)), exponent));
        bits.set(b.or64(b.shl64(high, b.imm64(BigInt(fractionBits))), b.and64(b.shrU64(fraction, b.imm64(BigInt(drop))), fractionMask)));
        flags.set(raised);
      };
      const rebiased = b.let(b.sub(exponentOf(b, se), b.imm(rebias(format))));
      const inRange = b.and(b.ltU(b.sub(rebiased, b.imm(1)), b.imm(infinity - 2)), b.wrap(b.shrU64(value, b.imm64(63n))));
      // The usual case: a normal number, to the nearest.
      b.when(b.and(inRange, b.eqz(roundingMode(b, control))), () => {
        const kept = b.let64(b.shrU64(value, b.imm64(BigInt(drop))));
        const rest = b.let64(b.shl64(value, b.imm64(BigInt(64 - drop))));
        const up = b.let(roundsUpToNearest(b, b.wrap(b.and64(kept, b.imm64(1n))), rest));
        pack(value, rebiased, b.select(b.ne64(rest, b.imm64(0n)), b.or(b.imm(PE), b.shl(up, b.imm(9))), b.imm(0)));
        // A carry goes on into the exponent.
        bits.set(b.add64(bits.get(), b.extendU(up)));
      }, () => b.when(b.eqz(isUnsupported(b, value, se)), () => {
        b.when(b.eq(exponentOf(b, se), b.imm(EXPONENT)), () => {
          const nan = b.ne64(value, b.imm64(INTEGER_BIT));
          pack(b.or64(value, b.select64(nan, b.imm64(QUIET_BIT), b.imm64(0n))), b.imm(infinity), isSignalling(b, value, se));
        }, () => b.when(b.eqz64(value), () => pack(value, b.imm(0), b.imm(0)), () => {
          const number = normalize(b, value, se);
          const exponent = b.let(b.sub(number.exponent, b.imm(rebias(format))));
          const rounded = roundTo(b, { drop: b.imm64(BigInt(drop)), infinity, wraps: false }, negative, exponent, number.value, b.imm64(0n), control);
          pack(rounded.value, rounded.exponent, rounded.flags);
        }));
      }));
      return [bits.get(), flags.get()];
    },
  };
}

export const narrowSingle = narrowing("x87NarrowSingle", SINGLE);
export const narrowDouble = narrowing("x87NarrowDouble", DOUBLE);

/** (integer) -> (significand, sign-exponent) */
export const widenInteger: SharedFunction = {
  name: "x87WidenInteger", params: ["i64"], results: ["i64", "i32"],
  body: (b, [integer]) => {
    const negative = b.let(b.ltS64(integer, b.imm64(0n)));
    const magnitude = b.let64(b.select64(negative, b.sub64(b.imm64(0n), integer), integer));
    const shift = b.let64(b.clz64(magnitude));
    const exponent = b.sub(b.imm(BIAS + 63), b.wrap(shift));
    return [b.shl64(magnitude, shift), b.or(b.shl(negative, b.imm(15)), b.select(b.eqz64(magnitude), b.imm(0), exponent))];
  },
};

/** (significand, sign-exponent of a finite number, rounding mode) -> (magnitude as an integer, PE and C1 flags). Below 2^64 only. */
export const roundToInteger: SharedFunction = {
  name: "x87RoundToInteger", params: ["i64", "i32", "i32"], results: ["i64", "i32"],
  body: (b, [value, se, mode]) => {
    const number = normalize(b, value, se);
    const distance = b.let(b.sub(b.imm(BIAS + 63), number.exponent));
    const [whole, rest] = b.call(shiftRightSticky, number.value, b.imm64(0n), distance);
    const up = b.let(roundsUp(b, signOf(b, se), b.wrap(b.and64(whole, b.imm64(1n))), rest, mode));
    const flags = b.select(b.ne64(rest, b.imm64(0n)), b.or(b.imm(PE), b.shl(up, b.imm(9))), b.imm(0));
    return [b.add64(whole, b.extendU(up)), flags];
  },
};

/** (significand, sign-exponent, rounding mode, bits of the destination) -> (integer, flags); the integer indefinite where it does not fit. */
export const narrowInteger: SharedFunction = {
  name: "x87NarrowInteger", params: ["i64", "i32", "i32", "i32"], results: ["i64", "i32"],
  body: (b, [value, se, mode, bits]) => {
    const largest = b.let64(b.shrU64(b.imm64(~0n), b.extendU(b.sub(b.imm(65), bits))));
    const result = b.variable64(b.add64(largest, b.imm64(1n)));
    const flags = b.variable(b.imm(IE));
    const inRange = b.and(b.ltU(exponentOf(b, se), b.imm(BIAS + 64)), b.eqz(isUnsupported(b, value, se)));
    b.when(inRange, () => {
      const [magnitude, raised] = b.call(roundToInteger, value, se, mode);
      const negative = b.let(signOf(b, se));
      // Rounding up from 2^64 - 1/2 gives 0 with the carry lost: it exceeds every destination too.
      const lost = b.and(b.eqz64(magnitude), b.eq(exponentOf(b, se), b.imm(BIAS + 63)));
      const fits = b.eqz(b.or(lost, b.ltU64(b.add64(largest, b.extendU(negative)), magnitude)));
      b.when(fits, () => {
        result.set(b.select64(negative, b.sub64(b.imm64(0n), magnitude), magnitude));
        flags.set(raised);
      });
    });
    return [result.get(), flags.get()];
  },
};

/** Reads a memory operand op[0] as an extended value: significand, sign-exponent, DE or 0. */
export type ExtendedOperand = <V>(b: Builder<V>, i: Instance<V>) => readonly V[];

/** m32fp or m64fp; a normal number in place. */
export const memoryReal: ExtendedOperand = (b, i) => {
  const isSingle = i.op[0].width === 4;
  const bits = isSingle ? b.let64(b.extendU(i.op[0].read(b))) : b.let64(i.op[0].read(b));
  const { fractionBits, infinity } = isSingle ? SINGLE : DOUBLE;
  const high = b.let(b.wrap(b.shrU64(bits, b.imm64(BigInt(fractionBits)))));
  const biased = b.let(b.and(high, b.imm(infinity)));
  const value = b.variable64(b.or64(b.shl64(bits, b.imm64(BigInt(63 - fractionBits))), b.imm64(INTEGER_BIT)));
  const sign = b.and(b.shl(high, b.imm(isSingle ? 7 : 4)), b.imm(SIGN));
  const se = b.variable(b.or(sign, b.add(biased, b.imm(rebias(isSingle ? SINGLE : DOUBLE)))));
  const raised = b.variable(b.imm(0));
  b.when(b.geU(b.sub(biased, b.imm(1)), b.imm(infinity - 1)), () => {
    const [wide, wideSe, flags] = b.call(isSingle ? widenSingle : widenDouble, bits);
    value.set(wide);
    se.set(wideSe);
    raised.set(flags);
  });
  return [value.get(), se.get(), raised.get()];
};

/** m16int, m32int or m64int. */
export const memoryInteger: ExtendedOperand = (b, i) => {
  const place = i.op[0];
  const bits = place.read(b);
  const integer = place.width === 8 ? bits : b.extendS(b.signExtend(bits, place.width === 2 ? 2 : 4));
  return [...b.call(widenInteger, integer), b.imm(0)];
};
