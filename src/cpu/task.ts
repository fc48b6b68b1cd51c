// Hardware task switches. SDM Vol. 3A, "Task Management"; the order of checks follows "Exception Conditions Checked During a Task Switch".
//
// Up to the commit point a fault leaves the old task as it was. After it, faults belong to the new task: `taskCommitted`
// tells the caller to deliver them there instead of restarting an instruction.

import {
  CPL, CR0, CR3, CR4, CS, DR7, DS, EAX, EFLAGS_NT, EFLAGS_RF, EFLAGS_VM, ES, FS, GS, LDTR, SS, TR,
} from "../isa/state-layout.ts";
import { DR6_BT, DR7_LOCAL } from "./debug.ts";
import { EFLAGS_ALL, setEflags } from "./eflags.ts";
import { probeWrite, readTable, writeLinear } from "./linear-memory.ts";
import { updateMode } from "./mode.ts";
import { CR0_PG, CR0_TS, CR4_PAE, CR4_PGE } from "./control-bits.ts";
import { loadPdptes } from "./paging.ts";
import { GP, GUEST_FAULT, NP, type Processor, TS } from "./processor.ts";
import {
  ACCESS_P, ACCESS_V86, SYS_LDT, SYS_TSS16, SYS_TSS16_BUSY, SYS_TSS32, SYS_TSS32_BUSY, TSS_BUSY, baseOf, dplOf, isCode, isConformingCode, isReadable,
  limitOf, typeOf, accessOf,
} from "./protection.ts";
import {
  checkStackSelector, clearDescriptorType, markAccessed, orDescriptorType, readDescriptor, setFromDescriptor, setSegment, setUnusable,
} from "./segmentation.ts";

export const FROM_JUMP = 0, FROM_CALL = 1, FROM_INTERRUPT = 2, FROM_IRET = 3;
export type TaskSwitchSource = 0 | 1 | 2 | 3;

/** Offsets in a 32-bit TSS, and in a 16-bit one. */
const TSS32 = { cr3: 0x1c, eip: 0x20, eflags: 0x24, gpr: 0x28, segments: 0x48, ldt: 0x60, trap: 0x64, bytes: 0x68 };
const TSS16 = { ip: 0x0e, flags: 0x10, gpr: 0x12, segments: 0x22, ldt: 0x2a, bytes: 0x2c };
const SEGMENT_NAMES = [ES, CS, SS, DS, FS, GS] as const;

/** A selector that must name an available TSS in the GDT, for gates and far transfers. Leaves the descriptor read. */
export function checkAvailableTss(p: Processor, selector: number, vector: number): void {
  if (selector & 4) p.selectorFault(vector, selector);
  const access = readDescriptor(p, selector, vector);
  const type = typeOf(access);
  if (type !== SYS_TSS32 && type !== SYS_TSS16) p.selectorFault(vector, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
}

/** The back link of the current TSS, which must name a busy TSS, for IRET with NT set. Leaves the descriptor read. */
export function checkBackLink(p: Processor): number {
  const selector = readTable(p, p.context.segmentBase(TR), 2);
  if (selector & 4) p.selectorFault(TS, selector);
  const access = readDescriptor(p, selector, TS);
  const type = typeOf(access);
  if (type !== SYS_TSS32_BUSY && type !== SYS_TSS16_BUSY) p.selectorFault(TS, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  return selector;
}

/**
 * Switches to the task of `selector`, whose descriptor was checked and read last; it may be the current one (IRET). `flags`: EFLAGS to
 * save for the old task.
 * Returns the width in bytes of the new TSS's stack items (an error code is pushed in it).
 */
export function switchTask(p: Processor, selector: number, source: TaskSwitchSource, flags: number): 2 | 4 {
  const { context: c } = p;
  const low = p.descriptorLow, high = p.descriptorHigh;
  const base = baseOf(low, high), limit = limitOf(low, high);
  const is32 = (accessOf(high) & 8) !== 0;
  if (limit < (is32 ? TSS32.bytes : TSS16.bytes) - 1) p.selectorFault(TS, selector);

  // Both TSSs are proved before the first change.
  const oldSelector = c.selector(TR), oldBase = c.segmentBase(TR), old32 = (c.segmentAccess(TR) & 8) !== 0;
  if (!probeWrite(p, oldBase, old32 ? TSS32.bytes : TSS16.bytes, false)) throw GUEST_FAULT;
  readTable(p, base, 2);
  readTable(p, (base + (is32 ? TSS32.bytes : TSS16.bytes) - 2) | 0, 2);
  const nested = source === FROM_CALL || source === FROM_INTERRUPT;
  if (nested && !probeWrite(p, base, 2, false)) throw GUEST_FAULT;

  if (!nested) clearDescriptorType(p, oldSelector, TSS_BUSY);
  saveTask(p, oldBase, old32, source === FROM_IRET ? flags & ~EFLAGS_NT : flags);
  const next = readTask(p, base, is32);
  if (nested) writeLinear(p, base, 2, oldSelector, false);
  if (source !== FROM_IRET) orDescriptorType(p, selector, TSS_BUSY);

  p.taskCommitted = true;
  // A single step of the old task is not the new one's.
  p.stepping = false;
  setSegment(c, TR, selector, base, limit, accessOf(high) | TSS_BUSY);
  c.set(CR0, c.get(CR0) | CR0_TS);
  c.set(DR7, c.get(DR7) & ~DR7_LOCAL);
  loadTask(p, next, is32, nested);
  p.taskCommitted = false;
  if (next.trap) p.pendingDebug |= DR6_BT;
  return is32 ? 4 : 2;
}

interface TaskImage {
  readonly cr3: number;
  readonly eip: number;
  readonly eflags: number;
  readonly gpr: readonly number[];
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

function readTask(p: Processor, base: number, is32: boolean): TaskImage {
  const at = (offset: number, width: 2 | 4): number => readTable(p, (base + offset) | 0, width);
  if (is32) {
    return {
      cr3: at(TSS32.cr3, 4),
      eip: at(TSS32.eip, 4),
      eflags: at(TSS32.eflags, 4),
      gpr: Array.from({ length: 8 }, (_, i) => at(TSS32.gpr + i * 4, 4)),
      selectors: SEGMENT_NAMES.map((i) => at(TSS32.segments + i * 4, 2)),
      ldt: at(TSS32.ldt, 2),
      trap: (at(TSS32.trap, 2) & 1) !== 0,
    };
  }
  return {
    cr3: 0,
    eip: at(TSS16.ip, 2),
    eflags: at(TSS16.flags, 2),
    // The manual calls the upper halves "modified and not maintained"; emulators agree on ones.
    gpr: Array.from({ length: 8 }, (_, i) => at(TSS16.gpr + i * 2, 2) | 0xffff_0000),
    selectors: SEGMENT_NAMES.map((i) => (i <= DS ? at(TSS16.segments + i * 2, 2) : 0)),
    ldt: at(TSS16.ldt, 2),
    trap: false,
  };
}

function saveTask(p: Processor, base: number, is32: boolean, flags: number): void {
  const { context: c, state } = p;
  const put = (offset: number, width: 2 | 4, value: number): void => writeLinear(p, (base + offset) | 0, width, value, false);
  if (is32) {
    put(TSS32.eip, 4, state.eip);
    put(TSS32.eflags, 4, flags);
    for (let i = 0; i < 8; i++) put(TSS32.gpr + i * 4, 4, state.gpr(EAX + i));
    for (const i of SEGMENT_NAMES) put(TSS32.segments + i * 4, 2, c.selector(i));
    return;
  }
  put(TSS16.ip, 2, state.eip);
  put(TSS16.flags, 2, flags);
  for (let i = 0; i < 8; i++) put(TSS16.gpr + i * 2, 2, state.gpr(EAX + i));
  for (let i: number = ES; i <= DS; i++) put(TSS16.segments + i * 2, 2, c.selector(i));
}

/** The new task's registers first, unchecked; then the segments with their checks, in the new task's context. */
function loadTask(p: Processor, next: TaskImage, is32: boolean, nested: boolean): void {
  const { context: c, state } = p;
  if (is32 && c.get(CR0) & CR0_PG && next.cr3 !== c.get(CR3)) {
    if (c.get(CR4) & CR4_PAE && !loadPdptes(p, next.cr3)) throw GUEST_FAULT;
    c.set(CR3, next.cr3);
    if (c.get(CR4) & CR4_PGE) p.tlb.flushNonGlobal();
    else p.tlb.flushAll();
  }
  state.eip = next.eip;
  setEflags(state, c, nested ? next.eflags | EFLAGS_NT : next.eflags, EFLAGS_ALL);
  p.keepResumeFlag = (next.eflags & EFLAGS_RF) !== 0;
  for (let i = 0; i < 8; i++) state.setGpr(EAX + i, next.gpr[i]);
  for (const i of SEGMENT_NAMES) setUnusable(c, i, next.selectors[i]);
  setUnusable(c, LDTR, next.ldt);

  // Ring 3 until there is a stack: a fault before that switches to one of the new TSS.
  c.set(CPL, 3);
  updateMode(p);
  loadTaskLdt(p, next.ldt);
  const v86 = (next.eflags & EFLAGS_VM) !== 0;
  if (v86) {
    for (const i of SEGMENT_NAMES) setSegment(c, i, next.selectors[i], next.selectors[i] << 4, 0xffff, ACCESS_V86);
  } else {
    // The stack comes first: a bad CS is reported on it.
    const cpl = next.selectors[CS] & 3;
    checkStackSelector(p, next.selectors[SS], cpl, TS);
    setFromDescriptor(p, SS, next.selectors[SS]);
    c.set(CPL, cpl);
    updateMode(p);
    loadTaskCode(p, next.selectors[CS]);
    for (const i of [DS, ES, FS, GS]) loadTaskData(p, i, next.selectors[i]);
  }
  updateMode(p);
  if (next.eip >>> 0 > c.segmentLimit(CS)) p.fault(GP, p.external);
}

function loadTaskLdt(p: Processor, selector: number): void {
  if ((selector & 0xfffc) === 0) return;
  if (selector & 4) p.selectorFault(TS, selector);
  const access = readDescriptor(p, selector, TS);
  if (typeOf(access) !== SYS_LDT || (access & ACCESS_P) === 0) p.selectorFault(TS, selector);
  setFromDescriptor(p, LDTR, selector);
}

function loadTaskCode(p: Processor, selector: number): void {
  if ((selector & 0xfffc) === 0) p.selectorFault(TS, 0);
  const access = readDescriptor(p, selector, TS);
  const rpl = selector & 3;
  if (!isCode(access) || (isConformingCode(access) ? dplOf(access) > rpl : dplOf(access) !== rpl)) p.selectorFault(TS, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  markAccessed(p, selector);
  setFromDescriptor(p, CS, selector);
}

function loadTaskData(p: Processor, index: number, selector: number): void {
  if ((selector & 0xfffc) === 0) return;
  const access = readDescriptor(p, selector, TS);
  const cpl = p.context.get(CPL);
  if (!isReadable(access)) p.selectorFault(TS, selector);
  if (!isConformingCode(access) && (dplOf(access) < (selector & 3) || dplOf(access) < cpl)) p.selectorFault(TS, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  markAccessed(p, selector);
  setFromDescriptor(p, index, selector);
}
