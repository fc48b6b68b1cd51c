// MXCSR, fences and CLFLUSH. SDM Vol. 1, sections 10.4.5, 10.4.6, 11.4.4; Vol. 2, the instructions' own pages.

import type { Semantics } from "../row.ts";
import { MXCSR } from "../state-layout.ts";
import { beginSse } from "./sse-registers.ts";

/** The bits that exist, as FXSAVE's MXCSR_MASK tells. */
const MXCSR_BITS = 0xffff;
const GENERAL_PROTECTION = 13;

export const ldmxcsr: Semantics = (b, i) => {
  beginSse(b);
  const value = b.let(i.op[0].read(b));
  b.when(b.and(value, b.imm(~MXCSR_BITS)), () => b.raise(GENERAL_PROTECTION, b.imm(0)));
  b.set(MXCSR, value);
};

export const stmxcsr: Semantics = (b, i) => {
  beginSse(b);
  i.op[0].write(b, b.get(MXCSR));
};

/** One processor without caches and write buffers sees its accesses in order. */
export const fence: Semantics = () => {};

/** Nothing is cached; the address is checked as a byte's. */
export const clflush: Semantics = (b, i) => {
  b.let(i.op[0].read(b));
};
