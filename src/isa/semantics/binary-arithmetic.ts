// Binary arithmetic. SDM Vol. 2, "Operation" of each instruction; Vol. 1, "Binary Arithmetic Instructions".
//
// Where the manual leaves flags undefined: MUL and IMUL change only CF and OF, DIV and IDIV set AF and keep the rest (measured on silicon).

import type { Builder, Instance, Width } from "../builder.ts";
import { lowerSetAuxiliaryCarry } from "../flags.ts";
import type { Semantics } from "../row.ts";
import { EAX, EDX } from "../state-layout.ts";

const DIVIDE_ERROR = 0;

export const add: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  const sum = b.let(b.add(x, y));
  i.op[0].write(b, sum);
  b.flags("add", i.width, x, y, sum);
};

export const adc: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  const sum = b.let(b.add(b.add(x, y), b.carry()));
  i.op[0].write(b, sum);
  b.flags("adc", i.width, x, y, sum);
};

export const sub: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  const difference = b.let(b.sub(x, y));
  i.op[0].write(b, difference);
  b.flags("sub", i.width, x, y, difference);
};

export const sbb: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  const difference = b.let(b.sub(b.sub(x, y), b.carry()));
  i.op[0].write(b, difference);
  b.flags("sbb", i.width, x, y, difference);
};

export const cmp: Semantics = (b, i) => {
  const x = b.let(i.op[0].read(b));
  const y = b.let(i.op[1].read(b));
  b.flags("sub", i.width, x, y, b.let(b.sub(x, y)));
};

export const inc: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const sum = b.let(b.add(x, b.imm(1)));
  i.op[0].write(b, sum);
  b.flags("inc", i.width, x, b.imm(1), sum);
};

export const dec: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const difference = b.let(b.sub(x, b.imm(1)));
  i.op[0].write(b, difference);
  b.flags("dec", i.width, x, b.imm(1), difference);
};

export const neg: Semantics = (b, i) => {
  const y = b.let(i.op[0].readForWrite(b));
  const difference = b.let(b.sub(b.imm(0), y));
  i.op[0].write(b, difference);
  b.flags("sub", i.width, b.imm(0), y, difference);
};

/** Writes a product or dividend to AX, DX:AX or EDX:EAX. `low` and `high` are the halves, or `low` is all of AX for bytes. */
function setAccumulatorPair<V>(b: Builder<V>, width: Width, low: V, high: V): void {
  if (width === 1) {
    b.setGpr(EAX, 2, low);
    return;
  }
  b.setGpr(EAX, width, low);
  b.setGpr(EDX, width, high);
}

/** CF = OF = the product does not fit its lower half; the rest is undefined and stays. */
export const mul: Semantics = (b, i) => {
  const x = b.gpr(EAX, i.width);
  const y = i.op[0].read(b);
  if (i.width === 4) {
    const product = b.let64(b.mul64(b.extendU(x), b.extendU(y)));
    const high = b.let(b.wrap(b.shrU64(product, b.imm64(32n))));
    setAccumulatorPair(b, 4, b.wrap(product), high);
    const wide = b.let(b.ne(high, b.imm(0)));
    b.setCarryOverflow(wide, wide);
    return;
  }
  const product = b.let(b.mul(x, y));
  const high = b.let(b.shrU(product, b.imm(i.width * 8)));
  setAccumulatorPair(b, i.width, product, high);
  const wide = b.let(b.ne(high, b.imm(0)));
  b.setCarryOverflow(wide, wide);
};

export const imul: Semantics = (b, i) => {
  const x = b.gpr(EAX, i.width);
  const y = i.op[0].read(b);
  if (i.width === 4) {
    const product = b.let64(b.mul64(b.extendS(x), b.extendS(y)));
    const low = b.let(b.wrap(product));
    setAccumulatorPair(b, 4, low, b.wrap(b.shrU64(product, b.imm64(32n))));
    const wide = b.let(b.ne64(b.extendS(low), product));
    b.setCarryOverflow(wide, wide);
    return;
  }
  const product = b.let(b.mul(b.signExtend(x, i.width), b.signExtend(y, i.width)));
  setAccumulatorPair(b, i.width, product, b.shrS(product, b.imm(i.width * 8)));
  const wide = b.let(b.ne(b.signExtend(product, i.width), product));
  b.setCarryOverflow(wide, wide);
};

/** IMUL with two and three operands: the product of the last two, truncated. */
export const imulTruncated: Semantics = (b, i) => {
  const x = i.op.length === 3 ? i.op[1].read(b) : i.op[0].read(b);
  const y = i.op.length === 3 ? i.op[2].read(b) : i.op[1].read(b);
  if (i.width === 4) {
    const product = b.let64(b.mul64(b.extendS(x), b.extendS(y)));
    const low = b.let(b.wrap(product));
    i.op[0].write(b, low);
    const wide = b.let(b.ne64(b.extendS(low), product));
    b.setCarryOverflow(wide, wide);
    return;
  }
  const product = b.let(b.mul(b.signExtend(x, i.width), b.signExtend(y, i.width)));
  i.op[0].write(b, product);
  const wide = b.let(b.ne(b.signExtend(product, i.width), product));
  b.setCarryOverflow(wide, wide);
};

/** AX, DX:AX or EDX:EAX as a 64-bit value, zero-extended. */
function dividend<V>(b: Builder<V>, width: Width): V {
  if (width === 1) return b.extendU(b.gpr(EAX, 2));
  const low = b.extendU(b.gpr(EAX, width));
  const high = b.extendU(b.gpr(EDX, width));
  return b.or64(b.shl64(high, b.imm64(BigInt(width * 8))), low);
}

function setQuotient<V>(b: Builder<V>, i: Instance<V>, quotient: V, remainder: V): void {
  if (i.width === 1) {
    const low = b.and(quotient, b.imm(0xff));
    b.setGpr(EAX, 2, b.or(low, b.shl(remainder, b.imm(8))));
  } else setAccumulatorPair(b, i.width, quotient, remainder);
  lowerSetAuxiliaryCarry(b);
}

export const div: Semantics = (b, i) => {
  const y = b.let(i.op[0].read(b));
  b.when(b.eqz(y), () => b.raise(DIVIDE_ERROR));
  const x = b.let64(dividend(b, i.width));
  const divisor = b.let64(b.extendU(y));
  const quotient = b.let64(b.divU64(x, divisor));
  b.when(b.eqz(b.eqz64(b.shrU64(quotient, b.imm64(BigInt(i.width * 8))))), () => b.raise(DIVIDE_ERROR));
  const remainder = b.sub64(x, b.mul64(quotient, divisor));
  setQuotient(b, i, b.wrap(quotient), b.wrap(remainder));
};

export const idiv: Semantics = (b, i) => {
  const y = b.let(i.op[0].read(b));
  b.when(b.eqz(y), () => b.raise(DIVIDE_ERROR));
  const unused = b.imm64(BigInt(64 - i.width * 16));
  const x = b.let64(i.width === 4 ? dividend(b, 4) : b.shrS64(b.shl64(dividend(b, i.width), unused), unused));
  const divisor = b.let64(b.extendS(b.signExtend(y, i.width)));
  if (i.width === 4) {
    // The one quotient that does not even fit 64 bits.
    const least = b.eqz(b.ne64(x, b.imm64(-0x8000_0000_0000_0000n)));
    b.when(b.and(least, b.eq(y, b.imm(-1))), () => b.raise(DIVIDE_ERROR));
  }
  const quotient = b.let64(b.divS64(x, divisor));
  const low = b.let(b.wrap(quotient));
  b.when(b.ne64(b.extendS(b.signExtend(low, i.width)), quotient), () => b.raise(DIVIDE_ERROR));
  const remainder = b.sub64(x, b.mul64(quotient, divisor));
  setQuotient(b, i, low, b.wrap(remainder));
};
