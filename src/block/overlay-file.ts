// An overlay that outlives the program: one file of 4 KiB pages. Pages 0 and 1 are superblocks, written in turn; the others hold
// blocks of the disk or the index (overlay-log.ts). A block that a commit names is never written over: new data go to free pages,
// `flush` adds a commit to the index, and only then are the old pages free. So the file shows, whenever the program or the machine
// under it dies, exactly the state of a flush: the last one that was acknowledged, or one that was under way.

import { crc32 } from "../base/crc32.ts";
import { ImageError } from "../base/errors.ts";
import { type BlockStore, OVERLAY_BLOCK_BYTES } from "./block-store.ts";
import { type Chain, commitPages, emptyChain, ENTRIES_PER_PAGE, PAGE_BYTES, readChain } from "./overlay-log.ts";

/** A file that is open for reading and writing at any place. `read` and `write` are whole or throw. */
export interface RandomFile {
  size(): number;
  read(at: number, into: Uint8Array): void;
  write(at: number, from: Uint8Array): void;
  truncate(size: number): void;
  /** Afterwards everything written is on the medium. */
  flush(): void;
  close(): void;
}

/** What the overlay belongs to. */
export interface OverlayKey {
  /** Hash of the image, as text of at most 128 characters. */
  readonly image: string;
  readonly diskBytes: number;
}

const MAGIC = "TSCOW\0\0\x01";
const KEY_OFFSET = 64;
const KEY_LIMIT = 128;
const FIRST_PAGE = 2;
/** The file grows by this many pages at a time, and as many as `LOG_RESERVE` are kept for the index: a full disk is met before a block is lost. */
const GROWTH_PAGES = 64;
const LOG_RESERVE = 8;
/** Index pages beyond twice what a fresh index would need, before it is written anew. */
const LOG_SLACK = 64;

interface Root {
  readonly generation: number;
  readonly live: number;
  readonly committed: number;
  readonly committedGeneration: number;
}

export class OverlayFile implements BlockStore {
  /** Called when the file cannot grow: from now on new blocks are kept in memory. Not again before all of them found room. */
  onFull: (error: unknown) => void = () => {};
  readonly #file: RandomFile;
  readonly #key: OverlayKey;
  #root: Root = { generation: 0, live: 0, committed: 0, committedGeneration: 0 };
  #chain: Chain = emptyChain(0, 0);
  /** Block to page: as the index on the medium says; as of the last commit point; written since the last flush. */
  #live = new Map<number, number>();
  #committed = new Map<number, number>();
  readonly #pending = new Map<number, number>();
  /** What did not fit into the file. */
  readonly #spilled = new Map<number, Uint8Array>();
  #committedPages: readonly number[] = [];
  #free: number[] = [];
  /** First page that was never used, and the page behind the end of the file. */
  #end = FIRST_PAGE;
  #capacity = FIRST_PAGE;
  #full = false;
  #told = false;

  /** Opens the file, or makes an empty overlay of an empty file. Throws ImageError where it belongs to another image or is damaged. */
  constructor(file: RandomFile, key: OverlayKey) {
    if (key.image.length > KEY_LIMIT) throw new RangeError("the key is too long");
    this.#file = file;
    this.#key = key;
    if (file.size() === 0) this.#format();
    else this.#open();
  }

  // ---- BlockStore

  get count(): number {
    let fresh = 0;
    for (const block of this.#pending.keys()) if (!this.#live.has(block)) fresh++;
    for (const block of this.#spilled.keys()) if (!this.#live.has(block) && !this.#pending.has(block)) fresh++;
    return this.#live.size + fresh;
  }

  has(block: number): boolean {
    return this.#live.has(block) || this.#pending.has(block) || this.#spilled.has(block);
  }

  read(block: number, within: number, into: Uint8Array): void {
    const spilled = this.#spilled.get(block);
    if (spilled) {
      into.set(spilled.subarray(within, within + into.length));
      return;
    }
    const page = this.#pending.get(block) ?? (this.#live.get(block) as number);
    this.#file.read(page * PAGE_BYTES + within, into);
  }

  write(block: number, bytes: Uint8Array): void {
    const spilled = this.#spilled.get(block);
    if (spilled) {
      spilled.set(bytes);
      return;
    }
    const page = this.#pending.get(block) ?? this.#dataPage();
    if (page !== null && this.#store(page, bytes)) this.#pending.set(block, page);
    else this.#spilled.set(block, bytes.slice());
  }

  blocks(): number[] {
    return [...new Set([...this.#live.keys(), ...this.#pending.keys(), ...this.#spilled.keys()])].sort((a, b) => a - b);
  }

  flush(): void {
    this.#unspill();
    if (this.#pending.size === 0) return;
    this.#file.flush();
    const { chain, writes } = commitPages(this.#chain, [...this.#pending], () => this.#page());
    for (const { page, bytes } of writes) this.#file.write(page * PAGE_BYTES, bytes);
    this.#file.flush();
    this.#chain = chain;
    const pinned = new Set(this.#committed.values());
    for (const [block, page] of this.#pending) {
      const old = this.#live.get(block);
      if (old !== undefined && !pinned.has(old)) this.#free.push(old);
      this.#live.set(block, page);
    }
    this.#pending.clear();
    if (chain.pages.length > 2 * Math.ceil(this.#live.size / ENTRIES_PER_PAGE) + LOG_SLACK) this.#compact();
  }

  /** Back to the last commit point, or to nothing. */
  discard(): void {
    this.#spilled.clear();
    this.#pending.clear();
    this.#full = false;
    this.#told = false;
    this.#rewrite(new Map(this.#committed), this.#committed, false);
  }

  // ---- beyond a store

  /** Bytes written since the last flush, and those of them that the file has no room for. */
  get unsavedBytes(): number {
    return (this.#pending.size + this.#spilled.size) * OVERLAY_BLOCK_BYTES;
  }
  get spilledBytes(): number {
    return this.#spilled.size * OVERLAY_BLOCK_BYTES;
  }
  /** Blocks that differ from the last commit point, in bytes. */
  get uncommittedBytes(): number {
    let differing = 0;
    for (const block of this.blocks()) if (this.#pending.has(block) || this.#spilled.has(block) || this.#committed.get(block) !== this.#live.get(block)) differing++;
    return differing * OVERLAY_BLOCK_BYTES;
  }
  /** What `discard` comes back to, in bytes. */
  get committedBytes(): number {
    return this.#committed.size * OVERLAY_BLOCK_BYTES;
  }

  /** What is there now is what `discard` will come back to. */
  commit(): void {
    this.flush();
    this.#rewrite(this.#live, this.#live, true);
  }

  /** Forgets everything, the commit point too. */
  clear(): void {
    this.#committed = new Map();
    this.discard();
    this.#rewrite(new Map(), new Map(), true);
    this.#shrink();
  }

  close(): void {
    this.#file.close();
  }

  // ---- pages

  /** For data: leaves the index its reserve. null: the file is full. */
  #dataPage(): number | null {
    if (this.#free.length + this.#capacity - this.#end > LOG_RESERVE || this.#grow()) return this.#page();
    return null;
  }

  #page(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    // What is beyond the reserve fails here, before anything that is committed is touched.
    if (this.#end >= this.#capacity && !this.#grow()) this.#capacity = this.#end + 1;
    return this.#end++;
  }

  #grow(): boolean {
    if (this.#full) return false;
    try {
      this.#file.truncate((this.#capacity + GROWTH_PAGES) * PAGE_BYTES);
    } catch (error) {
      this.#becomeFull(error);
      return false;
    }
    this.#capacity += GROWTH_PAGES;
    return true;
  }

  #becomeFull(error: unknown): void {
    this.#full = true;
    if (this.#told) return;
    this.#told = true;
    this.onFull(error);
  }

  #store(page: number, bytes: Uint8Array): boolean {
    try {
      this.#file.write(page * PAGE_BYTES, bytes);
      return true;
    } catch (error) {
      this.#becomeFull(error);
      return false;
    }
  }

  /** There may be room again. */
  #unspill(): void {
    if (this.#spilled.size === 0) return;
    this.#full = false;
    for (const [block, bytes] of this.#spilled) {
      const page = this.#pending.get(block) ?? this.#dataPage();
      if (page === null || !this.#store(page, bytes)) return;
      this.#pending.set(block, page);
      this.#spilled.delete(block);
    }
    this.#told = false;
  }

  // ---- index and superblocks

  /** Only saves room: without enough of it the index stays as long as it is. */
  #compact(): void {
    try {
      this.#rewrite(this.#live, this.#committed, false);
    } catch (error) {
      this.#becomeFull(error);
      this.#collect();
    }
  }

  /** Writes a fresh index of `live`; with `pin`, one of `committed` too, which becomes the commit point. */
  #rewrite(live: Map<number, number>, committed: Map<number, number>, pin: boolean): void {
    const generation = this.#root.generation + 1;
    const allocate = (): number => this.#page();
    const written = (entries: Map<number, number>): { chain: Chain; first: number } => {
      const first = allocate();
      const { chain, writes } = commitPages(emptyChain(generation, first), [...entries], allocate);
      for (const { page, bytes } of writes) this.#file.write(page * PAGE_BYTES, bytes);
      return { chain, first };
    };
    const fresh = written(live);
    const pinned = !pin ? null : committed.size > 0 ? written(committed) : undefined;
    this.#file.flush();
    this.#root = {
      generation, live: fresh.first,
      committed: pinned === null ? this.#root.committed : (pinned?.first ?? 0),
      committedGeneration: pinned === null ? this.#root.committedGeneration : generation,
    };
    this.#writeRoot();
    this.#chain = fresh.chain;
    if (pinned !== null) this.#committedPages = pinned ? [...pinned.chain.pages, pinned.chain.tail.next] : [];
    this.#live = new Map(live);
    this.#committed = new Map(committed);
    this.#collect();
  }

  #writeRoot(): void {
    const { generation, live, committed, committedGeneration } = this.#root;
    const bytes = new Uint8Array(PAGE_BYTES);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
    view.setUint32(12, generation, true);
    view.setFloat64(16, this.#key.diskBytes, true);
    view.setUint32(24, live, true);
    view.setUint32(28, committed, true);
    view.setUint32(32, committedGeneration, true);
    for (let i = 0; i < this.#key.image.length; i++) bytes[KEY_OFFSET + i] = this.#key.image.charCodeAt(i);
    view.setUint32(8, crc32(bytes.subarray(12)), true);
    this.#file.write((generation & 1) * PAGE_BYTES, bytes);
    this.#file.flush();
  }

  #format(): void {
    this.#file.truncate(FIRST_PAGE * PAGE_BYTES);
    this.#rewrite(new Map(), new Map(), true);
  }

  #open(): void {
    const pages = Math.floor(this.#file.size() / PAGE_BYTES);
    const read = (page: number): Uint8Array | null => {
      if (page < 0 || page >= pages) return null;
      const bytes = new Uint8Array(PAGE_BYTES);
      this.#file.read(page * PAGE_BYTES, bytes);
      return bytes;
    };
    const roots = [0, 1].flatMap((page) => readRoot(read(page)) ?? []).sort((a, b) => b.root.generation - a.root.generation);
    const [newest] = roots;
    if (!newest) {
      // An empty overlay that was cut off while it was made holds nothing.
      if (this.#isBlank()) return this.#format();
      throw new ImageError("The overlay is damaged: neither of its superblocks can be read. Delete it to start from the image again.");
    }
    if (newest.image !== this.#key.image || newest.diskBytes !== this.#key.diskBytes) {
      throw new ImageError("The overlay belongs to another image. Give the image that it was made for, or another file for the overlay.");
    }
    this.#root = newest.root;
    this.#capacity = pages;
    const { live, generation, committed, committedGeneration } = newest.root;
    const inside = (page: number): boolean => page >= FIRST_PAGE && page < pages;
    this.#chain = readChain(generation, live, read, (block, page) => inside(page) && this.#live.set(block, page));
    if (committed !== 0) {
      const chain = readChain(committedGeneration, committed, read, (block, page) => inside(page) && this.#committed.set(block, page));
      this.#committedPages = [...chain.pages, chain.tail.next];
    }
    this.#collect();
  }

  /** Nothing of another file may be taken for an overlay that was just being made. */
  #isBlank(): boolean {
    const size = this.#file.size();
    if (size > (FIRST_PAGE + GROWTH_PAGES) * PAGE_BYTES) return false;
    const start = new Uint8Array(Math.min(size, FIRST_PAGE * PAGE_BYTES));
    this.#file.read(0, start);
    return start.every((byte) => byte === 0);
  }

  /** Everything that neither index names is free. */
  #collect(): void {
    const used = new Set([...this.#live.values(), ...this.#committed.values(), ...this.#pending.values(), ...this.#chain.pages, this.#chain.tail.next, ...this.#committedPages]);
    let end = FIRST_PAGE;
    for (const page of used) end = Math.max(end, page + 1);
    this.#end = end;
    this.#capacity = Math.max(this.#capacity, end);
    this.#free = [];
    for (let page = end - 1; page >= FIRST_PAGE; page--) if (!used.has(page)) this.#free.push(page);
  }

  #shrink(): void {
    this.#file.truncate(this.#end * PAGE_BYTES);
    this.#capacity = this.#end;
  }
}

function readRoot(bytes: Uint8Array | null): { root: Root; image: string; diskBytes: number } | null {
  if (!bytes || !isMagic(bytes)) return null;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(8, true) !== crc32(bytes.subarray(12))) return null;
  const end = bytes.indexOf(0, KEY_OFFSET);
  return {
    root: { generation: view.getUint32(12, true), live: view.getUint32(24, true), committed: view.getUint32(28, true), committedGeneration: view.getUint32(32, true) },
    image: String.fromCharCode(...bytes.subarray(KEY_OFFSET, Math.min(end < 0 ? KEY_OFFSET + KEY_LIMIT : end, KEY_OFFSET + KEY_LIMIT))),
    diskBytes: view.getFloat64(16, true),
  };
}

function isMagic(bytes: Uint8Array): boolean {
  return [...MAGIC].every((character, i) => bytes[i] === character.charCodeAt(0));
}
