// Packed integers of MMX and SSE2, written once for 64 and for 128 bits. SDM Vol. 1, sections 9.4, 10.4.4, 11.4.2.

import type { Builder } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FTOP, FTW } from "../state-layout.ts";
import type { VectorOperation, VectorShift } from "../vector-operation.ts";
import { beginMmx, packed, readPacked, replaceFirst } from "./sse-registers.ts";

/** The lane operation of this name. */
export function lanes(operation: VectorOperation): Semantics {
  return packed((b, x, y) => b.vector(operation, x, y));
}

/** PANDN, ANDNPS, ANDNPD: the destination is inverted. */
export const andNot = packed((b, x, y) => b.vector("v128.andnot", y, x));

const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];

function multiplyHigh(sign: "s" | "u"): Semantics {
  return packed((b, x, y) =>
    b.shuffle(b.vector(`i32x4.extmul_low_i16x8_${sign}`, x, y), b.vector(`i32x4.extmul_high_i16x8_${sign}`, x, y), HIGH_WORDS));
}
export const pmulhw = multiplyHigh("s");
export const pmulhuw = multiplyHigh("u");

const LOW_DOUBLEWORDS = 0x0000_0000_ffff_ffff_0000_0000_ffff_ffffn;

export const pmuludq = packed((b, x, y) => {
  const low = (value: typeof x) => b.vector("v128.and", value, b.imm128(LOW_DOUBLEWORDS));
  return b.vector("i64x2.mul", low(x), low(y));
});

export const psadbw = packed((b, x, y) => {
  const distance = b.vector("i8x16.sub", b.vector("i8x16.max_u", x, y), b.vector("i8x16.min_u", x, y));
  const sums = b.let128(b.vector("i32x4.extadd_pairwise_i16x8_u", b.vector("i16x8.extadd_pairwise_i8x16_u", distance)));
  return b.vector("i64x2.add", b.vector("v128.and", sums, b.imm128(LOW_DOUBLEWORDS)), b.vectorShift("i64x2.shr_u", sums, b.imm(32)));
});

/** Low halves of both. */
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

function pack(operation: VectorOperation): Semantics {
  return packed((b, x, y, width) => {
    if (width === 16) return b.vector(operation, x, y);
    const both = b.let128(b.shuffle(x, y, LOW_HALVES));
    return b.vector(operation, both, both);
  });
}
export const packsswb = pack("i8x16.narrow_i16x8_s");
export const packuswb = pack("i8x16.narrow_i16x8_u");
export const packssdw = pack("i16x8.narrow_i32x4_s");

/** Bytes of an interleaving of elements of `size` bytes, from byte `from` of both on. */
function interleaved(size: number, from: number): number[] {
  return Array.from({ length: 16 }, (_, n) => {
    const element = Math.floor(n / size);
    return from + (element >> 1) * size + (n % size) + (element & 1) * 16;
  });
}

export function unpackLow(size: number): Semantics {
  return packed((b, x, y) => b.shuffle(x, y, interleaved(size, 0)));
}
export function unpackHigh(size: number): Semantics {
  return packed((b, x, y, width) => b.shuffle(x, y, width === 16 ? interleaved(size, 8) : interleaved(size, 4).map((byte, n) => (n < 8 ? byte : 0))));
}

/** The low 64 bits of the count operand, or the immediate. */
function countOf<V>(b: Builder<V>, place: { readonly width: number; read(b: Builder<V>): V }): V {
  const value = place.read(b);
  return b.let64(place.width === 16 ? b.lane("i64x2", value, 0) : place.width === 8 ? value : b.extendU(value));
}

/** Counts beyond the element's bits clear it, or fill it with the sign. */
function shift(operation: VectorShift, bits: number): Semantics {
  return (b, i) => replaceFirst(b, i, (x) => {
    const count = countOf(b, i.op[1]);
    const fits = b.let(b.ltU64(count, b.imm64(BigInt(bits))));
    if (operation.endsWith("shr_s")) return b.vectorShift(operation, x, b.select(fits, b.wrap(count), b.imm(bits - 1)));
    return b.select128(fits, b.vectorShift(operation, x, b.wrap(count)), b.imm128(0n));
  });
}
export const psllw = shift("i16x8.shl", 16), pslld = shift("i32x4.shl", 32), psllq = shift("i64x2.shl", 64);
export const psrlw = shift("i16x8.shr_u", 16), psrld = shift("i32x4.shr_u", 32), psrlq = shift("i64x2.shr_u", 64);
export const psraw = shift("i16x8.shr_s", 16), psrad = shift("i32x4.shr_s", 32);

/** Byte n is n. */
const BYTE_NUMBERS = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100n;

/** By bytes: numbers that run out of the register, above 15 either way, bring 0. */
function shiftBytes(direction: "i8x16.add" | "i8x16.sub"): Semantics {
  return (b, i) => replaceFirst(b, i, (x) => {
    const given = b.let(i.op[1].read(b));
    const count = b.let(b.select(b.ltU(given, b.imm(16)), given, b.imm(16)));
    const counts = b.splat("i32x4", b.mul(count, b.imm(0x0101_0101)));
    return b.vector("i8x16.swizzle", x, b.vector(direction, b.imm128(BYTE_NUMBERS), counts));
  });
}
export const psrldq = shiftBytes("i8x16.add");
export const pslldq = shiftBytes("i8x16.sub");

/** Bytes 0-3 of doubleword `number`, a 32-bit value, as one doubleword. */
function bytesOfDoubleword<V>(b: Builder<V>, selector: V, position: number): V {
  const number = b.and(b.shrU(selector, b.imm(2 * position)), b.imm(3));
  return b.add(b.mul(number, b.imm(0x0404_0404)), b.imm(0x0302_0100));
}

/** The four doublewords that the selector names. */
function selectDoublewords<V>(b: Builder<V>, value: V, selector: V): V {
  let numbers = b.splat("i32x4", bytesOfDoubleword(b, selector, 0));
  for (const position of [1, 2, 3]) numbers = b.withLane("i32x4", numbers, position, bytesOfDoubleword(b, selector, position));
  return b.vector("i8x16.swizzle", value, numbers);
}

export const pshufd: Semantics = (b, i) => replaceFirst(b, i, () => {
  const value = b.let128(readPacked(b, i.op[1]));
  return selectDoublewords(b, value, b.let(i.op[2].read(b)));
});

/** Among the four words of one half, low or high; the others stay as the source has them. PSHUFW has that half alone. */
function shuffleWords(first: 0 | 4): Semantics {
  return (b, i) => replaceFirst(b, i, () => {
    const value = b.let128(readPacked(b, i.op[1])), selector = b.let(i.op[2].read(b));
    let numbers = b.imm128(BYTE_NUMBERS);
    for (const position of [0, 1, 2, 3]) {
      const word = b.and(b.shrU(selector, b.imm(2 * position)), b.imm(3));
      numbers = b.withLane("i16x8", numbers, first + position, b.add(b.mul(b.add(word, b.imm(first)), b.imm(0x0202)), b.imm(0x0100)));
    }
    return b.vector("i8x16.swizzle", value, numbers);
  });
}
export const pshufw = shuffleWords(0);
export const pshufhw = shuffleWords(4);

export const shufps: Semantics = (b, i) => replaceFirst(b, i, (x) => {
  const y = b.let128(readPacked(b, i.op[1])), selector = b.let(i.op[2].read(b));
  return b.shuffle(selectDoublewords(b, x, selector), selectDoublewords(b, y, selector), [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
});

export const shufpd: Semantics = (b, i) => replaceFirst(b, i, (x) => {
  const y = b.let128(readPacked(b, i.op[1])), selector = b.let(i.op[2].read(b));
  const half = (value: typeof x, bit: number) => b.select64(b.and(selector, b.imm(bit)), b.lane("i64x2", value, 1), b.lane("i64x2", value, 0));
  return b.withLane("i64x2", b.splat("i64x2", half(x, 1)), 1, half(y, 2));
});

/** The registers are the x87's again, all empty. */
export const emms: Semantics = (b) => {
  beginMmx(b);
  b.set(FTOP, b.imm(0));
  b.set(FTW, b.imm(0xffff));
};
