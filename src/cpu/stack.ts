// A stack that is pushed to or popped from before its registers are committed: the current one, or the one that a TSS
// names for an inner ring. Limits are checked item by item; on a fault nothing but memory below the top has changed.

import { CPL, ESP, SS, TR } from "../isa/state-layout.ts";
import { readLinear, readTable, writeLinear, type Width } from "./linear-memory.ts";
import { SS_FAULT, TS, type Processor } from "./processor.ts";
import { ACCESS_DB, accessOf, baseOf, limitOf, usableForRead, usableForWrite, withinLimit } from "./protection.ts";
import { checkStackSelector } from "./segmentation.ts";
import type { Context } from "./state.ts";

/** Mask of the stack pointer by SS.B. */
export function stackMask(c: Context): number {
  return maskOf(c.segmentAccess(SS));
}

function maskOf(access: number): number {
  return access & ACCESS_DB ? -1 : 0xffff;
}

export class StackCursor {
  readonly #p: Processor;
  readonly #base: number;
  readonly #limit: number;
  readonly #access: number;
  readonly #mask: number;
  readonly #user: boolean;
  /** Selector of a stack that is not loaded yet: error code of its #SS. 0 for the current stack. */
  readonly selector: number;
  /** The whole ESP; without SS.B only its low half moves. */
  pointer: number;

  constructor(p: Processor, base: number, limit: number, access: number, pointer: number, user: boolean, selector: number) {
    this.#p = p;
    this.#base = base;
    this.#limit = limit;
    this.#access = access;
    this.#mask = maskOf(access);
    this.#user = user;
    this.selector = selector;
    this.pointer = pointer;
  }

  /** Proves that `count` items more can be pushed; #SS otherwise. SP may wrap around between them. */
  reserve(width: Width, count: number): void {
    if (!usableForWrite(this.#access)) this.#fail();
    this.#prove(this.pointer - width * count, width, count);
  }

  /** Proves that `count` items, `above` bytes over the top, lie within the limit; #SS otherwise. */
  expect(width: Width, above: number, count: number): void {
    if (!usableForRead(this.#access)) this.#fail();
    this.#prove(this.pointer + above, width, count);
  }

  /** After `reserve`. */
  push(width: Width, value: number): void {
    const offset = (this.pointer - width) & this.#mask;
    writeLinear(this.#p, (this.#base + offset) | 0, width, value, this.#user);
    this.pointer = (this.pointer & ~this.#mask) | offset;
  }

  /** After `expect`: the item `above` bytes over the top; unsigned for width 2, signed for 4. */
  peek(width: Width, above: number): number {
    return readLinear(this.#p, (this.#base + ((this.pointer + above) & this.#mask)) | 0, width, this.#user);
  }

  skip(bytes: number): void {
    this.pointer = (this.pointer & ~this.#mask) | ((this.pointer + bytes) & this.#mask);
  }

  #prove(from: number, width: Width, count: number): void {
    const bytes = width * count, first = (from & this.#mask) >>> 0, end = ((from + bytes) & this.#mask) >>> 0;
    // Where SP does not wrap around, the items are one piece.
    if ((first < end || end === 0) && withinLimit(this.#access, this.#limit, first, bytes)) return;
    for (let i = 0; i < count; i++) {
      if (!withinLimit(this.#access, this.#limit, ((from + i * width) & this.#mask) >>> 0, width)) this.#fail();
    }
  }

  #fail(): never {
    return this.#p.selectorFault(SS_FAULT, this.selector);
  }
}

/** SS:ESP as it is. */
export function currentStack(p: Processor): StackCursor {
  const { context: c, state } = p;
  return new StackCursor(p, c.segmentBase(SS), c.segmentLimit(SS), c.segmentAccess(SS), state.gpr(ESP), c.get(CPL) === 3, 0);
}

/** The stack of ring `cpl` from the current TSS, checked; SS's descriptor stays the one read last. SDM Vol. 3A, "Stack Switching". */
export function innerStack(p: Processor, cpl: number): StackCursor {
  const c = p.context;
  const base = c.segmentBase(TR), limit = c.segmentLimit(TR);
  let selector: number, pointer: number;
  if (c.segmentAccess(TR) & 8) {
    const at = 4 + cpl * 8;
    if (at + 5 > limit) p.selectorFault(TS, c.selector(TR));
    pointer = readTable(p, (base + at) | 0, 4);
    selector = readTable(p, (base + at + 4) | 0, 2);
  } else {
    const at = 2 + cpl * 4;
    if (at + 3 > limit) p.selectorFault(TS, c.selector(TR));
    pointer = readTable(p, (base + at) | 0, 2);
    selector = readTable(p, (base + at + 2) | 0, 2);
  }
  checkStackSelector(p, selector, cpl, TS);
  const low = p.descriptorLow, high = p.descriptorHigh;
  return new StackCursor(p, baseOf(low, high), limitOf(low, high), accessOf(high), pointer, false, selector);
}
