// Checkpoints in the order of their instants, with a bound on how many and how large. Where there is no room for another, one goes
// whose absence makes the way from the one before it longer by the least part of its age: so they lie close near the end, and
// sparsely far back.

import type { RamPages } from "./ram-pages.ts";

export interface Kept {
  readonly retired: number;
  /** Input that had come. */
  index: number;
  readonly ram: RamPages;
}

const PAGE_BYTES = 4096;

/** Pages of `after` that are not those of `before`. */
function differing(before: RamPages | undefined, after: RamPages): number {
  let count = 0;
  for (let page = 0; page < after.length; page++) if (after[page] !== null && after[page] !== before?.[page]) count++;
  return count;
}

export class CheckpointList<T extends Kept> {
  private readonly most: number;
  private readonly room: number;
  private list: T[] = [];
  /** Pages that each holds beyond the one before it. */
  private own: number[] = [];

  constructor(most: number, bytes: number) {
    this.most = Math.max(2, most);
    this.room = bytes;
  }

  get count(): number {
    return this.list.length;
  }

  get first(): T | undefined {
    return this.list[0];
  }

  get bytes(): number {
    return this.own.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES;
  }

  /** The last one that is not later. */
  before(retired: number): T | undefined {
    return this.list.findLast((checkpoint) => checkpoint.retired <= retired);
  }

  add(checkpoint: T): void {
    const at = this.list.findIndex(({ retired, index }) => retired > checkpoint.retired || (retired === checkpoint.retired && index >= checkpoint.index));
    // On a way that was gone before it may be there already.
    if (at >= 0 && this.list[at]!.retired === checkpoint.retired && this.list[at]!.index === checkpoint.index) return;
    this.list.splice(at < 0 ? this.list.length : at, 0, checkpoint);
    this.measure();
    while (this.list.length > 2 && (this.list.length > this.most || this.bytes > this.room)) {
      this.list.splice(this.leastMissed(), 1);
      this.measure();
    }
  }

  /** Those of another future. */
  dropBehind(retired: number, index: number): void {
    this.list = this.list.filter((own) => own.retired < retired || (own.retired === retired && own.index <= index));
    this.measure();
  }

  /** Forgets those at which less than so much input had come, but for two; gives the input that none of the rest needs. */
  dropBefore(index: number): number {
    while (this.list.length > 2 && this.list[0]!.index < index) this.list.shift();
    this.measure();
    const unneeded = this.list[0]?.index ?? 0;
    for (const checkpoint of this.list) checkpoint.index -= unneeded;
    return unneeded;
  }

  clear(): void {
    this.list = [];
    this.own = [];
  }

  /** The first and the last stay. */
  private leastMissed(): number {
    const end = this.list.at(-1)!.retired;
    let best = 1, least = Infinity;
    for (let n = 1; n < this.list.length - 1; n++) {
      const cost = (this.list[n + 1]!.retired - this.list[n - 1]!.retired) / (end - this.list[n]!.retired + 1);
      if (cost < least) [best, least] = [n, cost];
    }
    return best;
  }

  private readonly known = new WeakMap<RamPages, { before: RamPages | undefined; pages: number }>();

  private measure(): void {
    this.own = this.list.map(({ ram }, n) => {
      const before = this.list[n - 1]?.ram, known = this.known.get(ram);
      if (known && known.before === before) return known.pages;
      const pages = differing(before, ram);
      this.known.set(ram, { before, pages });
      return pages;
    });
  }
}
