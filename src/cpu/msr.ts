// Model-specific registers of a P6. SDM Vol. 4, "MSRs in the P6 Family Processors".
//
// Those that do nothing here read as the P6 does and keep what is written, where software of the time uses them blindly;
// MTRRs, PAT and machine check are not reported by CPUID and do not exist.

import { EAX, ECX, EDX, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP } from "../isa/state-layout.ts";
import { GP, type Processor } from "./processor.ts";

export const MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1b, MSR_EBL_CR_POWERON = 0x2a, MSR_BIOS_SIGN_ID = 0x8b;
export const MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176;
/** Bootstrap processor, APIC disabled. */
const APIC_BASE_RESET = 0xfee0_0100 | 0;

const TWO32 = 0x1_0000_0000;

/** RDTSC as this context counts: a whole number. */
export function timestamp(p: Processor): number {
  return p.hooks.readTimestamp(p.context.isHardware) + p.timestampOffset;
}

export function answer(p: Processor, low: number, high: number): void {
  p.state.setGpr(EAX, low);
  p.state.setGpr(EDX, high);
}

export function answerTimestamp(p: Processor): void {
  const ticks = timestamp(p);
  answer(p, ticks % TWO32 | 0, Math.floor(ticks / TWO32) | 0);
}

export function readMsr(p: Processor): void {
  const c = p.context;
  switch (p.state.gpr(ECX)) {
    case MSR_TSC:
      answerTimestamp(p);
      return;
    case MSR_SYSENTER_CS:
      answer(p, c.get(SYSENTER_CS), 0);
      return;
    case MSR_SYSENTER_ESP:
      answer(p, c.get(SYSENTER_ESP), 0);
      return;
    case MSR_SYSENTER_EIP:
      answer(p, c.get(SYSENTER_EIP), 0);
      return;
    case MSR_APIC_BASE:
      answer(p, APIC_BASE_RESET, 0);
      return;
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_SIGN_ID:
      answer(p, 0, 0);
      return;
    default:
      p.raise(GP, 0);
  }
}

export function writeMsr(p: Processor): void {
  const c = p.context, low = p.state.gpr(EAX);
  switch (p.state.gpr(ECX)) {
    case MSR_TSC:
      // The P6 writes the low half and clears the high one.
      p.timestampOffset = (low >>> 0) - p.hooks.readTimestamp(c.isHardware);
      return;
    case MSR_SYSENTER_CS:
      c.set(SYSENTER_CS, low);
      return;
    case MSR_SYSENTER_ESP:
      c.set(SYSENTER_ESP, low);
      return;
    case MSR_SYSENTER_EIP:
      c.set(SYSENTER_EIP, low);
      return;
    case MSR_BIOS_SIGN_ID:
    case MSR_EBL_CR_POWERON:
      return;
    case MSR_APIC_BASE:
      // There is no APIC to move or enable.
      return;
    default:
      p.raise(GP, 0);
  }
}
