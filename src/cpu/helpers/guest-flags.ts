// What translated code does in the place of CLI, STI, PUSHF, POPF, RDTSC and stores of selectors: on V, the processor that the guest
// believes in, while H runs. Stack and memory are H's. What is not plain calls out, and the monitor does it on V.

import {
  CPL, CR0, CR4, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, EFLAGS_SYSTEM, EFLAGS_TF, EFLAGS_VM, ESP, SHADOW,
  SS,
} from "../../isa/state-layout.ts";
import { CR0_PE, CR4_TSD } from "../control-bits.ts";
import { getEflags, setEflags } from "../eflags.ts";
import { recordExit } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import { load, store } from "../linear-memory.ts";
import { updateMode } from "../mode.ts";
import { answerTimestamp } from "../msr.ts";
import type { Processor } from "../processor.ts";
import { segmentCheck } from "../segmentation.ts";
import { stackMask } from "../stack.ts";

type OperandSize = 2 | 4;
const SHADOW_STI = 1;
const ANY_PRIVILEGE = EFLAGS_STATUS | EFLAGS_SHARED_MASK | EFLAGS_RF;

export function callout(p: Processor): void {
  recordExit(p, "callout", 0, p.state.eip);
  p.raiseNoError(FAULT_IS_EXIT - 1);
}

/** The guest may change IF: CPL <= IOPL, and no task in V86 mode. */
function ownsInterruptFlag(p: Processor): boolean {
  const v = p.v.context, flags = v.get(EFLAGS_SYSTEM);
  if ((v.get(CR0) & CR0_PE) === 0) return true;
  return (flags & EFLAGS_VM) === 0 && v.get(CPL) <= (flags & EFLAGS_IOPL) >> 12;
}

export function clearGuestInterruptFlag(p: Processor): void {
  if (!ownsInterruptFlag(p)) return callout(p);
  p.inlined++;
  const v = p.v.context;
  v.set(EFLAGS_SYSTEM, v.get(EFLAGS_SYSTEM) & ~EFLAGS_IF);
}

export function setGuestInterruptFlag(p: Processor): void {
  if (!ownsInterruptFlag(p) || p.guestInterruptWaits) return callout(p);
  p.inlined++;
  const v = p.v.context, flags = v.get(EFLAGS_SYSTEM);
  if ((flags & EFLAGS_IF) === 0) p.context.set(SHADOW, SHADOW_STI);
  v.set(EFLAGS_SYSTEM, flags | EFLAGS_IF);
}

function push(p: Processor, size: OperandSize, image: number): void {
  const { context, state } = p;
  const esp = state.gpr(ESP), mask = stackMask(context), offset = (esp - size) & mask;
  if (!segmentCheck(p, SS, offset >>> 0, size, true)) return;
  store(p, (context.segmentBase(SS) + offset) | 0, size, image, p.user);
  if (state.fault !== 0) return;
  p.inlined++;
  state.setGpr(ESP, (esp & ~mask) | offset);
}

export function pushGuestFlags(p: Processor, size: OperandSize): void {
  const image = getEflags(p.state, p.v.context);
  if (image & EFLAGS_VM) return callout(p);
  push(p, size, image & ~EFLAGS_RF);
}

export function popGuestFlags(p: Processor, size: OperandSize): void {
  const { context, state } = p;
  const v = p.v.context, before = v.get(EFLAGS_SYSTEM), cpl = v.get(CPL);
  if (before & EFLAGS_VM) return callout(p);
  const esp = state.gpr(ESP), mask = stackMask(context), offset = esp & mask;
  if (!segmentCheck(p, SS, offset >>> 0, size, false)) return;
  const image = load(p, (context.segmentBase(SS) + offset) | 0, size, p.user) & ~EFLAGS_RF;
  if (state.fault !== 0) return;
  let changed = ANY_PRIVILEGE;
  if (cpl <= (before & EFLAGS_IOPL) >> 12) changed |= EFLAGS_IF;
  if (cpl === 0) changed |= EFLAGS_IOPL;
  const opens = (changed & image & ~before & EFLAGS_IF) !== 0;
  if (image & (EFLAGS_TF | EFLAGS_NT) || (opens && p.guestInterruptWaits)) return callout(p);
  p.inlined++;
  const shared = state.read(EFLAGS_SHARED);
  setEflags(state, v, image, size === 2 ? changed & 0xffff : changed);
  state.setGpr(ESP, (esp & ~mask) | ((esp + size) & mask));
  if (shared !== state.read(EFLAGS_SHARED)) updateMode(p);
}

/** The guest's counter, which knows nothing of the monitor. */
export function readGuestTimestamp(p: Processor): void {
  const v = p.v.context;
  if (v.get(CR4) & CR4_TSD && v.get(CPL) !== 0) return callout(p);
  p.inlined++;
  answerTimestamp(p, false);
}

/** In translated code every load of a segment register goes through the monitor: V's are always right. */
export function guestSelector(p: Processor, index: number): number {
  p.inlined++;
  return p.v.context.selector(index);
}

export function pushGuestSelector(p: Processor, index: number, size: OperandSize): void {
  push(p, size, p.v.context.selector(index));
}
