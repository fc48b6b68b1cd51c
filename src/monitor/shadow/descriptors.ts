// Shadow descriptor tables: the GDT and LDT that the silicon reads while the guest runs.
//
// Each is built from the guest's table in two variants, by the guest's privilege: for its kernel, descriptors of DPL 0
// become DPL 1 or 3 (where the kernel really runs) and, at ring 1, limits end below the monitor's window; for its user
// code they stay as they are. Not present, so that their use leaves to the monitor: gates, TSS and LDT descriptors; code of
// rings 1 and 2; segments that the guest has never loaded, until the monitor has set their accessed bit in the guest's table.
//
// The guest's tables are watched: what it stores there reaches the shadow before it runs on.

import type { Cpu } from "../../cpu/cpu.ts";
import { baseOf, dplOf, accessOf, isCode, isConformingCode, limitOf } from "../../cpu/protection.ts";
import type { Context } from "../../cpu/state.ts";
import { ACCESS_UNUSABLE, GDTR_BASE, GDTR_LIMIT, LDTR } from "../../isa/state-layout.ts";
import { GDT_KERNEL_PAGE, GDT_USER_PAGE, LDT_KERNEL_PAGE, LDT_USER_PAGE, type MonitorPool } from "../pool.ts";
import { DescriptorTable, type Span } from "./descriptor-table.ts";
import { KERNEL, type Role, USER } from "./paging.ts";

const HIGH_A = 1 << 8, HIGH_EXPAND_DOWN = 1 << 10, HIGH_CODE = 1 << 11, HIGH_S = 1 << 12, HIGH_DPL_SHIFT = 13, HIGH_P = 1 << 15, HIGH_G = 1 << 23;
const HIGH_LIMIT = 0x000f_0000;
/** The monitor's code segment, TSS and LDT. */
const MONITOR_SLOTS = 3;

export interface TablePolicy {
  /** Ring of the guest's kernel. */
  readonly ring: 1 | 3;
  /** Code segments of user privilege are absent while the kernel runs, so that IRET to them leaves ("tricks"). */
  readonly hideUserCode: boolean;
}

/** A table with its two shadows in the pool. */
class ShadowTable {
  readonly guest: DescriptorTable;
  private readonly pool: MonitorPool;
  private readonly pages: readonly [number, number];
  /** Entries [0, written) of the shadows may be other than 0. */
  written = 0;

  constructor(cpu: Cpu, pool: MonitorPool, kernelPage: number, userPage: number) {
    this.guest = new DescriptorTable(cpu);
    this.pool = pool;
    this.pages = [kernelPage, userPage];
  }

  page(role: Role): number {
    return this.pages[role];
  }

  write(role: Role, index: number, low: number, high: number): void {
    const word = this.word(role, index);
    this.pool.i32[word] = low;
    this.pool.i32[word + 1] = high;
  }

  low(role: Role, index: number): number {
    return this.pool.i32[this.word(role, index)]!;
  }

  high(role: Role, index: number): number {
    return this.pool.i32[this.word(role, index) + 1]!;
  }

  private word(role: Role, index: number): number {
    return (this.pool.address(this.pages[role]) >> 2) + index * 2;
  }
}

export class ShadowDescriptors {
  private readonly policy: TablePolicy;
  private readonly gdt: ShadowTable;
  private readonly ldt: ShadowTable;
  /** Grows with every change of a guest descriptor or of a shadow: what was compared with them is void. */
  version = 0;
  /** Physical pages of the guest's tables: stores to them are watched. */
  readonly watched = new Set<number>();
  /** Called for a page that is watched from now on, or no longer. */
  private readonly onWatch: (physicalPage: number, watched: boolean) => void;
  /** The monitor's own descriptors, in slots that the guest does not use. */
  codeSlot = 0;
  tssSlot = 0;
  ldtSlot = 0;
  private tssBase = 0;
  private tssLimit = 0;
  private windowBase = 0;

  constructor(cpu: Cpu, pool: MonitorPool, policy: TablePolicy, onWatch: (physicalPage: number, watched: boolean) => void) {
    this.policy = policy;
    this.onWatch = onWatch;
    this.gdt = new ShadowTable(cpu, pool, GDT_KERNEL_PAGE, GDT_USER_PAGE);
    this.ldt = new ShadowTable(cpu, pool, LDT_KERNEL_PAGE, LDT_USER_PAGE);
    this.placeMonitor();
  }

  /** Linear places of the monitor's window and TSS. */
  setWindow(windowBase: number, tssBase: number, tssLimit: number): void {
    if (this.windowBase === windowBase && this.tssLimit === tssLimit) return;
    this.windowBase = windowBase;
    this.tssBase = tssBase;
    this.tssLimit = tssLimit;
    for (const table of [this.gdt, this.ldt]) this.derive(table, 0, table.guest.count);
    this.placeMonitor();
  }

  /** GDTR or LDTR are not what `follow` saw last. */
  moved(v: Context, tables: boolean): boolean {
    return (
      !this.gdt.guest.isAt(tables ? v.get(GDTR_BASE) : 0, tables ? v.get(GDTR_LIMIT) & 0xffff : -1) ||
      !this.ldt.guest.isAt(ldtBase(v, tables), ldtLimit(v, tables))
    );
  }

  /**
   * Follows GDTR, LDTR and the guest's paging. `tables`: the guest uses them (protected mode, V86 tasks). V is the active
   * context. False: the guest's GDT has no room for the monitor's own descriptors.
   */
  follow(v: Context, tables: boolean): boolean {
    const changedGdt = this.followTable(this.gdt, tables ? v.get(GDTR_BASE) : 0, tables ? v.get(GDTR_LIMIT) & 0xffff : -1);
    const changedLdt = this.followTable(this.ldt, ldtBase(v, tables), ldtLimit(v, tables));
    if (!changedGdt && !changedLdt) return true;
    this.watchPages();
    return !changedGdt || this.placeMonitor();
  }

  private followTable(table: ShadowTable, base: number, limit: number): boolean {
    const { guest } = table;
    const other = guest.moveTo(base, limit);
    if (!guest.locate() && !other) return false;
    guest.read(0, guest.count);
    this.derive(table, 0, guest.count);
    for (let index = guest.count; index < table.written; index++) this.clear(table, index);
    table.written = guest.count;
    return true;
  }

  private watchPages(): void {
    const now = new Set<number>();
    for (const table of [this.gdt, this.ldt]) for (const page of table.guest.pages) if (page >= 0) now.add(page);
    for (const page of this.watched) if (!now.has(page)) this.unwatch(page);
    for (const page of now) {
      if (this.watched.has(page)) continue;
      this.watched.add(page);
      this.onWatch(page, true);
    }
  }

  private unwatch(page: number): void {
    this.watched.delete(page);
    this.onWatch(page, false);
  }

  /** Offsets [from, to) between which all that is watched in a page lies. */
  watchedIn(physicalPage: number): { readonly from: number; readonly to: number } {
    const gdt = this.gdt.guest.bytesIn(physicalPage), ldt = this.ldt.guest.bytesIn(physicalPage);
    return { from: Math.min(gdt.from, ldt.from), to: Math.max(gdt.to, ldt.to) };
  }

  /** The monitor goes away. */
  release(): void {
    for (const page of [...this.watched]) this.unwatch(page);
  }

  /** Bytes [from, to) of a watched page changed. False: no room for the monitor's descriptors is left. */
  written(physicalPage: number, from: number, to: number): boolean {
    let roomy = true;
    for (const table of [this.gdt, this.ldt]) {
      const span: Span = table.guest.spanOf(physicalPage, from, to);
      if (span.first >= span.end) continue;
      table.guest.read(span.first, span.end);
      this.derive(table, span.first, span.end);
      if (table === this.gdt) roomy = this.placeMonitor();
    }
    return roomy;
  }

  /** Builds both shadows of entries [first, end). */
  private derive(table: ShadowTable, first: number, end: number): void {
    const { words } = table.guest;
    for (let index = first; index < end; index++) {
      if (index === 0 && table === this.gdt) continue;
      const low = words[index * 2]!, high = presentIfLoadable(words[index * 2 + 1]!);
      table.write(USER, index, low, high);
      this.deriveForKernel(table, index, low, high);
    }
    this.version++;
  }

  private deriveForKernel(table: ShadowTable, index: number, low: number, high: number): void {
    if ((high & HIGH_P) === 0) {
      table.write(KERNEL, index, low, high);
      return;
    }
    const { ring } = this.policy;
    const access = accessOf(high), dpl = dplOf(access);
    if (isCode(access)) {
      // Conforming code runs at any CPL from its DPL up: the kernel's real ring too.
      const conforming = isConformingCode(access);
      if ((dpl === 3 && this.policy.hideUserCode) || (!conforming && (dpl === 1 || dpl === 2))) high &= ~HIGH_P;
      else if (dpl === 0 && !conforming) high |= ring << HIGH_DPL_SHIFT;
    } else if (dpl === 0) {
      high |= ring << HIGH_DPL_SHIFT;
    } else if (dpl === 1) {
      // One above the kernel's real ring: data that it may load, and no stack for it, as with DPL 1 at ring 0.
      high = (high & ~(3 << HIGH_DPL_SHIFT)) | ((ring === 1 ? 2 : 3) << HIGH_DPL_SHIFT);
    } else if (ring === 3) {
      high |= 3 << HIGH_DPL_SHIFT;
    }
    if (ring === 1) this.writeCut(table, index, low, high);
    else table.write(KERNEL, index, low, high);
  }

  /** Ends an expand-up segment below the window; one that begins beyond it, or grows down, is not present. */
  private writeCut(table: ShadowTable, index: number, low: number, high: number): void {
    const end = this.windowBase >>> 0, start = baseOf(low, high) >>> 0;
    const growsDown = (high & (HIGH_S | HIGH_CODE | HIGH_EXPAND_DOWN)) === (HIGH_S | HIGH_EXPAND_DOWN);
    if (growsDown || start >= end) {
      table.write(KERNEL, index, low, high & ~HIGH_P);
      return;
    }
    const last = end - start - 1;
    if (limitOf(low, high) > last) {
      const inPages = last > 0xf_ffff;
      const raw = inPages ? ((last + 1) >>> 12) - 1 : last;
      low = (low & 0xffff_0000) | (raw & 0xffff);
      high = (high & ~(HIGH_LIMIT | HIGH_G)) | (raw & HIGH_LIMIT) | (inPages ? HIGH_G : 0);
    }
    table.write(KERNEL, index, low, high);
  }

  private clear(table: ShadowTable, index: number): void {
    table.write(KERNEL, index, 0, 0);
    table.write(USER, index, 0, 0);
  }

  /** Finds slots for the monitor's code segment, TSS and LDT past the guest's limit or where its descriptor is absent. */
  private placeMonitor(): boolean {
    const { gdt } = this;
    const { count, words } = gdt.guest;
    const slots: number[] = [];
    for (let slot = 8191; slot > 0 && slots.length < MONITOR_SLOTS; slot--) {
      if (slot >= count || (words[slot * 2 + 1]! & HIGH_P) === 0) slots.push(slot);
    }
    if (slots.length < MONITOR_SLOTS) return false;
    for (const old of [this.codeSlot, this.tssSlot, this.ldtSlot]) {
      if (old === 0 || slots.includes(old)) continue;
      if (old < count) this.derive(gdt, old, old + 1);
      else this.clear(gdt, old);
    }
    [this.codeSlot, this.tssSlot, this.ldtSlot] = [slots[0]!, slots[1]!, slots[2]!];
    for (const role of [KERNEL, USER]) {
      gdt.write(role, this.codeSlot, 0x0000_ffff, 0x00cf_9b00);
      gdt.write(role, this.tssSlot, systemLow(this.tssBase, this.tssLimit), systemHigh(this.tssBase, this.tssLimit, 0x8b));
      const ldtBase = this.windowBase + this.ldtPage(role) * 4096;
      gdt.write(role, this.ldtSlot, systemLow(ldtBase, 0xffff), systemHigh(ldtBase, 0xffff, 0x82));
    }
    this.version++;
    return true;
  }

  /** Pool page of the GDT or LDT that the silicon reads in `role`. */
  gdtPage(role: Role): number {
    return this.gdt.page(role);
  }
  ldtPage(role: Role): number {
    return this.ldt.page(role);
  }
  get ldtLimit(): number {
    return this.ldt.guest.limit;
  }

  // --- questions about a selector. `low` and `high` are valid after `findGuest` or `findShadow`.

  low = 0;
  high = 0;

  /** The guest's own descriptor; false where its table has none. */
  findGuest(selector: number): boolean {
    const table = selector & 4 ? this.ldt : this.gdt;
    if ((selector & 0xfffc) === 0 || (selector | 7) > table.guest.limit) return false;
    const word = (selector & 0xfff8) >> 2;
    this.low = table.guest.words[word]!;
    this.high = table.guest.words[word + 1]!;
    return true;
  }

  /** What the silicon gets when it loads the selector in `role`. */
  findShadow(role: Role, selector: number): void {
    const table = selector & 4 ? this.ldt : this.gdt;
    this.low = table.low(role, selector >>> 3);
    this.high = table.high(role, selector >>> 3);
  }
}

function hasLdt(v: Context, tables: boolean): boolean {
  return tables && (v.segmentAccess(LDTR) & ACCESS_UNUSABLE) === 0 && (v.selector(LDTR) & 0xfffc) !== 0;
}

function ldtBase(v: Context, tables: boolean): number {
  return hasLdt(v, tables) ? v.segmentBase(LDTR) : 0;
}

function ldtLimit(v: Context, tables: boolean): number {
  return hasLdt(v, tables) ? Math.min(v.segmentLimit(LDTR), 0xffff) : -1;
}

/** Not present where a use must reach the monitor: system descriptors, and segments never accessed. */
function presentIfLoadable(high: number): number {
  return (high & (HIGH_S | HIGH_A)) === (HIGH_S | HIGH_A) ? high : high & ~HIGH_P;
}

function systemLow(base: number, limit: number): number {
  return (limit & 0xffff) | (base << 16);
}

function systemHigh(base: number, limit: number, access: number): number {
  return ((base >>> 16) & 0xff) | (access << 8) | (limit & HIGH_LIMIT) | (base & 0xff00_0000);
}
