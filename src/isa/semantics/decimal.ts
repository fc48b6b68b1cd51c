// Decimal arithmetic. SDM Vol. 2, "Operation" of each instruction; Vol. 1, "Decimal Arithmetic Instructions".
//
// Where the manual leaves flags undefined (measured on silicon): DAA and DAS set OF like the addition or subtraction that they
// perform; AAA and AAS set SF, ZF and PF by AL before its upper half is cleared; AAD sets all flags like the addition it ends with.

import type { Builder } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EAX, EFLAGS_AF } from "../state-layout.ts";

const DIVIDE_ERROR = 0;

/** The lower digit needs adjusting: it exceeds 9 or a carry went out of it. */
function digitAdjusts<V>(b: Builder<V>, al: V): V {
  const auxiliary = b.and(b.shrU(b.statusFlags(), b.imm(Math.log2(EFLAGS_AF))), b.imm(1));
  return b.or(b.gtU(b.and(al, b.imm(15)), b.imm(9)), auxiliary);
}

function decimalAdjust<V>(b: Builder<V>, subtract: boolean): void {
  const al = b.let(b.gpr(EAX, 1));
  const low = b.let(digitAdjusts(b, al));
  const high = b.let(b.or(b.gtU(al, b.imm(0x99)), b.carry()));
  const correction = b.let(b.or(b.select(low, b.imm(6), b.imm(0)), b.select(high, b.imm(0x60), b.imm(0))));
  const result = b.let(b.zeroExtend(subtract ? b.sub(al, correction) : b.add(al, correction), 1));
  // DAS: a borrow out of the lower digit's adjustment counts as well. DAA cannot carry there without `high`.
  const borrow = subtract ? b.and(low, b.ltU(al, b.imm(6))) : b.imm(0);
  const signsMove = subtract
    ? b.and(b.xor(al, correction), b.xor(al, result))
    : b.and(b.xor(al, result), b.xor(correction, result));
  const overflow = b.and(b.shrU(signsMove, b.imm(7)), b.imm(1));
  b.setGpr(EAX, 1, result);
  b.flagsExplicit(1, result, b.or(high, borrow), overflow, low);
}

export const daa: Semantics = (b) => decimalAdjust(b, false);
export const das: Semantics = (b) => decimalAdjust(b, true);

function asciiAdjust<V>(b: Builder<V>, subtract: boolean): void {
  const ax = b.let(b.gpr(EAX, 2));
  const al = b.let(b.and(ax, b.imm(0xff)));
  const adjusts = b.let(digitAdjusts(b, al));
  // One 16-bit operation, so that AL's carry moves AH too.
  const correction = b.let(b.select(adjusts, b.imm(0x106), b.imm(0)));
  const adjusted = b.let(subtract ? b.sub(ax, correction) : b.add(ax, correction));
  b.setGpr(EAX, 2, b.and(adjusted, b.imm(0xff0f)));
  b.flagsExplicit(1, adjusted, adjusts, b.imm(0), adjusts);
}

export const aaa: Semantics = (b) => asciiAdjust(b, false);
export const aas: Semantics = (b) => asciiAdjust(b, true);

export const aam: Semantics = (b, i) => {
  const base = b.let(i.op[0].read(b));
  b.when(b.eqz(base), () => b.raise(DIVIDE_ERROR));
  const al = b.let64(b.extendU(b.gpr(EAX, 1)));
  const divisor = b.let64(b.extendU(base));
  const quotient = b.let(b.wrap(b.divU64(al, divisor)));
  const remainder = b.let(b.wrap(b.remU64(al, divisor)));
  b.setGpr(EAX, 2, b.or(b.shl(quotient, b.imm(8)), remainder));
  b.flags("logic", 1, remainder, remainder, remainder);
};

export const aad: Semantics = (b, i) => {
  const ax = b.let(b.gpr(EAX, 2));
  const al = b.let(b.and(ax, b.imm(0xff)));
  const tens = b.let(b.zeroExtend(b.mul(b.shrU(ax, b.imm(8)), i.op[0].read(b)), 1));
  const result = b.let(b.zeroExtend(b.add(al, tens), 1));
  b.setGpr(EAX, 2, result);
  b.flags("add", 1, al, tens, result);
};
