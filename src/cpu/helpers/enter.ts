// ENTER. SDM Vol. 2, ENTER, "Operation".

import { EBP, ESP, SS } from "../../isa/state-layout.ts";
import { probeWrite } from "../linear-memory.ts";
import { GUEST_FAULT, type Processor } from "../processor.ts";
import { segmentCheck } from "../segmentation.ts";
import { currentStack, stackMask } from "../stack.ts";

export function enter(p: Processor, size: 2 | 4, allocSize: number, nestingLevel: number): void {
  const { context, state } = p;
  const level = nestingLevel & 31;
  const stack = currentStack(p), mask = stackMask(context);
  const frameBase = state.gpr(EBP);
  const push = (value: number): void => {
    stack.reserve(size, 1);
    stack.push(size, value);
  };
  push(frameBase);
  const frame = stack.pointer;
  if (level > 0) {
    // The enclosing frames' pointers lie below the caller's EBP.
    for (let i = 1; i < level; i++) {
      const above = frameBase - i * size - stack.pointer;
      stack.expect(size, above, 1);
      push(stack.peek(size, above));
    }
    push(frame);
  }
  stack.skip(-(allocSize & 0xffff));
  // The new top must be writable, though nothing is written there.
  const offset = (stack.pointer & mask) >>> 0;
  if (!segmentCheck(p, SS, offset, size, true)) throw GUEST_FAULT;
  if (!probeWrite(p, (context.segmentBase(SS) + offset) | 0, size, p.user)) throw GUEST_FAULT;
  state.setGpr(ESP, stack.pointer);
  state.setRegister(EBP, size, frame);
}
