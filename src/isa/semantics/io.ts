// IN and OUT. SDM Vol. 1, "I/O Instructions"; the permission check (IOPL, TSS bitmap, V86) is in the helpers.

import type { Semantics } from "../row.ts";

export const input: Semantics = (b, i) => {
  i.op[0].write(b, b.helper("portIn", i.op[1].read(b), b.imm(i.op[0].width)));
};

export const output: Semantics = (b, i) => {
  b.helper("portOut", i.op[0].read(b), b.imm(i.op[1].width), i.op[1].read(b));
};
