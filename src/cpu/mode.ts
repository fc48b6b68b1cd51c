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

// What all of it depends on, besides CR0 and the segment registers: TF, AC and VM at their places in EFLAGS, CPL, and these.
const DEPRIVILEGED = 4, WINDOW_AT_TOP = 8, SINGLE_INSTRUCTION = 0x10, TRANSLATING = 0x20, WATCHED = 0x40, BREAKPOINTS = 0x80, BRANCHES = 0x200;

function originOf(p: Processor): number {
  const c = p.context;
  const watch = ((c.get(DR7) & 0xff) !== 0 ? BREAKPOINTS : 0) | (p.watchedPages.length !== 0 || p.dataWatch !== null ? WATCHED : 0) | (watchesBranches(p) ? BRANCHES : 0);
  return (p.state.read(EFLAGS_SHARED) & (EFLAGS_TF | EFLAGS_AC)) | (c.get(EFLAGS_SYSTEM) & EFLAGS_VM) | c.get(CPL) | watch |
    (p.deprivileged ? DEPRIVILEGED : 0) | (p.windowAtTop ? WINDOW_AT_TOP : 0) | (p.singleInstruction ? SINGLE_INSTRUCTION : 0) | (p.translating ? TRANSLATING : 0);
}

/** What the mode of a context was derived from last. */
export class ModeOrigin {
  segmentWrites = -1;
  cr0 = 0;
  origin = 0;
}

/** After another context became the active one: as `updateMode`, which is not needed where the context is as it was when this was called last. */
export function switchMode(p: Processor, known: ModeOrigin): void {
  const c = p.context;
  const cr0 = c.get(CR0), { segmentWrites } = c, origin = originOf(p);
  // Alignment checks and breakpoints are not the context's alone: they act on the TLB and the processor.
  if (origin === known.origin && cr0 === known.cr0 && segmentWrites === known.segmentWrites && (origin & (EFLAGS_AC | WATCHED | BREAKPOINTS)) === 0) {
    p.alignmentCheck = false;
    return;
  }
  derive(p, cr0, origin);
  known.segmentWrites = segmentWrites;
  known.cr0 = cr0;
  known.origin = origin;
}

/**
 * To be called whenever CR0, CS, SS, DS or ES change, or something that `originOf` looks at: CPL, EFLAGS.VM, TF or AC, DR0-DR3, DR7, DEBUGCTL.
 * MODE_FLAT: CS is readable, DS ES SS are writable.
 */
export function updateMode(p: Processor): void {
  derive(p, p.context.get(CR0), originOf(p));
}

function derive(p: Processor, cr0: number, origin: number): void {
  const c = p.context, tables = p.tlb.tables;
  const user = (origin & 3) === 3;
  let mode = c.isHardware ? MODE_HARDWARE : 0;
  if (c.segmentAccess(CS) & ACCESS_DB) mode |= MODE_CODE32;
  if (c.segmentAccess(SS) & ACCESS_DB) mode |= MODE_STACK32;
  const keepsWindow = !user && (origin & (DEPRIVILEGED | WINDOW_AT_TOP)) === (DEPRIVILEGED | WINDOW_AT_TOP);
  const flat = keepsWindow ? SEG_FAST_CUT : SEG_FAST_FLAT, data = DATA | flat, code = CODE | flat;
  if ((c.segmentFast(DS) & c.segmentFast(SS) & c.segmentFast(ES) & data) === data && (c.segmentFast(CS) & code) === code) mode |= MODE_FLAT;
  if (cr0 & CR0_PE) mode |= origin & EFLAGS_VM ? MODE_V86 : MODE_PROTECTED;
  if (origin & (EFLAGS_TF | BREAKPOINTS | SINGLE_INSTRUCTION | BRANCHES)) mode |= MODE_SINGLE;
  if (user) mode |= MODE_USER;
  if (origin & TRANSLATING && c.isHardware) mode |= MODE_TRANSLATED;
  c.set(MODE, mode);
  c.set(TLB_CODE, tables.code);
  c.set(TLB_READ, user ? tables.readUser : tables.readSupervisor);
  c.set(TLB_WRITE, user ? tables.writeUser : tables.writeSupervisor);
  // Filled user entries would let aligned and unaligned accesses pass alike.
  p.alignmentCheck = user && (origin & EFLAGS_AC) !== 0 && (cr0 & CR0_AM) !== 0;
  if (p.alignmentCheck) p.tlb.flushUserData();
  if (origin & (BREAKPOINTS | WATCHED)) watchBreakpoints(p);
}
