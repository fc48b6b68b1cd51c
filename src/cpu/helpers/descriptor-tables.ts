// GDTR, IDTR, LDTR, TR and the instructions that ask about selectors. SDM Vol. 2, LGDT LLDT LTR LAR LSL VERR VERW SLDT STR SGDT SIDT SMSW.

import { CPL, CR4, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, TR } from "../../isa/state-layout.ts";
import { setZeroFlag } from "../eflags.ts";
import { CR4_UMIP } from "../control-bits.ts";
import { GP, NP, type Processor } from "../processor.ts";
import {
  ACCESS_P, ACCESS_S, SYS_CALL_GATE16, SYS_CALL_GATE32, SYS_LDT, SYS_TASK_GATE, SYS_TSS16, SYS_TSS16_BUSY, SYS_TSS32, SYS_TSS32_BUSY, TSS_BUSY,
  accessOf, baseOf, dplOf, isConformingCode, isReadable, isWritableData, limitOf, typeOf,
} from "../protection.ts";
import { orDescriptorType, readDescriptor, setFromDescriptor, setSegment, setUnusable, tryReadDescriptor } from "../segmentation.ts";

export function loadGdt(p: Processor, base: number, limit: number): void {
  p.context.set(GDTR_BASE, base);
  p.context.set(GDTR_LIMIT, limit & 0xffff);
}

export function loadIdt(p: Processor, base: number, limit: number): void {
  p.context.set(IDTR_BASE, base);
  p.context.set(IDTR_LIMIT, limit & 0xffff);
}

export function loadLdt(p: Processor, selector: number): void {
  selector &= 0xffff;
  if ((selector & 0xfffc) === 0) {
    setUnusable(p.context, LDTR, selector);
    return;
  }
  if (selector & 4) p.selectorFault(GP, selector);
  const access = readDescriptor(p, selector, GP);
  if (typeOf(access) !== SYS_LDT) p.selectorFault(GP, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  setFromDescriptor(p, LDTR, selector);
}

export function loadTask(p: Processor, selector: number): void {
  selector &= 0xffff;
  if ((selector & 0xfffc) === 0) p.fault(GP, 0);
  if (selector & 4) p.selectorFault(GP, selector);
  const access = readDescriptor(p, selector, GP), type = typeOf(access);
  if (type !== SYS_TSS16 && type !== SYS_TSS32) p.selectorFault(GP, selector);
  if ((access & ACCESS_P) === 0) p.selectorFault(NP, selector);
  const low = p.descriptorLow, high = p.descriptorHigh;
  orDescriptorType(p, selector, TSS_BUSY);
  setSegment(p.context, TR, selector, baseOf(low, high), limitOf(low, high), access | TSS_BUSY);
}

export function storeLdt(p: Processor): number {
  return p.context.selector(LDTR);
}

export function storeTask(p: Processor): number {
  return p.context.selector(TR);
}

/** User-mode instruction prevention: SGDT SIDT SLDT STR SMSW fault outside ring 0. */
export function checkUmip(p: Processor): void {
  if (p.context.get(CR4) & CR4_UMIP && p.context.get(CPL) !== 0) p.raise(GP, 0);
}

/** Whether the table holds the selector's descriptor and the privileges let the program see it (conforming code: always). */
function isVisible(p: Processor, selector: number): boolean {
  if ((selector & 0xfffc) === 0 || !tryReadDescriptor(p, selector & 0xffff)) return false;
  const access = accessOf(p.descriptorHigh), dpl = dplOf(access);
  return isConformingCode(access) || (p.context.get(CPL) <= dpl && (selector & 3) <= dpl);
}

const HAS_LIMIT = (1 << SYS_TSS16) | (1 << SYS_LDT) | (1 << SYS_TSS16_BUSY) | (1 << SYS_TSS32) | (1 << SYS_TSS32_BUSY);
const HAS_RIGHTS = HAS_LIMIT | (1 << SYS_CALL_GATE16) | (1 << SYS_TASK_GATE) | (1 << SYS_CALL_GATE32);

function isOfType(p: Processor, systemTypes: number): boolean {
  const access = accessOf(p.descriptorHigh);
  return (access & ACCESS_S) !== 0 || ((systemTypes >> typeOf(access)) & 1) !== 0;
}

/** LAR: ZF, and the high dword's access rights. */
export function loadAccessRights(p: Processor, selector: number): number {
  const found = isVisible(p, selector) && isOfType(p, HAS_RIGHTS);
  setZeroFlag(p.state, found);
  return found ? p.descriptorHigh & 0x00ff_ff00 : 0;
}

/** LSL: ZF, and the limit in bytes. */
export function loadSegmentLimit(p: Processor, selector: number): number {
  const found = isVisible(p, selector) && isOfType(p, HAS_LIMIT);
  setZeroFlag(p.state, found);
  return found ? limitOf(p.descriptorLow, p.descriptorHigh) : 0;
}

export function verifyRead(p: Processor, selector: number): void {
  setZeroFlag(p.state, isVisible(p, selector) && isReadable(accessOf(p.descriptorHigh)));
}

export function verifyWrite(p: Processor, selector: number): void {
  setZeroFlag(p.state, isVisible(p, selector) && isWritableData(accessOf(p.descriptorHigh)));
}
