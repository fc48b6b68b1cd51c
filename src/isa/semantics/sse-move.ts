// Data transfer of MMX and SSE registers, with the conversions between packed and general registers that only move bits.
// SDM Vol. 1, sections 9.4.1, 10.4.1.1, 11.4.1.1, 11.4.2.1, 12.3; Vol. 2, the instructions' own pages.

import type { Builder, Place } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EDI } from "../state-layout.ts";
import { beginBoth, beginMmx, beginSse, enterMmx, low64, packedUnary, writeMmx } from "./sse-registers.ts";

/** All 128 bits of the register that `place` is the low part of. */
function writeWhole<V>(b: Builder<V>, place: Place<V>, value: V): void {
  b.stateStore128(place.number(b), value);
}

/** Between XMM registers and memory, as many bytes as the destination has. */
export const move: Semantics = (b, i) => {
  beginSse(b);
  i.op[0].write(b, i.op[1].read(b));
};

/** MOVSS, MOVSD: what comes from memory clears the rest of the register. */
export const moveScalar: Semantics = (b, i) => {
  beginSse(b);
  const [destination, source] = i.op;
  const value = source.read(b);
  if (!source.isMemory || destination.isMemory) destination.write(b, value);
  else writeWhole(b, destination, low64(b, source.width === 8 ? value : b.extendU(value)));
};

/** MOVQ between XMM registers: always clears the high half of a register. */
export const moveQuadword: Semantics = (b, i) => {
  beginSse(b);
  const [destination, source] = i.op;
  const value = b.let64(source.read(b));
  if (destination.isMemory) destination.write(b, value);
  else writeWhole(b, destination, low64(b, value));
};

export const moveMmx: Semantics = (b, i) => {
  beginMmx(b);
  const [destination, source] = i.op;
  const value = b.let64(source.read(b));
  if (destination.isMemory) destination.write(b, value);
  enterMmx(b);
  if (!destination.isMemory) writeMmx(b, destination, value);
};

/** MOVD to a packed register: zero-extended. */
export const moveDoublewordIn: Semantics = (b, i) => {
  const [destination, source] = i.op;
  const onMmx = destination.width === 8;
  (onMmx ? beginMmx : beginSse)(b);
  const value = b.let64(b.extendU(source.read(b)));
  if (onMmx) {
    enterMmx(b);
    writeMmx(b, destination, value);
  } else destination.write(b, low64(b, value));
};

/** MOVD from a packed register. */
export const moveDoublewordOut: Semantics = (b, i) => {
  const [destination, source] = i.op;
  const onMmx = source.width === 8;
  (onMmx ? beginMmx : beginSse)(b);
  const value = source.read(b);
  destination.write(b, onMmx ? b.wrap(value) : value);
  if (onMmx) enterMmx(b);
};

/** MOVNTI; the cache hint has no effect. */
export const moveInteger: Semantics = (b, i) => i.op[0].write(b, i.op[1].read(b));

/** MOVHPS, MOVHPD from memory, MOVLHPS. */
export const moveIntoHigh: Semantics = (b, i) => {
  beginSse(b);
  const [destination, source] = i.op;
  const value = source.read(b);
  destination.write(b, b.withLane("i64x2", destination.read(b), 1, value));
};

/** MOVHPS, MOVHPD to memory. */
export const moveFromHigh: Semantics = (b, i) => {
  beginSse(b);
  i.op[0].write(b, b.lane("i64x2", i.op[1].read(b), 1));
};

export const movhlps: Semantics = (b, i) => {
  beginSse(b);
  i.op[0].write(b, b.lane("i64x2", i.op[1].read(b), 1));
};

export const movq2dq: Semantics = (b, i) => {
  beginBoth(b);
  i.op[0].write(b, low64(b, i.op[1].read(b)));
  enterMmx(b);
};

export const movdq2q: Semantics = (b, i) => {
  beginBoth(b);
  enterMmx(b);
  writeMmx(b, i.op[0], i.op[1].read(b));
};

function signMask(shape: "i8x16" | "i32x4" | "i64x2"): Semantics {
  return (b, i) => {
    const [destination, source] = i.op;
    const onMmx = source.width === 8;
    (onMmx ? beginMmx : beginSse)(b);
    const value = source.read(b);
    destination.write(b, b.vectorTest(`${shape}.bitmask`, onMmx ? low64(b, value) : value));
    if (onMmx) enterMmx(b);
  };
}
export const pmovmskb = signMask("i8x16");
export const movmskps = signMask("i32x4");
export const movmskpd = signMask("i64x2");

export const pextrw: Semantics = (b, i) => {
  const [destination, source, selector] = i.op;
  const onMmx = source.width === 8;
  (onMmx ? beginMmx : beginSse)(b);
  const number = b.let(selector.read(b));
  const value = b.let128(onMmx ? low64(b, source.read(b)) : source.read(b));
  const half = onMmx ? b.lane("i64x2", value, 0) : b.select64(b.and(number, b.imm(4)), b.lane("i64x2", value, 1), b.lane("i64x2", value, 0));
  const word = b.shrU64(half, b.extendU(b.shl(b.and(number, b.imm(3)), b.imm(4))));
  destination.write(b, b.and(b.wrap(word), b.imm(0xffff)));
  if (onMmx) enterMmx(b);
};

/** Word n is n. */
const WORD_NUMBERS = 0x0007_0006_0005_0004_0003_0002_0001_0000n;

export const pinsrw = packedInsert();
function packedInsert(): Semantics {
  return (b, i) => {
    const [destination, source, selector] = i.op;
    const onMmx = destination.width === 8;
    (onMmx ? beginMmx : beginSse)(b);
    const word = b.splat("i16x8", source.read(b));
    const number = b.splat("i16x8", b.and(selector.read(b), b.imm(onMmx ? 3 : 7)));
    const present = destination.read(b);
    const result = b.vector("v128.bitselect", word, onMmx ? low64(b, present) : present, b.vector("i16x8.eq", number, b.imm128(WORD_NUMBERS)));
    if (onMmx) {
      const value = b.let64(b.lane("i64x2", result, 0));
      enterMmx(b);
      writeMmx(b, destination, value);
    } else destination.write(b, result);
  };
}

/** MASKMOVQ, MASKMOVDQU: the bytes at DS:(E)DI whose mask byte is negative. Without any, memory is not touched. */
export const maskMove: Semantics = (b, i) => {
  const [source, mask] = i.op;
  const width = source.width;
  (width === 8 ? beginMmx : beginSse)(b);
  const widen = (value: ReturnType<typeof source.read>) => (width === 8 ? low64(b, value) : value);
  const left = b.variable(b.vectorTest("i8x16.bitmask", widen(mask.read(b))));
  b.when(left.get(), () => {
    const base = b.let(b.gpr(EDI, i.addressSize));
    b.probeWrite("operand", base, width);
    const from = b.let(source.number(b));
    b.loop(() => {
      const number = b.let(b.ctz(left.get()));
      const offset = b.zeroExtend(b.add(base, number), i.addressSize);
      b.store("operand", b.let(offset), 1, b.stateLoad(b.add(from, number), 1));
      left.set(b.and(left.get(), b.sub(left.get(), b.imm(1))));
      return left.get();
    });
  });
  if (width === 8) enterMmx(b);
};

/** Its source of 8 bytes already fills both halves. */
export const movddup = packedUnary((_b, _i, y) => y);
export const movsldup = packedUnary((b, _i, y) => b.shuffle(y, y, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]));
export const movshdup = packedUnary((b, _i, y) => b.shuffle(y, y, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]));
