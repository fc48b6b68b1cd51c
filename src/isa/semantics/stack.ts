// The stack: SS:(E)SP with the width of SS.B, whatever the address size. SDM Vol. 1, "Stacks"; "Address-Size Attributes for Stack Accesses".
//
// ESP changes only after the access that may fault. With a 16-bit stack only SP changes and offsets wrap at 64 KB.

import type { Builder, Instance, Width } from "../builder.ts";
import { ESP, SS } from "../state-layout.ts";

/** (E)SP as an offset in SS. */
export function stackPointer<V>(b: Builder<V>, i: Instance<V>): V {
  return b.let(b.gpr(ESP, i.stackSize));
}

/** The offset `bytes` above `pointer`; below for negative `bytes`. */
export function stackOffset<V>(b: Builder<V>, i: Instance<V>, pointer: V, bytes: number): V {
  return b.let(b.zeroExtend(b.add(pointer, b.imm(bytes)), i.stackSize));
}

export function setStackPointer<V>(b: Builder<V>, i: Instance<V>, pointer: V): void {
  b.setGpr(ESP, i.stackSize, pointer);
}

export function push<V>(b: Builder<V>, i: Instance<V>, width: Width, value: V): void {
  const bound = b.let(value);
  const top = stackOffset(b, i, stackPointer(b, i), -width);
  b.store(SS, top, width, bound);
  setStackPointer(b, i, top);
}

/** Reads the top of the stack; `commit` removes it, with `extra` bytes more. Split because what happens between may fault. */
export function peek<V>(b: Builder<V>, i: Instance<V>, width: Width): { readonly value: V; commit(extra?: V): void } {
  const pointer = stackPointer(b, i);
  const value = b.let(b.load(SS, pointer, width));
  return {
    value,
    commit: (extra) => {
      const above = b.add(pointer, b.imm(width));
      setStackPointer(b, i, extra === undefined ? above : b.add(above, extra));
    },
  };
}
