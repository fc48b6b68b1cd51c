// One descriptor table of the guest (its GDT or its LDT) as the monitor last read it, with where its bytes lie.

import type { Cpu } from "../../cpu/cpu.ts";

const PAGE = 4096;
const ENTRIES = 8192;

/** A span of entries that changed: [first, end). */
export interface Span {
  first: number;
  end: number;
}

export class DescriptorTable {
  /** The guest's descriptors: low, high pairs. Zero where the table is not mapped. */
  readonly words = new Int32Array(ENTRIES * 2);
  base = 0;
  /** As in GDTR; -1: no table. */
  limit = -1;
  /** Physical page of each linear page of the table, -1 where it is not mapped or not memory. */
  readonly pages: number[] = [];
  private readonly cpu: Cpu;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Whole descriptors that the limit admits. */
  get count(): number {
    return (this.limit + 1) >> 3;
  }

  isAt(base: number, limit: number): boolean {
    return this.base === base && this.limit === limit;
  }

  /** Another table, or none. False: it is the one that is known. */
  moveTo(base: number, limit: number): boolean {
    if (this.isAt(base, limit)) return false;
    this.base = base;
    this.limit = limit;
    this.pages.length = 0;
    return true;
  }

  /** Looks where the table's pages are now. True: some are elsewhere than they were. V is the active context. */
  locate(): boolean {
    const count = this.limit < 0 ? 0 : ((this.base & (PAGE - 1)) + this.limit + PAGE) >>> 12;
    let moved = this.pages.length !== count;
    this.pages.length = count;
    for (let i = 0; i < count; i++) {
      const physical = this.cpu.peekPhysical(((this.base & ~(PAGE - 1)) + i * PAGE) | 0);
      const page = physical < 0 || this.cpu.physical.hostPage(physical >>> 12) === 0 ? -1 : physical >>> 12;
      if (this.pages[i] !== page) moved = true;
      this.pages[i] = page;
    }
    return moved;
  }

  /** Reads entries [first, end) again. */
  read(first: number, end: number): void {
    for (let index = first; index < end; index++) {
      this.words[index * 2] = this.dword(index * 8);
      this.words[index * 2 + 1] = this.dword(index * 8 + 4);
    }
  }

  /** Entries that bytes [from, to) of a physical page belong to. */
  spanOf(physicalPage: number, from: number, to: number): Span {
    const span = { first: ENTRIES, end: 0 };
    const offset = this.base & (PAGE - 1);
    for (let i = 0; i < this.pages.length; i++) {
      if (this.pages[i] !== physicalPage) continue;
      span.first = Math.min(span.first, Math.max(0, i * PAGE + from - offset) >> 3);
      span.end = Math.max(span.end, Math.min(this.count, (i * PAGE + to - offset + 7) >> 3));
    }
    return span;
  }

  /** Bytes [from, to) of the table that lie in a physical page; from > to: none do. */
  bytesIn(physicalPage: number): { from: number; to: number } {
    const bytes = { from: PAGE, to: 0 };
    const offset = this.base & (PAGE - 1);
    for (let i = 0; i < this.pages.length; i++) {
      if (this.pages[i] !== physicalPage) continue;
      bytes.from = Math.min(bytes.from, Math.max(0, offset - i * PAGE));
      bytes.to = Math.max(bytes.to, Math.min(PAGE, offset + this.limit + 1 - i * PAGE));
    }
    return bytes;
  }

  /** Little-endian dword at an offset of the table. */
  private dword(offset: number): number {
    const at = (this.base & (PAGE - 1)) + offset;
    const host = this.host(at >>> 12);
    if ((at & (PAGE - 1)) <= PAGE - 4) return host === 0 ? 0 : this.cpu.state.view.getInt32(host + (at & (PAGE - 1)), true);
    const next = this.host((at >>> 12) + 1);
    if (host === 0 || next === 0) return 0;
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = (at & (PAGE - 1)) + i;
      value |= this.cpu.state.u8[byte < PAGE ? host + byte : next + byte - PAGE]! << (8 * i);
    }
    return value;
  }

  private host(index: number): number {
    const page = this.pages[index] ?? -1;
    return page < 0 ? 0 : this.cpu.v.physical.hostPage(page);
  }
}
