// Linear memory as a context sees it, without any effect: no fault, no accessed bit, no TLB entry.

import type { Cpu } from "../../cpu/cpu.ts";
import type { Context } from "../../cpu/state.ts";

/** `width` (1-4) bytes, little endian, as a signed 32-bit number for width 4. Zero where nothing is mapped. */
export function peek(cpu: Cpu, context: Context, linear: number, width: number): number {
  const active = cpu.context, physical = cpu.physical;
  cpu.context = context;
  cpu.physical = context.isHardware ? cpu.h.physical : cpu.v.physical;
  let value = 0;
  for (let i = 0; i < width; i++) {
    const address = cpu.peekPhysical((linear + i) | 0);
    const host = address < 0 ? 0 : cpu.physical.hostPage(address >>> 12);
    if (host !== 0) value |= cpu.state.u8[host + (address & 0xfff)]! << (8 * i);
  }
  cpu.context = active;
  cpu.physical = physical;
  return value;
}
