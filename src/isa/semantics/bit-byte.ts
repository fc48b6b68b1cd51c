// Bit and byte instructions. SDM Vol. 1, "Bit and Byte Instructions"; Vol. 2, BT, BTC, BTR, BTS, BSF, BSR, SETcc.
//
// BT and its kin change CF alone (OF SF AF PF are undefined, and stay on silicon). BSF and BSR of 0 leave the destination.

import type { Builder, ConditionCode, Instance, Place, Width } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { inSegment } from "./address.ts";

type BitChange = "test" | "set" | "reset" | "complement";

function setCarry<V>(b: Builder<V>, carry: V): void {
  b.setCarryOverflow(carry, b.let(b.condition(0)));
}

function changed<V>(b: Builder<V>, change: BitChange, value: V, mask: V): V {
  switch (change) {
    case "set": return b.or(value, mask);
    case "reset": return b.and(value, b.xor(mask, b.imm(-1)));
    case "complement": return b.xor(value, mask);
    case "test": return value;
  }
}

/** The bit within the operand: the index modulo the operand size. */
function bitInOperand<V>(b: Builder<V>, i: Instance<V>, place: Place<V>, index: V, change: BitChange): void {
  const position = b.let(b.and(index, b.imm(i.width * 8 - 1)));
  const value = b.let(change === "test" ? place.read(b) : place.readForWrite(b));
  const carry = b.let(b.and(b.shrU(value, position), b.imm(1)));
  if (change !== "test") place.write(b, changed(b, change, value, b.shl(b.imm(1), position)));
  setCarry(b, carry);
}

/** A register index reaches beyond a memory operand, to either side: a bit string from the operand's address on. */
function bitString<V>(b: Builder<V>, i: Instance<V>, change: BitChange): void {
  const index = b.let(b.signExtend(i.op[1].read(b), i.width));
  if (!i.op[0].isMemory) {
    bitInOperand(b, i, i.op[0], index, change);
    return;
  }
  const width: Width = i.width;
  const units = b.shl(b.shrS(index, b.imm(width === 4 ? 5 : 4)), b.imm(width === 4 ? 2 : 1));
  const address = b.let(inSegment(b, i, b.add(i.op[0].address(b), units)));
  if (change !== "test") b.probeWrite("operand", address, width);
  const value = b.let(b.load("operand", address, width));
  const position = b.let(b.and(index, b.imm(width * 8 - 1)));
  const carry = b.let(b.and(b.shrU(value, position), b.imm(1)));
  if (change !== "test") b.store("operand", address, width, changed(b, change, value, b.shl(b.imm(1), position)));
  setCarry(b, carry);
}

export const bt: Semantics = (b, i) => bitString(b, i, "test");
export const bts: Semantics = (b, i) => bitString(b, i, "set");
export const btr: Semantics = (b, i) => bitString(b, i, "reset");
export const btc: Semantics = (b, i) => bitString(b, i, "complement");

export const btImmediate: Semantics = (b, i) => bitInOperand(b, i, i.op[0], i.op[1].read(b), "test");
export const btsImmediate: Semantics = (b, i) => bitInOperand(b, i, i.op[0], i.op[1].read(b), "set");
export const btrImmediate: Semantics = (b, i) => bitInOperand(b, i, i.op[0], i.op[1].read(b), "reset");
export const btcImmediate: Semantics = (b, i) => bitInOperand(b, i, i.op[0], i.op[1].read(b), "complement");

export const bsf: Semantics = (b, i) => {
  const source = b.let(i.op[1].read(b));
  b.when(source, () => i.op[0].write(b, b.ctz(source)));
  b.flags("logic", i.width, source, source, source);
};

export const bsr: Semantics = (b, i) => {
  const source = b.let(i.op[1].read(b));
  b.when(source, () => i.op[0].write(b, b.sub(b.imm(31), b.clz(source))));
  b.flags("logic", i.width, source, source, source);
};

/** SETcc in encoding order. */
export const setcc: readonly Semantics[] = Array.from({ length: 16 }, (_, code): Semantics => (b, i) => {
  i.op[0].write(b, b.condition(code as ConditionCode));
});
