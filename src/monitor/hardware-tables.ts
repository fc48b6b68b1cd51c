// The tables that the silicon reads while the guest runs: every gate leads to ring 0, where the monitor is, and the I/O
// bitmap opens no port.

import { type MonitorPool, PAGE_BYTES } from "./pool.ts";

const GATE_PRESENT_DPL0 = 0x8e00, GATE_PRESENT_DPL3 = 0xee00;
/** INT3 and INTO are exits of their own; all other INT n fault at the gate. */
const OPEN_VECTORS = new Set([3, 4]);
const TSS_BYTES = 0x68;
const REDIRECTION_BYTES = 32;
const IO_MAP_BASE = TSS_BYTES + REDIRECTION_BYTES;
const IO_MAP_BYTES = 0x2000;

/** 256 interrupt gates to `selector`, a code segment of DPL 0. */
export function buildInterruptTable(pool: MonitorPool, page: number, selector: number, window: number): void {
  const word = pool.address(page) >> 2;
  for (let vector = 0; vector < 256; vector++) {
    const offset = window + vector;
    pool.i32[word + vector * 2] = (selector << 16) | (offset & 0xffff);
    pool.i32[word + vector * 2 + 1] = (offset & 0xffff_0000) | (OPEN_VECTORS.has(vector) ? GATE_PRESENT_DPL3 : GATE_PRESENT_DPL0);
  }
}

/** A TSS that is never switched to: no back link, all ports closed, and the V86 redirection map: INT n of real-mode code goes to its own IVT, of a V86 task to the monitor. */
export function buildTaskState(pool: MonitorPool, page: number, guestProtected: boolean): void {
  const at = pool.address(page);
  pool.u8.fill(0, at, at + TSS_BYTES);
  pool.u8[at + 0x66] = IO_MAP_BASE & 0xff;
  pool.u8[at + 0x67] = IO_MAP_BASE >> 8;
  pool.u8.fill(guestProtected ? 0xff : 0, at + TSS_BYTES, at + IO_MAP_BASE);
  pool.u8.fill(0xff, at + IO_MAP_BASE, at + IO_MAP_BASE + IO_MAP_BYTES + 1);
  if (IO_MAP_BASE + IO_MAP_BYTES + 1 > 3 * PAGE_BYTES) throw new Error("the TSS outgrew its pages");
}
