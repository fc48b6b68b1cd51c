// What generated code depends on: MODE, the TLB tables of the present privilege, and the two things that must keep
// data accesses on the slow path: alignment checks and data breakpoints.

import {
  CPL, CR0, CS, DR7, DS, EFLAGS_AC, EFLAGS_SHARED, EFLAGS_SYSTEM, EFLAGS_TF, EFLAGS_VM, ES, MODE, MODE_CODE32, MODE_FLAT, MODE_HARDWARE,
  MODE_PROTECTED, MODE_SINGLE, MODE_STACK32, MODE_TRANSLATED, MODE_USER, MODE_V86, SEG_FAST_CUT, SEG_FAST_FLAT, SEG_FAST_READ, SEG_FAST_WRITE, SS, TLB_CODE, TLB_READ, TLB_WRITE,
} from "../isa/state-layout.ts";
import { watchesBranches } from "./branch-records.ts";
import { watchBreakpoints } from "./debug.ts";
import { CR0_AM, CR0_PE } from "./control-bits.ts";
import type { Processor } from "./processor.ts";
import { ACCESS_DB } from "./protection.ts";

const DATA = SEG_FAST_READ | SEG_FAST_WRITE, CODE = SEG_FAST_READ;

/** What the mode of a context was derived from last. */
export class ModeOrigin {
  segmentWrites = -1;
  cr0 = 0;
  rest = 0;
}

/** After another context became the active one: as `updateMode`, which is not needed where the context is as it was when this was called last. */
export function switchMode(p: Processor, origin: ModeOrigin): void {
  const c = p.context;
  const usual = (c.get(DR7) & 0xff) === 0 && p.watchedPages.length === 0 && p.dataWatch === null && p.msrs.debugControl === 0;
  const cr0 = c.get(CR0), { segmentWrites } = c;
  const rest = (p.state.read(EFLAGS_SHARED) & (EFLAGS_TF | EFLAGS_AC)) | (c.get(EFLAGS_SYSTEM) & EFLAGS_VM) | c.get(CPL) |
    (p.deprivileged ? 4 : 0) | (p.windowAtTop ? 8 : 0) | (p.singleInstruction ? 16 : 0) | (p.translating ? 32 : 0);
  if (usual && (rest & EFLAGS_AC) === 0 && rest === origin.rest && cr0 === origin.cr0 && segmentWrites === origin.segmentWrites) {
    p.alignmentCheck = false;
    return;
  }
  updateMode(p);
  origin.segmentWrites = usual ? segmentWrites : -1;
  origin.cr0 = cr0;
  origin.rest = rest;
}

/** To be called whenever CPL, CR0, EFLAGS.VM, TF or AC, DR0-DR3, DR7, DEBUGCTL, CS, SS, DS or ES change. MODE_FLAT: CS is readable, DS ES SS are writable. */
export function updateMode(p: Processor): void {
  const c = p.context, tables = p.tlb.tables;
  const cr0 = c.get(CR0), flags = p.state.read(EFLAGS_SHARED), cpl = c.get(CPL);
  const breakpoints = (c.get(DR7) & 0xff) !== 0;
  let mode = c.isHardware ? MODE_HARDWARE : 0;
  if (c.segmentAccess(CS) & ACCESS_DB) mode |= MODE_CODE32;
  if (c.segmentAccess(SS) & ACCESS_DB) mode |= MODE_STACK32;
  const flat = p.keepsWindow(cpl === 3) ? SEG_FAST_CUT : SEG_FAST_FLAT, data = DATA | flat, code = CODE | flat;
  if ((c.segmentFast(DS) & c.segmentFast(SS) & c.segmentFast(ES) & data) === data && (c.segmentFast(CS) & code) === code) mode |= MODE_FLAT;
  if (cr0 & CR0_PE) mode |= c.get(EFLAGS_SYSTEM) & EFLAGS_VM ? MODE_V86 : MODE_PROTECTED;
  if (flags & EFLAGS_TF || breakpoints || p.singleInstruction || watchesBranches(p)) mode |= MODE_SINGLE;
  if (cpl === 3) mode |= MODE_USER;
  if (p.translating && c.isHardware) mode |= MODE_TRANSLATED;
  c.set(MODE, mode);
  c.set(TLB_CODE, tables.code);
  c.set(TLB_READ, cpl === 3 ? tables.readUser : tables.readSupervisor);
  c.set(TLB_WRITE, cpl === 3 ? tables.writeUser : tables.writeSupervisor);
  // Filled user entries would let aligned and unaligned accesses pass alike.
  p.alignmentCheck = cpl === 3 && (flags & EFLAGS_AC) !== 0 && (cr0 & CR0_AM) !== 0;
  if (p.alignmentCheck) p.tlb.flushUserData();
  if (breakpoints || p.watchedPages.length !== 0 || p.dataWatch !== null) watchBreakpoints(p);
}
