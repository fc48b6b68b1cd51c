// Shadow page tables: what the silicon walks while the guest runs. They are filled from the guest's own tables when an
// access misses, and dropped when the guest flushes its TLB: to the guest they behave as one large TLB.
//
// Two address spaces: one for the guest's kernel, one for its user code, so that an entry states exactly what that
// privilege may do. Both carry the monitor's window, 4 MB of linear space with the tables that the silicon reads.

import type { MonitorPool } from "../pool.ts";
import { PAGE_BYTES, TSS_PAGE, TSS_PAGES } from "../pool.ts";

const PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40;
const ENTRIES = 1024;
export const WINDOW_BYTES = 1 << 22;
/** Pages of the window: the four descriptor tables, IDT and TSS, in the pool's order. */
const WINDOW_PAGES = TSS_PAGE + TSS_PAGES;

export type Role = 0 | 1;
export const KERNEL: Role = 0, USER: Role = 1;

class AddressSpace {
  readonly directory: number;
  /** Pool page of each page table, -1 where there is none. */
  readonly tables = new Int32Array(ENTRIES).fill(-1);

  constructor(directory: number) {
    this.directory = directory;
  }
}

export class ShadowPaging {
  private readonly pool: MonitorPool;
  private readonly spaces: readonly [AddressSpace, AddressSpace];
  private readonly windowTable: number;
  /** Directory slot of the window. */
  private windowSlot = ENTRIES - 1;
  /** Called when entries that were present went away. */
  private readonly flushed: () => void;
  fills = 0;
  drops = 0;

  constructor(pool: MonitorPool, flushed: () => void) {
    this.pool = pool;
    this.flushed = flushed;
    this.spaces = [new AddressSpace(pool.take()), new AddressSpace(pool.take())];
    this.windowTable = pool.take();
    for (let i = 0; i < WINDOW_PAGES; i++) this.write(this.windowTable, i, (pool.physicalPage(i) * PAGE_BYTES) | PTE_P | PTE_W | PTE_A | PTE_D);
    this.mapWindow();
  }

  /** Linear address of the window. */
  get windowBase(): number {
    return (this.windowSlot * WINDOW_BYTES) | 0;
  }

  /** CR3 for the silicon. */
  root(role: Role): number {
    return (this.pool.physicalPage(this.spaces[role].directory) * PAGE_BYTES) | 0;
  }

  inWindow(linear: number): boolean {
    return linear >>> 22 === this.windowSlot;
  }

  /** Lets `role` reach a page: `user` as the silicon's U bit. */
  fill(role: Role, linear: number, physicalPage: number, writable: boolean, user: boolean): void {
    const space = this.spaces[role];
    const slot = linear >>> 22;
    let table = space.tables[slot]!;
    if (table < 0) {
      table = this.pool.take();
      if (table < 0) {
        this.dropAll();
        table = this.pool.take();
      }
      space.tables[slot] = table;
      this.write(space.directory, slot, (this.pool.physicalPage(table) * PAGE_BYTES) | PTE_P | PTE_W | PTE_U | PTE_A);
    }
    const index = (linear >>> 12) & (ENTRIES - 1);
    const before = this.read(table, index);
    this.write(table, index, (physicalPage * PAGE_BYTES) | PTE_P | PTE_A | PTE_D | (writable ? PTE_W : 0) | (user ? PTE_U : 0));
    if (before & PTE_P) this.flushed();
    this.fills++;
  }

  /** The guest flushed its TLB, or what pages mean has changed. */
  dropAll(): void {
    for (const space of this.spaces) {
      for (let slot = 0; slot < ENTRIES; slot++) {
        const table = space.tables[slot]!;
        if (table < 0) continue;
        space.tables[slot] = -1;
        this.write(space.directory, slot, 0);
        this.pool.release(table);
      }
    }
    this.mapWindow();
    this.drops++;
    this.flushed();
  }

  /** Takes one page out of both spaces (INVLPG of a small page). */
  drop(linear: number): void {
    for (const space of this.spaces) {
      const table = space.tables[linear >>> 22]!;
      if (table >= 0) this.write(table, (linear >>> 12) & (ENTRIES - 1), 0);
    }
    this.flushed();
  }

  /** A page is watched from now on: no entry may let the guest write it. */
  protect(physicalPage: number): void {
    for (const space of this.spaces) {
      for (let slot = 0; slot < ENTRIES; slot++) {
        const table = space.tables[slot]!;
        if (table < 0) continue;
        for (let i = 0; i < ENTRIES; i++) {
          const entry = this.read(table, i);
          if (entry & PTE_W && entry >>> 12 === physicalPage) this.write(table, i, entry & ~PTE_W);
        }
      }
    }
    this.flushed();
  }

  /** Moves the window to 4 MB that the guest does not use; false where there are none. The tables' linear addresses change with it. */
  moveWindow(): boolean {
    for (let slot = ENTRIES - 1; slot > 0; slot--) {
      if (slot === this.windowSlot || this.spaces.some((space) => space.tables[slot]! >= 0)) continue;
      for (const space of this.spaces) this.write(space.directory, this.windowSlot, 0);
      this.windowSlot = slot;
      this.mapWindow();
      this.flushed();
      return true;
    }
    return false;
  }

  private mapWindow(): void {
    const entry = (this.pool.physicalPage(this.windowTable) * PAGE_BYTES) | PTE_P | PTE_W | PTE_A;
    for (const space of this.spaces) this.write(space.directory, this.windowSlot, entry);
  }

  private read(page: number, index: number): number {
    return this.pool.i32[(this.pool.address(page) >> 2) + index]!;
  }

  private write(page: number, index: number, value: number): void {
    this.pool.i32[(this.pool.address(page) >> 2) + index] = value;
  }
}
