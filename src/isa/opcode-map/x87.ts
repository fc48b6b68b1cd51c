// x87 opcode map (9B, D8-DF), and the instructions that save and restore it with the XMM registers (0FAE /0, /1). SDM Vol. 2, Appendix A, Tables.

import { fpatan } from "../semantics/x87-arctangent.ts";
import * as arithmetic from "../semantics/x87-arithmetic.ts";
import * as compare from "../semantics/x87-compare.ts";
import * as control from "../semantics/x87-control.ts";
import * as decimal from "../semantics/x87-decimal.ts";
import * as environment from "../semantics/x87-environment.ts";
import * as fast from "../semantics/x87-fast-save.ts";
import * as transfer from "../semantics/x87-load-store.ts";
import * as logarithm from "../semantics/x87-logarithm.ts";
import * as remainder from "../semantics/x87-scale-remainder.ts";
import * as trigonometric from "../semantics/x87-trigonometric.ts";
import { row, type UnnumberedRow } from "./row-builder.ts";
import { sensitive } from "../sensitivity.ts";

const fpu = { feature: "fpu" } as const;
const reads = { feature: "fpu", readsOnly: true } as const;

/** ModRM.reg of the six operations in D8, DA, DC, DE. */
const OPERATIONS = [
  ["FADD", "FIADD", 0, arithmetic.fadd], ["FMUL", "FIMUL", 1, arithmetic.fmul], ["FSUB", "FISUB", 4, arithmetic.fsub],
  ["FSUBR", "FISUBR", 5, arithmetic.fsubr], ["FDIV", "FIDIV", 6, arithmetic.fdiv], ["FDIVR", "FIDIVR", 7, arithmetic.fdivr],
] as const;

const hex = (byte: number) => byte.toString(16).toUpperCase();

const ARITHMETIC_ROWS: readonly UnnumberedRow[] = OPERATIONS.flatMap(([name, integerName, reg, forms]) => {
  // With ST(i) as destination, the codes of the reversed operations change places.
  const reversed = reg >= 4 ? reg ^ 1 : reg;
  return [
    row(`D8 /${reg} mem`, name, "Md", forms.real, reads),
    row(`DC /${reg} mem`, name, "Mq", forms.real, reads),
    row(`DA /${reg} mem`, integerName, "Md", forms.integer, reads),
    row(`DE /${reg} mem`, integerName, "Mw", forms.integer, reads),
    row(`D8 ${hex(0xc0 + reg * 8)}+`, name, "ST STi", forms.stack, fpu),
    row(`DC ${hex(0xc0 + reversed * 8)}+`, name, "STi ST", forms.stack, fpu),
    row(`DE ${hex(0xc0 + reversed * 8)}+`, `${name}P`, "STi ST", forms.stackPop, fpu),
  ];
});

export const X87_ROWS: readonly UnnumberedRow[] = [
  row("0FAE /0 mem", "FXSAVE", "M", fast.fxsave, { feature: "fxsr", ...sensitive("FXSAVE") }),
  row("0FAE /1 mem", "FXRSTOR", "M", fast.fxrstor, { feature: "fxsr", readsOnly: true }),
  row("9B", "WAIT", "", control.wait),
  ...ARITHMETIC_ROWS,
  row("D8 /2 mem", "FCOM", "Md", compare.fcomReal, reads),
  row("D8 /3 mem", "FCOMP", "Md", compare.fcompReal, reads),
  row("D8 D0+", "FCOM", "STi", compare.fcom, reads),
  row("D8 D8+", "FCOMP", "STi", compare.fcomp, reads),
  row("D9 /0 mem", "FLD", "Md", transfer.fldReal, reads),
  row("D9 /2 mem", "FST", "Md", transfer.fstReal, fpu),
  row("D9 /3 mem", "FSTP", "Md", transfer.fstpReal, fpu),
  row("D9 /4 mem", "FLDENV", "M", environment.fldenv, reads),
  row("D9 /5 mem", "FLDCW", "Mw", control.fldcw, reads),
  row("D9 /6 mem", "FNSTENV", "M", environment.fnstenv, { ...fpu, ...sensitive("FNSTENV") }),
  row("D9 /7 mem", "FNSTCW", "Mw", control.fnstcw, fpu),
  row("D9 C0+", "FLD", "STi", transfer.fldStack, reads),
  row("D9 C8+", "FXCH", "STi", transfer.fxch, fpu),
  row("D9 D0", "FNOP", "", control.fnop, fpu),
  row("D9 D8+", "FSTP", "STi", transfer.fstpNoException, fpu),
  row("D9 E0", "FCHS", "", transfer.fchs, fpu),
  row("D9 E1", "FABS", "", transfer.fabs, fpu),
  row("D9 E4", "FTST", "", compare.ftst, fpu),
  row("D9 E5", "FXAM", "", compare.fxam, fpu),
  row("D9 E8", "FLD1", "", transfer.fld1, fpu),
  row("D9 E9", "FLDL2T", "", transfer.fldl2t, fpu),
  row("D9 EA", "FLDL2E", "", transfer.fldl2e, fpu),
  row("D9 EB", "FLDPI", "", transfer.fldpi, fpu),
  row("D9 EC", "FLDLG2", "", transfer.fldlg2, fpu),
  row("D9 ED", "FLDLN2", "", transfer.fldln2, fpu),
  row("D9 EE", "FLDZ", "", transfer.fldz, fpu),
  row("D9 F0", "F2XM1", "", logarithm.f2xm1, fpu),
  row("D9 F1", "FYL2X", "", logarithm.fyl2x, fpu),
  row("D9 F2", "FPTAN", "", trigonometric.fptan, fpu),
  row("D9 F3", "FPATAN", "", fpatan, fpu),
  row("D9 F4", "FXTRACT", "", remainder.fxtract, fpu),
  row("D9 F5", "FPREM1", "", remainder.fprem1, fpu),
  row("D9 F6", "FDECSTP", "", control.fdecstp, fpu),
  row("D9 F7", "FINCSTP", "", control.fincstp, fpu),
  row("D9 F8", "FPREM", "", remainder.fprem, fpu),
  row("D9 F9", "FYL2XP1", "", logarithm.fyl2xp1, fpu),
  row("D9 FA", "FSQRT", "", arithmetic.fsqrt, fpu),
  row("D9 FB", "FSINCOS", "", trigonometric.fsincos, fpu),
  row("D9 FC", "FRNDINT", "", transfer.frndint, fpu),
  row("D9 FD", "FSCALE", "", remainder.fscale, fpu),
  row("D9 FE", "FSIN", "", trigonometric.fsin, fpu),
  row("D9 FF", "FCOS", "", trigonometric.fcos, fpu),
  row("DA /2 mem", "FICOM", "Md", compare.ficom, reads),
  row("DA /3 mem", "FICOMP", "Md", compare.ficomp, reads),
  row("DA C0+", "FCMOVB", "ST STi", transfer.fcmovb, { feature: "cmov" }),
  row("DA C8+", "FCMOVE", "ST STi", transfer.fcmove, { feature: "cmov" }),
  row("DA D0+", "FCMOVBE", "ST STi", transfer.fcmovbe, { feature: "cmov" }),
  row("DA D8+", "FCMOVU", "ST STi", transfer.fcmovu, { feature: "cmov" }),
  row("DA E9", "FUCOMPP", "", compare.fucompp, fpu),
  row("DB /0 mem", "FILD", "Md", transfer.fild, reads),
  row("DB /1 mem", "FISTTP", "Md", transfer.fisttp, { feature: "sse3" }),
  row("DB /2 mem", "FIST", "Md", transfer.fist, fpu),
  row("DB /3 mem", "FISTP", "Md", transfer.fistp, fpu),
  row("DB /5 mem", "FLD", "Mt", transfer.fldExtended, reads),
  row("DB /7 mem", "FSTP", "Mt", transfer.fstpExtended, fpu),
  row("DB C0+", "FCMOVNB", "ST STi", transfer.fcmovnb, { feature: "cmov" }),
  row("DB C8+", "FCMOVNE", "ST STi", transfer.fcmovne, { feature: "cmov" }),
  row("DB D0+", "FCMOVNBE", "ST STi", transfer.fcmovnbe, { feature: "cmov" }),
  row("DB D8+", "FCMOVNU", "ST STi", transfer.fcmovnu, { feature: "cmov" }),
  row("DB E0", "FNENI", "", control.formerControl, fpu),
  row("DB E1", "FNDISI", "", control.formerControl, fpu),
  row("DB E2", "FNCLEX", "", control.fnclex, fpu),
  row("DB E3", "FNINIT", "", control.fninit, fpu),
  row("DB E4", "FNSETPM", "", control.formerControl, fpu),
  row("DB E8+", "FUCOMI", "ST STi", compare.fucomi, { feature: "cmov", readsOnly: true }),
  row("DB F0+", "FCOMI", "ST STi", compare.fcomi, { feature: "cmov", readsOnly: true }),
  row("DC /2 mem", "FCOM", "Mq", compare.fcomReal, reads),
  row("DC /3 mem", "FCOMP", "Mq", compare.fcompReal, reads),
  row("DC D0+", "FCOM", "STi", compare.fcom, reads),
  row("DC D8+", "FCOMP", "STi", compare.fcomp, reads),
  row("DD /0 mem", "FLD", "Mq", transfer.fldReal, reads),
  row("DD /1 mem", "FISTTP", "Mq", transfer.fisttp, { feature: "sse3" }),
  row("DD /2 mem", "FST", "Mq", transfer.fstReal, fpu),
  row("DD /3 mem", "FSTP", "Mq", transfer.fstpReal, fpu),
  row("DD /4 mem", "FRSTOR", "M", environment.frstor, reads),
  row("DD /6 mem", "FNSAVE", "M", environment.fnsave, { ...fpu, ...sensitive("FNSAVE") }),
  row("DD /7 mem", "FNSTSW", "Mw", control.fnstsw, fpu),
  row("DD C0+", "FFREE", "STi", control.ffree, fpu),
  row("DD C8+", "FXCH", "STi", transfer.fxch, fpu),
  row("DD D0+", "FST", "STi", transfer.fstStack, fpu),
  row("DD D8+", "FSTP", "STi", transfer.fstpStack, fpu),
  row("DD E0+", "FUCOM", "STi", compare.fucom, reads),
  row("DD E8+", "FUCOMP", "STi", compare.fucomp, reads),
  row("DE /2 mem", "FICOM", "Mw", compare.ficom, reads),
  row("DE /3 mem", "FICOMP", "Mw", compare.ficomp, reads),
  row("DE D0+", "FCOMP", "STi", compare.fcomp, reads),
  row("DE D9", "FCOMPP", "", compare.fcompp, fpu),
  row("DF /0 mem", "FILD", "Mw", transfer.fild, reads),
  row("DF /1 mem", "FISTTP", "Mw", transfer.fisttp, { feature: "sse3" }),
  row("DF /2 mem", "FIST", "Mw", transfer.fist, fpu),
  row("DF /3 mem", "FISTP", "Mw", transfer.fistp, fpu),
  row("DF /4 mem", "FBLD", "Mt", decimal.fbld, reads),
  row("DF /5 mem", "FILD", "Mq", transfer.fild, reads),
  row("DF /6 mem", "FBSTP", "Mt", decimal.fbstp, fpu),
  row("DF /7 mem", "FISTP", "Mq", transfer.fistp, fpu),
  row("DF C0+", "FFREEP", "STi", control.ffreep, fpu),
  row("DF C8+", "FXCH", "STi", transfer.fxch, fpu),
  row("DF D0+", "FSTP", "STi", transfer.fstpStack, fpu),
  row("DF D8+", "FSTP", "STi", transfer.fstpStack, fpu),
  row("DF E0", "FNSTSW", "AX", control.fnstsw, fpu),
  row("DF E8+", "FUCOMIP", "ST STi", compare.fucomip, { feature: "cmov", readsOnly: true }),
  row("DF F0+", "FCOMIP", "ST STi", compare.fcomip, { feature: "cmov", readsOnly: true }),
];
