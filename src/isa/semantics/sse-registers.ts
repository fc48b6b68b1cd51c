// MMX and XMM registers: whether an instruction may use them, and how it reads and writes them.
// SDM Vol. 1, section 9.6.2 "Transitions Between x87 FPU and MMX Code"; Vol. 3A, sections 12.2 "The MMX State and MMX Register
// Aliasing" and 13.1.4 "Initialization of the SSE Extensions".

import type { Builder, Instance, Place } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { CR0, CR4, FSW, FTOP, FTW } from "../state-layout.ts";
import { CR0_EM_TS, SUMMARY } from "./x87-registers.ts";

const CR4_OSFXSR = 0x200;
/** Kinds of `sseCheck`. */
const ON_XMM = 0, ON_MMX = 1, ON_BOTH = 2;

/** #UD where the operating system does not save XMM registers, #NM after a task switch. */
export function beginSse<V>(b: Builder<V>): void {
  if (b.hasPassed("xmm")) return;
  const blocked = b.or(b.and(b.get(CR0), b.imm(CR0_EM_TS)), b.eqz(b.and(b.get(CR4), b.imm(CR4_OSFXSR))));
  b.when(blocked, () => void b.helper("sseCheck", b.imm(ON_XMM)));
}

/** As the x87: #UD, #NM, and #MF where an exception is pending. */
export function beginMmx<V>(b: Builder<V>): void {
  const blocked = b.or(b.and(b.get(CR0), b.imm(CR0_EM_TS)), b.and(b.get(FSW), b.imm(SUMMARY)));
  b.when(blocked, () => void b.helper("sseCheck", b.imm(ON_MMX)));
}

/** Of an instruction between MMX and XMM registers. */
export function beginBoth<V>(b: Builder<V>): void {
  const blocked = b.or(b.and(b.get(CR0), b.imm(CR0_EM_TS)), b.eqz(b.and(b.get(CR4), b.imm(CR4_OSFXSR))));
  b.when(b.or(blocked, b.and(b.get(FSW), b.imm(SUMMARY))), () => void b.helper("sseCheck", b.imm(ON_BOTH)));
}

/** The registers become MMX registers: all full, the stack's top at R0. After the memory operand has been reached. */
export function enterMmx<V>(b: Builder<V>): void {
  b.set(FTOP, b.imm(0));
  b.set(FTW, b.imm(0));
}

/** 64 bits; read as an x87 register it is a NaN or an infinity. */
export function writeMmx<V>(b: Builder<V>, place: Place<V>, value: V): void {
  place.write(b, value);
  b.stateStore(b.add(place.number(b), b.imm(8)), 2, b.imm(0xffff));
}

/** The 64 bits in the low half of 128, the high half 0. */
export function low64<V>(b: Builder<V>, value: V): V {
  return b.withLane("i64x2", b.imm128(0n), 0, value);
}

/** Lane operations on the operand: 64 and 32 bits fill the lanes again and again. */
export function readPacked<V>(b: Builder<V>, place: Place<V>): V {
  const value = place.read(b);
  return place.width === 16 ? value : b.splat(place.width === 8 ? "i64x2" : "i32x4", value);
}

/** What an instruction makes of its destination and source, which have 16 bytes each or 8. */
export type Packed = <V>(b: Builder<V>, x: V, y: V, width: 8 | 16) => V;

/** An instruction that leaves `calculate` of both operands in the first. */
export function packed(calculate: Packed): Semantics {
  return (b, i) => replaceFirst(b, i, (x, width) => calculate(b, x, b.let128(readPacked(b, i.op[1])), width));
}

/** An instruction that leaves `calculate` of the second operand in the first. */
export function packedUnary(calculate: <V>(b: Builder<V>, i: Instance<V>, y: V, width: 8 | 16) => V): Semantics {
  return (b, i) => replaceFirst(b, i, (_x, width) => calculate(b, i, b.let128(readPacked(b, i.op[1])), width));
}

export function replaceFirst<V>(b: Builder<V>, i: Instance<V>, calculate: (x: V, width: 8 | 16) => V): void {
  const destination = i.op[0];
  if (destination.width === 16) {
    beginSse(b);
    destination.write(b, calculate(b.let128(destination.read(b)), 16));
  } else {
    beginMmx(b);
    const result = b.let64(b.lane("i64x2", calculate(b.let128(readPacked(b, destination)), 8), 0));
    enterMmx(b);
    writeMmx(b, destination, result);
  }
}
