// Virtual-8086 mode extensions: the interrupt redirection bitmap, and delivery through the 8086 vector table at linear 0.
// SDM Vol. 3A, "Interrupt and Exception Handling in Virtual-8086 Mode", "Class 3—Software Interrupt Handling in Virtual-8086 Mode".

import {
  CS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_TF, EFLAGS_VIF, ESP, TR,
} from "../isa/state-layout.ts";
import { getEflags, setEflags } from "./eflags.ts";
import { readTable } from "./linear-memory.ts";
import { updateMode } from "./mode.ts";
import { GP, type Processor } from "./processor.ts";
import { loadUnprotected } from "./segmentation.ts";
import { currentStack } from "./stack.ts";

/** The I/O map base lies at 66h of a 32-bit TSS; the 32 bytes below the map redirect the 256 software interrupts. */
const IO_MAP_BASE = 0x66, TSS_MINIMUM_LIMIT = 0x67, REDIRECTION_BYTES = 32;

/** Whether INT `vector` of a V86 task goes to its own vector table: its bit in the redirection map is clear. */
export function isRedirected(p: Processor, vector: number): boolean {
  const c = p.context, base = c.segmentBase(TR), limit = c.segmentLimit(TR);
  if (limit < TSS_MINIMUM_LIMIT) p.fault(GP, 0);
  const at = readTable(p, (base + IO_MAP_BASE) | 0, 2) - REDIRECTION_BYTES + (vector >> 3);
  if (at < 0 || at > limit) p.fault(GP, 0);
  return ((readTable(p, (base + at) | 0, 1) >> (vector & 7)) & 1) === 0;
}

/** EFLAGS as a V86 task with VME sees it below IOPL 3: IF shows VIF, IOPL shows 3. */
export function virtualFlags(flags: number): number {
  return (flags & ~EFLAGS_IF) | (flags & EFLAGS_VIF ? EFLAGS_IF : 0) | EFLAGS_IOPL;
}

/** INT n straight to the task's own handler, without leaving V86 mode. */
export function deliverRedirected(p: Processor, vector: number): void {
  const { context: c, state } = p;
  const flags = getEflags(state, c);
  const iopl3 = (flags & EFLAGS_IOPL) === EFLAGS_IOPL;
  const ip = readTable(p, vector * 4, 2), selector = readTable(p, vector * 4 + 2, 2);
  const stack = currentStack(p);
  stack.reserve(2, 3);
  stack.push(2, iopl3 ? flags : virtualFlags(flags));
  stack.push(2, c.selector(CS));
  stack.push(2, state.eip);
  loadUnprotected(c, CS, selector);
  state.setGpr(ESP, stack.pointer);
  state.eip = ip;
  setEflags(state, c, 0, EFLAGS_TF | (iopl3 ? EFLAGS_IF : EFLAGS_VIF));
  p.stepping = false;
  updateMode(p);
}
