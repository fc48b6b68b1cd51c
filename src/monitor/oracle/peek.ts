// Linear memory as a context sees it, without any effect: no fault, no accessed bit, no TLB entry.

import type { Cpu } from "../../cpu/cpu.ts";
import type { Context } from "../../cpu/state.ts";

/** `width` (1-4) bytes, little endian, as a signed 32-bit number for width 4. Zero where nothing is mapped. */
export function peek(cpu: Cpu, context: Context, linear: number, width: number): number {
  const active = cpu.context, physical = cpu.physical;
  cpu.context = context;
  cpu.physical = context.isHardware ? cpu.h.physical : cpu.v.physical;
  const value = (linear & 0xfff) + width <= 0x1000 ? within(cpu, linear, width) : across(cpu, linear, width);
  cpu.context = active;
  cpu.physical = physical;
  return value;
}

/** One byte of the guest's memory, or -1 where there is none: nothing is mapped, or a device. */
export function peekByte(cpu: Cpu, linear: number): number {
  const active = cpu.context, activeSpace = cpu.physical;
  cpu.context = cpu.v.context;
  cpu.physical = cpu.v.physical;
  const physical = cpu.peekPhysical(linear);
  cpu.context = active;
  cpu.physical = activeSpace;
  const page = physical < 0 ? 0 : cpu.v.physical.hostPage(physical >>> 12);
  return page === 0 ? -1 : cpu.state.u8[page + (physical & 0xfff)]!;
}

function within(cpu: Cpu, linear: number, width: number): number {
  const physical = cpu.peekPhysical(linear);
  const page = physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
  if (page === 0) return 0;
  const { u8 } = cpu.state;
  const at = page + (physical & 0xfff);
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = (value << 8) | u8[at + i]!;
  return value;
}

function across(cpu: Cpu, linear: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = (value << 8) | within(cpu, (linear + i) | 0, 1);
  return value;
}
