// The tables that the silicon reads while the guest runs: every gate leads to ring 0, where the monitor is, and the I/O
// bitmap opens no port. SDM Vol. 3A, "Interrupt Descriptor Table (IDT)", "Task-State Segment (TSS)".

import { IDT_PAGE, type MonitorPool, PAGE_BYTES, TSS_PAGE, TSS_PAGES } from "./pool.ts";

const GATE_PRESENT_DPL0 = 0x8e00, GATE_PRESENT_DPL3 = 0xee00;
/** INT3 and INTO are exits of their own; all other INT n fault at the gate. */
const OPEN_VECTORS: ReadonlySet<number> = new Set([3, 4]);
const TSS_BYTES = 0x68, REDIRECTION_BYTES = 32, IO_MAP_BYTES = 0x2000;
const IO_MAP_BASE = TSS_BYTES + REDIRECTION_BYTES;
const IO_MAP_BASE_FIELD = 0x66, ESP1_FIELD = 0x0c, SS1_FIELD = 0x10;
/** The map is read two bytes at a time: a byte of ones ends it. */
export const TSS_LIMIT = IO_MAP_BASE + IO_MAP_BYTES;

export class HardwareTables {
  private readonly pool: MonitorPool;
  private idtWindow = 0;
  private idtSelector = -1;
  private readonly direct = new Map<number, readonly [number, number]>();
  private redirects: boolean | null = null;

  constructor(pool: MonitorPool) {
    this.pool = pool;
    if (TSS_LIMIT >= TSS_PAGES * PAGE_BYTES) throw new Error("the TSS outgrew its pages");
  }

  /** 256 interrupt gates to `selector`, a code segment of DPL 0. */
  setGates(selector: number, window: number): void {
    if (this.idtSelector === selector && this.idtWindow === window) return;
    this.idtSelector = selector;
    this.idtWindow = window;
    const word = this.pool.address(IDT_PAGE) >> 2;
    for (let vector = 0; vector < 256; vector++) {
      const offset = window + vector;
      this.pool.i32[word + vector * 2] = (selector << 16) | (offset & 0xffff);
      this.pool.i32[word + vector * 2 + 1] = (offset & 0xffff_0000) | (OPEN_VECTORS.has(vector) ? GATE_PRESENT_DPL3 : GATE_PRESENT_DPL0);
    }
    for (const [vector, [low, high]] of this.direct) this.setDirectGate(vector, low, high);
  }

  /** A gate that leads from ring 3 to the guest's kernel in ring 1. */
  setDirectGate(vector: number, low: number, high: number): void {
    const word = (this.pool.address(IDT_PAGE) >> 2) + vector * 2;
    this.pool.i32[word] = low;
    this.pool.i32[word + 1] = high;
    this.direct.set(vector, [low, high]);
  }

  /** The stack of such entries. */
  setRing1Stack(selector: number, pointer: number): void {
    const word = this.pool.address(TSS_PAGE) >> 2;
    this.pool.i32[word + (ESP1_FIELD >> 2)] = pointer;
    this.pool.i32[word + (SS1_FIELD >> 2)] = selector;
  }

  /** A TSS without back link or inner stacks, all ports closed. `redirects`: with VME, INT n of V86 code goes to the vector table at linear 0. */
  setTaskState(redirects: boolean): void {
    if (this.redirects === redirects) return;
    this.redirects = redirects;
    const at = this.pool.address(TSS_PAGE);
    this.pool.u8.fill(0, at, at + TSS_BYTES);
    this.pool.u8[at + IO_MAP_BASE_FIELD] = IO_MAP_BASE & 0xff;
    this.pool.u8[at + IO_MAP_BASE_FIELD + 1] = IO_MAP_BASE >> 8;
    this.pool.u8.fill(redirects ? 0 : 0xff, at + TSS_BYTES, at + IO_MAP_BASE);
    this.pool.u8.fill(0xff, at + IO_MAP_BASE, at + TSS_LIMIT + 1);
  }
}
