// Shifts and rotates. SDM Vol. 2, "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD".
//
// The count is masked to five bits; a masked count of 0 changes no flag. Where the manual leaves flags undefined (measured on
// silicon): OF follows for every count the rule stated for 1, AF becomes 1 except in rotates, which keep it.
// SHLD and SHRD of 16 bits by more than 16 (undefined) shift destination:source:destination, as P6 does.

import type { Builder, Instance, Width } from "../builder.ts";
import type { Semantics } from "../row.ts";

function bits(width: Width): number {
  return width * 8;
}

function bit<V>(b: Builder<V>, value: V, index: number): V {
  const shifted = index === 0 ? value : b.shrU(value, b.imm(index));
  return index === 31 ? shifted : b.and(shifted, b.imm(1));
}

function maskedCount<V>(b: Builder<V>, i: Instance<V>, operand: number): V {
  return b.let(b.and(i.op[operand].read(b), b.imm(31)));
}

/** `result` is written whatever the count; the flags only if it is not 0. */
export const shl: Semantics = (b, i) => {
  const count = maskedCount(b, i, 1);
  const x = b.let(i.op[0].readForWrite(b));
  const result = b.let(b.shl(x, count));
  i.op[0].write(b, result);
  b.when(count, () => {
    const top = bits(i.width);
    const carry = b.let(i.width === 4 ? b.and(b.shrU(x, b.sub(b.imm(0), count)), b.imm(1)) : bit(b, result, top));
    b.flagsExplicit(i.width, result, carry, b.xor(carry, bit(b, result, top - 1)), b.imm(1));
  });
};

export const shr: Semantics = (b, i) => {
  const count = maskedCount(b, i, 1);
  const x = b.let(i.op[0].readForWrite(b));
  const result = b.let(b.shrU(x, count));
  i.op[0].write(b, result);
  b.when(count, () => {
    const top = bits(i.width) - 1;
    const carry = b.and(b.shrU(x, b.sub(count, b.imm(1))), b.imm(1));
    const overflow = bit(b, b.xor(result, b.shl(result, b.imm(1))), top);
    b.flagsExplicit(i.width, result, carry, overflow, b.imm(1));
  });
};

export const sar: Semantics = (b, i) => {
  const count = maskedCount(b, i, 1);
  const x = b.let(b.signExtend(i.op[0].readForWrite(b), i.width));
  const result = b.let(b.shrS(x, count));
  i.op[0].write(b, result);
  b.when(count, () => {
    const carry = b.and(b.shrS(x, b.sub(count, b.imm(1))), b.imm(1));
    b.flagsExplicit(i.width, result, carry, b.imm(0), b.imm(1));
  });
};

/** `value` repeated to 32 bits, so that a rotate of 32 rotates it whatever the count. */
function repeated<V>(b: Builder<V>, value: V, width: Width): V {
  return width === 4 ? value : b.mul(value, b.imm(width === 1 ? 0x01010101 : 0x00010001));
}

export const rol: Semantics = (b, i) => {
  const count = maskedCount(b, i, 1);
  const result = b.let(b.rotl(repeated(b, i.op[0].readForWrite(b), i.width), count));
  i.op[0].write(b, result);
  b.when(count, () => {
    const carry = b.let(bit(b, result, 0));
    b.setCarryOverflow(carry, b.xor(carry, bit(b, result, bits(i.width) - 1)));
  });
};

export const ror: Semantics = (b, i) => {
  const count = maskedCount(b, i, 1);
  const result = b.let(b.rotr(repeated(b, i.op[0].readForWrite(b), i.width), count));
  i.op[0].write(b, result);
  b.when(count, () => {
    const carry = b.let(bit(b, result, bits(i.width) - 1));
    b.setCarryOverflow(carry, b.xor(carry, bit(b, result, bits(i.width) - 2)));
  });
};

/** Rotates CF:operand, one bit wider than the operand, left by `count` < 33. */
function rotateThroughCarry<V>(b: Builder<V>, i: Instance<V>, left: boolean): void {
  const count = maskedCount(b, i, 1);
  const x = i.op[0].readForWrite(b);
  const size = bits(i.width) + 1;
  const carryBit = b.imm64(BigInt(size - 1));
  const chain = b.let64(b.or64(b.shl64(b.extendU(b.carry()), carryBit), b.extendU(x)));
  // Eight- and sixteen-bit chains come round within a count of 31.
  const turns = b.let64(i.width === 4 ? b.extendU(count) : b.remU64(b.extendU(count), b.imm64(BigInt(size))));
  const back = b.sub64(b.imm64(BigInt(size)), turns);
  const rotated = b.let64(
    left ? b.or64(b.shl64(chain, turns), b.shrU64(chain, back)) : b.or64(b.shrU64(chain, turns), b.shl64(chain, back)),
  );
  const result = b.let(b.wrap(rotated));
  i.op[0].write(b, result);
  b.when(count, () => {
    const carry = b.let(b.and(b.wrap(b.shrU64(rotated, carryBit)), b.imm(1)));
    const sign = bit(b, result, bits(i.width) - 1);
    b.setCarryOverflow(carry, b.xor(left ? carry : bit(b, result, bits(i.width) - 2), sign));
  });
}

export const rcl: Semantics = (b, i) => rotateThroughCarry(b, i, true);
export const rcr: Semantics = (b, i) => rotateThroughCarry(b, i, false);

/** destination:source (32 bits), or destination:source:destination (16). */
function doubleOperand<V>(b: Builder<V>, width: Width, high: V, low: V): V {
  if (width === 4) return b.or64(b.shl64(b.extendU(high), b.imm64(32n)), b.extendU(low));
  const middle = b.or(b.shl(low, b.imm(16)), high);
  return b.or64(b.shl64(b.extendU(high), b.imm64(32n)), b.extendU(middle));
}

export const shld: Semantics = (b, i) => {
  const count = maskedCount(b, i, 2);
  const source = i.op[1].read(b);
  const x = b.let(i.op[0].readForWrite(b));
  const chain = b.let64(doubleOperand(b, i.width, x, source));
  const result = b.let(b.wrap(b.shrU64(b.shl64(chain, b.extendU(count)), b.imm64(32n))));
  i.op[0].write(b, result);
  b.when(count, () => {
    const top = bits(i.width);
    // The bit that left the destination last; for a count beyond 16 it lies in the source.
    const out = b.sub64(b.imm64(BigInt(32 + top)), b.extendU(count));
    const carry = b.let(b.and(b.wrap(b.shrU64(chain, out)), b.imm(1)));
    b.flagsExplicit(i.width, result, carry, b.xor(carry, bit(b, result, top - 1)), b.imm(1));
  });
};

export const shrd: Semantics = (b, i) => {
  const count = maskedCount(b, i, 2);
  const source = i.op[1].read(b);
  const x = b.let(i.op[0].readForWrite(b));
  // 16 bits: x is at both ends of the chain, so that its low end is the destination in either width.
  const chain = b.let64(i.width === 4 ? doubleOperand(b, 4, source, x) : doubleOperand(b, 2, x, source));
  const result = b.let(b.wrap(b.shrU64(chain, b.extendU(count))));
  i.op[0].write(b, result);
  b.when(count, () => {
    const carry = b.and(b.wrap(b.shrU64(chain, b.extendU(b.sub(count, b.imm(1))))), b.imm(1));
    const overflow = bit(b, b.xor(result, b.shl(result, b.imm(1))), bits(i.width) - 1);
    b.flagsExplicit(i.width, result, carry, overflow, b.imm(1));
  });
};
