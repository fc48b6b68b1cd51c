// EFLAGS as one image: put together from the lazy status flags, the shared bits and the context's system bits, and taken apart again.
// SDM Vol. 1, "EFLAGS Register".

import {
  EFLAGS_AF, EFLAGS_CF, EFLAGS_FIXED, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, EFLAGS_SYSTEM,
  EFLAGS_SYSTEM_MASK, EFLAGS_ZF, FLAG_CARRIES, FLAG_RESULT,
} from "../isa/state-layout.ts";
import type { Context, CpuState } from "./state.ts";

/** Every bit that exists. */
export const EFLAGS_ALL = EFLAGS_STATUS | EFLAGS_SHARED_MASK | EFLAGS_SYSTEM_MASK;

/** CF PF AF ZF SF OF at their EFLAGS positions. */
export function getStatus(state: CpuState): number {
  const result = state.read(FLAG_RESULT), carries = state.read(FLAG_CARRIES);
  let parity = (result ^ (carries >>> 8)) & 0xff;
  parity ^= parity >> 4;
  return (
    (carries >>> 31) |
    (((0x9669 >>> (parity & 15)) & 1) << 2) |
    ((carries & 8) << 1) |
    (result === 0 ? EFLAGS_ZF : 0) |
    (((result >>> 31) ^ (carries & 1)) << 7) |
    (((carries >>> 31) ^ ((carries >>> 30) & 1)) << 11)
  );
}

/** The lazy form that shows exactly the status bits of `image`. */
export function setStatus(state: CpuState, image: number): void {
  const carry = image & EFLAGS_CF, overflow = (image & EFLAGS_OF) >>> 11;
  state.write(FLAG_RESULT, image & EFLAGS_ZF ? 0 : 0x100);
  state.write(
    FLAG_CARRIES,
    (carry << 31) | ((carry ^ overflow) << 30) | (image & EFLAGS_PF ? 0 : 0x100) | ((image & EFLAGS_AF) >> 1) | ((image & EFLAGS_SF) >> 7),
  );
}

export function setZeroFlag(state: CpuState, set: boolean): void {
  setStatus(state, (getStatus(state) & ~EFLAGS_ZF) | (set ? EFLAGS_ZF : 0));
}

/** The whole register. */
export function getEflags(state: CpuState, context: Context): number {
  return EFLAGS_FIXED | getStatus(state) | state.read(EFLAGS_SHARED) | context.get(EFLAGS_SYSTEM);
}

/** Writes the bits of `mask` and leaves the others. The caller sees to what VM, TF and AC change in the mode. */
export function setEflags(state: CpuState, context: Context, image: number, mask: number): void {
  if (mask & EFLAGS_STATUS) setStatus(state, (getStatus(state) & ~mask) | (image & mask));
  const shared = mask & EFLAGS_SHARED_MASK;
  state.write(EFLAGS_SHARED, (state.read(EFLAGS_SHARED) & ~shared) | (image & shared));
  const system = mask & EFLAGS_SYSTEM_MASK;
  context.set(EFLAGS_SYSTEM, (context.get(EFLAGS_SYSTEM) & ~system) | (image & system));
}
