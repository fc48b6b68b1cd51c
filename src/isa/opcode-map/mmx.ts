// Packed integers: MMX, and the forms of SSE and SSE2 on MMX and XMM registers. SDM Vol. 2, Appendix A, Table A-3 (0F 60-7F, C4-C5, D1-FE),
// Table A-6 (groups 12 to 14).

import type { RowOptions, Semantics } from "../row.ts";
import * as integer from "../semantics/sse-integer.ts";
import * as transfer from "../semantics/sse-move.ts";
import { row, type UnnumberedRow } from "./row-builder.ts";

const mmx = { feature: "mmx" } as const;
const sse = { feature: "sse" } as const;
const sse2 = { feature: "sse2" } as const;
const reads = (options: RowOptions): RowOptions => ({ ...options, readsOnly: true });

const { lanes } = integer;

/** In MMX registers since `first`, in XMM registers since SSE2: second opcode byte, mnemonic, meaning. */
const BOTH: readonly (readonly [string, string, Semantics, RowOptions])[] = [
  ["63", "PACKSSWB", integer.packsswb, mmx], ["67", "PACKUSWB", integer.packuswb, mmx], ["6B", "PACKSSDW", integer.packssdw, mmx],
  ["64", "PCMPGTB", lanes("i8x16.gt_s"), mmx], ["65", "PCMPGTW", lanes("i16x8.gt_s"), mmx], ["66", "PCMPGTD", lanes("i32x4.gt_s"), mmx],
  ["74", "PCMPEQB", lanes("i8x16.eq"), mmx], ["75", "PCMPEQW", lanes("i16x8.eq"), mmx], ["76", "PCMPEQD", lanes("i32x4.eq"), mmx],
  ["68", "PUNPCKHBW", integer.unpackHigh(1), mmx], ["69", "PUNPCKHWD", integer.unpackHigh(2), mmx], ["6A", "PUNPCKHDQ", integer.unpackHigh(4), mmx],
  ["D1", "PSRLW", integer.psrlw, mmx], ["D2", "PSRLD", integer.psrld, mmx], ["D3", "PSRLQ", integer.psrlq, mmx],
  ["E1", "PSRAW", integer.psraw, mmx], ["E2", "PSRAD", integer.psrad, mmx],
  ["F1", "PSLLW", integer.psllw, mmx], ["F2", "PSLLD", integer.pslld, mmx], ["F3", "PSLLQ", integer.psllq, mmx],
  ["FC", "PADDB", lanes("i8x16.add"), mmx], ["FD", "PADDW", lanes("i16x8.add"), mmx], ["FE", "PADDD", lanes("i32x4.add"), mmx], ["D4", "PADDQ", lanes("i64x2.add"), sse2],
  ["F8", "PSUBB", lanes("i8x16.sub"), mmx], ["F9", "PSUBW", lanes("i16x8.sub"), mmx], ["FA", "PSUBD", lanes("i32x4.sub"), mmx], ["FB", "PSUBQ", lanes("i64x2.sub"), sse2],
  ["EC", "PADDSB", lanes("i8x16.add_sat_s"), mmx], ["ED", "PADDSW", lanes("i16x8.add_sat_s"), mmx],
  ["DC", "PADDUSB", lanes("i8x16.add_sat_u"), mmx], ["DD", "PADDUSW", lanes("i16x8.add_sat_u"), mmx],
  ["E8", "PSUBSB", lanes("i8x16.sub_sat_s"), mmx], ["E9", "PSUBSW", lanes("i16x8.sub_sat_s"), mmx],
  ["D8", "PSUBUSB", lanes("i8x16.sub_sat_u"), mmx], ["D9", "PSUBUSW", lanes("i16x8.sub_sat_u"), mmx],
  ["D5", "PMULLW", lanes("i16x8.mul"), mmx], ["E5", "PMULHW", integer.pmulhw, mmx], ["E4", "PMULHUW", integer.pmulhuw, sse], ["F4", "PMULUDQ", integer.pmuludq, sse2],
  ["F5", "PMADDWD", lanes("i32x4.dot_i16x8_s"), mmx], ["F6", "PSADBW", integer.psadbw, sse],
  ["DA", "PMINUB", lanes("i8x16.min_u"), sse], ["DE", "PMAXUB", lanes("i8x16.max_u"), sse], ["EA", "PMINSW", lanes("i16x8.min_s"), sse], ["EE", "PMAXSW", lanes("i16x8.max_s"), sse],
  ["E0", "PAVGB", lanes("i8x16.avgr_u"), sse], ["E3", "PAVGW", lanes("i16x8.avgr_u"), sse],
  ["DB", "PAND", lanes("v128.and"), mmx], ["DF", "PANDN", integer.andNot, mmx], ["EB", "POR", lanes("v128.or"), mmx], ["EF", "PXOR", lanes("v128.xor"), mmx],
];

/** Only the low half of the source counts: an MMX register's is a doubleword in memory. */
const UNPACK_LOW: readonly (readonly [string, string, Semantics])[] = [
  ["60", "PUNPCKLBW", integer.unpackLow(1)], ["61", "PUNPCKLWD", integer.unpackLow(2)], ["62", "PUNPCKLDQ", integer.unpackLow(4)],
];

/** Groups 12, 13 and 14: shifts by an immediate. */
const SHIFTS: readonly (readonly [string, string, Semantics])[] = [
  ["71 /2", "PSRLW", integer.psrlw], ["71 /4", "PSRAW", integer.psraw], ["71 /6", "PSLLW", integer.psllw],
  ["72 /2", "PSRLD", integer.psrld], ["72 /4", "PSRAD", integer.psrad], ["72 /6", "PSLLD", integer.pslld],
  ["73 /2", "PSRLQ", integer.psrlq], ["73 /6", "PSLLQ", integer.psllq],
];

export const MMX_ROWS: readonly UnnumberedRow[] = [
  ...BOTH.flatMap(([opcode, mnemonic, semantics, options]) => [
    row(`0F${opcode}`, mnemonic, "Pq Qq", semantics, options),
    row(`660F${opcode}`, mnemonic, "Vx Wx", semantics, sse2),
  ]),
  ...UNPACK_LOW.flatMap(([opcode, mnemonic, semantics]) => [
    row(`0F${opcode}`, mnemonic, "Pq Qd", semantics, mmx),
    row(`660F${opcode}`, mnemonic, "Vx Wx", semantics, sse2),
  ]),
  row("660F6C", "PUNPCKLQDQ", "Vx Wx", integer.unpackLow(8), sse2),
  row("660F6D", "PUNPCKHQDQ", "Vx Wx", integer.unpackHigh(8), sse2),
  ...SHIFTS.flatMap(([opcode, mnemonic, semantics]) => [
    row(`0F${opcode} reg`, mnemonic, "Nq Ib", semantics, mmx),
    row(`660F${opcode} reg`, mnemonic, "Ux Ib", semantics, sse2),
  ]),
  row("660F73 /3 reg", "PSRLDQ", "Ux Ib", integer.psrldq, sse2),
  row("660F73 /7 reg", "PSLLDQ", "Ux Ib", integer.pslldq, sse2),

  row("0F70", "PSHUFW", "Pq Qq Ib", integer.pshufw, sse),
  row("660F70", "PSHUFD", "Vx Wx Ib", integer.pshufd, sse2),
  row("F30F70", "PSHUFHW", "Vx Wx Ib", integer.pshufhw, sse2),
  row("F20F70", "PSHUFLW", "Vx Wx Ib", integer.pshufw, sse2),
  row("0F77", "EMMS", "", integer.emms, mmx),

  row("0F6E", "MOVD", "Pq Ed", transfer.moveDoublewordIn, mmx),
  row("660F6E", "MOVD", "Vx Ed", transfer.moveDoublewordIn, sse2),
  row("0F7E", "MOVD", "Ed Pq", transfer.moveDoublewordOut, mmx),
  row("660F7E", "MOVD", "Ed Vd", transfer.moveDoublewordOut, sse2),
  row("0F6F", "MOVQ", "Pq Qq", transfer.moveMmx, mmx),
  row("0F7F", "MOVQ", "Qq Pq", transfer.moveMmx, mmx),
  row("660F6F", "MOVDQA", "Vx Wx", transfer.move, sse2),
  row("660F7F", "MOVDQA", "Wx Vx", transfer.move, sse2),
  row("F30F6F", "MOVDQU", "Vx Wu", transfer.move, sse2),
  row("F30F7F", "MOVDQU", "Wu Vx", transfer.move, sse2),
  row("F30F7E", "MOVQ", "Vq Wq", transfer.moveQuadword, sse2),
  row("660FD6", "MOVQ", "Wq Vq", transfer.moveQuadword, sse2),
  row("F30FD6 reg", "MOVQ2DQ", "Vx Nq", transfer.movq2dq, sse2),
  row("F20FD6 reg", "MOVDQ2Q", "Pq Uq", transfer.movdq2q, sse2),

  row("0FC4", "PINSRW", "Pq Edw Ib", transfer.pinsrw, sse),
  row("660FC4", "PINSRW", "Vx Edw Ib", transfer.pinsrw, sse2),
  row("0FC5 reg", "PEXTRW", "Gd Nq Ib", transfer.pextrw, sse),
  row("660FC5 reg", "PEXTRW", "Gd Ux Ib", transfer.pextrw, sse2),
  row("0FD7 reg", "PMOVMSKB", "Gd Nq", transfer.pmovmskb, sse),
  row("660FD7 reg", "PMOVMSKB", "Gd Ux", transfer.pmovmskb, sse2),
  row("0FE7", "MOVNTQ", "Mq Pq", transfer.moveMmx, sse),
  row("660FE7", "MOVNTDQ", "Mx Vx", transfer.move, sse2),
  row("0FF7 reg", "MASKMOVQ", "Pq Nq", transfer.maskMove, reads(sse)),
  row("660FF7 reg", "MASKMOVDQU", "Vx Ux", transfer.maskMove, reads(sse2)),
  row("F20FF0", "LDDQU", "Vx Mu", transfer.move, { feature: "sse3" }),
];
