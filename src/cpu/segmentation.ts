// Segment registers: hidden parts, loads with every check, limits, descriptors in the guest's tables.
// SDM Vol. 3A, "Segmentation", "Protection"; Vol. 2, MOV "Operation" (load of a segment register).

import {
  ACCESS_UNUSABLE, CPL, CR0, CS, DS, EFLAGS_SYSTEM, EFLAGS_VM, ES, FLAT_BELOW, FS, GDTR_BASE, GDTR_LIMIT, GS, LDTR, SEG_FAST_CUT, SEG_FAST_FLAT, SEG_FAST_READ,
  SEG_FAST_WRITE, SS,
} from "../isa/state-layout.ts";
import { readTable, writeLinear } from "./linear-memory.ts";
import { updateMode } from "./mode.ts";
import { CR0_PE } from "./control-bits.ts";
import { GP, NP, SS_FAULT, type Processor } from "./processor.ts";
import {
  ACCESS_DB, ACCESS_P, ACCESS_REAL, ACCESS_S, ACCESS_V86, TYPE_ACCESSED, TYPE_CODE, TYPE_EXPAND_DOWN, TYPE_WRITABLE, accessOf, baseOf, dplOf,
  isConformingCode, isReadable, isWritableData, limitOf, usableForRead, usableForWrite, withinLimit,
} from "./protection.ts";
import type { Context } from "./state.ts";

/** PE set and VM clear. */
export function inProtectedMode(c: Context): boolean {
  return (c.get(CR0) & CR0_PE) !== 0 && (c.get(EFLAGS_SYSTEM) & EFLAGS_VM) === 0;
}

export function inV86(c: Context): boolean {
  return (c.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
}

function fastBits(base: number, limit: number, access: number): number {
  if ((access & (ACCESS_UNUSABLE | ACCESS_P | ACCESS_S)) !== (ACCESS_P | ACCESS_S)) return 0;
  let fast: number;
  if (access & TYPE_CODE) fast = isReadable(access) ? SEG_FAST_READ : 0;
  else if (access & TYPE_EXPAND_DOWN) return 0;
  else fast = access & TYPE_WRITABLE ? SEG_FAST_READ | SEG_FAST_WRITE : SEG_FAST_READ;
  if (fast === 0 || base !== 0 || limit < FLAT_BELOW - 1 || (limit & 0xfff) !== 0xfff) return fast;
  return limit === 0xffff_ffff ? fast | SEG_FAST_CUT | SEG_FAST_FLAT : fast | SEG_FAST_CUT;
}

/** Writes a segment register whole, without a check. `limit` unsigned. The caller calls `updateMode`. */
export function setSegment(c: Context, index: number, selector: number, base: number, limit: number, access: number): void {
  c.setSegmentWords(index, selector & 0xffff, base, limit, access, index <= GS ? fastBits(base, limit, access) : 0);
}

export function setUnusable(c: Context, index: number, selector: number): void {
  c.setSegmentWords(index, selector & 0xffff, 0, 0, ACCESS_UNUSABLE, 0);
}

// --- descriptor tables

/** Linear address of the selector's descriptor, or -1 where the table does not hold it. */
function descriptorAddress(c: Context, selector: number): number {
  if ((selector & 4) === 0) {
    return (selector | 7) <= (c.get(GDTR_LIMIT) & 0xffff) ? (c.get(GDTR_BASE) + (selector & 0xfff8)) >>> 0 : -1;
  }
  if (c.segmentAccess(LDTR) & ACCESS_UNUSABLE || (selector | 7) > c.segmentLimit(LDTR)) return -1;
  return (c.segmentBase(LDTR) + (selector & 0xfff8)) >>> 0;
}

/** Reads a descriptor into `descriptorLow/High`; false where the table does not hold it. */
export function tryReadDescriptor(p: Processor, selector: number): boolean {
  const address = descriptorAddress(p.context, selector);
  if (address < 0) return false;
  p.descriptorLow = readTable(p, address, 4);
  p.descriptorHigh = readTable(p, (address + 4) | 0, 4);
  return true;
}

/** As above; beyond the table's limit `vector` is raised with the selector. Returns the access rights. */
export function readDescriptor(p: Processor, selector: number, vector: number): number {
  if (!tryReadDescriptor(p, selector)) p.selectorFault(vector, selector);
  return accessOf(p.descriptorHigh);
}

/** Makes an earlier descriptor the one read last again. */
export function setDescriptor(p: Processor, low: number, high: number): void {
  p.descriptorLow = low;
  p.descriptorHigh = high;
}

/** Sets bits of the type byte in the table itself (accessed, busy). */
export function orDescriptorType(p: Processor, selector: number, bits: number): void {
  const address = descriptorAddress(p.context, selector) + 5;
  writeLinear(p, address | 0, 1, readTable(p, address | 0, 1) | bits, false);
}

export function clearDescriptorType(p: Processor, selector: number, bits: number): void {
  const address = descriptorAddress(p.context, selector) + 5;
  writeLinear(p, address | 0, 1, readTable(p, address | 0, 1) & ~bits, false);
}

/** Marks the descriptor that was read last as accessed, in the table. */
export function markAccessed(p: Processor, selector: number): void {
  if ((p.descriptorHigh & (TYPE_ACCESSED << 8)) !== 0) return;
  p.descriptorHigh |= TYPE_ACCESSED << 8;
  const address = descriptorAddress(p.context, selector) + 5;
  writeLinear(p, address | 0, 1, (p.descriptorHigh >>> 8) & 0xff, false);
}

/** Loads a register from the descriptor that was read last. */
export function setFromDescriptor(p: Processor, index: number, selector: number): void {
  const low = p.descriptorLow, high = p.descriptorHigh;
  setSegment(p.context, index, selector, baseOf(low, high), limitOf(low, high), accessOf(high));
}

// --- loads

/** MOV Sreg and its like, ES SS DS FS GS: every check, then the hidden part. Unwinds on a fault. */
export function loadSegmentRegister(p: Processor, index: number, selector: number): void {
  const c = p.context, before = modeShare(c, index);
  selector &= 0xffff;
  if (!inProtectedMode(c)) loadUnprotected(c, index, selector);
  else if (index === SS) loadStackSegment(p, selector, c.get(CPL));
  else loadDataSegment(p, index, selector);
  if (modeShare(c, index) !== before) updateMode(p);
}

/** What MODE has of a data segment: code that reloads its segments all the time mostly loads the like of what was there. */
function modeShare(c: Context, index: number): number {
  if (index === FS || index === GS) return 0;
  const fast = c.segmentFast(index);
  return (fast & (SEG_FAST_FLAT | SEG_FAST_CUT) ? fast : 0) | (c.segmentAccess(index) & ACCESS_DB);
}

/** Real mode changes the base alone, so limits that protected mode left behind stay ("unreal mode"). V86 sets everything. */
export function loadUnprotected(c: Context, index: number, selector: number): void {
  if (inV86(c)) {
    setSegment(c, index, selector, selector << 4, 0xffff, ACCESS_V86);
    return;
  }
  const access = c.segmentAccess(index);
  if (access & ACCESS_UNUSABLE) setSegment(c, index, selector, selector << 4, 0xffff, ACCESS_REAL);
  else if (index === CS) setSegment(c, CS, selector, selector << 4, c.segmentLimit(CS), (access & ~0xff) | ACCESS_REAL);
  else setSegment(c, index, selector, selector << 4, c.segmentLimit(index), access);
}

function loadStackSegment(p: Processor, selector: number, cpl: number): void {
  checkStackSelector(p, selector, cpl, GP);
  setFromDescriptor(p, SS, selector);
}

/**
 * Checks of a selector for SS at privilege `cpl`, with `vector` (#GP, or #TS for stacks out of a TSS) for all but presence;
 * leaves the descriptor read and marked as accessed.
 */
export function checkStackSelector(p: Processor, selector: number, cpl: number, vector: number): void {
  if ((selector & 0xfffc) === 0) p.selectorFault(vector, 0);
  if ((selector & 3) !== cpl) {
    // The table's limit is checked first, with the same vector and error code.
    p.selectorFault(vector, selector);
  }
  const access = readDescriptor(p, selector, vector);
  if (!isWritableData(access) || dplOf(access) !== cpl) p.selectorFault(vector, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(SS_FAULT, selector);
  markAccessed(p, selector);
}

function loadDataSegment(p: Processor, index: number, selector: number): void {
  if ((selector & 0xfffc) === 0) {
    setUnusable(p.context, index, selector);
    return;
  }
  const access = readDescriptor(p, selector, GP);
  if (!isReadable(access)) p.selectorFault(GP, selector);
  if (!isConformingCode(access)) {
    const dpl = dplOf(access);
    if ((selector & 3) > dpl || p.context.get(CPL) > dpl) p.selectorFault(GP, selector);
  }
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  markAccessed(p, selector);
  setFromDescriptor(p, index, selector);
}

/**
 * Checks of a direct far transfer's code selector; leaves the descriptor read. Conforming code keeps the CPL, other code must have it.
 * SDM Vol. 3A, "Accessing Nonconforming Code Segments".
 */
export function checkCodeTransfer(p: Processor, selector: number, access: number, cpl: number): void {
  const dpl = dplOf(access);
  if (isConformingCode(access) ? dpl > cpl : (selector & 3) > cpl || dpl !== cpl) p.selectorFault(GP, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
}

/** CS from the descriptor that was read last, at privilege `cpl`. */
export function setCodeSegment(p: Processor, selector: number, cpl: number): void {
  setFromDescriptor(p, CS, (selector & 0xfffc) | cpl);
  p.context.set(CPL, cpl);
}

/** After a return to an outer ring: data segments that the ring may not use are gone, and null selectors are 0 whatever their RPL was. */
export function dropInnerSegments(p: Processor): void {
  const c = p.context, cpl = c.get(CPL);
  for (const index of [ES, DS, FS, GS]) {
    const access = c.segmentAccess(index);
    if (access & ACCESS_UNUSABLE || (!isConformingCode(access) && dplOf(access) < cpl)) setUnusable(c, index, 0);
  }
}

// --- accesses

/** Whether an access may go ahead; otherwise #SS(0) or #GP(0) is raised. `offset` unsigned. */
export function segmentCheck(p: Processor, index: number, offset: number, size: number, write: boolean): boolean {
  const access = p.context.segmentAccess(index);
  if ((write ? usableForWrite(access) : usableForRead(access)) && withinLimit(access, p.context.segmentLimit(index), offset, size)) return true;
  p.raise(index === SS ? SS_FAULT : GP, 0);
  return false;
}
