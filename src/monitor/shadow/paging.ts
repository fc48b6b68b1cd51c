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

const WINDOW_BYTES = 1 << 22;
/** Pages of the window: the four descriptor tables, IDT and TSS, in the pool's order. */
const WINDOW_PAGES = TSS_PAGE + TSS_PAGES;
/** The first megabyte has holes; above it, the first page that is not memory ends the identity space. */
const FIRST_MEGABYTE = 0x100;
/** Page directories of the guest whose shadows are kept, and pages that a further one must find in the pool. */
const KEPT_CONTEXTS = 12, SPARE_PAGES = 256;

const NOWHERE = -1;

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
  /** Of the guest's present page directory. */
  private kernel: AddressSpace;
  private user: AddressSpace;
  private spaces: readonly AddressSpace[];
  /** Shadows that are kept, by what names them (`useContext`), the one used last behind the others. */
  private readonly contexts = new Map<string, readonly AddressSpace[]>();
  private context: readonly AddressSpace[];
  private readonly windowTable: number;
  /** Directory slot of the window; NOWHERE: the silicon needs no tables of the monitor's. */
  private windowSlot: number;
  private identityBuilt = false;
  private readonly prebuilt: boolean;
  /** Called when mappings went away: the page of `linear`, or all (null). */
  private readonly flushed: (linear: number | null) => void;

  constructor(pool: MonitorPool, pages: GuestPages, ring: 1 | 3, flushed: (linear: number | null) => void, { prebuilt = true, window = true } = {}) {
    this.prebuilt = prebuilt;
    this.windowSlot = window ? ENTRIES - 1 : NOWHERE;
    this.pool = pool;
    this.pages = pages;
    this.flushed = flushed;
    this.identity = new AddressSpace(pool);
    this.kernel = new AddressSpace(pool);
    this.user = ring === 1 ? this.kernel : new AddressSpace(pool);
    this.spaces = ring === 1 ? [this.identity, this.kernel] : [this.identity, this.kernel, this.user];
    this.context = ring === 1 ? [this.kernel] : [this.kernel, this.user];
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

  /** The spaces that the guest's present tables fill. */
  get current(): readonly AddressSpace[] {
    return this.context;
  }

  /**
   * The guest goes to other tables, named by `key`: their own shadow, as it was left, or an empty one. Where there are too many, the one
   * that was used longest ago is emptied, and `emptied` is told. True: it was there.
   */
  useContext(key: string, emptied: (spaces: readonly AddressSpace[]) => void): boolean {
    const { contexts } = this;
    let context = contexts.get(key);
    const found = context !== undefined;
    if (context) {
      contexts.delete(key);
    } else if (contexts.size === 0) {
      ({ context } = this);
    } else if (contexts.size < KEPT_CONTEXTS && this.pool.free > SPARE_PAGES) {
      context = this.context.map(() => new AddressSpace(this.pool));
      this.spaces = [...this.spaces, ...context];
    } else {
      const [oldest, spaces] = contexts.entries().next().value!;
      contexts.delete(oldest);
      emptied(spaces);
      for (const space of spaces) space.clear();
      context = spaces;
    }
    contexts.set(key, context);
    if (context === this.context && found) return true;
    this.context = context;
    this.kernel = context[0]!;
    this.user = context[1] ?? context[0]!;
    this.mapWindow();
    this.flushed(null);
    return found;
  }

  /** What the guest's tables map at [linear, linear + bytes) has changed in one of the spaces. */
  takeOut(space: AddressSpace, linear: number, bytes: number): void {
    space.unmapRange(linear, bytes);
    if (this.context.includes(space)) this.flushed(bytes === PAGE_BYTES ? linear : null);
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
    for (const space of this.spaces) if (space !== this.identity) space.clear();
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
    let whole = false;
    for (const space of this.spaces) if (space !== this.identity && space.unmap(linear)) whole = true;
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
    if (this.windowSlot === NOWHERE) return;
    const entry = (this.pool.physicalPage(this.windowTable) * PAGE_BYTES) | PTE_P | PTE_W | PTE_A;
    for (const space of this.spaces) space.setDirectory(this.windowSlot, entry);
  }

  private buildIdentity(): void {
    const { pages, identity } = this;
    this.identityBuilt = true;
    for (let page = 0; page < (this.windowSlot === NOWHERE ? ENTRIES : this.windowSlot) << 10; page++) {
      const physicalPage = pages.resolve(page);
      if (physicalPage >= 0) identity.map(page << 12, physicalPage, PTE_U | (pages.isWritable(physicalPage) ? PTE_W : 0), false);
      else if (page >= FIRST_MEGABYTE) break;
    }
    this.mapWindow();
    this.flushed(null);
  }
}
