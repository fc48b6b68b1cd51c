// The monitor's own pages: real bytes behind guest RAM in the silicon's physical space (context H).
// The guest's processor V has no physical address for them.

import type { CpuState } from "../cpu/state.ts";

export const PAGE_BYTES = 4096;

/** First pages of the pool: tables that the silicon reads. */
export const GDT_KERNEL_PAGE = 0, GDT_USER_PAGE = 16, LDT_KERNEL_PAGE = 32, LDT_USER_PAGE = 48;
export const IDT_PAGE = 64, TSS_PAGE = 65, TSS_PAGES = 3;
/** Page tables are taken from here on. */
const FIRST_FREE_PAGE = TSS_PAGE + TSS_PAGES;

export class MonitorPool {
  /** First physical page of the pool in context H. */
  readonly firstPage: number;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  private readonly base: number;
  private readonly pages: number;
  private readonly released: number[] = [];
  private next = FIRST_FREE_PAGE;

  /** `base`: wasm address of the pool; `bytes`: its size. */
  constructor(state: CpuState, base: number, bytes: number, firstPage: number) {
    this.i32 = state.i32;
    this.u8 = state.u8;
    this.base = base;
    this.pages = bytes / PAGE_BYTES;
    this.firstPage = firstPage;
    this.u8.fill(0, base, base + FIRST_FREE_PAGE * PAGE_BYTES);
  }

  /** Wasm byte address of a pool page. */
  address(page: number): number {
    return this.base + page * PAGE_BYTES;
  }

  physicalPage(page: number): number {
    return this.firstPage + page;
  }

  /** A zeroed page, or -1 when the pool is used up. */
  take(): number {
    const page = this.released.pop() ?? (this.next < this.pages ? this.next++ : -1);
    if (page >= 0) this.i32.fill(0, this.address(page) >> 2, (this.address(page) + PAGE_BYTES) >> 2);
    return page;
  }

  /** Pages that can still be taken. */
  get free(): number {
    return this.pages - this.next + this.released.length;
  }

  release(page: number): void {
    this.released.push(page);
  }
}
