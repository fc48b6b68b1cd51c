// How the shadow follows the guest's page tables.
//   drop-all  as the TLB does: what the guest flushes goes, and is filled again as it is missed. Nothing is watched.
//   cached    each CR3 keeps its shadow. The tables that it came from are watched, so that a store to them leaves and takes out what
//             it changed; a flush finds everything as it should be.
//   unsync    cached; but a table of 4 KB pages may be written freely after its first store, until the guest flushes: then
//             it is compared with what it was and watched again (KVM, 2008).
//   batch     cached; and after a store to a table the monitor goes on for the guest until the stores to tables have ended: one exit
//             for all of them.

import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE } from "../../cpu/control-bits.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import { readPhysical32 } from "../../cpu/physical-space.ts";
import { CR0, CR3, CR4, PDPTE } from "../../isa/state-layout.ts";
import type { ShadowMode } from "../../protocol/technique.ts";
import { PAGE_BYTES } from "../pool.ts";
import type { ShadowPaging } from "./paging.ts";
import { TableTraces } from "./table-traces.ts";

/** What decides how entries are read. */
const CR0_PAGING = CR0_PG | CR0_WP, CR4_PAGING = CR4_PSE | CR4_PAE | CR4_PGE;
const PDE_PS = 0x80, ENTRY_ADDRESS = 0xffff_f000;
const TWO_MB = 1 << 21, FOUR_MB = 1 << 22;
/** Instructions without a store to a table after which a batch has ended. */
const BATCH_QUIET = 32;

/** What the technique does for a page that becomes a table, or is none any more. */
export interface TableWatch {
  watch(physicalPage: number): void;
  release(physicalPage: number): void;
  /** Physical page behind A20, -1 where there is no memory. */
  resolve(page: number): number;
  /** Instructions of the guest so far. */
  retired(): number;
}

export class GuestTables {
  readonly mode: ShadowMode;
  private readonly cpu: Cpu;
  private readonly paging: ShadowPaging;
  private readonly watcher: TableWatch;
  private readonly traces: TableTraces;
  /** Tables out of step, with what they held when they were watched last. */
  private readonly loose = new Map<number, Int32Array>();
  private pagingBits = 0;
  private flushPending = false;
  private lastStore = -1;
  private readonly counts = { tableStores: 0, synchronised: 0, shadowsFound: 0 };

  constructor(cpu: Cpu, paging: ShadowPaging, mode: ShadowMode, watcher: TableWatch) {
    this.cpu = cpu;
    this.paging = paging;
    this.mode = mode;
    this.watcher = watcher;
    this.traces = new TableTraces((space, linear, bytes) => paging.takeOut(space, linear, bytes));
  }

  private get follows(): boolean {
    return this.mode !== "drop-all";
  }

  isTraced(page: number): boolean {
    return this.traces.has(page) && !this.loose.has(page);
  }

  /** The guest flushed the page of `linear`, or all. */
  flushed(linear: number | null): void {
    if (linear !== null) this.paging.drop(linear);
    else if (this.follows) this.flushPending = true;
    else this.paging.dropAll();
  }

  /** What physical addresses mean has changed. */
  dropEverything(): void {
    this.forgetTraces();
    this.paging.dropEverything();
  }

  /** The technique lets go of the guest. */
  forgetTraces(): void {
    this.loose.clear();
    for (const page of this.traces.clear()) this.watcher.release(page);
  }

  /** Before the guest runs: the shadow of its present CR3, in step with its tables. */
  settle(): void {
    if (!this.flushPending) return;
    this.flushPending = false;
    const v = this.cpu.v.context;
    const cr0 = v.get(CR0), cr4 = v.get(CR4), bits = (cr0 & CR0_PAGING) ^ (cr4 & CR4_PAGING);
    if (bits !== this.pagingBits) {
      this.pagingBits = bits;
      this.forgetTraces();
      this.paging.dropAll();
    }
    if ((cr0 & CR0_PG) === 0) return;
    this.synchronise();
    const found = this.paging.useContext(this.contextKey(cr4), (spaces) => {
      for (const page of this.traces.forget(spaces)) {
        this.loose.delete(page);
        this.watcher.release(page);
      }
    });
    if (found) this.counts.shadowsFound++;
  }

  /** CR3; with PAE the four entries that it latched. */
  private contextKey(cr4: number): string {
    const v = this.cpu.v.context;
    if ((cr4 & CR4_PAE) === 0) return `${v.get(CR3) & ENTRY_ADDRESS}`;
    return [0, 1, 2, 3].map((index) => v.getAt(PDPTE, index * 2)).join();
  }

  /** Tables that were written freely are as the shadow has them again, and watched. */
  private synchronise(): void {
    for (const [page, before] of this.loose) {
      this.loose.delete(page);
      this.counts.synchronised++;
      const now = this.words(page);
      for (let i = 0; i < before.length; i++) if (now[i] !== before[i]) this.traces.written(page, i * 4, i * 4 + 4);
      if (this.traces.has(page)) this.watcher.watch(page);
      else this.watcher.release(page);
    }
  }

  private words(page: number): Int32Array {
    const word = this.cpu.v.physical.hostPage(page) >> 2;
    return this.cpu.state.i32.slice(word, word + PAGE_BYTES / 4);
  }

  /** The shadow gets an entry for `linear`: the tables that the guest's walk went through are watched from now on. */
  noteWalk(linear: number): void {
    if (!this.follows) return;
    const v = this.cpu.v.context;
    const cr4 = v.get(CR4);
    if (cr4 & CR4_PAE) {
      const third = linear & 0xc000_0000, directory = v.getAt(PDPTE, (linear >>> 30) * 2);
      this.noteLevels(directory, linear, third, TWO_MB, 8, true);
    } else {
      this.noteLevels(v.get(CR3), linear, 0, FOUR_MB, 4, (cr4 & CR4_PSE) !== 0);
    }
  }

  /** A directory whose entry 0 maps `base`, and the table that its entry for `linear` names. */
  private noteLevels(directory: number, linear: number, base: number, span: number, entryBytes: number, mayBeLarge: boolean): void {
    this.note((directory & ENTRY_ADDRESS) >>> 12, base, span, entryBytes);
    const at = (directory & ENTRY_ADDRESS) + (((linear - base) >>> 0) / span | 0) * entryBytes;
    const entry = readPhysical32(this.cpu.state, this.cpu.v.physical, at >>> 0);
    if (mayBeLarge && entry & PDE_PS) return;
    this.note((entry & ENTRY_ADDRESS) >>> 12, linear & -span, PAGE_BYTES, entryBytes);
  }

  private note(driven: number, linear: number, span: number, entryBytes: number): void {
    const page = this.watcher.resolve(driven);
    if (page < 0) return;
    const { current: spaces } = this.paging;
    if (this.loose.has(page) && span !== PAGE_BYTES) this.synchronise();
    if (this.traces.note(page, { spaces, linear, span, entryBytes })) this.watcher.watch(page);
  }

  /** Bytes [from, to) of a page changed. */
  written(page: number, from: number, to: number): void {
    if (!this.isTraced(page)) return;
    this.counts.tableStores++;
    this.lastStore = this.watcher.retired();
    if (this.traces.written(page, from, to)) this.watcher.release(page);
  }

  /** The guest is about to store into a page: a table of the lowest level may get out of step until the guest flushes. */
  loosen(page: number): void {
    if (this.mode !== "unsync" || !this.isTraced(page) || !this.traces.isLeaf(page)) return;
    this.loose.set(page, this.words(page));
    this.watcher.release(page);
  }

  get statistics(): Readonly<Record<string, number>> {
    return this.follows ? { ...this.counts } : {};
  }

  /** The monitor is to go on for the guest: stores to tables come in a row. */
  get inBatch(): boolean {
    return this.mode === "batch" && this.lastStore >= 0 && this.watcher.retired() - this.lastStore <= BATCH_QUIET;
  }
}
