// Numbers of SSE and SSE2: single and double precision, their parts and classes, and MXCSR. SDM Vol. 1, sections 4.8 "Real Numbers and
// Floating-Point Formats", 10.2.3 "MXCSR Control and Status Register", 11.5 "SSE, SSE2, and SSE3 Exceptions".

import type { Builder, SharedFunction } from "../builder.ts";
import { CR4, MXCSR } from "../state-layout.ts";

/** Exception flags of MXCSR; their masks are MASKS bits higher. */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20;
const MASKS = 7;
const FLAGS = 0x3f;
/** Known before the result is. */
const BEFORE_RESULT = IE | DE | ZE;
export const DENORMALS_ARE_ZEROS = 0x40, PM = PE << MASKS, UM = UE << MASKS, OM = OE << MASKS, ROUNDING = 0x6000, FLUSH_TO_ZERO = 0x8000;
const CR4_OSXMMEXCPT = 0x400;
const SIMD_FLOATING_POINT = 19, UNDEFINED_OPCODE = 6;

export interface Format {
  readonly name: "32" | "64";
  readonly bits: 32 | 64;
  readonly lanes: 4 | 2;
  readonly integers: "i32x4" | "i64x2";
  readonly reals: "f32x4" | "f64x2";
  readonly fractionBits: number;
  /** Biased exponent of infinities and NaNs. */
  readonly infinity: number;
  readonly bias: number;
}
export const SINGLE: Format = { name: "32", bits: 32, lanes: 4, integers: "i32x4", reals: "f32x4", fractionBits: 23, infinity: 0xff, bias: 0x7f };
export const DOUBLE: Format = { name: "64", bits: 64, lanes: 2, integers: "i64x2", reals: "f64x2", fractionBits: 52, infinity: 0x7ff, bias: 0x3ff };

/** Bit patterns of a format. */
export const signBit = (f: Format) => 1n << BigInt(f.bits - 1);
export const infinityBits = (f: Format) => BigInt(f.infinity) << BigInt(f.fractionBits);
export const quietBit = (f: Format) => 1n << BigInt(f.fractionBits - 1);
export const defaultNan = (f: Format) => signBit(f) | infinityBits(f) | quietBit(f);
export const leastNormal = (f: Format) => 1n << BigInt(f.fractionBits);

/** The pattern in every lane. */
export function everywhere<V>(b: Builder<V>, f: Format, pattern: bigint): V {
  let bits = 0n;
  for (let lane = 0; lane < f.lanes; lane++) bits |= pattern << BigInt(lane * f.bits);
  return b.imm128(bits);
}

/** A lane's pattern as a 64-bit value. */
export function laneBits<V>(b: Builder<V>, f: Format, vector: V, lane: number): V {
  const value = b.lane(f.integers, vector, lane);
  return f.bits === 64 ? value : b.extendU(value);
}
export function withLaneBits<V>(b: Builder<V>, f: Format, vector: V, lane: number, bits: V): V {
  return b.withLane(f.integers, vector, lane, f.bits === 64 ? bits : b.wrap(bits));
}

export const magnitude = <V>(b: Builder<V>, f: Format, x: V): V => b.and64(x, b.imm64(signBit(f) - 1n));
export const isNan = <V>(b: Builder<V>, f: Format, x: V): V => b.ltU64(b.imm64(infinityBits(f)), magnitude(b, f, x));
export const isInfinite = <V>(b: Builder<V>, f: Format, x: V): V => b.eq64(b.imm64(infinityBits(f)), magnitude(b, f, x));
export const isZero = <V>(b: Builder<V>, f: Format, x: V): V => b.eqz64(magnitude(b, f, x));
/** 0 or 1. */
export const signOf = <V>(b: Builder<V>, f: Format, x: V): V => b.wrap(b.shrU64(x, b.imm64(BigInt(f.bits - 1))));
export function isSignalling<V>(b: Builder<V>, f: Format, x: V): V {
  return b.and(isNan(b, f, x), b.eqz64(b.and64(x, b.imm64(quietBit(f)))));
}
function isDenormal<V>(b: Builder<V>, f: Format, x: V): V {
  return b.ltU64(b.sub64(magnitude(b, f, x), b.imm64(1n)), b.imm64(leastNormal(f) - 1n));
}
export const denormalFlag = <V>(b: Builder<V>, f: Format, x: V): V => b.shl(isDenormal(b, f, x), b.imm(1));

/** With denormals-are-zeros, a zero for a denormal operand. */
export function flushOperand<V>(b: Builder<V>, f: Format, x: V, mxcsr: V): V {
  const flushed = b.and(b.ne(b.and(mxcsr, b.imm(DENORMALS_ARE_ZEROS)), b.imm(0)), isDenormal(b, f, x));
  return b.let64(b.select64(flushed, b.and64(x, b.imm64(signBit(f))), x));
}

/** A finite number as significand with bit 63 set (or 0) and a biased exponent without lower limit. */
export function unpack<V>(b: Builder<V>, f: Format, x: V): { significand: V; exponent: V } {
  const biased = b.let(b.and(b.wrap(b.shrU64(x, b.imm64(BigInt(f.fractionBits)))), b.imm(f.infinity)));
  const normal = b.let(b.ne(biased, b.imm(0)));
  const fraction = b.and64(b.shl64(x, b.imm64(BigInt(63 - f.fractionBits))), b.imm64((1n << 63n) - 1n));
  const unnormalized = b.let64(b.or64(fraction, b.shl64(b.extendU(normal), b.imm64(63n))));
  const shift = b.let64(b.clz64(unnormalized));
  return {
    significand: b.let64(b.shl64(unnormalized, shift)),
    exponent: b.let(b.sub(b.add(biased, b.eqz(normal)), b.wrap(shift))),
  };
}

/** (flags) -> nonzero if one of them is unmasked. Sets the sticky flags; what the result showed only where there was to be one. */
export const sseRaise: SharedFunction = {
  name: "sseRaise", params: ["i32"], results: ["i32"],
  body: (b, [flags]) => {
    const mxcsr = b.let(b.get(MXCSR));
    const unmasked = b.let(b.xor(b.shrU(mxcsr, b.imm(MASKS)), b.imm(-1)));
    const stopped = b.and(b.and(flags, unmasked), b.imm(BEFORE_RESULT));
    const raised = b.let(b.and(flags, b.select(stopped, b.imm(BEFORE_RESULT), b.imm(FLAGS))));
    b.set(MXCSR, b.or(mxcsr, raised));
    return [b.and(raised, unmasked)];
  },
};

/** As sseRaise, and the fault: #XM where the operating system handles it, else #UD. */
export function raiseFlags<V>(b: Builder<V>, flags: V): void {
  const raised = b.let(flags);
  b.when(raised, () => faultIf(b, b.call(sseRaise, raised)[0]));
}

export function faultIf<V>(b: Builder<V>, unmasked: V): void {
  b.when(unmasked, () => {
    b.when(b.and(b.get(CR4), b.imm(CR4_OSXMMEXCPT)), () => b.raise(SIMD_FLOATING_POINT), () => b.raise(UNDEFINED_OPCODE));
  });
}
