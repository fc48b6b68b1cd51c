// Access rights of descriptors and the checks that need nothing else.
// SDM Vol. 3A, "Segment Descriptors", "System Descriptor Types". Access = bits 8-23 of the high dword, limit bits left out.

import { ACCESS_UNUSABLE } from "../isa/state-layout.ts";

export const ACCESS_TYPE = 0xf, ACCESS_S = 0x10, ACCESS_P = 0x80, ACCESS_DB = 0x4000, ACCESS_G = 0x8000;
export const TYPE_ACCESSED = 1, TYPE_WRITABLE = 2, TYPE_READABLE = 2, TYPE_EXPAND_DOWN = 4, TYPE_CONFORMING = 4, TYPE_CODE = 8;
/** Types of system descriptors (S = 0). */
export const SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL_GATE16 = 4, SYS_TASK_GATE = 5, SYS_INTERRUPT_GATE16 = 6, SYS_TRAP_GATE16 = 7;
export const SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL_GATE32 = 12, SYS_INTERRUPT_GATE32 = 14, SYS_TRAP_GATE32 = 15;
/** Bit 1 of a TSS type. */
export const TSS_BUSY = 2;

/** Data, read and write, accessed, present: real mode (DPL 0) and V86 (DPL 3). */
export const ACCESS_REAL = 0x93, ACCESS_V86 = 0xf3;

export function accessOf(high: number): number {
  return (high >>> 8) & 0xf0ff;
}

export function dplOf(access: number): number {
  return (access >> 5) & 3;
}

export function baseOf(low: number, high: number): number {
  return (low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000);
}

/** Byte-granular limit, unsigned. */
export function limitOf(low: number, high: number): number {
  const raw = (low & 0xffff) | (high & 0xf_0000);
  return high & 0x80_0000 ? ((raw << 12) | 0xfff) >>> 0 : raw;
}

/** Type with the S bit: 0-15 system, 16-31 code and data. */
export function typeOf(access: number): number {
  return access & (ACCESS_TYPE | ACCESS_S);
}

export function isCode(access: number): boolean {
  return (access & (ACCESS_S | TYPE_CODE)) === (ACCESS_S | TYPE_CODE);
}

export function isConformingCode(access: number): boolean {
  return (access & (ACCESS_S | TYPE_CODE | TYPE_CONFORMING)) === (ACCESS_S | TYPE_CODE | TYPE_CONFORMING);
}

export function isWritableData(access: number): boolean {
  return (access & (ACCESS_S | TYPE_CODE | TYPE_WRITABLE)) === (ACCESS_S | TYPE_WRITABLE);
}

export function isReadable(access: number): boolean {
  return (access & ACCESS_S) !== 0 && (access & (TYPE_CODE | TYPE_READABLE)) !== TYPE_CODE;
}

/** A usable segment register that may be read; or written. */
export function usableForRead(access: number): boolean {
  return (access & (ACCESS_UNUSABLE | ACCESS_P)) === ACCESS_P && isReadable(access);
}

export function usableForWrite(access: number): boolean {
  return (access & (ACCESS_UNUSABLE | ACCESS_P)) === ACCESS_P && isWritableData(access);
}

/** Whether [offset, offset + size) lies in the segment. `offset` unsigned. A segment of 4 GB wraps around without a fault, as on P6. */
export function withinLimit(access: number, limit: number, offset: number, size: number): boolean {
  if ((access & (ACCESS_S | TYPE_CODE | TYPE_EXPAND_DOWN)) === (ACCESS_S | TYPE_EXPAND_DOWN)) {
    return offset > limit && offset + size - 1 <= (access & ACCESS_DB ? 0xffff_ffff : 0xffff);
  }
  return offset + size - 1 <= limit || limit === 0xffff_ffff;
}
