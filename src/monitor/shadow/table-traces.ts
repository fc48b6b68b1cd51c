// Which pages of the guest hold the page tables that its shadows were filled from: stores to them are watched, and take out what
// came of the entries that they change. One page may be many tables: a directory that maps itself, a table that all processes share.

import type { AddressSpace } from "./address-space.ts";
import { PAGE_BYTES } from "../pool.ts";

/** What one page of the guest is as a page table. */
export interface TableUse {
  /** Shadows that were filled through it. */
  readonly spaces: readonly AddressSpace[];
  /** Linear address that entry 0 maps, the bytes that each maps, and its size. */
  readonly linear: number;
  readonly span: number;
  readonly entryBytes: number;
}

/** Stores to a page without a walk through it, after which it is taken for something else: freed, and data now. */
const STORES_WITHOUT_WALK = 64;

interface Traced {
  readonly uses: TableUse[];
  storesSinceWalk: number;
}

export class TableTraces {
  private readonly pages = new Map<number, Traced>();
  /** Takes a range out of a shadow. */
  private readonly takeOut: (space: AddressSpace, linear: number, bytes: number) => void;

  constructor(takeOut: (space: AddressSpace, linear: number, bytes: number) => void) {
    this.takeOut = takeOut;
  }

  has(page: number): boolean {
    return this.pages.has(page);
  }

  get all(): readonly number[] {
    return [...this.pages.keys()];
  }

  /** Every entry of the page maps one page of 4 KB. */
  isLeaf(page: number): boolean {
    return this.pages.get(page)?.uses.every(({ span }) => span === PAGE_BYTES) ?? false;
  }

  /** A walk went through the page. True: it was not known. */
  note(page: number, use: TableUse): boolean {
    let traced = this.pages.get(page);
    const isNew = traced === undefined;
    if (!traced) this.pages.set(page, (traced = { uses: [], storesSinceWalk: 0 }));
    traced.storesSinceWalk = 0;
    const known = traced.uses.some((other) => other.spaces === use.spaces && other.linear === use.linear && other.span === use.span);
    if (!known) traced.uses.push(use);
    return isNew;
  }

  /** Bytes [from, to) of the page changed. True: the page is no table any more, to all appearances. */
  written(page: number, from: number, to: number): boolean {
    const traced = this.pages.get(page);
    if (!traced) return false;
    if (++traced.storesSinceWalk > STORES_WITHOUT_WALK) {
      this.changed(traced, 0, PAGE_BYTES);
      this.pages.delete(page);
      return true;
    }
    this.changed(traced, from, to);
    return false;
  }

  private changed({ uses }: Traced, from: number, to: number): void {
    for (const { spaces, linear, span, entryBytes } of uses) {
      const first = Math.floor(from / entryBytes), end = Math.ceil(to / entryBytes);
      for (const space of spaces) this.takeOut(space, (linear + first * span) | 0, (end - first) * span);
    }
  }

  /** The shadows are empty: nothing in them comes of any page. Gives the pages that are no tables any more. */
  forget(spaces: readonly AddressSpace[]): readonly number[] {
    const gone: number[] = [];
    for (const [page, { uses }] of this.pages) {
      for (let i = uses.length - 1; i >= 0; i--) if (uses[i]!.spaces === spaces) uses.splice(i, 1);
      if (uses.length > 0) continue;
      this.pages.delete(page);
      gone.push(page);
    }
    return gone;
  }

  /** Gives the pages that were traced. */
  clear(): readonly number[] {
    const { all } = this;
    this.pages.clear();
    return all;
  }
}
