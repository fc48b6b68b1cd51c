// Shadow page tables: what the silicon walks while the guest runs.
//
// While the guest pages, they are filled from its own tables when an access misses, and dropped when the guest flushes
// its TLB: to the guest they behave as one large TLB. Its kernel at ring 1 is a supervisor to the silicon too, so that the
// U bit keeps its meaning in one space; a kernel at ring 3 needs a second one for its user code.
// While the guest does not page, a third space maps linear addresses to themselves, all of it beforehand.
//
// Every space carries the monitor's window: 4 MB with the tables that the silicon reads.

import { type MonitorPool, PAGE_BYTES, TSS_PAGE, TSS_PAGES } from "../pool.ts";
import { AddressSpace, ENTRIES, PTE_A, PTE_D, PTE_P, PTE_U, PTE_W } from "./address-space.ts";

export const WINDOW_BYTES = 1 << 22;
/** Pages of the window: the four descriptor tables, IDT and TSS, in the pool's order. */
const WINDOW_PAGES = TSS_PAGE + TSS_PAGES;
/** The first megabyte has holes; above it, the first page that is not memory ends the identity space. */
const FIRST_MEGABYTE = 0x100;

export type Role = 0 | 1;
/** The guest's privilege: its kernel (and real mode), or its user code. */
export const KERNEL: Role = 0, USER: Role = 1;

/** Guest physical memory as the shadow needs it. Pages are as the processor drives them, before A20. */
export interface GuestPages {
  /** Physical page behind A20; -1: a device or nothing. */
  resolve(page: number): number;
  /** Stores may go straight to memory: no ROM, nothing that is watched. */
  isWritable(physicalPage: number): boolean;
}

export class ShadowPaging {
  private readonly pool: MonitorPool;
  private readonly pages: GuestPages;
  private readonly identity: AddressSpace;
  private readonly kernel: AddressSpace;
  private readonly user: AddressSpace;
  private readonly spaces: readonly AddressSpace[];
  private readonly windowTable: number;
  /** Directory slot of the window. */
  private windowSlot = ENTRIES - 1;
  private identityBuilt = false;
  private readonly prebuilt: boolean;
  /** Called when mappings went away: the page of `linear`, or all (null). */
  private readonly flushed: (linear: number | null) => void;

  constructor(pool: MonitorPool, pages: GuestPages, ring: 1 | 3, flushed: (linear: number | null) => void, prebuilt = true) {
    this.prebuilt = prebuilt;
    this.pool = pool;
    this.pages = pages;
    this.flushed = flushed;
    this.identity = new AddressSpace(pool);
    this.kernel = new AddressSpace(pool);
    this.user = ring === 1 ? this.kernel : new AddressSpace(pool);
    this.spaces = ring === 1 ? [this.identity, this.kernel] : [this.identity, this.kernel, this.user];
    this.windowTable = pool.take();
    const word = pool.address(this.windowTable) >> 2;
    for (let i = 0; i < WINDOW_PAGES; i++) pool.i32[word + i] = (pool.physicalPage(i) * PAGE_BYTES) | PTE_P | PTE_W | PTE_A | PTE_D;
    this.mapWindow();
  }

  /** Linear address of the window. */
  get windowBase(): number {
    return (this.windowSlot * WINDOW_BYTES) | 0;
  }

  inWindow(linear: number): boolean {
    return linear >>> 22 === this.windowSlot;
  }

  /** CR3 for the silicon. */
  root(role: Role, paged: boolean): number {
    if (!paged && this.prebuilt && !this.identityBuilt) this.buildIdentity();
    return this.space(role, paged).root;
  }

  private space(role: Role, paged: boolean): AddressSpace {
    if (!paged) return this.identity;
    return role === USER ? this.user : this.kernel;
  }

  /** Lets `role` reach a page. `large`: the guest maps it by a large page. */
  fill(role: Role, paged: boolean, linear: number, physicalPage: number, writable: boolean, user: boolean, large: boolean): void {
    const space = this.space(role, paged);
    const rights = (writable ? PTE_W : 0) | (user ? PTE_U : 0);
    const before = space.isMapped(linear);
    if (!space.map(linear, physicalPage, rights, large)) {
      this.dropAll();
      space.map(linear, physicalPage, rights, large);
    }
    if (before) this.flushed(linear);
  }

  /** Writes an entry and leaves the TLBs alone, as a store to a page table does. `rights`: PTE_W, PTE_U. */
  set(role: Role, paged: boolean, linear: number, physicalPage: number, rights: number, large: boolean): void {
    const space = this.space(role, paged);
    if (space.map(linear, physicalPage, rights, large)) return;
    this.dropAll();
    space.map(linear, physicalPage, rights, large);
  }

  /** The guest flushed its TLB. */
  dropAll(): void {
    this.kernel.clear();
    this.user.clear();
    this.mapWindow();
    this.flushed(null);
  }

  /** What physical addresses mean has changed (A20, shadow RAM). */
  dropEverything(): void {
    this.identity.clear();
    this.identityBuilt = false;
    this.dropAll();
  }

  /** INVLPG. */
  drop(linear: number): void {
    let whole = this.kernel.unmap(linear);
    if (this.user !== this.kernel && this.user.unmap(linear)) whole = true;
    this.flushed(whole ? null : linear);
  }

  /** A page is watched from now on: no mapping may let the guest write it. */
  protect(physicalPage: number): void {
    for (const space of this.spaces) space.protect(physicalPage);
    this.flushed(null);
  }

  /** Moves the window to 4 MB that the guest does not use; false where there are none. The tables' linear addresses change with it. */
  moveWindow(): boolean {
    for (let slot = ENTRIES - 1; slot > 0; slot--) {
      if (slot === this.windowSlot || this.spaces.some((space) => space.occupies(slot))) continue;
      for (const space of this.spaces) space.setDirectory(this.windowSlot, 0);
      this.windowSlot = slot;
      this.mapWindow();
      this.flushed(null);
      return true;
    }
    return false;
  }

  private mapWindow(): void {
    const entry = (this.pool.physicalPage(this.windowTable) * PAGE_BYTES) | PTE_P | PTE_W | PTE_A;
    for (const space of this.spaces) space.setDirectory(this.windowSlot, entry);
  }

  private buildIdentity(): void {
    const { pages, identity } = this;
    this.identityBuilt = true;
    for (let page = 0; page < this.windowSlot << 10; page++) {
      const physicalPage = pages.resolve(page);
      if (physicalPage >= 0) identity.map(page << 12, physicalPage, PTE_U | (pages.isWritable(physicalPage) ? PTE_W : 0), false);
      else if (page >= FIRST_MEGABYTE) break;
    }
    this.mapWindow();
    this.flushed(null);
  }
}
