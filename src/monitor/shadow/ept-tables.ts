// The monitor's extended page tables, as bytes in its pool: guest-physical memory is host memory at the same address, ROM is not
// writable, and what is a device or nothing is not mapped. SDM Vol. 3C, "EPT Translation Mechanism".

import { EPT_EXECUTE, EPT_READ, EPT_WRITE } from "../../cpu/ept.ts";
import type { PhysicalSpace } from "../../cpu/physical-space.ts";
import { type MonitorPool, PAGE_BYTES } from "../pool.ts";

const ALL = EPT_READ | EPT_WRITE | EPT_EXECUTE;
const PAGES = 1 << 20;
const TABLE_SHIFT = 9;

export class EptTables {
  private readonly pool: MonitorPool;
  private readonly guest: PhysicalSpace;
  private readonly top: number;
  private readonly pointers: number;
  private readonly directories: number[];
  private readonly tables = new Map<number, number>();

  constructor(pool: MonitorPool, guest: PhysicalSpace) {
    this.pool = pool;
    this.guest = guest;
    this.top = pool.take();
    this.pointers = pool.take();
    this.directories = [0, 1, 2, 3].map(() => pool.take());
    this.set(this.top, 0, this.pointers);
    this.directories.forEach((page, i) => this.set(this.pointers, i, page));
    this.build();
  }

  /** Host-physical address of the top table. */
  get root(): number {
    return (this.pool.physicalPage(this.top) * PAGE_BYTES) | 0;
  }

  /** Maps memory anew: what is memory has changed. */
  build(): void {
    const { guest } = this;
    for (let page = 0; page < PAGES; page++) {
      const index = page >>> TABLE_SHIFT;
      let table = this.tables.get(index);
      const isMemory = guest.hostPage(page) !== 0;
      if (table === undefined) {
        if (!isMemory) continue;
        table = this.pool.take();
        if (table < 0) throw new Error("the monitor's pool has no room for its extended page tables");
        this.tables.set(index, table);
        this.set(this.directories[index >>> TABLE_SHIFT]!, index & 0x1ff, table);
      }
      const rights = isMemory ? (guest.isReadOnly(page) ? EPT_READ | EPT_EXECUTE : ALL) : 0;
      this.pool.i32[(this.pool.address(table) >> 2) + (page & 0x1ff) * 2] = isMemory ? (page << 12) | rights : 0;
    }
  }

  private set(page: number, index: number, next: number): void {
    this.pool.i32[(this.pool.address(page) >> 2) + index * 2] = (this.pool.physicalPage(next) * PAGE_BYTES) | ALL;
  }
}
