// Debug registers: instruction, data and I/O breakpoints, single step, the contents of DR6.
// SDM Vol. 3B, "Debug Registers", "Debug Exceptions".
//
// Not implemented: 8-byte breakpoints (no 64-bit mode).

import { CR4, DR0, DR6, DR7, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SYSTEM, EFLAGS_TF, SHADOW } from "../isa/state-layout.ts";
import { stepsByBranch } from "./branch-records.ts";
import { CR4_DE } from "./control-bits.ts";
import { DB, type Processor } from "./processor.ts";

export const DR6_BD = 0x2000, DR6_BS = 0x4000, DR6_BT = 0x8000;
/** Bits that always read as 1. */
export const DR6_FIXED = 0xffff_0ff0 | 0, DR7_FIXED = 0x400;
export const DR6_WRITABLE = 0xe00f, DR7_WRITABLE = 0xffff_23ff | 0;
export const DR7_GD = 0x2000, DR7_LOCAL = 0x155;

const ON_EXECUTE = 0, ON_WRITE = 1, ON_IO = 2, ON_ACCESS = 3;
/** MOV SS and POP SS hold back debug exceptions as well as interrupts. */
const SHADOW_MOV_SS = 2;
const NO_PAGES: readonly number[] = [];

function condition(dr7: number, n: number): number {
  return (dr7 >> (16 + n * 4)) & 3;
}

/** In bytes; the encoding of 8 means 1 outside 64-bit mode. */
function length(dr7: number, n: number): number {
  const code = (dr7 >>> (18 + n * 4)) & 3;
  return code === 2 ? 1 : code + 1;
}

function enabled(dr7: number, n: number): boolean {
  return ((dr7 >> (n * 2)) & 3) !== 0;
}

/** Bits B0-B3 of the enabled breakpoints of the kinds in `conditions` (a bit a kind) that [address, address + width) touches. */
function hits(p: Processor, address: number, width: number, conditions: number): number {
  const dr7 = p.context.get(DR7);
  let bits = 0;
  for (let n = 0; n < 4; n++) {
    if (!enabled(dr7, n) || ((conditions >> condition(dr7, n)) & 1) === 0) continue;
    const size = length(dr7, n), start = (p.context.getAt(DR0, n) & ~(size - 1)) >>> 0;
    if (start < address + width && address < start + size) bits |= 1 << n;
  }
  return bits;
}

/** Takes the pages of data breakpoints out of the TLB, and keeps them out. */
export function watchBreakpoints(p: Processor): void {
  const dr7 = p.context.get(DR7);
  const pages: number[] = [...(p.dataWatch?.pages ?? NO_PAGES)];
  for (let n = 0; n < 4; n++) {
    if (enabled(dr7, n) && (condition(dr7, n) & ON_WRITE) !== 0) pages.push(p.context.getAt(DR0, n) >>> 12);
  }
  for (const page of pages) p.tlb.dropData(page << 12);
  p.watchedPages = pages.length === 0 ? NO_PAGES : pages;
}

/** A data access that touched a watched page; matches trap after the instruction. */
export function noteDataBreakpoint(p: Processor, linear: number, width: number, write: boolean): void {
  p.dataWatch?.note(linear >>> 0, width, write);
  p.pendingDebug |= hits(p, linear >>> 0, width, write ? (1 << ON_WRITE) | (1 << ON_ACCESS) : 1 << ON_ACCESS);
}

/** I/O breakpoints exist while CR4.DE is set. */
export function notePortBreakpoint(p: Processor, port: number, width: number): void {
  if ((p.context.get(DR7) & 0xff) !== 0 && p.context.get(CR4) & CR4_DE) p.pendingDebug |= hits(p, port, width, 1 << ON_IO);
}

/** DR6 as a debug exception leaves it: the B bits are this event's, BD BS BT gather. */
export function setDebugStatus(p: Processor, bits: number): void {
  p.context.set(DR6, (p.context.get(DR6) & ~0xf) | DR6_FIXED | bits);
}

/** Before an instruction: latches TF and looks for instruction breakpoints. False: #DB raised as a fault. */
export function beginInstruction(p: Processor, linear: number): boolean {
  p.stepping = (p.state.read(EFLAGS_SHARED) & EFLAGS_TF) !== 0;
  p.keepResumeFlag = false;
  if ((p.context.get(DR7) & 0xff) === 0 || p.context.get(EFLAGS_SYSTEM) & EFLAGS_RF || p.context.get(SHADOW) & SHADOW_MOV_SS) return true;
  const bits = hits(p, linear >>> 0, 1, 1 << ON_EXECUTE);
  if (bits === 0) return true;
  setDebugStatus(p, bits);
  p.stepping = false;
  p.breakpointFault = true;
  p.raiseNoError(DB);
  return false;
}

/** After an instruction: DR6 bits of the #DB trap to deliver now, 0 if none. Drops RF. */
export function endInstruction(p: Processor): number {
  if (p.keepResumeFlag) p.keepResumeFlag = false;
  else if (p.context.get(EFLAGS_SYSTEM) & EFLAGS_RF) p.context.set(EFLAGS_SYSTEM, p.context.get(EFLAGS_SYSTEM) & ~EFLAGS_RF);
  if (p.stepping && !p.branched && stepsByBranch(p)) p.stepping = false;
  if (!p.stepping && p.pendingDebug === 0) return 0;
  const step = p.stepping ? DR6_BS : 0;
  p.stepping = false;
  if (p.context.get(SHADOW) & SHADOW_MOV_SS) return 0;
  const bits = p.pendingDebug | step;
  p.pendingDebug = 0;
  return bits;
}
