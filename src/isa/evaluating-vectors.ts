// The lane-wise operations of vector-operation.ts on whole numbers, lane by lane: obvious and slow.

import type { VectorOperation, VectorShift, VectorTest } from "./vector-operation.ts";

type Lanes = readonly bigint[];

export function split(bits: bigint, width: number): bigint[] {
  const lanes: bigint[] = [];
  for (let at = 0; at < 128; at += width) lanes.push((bits >> BigInt(at)) & ((1n << BigInt(width)) - 1n));
  return lanes;
}

export function join(lanes: Lanes, width: number): bigint {
  return lanes.reduceRight((bits, lane) => (bits << BigInt(width)) | BigInt.asUintN(width, lane), 0n);
}

/** Lane bits of a shape's name, as in "i16x8". */
function widthOf(name: string): number {
  return Number(/^[iv](\d+)|^f(\d+)/.exec(name)!.slice(1).find(Boolean));
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}
const clampSigned = (value: bigint, width: number) => clamp(value, -(1n << BigInt(width - 1)), (1n << BigInt(width - 1)) - 1n);
const clampUnsigned = (value: bigint, width: number) => clamp(value, 0n, (1n << BigInt(width)) - 1n);

/** Of lanes as unsigned (x, y) and as signed (s, t) numbers. */
const INTEGER: Readonly<Record<string, (x: bigint, y: bigint, s: bigint, t: bigint, width: number) => bigint>> = {
  add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y,
  eq: (x, y) => (x === y ? -1n : 0n), ne: (x, y) => (x !== y ? -1n : 0n),
  lt_s: (_x, _y, s, t) => (s < t ? -1n : 0n), gt_s: (_x, _y, s, t) => (s > t ? -1n : 0n),
  add_sat_s: (_x, _y, s, t, width) => clampSigned(s + t, width), add_sat_u: (x, y, _s, _t, width) => clampUnsigned(x + y, width),
  sub_sat_s: (_x, _y, s, t, width) => clampSigned(s - t, width), sub_sat_u: (x, y, _s, _t, width) => clampUnsigned(x - y, width),
  min_s: (_x, _y, s, t) => (s < t ? s : t), max_s: (_x, _y, s, t) => (s > t ? s : t),
  min_u: (x, y) => (x < y ? x : y), max_u: (x, y) => (x > y ? x : y),
  avgr_u: (x, y) => (x + y + 1n) >> 1n,
};

const scratch = new DataView(new ArrayBuffer(8));
function toReal(lane: bigint, width: number): number {
  if (width === 64) {
    scratch.setBigUint64(0, lane);
    return scratch.getFloat64(0);
  }
  scratch.setUint32(0, Number(lane));
  return scratch.getFloat32(0);
}
/** Rounds to the nearest where the lane is narrower. */
function fromReal(value: number, width: number): bigint {
  if (width === 64) {
    scratch.setFloat64(0, value);
    return scratch.getBigUint64(0);
  }
  scratch.setFloat32(0, value);
  return BigInt(scratch.getUint32(0));
}
const reals = (bits: bigint, width: number) => split(bits, width).map((lane) => toReal(lane, width));

/** Two roundings, to 53 bits and to 24, are one in these operations on singles. */
const REAL: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y, div: (x, y) => x / y,
  sqrt: (x) => Math.sqrt(x), ceil: (x) => Math.ceil(x), floor: (x) => Math.floor(x), trunc: (x) => Math.trunc(x),
  nearest: (x) => {
    const low = Math.floor(x), above = x - low;
    const rounded = above > 0.5 || (above === 0.5 && low % 2 !== 0) ? low + 1 : low;
    return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
  },
};
const COMPARE: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  eq: (x, y) => x === y, ne: (x, y) => x !== y, lt: (x, y) => x < y, le: (x, y) => x <= y,
};

function signedLanes(bits: bigint, width: number): bigint[] {
  return split(bits, width).map((lane) => BigInt.asIntN(width, lane));
}

/** Pairs of neighbours, added. */
function pairwise(lanes: Lanes): bigint[] {
  return lanes.filter((_, n) => n % 2 === 0).map((lane, n) => lane + lanes[2 * n + 1]!);
}

function products(x: Lanes, y: Lanes): bigint[] {
  return x.map((lane, n) => lane * y[n]!);
}

export function evaluateVector(name: VectorOperation, x: bigint, y = 0n, z = 0n): bigint {
  const ones = (1n << 128n) - 1n;
  switch (name) {
    case "v128.not": return x ^ ones;
    case "v128.and": return x & y;
    case "v128.andnot": return x & (y ^ ones);
    case "v128.or": return x | y;
    case "v128.xor": return x ^ y;
    case "v128.bitselect": return (x & z) | (y & (z ^ ones));
    case "i8x16.swizzle": {
      const bytes = split(x, 8);
      return join(split(y, 8).map((number) => bytes[Number(number)] ?? 0n), 8);
    }
    case "i8x16.narrow_i16x8_s": return join([...signedLanes(x, 16), ...signedLanes(y, 16)].map((lane) => clampSigned(lane, 8)), 8);
    case "i8x16.narrow_i16x8_u": return join([...signedLanes(x, 16), ...signedLanes(y, 16)].map((lane) => clampUnsigned(lane, 8)), 8);
    case "i16x8.narrow_i32x4_s": return join([...signedLanes(x, 32), ...signedLanes(y, 32)].map((lane) => clampSigned(lane, 16)), 16);
    case "i16x8.extadd_pairwise_i8x16_u": return join(pairwise(split(x, 8)), 16);
    case "i32x4.extadd_pairwise_i16x8_u": return join(pairwise(split(x, 16)), 32);
    case "i32x4.extmul_low_i16x8_s": return join(products(signedLanes(x, 16).slice(0, 4), signedLanes(y, 16)), 32);
    case "i32x4.extmul_high_i16x8_s": return join(products(signedLanes(x, 16).slice(4), signedLanes(y, 16).slice(4)), 32);
    case "i32x4.extmul_low_i16x8_u": return join(products(split(x, 16).slice(0, 4), split(y, 16)), 32);
    case "i32x4.extmul_high_i16x8_u": return join(products(split(x, 16).slice(4), split(y, 16).slice(4)), 32);
    case "i32x4.dot_i16x8_s": return join(pairwise(products(signedLanes(x, 16), signedLanes(y, 16))), 32);
    case "f32x4.demote_f64x2_zero": return join([...reals(x, 64).map((value) => fromReal(value, 32)), 0n, 0n], 32);
    case "f64x2.promote_low_f32x4": return join(reals(x, 32).slice(0, 2).map((value) => fromReal(value, 64)), 64);
    case "f32x4.convert_i32x4_s": return join(signedLanes(x, 32).map((lane) => fromReal(Number(lane), 32)), 32);
    case "f64x2.convert_low_i32x4_s": return join(signedLanes(x, 32).slice(0, 2).map((lane) => fromReal(Number(lane), 64)), 64);
    case "i32x4.trunc_sat_f64x2_s_zero": {
      const integers = reals(x, 64).map((value) => (Number.isNaN(value) ? 0n : BigInt(Math.trunc(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1)))));
      return join([...integers, 0n, 0n], 32);
    }
  }
  const width = widthOf(name);
  const operation = name.slice(name.indexOf(".") + 1);
  if (name.startsWith("f")) {
    const left = reals(x, width), right = reals(y, width);
    const compare = COMPARE[operation];
    if (compare) return join(left.map((value, n) => (compare(value, right[n]!) ? -1n : 0n)), width);
    return join(left.map((value, n) => fromReal(REAL[operation]!(value, right[n]!), width)), width);
  }
  const left = split(x, width), right = split(y, width);
  const signed = (lane: bigint) => BigInt.asIntN(width, lane);
  return join(left.map((lane, n) => INTEGER[operation]!(lane, right[n]!, signed(lane), signed(right[n]!), width)), width);
}

export function evaluateShift(name: VectorShift, x: bigint, count: number): bigint {
  const width = widthOf(name);
  const by = BigInt(count & (width - 1));
  const lanes = name.endsWith("shr_s") ? signedLanes(x, width) : split(x, width);
  return join(lanes.map((lane) => (name.endsWith("shl") ? lane << by : lane >> by)), width);
}

export function evaluateTest(name: VectorTest, x: bigint): number {
  if (name === "v128.any_true") return x === 0n ? 0 : 1;
  const width = widthOf(name), lanes = split(x, width);
  if (name.endsWith("all_true")) return lanes.every((lane) => lane !== 0n) ? 1 : 0;
  return lanes.reduce((mask, lane, n) => mask | (Number(lane >> BigInt(width - 1)) << n), 0);
}
