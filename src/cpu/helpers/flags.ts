// PUSHF, POPF, CLI, STI with IOPL, V86, VME and PVI. SDM Vol. 2, the instructions' "Operation" and decision tables.

import {
  CPL, CR0, CR4, EFLAGS_AC, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, EFLAGS_SYSTEM, EFLAGS_TF,
  EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, ESP, SHADOW,
} from "../../isa/state-layout.ts";
import { getEflags, setEflags } from "../eflags.ts";
import { updateMode } from "../mode.ts";
import { CR0_PE, CR4_PVI, CR4_VME } from "../control-bits.ts";
import { GP, type Processor } from "../processor.ts";
import { currentStack } from "../stack.ts";
import { virtualFlags } from "../v86.ts";

type OperandSize = 2 | 4;
const SHADOW_STI = 1;
const ANY_PRIVILEGE = EFLAGS_STATUS | EFLAGS_SHARED_MASK | EFLAGS_RF;

function iopl(flags: number): number {
  return (flags & EFLAGS_IOPL) >> 12;
}

export function pushFlags(p: Processor, size: OperandSize): void {
  const { context, state } = p;
  let image = getEflags(state, context);
  if (image & EFLAGS_VM && iopl(image) < 3) {
    if (size === 4 || (context.get(CR4) & CR4_VME) === 0) {
      p.raise(GP, 0);
      return;
    }
    image = virtualFlags(image);
  }
  const stack = currentStack(p);
  stack.reserve(size, 1);
  stack.push(size, image & ~(EFLAGS_VM | EFLAGS_RF));
  state.setGpr(ESP, stack.pointer);
}

export function popFlags(p: Processor, size: OperandSize): void {
  const { context, state } = p;
  const system = context.get(EFLAGS_SYSTEM), cpl = context.get(CPL);
  const virtual = (system & EFLAGS_VM) !== 0 && iopl(system) < 3;
  if (virtual && (size === 4 || (context.get(CR4) & CR4_VME) === 0)) {
    p.raise(GP, 0);
    return;
  }
  const stack = currentStack(p);
  stack.expect(size, 0, 1);
  const image = stack.peek(size, 0) & ~EFLAGS_RF;
  let mask = ANY_PRIVILEGE;
  if (virtual) {
    if (image & EFLAGS_TF || (image & EFLAGS_IF && system & EFLAGS_VIP)) {
      p.raise(GP, 0);
      return;
    }
  } else {
    if (cpl <= iopl(system)) mask |= EFLAGS_IF;
    if (cpl === 0) mask |= EFLAGS_IOPL;
  }
  const before = state.read(EFLAGS_SHARED);
  setEflags(state, context, image, size === 2 ? mask & 0xffff : mask);
  if (virtual) setEflags(state, context, image & EFLAGS_IF ? EFLAGS_VIF : 0, EFLAGS_VIF);
  stack.skip(size);
  state.setGpr(ESP, stack.pointer);
  if ((before ^ state.read(EFLAGS_SHARED)) & (EFLAGS_TF | EFLAGS_AC)) updateMode(p);
}

/** Which flag CLI and STI act on: IF, VIF under VME or PVI, or none: #GP(0). */
function controlledFlag(p: Processor): number {
  const { context: c } = p;
  const system = c.get(EFLAGS_SYSTEM), cpl = c.get(CPL);
  if ((c.get(CR0) & CR0_PE) === 0 || cpl <= iopl(system)) return EFLAGS_IF;
  const extension = system & EFLAGS_VM ? CR4_VME : CR4_PVI;
  return cpl === 3 && c.get(CR4) & extension ? EFLAGS_VIF : 0;
}

export function clearInterruptFlag(p: Processor): void {
  const flag = controlledFlag(p);
  if (flag === 0) p.raise(GP, 0);
  else p.context.set(EFLAGS_SYSTEM, p.context.get(EFLAGS_SYSTEM) & ~flag);
}

/** Interrupts stay off for one more instruction if they were: STI; RET must not be interrupted in between. */
export function setInterruptFlag(p: Processor): void {
  const { context: c } = p;
  const flag = controlledFlag(p), system = c.get(EFLAGS_SYSTEM);
  if (flag === 0 || (flag === EFLAGS_VIF && system & EFLAGS_VIP)) {
    p.raise(GP, 0);
    return;
  }
  if (flag === EFLAGS_IF && (system & EFLAGS_IF) === 0) c.set(SHADOW, SHADOW_STI);
  c.set(EFLAGS_SYSTEM, system | flag);
}
