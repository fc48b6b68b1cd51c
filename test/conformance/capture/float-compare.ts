// Where silicon's and our floating states may differ: the last place of transcendental functions, the estimates of RCP and RSQRT.

import type { Row } from "../../../src/isa/row.ts";
import { INSTRUCTION, OPCODE, ST, ST_BYTES, STATUS, XMM, XMM_BYTES } from "./float-state.ts";

const TRANSCENDENTAL: ReadonlySet<string> = new Set("F2XM1 FYL2X FYL2XP1 FSIN FCOS FSINCOS FPTAN FPATAN".split(" "));
const SUMMARY = 0x80, PE = 0x20, STACK_FAULT = 0x40, C1 = 0x200;
/** Of the manual for RCP and RSQRT; silicon and we may err in opposite directions. About the smallest normal number, zero is as right. */
const TOLERANCE = 2 * 1.5 * 2 ** -12, SMALLEST = 2 ** -126 * (1 + TOLERANCE);

/** A number whose neighbours are the next representable ones. */
function ordinal(view: DataView, at: number): bigint {
  const high = view.getUint16(at + 8, true);
  const magnitude = (BigInt(high & 0x7fff) << 63n) | BigInt.asUintN(63, view.getBigUint64(at, true));
  return high & 0x8000 ? -magnitude : magnitude;
}

function isNear(x: number, y: number): boolean {
  return Object.is(x, y) || (Number.isNaN(x) && Number.isNaN(y)) || Math.abs(x / y - 1) < TOLERANCE || (Math.abs(x) <= SMALLEST && Math.abs(y) <= SMALLEST);
}

/** Ours, with silicon's in place of what is as right. */
export function reconcile(row: Row, before: Uint8Array, silicon: Uint8Array, ours: Uint8Array): Uint8Array {
  if (Buffer.compare(silicon, ours) === 0) return ours;
  const result = ours.slice();
  const theirs = new DataView(silicon.buffer, silicon.byteOffset, silicon.length), mine = new DataView(result.buffer);
  // AMD's processors save the pointers to the last instruction for a signal only while its exception is pending.
  if ((theirs.getUint32(STATUS, true) & SUMMARY) === 0) result.fill(0, INSTRUCTION, OPCODE + 4);
  if (TRANSCENDENTAL.has(row.mnemonic)) {
    for (let n = 0; n < 8; n++) {
      const at = ST + n * ST_BYTES, distance = ordinal(theirs, at) - ordinal(mine, at);
      if (distance >= -1n && distance <= 1n) result.set(silicon.subarray(at, at + ST_BYTES), at);
    }
    // C1 tells where rounding went.
    const status = theirs.getUint32(STATUS, true), old = new DataView(before.buffer, before.byteOffset).getUint32(STATUS, true);
    if (status & PE && !(status & ~old & STACK_FAULT)) mine.setUint32(STATUS, (mine.getUint32(STATUS, true) & ~C1) | (status & C1), true);
  } else if (/^R(CP|SQRT)/.test(row.mnemonic)) {
    for (let at = XMM; at < XMM + 8 * XMM_BYTES; at += 4) if (isNear(theirs.getFloat32(at, true), mine.getFloat32(at, true))) result.set(silicon.subarray(at, at + 4), at);
  }
  return result;
}
