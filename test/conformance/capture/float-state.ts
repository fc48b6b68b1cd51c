// The x87, MMX and SSE state of a case as the harness takes and gives it (struct floating in silicon.c): little-endian bytes.

import type { Cpu } from "../../../src/cpu/cpu.ts";
import { FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTOP, FTW, MXCSR, X87_BASE, XMM_BASE } from "../../../src/isa/state-layout.ts";

/** Words: control, status with TOP, a bit for each full register by physical number, pointers without selectors, opcode, MXCSR. */
export const CONTROL = 0, STATUS = 4, TAGS = 8, INSTRUCTION = 12, OPERAND = 16, OPCODE = 20, MXCSR_AT = 24;
/** ST(0) to ST(7), ten bytes each, which MM registers share; XMM0 to XMM7. */
export const ST = 28, ST_BYTES = 10, XMM = ST + 8 * ST_BYTES, XMM_BYTES = 16, FLOAT_BYTES = XMM + 8 * XMM_BYTES;

const TOP = 0x3800, TOP_SHIFT = 11, EMPTY = 3;
const SLOT = 16;

/** Loads the state into the processor. The selectors of the pointers are 0: the host's kernel keeps none. */
export function loadFloat({ state }: Cpu, bytes: Uint8Array): void {
  const from = new DataView(bytes.buffer, bytes.byteOffset, FLOAT_BYTES);
  const status = from.getUint32(STATUS, true), full = from.getUint32(TAGS, true), top = (status & TOP) >> TOP_SHIFT;
  let tags = 0;
  for (let n = 0; n < 8; n++) if ((full & (1 << n)) === 0) tags |= EMPTY << (2 * n);
  state.write(FCW, from.getUint32(CONTROL, true));
  state.write(FSW, status & ~TOP);
  state.write(FTOP, top);
  state.write(FTW, tags);
  for (const [field, at] of [[FIP, INSTRUCTION], [FDP, OPERAND], [FOP, OPCODE], [MXCSR, MXCSR_AT]] as const) state.write(field, from.getInt32(at, true));
  state.write(FCS, 0);
  state.write(FDS, 0);
  for (let n = 0; n < 8; n++) state.u8.set(bytes.subarray(ST + n * ST_BYTES, ST + (n + 1) * ST_BYTES), X87_BASE + ((top + n) & 7) * SLOT);
  state.u8.set(bytes.subarray(XMM, FLOAT_BYTES), XMM_BASE);
}

export function saveFloat({ state }: Cpu): Uint8Array {
  const bytes = new Uint8Array(FLOAT_BYTES), to = new DataView(bytes.buffer);
  const top = state.read(FTOP), tags = state.read(FTW);
  let full = 0;
  for (let n = 0; n < 8; n++) if (((tags >> (2 * n)) & EMPTY) !== EMPTY) full |= 1 << n;
  to.setUint32(CONTROL, state.read(FCW), true);
  to.setUint32(STATUS, state.read(FSW) | (top << TOP_SHIFT), true);
  to.setUint32(TAGS, full, true);
  for (const [field, at] of [[FIP, INSTRUCTION], [FDP, OPERAND], [FOP, OPCODE], [MXCSR, MXCSR_AT]] as const) to.setInt32(at, state.read(field), true);
  for (let n = 0; n < 8; n++) {
    const slot = X87_BASE + ((top + n) & 7) * SLOT;
    bytes.set(state.u8.subarray(slot, slot + ST_BYTES), ST + n * ST_BYTES);
  }
  bytes.set(state.u8.subarray(XMM_BASE, XMM_BASE + 8 * XMM_BYTES), XMM);
  return bytes;
}

const WORDS = [["control", CONTROL], ["status", STATUS], ["tags", TAGS], ["FIP", INSTRUCTION], ["FDP", OPERAND], ["opcode", OPCODE], ["MXCSR", MXCSR_AT]] as const;

/** Names and values of the parts; registers as sign-exponent or high half first. */
export function listFloat(bytes: Uint8Array): (readonly [name: string, value: string])[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FLOAT_BYTES);
  const register = (at: number, length: number) => Buffer.from(bytes.subarray(at, at + length)).reverse().toString("hex");
  return [
    ...WORDS.map(([name, at]) => [name, view.getUint32(at, true).toString(16)] as const),
    ...Array.from({ length: 8 }, (_, n) => [`ST(${n})`, register(ST + n * ST_BYTES, ST_BYTES)] as const),
    ...Array.from({ length: 8 }, (_, n) => [`XMM${n}`, register(XMM + n * XMM_BYTES, XMM_BYTES)] as const),
  ];
}

/** What FNINIT and reset leave. */
export function idleFloat(): Uint8Array {
  const bytes = new Uint8Array(FLOAT_BYTES), view = new DataView(bytes.buffer);
  view.setUint32(CONTROL, 0x37f, true);
  view.setUint32(MXCSR_AT, 0x1f80, true);
  return bytes;
}
