// Arithmetic on offsets within a segment.

import type { Builder, Instance } from "../builder.ts";

/** An offset computed from an address: wrapped to the address size. */
export function inSegment<V>(b: Builder<V>, i: Instance<V>, offset: V): V {
  return b.zeroExtend(offset, i.addressSize);
}

/** The offset `bytes` behind `address`, where the second half of a two-part operand lies. */
export function behind<V>(b: Builder<V>, i: Instance<V>, address: V, bytes: number): V {
  return b.let(inSegment(b, i, b.add(address, b.imm(bytes))));
}
