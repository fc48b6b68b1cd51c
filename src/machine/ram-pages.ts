// Copies of guest RAM by pages of 4 KB. Pages of zeros take no room, and a copy shares with the one before it what is the same.
//
// Which pages may have changed the processor says (cpu/state.ts, dirtyPages), from `begin` on; before that all are looked at.

import type { Machine } from "./machine.ts";

const PAGE_WORDS = 1024, PAGE_BYTES = 4096;

/** By page; null: zeros. */
export type RamPages = readonly (Int32Array | null)[];

export class MachineRam {
  private readonly machine: Machine;
  private readonly words: Int32Array;
  private readonly dirty: Uint8Array;
  /** What RAM holds but for the dirty pages; null: not known. */
  private known: RamPages | null = null;

  constructor(machine: Machine) {
    const { map, cpu } = machine;
    this.machine = machine;
    this.words = new Int32Array(map.buffer, map.ram, map.ramBytes >> 2);
    this.dirty = cpu.state.dirtyPages.subarray(map.ram / PAGE_BYTES, (map.ram + map.ramBytes) / PAGE_BYTES);
  }

  save(before: RamPages | null = this.known): RamPages {
    const { words, dirty, known } = this;
    if (known && before === known) {
      const pages = [...known];
      for (let page = dirty.indexOf(1); page >= 0; page = dirty.indexOf(1, page + 1)) pages[page] = this.copy(page, known[page]!);
      return pages;
    }
    const pages: (Int32Array | null)[] = [];
    for (let page = 0; page * PAGE_WORDS < words.length; page++) pages.push(this.copy(page, before?.[page] ?? null));
    return pages;
  }

  private copy(page: number, known: Int32Array | null): Int32Array | null {
    const at = page * PAGE_WORDS;
    if (this.same(at, known)) return known;
    return known !== null && this.same(at, null) ? null : this.words.slice(at, at + PAGE_WORDS);
  }

  /** Code that was decoded stays where its bytes stay. */
  load(pages: RamPages): void {
    const { words, dirty, known, machine } = this;
    pages.forEach((page, n) => {
      if (known && known[n] === page && dirty[n] === 0) return;
      const at = n * PAGE_WORDS;
      if (this.same(at, page)) return;
      if (page) words.set(page, at);
      else words.fill(0, at, at + PAGE_WORDS);
      machine.physical.codeWritten(n * PAGE_BYTES, PAGE_BYTES);
    });
  }

  /** RAM holds these pages now: from here on it is noted which change. The TLBs are flushed. */
  begin(pages: RamPages): void {
    this.known = pages;
    this.dirty.fill(0);
    this.machine.cpu.v.tlb.flushAll();
    this.machine.cpu.h.tlb.flushAll();
  }

  private same(at: number, page: Int32Array | null): boolean {
    const { words } = this;
    if (page) {
      for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== page[i]) return false;
    } else for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== 0) return false;
    return true;
  }
}
