// One linear address space of the silicon: a page directory and its page tables, as bytes in the monitor's pool.
// SDM Vol. 3A, "32-Bit Paging". Every page is a small one: large pages of the guest are splintered.

import { type MonitorPool, PAGE_BYTES } from "../pool.ts";

export const PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40;
/** Entries of a directory and of a table; a directory entry covers 4 MB. */
export const ENTRIES = 1024;
const SLOT_BYTES = 1 << 22;

export class AddressSpace {
  /** Pool page of the directory. */
  readonly directory: number;
  private readonly pool: MonitorPool;
  /** Pool page of the table of each 4 MB, -1 where there is none. */
  private readonly tables = new Int32Array(ENTRIES).fill(-1);
  private readonly used: number[] = [];
  /** 4 MB that hold pages of a large page of the guest. */
  private readonly large = new Uint8Array(ENTRIES);

  constructor(pool: MonitorPool) {
    this.pool = pool;
    this.directory = pool.take();
    if (this.directory < 0) throw new Error("the monitor's pool is smaller than its first tables");
  }

  /** What CR3 must hold. */
  get root(): number {
    return (this.pool.physicalPage(this.directory) * PAGE_BYTES) | 0;
  }

  /** Maps a page; `rights`: PTE_W, PTE_U. False: the pool is used up. `large`: INVLPG of any address near it drops it. */
  map(linear: number, physicalPage: number, rights: number, large: boolean): boolean {
    const slot = linear >>> 22;
    let table = this.tables[slot]!;
    if (table < 0) {
      table = this.pool.take();
      if (table < 0) return false;
      this.tables[slot] = table;
      this.used.push(slot);
      this.setDirectory(slot, (this.pool.physicalPage(table) * PAGE_BYTES) | PTE_P | PTE_W | PTE_U | PTE_A);
    }
    if (large) this.large[slot] = 1;
    this.pool.i32[this.word(table, linear)] = (physicalPage * PAGE_BYTES) | PTE_P | PTE_A | PTE_D | rights;
    return true;
  }

  isMapped(linear: number): boolean {
    const table = this.tables[linear >>> 22]!;
    return table >= 0 && (this.pool.i32[this.word(table, linear)]! & PTE_P) !== 0;
  }

  /** Takes out the page of `linear`; where a large page lies, its whole 4 MB. True: more than the one page went. */
  unmap(linear: number): boolean {
    const slot = linear >>> 22;
    const table = this.tables[slot]!;
    if (table < 0) return false;
    if (this.large[slot]) {
      this.pool.i32.fill(0, this.pool.address(table) >> 2, (this.pool.address(table) + PAGE_BYTES) >> 2);
      this.large[slot] = 0;
      return true;
    }
    this.pool.i32[this.word(table, linear)] = 0;
    return false;
  }

  /** Takes out whatever maps [linear, linear + bytes), whole pages. */
  unmapRange(linear: number, bytes: number): void {
    const end = (linear >>> 0) + bytes;
    for (let at = linear >>> 0; at < end; ) {
      const slot = at >>> 22, table = this.tables[slot]!;
      const next = Math.min((slot + 1) * SLOT_BYTES, end);
      if (table >= 0) this.pool.i32.fill(0, this.word(table, at), this.word(table, next - 1) + 1);
      at = next;
    }
  }

  clear(): void {
    for (const slot of this.used) {
      this.pool.release(this.tables[slot]!);
      this.tables[slot] = -1;
      this.large[slot] = 0;
      this.setDirectory(slot, 0);
    }
    this.used.length = 0;
  }

  /** Takes the right to write away from every mapping of a physical page. */
  protect(physicalPage: number): void {
    const { i32 } = this.pool;
    for (const slot of this.used) {
      const first = this.pool.address(this.tables[slot]!) >> 2;
      for (let word = first; word < first + ENTRIES; word++) {
        const entry = i32[word]!;
        if (entry & PTE_W && entry >>> 12 === physicalPage) i32[word] = entry & ~PTE_W;
      }
    }
  }

  /** Whether 4 MB hold a table of the guest's pages. */
  occupies(slot: number): boolean {
    return this.tables[slot]! >= 0;
  }

  setDirectory(slot: number, entry: number): void {
    this.pool.i32[(this.pool.address(this.directory) >> 2) + slot] = entry;
  }

  private word(table: number, linear: number): number {
    return (this.pool.address(table) >> 2) + ((linear >>> 12) & (ENTRIES - 1));
  }
}
