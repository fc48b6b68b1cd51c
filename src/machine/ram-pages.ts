// Copies of guest RAM by pages of 4 KB. Pages of zeros take no room, and a copy shares with the one before it what is the same.

import type { MemoryMap } from "./shared-memory.ts";

const PAGE_WORDS = 1024;

/** By page; null: zeros. */
export type RamPages = readonly (Int32Array | null)[];

export class MachineRam {
  private readonly words: Int32Array;

  constructor(map: MemoryMap) {
    this.words = new Int32Array(map.buffer, map.ram, map.ramBytes >> 2);
  }

  save(before: RamPages | null): RamPages {
    const { words } = this;
    const pages: (Int32Array | null)[] = [];
    for (let at = 0, page = 0; at < words.length; at += PAGE_WORDS, page++) {
      const known = before?.[page] ?? null;
      pages.push(this.same(at, known) ? known : words.slice(at, at + PAGE_WORDS));
    }
    return pages;
  }

  load(pages: RamPages): void {
    const { words } = this;
    pages.forEach((page, n) => {
      const at = n * PAGE_WORDS;
      if (this.same(at, page)) return;
      if (page) words.set(page, at);
      else words.fill(0, at, at + PAGE_WORDS);
    });
  }

  private same(at: number, page: Int32Array | null): boolean {
    const { words } = this;
    if (page) {
      for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== page[i]) return false;
    } else for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== 0) return false;
    return true;
  }
}
