// IRET in all its forms. SDM Vol. 2, IRET/IRETD, "Operation".

import {
  CPL, CR4, CS, DS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, EFLAGS_SYSTEM, EFLAGS_TF,
  EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, ES, ESP, FS, GS, MONITOR_ARMED, NMI_BLOCKED, SS,
} from "../../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "../eflags.ts";
import { recordExit } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import { updateMode } from "../mode.ts";
import { CR4_VME } from "../control-bits.ts";
import { GP, type Processor } from "../processor.ts";
import { ACCESS_V86, limitOf } from "../protection.ts";
import { inProtectedMode, inV86, loadUnprotected, markAccessed, setCodeSegment, setSegment } from "../segmentation.ts";
import { currentStack, type StackCursor } from "../stack.ts";
import { FROM_IRET, checkBackLink, switchTask } from "../task.ts";
import { checkReturnSelector, returnOutward } from "./far-transfer.ts";

type OperandSize = 2 | 4;
/** What every IRET loads; VM, VIF and VIP only from ring 0, IOPL and IF by privilege. */
const ALWAYS = EFLAGS_STATUS | EFLAGS_SHARED_MASK | EFLAGS_RF;

export function interruptReturn(p: Processor, size: OperandSize): void {
  const { context } = p;
  // Even an IRET that faults ends the blocking of NMIs.
  context.set(NMI_BLOCKED, 0);
  p.state.write(MONITOR_ARMED, 0);
  if (inV86(context)) returnInV86(p, size);
  else if (!inProtectedMode(context)) returnUnprotected(p, size, ALWAYS | EFLAGS_IF | EFLAGS_IOPL);
  else if (p.state.read(EFLAGS_SHARED) & EFLAGS_NT) returnToTask(p);
  else returnProtected(p, size);
}

function returnInV86(p: Processor, size: OperandSize): void {
  const { context: c } = p;
  if ((c.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) === EFLAGS_IOPL) {
    returnUnprotected(p, size, ALWAYS | EFLAGS_IF);
    return;
  }
  if ((c.get(CR4) & CR4_VME) === 0 || size === 4) p.fault(GP, 0);
  // The task's IF is VIF. It may not turn it on while an interrupt waits (VIP), nor single-step itself.
  const stack = currentStack(p);
  stack.expect(2, 0, 3);
  for (let i = 0; i < 4; i += 2) stack.peek(2, i);
  const image = stack.peek(2, 4);
  if (image & EFLAGS_TF || (image & EFLAGS_IF && c.get(EFLAGS_SYSTEM) & EFLAGS_VIP)) p.fault(GP, 0);
  returnUnprotected(p, 2, ALWAYS);
  setEflags(p.state, c, image & EFLAGS_IF ? EFLAGS_VIF : 0, EFLAGS_VIF);
}

/** Three items off the stack, CS as in real mode and V86. */
function returnUnprotected(p: Processor, size: OperandSize, mask: number): void {
  const { context, state } = p;
  const stack = currentStack(p);
  stack.expect(size, 0, 3);
  const offset = stack.peek(size, 0), selector = stack.peek(size, size) & 0xffff, image = stack.peek(size, 2 * size);
  if (offset >>> 0 > context.segmentLimit(CS)) p.fault(GP, 0);
  loadUnprotected(context, CS, selector);
  stack.skip(3 * size);
  state.setGpr(ESP, stack.pointer);
  state.eip = offset;
  loadFlags(p, image, mask, size);
  updateMode(p);
}

function loadFlags(p: Processor, image: number, mask: number, size: OperandSize): void {
  setEflags(p.state, p.context, image, size === 2 ? mask & 0xffff : mask);
  p.keepResumeFlag = (p.context.get(EFLAGS_SYSTEM) & EFLAGS_RF) !== 0;
}

function returnToTask(p: Processor): void {
  const selector = checkBackLink(p);
  if (p.leavesForTasks) {
    recordExit(p, "task-switch", 0, p.state.eip, p.taskExitReason);
    p.exit.selector = selector;
    p.raiseNoError(FAULT_IS_EXIT - 1);
    return;
  }
  switchTask(p, selector, FROM_IRET, getEflags(p.state, p.context) & ~EFLAGS_RF);
}

function returnProtected(p: Processor, size: OperandSize): void {
  const { context, state } = p;
  const stack = currentStack(p), cpl = context.get(CPL);
  stack.expect(size, 0, 3);
  const offset = stack.peek(size, 0), selector = stack.peek(size, size) & 0xffff, image = stack.peek(size, 2 * size);
  if (size === 4 && image & EFLAGS_VM && cpl === 0) {
    returnToV86(p, stack, offset, selector, image);
    return;
  }
  let mask = ALWAYS;
  if (cpl <= (context.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) >> 12) mask |= EFLAGS_IF;
  if (cpl === 0) mask |= EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP;
  if (checkReturnSelector(p, selector)) {
    stack.expect(size, 3 * size, 2);
    const pointer = stack.peek(size, 3 * size), newStack = stack.peek(size, 4 * size) & 0xffff;
    returnOutward(p, selector, offset, newStack, pointer, 0);
  } else {
    if (offset >>> 0 > limitOf(p.descriptorLow, p.descriptorHigh)) p.fault(GP, 0);
    markAccessed(p, selector);
    setCodeSegment(p, selector, cpl);
    stack.skip(3 * size);
    state.setGpr(ESP, stack.pointer);
    state.eip = offset;
  }
  loadFlags(p, image, mask, size);
  updateMode(p);
}

function returnToV86(p: Processor, stack: StackCursor, offset: number, selector: number, image: number): void {
  const { context, state } = p;
  stack.expect(4, 12, 6);
  const pointer = stack.peek(4, 12);
  const selectors = [
    [SS, stack.peek(4, 16)], [ES, stack.peek(4, 20)], [DS, stack.peek(4, 24)], [FS, stack.peek(4, 28)], [GS, stack.peek(4, 32)], [CS, selector],
  ] as const;
  if (offset >>> 0 > 0xffff) p.fault(GP, 0);
  for (const [index, value] of selectors) setSegment(context, index, value, (value & 0xffff) << 4, 0xffff, ACCESS_V86);
  context.set(CPL, 3);
  state.setGpr(ESP, pointer);
  state.eip = offset;
  loadFlags(p, image, EFLAGS_ALL, 4);
  updateMode(p);
}
