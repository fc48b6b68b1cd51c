// Shadow descriptor tables: the GDT and LDT that the silicon reads while the guest runs.
//
// Each is built from the guest's table in two variants, by the guest's privilege: for its kernel, descriptors of DPL 0
// become DPL 1 or 3 (where the kernel really runs) and, at ring 1, limits end below the monitor's window; for its user
// code they stay as they are. Gates, TSS and LDT descriptors are not present, so that their use leaves to the monitor;
// so are segments that the guest has never loaded, until the monitor has set their accessed bit in the guest's table.

import type { Cpu } from "../../cpu/cpu.ts";
import { ACCESS_UNUSABLE } from "../../isa/state-layout.ts";
import { GDT_KERNEL_PAGE, GDT_USER_PAGE, LDT_KERNEL_PAGE, LDT_USER_PAGE, type MonitorPool } from "../pool.ts";
import { KERNEL, type Role, USER } from "./paging.ts";

const HIGH_A = 1 << 8, HIGH_CODE = 1 << 11, HIGH_CONFORMING = 1 << 10, HIGH_S = 1 << 12, HIGH_DPL_SHIFT = 13, HIGH_DPL = 3 << HIGH_DPL_SHIFT;
const HIGH_P = 1 << 15, HIGH_G = 1 << 23;
const HIGH_EXPAND_DOWN = 1 << 10;
const TABLE_BYTES = 0x1_0000;
/** The monitor's own code segment and TSS take the last slots that the guest does not use. */
const MONITOR_CODE_LOW = 0x0000_ffff, MONITOR_CODE_HIGH = 0x00cf_9b00;

/** Hidden part of a segment register. */
export interface Hidden {
  readonly base: number;
  /** Unsigned, in bytes. */
  readonly limit: number;
  readonly access: number;
}

export function hiddenOf(low: number, high: number): Hidden {
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) | 0;
  const raw = (low & 0xffff) | (high & 0x000f_0000);
  return { base, limit: high & HIGH_G ? ((raw << 12) | 0xfff) >>> 0 : raw, access: (high >>> 8) & 0xf0ff };
}

export interface TablePolicy {
  /** Ring of the guest's kernel. */
  readonly ring: 1 | 3;
  /** Present code segments of user privilege while the kernel runs: absent makes IRET to them leave ("tricks"). */
  readonly hideUserCode: boolean;
}

/** One table of the guest with its two shadows. */
class ShadowTable {
  /** The guest's descriptors as last read: low, high pairs. */
  readonly guest = new Int32Array(TABLE_BYTES >> 2);
  limit = -1;
  base = 0;
  private readonly pool: MonitorPool;
  private readonly pages: readonly [number, number];

  constructor(pool: MonitorPool, kernelPage: number, userPage: number) {
    this.pool = pool;
    this.pages = [kernelPage, userPage];
  }

  pageOf(role: Role): number {
    return this.pages[role];
  }

  write(role: Role, index: number, low: number, high: number): void {
    const word = (this.pool.address(this.pages[role]) >> 2) + index * 2;
    this.pool.i32[word] = low;
    this.pool.i32[word + 1] = high;
  }

  read(role: Role, index: number): Hidden {
    const word = (this.pool.address(this.pages[role]) >> 2) + index * 2;
    return hiddenOf(this.pool.i32[word]!, this.pool.i32[word + 1]!);
  }

  clear(): void {
    for (const page of this.pages) {
      const word = this.pool.address(page) >> 2;
      this.pool.i32.fill(0, word, word + (TABLE_BYTES >> 2));
    }
    this.guest.fill(0);
  }
}

export class ShadowDescriptors {
  private readonly cpu: Cpu;
  private readonly gdt: ShadowTable;
  private readonly ldt: ShadowTable;
  policy: TablePolicy = { ring: 1, hideUserCode: false };
  /** Linear address of the monitor's window: limits end below it at ring 1. */
  windowBase = 0;
  /** Guest physical pages that hold the tables. */
  readonly pages = new Set<number>();
  codeSlot = 8191;
  tssSlot = 8190;
  private tss: readonly [number, number] = [0, 0];

  constructor(cpu: Cpu, pool: MonitorPool) {
    this.cpu = cpu;
    this.gdt = new ShadowTable(pool, GDT_KERNEL_PAGE, GDT_USER_PAGE);
    this.ldt = new ShadowTable(pool, LDT_KERNEL_PAGE, LDT_USER_PAGE);
  }

  /** Descriptor words of the monitor's TSS. */
  setTss(low: number, high: number): void {
    this.tss = [low, high];
  }

  /**
   * Reads the guest's tables again and builds the shadows. `gdt`, `ldt`: linear base and limit (-1: none). V must be the
   * active context: the tables are read through the guest's paging, without any effect on it.
   */
  rebuild(gdt: { base: number; limit: number }, ldt: { base: number; limit: number }): void {
    this.pages.clear();
    this.load(this.gdt, gdt.base, gdt.limit);
    this.load(this.ldt, ldt.base, ldt.limit);
    this.placeMonitor();
  }

  private load(table: ShadowTable, base: number, limit: number): void {
    table.clear();
    table.base = base;
    table.limit = limit;
    const count = (limit + 1) >> 3;
    for (let index = 0; index < count; index++) {
      const low = this.peek(base + index * 8), high = this.peek(base + index * 8 + 4);
      table.guest[index * 2] = low;
      table.guest[index * 2 + 1] = high;
      if (index === 0 && table === this.gdt) continue;
      table.write(KERNEL, index, ...this.forKernel(low, high));
      table.write(USER, index, ...present(low, high));
    }
  }

  /** A dword of the guest's linear memory; 0 where it is not mapped. */
  private peek(linear: number): number {
    const { cpu } = this;
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const physical = cpu.peekPhysical((linear + i) | 0);
      if (physical < 0) return 0;
      const host = cpu.physical.hostPage(physical >>> 12);
      if (host === 0) return 0;
      if (i === 0 || ((linear + i) & 0xfff) === 0) this.pages.add(physical >>> 12);
      value |= cpu.state.u8[host + (physical & 0xfff)]! << (8 * i);
    }
    return value;
  }

  private forKernel(low: number, high: number): [number, number] {
    let [l, h] = present(low, high);
    if ((h & HIGH_P) === 0) return [l, h];
    const dpl = (h & HIGH_DPL) >> HIGH_DPL_SHIFT;
    const code = (h & HIGH_CODE) !== 0;
    if (code && dpl === 3 && this.policy.hideUserCode) return [l, h & ~HIGH_P];
    if (dpl === 0 && !(code && h & HIGH_CONFORMING)) h |= this.policy.ring << HIGH_DPL_SHIFT;
    if (this.policy.ring === 1) [l, h] = cutLimit(l, h, this.windowBase >>> 0);
    return [l, h];
  }

  private placeMonitor(): void {
    const slots: number[] = [];
    const used = (this.gdt.limit + 1) >> 3;
    for (let slot = 8191; slot > 0 && slots.length < 2; slot--) {
      if (slot >= used || (this.gdt.guest[slot * 2 + 1]! & HIGH_P) === 0) slots.push(slot);
    }
    if (slots.length < 2) throw new Error("the guest's GDT leaves no room for the monitor");
    [this.codeSlot, this.tssSlot] = [slots[0]!, slots[1]!];
    for (const role of [KERNEL, USER]) {
      this.gdt.write(role, this.codeSlot, MONITOR_CODE_LOW, MONITOR_CODE_HIGH);
      this.gdt.write(role, this.tssSlot, this.tss[0], this.tss[1]);
    }
  }

  /** Pool page of the GDT or LDT that the silicon reads in `role`. */
  gdtPage(role: Role): number {
    return this.gdt.pageOf(role);
  }
  ldtPage(role: Role): number {
    return this.ldt.pageOf(role);
  }
  get ldtLimit(): number {
    return this.ldt.limit;
  }

  /** What the guest's own table says of a selector, or null where it has no such descriptor. */
  guestHidden(selector: number): Hidden | null {
    const table = selector & 4 ? this.ldt : this.gdt;
    if ((selector & 0xfffc) === 0 || (selector | 7) > table.limit) return null;
    const index = (selector & 0xfff8) >> 2;
    return hiddenOf(table.guest[index]!, table.guest[index + 1]!);
  }

  /** What the silicon gets when it loads the selector in `role`. */
  shadowHidden(role: Role, selector: number): Hidden {
    if ((selector & 0xfffc) === 0) return { base: 0, limit: 0, access: ACCESS_UNUSABLE };
    return (selector & 4 ? this.ldt : this.gdt).read(role, selector >>> 3);
  }
}

/** Not present where a use must reach the monitor: system descriptors, and segments never accessed. */
function present(low: number, high: number): [number, number] {
  if ((high & HIGH_S) === 0 || (high & HIGH_A) === 0) return [low, high & ~HIGH_P];
  return [low, high];
}

/** Ends an expand-up segment below `end` (linear); one that begins beyond it, or grows down, is not present. */
function cutLimit(low: number, high: number, end: number): [number, number] {
  const { base, limit } = hiddenOf(low, high);
  if ((high & HIGH_CODE) === 0 && high & HIGH_EXPAND_DOWN) return [low, high & ~HIGH_P];
  const start = base >>> 0;
  if (start >= end) return [low, high & ~HIGH_P];
  const room = end - start - 1;
  if (limit <= room) return [low, high];
  const pages = (room + 1) >>> 12;
  if (room > 0xf_ffff) {
    const raw = pages - 1;
    return [(low & 0xffff_0000) | (raw & 0xffff), (high & ~0x000f_0000) | (raw & 0x000f_0000) | HIGH_G];
  }
  return [(low & 0xffff_0000) | (room & 0xffff), (high & ~(0x000f_0000 | HIGH_G)) | (room & 0x000f_0000)];
}
