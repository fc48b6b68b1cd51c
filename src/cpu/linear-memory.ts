// Access to linear memory in TypeScript: what generated code does not do itself (TLB misses, page-crossing, devices,
// code pages, breakpoints, alignment checks), and every access of the helpers.
//
// A fault is left in FAULT; `load` then returns 0. `read*` and `write*` unwind with GUEST_FAULT instead and are for helper bodies.

import { FAULT, FLAT_BELOW, RECORD, SLOW_RESULT, TLB_READ, TLB_WRITE, CR0 } from "../isa/state-layout.ts";
import { noteDataBreakpoint } from "./debug.ts";
import { CR0_PG } from "./control-bits.ts";
import { FAULT_NEEDS_LIMITS } from "./exit.ts";
import { walk } from "./paging.ts";
import { AC, GUEST_FAULT, PAGE_IS_PRIVATE, PAGE_READS_WATCHED, type Processor, UD } from "./processor.ts";
import { PAGE_USER, PAGE_WRITABLE } from "./tlb.ts";

export type Width = 1 | 2 | 4;

/** Number of the last linear page: page 0 follows it. */
const LAST_PAGE = 0xf_ffff;
const WINDOW_PAGE = FLAT_BELOW >>> 12;
/** Bytes of one access. */
const WIDEST = 16;
/** Physical pages that the bus can address, and the bits of page numbers that gate A20 does not reach. */
const BUS_PAGES = 0x10_0000, BUS_BYTES = 0x1_0000_0000, ABOVE_BUS = 0xf0_0000;

/** Physical address (after A20; from 4 GB on nothing answers) of a linear one; fills the TLB where the page may enter it. -1: #PF raised. */
export function translate(p: Processor, linear: number, write: boolean, user: boolean): number {
  const page = linear >>> 12;
  const kind = (write ? 1 : 0) | (user ? 2 : 0);
  let flags: number;
  let physicalPage = p.tlb.recall(page, kind);
  const recalled = physicalPage >= 0;
  if (recalled) {
    flags = p.tlb.recalledFlags;
  } else {
    physicalPage = walk(p, linear, write, user);
    if (physicalPage < 0) return -1;
    flags = p.walkFlags;
    physicalPage &= (p.physical.a20Mask >>> 12) | ABOVE_BUS;
  }
  const host = physicalPage < BUS_PAGES ? p.physical.hostPage(physicalPage) : 0;
  const marks = host !== 0 ? p.marksOf(physicalPage) : 0;
  const writable = host !== 0 && !p.physical.isReadOnly(physicalPage) && marks === 0;
  const watched = marks & (PAGE_READS_WATCHED | PAGE_IS_PRIVATE);
  if (host !== 0 && !watched && (!write || writable) && !(user && p.alignmentCheck) && (p.watchedPages.length === 0 || !p.watchedPages.includes(page)) &&
    (page < WINDOW_PAGE || !p.keepsWindow(user))) {
    p.tlb.fillRead(page, host, user, flags);
    if (writable && flags & PAGE_WRITABLE) p.tlb.fillWrite(page, host, user, flags);
  } else if (!recalled && p.context.get(CR0) & CR0_PG) {
    p.tlb.remember(page, kind, physicalPage, flags);
  }
  return physicalPage * 4096 + (linear & 0xfff);
}

/** Entry of the instruction TLB for the page of `linear`, filled by a walk where needed; 0: a fault is raised. */
export function translateCode(p: Processor, linear: number): number {
  const page = linear >>> 12, user = p.user;
  const entry = p.tlb.code(page);
  if (entry !== 0 && (!user || entry & PAGE_USER)) return entry;
  const physicalPage = walk(p, linear, false, user, true);
  if (physicalPage < 0) return 0;
  if (physicalPage >= BUS_PAGES) {
    // The bus floats: FF FF is no instruction.
    p.raiseNoError(UD);
    return 0;
  }
  return p.tlb.fillCode(page, physicalPage & (p.physical.a20Mask >>> 12), p.walkFlags);
}

/** An access that generated code does without a look at a limit reaches so high that there may be one: the instruction is to be done anew, with limits. */
export function needsLimits(p: Processor, linear: number): boolean {
  if (linear >>> 0 < FLAT_BELOW - WIDEST || p.mindsLimits || !p.keepsWindow(p.user)) return false;
  p.raiseNoError(FAULT_NEEDS_LIMITS - 1);
  return true;
}

/** Zero-extended for widths 1 and 2, signed for 4. */
export function load(p: Processor, linear: number, width: Width, user: boolean): number {
  const entry = p.state.i32[((user ? p.tlb.tables.readUser : p.tlb.tables.readSupervisor) >> 2) + (linear >>> 12)];
  if ((entry & 0xfff) === 0 && (linear & 0xfff) <= 4096 - width) return loadHost(p, (linear + entry) >>> 0, width);
  return loadUncached(p, linear, width, user);
}

function loadUncached(p: Processor, linear: number, width: Width, user: boolean): number {
  if ((linear & 0xfff) > 4096 - width) return loadAcross(p, linear, width, user);
  const physical = translate(p, linear, false, user);
  if (physical < 0 || misaligned(p, linear, width, user)) return 0;
  if (touches(p, linear, physical, width, false)) return 0;
  if (p.watchedPages.length !== 0) noteDataBreakpoint(p, linear, width, false);
  return loadPhysical(p, physical, width);
}

function loadAcross(p: Processor, linear: number, width: Width, user: boolean): number {
  const inFirst = 4096 - (linear & 0xfff);
  const { i32, u8 } = p.state, table = (user ? p.tlb.tables.readUser : p.tlb.tables.readSupervisor) >> 2;
  const low = i32[table + (linear >>> 12)], high = i32[table + ((linear + inFirst) >>> 12 & LAST_PAGE)];
  if (((low | high) & 0xfff) === 0) {
    const begin = (linear + low) >>> 0, rest = (linear + high) >>> 0;
    let value = 0;
    for (let i = 0; i < width; i++) value |= u8[(i < inFirst ? begin : rest) + i] << (8 * i);
    return value;
  }
  const first = translate(p, linear, false, user);
  if (first < 0) return 0;
  const second = translate(p, (linear + inFirst) | 0, false, user);
  if (second < 0 || misaligned(p, linear, width, user)) return 0;
  if (touches(p, linear, first, inFirst, false) || touches(p, (linear + inFirst) | 0, second, width - inFirst, false)) return 0;
  if (p.watchedPages.length !== 0) noteDataBreakpoint(p, linear, width, false);
  let value = 0;
  for (let i = 0; i < width; i++) value |= loadPhysical(p, i < inFirst ? first + i : second + i - inFirst, 1) << (8 * i);
  return value;
}

export function store(p: Processor, linear: number, width: Width, value: number, user: boolean): void {
  const entry = p.state.i32[((user ? p.tlb.tables.writeUser : p.tlb.tables.writeSupervisor) >> 2) + (linear >>> 12)];
  if ((entry & 0xfff) === 0 && (linear & 0xfff) <= 4096 - width) storeHost(p, (linear + entry) >>> 0, width, value);
  else storeUncached(p, linear, width, value, user);
}

/** Where a store of a checked instruction (isa/translation.ts) goes, beside what is watched in its page; -1: it has to take the usual way. */
function hostBeside(p: Processor, linear: number, bytes: number, user: boolean): number {
  if (p.checkedRecord === 0 || user || !p.translating || !p.context.isHardware || p.checkedRecord !== p.state.read(RECORD)) return -1;
  return p.tlb.hostBeside(linear, bytes);
}

function storeUncached(p: Processor, linear: number, width: Width, value: number, user: boolean): void {
  const beside = hostBeside(p, linear, width, user);
  if (beside >= 0) {
    storeHost(p, beside, width, value);
    return;
  }
  if ((linear & 0xfff) > 4096 - width) {
    storeAcross(p, linear, width, value, user);
    return;
  }
  const physical = translate(p, linear, true, user);
  if (physical < 0 || misaligned(p, linear, width, user) || touches(p, linear, physical, width, true)) return;
  if (p.watchedPages.length !== 0) noteDataBreakpoint(p, linear, width, true);
  storePhysical(p, physical, width, value);
}

/** Both pages are proved before the first byte is written. */
function storeAcross(p: Processor, linear: number, width: Width, value: number, user: boolean): void {
  const inFirst = 4096 - (linear & 0xfff);
  const { i32, u8 } = p.state, table = (user ? p.tlb.tables.writeUser : p.tlb.tables.writeSupervisor) >> 2;
  const low = i32[table + (linear >>> 12)], high = i32[table + ((linear + inFirst) >>> 12 & LAST_PAGE)];
  if (((low | high) & 0xfff) === 0) {
    const begin = (linear + low) >>> 0, rest = (linear + high) >>> 0;
    for (let i = 0; i < width; i++) u8[(i < inFirst ? begin : rest) + i] = value >>> (8 * i);
    return;
  }
  const first = translate(p, linear, true, user);
  if (first < 0) return;
  const second = translate(p, (linear + inFirst) | 0, true, user);
  if (second < 0 || misaligned(p, linear, width, user)) return;
  if (touches(p, linear, first, inFirst, true) || touches(p, (linear + inFirst) | 0, second, width - inFirst, true)) return;
  if (p.watchedPages.length !== 0) noteDataBreakpoint(p, linear, width, true);
  for (let i = 0; i < width; i++) storePhysical(p, i < inFirst ? first + i : second + i - inFirst, 1, (value >>> (8 * i)) & 0xff);
}

/** Whether 8 or 16 bytes raise #AC, or the page fault that goes before it. The alignment that #GP enforces has been judged by the instruction. */
function misalignedWide(p: Processor, linear: number, bytes: 8 | 16, write: boolean, user: boolean): boolean {
  if (!p.alignmentCheck || !user || (linear & (bytes - 1)) === 0) return false;
  const crosses = (linear & 0xfff) > 4096 - bytes;
  if (translate(p, linear, write, user) >= 0 && (!crosses || translate(p, (linear + bytes - 1) & ~0xfff, write, user) >= 0)) p.raise(AC, 0);
  return true;
}

/** Leaves the value in SLOW_RESULT. Not one access on the bus: two dwords, the first page's fault first. */
export function load64(p: Processor, linear: number, user: boolean): void {
  if (misalignedWide(p, linear, 8, false, user)) return;
  const low = load(p, linear, 4, user);
  if (p.state.fault !== 0) return;
  const high = load(p, (linear + 4) | 0, 4, user);
  const word = SLOW_RESULT.offset >> 2;
  p.state.i32[word] = low;
  p.state.i32[word + 1] = high;
}

export function store64(p: Processor, linear: number, low: number, high: number, user: boolean): void {
  if (misalignedWide(p, linear, 8, true, user) || !probeWrite(p, linear, 8, user)) return;
  store(p, linear, 4, low, user);
  store(p, (linear + 4) | 0, 4, high, user);
}

/** Leaves the value in SLOW_RESULT. */
export function load128(p: Processor, linear: number, user: boolean): void {
  if (misalignedWide(p, linear, 16, false, user)) return;
  const word = SLOW_RESULT.offset >> 2;
  for (let n = 0; n < 4; n++) {
    const value = load(p, (linear + 4 * n) | 0, 4, user);
    if (p.state.fault !== 0) return;
    p.state.i32[word + n] = value;
  }
}

/** Stores the value in SLOW_RESULT. */
export function store128(p: Processor, linear: number, user: boolean): void {
  if (misalignedWide(p, linear, 16, true, user) || !probeWrite(p, linear, 16, user)) return;
  const word = SLOW_RESULT.offset >> 2;
  for (let n = 0; n < 4; n++) store(p, (linear + 4 * n) | 0, 4, p.state.i32[word + n]!, user);
}

/** Whether [linear, linear + bytes), at most a page long, may be written; otherwise the fault is raised. */
export function probeWrite(p: Processor, linear: number, bytes: number, user: boolean): boolean {
  if (hostBeside(p, linear, bytes, user) >= 0) return true;
  if (!probePage(p, linear, user)) return false;
  return (linear & 0xfff) + bytes <= 4096 || probePage(p, (linear + bytes - 1) & ~0xfff, user);
}

function probePage(p: Processor, linear: number, user: boolean): boolean {
  const entry = p.state.i32[((user ? p.tlb.tables.writeUser : p.tlb.tables.writeSupervisor) >> 2) + (linear >>> 12)];
  return (entry & 0xfff) === 0 || translate(p, linear, true, user) >= 0;
}

function misaligned(p: Processor, linear: number, width: number, user: boolean): boolean {
  if (!p.alignmentCheck || !user || (linear & (width - 1)) === 0) return false;
  p.raise(AC, 0);
  return true;
}

/** Whether the instruction is left to tell of an access first. */
function touches(p: Processor, linear: number, physical: number, width: number, write: boolean): boolean {
  const told = write ? PAGE_IS_PRIVATE : p.readsTable ? PAGE_READS_WATCHED : PAGE_READS_WATCHED | PAGE_IS_PRIVATE;
  return (p.marksOf(physical >>> 12) & told) !== 0 && p.leaveForTouch(linear, physical, width, write);
}

function loadHost(p: Processor, host: number, width: Width): number {
  if (width === 4) return p.state.view.getInt32(host, true);
  return width === 2 ? p.state.view.getUint16(host, true) : p.state.u8[host];
}

function storeHost(p: Processor, host: number, width: Width, value: number): void {
  if (width === 4) p.state.view.setInt32(host, value, true);
  else if (width === 2) p.state.view.setUint16(host, value, true);
  else p.state.u8[host] = value;
}

function loadPhysical(p: Processor, physical: number, width: Width): number {
  if (physical >= BUS_BYTES) return width === 4 ? -1 : (1 << (8 * width)) - 1;
  const host = p.physical.hostPage(physical >>> 12);
  if (host !== 0) return loadHost(p, host + (physical & 0xfff), width);
  return p.physical.read(physical, width) | 0;
}

function storePhysical(p: Processor, physical: number, width: Width, value: number): void {
  if (physical >= BUS_BYTES) return;
  const page = physical >>> 12;
  const host = p.physical.hostPage(page);
  if (host === 0 || p.physical.isReadOnly(page)) {
    p.physical.write(physical, width, width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff));
    return;
  }
  p.state.dirtyPages[host >>> 12] = 1;
  storeHost(p, host + (physical & 0xfff), width, value);
  if (p.codePages[page] !== 0) p.hooks.codeWritten(physical, width);
}

// --- for helper bodies

/** As `load`, unwinding on a fault. */
export function readLinear(p: Processor, linear: number, width: Width, user: boolean): number {
  const entry = p.state.i32[((user ? p.tlb.tables.readUser : p.tlb.tables.readSupervisor) >> 2) + (linear >>> 12)];
  if ((entry & 0xfff) === 0 && (linear & 0xfff) <= 4096 - width) return loadHost(p, (linear + entry) >>> 0, width);
  const value = loadUncached(p, linear, width, user);
  if (p.state.i32[FAULT.offset >> 2] !== 0) throw GUEST_FAULT;
  return value;
}

/** Of the processor's own, for a table that one of its registers points to: at privilege 0, and no access of the guest's. As `load`. */
export function loadTable(p: Processor, linear: number, width: Width): number {
  p.readsTable = true;
  const value = load(p, linear, width, false);
  p.readsTable = false;
  return value;
}

/** As `loadTable`, unwinding on a fault. */
export function readTable(p: Processor, linear: number, width: Width): number {
  const value = loadTable(p, linear, width);
  if (p.state.i32[FAULT.offset >> 2] !== 0) throw GUEST_FAULT;
  return value;
}

/** As `store`, unwinding on a fault. */
export function writeLinear(p: Processor, linear: number, width: Width, value: number, user: boolean): void {
  const entry = p.state.i32[((user ? p.tlb.tables.writeUser : p.tlb.tables.writeSupervisor) >> 2) + (linear >>> 12)];
  if ((entry & 0xfff) === 0 && (linear & 0xfff) <= 4096 - width) {
    storeHost(p, (linear + entry) >>> 0, width, value);
    return;
  }
  storeUncached(p, linear, width, value, user);
  if (p.state.i32[FAULT.offset >> 2] !== 0) throw GUEST_FAULT;
}

/** Host address of a plain page for a whole-page operation, from the present CPL's tables; -1 where there is no entry. */
export function hostForRead(p: Processor, linear: number): number {
  const entry = p.state.i32[(p.context.get(TLB_READ) >> 2) + (linear >>> 12)];
  return (entry & 0xfff) === 0 ? (linear + entry) >>> 0 : -1;
}

export function hostForWrite(p: Processor, linear: number): number {
  const entry = p.state.i32[(p.context.get(TLB_WRITE) >> 2) + (linear >>> 12)];
  return (entry & 0xfff) === 0 ? (linear + entry) >>> 0 : -1;
}
