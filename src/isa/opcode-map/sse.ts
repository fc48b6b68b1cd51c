// Floating-point numbers of SSE, SSE2 and SSE3, and the control of caches and order. SDM Vol. 2, Appendix A, Tables A-3 and A-6 (group 15).

import type { Semantics } from "../row.ts";
import * as arithmetic from "../semantics/sse-arithmetic.ts";
import * as compare from "../semantics/sse-compare.ts";
import * as control from "../semantics/sse-control.ts";
import * as convert from "../semantics/sse-convert.ts";
import * as integer from "../semantics/sse-integer.ts";
import * as transfer from "../semantics/sse-move.ts";
import { row, type UnnumberedRow } from "./row-builder.ts";

const sse = { feature: "sse" } as const;
const sse2 = { feature: "sse2" } as const;
const sse3 = { feature: "sse3" } as const;
const { lanes } = integer;

const MOVES: readonly UnnumberedRow[] = [
  row("0F10", "MOVUPS", "Vx Wu", transfer.move, sse),
  row("0F11", "MOVUPS", "Wu Vx", transfer.move, sse),
  row("660F10", "MOVUPD", "Vx Wu", transfer.move, sse2),
  row("660F11", "MOVUPD", "Wu Vx", transfer.move, sse2),
  row("F30F10", "MOVSS", "Vd Wd", transfer.moveScalar, sse),
  row("F30F11", "MOVSS", "Wd Vd", transfer.moveScalar, sse),
  row("F20F10", "MOVSD", "Vq Wq", transfer.moveScalar, sse2),
  row("F20F11", "MOVSD", "Wq Vq", transfer.moveScalar, sse2),
  row("0F12 mem", "MOVLPS", "Vq Mq", transfer.move, sse),
  row("0F12 reg", "MOVHLPS", "Vq Ux", transfer.movhlps, sse),
  row("0F13", "MOVLPS", "Mq Vq", transfer.move, sse),
  row("660F12", "MOVLPD", "Vq Mq", transfer.move, sse2),
  row("660F13", "MOVLPD", "Mq Vq", transfer.move, sse2),
  row("0F16 mem", "MOVHPS", "Vx Mq", transfer.moveIntoHigh, sse),
  row("0F16 reg", "MOVLHPS", "Vx Uq", transfer.moveIntoHigh, sse),
  row("0F17", "MOVHPS", "Mq Vx", transfer.moveFromHigh, sse),
  row("660F16", "MOVHPD", "Vx Mq", transfer.moveIntoHigh, sse2),
  row("660F17", "MOVHPD", "Mq Vx", transfer.moveFromHigh, sse2),
  row("0F28", "MOVAPS", "Vx Wx", transfer.move, sse),
  row("0F29", "MOVAPS", "Wx Vx", transfer.move, sse),
  row("660F28", "MOVAPD", "Vx Wx", transfer.move, sse2),
  row("660F29", "MOVAPD", "Wx Vx", transfer.move, sse2),
  row("0F2B", "MOVNTPS", "Mx Vx", transfer.move, sse),
  row("660F2B", "MOVNTPD", "Mx Vx", transfer.move, sse2),
  row("0FC3", "MOVNTI", "Md Gd", transfer.moveInteger, sse2),
  row("0F50 reg", "MOVMSKPS", "Gd Ux", transfer.movmskps, sse),
  row("660F50 reg", "MOVMSKPD", "Gd Ux", transfer.movmskpd, sse2),
  row("F20F12", "MOVDDUP", "Vx Wq", transfer.movddup, sse3),
  row("F30F12", "MOVSLDUP", "Vx Wx", transfer.movsldup, sse3),
  row("F30F16", "MOVSHDUP", "Vx Wx", transfer.movshdup, sse3),
];

const SHUFFLES_AND_LOGIC: readonly UnnumberedRow[] = [
  row("0F14", "UNPCKLPS", "Vx Wx", integer.unpackLow(4), sse),
  row("0F15", "UNPCKHPS", "Vx Wx", integer.unpackHigh(4), sse),
  row("660F14", "UNPCKLPD", "Vx Wx", integer.unpackLow(8), sse2),
  row("660F15", "UNPCKHPD", "Vx Wx", integer.unpackHigh(8), sse2),
  row("0FC6", "SHUFPS", "Vx Wx Ib", integer.shufps, sse),
  row("660FC6", "SHUFPD", "Vx Wx Ib", integer.shufpd, sse2),
  ...([["54", "AND", lanes("v128.and")], ["55", "ANDN", integer.andNot], ["56", "OR", lanes("v128.or")], ["57", "XOR", lanes("v128.xor")]] as const).flatMap(
    ([opcode, name, semantics]) => [row(`0F${opcode}`, `${name}PS`, "Vx Wx", semantics, sse), row(`660F${opcode}`, `${name}PD`, "Vx Wx", semantics, sse2)]),
];

/** Packed single, packed double, scalar single, scalar double. */
function fourForms(opcode: string, name: string, packedSingle: Semantics, packedDouble: Semantics, scalarSingle: Semantics, scalarDouble: Semantics): UnnumberedRow[] {
  return [
    row(`0F${opcode}`, `${name}PS`, "Vx Wx", packedSingle, sse), row(`660F${opcode}`, `${name}PD`, "Vx Wx", packedDouble, sse2),
    row(`F30F${opcode}`, `${name}SS`, "Vd Wd", scalarSingle, sse), row(`F20F${opcode}`, `${name}SD`, "Vq Wq", scalarDouble, sse2),
  ];
}

type Formats = { readonly single: arithmetic.Arithmetic; readonly double: arithmetic.Arithmetic };
const OPERATIONS: readonly (readonly [string, string, Formats])[] = [
  ["51", "SQRT", arithmetic.squareRoots], ["58", "ADD", arithmetic.add], ["59", "MUL", arithmetic.multiply], ["5C", "SUB", arithmetic.subtract],
  ["5E", "DIV", arithmetic.divide],
];
const { minimum, maximum, compares, comis, ucomis } = compare;

const ARITHMETIC: readonly UnnumberedRow[] = [
  ...OPERATIONS.flatMap(([opcode, name, { single, double }]) => fourForms(opcode, name, single.packed, double.packed, single.scalar, double.scalar)),
  ...fourForms("5D", "MIN", minimum.single, minimum.double, minimum.single, minimum.double),
  ...fourForms("5F", "MAX", maximum.single, maximum.double, maximum.single, maximum.double),
  row("660F7C", "HADDPD", "Vx Wx", arithmetic.add.double.horizontal, sse3),
  row("F20F7C", "HADDPS", "Vx Wx", arithmetic.add.single.horizontal, sse3),
  row("660F7D", "HSUBPD", "Vx Wx", arithmetic.subtract.double.horizontal, sse3),
  row("F20F7D", "HSUBPS", "Vx Wx", arithmetic.subtract.single.horizontal, sse3),
  row("660FD0", "ADDSUBPD", "Vx Wx", arithmetic.addsubpd, sse3),
  row("F20FD0", "ADDSUBPS", "Vx Wx", arithmetic.addsubps, sse3),
  row("0F52", "RSQRTPS", "Vx Wx", convert.reciprocalRoot, sse),
  row("F30F52", "RSQRTSS", "Vd Wd", convert.reciprocalRoot, sse),
  row("0F53", "RCPPS", "Vx Wx", convert.reciprocal, sse),
  row("F30F53", "RCPSS", "Vd Wd", convert.reciprocal, sse),
];

const COMPARISONS: readonly UnnumberedRow[] = [
  row("0FC2", "CMPPS", "Vx Wx Ib", compares.single, sse),
  row("660FC2", "CMPPD", "Vx Wx Ib", compares.double, sse2),
  row("F30FC2", "CMPSS", "Vd Wd Ib", compares.single, sse),
  row("F20FC2", "CMPSD", "Vq Wq Ib", compares.double, sse2),
  row("0F2E", "UCOMISS", "Vd Wd", ucomis.single, { ...sse, readsOnly: true }),
  row("660F2E", "UCOMISD", "Vq Wq", ucomis.double, { ...sse2, readsOnly: true }),
  row("0F2F", "COMISS", "Vd Wd", comis.single, { ...sse, readsOnly: true }),
  row("660F2F", "COMISD", "Vq Wq", comis.double, { ...sse2, readsOnly: true }),
];

const CONVERSIONS: readonly UnnumberedRow[] = [
  row("0F2A", "CVTPI2PS", "Vq Qq", convert.integersToSingle, sse),
  row("660F2A", "CVTPI2PD", "Vx Qq", convert.cvtpi2pd, sse2),
  row("F30F2A", "CVTSI2SS", "Vd Ed", convert.integersToSingle, sse),
  row("F20F2A", "CVTSI2SD", "Vq Ed", convert.integersToDouble, sse2),
  row("0F2C", "CVTTPS2PI", "Pq Wq", convert.singleTruncated, sse),
  row("660F2C", "CVTTPD2PI", "Pq Wx", convert.doubleTruncated, sse2),
  row("F30F2C", "CVTTSS2SI", "Gd Wd", convert.singleTruncated, sse),
  row("F20F2C", "CVTTSD2SI", "Gd Wq", convert.doubleTruncated, sse2),
  row("0F2D", "CVTPS2PI", "Pq Wq", convert.singleToIntegers, sse),
  row("660F2D", "CVTPD2PI", "Pq Wx", convert.doubleToIntegers, sse2),
  row("F30F2D", "CVTSS2SI", "Gd Wd", convert.singleToIntegers, sse),
  row("F20F2D", "CVTSD2SI", "Gd Wq", convert.doubleToIntegers, sse2),
  row("0F5A", "CVTPS2PD", "Vx Wq", convert.widen, sse2),
  row("660F5A", "CVTPD2PS", "Vx Wx", convert.narrow, sse2),
  row("F30F5A", "CVTSS2SD", "Vq Wd", convert.widen, sse2),
  row("F20F5A", "CVTSD2SS", "Vd Wq", convert.narrow, sse2),
  row("0F5B", "CVTDQ2PS", "Vx Wx", convert.integersToSingle, sse2),
  row("660F5B", "CVTPS2DQ", "Vx Wx", convert.singleToIntegers, sse2),
  row("F30F5B", "CVTTPS2DQ", "Vx Wx", convert.singleTruncated, sse2),
  row("660FE6", "CVTTPD2DQ", "Vx Wx", convert.doubleTruncated, sse2),
  row("F20FE6", "CVTPD2DQ", "Vx Wx", convert.doubleToIntegers, sse2),
  row("F30FE6", "CVTDQ2PD", "Vx Wq", convert.integersToDouble, sse2),
];

const CONTROL: readonly UnnumberedRow[] = [
  row("0FAE /2 mem", "LDMXCSR", "Md", control.ldmxcsr, { ...sse, readsOnly: true }),
  row("0FAE /3 mem", "STMXCSR", "Md", control.stmxcsr, sse),
  row("0FAE /5 reg", "LFENCE", "", control.fence, sse2),
  row("0FAE /6 reg", "MFENCE", "", control.fence, sse2),
  row("0FAE /7 reg", "SFENCE", "", control.fence, sse),
  row("0FAE /7 mem", "CLFLUSH", "Mb", control.clflush, { feature: "clflush", readsOnly: true }),
];

export const SSE_ROWS: readonly UnnumberedRow[] = [...MOVES, ...SHUFFLES_AND_LOGIC, ...ARITHMETIC, ...COMPARISONS, ...CONVERSIONS, ...CONTROL];
