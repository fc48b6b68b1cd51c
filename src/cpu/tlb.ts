// Translation look-aside buffers of one context: flat tables in the shared memory that generated code indexes by linear page.
// SDM Vol. 3A, "Translation Lookaside Buffers (TLBs)". Instructions and data are kept apart as on P6.
//
// Data entry e of linear page p: host address of linear a is a + e (mod 2^32), low 12 bits 0; 0xFFF: invalid.
// Code entry: physical page address | TLB_CODE_*; 0: invalid.
// Journals name the filled pages, so that a flush touches only those. Pages marked G have their own journals: a write to CR3 leaves them alone.

import { BESIDE_FROM, BESIDE_HOST, BESIDE_PAGE, BESIDE_TO } from "../isa/state-layout.ts";
import type { CpuState } from "./state.ts";

/** Wasm byte addresses of the tables, 4 MB each. */
export interface TlbTables {
  readonly readSupervisor: number;
  readonly writeSupervisor: number;
  readonly readUser: number;
  readonly writeUser: number;
  readonly code: number;
}

export const TLB_INVALID = 0xfff;
export const TLB_CODE_VALID = 1, TLB_CODE_USER = 2, TLB_CODE_GLOBAL = 4;
const PAGES = 1 << 20;
const JOURNAL_PAGES = 1 << 15;

/** Properties of a translation, as the page walk finds them. */
export const PAGE_WRITABLE = 1; // a write by this privilege needs no further walk: permitted and dirty
export const PAGE_USER = 2;
export const PAGE_GLOBAL = 4;
export const PAGE_LARGE_2M = 8;
export const PAGE_LARGE_4M = 16;
export const PAGE_RIGHTS_W = 32; // the R/W bit is set at every level; with CR0.WP = 0 a supervisor may write without it

class FlatTable {
  readonly #i32: Int32Array;
  readonly #word: number;
  readonly #invalid: number;
  readonly #pages = [new Uint32Array(JOURNAL_PAGES), new Uint32Array(JOURNAL_PAGES)] as const;
  readonly #count = [0, 0];

  constructor(state: CpuState, address: number, invalid: number) {
    this.#i32 = state.i32;
    this.#word = address >> 2;
    this.#invalid = invalid;
  }

  /** Before the first entry. The machine's memory begins as zeros, and pages of it that nobody writes take no room. */
  prepare(): void {
    if (this.#invalid !== 0) this.#i32.fill(this.#invalid, this.#word, this.#word + PAGES);
  }

  get(page: number): number {
    return this.#i32[this.#word + page];
  }

  set(page: number, entry: number, global: number): void {
    // Losing entries is always allowed, so a full journal simply starts again.
    if (this.#count[global] === JOURNAL_PAGES) this.flush(global);
    this.#pages[global][this.#count[global]++] = page;
    this.#i32[this.#word + page] = entry;
  }

  drop(page: number): void {
    this.#i32[this.#word + page] = this.#invalid;
  }

  /** Pages that have an entry now. */
  filled(): Set<number> {
    const pages = new Set<number>();
    for (let global = 0; global < 2; global++) {
      for (let i = 0; i < this.#count[global]!; i++) if (this.get(this.#pages[global]![i]!) !== this.#invalid) pages.add(this.#pages[global]![i]!);
    }
    return pages;
  }

  /** Drops every page of one journal: 0 local, 1 global. */
  flush(global: number): void {
    const pages = this.#pages[global], count = this.#count[global];
    for (let i = 0; i < count; i++) this.#i32[this.#word + pages[i]] = this.#invalid;
    this.#count[global] = 0;
  }

  dropHost(hostPage: number): void {
    for (let global = 0; global < 2; global++) {
      const pages = this.#pages[global], count = this.#count[global];
      for (let i = 0; i < count; i++) {
        const page = pages[i];
        if (this.#i32[this.#word + page] === ((hostPage - (page << 12)) | 0)) this.drop(page);
      }
    }
  }
}

export type TlbRight = "supervisor read" | "supervisor write" | "user read" | "user write" | "execute";

/** What the buffers hold for one linear page: where in the host's memory its data is, or -1; its physical page for code, or -1. */
export interface HeldPage {
  readonly page: number;
  readonly host: number;
  readonly physicalPage: number;
  readonly rights: readonly TlbRight[];
  readonly global: boolean;
}

/** Which pages a TLB of few entries holds: sets of four ways, replaced in turn. */
class Residents {
  readonly #pages: Int32Array;
  readonly #next: Uint8Array;

  constructor(entries: number) {
    this.#pages = new Int32Array(entries).fill(-1);
    this.#next = new Uint8Array(entries / WAYS);
  }

  /** `page` comes in. The page that goes for it, -1: none. */
  admit(page: number): number {
    const set = page & (this.#next.length - 1), first = set * WAYS;
    for (let way = 0; way < WAYS; way++) if (this.#pages[first + way] === page) return -1;
    const at = first + this.#next[set]!;
    this.#next[set] = (this.#next[set]! + 1) % WAYS;
    const victim = this.#pages[at]!;
    this.#pages[at] = page;
    return victim;
  }
}
const WAYS = 4;
/** Entries for 4 KB pages. P6 Family Developer's Manual; Optimization Reference Manual, "TLB". */
const P6_CODE_ENTRIES = 32, P6_DATA_ENTRIES = 64;

/** Direct-mapped memory of translations that must not enter the tables: devices, pages that hold code or a breakpoint. */
const SLOW_SLOTS = 256;

export class Tlb {
  readonly tables: TlbTables;
  /** Counts the flushes. */
  flushes = 0;
  /** Called after every flush, for caches keyed by linear address: with the address that INVLPG named, or null for all. */
  readonly onFlush: ((linear: number | null) => void)[] = [];
  readonly #state: CpuState;
  readonly #dirtyPages: Uint8Array;
  readonly #readSupervisor: FlatTable;
  readonly #writeSupervisor: FlatTable;
  readonly #readUser: FlatTable;
  readonly #writeUser: FlatTable;
  readonly #code: FlatTable;
  readonly #slowTag = new Int32Array(SLOW_SLOTS).fill(-1);
  readonly #slowPage = new Int32Array(SLOW_SLOTS);
  readonly #slowFlags = new Uint8Array(SLOW_SLOTS);
  /** Size of large pages seen in each 2 MB of linear space: PAGE_LARGE_*. */
  readonly #large = new Uint8Array(2048);
  #hasLarge = false;
  #slowUsed = false;
  #prepared = false;
  /** Null: as many entries as there are pages. */
  #codeResidents: Residents | null = null;
  #dataResidents: Residents | null = null;

  constructor(state: CpuState, tables: TlbTables) {
    this.tables = tables;
    this.#state = state;
    this.#dirtyPages = state.dirtyPages;
    this.#readSupervisor = new FlatTable(state, tables.readSupervisor, TLB_INVALID);
    this.#writeSupervisor = new FlatTable(state, tables.writeSupervisor, TLB_INVALID);
    this.#readUser = new FlatTable(state, tables.readUser, TLB_INVALID);
    this.#writeUser = new FlatTable(state, tables.writeUser, TLB_INVALID);
    this.#code = new FlatTable(state, tables.code, 0);
  }

  /** Fills the tables with invalid entries; before the context runs for the first time (it touches 16 MB). */
  prepare(): void {
    if (this.#prepared) return;
    this.#prepared = true;
    for (const table of [this.#readSupervisor, this.#writeSupervisor, this.#readUser, this.#writeUser, this.#code]) table.prepare();
  }

  /** As few entries as a P6 has, or no bound. Call while it is empty. */
  set likeP6(bounded: boolean) {
    this.#codeResidents = bounded ? new Residents(P6_CODE_ENTRIES) : null;
    this.#dataResidents = bounded ? new Residents(P6_DATA_ENTRIES) : null;
  }

  #admitData(page: number): void {
    const victim = this.#dataResidents?.admit(page) ?? -1;
    if (victim < 0) return;
    this.dropData(victim << 12);
    this.#forgetSlow();
  }

  fillRead(page: number, hostPage: number, user: boolean, flags: number): void {
    if (this.#dataResidents !== null) this.#admitData(page);
    this.#noteLarge(page, flags);
    (user ? this.#readUser : this.#readSupervisor).set(page, (hostPage - (page << 12)) | 0, flags & PAGE_GLOBAL ? 1 : 0);
  }

  fillWrite(page: number, hostPage: number, user: boolean, flags: number): void {
    this.#dirtyPages[hostPage >>> 12] = 1;
    if (this.#dataResidents !== null) this.#admitData(page);
    this.#noteLarge(page, flags);
    (user ? this.#writeUser : this.#writeSupervisor).set(page, (hostPage - (page << 12)) | 0, flags & PAGE_GLOBAL ? 1 : 0);
  }

  /** Returns the entry. */
  fillCode(page: number, physicalPage: number, flags: number): number {
    const victim = this.#codeResidents?.admit(page) ?? -1;
    if (victim >= 0) this.#code.drop(victim);
    this.#noteLarge(page, flags);
    const entry = (physicalPage << 12) | TLB_CODE_VALID | (flags & PAGE_USER ? TLB_CODE_USER : 0) | (flags & PAGE_GLOBAL ? TLB_CODE_GLOBAL : 0);
    this.#code.set(page, entry, flags & PAGE_GLOBAL ? 1 : 0);
    return entry;
  }

  /** Everything that is held, by linear page. What the flat tables cannot hold is not in it. */
  entries(): HeldPage[] {
    const held = new Map<number, { page: number; host: number; physicalPage: number; rights: TlbRight[]; global: boolean }>();
    const at = (page: number) => {
      const known = held.get(page);
      if (known) return known;
      const fresh = { page, host: -1, physicalPage: -1, rights: [], global: false };
      held.set(page, fresh);
      return fresh;
    };
    const data: readonly (readonly [FlatTable, TlbRight])[] = [
      [this.#readSupervisor, "supervisor read"], [this.#writeSupervisor, "supervisor write"], [this.#readUser, "user read"], [this.#writeUser, "user write"],
    ];
    for (const [table, right] of data) {
      for (const page of table.filled()) {
        const entry = at(page);
        entry.host = (table.get(page) + (page << 12)) >>> 0;
        entry.rights.push(right);
      }
    }
    for (const page of this.#code.filled()) {
      const entry = at(page), code = this.#code.get(page);
      entry.physicalPage = code >>> 12;
      entry.global = (code & TLB_CODE_GLOBAL) !== 0;
      entry.rights.push("execute");
    }
    return [...held.values()].sort((a, b) => a.page - b.page);
  }

  /** Entry of the instruction TLB, 0 where there is none. */
  code(page: number): number {
    return this.#code.get(page);
  }

  /** Keeps a translation that the tables cannot hold. `kind`: bit 0 write, bit 1 user. */
  remember(page: number, kind: number, physicalPage: number, flags: number): void {
    if (this.#dataResidents !== null) this.#admitData(page);
    const slot = (page * 4 + kind) & (SLOW_SLOTS - 1);
    this.#noteLarge(page, flags);
    this.#slowTag[slot] = page * 4 + kind;
    this.#slowPage[slot] = physicalPage;
    this.#slowFlags[slot] = flags;
    this.#slowUsed = true;
  }

  /** Physical page of a remembered translation, or -1; its properties are `recalledFlags`. */
  recall(page: number, kind: number): number {
    const slot = (page * 4 + kind) & (SLOW_SLOTS - 1);
    if (this.#slowTag[slot] !== page * 4 + kind) return -1;
    this.recalledFlags = this.#slowFlags[slot];
    return this.#slowPage[slot];
  }
  recalledFlags = 0;

  /**
   * Supervisor stores of translated code to `page` need not leave but for those to offsets [from, to), which are watched: one page at a
   * time, until anything else is done to the TLB.
   */
  openBeside(page: number, hostPage: number, from: number, to: number): void {
    this.#dirtyPages[hostPage >>> 12] = 1;
    this.#state.write(BESIDE_HOST, (hostPage - (page << 12)) | 0);
    this.#state.write(BESIDE_FROM, from);
    this.#state.write(BESIDE_TO, to);
    this.#state.write(BESIDE_PAGE, (page << 12) | 1);
  }

  closeBeside(): void {
    this.#state.write(BESIDE_PAGE, 0);
  }

  /** Host address for such a store, -1 where it has to leave. */
  hostBeside(linear: number, bytes: number): number {
    const { i32 } = this.#state;
    if (i32[BESIDE_PAGE.offset >> 2] !== ((linear & ~0xfff) | 1)) return -1;
    const first = linear & 0xfff, end = first + bytes;
    if (end > 0x1000 || (end > i32[BESIDE_FROM.offset >> 2] && first < i32[BESIDE_TO.offset >> 2])) return -1;
    return (linear + i32[BESIDE_HOST.offset >> 2]) >>> 0;
  }

  /** INVLPG: the page that holds `linear`, whole where it is a large one, global or not. */
  flushPage(linear: number): void {
    const page = linear >>> 12;
    const large = this.#large[linear >>> 21];
    if (large === 0) {
      this.#dropPage(page);
    } else {
      const pages = large & PAGE_LARGE_4M ? 1024 : 512;
      const first = page & ~(pages - 1);
      for (let i = 0; i < pages; i++) this.#dropPage(first + i);
    }
    this.#forgetSlow();
    this.#notify(linear);
  }

  /** MOV CR3 with CR4.PGE. */
  flushNonGlobal(): void {
    this.#flushTables(0);
    this.#forgetSlow();
    this.#notify(null);
  }

  flushAll(): void {
    this.#flushTables(0);
    this.#flushTables(1);
    this.#forgetSlow();
    if (this.#hasLarge) this.#large.fill(0);
    this.#hasLarge = false;
    this.#notify(null);
  }

  /** Data entries of CPL 3: while alignment is checked, every access there takes the slow path. */
  flushUserData(): void {
    this.closeBeside();
    for (let global = 0; global < 2; global++) {
      this.#readUser.flush(global);
      this.#writeUser.flush(global);
    }
  }

  /** Data entries of one linear page: a breakpoint lies there now. */
  dropData(linear: number): void {
    const page = linear >>> 12;
    this.closeBeside();
    this.#readSupervisor.drop(page);
    this.#writeSupervisor.drop(page);
    this.#readUser.drop(page);
    this.#writeUser.drop(page);
  }

  /** The page at this wasm address holds decoded code now: stores to it must take the slow path. */
  dropWrite(hostPage: number): void {
    const { i32 } = this.#state;
    if (((i32[BESIDE_PAGE.offset >> 2] & ~1) + i32[BESIDE_HOST.offset >> 2]) >>> 0 === hostPage) this.closeBeside();
    this.#writeSupervisor.dropHost(hostPage);
    this.#writeUser.dropHost(hostPage);
  }

  /** Loads from the page at this wasm address are watched now. */
  dropRead(hostPage: number): void {
    this.#readSupervisor.dropHost(hostPage);
    this.#readUser.dropHost(hostPage);
  }

  #dropPage(page: number): void {
    this.dropData(page << 12);
    this.#code.drop(page);
  }

  #flushTables(global: number): void {
    this.#readSupervisor.flush(global);
    this.#writeSupervisor.flush(global);
    this.#readUser.flush(global);
    this.#writeUser.flush(global);
    this.#code.flush(global);
  }

  #noteLarge(page: number, flags: number): void {
    const size = flags & (PAGE_LARGE_2M | PAGE_LARGE_4M);
    if (size === 0) return;
    this.#hasLarge = true;
    const region = page >>> 9;
    this.#large[region] = size;
    if (size === PAGE_LARGE_4M) this.#large[region ^ 1] = size;
  }

  #forgetSlow(): void {
    if (!this.#slowUsed) return;
    this.#slowTag.fill(-1);
    this.#slowUsed = false;
  }

  #notify(linear: number | null): void {
    this.flushes++;
    this.closeBeside();
    for (const listener of this.onFlush) listener(linear);
  }
}
