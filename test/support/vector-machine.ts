// What runs single instructions of captured vectors: code kept in its place, so that it is decoded once, and an evaluator with flat segments.

import { createEvaluator } from "../../src/isa/evaluator.ts";
import { CONTEXT_BYTES, CONTEXT_H, CONTEXT_V, CR0, CS, SEG_ACCESS, SEG_LIMIT, SEGMENT_STRIDE } from "../../src/isa/state-layout.ts";

/** Where each instruction lies in `ram`: the same bytes in the same place. */
export function codePlaces(ram: Uint8Array, base: number, stride: number): (code: Uint8Array) => number {
  const places = new Map<string, number>();
  return (code) => {
    const key = code.join(), known = places.get(key);
    if (known !== undefined) return known;
    const at = base + places.size * stride;
    if (at + stride > ram.length) throw new RangeError("too many instructions");
    places.set(key, at);
    ram.set(code, at);
    return at;
  };
}

/** In protected mode, with `ram` at linear address `base` and no helpers. */
export function flatEvaluator(ram: Uint8Array, base: number) {
  const view = new DataView(new ArrayBuffer(CONTEXT_H + CONTEXT_BYTES));
  const { builder, step } = createEvaluator({
    state: view,
    memory: { read: (at) => ram[at - base] as number, write: (at, byte) => void (ram[at - base] = byte) },
    helper: (name) => { throw new Error(name); },
  });
  for (let segment = 0; segment < 6; segment++) {
    const at = CONTEXT_V + segment * SEGMENT_STRIDE;
    view.setUint32(at + SEG_LIMIT, 0xffff_ffff, true);
    view.setUint32(at + SEG_ACCESS, segment === CS ? 0x409b : 0x4093, true);
  }
  builder.set(CR0, 1);
  return { view, builder, step };
}
