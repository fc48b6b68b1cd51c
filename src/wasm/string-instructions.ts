// REP MOVS and REP STOS as generated code does them itself, in flat code with DF clear: whole pieces of pages that the TLB knows, forwards.
// Where a destination overlaps the rest of its source, an element crosses a page, or the TLB knows nothing, they stop.

import type { Builder, SharedFunction, Width } from "../isa/builder.ts";
import { EAX, ECX, EDI, EFLAGS_DF, EFLAGS_SHARED, ESI } from "../isa/state-layout.ts";

const PAGE = 4096;
/** Bytes of one instruction that are done at once, in less than half a millisecond: interrupts are looked at behind it. */
const SLICE = 0x40_0000;
/** From so many bytes on, the engine's own copy is worth the call. */
const LONG = 64;

function entryOf<V>(b: Builder<V>, table: V, linear: V): V {
  return b.let(b.stateLoad(b.add(table, b.shl(b.shrU(linear, b.imm(12)), b.imm(2))), 4));
}

const toPageEnd = <V>(b: Builder<V>, linear: V): V => b.sub(b.imm(PAGE), b.and(linear, b.imm(PAGE - 1)));
const lesser = <V>(b: Builder<V>, x: V, y: V): V => b.let(b.select(b.ltU(x, y), x, y));

/** Bytes of `count` elements, at most SLICE; `shift`: 0 to 2 for their width. */
function bytesOf<V>(b: Builder<V>, count: V, shift: V): V {
  return b.let(b.shl(lesser(b, count, b.shrU(b.imm(SLICE), shift)), shift));
}

/** Calls `piece` for each part that ends with a page at most: (bytes done, bytes to do) -> bytes that may be done together, 0 for none. */
function byPieces<V>(b: Builder<V>, bytes: V, piece: (done: V, left: V) => V): readonly V[] {
  const done = b.variable(b.imm(0));
  b.when(bytes, () => b.loop(() => {
    const before = b.let(done.get());
    const moved = b.let(piece(before, b.let(b.sub(bytes, before))));
    done.set(b.add(before, moved));
    return b.and(b.ne(moved, b.imm(0)), b.ltU(done.get(), bytes));
  }));
  return [done.get()];
}

/** Whole elements of the bytes. */
const whole = <V>(b: Builder<V>, bytes: V, shift: V): V => b.let(b.shl(b.shrU(bytes, shift), shift));

/** (ESI, EDI, ECX, shift, TLB of reads, TLB of writes) -> bytes moved */
const moveString: SharedFunction = {
  name: "moveString", params: ["i32", "i32", "i32", "i32", "i32", "i32"], results: ["i32"],
  body: (b, [source, destination, count, shift, tlbRead, tlbWrite]) => byPieces(b, bytesOf(b, count, shift), (done, left) => {
    const from = b.let(b.add(source, done)), to = b.let(b.add(destination, done));
    const inPages = lesser(b, left, lesser(b, toPageEnd(b, from), toPageEnd(b, to)));
    const piece = b.variable(whole(b, inPages, shift));
    const fromEntry = entryOf(b, tlbRead, from), toEntry = entryOf(b, tlbWrite, to);
    const hostFrom = b.let(b.add(from, fromEntry)), hostTo = b.let(b.add(to, toEntry));
    const distance = b.let(b.sub(hostTo, hostFrom));
    const overlaps = b.and(b.ne(distance, b.imm(0)), b.ltU(distance, piece.get()));
    b.when(b.or(b.and(b.or(fromEntry, toEntry), b.imm(PAGE - 1)), overlaps), () => piece.set(b.imm(0)));
    const bytes = b.let(piece.get());
    b.when(b.ltU(bytes, b.imm(LONG)), () => moveShort(b, hostTo, hostFrom, bytes), () => b.moveBytes(hostTo, hostFrom, bytes));
    return bytes;
  }),
};

/** Forwards by 8 bytes, then one by one. Right for a destination that lies before its source, too, however near. */
function moveShort<V>(b: Builder<V>, to: V, from: V, bytes: V): void {
  const at = b.variable(b.imm(0));
  const long = b.let(b.and(bytes, b.imm(~7)));
  b.when(long, () => b.loop(() => {
    b.stateStore64(b.let(b.add(to, at.get())), b.stateLoad64(b.let(b.add(from, at.get()))));
    at.set(b.add(at.get(), b.imm(8)));
    return b.ltU(at.get(), long);
  }));
  b.when(b.ltU(long, bytes), () => b.loop(() => {
    b.stateStore(b.let(b.add(to, at.get())), 1, b.stateLoad(b.let(b.add(from, at.get())), 1));
    at.set(b.add(at.get(), b.imm(1)));
    return b.ltU(at.get(), bytes);
  }));
}

/** (EDI, AL AX or EAX, ECX, shift, TLB of writes) -> bytes filled */
const fillString: SharedFunction = {
  name: "fillString", params: ["i32", "i32", "i32", "i32", "i32"], results: ["i32"],
  body: (b, [destination, value, count, shift, tlbWrite]) => {
    // The element, four bytes of them.
    const isByte = b.eqz(shift), isWord = b.eq(shift, b.imm(1));
    const low = b.let(b.and(value, b.imm(0xff)));
    const bytes = b.mul(low, b.imm(0x0101_0101)), words = b.mul(b.and(value, b.imm(0xffff)), b.imm(0x1_0001));
    const pattern = b.let(b.select(isByte, bytes, b.select(isWord, words, value)));
    const isUniform = b.let(b.eq(pattern, b.mul(low, b.imm(0x0101_0101))));
    return byPieces(b, bytesOf(b, count, shift), (done, left) => {
      const to = b.let(b.add(destination, done));
      const piece = b.variable(whole(b, lesser(b, left, toPageEnd(b, to)), shift));
      const entry = entryOf(b, tlbWrite, to);
      const host = b.let(b.add(to, entry));
      b.when(b.and(entry, b.imm(PAGE - 1)), () => piece.set(b.imm(0)));
      const length = b.let(piece.get());
      b.when(b.and(isUniform, b.geU(length, b.imm(LONG))), () => b.fillBytes(host, low, length), () => fillShort(b, host, pattern, length));
      return length;
    });
  },
};

/** By 4 bytes, then one by one. */
function fillShort<V>(b: Builder<V>, to: V, pattern: V, bytes: V): void {
  const at = b.variable(b.imm(0));
  const long = b.let(b.and(bytes, b.imm(~3)));
  b.when(long, () => b.loop(() => {
    b.stateStore(b.let(b.add(to, at.get())), 4, pattern);
    at.set(b.add(at.get(), b.imm(4)));
    return b.ltU(at.get(), long);
  }));
  b.when(b.ltU(long, bytes), () => b.loop(() => {
    b.stateStore(b.let(b.add(to, at.get())), 1, b.shrU(pattern, b.shl(at.get(), b.imm(3))));
    at.set(b.add(at.get(), b.imm(1)));
    return b.ltU(at.get(), bytes);
  }));
}

/** The whole instruction, by ESI, EDI and ECX: the elements that are left to the interpreter. Only where `insist` may be asked. */
export function repeatString<V>(b: Builder<V>, tlb: { readonly tlbRead: number; readonly tlbWrite: number }, moves: boolean, width: Width): V {
  b.insist(b.and(b.get(EFLAGS_SHARED), b.imm(EFLAGS_DF)));
  const count = b.gpr(ECX, 4), to = b.gpr(EDI, 4), from = moves ? b.gpr(ESI, 4) : b.imm(0), shift = b.imm(width >> 1);
  const [moved] = moves
    ? b.call(moveString, from, to, count, shift, b.imm(tlb.tlbRead), b.imm(tlb.tlbWrite))
    : b.call(fillString, to, b.gpr(EAX, width), count, shift, b.imm(tlb.tlbWrite));
  if (moves) b.setGpr(ESI, 4, b.add(from, moved));
  b.setGpr(EDI, 4, b.add(to, moved));
  const left = b.let(b.sub(count, b.shrU(moved, shift)));
  b.setGpr(ECX, 4, left);
  return left;
}
