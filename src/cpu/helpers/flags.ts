// PUSHF, POPF, CLI, STI with IOPL, V86, VME and PVI. SDM Vol. 2, the instructions' "Operation" and decision tables.

import {
  CPL, CR0, CR4, EFLAGS_AC, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, EFLAGS_SYSTEM, EFLAGS_TF,
  EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, ESP, SHADOW, SS,
} from "../../isa/state-layout.ts";
import { getEflags, setEflags } from "../eflags.ts";
import { load, store } from "../linear-memory.ts";
import { updateMode } from "../mode.ts";
import { CR0_PE, CR4_PVI, CR4_VME } from "../control-bits.ts";
import { GP, type Processor } from "../processor.ts";
import { segmentCheck } from "../segmentation.ts";
import { stackMask } from "../stack.ts";
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
  const esp = state.gpr(ESP), mask = stackMask(context), offset = (esp - size) & mask;
  if (!segmentCheck(p, SS, offset >>> 0, size, true)) return;
  store(p, (context.segmentBase(SS) + offset) | 0, size, image & ~(EFLAGS_VM | EFLAGS_RF), p.user);
  if (state.fault === 0) state.setGpr(ESP, (esp & ~mask) | offset);
}

export function popFlags(p: Processor, size: OperandSize): void {
  const { context, state } = p;
  const system = context.get(EFLAGS_SYSTEM), cpl = context.get(CPL);
  const virtual = (system & EFLAGS_VM) !== 0 && iopl(system) < 3;
  if (virtual && (size === 4 || (context.get(CR4) & CR4_VME) === 0)) {
    p.raise(GP, 0);
    return;
  }
  const esp = state.gpr(ESP), mask = stackMask(context), offset = esp & mask;
  if (!segmentCheck(p, SS, offset >>> 0, size, false)) return;
  const image = load(p, (context.segmentBase(SS) + offset) | 0, size, cpl === 3) & ~EFLAGS_RF;
  if (state.fault !== 0) return;
  let changed = ANY_PRIVILEGE;
  if (virtual) {
    if (image & EFLAGS_TF || (image & EFLAGS_IF && system & EFLAGS_VIP)) {
      p.raise(GP, 0);
      return;
    }
  } else {
    if (cpl <= iopl(system)) changed |= EFLAGS_IF;
    if (cpl === 0) changed |= EFLAGS_IOPL;
  }
  const before = state.read(EFLAGS_SHARED);
  setEflags(state, context, image, size === 2 ? changed & 0xffff : changed);
  if (virtual) setEflags(state, context, image & EFLAGS_IF ? EFLAGS_VIF : 0, EFLAGS_VIF);
  state.setGpr(ESP, (esp & ~mask) | ((esp + size) & mask));
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
