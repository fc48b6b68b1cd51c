// Logical instructions: CF and OF become 0, AF (undefined) too. SDM Vol. 1, "Logical Instructions".

import type { Semantics } from "../row.ts";

export const and: Semantics = (b, i) => {
  const x = i.op[0].readForWrite(b);
  const result = b.let(b.and(x, i.op[1].read(b)));
  i.op[0].write(b, result);
  b.flags("logic", i.width, result, result, result);
};

export const or: Semantics = (b, i) => {
  const x = i.op[0].readForWrite(b);
  const result = b.let(b.or(x, i.op[1].read(b)));
  i.op[0].write(b, result);
  b.flags("logic", i.width, result, result, result);
};

export const xor: Semantics = (b, i) => {
  const x = i.op[0].readForWrite(b);
  const result = b.let(b.xor(x, i.op[1].read(b)));
  i.op[0].write(b, result);
  b.flags("logic", i.width, result, result, result);
};

export const test: Semantics = (b, i) => {
  const x = i.op[0].read(b);
  const result = b.let(b.and(x, i.op[1].read(b)));
  b.flags("logic", i.width, result, result, result);
};

export const not: Semantics = (b, i) => {
  i.op[0].write(b, b.xor(i.op[0].readForWrite(b), b.imm(-1)));
};
