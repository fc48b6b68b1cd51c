// Where the operands of a decoded instruction are: linear addresses by a context's segments and the shared registers.

import type { Context, CpuState } from "../cpu/state.ts";
import type { Decoded } from "../isa/decoded.ts";
import { ESP, SS } from "../isa/state-layout.ts";

const ACCESS_B = 1 << 14;

/** Of the memory operand. */
export function operandAddress(state: CpuState, context: Context, d: Decoded): number {
  const sum = (d.base < 0 ? 0 : state.gpr(d.base)) + (d.index < 0 ? 0 : state.gpr(d.index) << d.scale) + d.displacement;
  return (context.segmentBase(d.segment) + (d.addressSize === 4 ? sum | 0 : sum & 0xffff)) | 0;
}

/** Of the stack item `above` bytes over `pointer` (ESP). */
export function stackAddress(state: CpuState, context: Context, above: number, pointer: number = state.gpr(ESP)): number {
  const offset = pointer + above;
  return (context.segmentBase(SS) + (context.segmentAccess(SS) & ACCESS_B ? offset | 0 : offset & 0xffff)) | 0;
}
