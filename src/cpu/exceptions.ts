// Delivery of exceptions and interrupts: vector table, gates, stacks, double and triple faults.
// SDM Vol. 3A, "Interrupt and Exception Handling"; Vol. 2, INT n "Operation".
//
// With a monitor attached, a delivery that would end in CPL 0 changes nothing and becomes an exit: `recordExit`, the one
// place where exits are counted.

import {
  ACTIVITY, CPL, CR0, CR2, CR4, CS, DR7, DS, EFLAGS_AC, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_SYSTEM, EFLAGS_TF, EFLAGS_VIF,
  EFLAGS_VIP, EFLAGS_VM, ES, ESP, FAULT, FAULT_ERROR,
  FAULT_HAS_ERROR, FS, GS, IDTR_BASE, IDTR_LIMIT, SHADOW, SS, SUSPENDED,
} from "../isa/state-layout.ts";
import { eventSource, noteEvent, watchesBranches } from "./branch-records.ts";
import { DR7_GD, setDebugStatus } from "./debug.ts";
import { getEflags, setEflags } from "./eflags.ts";
import { type CutOffEvent, type ExitKind, FAULT_IS_EXIT } from "./exit.ts";
import { isExitGate, noteExitGate } from "./exit-gates.ts";
import { readTable } from "./linear-memory.ts";
import { updateMode } from "./mode.ts";
import { CR0_PE, CR4_PVI, CR4_VME } from "./control-bits.ts";
import { DB, DF, GP, GUEST_FAULT, NP, PF, type Processor, TS } from "./processor.ts";
import {
  ACCESS_P, SYS_INTERRUPT_GATE16, SYS_INTERRUPT_GATE32, SYS_TASK_GATE, SYS_TRAP_GATE16, SYS_TRAP_GATE32, TYPE_CONFORMING, accessOf, dplOf,
  isCode, limitOf, typeOf,
} from "./protection.ts";
import { inV86, loadUnprotected, markAccessed, readDescriptor, setCodeSegment, setDescriptor, setFromDescriptor, setUnusable } from "./segmentation.ts";
import { currentStack, innerStack } from "./stack.ts";
import { FROM_INTERRUPT, checkAvailableTss, switchTask } from "./task.ts";
import { EXIT_EXCEPTION, EXIT_TRIPLE_FAULT } from "./vmx-controls.ts";

/** What raised the event: it decides RF, EXT, the gate's DPL check and double faults. */
export const EVENT_FAULT = 0, EVENT_TRAP = 1, EVENT_EXTERNAL = 2, EVENT_INT1 = 3, EVENT_SOFTWARE = 4, EVENT_SOFTWARE_EXCEPTION = 5;
export type EventKind = 0 | 1 | 2 | 3 | 4 | 5;

const SHUT_DOWN = 2;

/** Delivers what FAULT names and clears it. An exit that ended the instruction is not a fault. */
export function deliverRaised(p: Processor): void {
  const { state } = p;
  const fault = state.read(FAULT);
  state.write(FAULT, 0);
  if (fault === 0 || fault === FAULT_IS_EXIT) return;
  // The instruction will run again: what its breakpoints saw does not count.
  p.pendingDebug = 0;
  deliverSeries(p, fault - 1, EVENT_FAULT, state.read(FAULT_HAS_ERROR) !== 0, state.read(FAULT_ERROR));
}

/**
 * VIF and VIP both set before an instruction of a V86 or PVI task: #GP(0), so that the monitor hands over the interrupt that waits.
 * It comes about by returns to the task alone. SDM Vol. 3A, "Class 2—Maskable Hardware Interrupt Handling in Virtual-8086 Mode".
 */
export function deliverVirtualInterrupt(p: Processor): void {
  const { context: c } = p;
  const flags = c.get(EFLAGS_SYSTEM);
  // The trap of a single step comes first; the return from its handler brings us here again.
  if (p.stepping) return;
  if ((flags & (EFLAGS_VIF | EFLAGS_VIP)) !== (EFLAGS_VIF | EFLAGS_VIP) || c.get(CPL) !== 3 || (flags & EFLAGS_IOPL) === EFLAGS_IOPL) return;
  if ((c.get(CR4) & (flags & EFLAGS_VM ? CR4_VME : CR4_PVI)) === 0) return;
  p.raise(GP, 0);
  deliverRaised(p);
}

/** An event between instructions that has no error code. */
export function deliverEvent(p: Processor, vector: number, kind: EventKind): void {
  deliverSeries(p, vector, kind, false, 0);
}

/**
 * Faults in the delivery of faults after which nothing else will ever come: an #AC whose handler's stack is not aligned either, a #DB whose frame
 * lies on a data breakpoint. Silicon goes on for ever, deaf to interrupts; here it shuts down, so that the host stays alive.
 */
const LONGEST_SERIES = 1_000;

/** Delivers with all that may follow from a fault in the delivery. SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)". */
function deliverSeries(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number): void {
  const { state } = p;
  for (let round = 0; ; round++) {
    if (round === LONGEST_SERIES) {
      shutDown(p);
      return;
    }
    try {
      if (p.nonRoot !== null && leavesFor(p, vector, kind, hasError, error)) return;
      const delivered = dispatch(p, vector, kind, hasError, error);
      p.breakpointFault = false;
      if (!delivered && p.nonRoot !== null) p.exit.cutOff = { vector, kind, hasError, error };
      if (!delivered || p.pendingDebug === 0) return;
      // The frame touched a data breakpoint, or the new task has its trap bit set: #DB before the handler begins.
      setDebugStatus(p, p.pendingDebug);
      p.pendingDebug = 0;
      vector = DB;
      kind = EVENT_TRAP;
      hasError = false;
      continue;
    } catch (signal) {
      if (signal !== GUEST_FAULT) throw signal;
      p.external = 0;
      p.breakpointFault = false;
      p.taskCommitted = false;
      if (p.exit.pending) {
        p.exit.cutOff = { vector, kind, hasError, error };
        state.write(FAULT, 0);
        return;
      }
    }
    const second = state.read(FAULT) - 1, before = { vector, kind, hasError, error };
    const isException = kind === EVENT_FAULT || kind === EVENT_TRAP;
    hasError = state.read(FAULT_HAS_ERROR) !== 0;
    error = state.read(FAULT_ERROR);
    state.write(FAULT, 0);
    if (p.nonRoot !== null && leavesFor(p, second, EVENT_FAULT, state.read(FAULT_HAS_ERROR) !== 0, state.read(FAULT_ERROR))) {
      p.exit.cutOff = before;
      return;
    }
    if (isException && vector === DF && (isContributory(second) || second === PF)) {
      shutDown(p);
      return;
    }
    if (isException && isDouble(vector, second)) {
      vector = DF;
      hasError = true;
      error = 0;
    } else {
      vector = second;
    }
    kind = EVENT_FAULT;
  }
}

/** An exception that the control block's bitmap names leaves before its delivery. */
function leavesFor(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number): boolean {
  if (kind === EVENT_EXTERNAL || ((p.nonRoot!.exceptionBitmap >>> vector) & 1) === 0) return false;
  recordEvent(p, vector, kind, hasError, error, "vmx", EXIT_EXCEPTION);
  return true;
}

function shutDown(p: Processor): void {
  if (p.nonRoot !== null) recordExit(p, "vmx", 0, p.state.eip, EXIT_TRIPLE_FAULT);
  else p.context.set(ACTIVITY, SHUT_DOWN);
}

/** Delivers an event whose delivery was cut off by an exit. */
export function deliverAgain(p: Processor, event: CutOffEvent): void {
  deliverSeries(p, event.vector, event.kind, event.hasError, event.error);
}

function isContributory(vector: number): boolean {
  return vector === 0 || (vector >= TS && vector <= GP);
}

function isDouble(first: number, second: number): boolean {
  if (first === PF) return isContributory(second) || second === PF;
  return isContributory(first) && isContributory(second);
}

/** One attempt: true if delivered, false if it became an exit. Unwinds on a fault with nothing changed. */
export function dispatch(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number): boolean {
  p.external = kind >= EVENT_SOFTWARE ? 0 : 1;
  const watched = watchesBranches(p), from = watched ? eventSource(p, kind >= EVENT_INT1) : 0;
  const delivered = p.context.get(CR0) & CR0_PE ? dispatchProtected(p, vector, kind, hasError, error) : dispatchReal(p, vector, kind);
  p.external = 0;
  if (!delivered) return false;
  p.delivered = { vector, errorCode: hasError ? error : null, isException: kind !== EVENT_EXTERNAL && kind !== EVENT_SOFTWARE };
  p.context.set(ACTIVITY, 0);
  p.context.set(SHADOW, 0);
  // The handler runs with TF clear: a single step that waits would be its own. It may use the debug registers.
  p.stepping = false;
  if (watched) {
    noteEvent(p, from, vector === DB && kind < EVENT_SOFTWARE);
    updateMode(p);
  }
  if (vector === DB && kind < EVENT_SOFTWARE) p.context.set(DR7, p.context.get(DR7) & ~DR7_GD);
  return true;
}

/** EFLAGS as the handler finds them on its stack. */
function flagsImage(p: Processor, kind: EventKind): number {
  const flags = getEflags(p.state, p.context);
  return setsResumeFlag(p, kind) ? flags | EFLAGS_RF : flags & ~EFLAGS_RF;
}

/** RF in that image. SDM Vol. 3B, "Instruction-Breakpoint Exception Condition". */
function setsResumeFlag(p: Processor, kind: EventKind): boolean {
  if (kind >= EVENT_INT1) return false;
  const interrupted = kind === EVENT_FAULT ? !p.breakpointFault : p.state.read(SUSPENDED) !== 0;
  return interrupted || (p.context.get(EFLAGS_SYSTEM) & EFLAGS_RF) !== 0;
}

function dispatchReal(p: Processor, vector: number, kind: EventKind): boolean {
  const { context, state } = p;
  if (vector * 4 + 3 > context.get(IDTR_LIMIT)) p.fault(GP, vector * 8 + 2 + p.external);
  const entry = (context.get(IDTR_BASE) + vector * 4) | 0;
  const ip = readTable(p, entry, 2), selector = readTable(p, (entry + 2) | 0, 2);
  const stack = currentStack(p);
  stack.reserve(2, 3);
  stack.push(2, flagsImage(p, kind));
  stack.push(2, context.selector(CS));
  stack.push(2, state.eip);
  loadUnprotected(context, CS, selector);
  state.setGpr(ESP, stack.pointer);
  state.eip = ip;
  setEflags(state, context, 0, EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
  updateMode(p);
  return true;
}

function dispatchProtected(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number): boolean {
  const { context } = p;
  if (p.deprivileged && isExitGate(p, vector, kind >= EVENT_SOFTWARE)) return leaveToRingZero(p, vector, kind, hasError, error);
  const inTable = vector * 8 + 2 + p.external;
  if (vector * 8 + 7 > context.get(IDTR_LIMIT)) p.fault(GP, inTable);
  const address = (context.get(IDTR_BASE) + vector * 8) | 0;
  const low = readTable(p, address, 4), high = readTable(p, (address + 4) | 0, 4);
  const gate = accessOf(high), type = typeOf(gate);
  const isGate = type === SYS_TASK_GATE || type === SYS_INTERRUPT_GATE16 || type === SYS_TRAP_GATE16 || type === SYS_INTERRUPT_GATE32 || type === SYS_TRAP_GATE32;
  if (!isGate) p.fault(GP, inTable);
  if (kind >= EVENT_SOFTWARE && dplOf(gate) < context.get(CPL)) p.fault(GP, inTable);
  if ((gate & ACCESS_P) === 0) p.fault(NP, inTable);
  const selector = low >>> 16;
  if (type === SYS_TASK_GATE) return throughTaskGate(p, selector, vector, kind, hasError, error);
  const offset = type & 8 ? (low & 0xffff) | (high & 0xffff_0000) : low & 0xffff;
  return throughGate(p, selector, offset, type, vector, kind, hasError, error);
}

function throughTaskGate(p: Processor, selector: number, vector: number, kind: EventKind, hasError: boolean, error: number): boolean {
  checkAvailableTss(p, selector, GP);
  if (p.leavesForTasks) {
    recordEvent(p, vector, kind, hasError, error, "task-switch", p.taskExitReason);
    p.exit.selector = selector;
    return false;
  }
  const stackSize = switchTask(p, selector, FROM_INTERRUPT, flagsImage(p, kind));
  if (hasError) {
    const stack = currentStack(p);
    stack.reserve(stackSize, 1);
    stack.push(stackSize, error);
    p.state.setGpr(ESP, stack.pointer);
  }
  return true;
}

function throughGate(
  p: Processor, selector: number, offset: number, type: number, vector: number, kind: EventKind, hasError: boolean, error: number,
): boolean {
  const { context, state } = p;
  if ((selector & 0xfffc) === 0) p.selectorFault(GP, 0);
  const code = readDescriptor(p, selector, GP);
  const cpl = context.get(CPL), dpl = dplOf(code), v86 = inV86(context);
  if (!isCode(code) || dpl > cpl) p.selectorFault(GP, selector);
  if ((code & ACCESS_P) === 0) p.selectorFault(NP, selector);
  const inner = (code & TYPE_CONFORMING) === 0 && dpl < cpl;
  if (v86 && (!inner || dpl !== 0)) p.selectorFault(GP, selector);
  const newCpl = inner ? dpl : cpl;
  if (newCpl === 0 && p.deprivileged) {
    noteExitGate(p, vector, selector);
    return leaveToRingZero(p, vector, kind, hasError, error);
  }
  const codeLow = p.descriptorLow, codeHigh = p.descriptorHigh;
  const width = type & 8 ? 4 : 2;
  const flags = flagsImage(p, kind);
  const stack = inner ? innerStack(p, dpl) : currentStack(p);
  stack.reserve(width, (inner ? (v86 ? 9 : 5) : 3) + (hasError ? 1 : 0));
  const stackLow = p.descriptorLow, stackHigh = p.descriptorHigh;
  if (offset >>> 0 > limitOf(codeLow, codeHigh)) p.fault(GP, p.external);
  if (inner) {
    if (v86) {
      stack.push(width, context.selector(GS));
      stack.push(width, context.selector(FS));
      stack.push(width, context.selector(DS));
      stack.push(width, context.selector(ES));
    }
    stack.push(width, context.selector(SS));
    stack.push(width, state.gpr(ESP));
  }
  stack.push(width, flags);
  stack.push(width, context.selector(CS));
  stack.push(width, state.eip);
  if (hasError) stack.push(width, error);
  setDescriptor(p, codeLow, codeHigh);
  markAccessed(p, selector);
  setCodeSegment(p, selector, newCpl);
  setDescriptor(p, stackLow, stackHigh);
  if (inner) setFromDescriptor(p, SS, stack.selector);
  state.setGpr(ESP, stack.pointer);
  state.eip = offset;
  if (v86) for (const index of [ES, DS, FS, GS]) setUnusable(context, index, 0);
  const isInterruptGate = type === SYS_INTERRUPT_GATE16 || type === SYS_INTERRUPT_GATE32;
  setEflags(state, context, 0, EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | (isInterruptGate ? EFLAGS_IF : 0));
  updateMode(p);
  return true;
}

/** The handler's code is ring 0, and a monitor is there. */
function leaveToRingZero(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number): false {
  recordEvent(p, vector, kind, hasError, error, kind === EVENT_EXTERNAL ? "interrupt" : kind === EVENT_SOFTWARE ? "software-interrupt" : "exception");
  return false;
}

function recordEvent(p: Processor, vector: number, kind: EventKind, hasError: boolean, error: number, exitKind: ExitKind, vmxReason = -1): void {
  const resumeFlag = setsResumeFlag(p, kind);
  recordExit(p, exitKind, vector, p.state.eip, vmxReason);
  const { exit } = p;
  exit.hasErrorCode = hasError;
  exit.errorCode = error;
  exit.cr2 = 0;
  if (vector === PF && kind === EVENT_FAULT) {
    exit.cr2 = p.context.get(CR2);
    // A page fault that leaves is not delivered: CR2 keeps what it held.
    p.context.set(CR2, p.cr2Before);
  }
  exit.resumeFlag = resumeFlag;
}

/** The processor would enter ring 0, where the monitor is, or its control block wants an exit: it stops instead, with nothing changed. */
export function recordExit(p: Processor, kind: ExitKind, vector: number, returnEip: number, vmxReason = -1): void {
  const { exit } = p;
  p.exitCount++;
  exit.pending = true;
  exit.kind = kind;
  exit.vector = vector;
  exit.hasErrorCode = false;
  exit.errorCode = 0;
  exit.cr2 = 0;
  exit.returnEip = returnEip;
  exit.resumeFlag = false;
  exit.selector = 0;
  exit.vmxReason = vmxReason;
  exit.cutOff = null;
}
