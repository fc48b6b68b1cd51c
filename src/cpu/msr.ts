// RDMSR, WRMSR and the time-stamp counter. SDM Vol. 2, the instructions' "Operation".
// What a register does is done where it acts: paging reads EFER, the board has the APIC base, msr-file.ts keeps the rest.

import { EAX, ECX, EDX, EFER, type Field, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP } from "../isa/state-layout.ts";
import { EFER_NXE } from "./control-bits.ts";
import { MSR_APIC_BASE, MSR_BIOS_UPDT_TRIG, MSR_DEBUGCTL, MSR_EFER, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_TSC } from "./msr-file.ts";
import { updateMode } from "./mode.ts";
import { GP, type Processor } from "./processor.ts";

const TWO32 = 0x1_0000_0000n;

/** EDX:EAX. */
export function answer(p: Processor, low: number, high: number): void {
  p.state.setGpr(EAX, low);
  p.state.setGpr(EDX, high);
}

/** Ticks since power-on; in non-root operation with the monitor's offset. */
function countedTicks(p: Processor, hardware = p.context.isHardware): number {
  return p.hooks.readTimestamp(hardware) + (p.nonRoot?.tscOffset ?? 0);
}

/** The time-stamp counter as this context counts, exact up to 2^53. */
export function timestamp(p: Processor): number {
  const ticks = countedTicks(p);
  return p.timestampOffset === 0n ? ticks : Number(BigInt.asUintN(64, BigInt(ticks) + p.timestampOffset));
}

/** RDTSC; `hardware`: as the silicon counts. */
export function answerTimestamp(p: Processor, hardware = p.context.isHardware): void {
  const ticks = countedTicks(p, hardware);
  p.readSilicon = hardware;
  if (hardware) p.shownTicks = ticks - p.hooks.readTimestamp(false);
  const sum = p.timestampOffset === 0n ? ticks : BigInt.asUintN(64, BigInt(ticks) + p.timestampOffset);
  if (typeof sum === "number") answer(p, sum % 0x1_0000_0000 | 0, Math.floor(sum / 0x1_0000_0000) | 0);
  else answer(p, Number(sum % TWO32) | 0, Number(sum / TWO32) | 0);
}

/** The family 15 counter takes all 64 bits; the ones before it take the low half and clear the high one. */
function writeTimestamp(p: Processor, low: number, high: number): void {
  const whole = p.model.signature >>> 8 >= 0xf;
  const value = BigInt(low >>> 0) | (whole ? BigInt(high >>> 0) << 32n : 0n);
  p.timestampOffset = value - BigInt(p.hooks.readTimestamp(p.context.isHardware));
}

/** The context field of a register that is doubled with the privileged state. */
function contextField(p: Processor, index: number): Field | null {
  const { features } = p.model;
  switch (index) {
    case MSR_SYSENTER_CS:
      return features.has("sep") ? SYSENTER_CS : null;
    case MSR_SYSENTER_ESP:
      return features.has("sep") ? SYSENTER_ESP : null;
    case MSR_SYSENTER_EIP:
      return features.has("sep") ? SYSENTER_EIP : null;
    case MSR_EFER:
      return features.has("nx") ? EFER : null;
    default:
      return null;
  }
}

export function readMsr(p: Processor): void {
  const index = p.state.gpr(ECX), field = contextField(p, index);
  if (index === MSR_TSC) {
    answerTimestamp(p);
    return;
  }
  if (field) {
    answer(p, p.context.get(field), 0);
    return;
  }
  const apicBase = index === MSR_APIC_BASE && p.model.features.has("apic") ? (p.hooks.apicBase?.read() ?? null) : null;
  const value = apicBase === null ? p.msrs.get(index) : ([apicBase | 0, 0] as const);
  if (value) answer(p, value[0], value[1]);
  else p.raise(GP, 0);
}

export function writeMsr(p: Processor): void {
  const index = p.state.gpr(ECX), low = p.state.gpr(EAX), high = p.state.gpr(EDX);
  if (!writeRegister(p, index, low, high)) p.raise(GP, 0);
}

function writeRegister(p: Processor, index: number, low: number, high: number): boolean {
  const { context: c } = p;
  const field = contextField(p, index);
  if (index === MSR_TSC) {
    writeTimestamp(p, low, high);
    return true;
  }
  if (field === EFER) {
    if (low & ~EFER_NXE || high !== 0) return false;
    if ((low ^ c.get(EFER)) & EFER_NXE) p.tlb.flushAll();
    c.set(EFER, low);
    return true;
  }
  if (field) {
    // 32-bit processors take the low half.
    c.set(field, low);
    return true;
  }
  if (index === MSR_APIC_BASE) return p.model.features.has("apic") && high === 0 && (p.hooks.apicBase?.write(low >>> 0) ?? false);
  if (index === MSR_BIOS_UPDT_TRIG) return p.model.features.has("mca");
  const written = p.msrs.set(index, low, high);
  if (index === MSR_DEBUGCTL) updateMode(p);
  return written;
}
