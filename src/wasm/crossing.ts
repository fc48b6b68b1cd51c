// Accesses across a page boundary, for places where they happen so often that a side exit would cost too much: shared functions that
// make the access byte by byte if both pages are in the TLB.

import type { Builder, SharedFunction } from "../isa/builder.ts";

/** Entries of both pages in the TLB at `table`, and whether they are valid. */
function entries<V>(b: Builder<V>, linear: V, table: V): { readonly first: V; readonly second: V; readonly inFirst: V; readonly valid: V } {
  const entryOf = (page: V) => b.let(b.stateLoad(b.add(table, b.shl(b.and(page, b.imm(0xf_ffff)), b.imm(2))), 4));
  const page = b.let(b.shrU(linear, b.imm(12)));
  const first = entryOf(page), second = entryOf(b.add(page, b.imm(1)));
  const inFirst = b.let(b.sub(b.imm(4096), b.and(linear, b.imm(4095))));
  return { first, second, inFirst, valid: b.let(b.eqz(b.and(b.or(first, second), b.imm(4095)))) };
}

/** (linear, table, bytes) -> value, zero-extended, and 1 if it could be had. */
export const loadAcross: SharedFunction = {
  name: "loadAcross", params: ["i32", "i32", "i32"], results: ["i64", "i32"],
  body: (b, [linear, table, bytes]) => {
    const { first, second, inFirst, valid } = entries(b, linear, table);
    const value = b.variable64(b.imm64(0n)), at = b.variable(b.imm(0));
    b.when(b.and(valid, b.ltU(inFirst, bytes)), () => b.loop(() => {
      const n = b.let(at.get());
      const host = b.add(b.add(linear, n), b.select(b.ltU(n, inFirst), first, second));
      value.set(b.or64(value.get(), b.shl64(b.extendU(b.stateLoad(b.let(host), 1)), b.extendU(b.shl(n, b.imm(3))))));
      at.set(b.add(n, b.imm(1)));
      return b.ltU(at.get(), bytes);
    }));
    return [value.get(), b.eq(at.get(), bytes)];
  },
};

/** (linear, table, bytes, value) -> 1 if it could be stored. */
export const storeAcross: SharedFunction = {
  name: "storeAcross", params: ["i32", "i32", "i32", "i64"], results: ["i32"],
  body: (b, [linear, table, bytes, value]) => {
    const { first, second, inFirst, valid } = entries(b, linear, table);
    const at = b.variable(b.imm(0));
    b.when(b.and(valid, b.ltU(inFirst, bytes)), () => b.loop(() => {
      const n = b.let(at.get());
      const host = b.add(b.add(linear, n), b.select(b.ltU(n, inFirst), first, second));
      b.stateStore(b.let(host), 1, b.wrap(b.shrU64(value, b.extendU(b.shl(n, b.imm(3))))));
      at.set(b.add(n, b.imm(1)));
      return b.ltU(at.get(), bytes);
    }));
    return [b.eq(at.get(), bytes)];
  },
};
