// x87 opcode map (9B, D8-DF). SDM Vol. 2, Appendix A, Tables.

import * as x87 from "../semantics/x87-control.ts";
import { row, type UnnumberedRow } from "./row-builder.ts";

const fpu = { feature: "fpu" } as const;

export const X87_ROWS: readonly UnnumberedRow[] = [
  row("9B", "WAIT", "", x87.wait),
  row("D9 /5 mem", "FLDCW", "Mw", x87.fldcw, { ...fpu, readsOnly: true }),
  row("D9 /7 mem", "FNSTCW", "Mw", x87.fnstcw, fpu),
  row("DB E2", "FNCLEX", "", x87.fnclex, fpu),
  row("DB E3", "FNINIT", "", x87.fninit, fpu),
  row("DD /7 mem", "FNSTSW", "Mw", x87.fnstsw, fpu),
  row("DF E0", "FNSTSW", "AX", x87.fnstsw, fpu),
];
