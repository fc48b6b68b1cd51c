// The index of an overlay file: a chain of pages that say which block of the disk lies in which page of the file. Commits are added
// at its end; each page names the place of the next one, carries the checksum of the one before it, and says whether a commit ends
// with it. So whatever was half written when the program died is found out, and is not there.

import { crc32 } from "../base/crc32.ts";

export const PAGE_BYTES = 4096;
const MAGIC = 0x474f_4c54; // "TLOG"
const HEADER_BYTES = 28;
const ENTRY_BYTES = 12;
export const ENTRIES_PER_PAGE = Math.floor((PAGE_BYTES - HEADER_BYTES) / ENTRY_BYTES);
const FLAG_END = 1;

/** A block of the disk and the page of the file that holds it. */
export type Entry = readonly [block: number, page: number];

/** Where a chain can be continued. */
export interface Tail {
  /** The page that was set aside for what comes next. */
  readonly next: number;
  /** Checksum of the last page; of an empty chain its generation. */
  readonly checksum: number;
  readonly sequence: number;
}

export interface Chain {
  readonly generation: number;
  readonly tail: Tail;
  /** Pages that the chain occupies, without the one set aside. */
  readonly pages: readonly number[];
}

export function emptyChain(generation: number, first: number): Chain {
  return { generation, tail: { next: first, checksum: generation, sequence: 0 }, pages: [] };
}

/** The pages of one commit, in order, with their places. `allocate` gives a free page. */
export function commitPages(chain: Chain, entries: readonly Entry[], allocate: () => number): { chain: Chain; writes: { page: number; bytes: Uint8Array }[] } {
  const writes: { page: number; bytes: Uint8Array }[] = [];
  const pages = [...chain.pages];
  let { next, checksum, sequence } = chain.tail;
  for (let from = 0; from === 0 || from < entries.length; from += ENTRIES_PER_PAGE) {
    const part = entries.slice(from, from + ENTRIES_PER_PAGE);
    const page = next;
    next = allocate();
    const bytes = encode(part, { generation: chain.generation, sequence, before: checksum, next, end: from + ENTRIES_PER_PAGE >= entries.length });
    checksum = new DataView(bytes.buffer).getUint32(4, true);
    sequence++;
    pages.push(page);
    writes.push({ page, bytes });
  }
  return { chain: { generation: chain.generation, tail: { next, checksum, sequence }, pages }, writes };
}

function encode(entries: readonly Entry[], head: { generation: number; sequence: number; before: number; next: number; end: boolean }): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, head.generation, true);
  view.setUint32(12, head.sequence, true);
  view.setUint32(16, head.before, true);
  view.setUint32(20, head.next, true);
  view.setUint16(24, head.end ? FLAG_END : 0, true);
  view.setUint16(26, entries.length, true);
  entries.forEach(([block, page], i) => {
    const at = HEADER_BYTES + i * ENTRY_BYTES;
    view.setUint32(at, block % 2 ** 32, true);
    view.setUint32(at + 4, Math.floor(block / 2 ** 32), true);
    view.setUint32(at + 8, page, true);
  });
  view.setUint32(4, crc32(bytes.subarray(8)), true);
  return bytes;
}

/** Follows a chain from its first page as far as commits are whole. `readPage` gives null past the end of the file. */
export function readChain(generation: number, first: number, readPage: (page: number) => Uint8Array | null, onEntry: (block: number, page: number) => void): Chain {
  let chain = emptyChain(generation, first);
  let { next, checksum, sequence } = chain.tail;
  let pages: number[] = [], entries: Entry[] = [];
  for (;;) {
    const bytes = readPage(next);
    const view = bytes && new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES);
    const whole =
      view !== null && view.getUint32(0, true) === MAGIC && view.getUint32(8, true) === generation && view.getUint32(12, true) === sequence &&
      view.getUint32(16, true) === checksum && view.getUint16(26, true) <= ENTRIES_PER_PAGE && view.getUint32(4, true) === crc32((bytes as Uint8Array).subarray(8));
    if (!whole) return chain;
    pages.push(next);
    for (let i = 0; i < view.getUint16(26, true); i++) {
      const at = HEADER_BYTES + i * ENTRY_BYTES;
      entries.push([view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32, view.getUint32(at + 8, true)]);
    }
    checksum = view.getUint32(4, true);
    sequence++;
    next = view.getUint32(20, true);
    if ((view.getUint16(24, true) & FLAG_END) === 0) continue;
    for (const [block, page] of entries) onEntry(block, page);
    chain = { generation, tail: { next, checksum, sequence }, pages: [...chain.pages, ...pages] };
    pages = [];
    entries = [];
  }
}
