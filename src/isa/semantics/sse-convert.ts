// Conversions of SSE and SSE2 between single and double precision and 32-bit integers, and the approximations RCP and RSQRT.
// SDM Vol. 1, sections 10.4.1.2 (RCPPS, RSQRTPS), 10.4.3, 11.4.1.6, 11.4.2; Vol. 2, the instructions' own pages.

import type { Builder, Place, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { MXCSR } from "../state-layout.ts";
import {
  defaultNan, DENORMALS_ARE_ZEROS, denormalFlag, DOUBLE, everywhere, flushOperand, type Format, infinityBits, isInfinite, isNan, isSignalling, isZero,
  laneBits, leastNormal, PE, PM, quietBit, raiseFlags, ROUNDING, signBit, signOf, SINGLE, unpack,
} from "./sse-number.ts";
import { beginBoth, beginSse, enterMmx, readPacked, writeMmx } from "./sse-registers.ts";
import { roundingMode, roundTo } from "./sse-rounding.ts";

const WIDER = BigInt(DOUBLE.fractionBits - SINGLE.fractionBits);

/** (single) -> (double, flags) */
const sseWiden: SharedFunction = {
  name: "sseWiden", params: ["i64"], results: ["i64", "i32"],
  body: (b, [given]) => {
    const x = flushOperand(b, SINGLE, given, b.get(MXCSR));
    const bits = b.variable64(b.lane("i64x2", b.vector("f64x2.promote_low_f32x4", b.splat("i64x2", x)), 0));
    const flags = b.variable(denormalFlag(b, SINGLE, x));
    b.when(isNan(b, SINGLE, x), () => {
      const sign = b.shl64(b.extendU(signOf(b, SINGLE, x)), b.imm64(63n));
      const payload = b.shl64(b.and64(x, b.imm64(leastNormal(SINGLE) - 1n)), b.imm64(WIDER));
      bits.set(b.or64(b.or64(sign, payload), b.imm64(infinityBits(DOUBLE) | quietBit(DOUBLE))));
      flags.set(isSignalling(b, SINGLE, x));
    });
    return [bits.get(), flags.get()];
  },
};

/** PE is set already, and to the nearest is what the host rounds. */
function hostRounds<V>(b: Builder<V>, mxcsr: V): V {
  return b.eq(b.and(mxcsr, b.imm(ROUNDING | PM | PE)), b.imm(PM | PE));
}

/** Doubles that are normal singles beyond doubt, whatever the rounding: from 2^-125 to below 2^127. */
const SAFE_LOW = BigInt(DOUBLE.bias - 125) << 52n, SAFE_HIGH = BigInt(DOUBLE.bias + 127) << 52n;

/** (double) -> (single, flags) */
const sseNarrow: SharedFunction = {
  name: "sseNarrow", params: ["i64"], results: ["i64", "i32"],
  body: (b, [given]) => {
    const mxcsr = b.let(b.get(MXCSR));
    const x = flushOperand(b, DOUBLE, given, mxcsr);
    const magnitude = b.let64(b.and64(x, b.imm64(signBit(DOUBLE) - 1n)));
    const negative = b.let(signOf(b, DOUBLE, x));
    const sign = b.let64(b.shl64(b.extendU(negative), b.imm64(31n)));
    const bits = b.variable64(b.or64(sign, b.imm64(infinityBits(SINGLE)))), flags = b.variable(b.imm(0));
    const safe = b.ltU64(b.sub64(magnitude, b.imm64(SAFE_LOW)), b.imm64(SAFE_HIGH - SAFE_LOW));
    b.when(b.and(hostRounds(b, mxcsr), safe), () => {
      bits.set(b.extendU(b.lane("i32x4", b.vector("f32x4.demote_f64x2_zero", b.splat("i64x2", x)), 0)));
    }, () => b.when(isNan(b, DOUBLE, x), () => {
      const payload = b.and64(b.shrU64(x, b.imm64(WIDER)), b.imm64(leastNormal(SINGLE) - 1n));
      bits.set(b.or64(b.or64(sign, payload), b.imm64(infinityBits(SINGLE) | quietBit(SINGLE))));
      flags.set(isSignalling(b, DOUBLE, x));
    }, () => b.when(isZero(b, DOUBLE, x), () => bits.set(sign), () => b.when(b.eqz(isInfinite(b, DOUBLE, x)), () => {
      const { significand, exponent } = unpack(b, DOUBLE, x);
      const [rounded, raised] = roundTo(b, SINGLE, negative, b.sub(exponent, b.imm(DOUBLE.bias - SINGLE.bias)), significand, mxcsr);
      bits.set(rounded);
      flags.set(b.or(raised, denormalFlag(b, DOUBLE, x)));
    }))));
    return [bits.get(), flags.get()];
  },
};

/** (integer) -> (single, flags) */
const sseFromInteger: SharedFunction = {
  name: "sseFromInteger", params: ["i32"], results: ["i32", "i32"],
  body: (b, [integer]) => {
    const mxcsr = b.let(b.get(MXCSR));
    const bits = b.variable(b.lane("i32x4", b.vector("f32x4.convert_i32x4_s", b.splat("i32x4", integer)), 0)), flags = b.variable(b.imm(0));
    b.when(b.eqz(b.or(hostRounds(b, mxcsr), b.eqz(integer))), () => {
      const negative = b.let(b.ltS(integer, b.imm(0)));
      const value = b.let64(b.extendS(integer));
      const magnitude = b.let64(b.select64(negative, b.sub64(b.imm64(0n), value), value));
      const shift = b.let64(b.clz64(magnitude));
      const [rounded, raised] = roundTo(b, SINGLE, negative, b.sub(b.imm(SINGLE.bias + 63), b.wrap(shift)), b.shl64(magnitude, shift), mxcsr);
      bits.set(b.wrap(rounded));
      flags.set(raised);
    });
    return [bits.get(), flags.get()];
  },
};

const TWO_31 = 0x41e0_0000_0000_0000n, MINUS_TWO_31 = TWO_31 | (1n << 63n);
const INTEGER_INDEFINITE = 0x8000_0000_8000_0000n;

/** (two doubles, rounding mode) -> (two integers below zeros, flags); the integer indefinite where one does not fit. */
const sseToIntegers: SharedFunction = {
  name: "sseToIntegers", params: ["v128", "i32"], results: ["v128", "i32"],
  body: (b, [value, mode]) => {
    const rounded = b.variable128(b.vector("f64x2.nearest", value));
    b.when(mode, () => b.when(b.eq(mode, b.imm(3)), () => rounded.set(b.vector("f64x2.trunc", value)), () => {
      rounded.set(b.select128(b.eq(mode, b.imm(1)), b.vector("f64x2.floor", value), b.vector("f64x2.ceil", value)));
    }));
    const whole = rounded.get();
    const valid = b.let128(b.vector("v128.and", b.vector("f64x2.le", everywhere(b, DOUBLE, MINUS_TWO_31), whole), b.vector("f64x2.lt", whole, everywhere(b, DOUBLE, TWO_31))));
    const inexact = b.vector("v128.and", valid, b.vector("f64x2.ne", whole, value));
    const low = b.shuffle(valid, b.imm128(0n), [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23]);
    const integers = b.vector("v128.bitselect", b.vector("i32x4.trunc_sat_f64x2_s_zero", whole), b.imm128(INTEGER_INDEFINITE), low);
    const invalid = b.vectorTest("v128.any_true", b.vector("v128.not", valid));
    return [integers, b.or(invalid, b.shl(b.vectorTest("v128.any_true", inexact), b.imm(5)))];
  },
};

/** Zeros for denormal numbers, where denormals are zeros: else they are inexact. */
function flushLanes<V>(b: Builder<V>, f: Format, value: V): V {
  const absolute = everywhere(b, f, signBit(f) - 1n);
  const tiny = b.vector(`${f.integers}.lt_s`, b.vector("v128.and", value, absolute), everywhere(b, f, leastNormal(f)));
  const flushes = b.and(b.get(MXCSR), b.imm(DENORMALS_ARE_ZEROS));
  return b.let128(b.select128(flushes, b.vector("v128.andnot", value, b.vector("v128.and", tiny, absolute)), value));
}

const TRUNCATE = 3;
/** Integers of the lanes of singles or doubles, in the low lanes, and their flags. */
function integersOf<V>(b: Builder<V>, f: Format, given: V, truncates: boolean, lanes: number): readonly [V, V] {
  const mode = b.let(truncates ? b.imm(TRUNCATE) : roundingMode(b, b.get(MXCSR)));
  const value = flushLanes(b, f, given);
  if (f.bits === 64) return b.call(sseToIntegers, value, mode) as [V, V];
  const [low, lowFlags] = b.call(sseToIntegers, b.vector("f64x2.promote_low_f32x4", value), mode);
  if (lanes === 2) return [low, lowFlags];
  const upper = b.shuffle(value, value, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
  const [high, highFlags] = b.call(sseToIntegers, b.vector("f64x2.promote_low_f32x4", upper), mode);
  return [b.shuffle(low, high, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]), b.or(lowFlags, highFlags)];
}

/** Reads the source. An MMX register, which is the x87's, makes the registers MMX ones, whatever exception follows; memory does not. */
function source<V>(b: Builder<V>, place: Place<V>, isMmx: boolean): V {
  const onMmx = isMmx && !place.isMemory;
  (onMmx ? beginBoth : beginSse)(b);
  const value = b.let128(readPacked(b, place));
  if (onMmx) enterMmx(b);
  return value;
}

/** CVTPS2DQ CVTPD2DQ CVTSS2SI CVTSD2SI and, truncating, CVTT...; by the destination. */
function toIntegers(f: Format, truncates: boolean): Semantics {
  return (b, i) => {
    const [destination, from] = i.op;
    const onMmx = destination.width === 8;
    (onMmx ? beginBoth : beginSse)(b);
    const value = b.let128(readPacked(b, from));
    if (onMmx) enterMmx(b);
    const [integers, flags] = integersOf(b, f, value, truncates, destination.width === 16 ? f.lanes : 2);
    raiseFlags(b, flags);
    if (destination.width === 16) destination.write(b, integers);
    else if (onMmx) writeMmx(b, destination, b.let64(b.lane("i64x2", integers, 0)));
    else destination.write(b, b.lane("i32x4", integers, 0));
  };
}
export const singleToIntegers = toIntegers(SINGLE, false), singleTruncated = toIntegers(SINGLE, true);
export const doubleToIntegers = toIntegers(DOUBLE, false), doubleTruncated = toIntegers(DOUBLE, true);

/** CVTDQ2PS CVTPI2PS CVTSI2SS: as many lanes as the destination has. */
export const integersToSingle: Semantics = (b, i) => {
  const [destination, from] = i.op;
  const value = source(b, from, destination.width === 8);
  let result = value, flags = b.imm(0);
  for (let lane = 0; lane < destination.width / 4; lane++) {
    const [bits, raised] = b.call(sseFromInteger, b.lane("i32x4", value, lane));
    result = b.let128(b.withLane("i32x4", result, lane, bits));
    flags = b.or(flags, raised);
  }
  raiseFlags(b, flags);
  destination.write(b, destination.width === 16 ? result : destination.width === 8 ? b.lane("i64x2", result, 0) : b.lane("i32x4", result, 0));
};

/** CVTDQ2PD CVTSI2SD: always exact. */
export const integersToDouble: Semantics = (b, i) => {
  const [destination, from] = i.op;
  const result = b.vector("f64x2.convert_low_i32x4_s", source(b, from, false));
  destination.write(b, destination.width === 16 ? result : b.lane("i64x2", result, 0));
};

export const cvtpi2pd: Semantics = (b, i) => {
  i.op[0].write(b, b.vector("f64x2.convert_low_i32x4_s", source(b, i.op[1], true)));
};

/** CVTPS2PD CVTSS2SD */
export const widen: Semantics = (b, i) => {
  const [destination, from] = i.op;
  const value = source(b, from, false);
  const [low, lowFlags] = b.call(sseWiden, laneBits(b, SINGLE, value, 0));
  if (destination.width === 8) {
    raiseFlags(b, lowFlags);
    destination.write(b, low);
    return;
  }
  const [high, highFlags] = b.call(sseWiden, laneBits(b, SINGLE, value, 1));
  raiseFlags(b, b.or(lowFlags, highFlags));
  destination.write(b, b.withLane("i64x2", b.splat("i64x2", low), 1, high));
};

/** CVTPD2PS CVTSD2SS */
export const narrow: Semantics = (b, i) => {
  const [destination, from] = i.op;
  const value = source(b, from, false);
  const [low, lowFlags] = b.call(sseNarrow, b.lane("i64x2", value, 0));
  if (destination.width === 4) {
    raiseFlags(b, lowFlags);
    destination.write(b, b.wrap(low));
    return;
  }
  const [high, highFlags] = b.call(sseNarrow, b.lane("i64x2", value, 1));
  raiseFlags(b, b.or(lowFlags, highFlags));
  const both = b.or64(low, b.shl64(high, b.imm64(32n)));
  destination.write(b, b.withLane("i64x2", b.imm128(0n), 0, both));
};

const ONE = 0x3f80_0000n;
/** Rounds to 12 bits of significand. */
const HALF_UNIT = 0x800n, KEPT = 0xffff_f000n;

/**
 * RCPPS RSQRTPS and their scalar forms, which raise nothing: denormal numbers are zeros here, as operands and as results. The manual
 * promises a relative error of at most 1.5 * 2^-12 and leaves the bits to the processor; these are right to 2^-12.
 */
function approximation(f: Format, ofRoot: boolean): Semantics {
  return (b, i) => {
    beginSse(b);
    const [destination, from] = i.op;
    const given = b.let128(readPacked(b, from));
    const pattern = (bits: bigint) => everywhere(b, f, bits);
    const sign = b.let128(b.vector("v128.and", given, pattern(signBit(f))));
    const flush = (value: typeof given) => {
      const tiny = b.vector("i32x4.lt_s", b.vector("v128.and", value, pattern(signBit(f) - 1n)), pattern(leastNormal(f)));
      return b.let128(b.vector("v128.bitselect", sign, value, tiny));
    };
    const x = flush(given);
    const divisor = ofRoot ? b.vector("f32x4.sqrt", x) : x;
    const rounded = b.vector("v128.and", b.vector("i32x4.add", b.vector("f32x4.div", pattern(ONE), divisor), pattern(HALF_UNIT)), pattern(KEPT));
    let result = b.let128(flush(b.let128(rounded)));
    if (ofRoot) result = b.let128(b.vector("v128.bitselect", pattern(defaultNan(f)), result, b.vector("f32x4.lt", x, b.imm128(0n))));
    const quieted = b.vector("v128.or", given, pattern(quietBit(f)));
    result = b.let128(b.vector("v128.bitselect", quieted, result, b.vector("f32x4.ne", given, given)));
    destination.write(b, destination.width === 16 ? result : b.lane("i32x4", result, 0));
  };
}
export const reciprocal = approximation(SINGLE, false), reciprocalRoot = approximation(SINGLE, true);
