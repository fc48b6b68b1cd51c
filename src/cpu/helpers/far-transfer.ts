// Far JMP, CALL and RET: direct, through call gates, to tasks. SDM Vol. 2, JMP, CALL, RET, "Operation".

import { CPL, CS, EFLAGS_RF, ESP, SS } from "../../isa/state-layout.ts";
import { getEflags } from "../eflags.ts";
import { recordExit } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import { updateMode } from "../mode.ts";
import { GP, NP, type Processor } from "../processor.ts";
import {
  ACCESS_DB, ACCESS_P, SYS_CALL_GATE16, SYS_CALL_GATE32, SYS_TASK_GATE, SYS_TSS16, SYS_TSS32, accessOf, dplOf, isCode, isConformingCode, limitOf, typeOf,
} from "../protection.ts";
import {
  checkCodeTransfer, checkStackSelector, dropInnerSegments, inProtectedMode, loadUnprotected, markAccessed, readDescriptor, setCodeSegment,
  setDescriptor, setFromDescriptor,
} from "../segmentation.ts";
import { currentStack, innerStack, type StackCursor } from "../stack.ts";
import { FROM_CALL, FROM_JUMP, checkAvailableTss, switchTask } from "../task.ts";

type OperandSize = 2 | 4;

export function farJump(p: Processor, selector: number, offset: number): void {
  if (!inProtectedMode(p.context)) {
    jumpUnprotected(p, selector, offset);
    return;
  }
  const access = readCodeOrSystem(p, selector);
  if (isCode(access)) {
    checkCodeTransfer(p, selector, access, p.context.get(CPL));
    enterCode(p, selector, offset, p.context.get(CPL), null);
    return;
  }
  switch (typeOf(access)) {
    case SYS_CALL_GATE16:
    case SYS_CALL_GATE32:
      throughCallGate(p, selector, access, false);
      return;
    default:
      toTask(p, selector, access, FROM_JUMP);
  }
}

export function farCall(p: Processor, selector: number, offset: number, size: OperandSize): void {
  if (!inProtectedMode(p.context)) {
    const stack = currentStack(p);
    stack.reserve(size, 2);
    checkUnprotectedTarget(p, offset);
    stack.push(size, p.context.selector(CS));
    stack.push(size, p.state.eip);
    p.state.setGpr(ESP, stack.pointer);
    jumpUnprotected(p, selector, offset);
    return;
  }
  const access = readCodeOrSystem(p, selector);
  if (isCode(access)) {
    checkCodeTransfer(p, selector, access, p.context.get(CPL));
    enterCode(p, selector, offset, p.context.get(CPL), currentStack(p), size);
    return;
  }
  switch (typeOf(access)) {
    case SYS_CALL_GATE16:
    case SYS_CALL_GATE32:
      throughCallGate(p, selector, access, true);
      return;
    default:
      toTask(p, selector, access, FROM_CALL);
  }
}

function readCodeOrSystem(p: Processor, selector: number): number {
  if ((selector & 0xfffc) === 0) p.fault(GP, 0);
  return readDescriptor(p, selector, GP);
}

function checkUnprotectedTarget(p: Processor, offset: number): void {
  if (offset >>> 0 > p.context.segmentLimit(CS)) p.fault(GP, 0);
}

function jumpUnprotected(p: Processor, selector: number, offset: number): void {
  checkUnprotectedTarget(p, offset);
  loadUnprotected(p.context, CS, selector);
  p.state.eip = offset;
  updateMode(p);
}

/** The code segment read last, at privilege `cpl`; a call leaves its return address on `stack` first. */
function enterCode(p: Processor, selector: number, offset: number, cpl: number, stack: StackCursor | null, size: OperandSize = 4): void {
  const { context, state } = p;
  stack?.reserve(size, 2);
  if (offset >>> 0 > limitOf(p.descriptorLow, p.descriptorHigh)) p.fault(GP, 0);
  markAccessed(p, selector);
  if (stack) {
    stack.push(size, context.selector(CS));
    stack.push(size, state.eip);
    state.setGpr(ESP, stack.pointer);
  }
  setCodeSegment(p, selector, cpl);
  state.eip = offset;
  updateMode(p);
}

function throughCallGate(p: Processor, gateSelector: number, gate: number, isCall: boolean): void {
  const { context, state } = p;
  const cpl = context.get(CPL);
  if (dplOf(gate) < cpl || (gateSelector & 3) > dplOf(gate)) p.selectorFault(GP, gateSelector);
  if ((gate & ACCESS_P) === 0) p.selectorFault(NP, gateSelector);
  const size: OperandSize = typeOf(gate) === SYS_CALL_GATE32 ? 4 : 2;
  const selector = p.descriptorLow >>> 16, parameters = p.descriptorHigh & 0x1f;
  const offset = size === 4 ? (p.descriptorLow & 0xffff) | (p.descriptorHigh & 0xffff_0000) : p.descriptorLow & 0xffff;
  if ((selector & 0xfffc) === 0) p.fault(GP, 0);
  const access = readDescriptor(p, selector, GP);
  const dpl = dplOf(access);
  const inner = isCall && !isConformingCode(access) && dpl < cpl;
  if (!isCode(access) || dpl > cpl || (!isCall && !isConformingCode(access) && dpl !== cpl)) p.selectorFault(GP, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  if (!inner) {
    enterCode(p, selector, offset, cpl, isCall ? currentStack(p) : null, size);
    return;
  }
  if (dpl === 0 && p.deprivileged) {
    recordExit(p, "call-gate", 0, state.eip);
    p.exit.selector = gateSelector;
    p.raiseNoError(FAULT_IS_EXIT - 1);
    return;
  }
  const codeLow = p.descriptorLow, codeHigh = p.descriptorHigh;
  const outer = currentStack(p), stack = innerStack(p, dpl);
  const stackLow = p.descriptorLow, stackHigh = p.descriptorHigh;
  stack.reserve(size, 4 + parameters);
  if (offset >>> 0 > limitOf(codeLow, codeHigh)) p.fault(GP, 0);
  outer.expect(size, 0, parameters);
  stack.push(size, context.selector(SS));
  stack.push(size, state.gpr(ESP));
  for (let i = parameters - 1; i >= 0; i--) stack.push(size, outer.peek(size, i * size));
  stack.push(size, context.selector(CS));
  stack.push(size, state.eip);
  setDescriptor(p, codeLow, codeHigh);
  markAccessed(p, selector);
  setCodeSegment(p, selector, dpl);
  setDescriptor(p, stackLow, stackHigh);
  setFromDescriptor(p, SS, stack.selector);
  state.setGpr(ESP, stack.pointer);
  state.eip = offset;
  updateMode(p);
}

/** A TSS or a task gate; anything else is #GP. */
function toTask(p: Processor, selector: number, access: number, source: typeof FROM_JUMP | typeof FROM_CALL): void {
  const type = typeOf(access), dpl = dplOf(access);
  if (type !== SYS_TASK_GATE && type !== SYS_TSS16 && type !== SYS_TSS32) p.selectorFault(GP, selector);
  if (dpl < p.context.get(CPL) || dpl < (selector & 3)) p.selectorFault(GP, selector);
  let tss = selector;
  if (type === SYS_TASK_GATE) {
    if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
    tss = p.descriptorLow >>> 16;
  }
  checkAvailableTss(p, tss, GP);
  if (p.leavesForTasks) {
    recordExit(p, "task-switch", 0, p.state.eip, p.taskExitReason);
    p.exit.selector = tss;
    p.raiseNoError(FAULT_IS_EXIT - 1);
    return;
  }
  switchTask(p, tss, source, getEflags(p.state, p.context) & ~EFLAGS_RF);
}

export function farReturn(p: Processor, size: OperandSize, popBytes: number): void {
  const { context, state } = p;
  const stack = currentStack(p);
  stack.expect(size, 0, 2);
  const offset = stack.peek(size, 0), selector = stack.peek(size, size) & 0xffff;
  if (!inProtectedMode(context)) {
    jumpUnprotected(p, selector, offset);
    stack.skip(2 * size + popBytes);
    state.setGpr(ESP, stack.pointer);
    return;
  }
  const outward = checkReturnSelector(p, selector);
  const codeLow = p.descriptorLow, codeHigh = p.descriptorHigh;
  if (!outward) {
    if (offset >>> 0 > limitOf(codeLow, codeHigh)) p.fault(GP, 0);
    markAccessed(p, selector);
    setCodeSegment(p, selector, selector & 3);
    stack.skip(2 * size + popBytes);
    state.setGpr(ESP, stack.pointer);
    state.eip = offset;
    updateMode(p);
    return;
  }
  stack.expect(size, 2 * size + popBytes, 2);
  const pointer = stack.peek(size, 2 * size + popBytes), newStack = stack.peek(size, 3 * size + popBytes) & 0xffff;
  returnOutward(p, selector, offset, newStack, pointer, popBytes);
}

/** Checks of the code selector that RETF or IRET finds on the stack; true if it returns to an outer ring. The descriptor stays read. */
export function checkReturnSelector(p: Processor, selector: number): boolean {
  const cpl = p.context.get(CPL), rpl = selector & 3;
  if ((selector & 0xfffc) === 0) p.fault(GP, 0);
  const access = readDescriptor(p, selector, GP);
  if (!isCode(access) || rpl < cpl) p.selectorFault(GP, selector);
  if (isConformingCode(access) ? dplOf(access) > rpl : dplOf(access) !== rpl) p.selectorFault(GP, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  return rpl > cpl;
}

/** The second half of a return to an outer ring, from the code descriptor read last. */
export function returnOutward(p: Processor, selector: number, offset: number, newStack: number, pointer: number, popBytes: number): void {
  const { state } = p;
  const codeLow = p.descriptorLow, codeHigh = p.descriptorHigh;
  checkStackSelector(p, newStack, selector & 3, GP);
  if (offset >>> 0 > limitOf(codeLow, codeHigh)) p.fault(GP, 0);
  const stackLow = p.descriptorLow, stackHigh = p.descriptorHigh;
  setDescriptor(p, codeLow, codeHigh);
  markAccessed(p, selector);
  setCodeSegment(p, selector, selector & 3);
  setDescriptor(p, stackLow, stackHigh);
  setFromDescriptor(p, SS, newStack);
  // A 16-bit stack takes SP alone: the inner ring's upper half of ESP stays visible.
  const wide = accessOf(stackHigh) & ACCESS_DB;
  state.setGpr(ESP, wide ? pointer + popBytes : (state.gpr(ESP) & 0xffff_0000) | ((pointer + popBytes) & 0xffff));
  state.eip = offset;
  dropInnerSegments(p);
  updateMode(p);
}
