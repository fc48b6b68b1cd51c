// T3, scan before execute (plex86, 2000-2001): the guest's code runs from private copies that start as all CC; what the monitor
// has decoded is copied in, what would leak stays CC. Everything that was never looked at breaks by itself.
//
// The guest still reads and writes its own pages: the processor's two TLBs hold two translations of one linear address. Every
// page is closed to user mode (U = 0) in the shadow tables but for the moment in which a TLB is primed: instructions by letting
// the processor run into a CC of the copy, data by the monitor's own touch. Both TLBs keep what they hold until they are flushed.

import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { translate } from "../../cpu/linear-memory.ts";
import { BP } from "../../cpu/processor.ts";
import { PAGE_USER, TLB_INVALID } from "../../cpu/tlb.ts";
import { CR0, CS, FAULT } from "../../isa/state-layout.ts";
import { type ActionName, FLAG_PATCHED } from "../../protocol/trap-record.ts";
import { Deprivileged, type FillRights } from "../deprivileged.ts";
import { roleOf, runsInV86 } from "../limbo.ts";
import { PAGE_BYTES } from "../pool.ts";
import { PTE_U, PTE_W } from "../shadow/address-space.ts";
import { KERNEL } from "../shadow/paging.ts";
import type { CodeMode } from "./code-class.ts";
import { GUEST_INT3, ScannedPage, UNSCANNED } from "./scanned-page.ts";
import type { Monitor } from "./technique.ts";

const ACCESS_CODE32 = 1 << 14;
const CR0_PG = 0x8000_0000 | 0;
const INT3 = 0xcc;
const DEFAULT_DEPTH = 32;
/** A page that changes under its copy this often within a million instructions is emulated while it is executed. */
const HOSTILE_CHANGES = 64, HOSTILE_SPAN = 1e6;
/** Faults of one instruction after which it is stepped: its pages drive each other out of the TLB. */
const PATIENCE = 16;

export class Scan extends Deprivileged {
  readonly hidesCode = true;
  private readonly pages = new Map<number, ScannedPage>();
  private readonly rules;
  /** Linear page whose translation the instruction TLB is to get next, -1: none. */
  private toPrime = -1;
  private readonly faults = { at: -1, count: 0 };
  /** Offsets in each linear page that scanned branches of other pages lead to: no copied instruction may lie across them. */
  private readonly targets = new Map<number, Set<number>>();
  /** By pool page. */
  private readonly byCopy: (ScannedPage | undefined)[] = [];
  /** Physical page whose code is emulated until control leaves it, -1: none. */
  private avoided = -1;

  constructor(monitor: Monitor) {
    super(monitor, 3, { prebuilt: false, resumes: true });
    this.rules = { strict: monitor.set.scan !== "lax", depth: monitor.set["scan-depth"] ?? DEFAULT_DEPTH };
  }

  override detach(): void {
    for (const page of this.pages.values()) this.forgetBlocks(page);
    const traced = [...this.pages.values()].map((page) => page.physicalPage);
    this.pages.clear();
    for (const page of traced) this.cpu.unmarkTraced(page);
    super.detach();
  }

  // --- where the guest is

  protected get linear(): number {
    return (this.cpu.v.context.segmentBase(CS) + this.cpu.state.eip) | 0;
  }

  protected get code32(): boolean {
    return (this.cpu.v.context.segmentAccess(CS) & ACCESS_CODE32) !== 0;
  }

  private get mode(): CodeMode {
    if (!runsInV86(this.cpu.v.context)) return "protected";
    return this.monitor.set.vme === true ? "v86-vme" : "v86";
  }

  protected get isPaged(): boolean {
    return (this.cpu.v.context.get(CR0) & CR0_PG) !== 0;
  }

  /** Key of the copy: 16-bit and 32-bit readings of a page have nothing in common. */
  private key(physicalPage: number): number {
    return physicalPage * 4 + (this.code32 ? 2 : 0) + (runsInV86(this.cpu.v.context) ? 1 : 0);
  }

  protected pageOf(physicalPage: number): ScannedPage {
    const key = this.key(physicalPage);
    let page = this.pages.get(key);
    if (!page) {
      let copy = this.pool.take();
      if (copy < 0) {
        this.dropCopies();
        copy = this.pool.take();
      }
      page = new ScannedPage(physicalPage, copy);
      page.forget(this.cpu.state.u8, this.pool.address(copy));
      this.pages.set(key, page);
      this.byCopy[copy] = page;
      this.cpu.markTraced(physicalPage);
      this.covered(physicalPage);
    }
    return page;
  }

  /** The page has a copy now: stores to it must leave. Here no page is open for longer than a TLB takes. */
  protected covered(_physicalPage: number): void {}

  protected dropCopies(): void {
    for (const page of this.pages.values()) {
      this.forgetBlocks(page);
      this.pool.release(page.copy);
      this.cpu.unmarkTraced(page.physicalPage);
    }
    this.pages.clear();
    this.byCopy.length = 0;
    this.targets.clear();
    this.paging.dropAll();
  }

  private forgetBlocks(page: ScannedPage): void {
    this.monitor.core.blocks.invalidate(this.pool.physicalPage(page.copy) * PAGE_BYTES, PAGE_BYTES);
  }

  protected scan(page: ScannedPage, offset: number): void {
    const { cpu } = this;
    const from = cpu.v.physical.hostPage(page.physicalPage), into = this.pool.address(page.copy);
    const eip0 = (cpu.state.eip - (this.linear & (PAGE_BYTES - 1))) | 0;
    page.scan(cpu.state.u8, this.monitor.parts.decoder, from, into, offset, eip0, this.code32, this.mode, this.rules);
    const base = this.cpu.v.context.segmentBase(CS);
    for (const eip of page.targets) this.noteTarget((base + eip) | 0);
    page.targets = [];
    this.keepTargets(page, this.linear >>> 12);
    this.forgetBlocks(page);
  }

  private noteTarget(linear: number): void {
    let offsets = this.targets.get(linear >>> 12);
    if (!offsets) this.targets.set(linear >>> 12, (offsets = new Set()));
    offsets.add(linear & (PAGE_BYTES - 1));
    this.enterAt(linear);
  }

  /** The page is executed as `linearPage`: what branches lead to there are starts of instructions, or break. */
  private keepTargets(page: ScannedPage, linearPage: number): void {
    for (const offset of this.targets.get(linearPage) ?? []) if (page.isInside(offset)) this.takeOut(page, offset);
  }

  /** The copy that the processor fetches from at `linear`, if its instruction TLB knows. */
  private fetchedAt(linear: number): ScannedPage | undefined {
    return this.byCopy[(this.cpu.h.tlb.code(linear >>> 12) >>> 12) - this.pool.firstPage];
  }

  /** Control goes to `linear`, where the processor may have a copy already. */
  private enterAt(linear: number): void {
    const page = this.fetchedAt(linear);
    const offset = linear & (PAGE_BYTES - 1);
    if (page?.isInside(offset)) this.takeOut(page, offset);
  }

  private takeOut(page: ScannedPage, inside: number): void {
    page.takeOut(this.cpu.state.u8, this.pool.address(page.copy), inside);
    this.forgetBlocks(page);
  }

  // --- the guest's own pages

  protected override isTraced(physicalPage: number): boolean {
    for (let variant = 0; variant < 4; variant++) if (this.pages.has(physicalPage * 4 + variant)) return true;
    return false;
  }

  override written(physical: number, length: number): void {
    super.written(physical, length);
    for (let at = physical >>> 12; at <= (physical + length - 1) >>> 12; at++) {
      for (let variant = 0; variant < 4; variant++) {
        const page = this.pages.get(at * 4 + variant);
        if (page) this.changed(page, Math.max(physical - at * PAGE_BYTES, 0), Math.min(physical + length - at * PAGE_BYTES, PAGE_BYTES));
      }
    }
  }

  private changed(page: ScannedPage, from: number, to: number): void {
    if (!page.covers(from, to)) return;
    const now = this.monitor.core.retired();
    if (now - page.changesSince > HOSTILE_SPAN) {
      page.changesSince = now;
      page.changes = 0;
    }
    page.changes++;
    page.forget(this.cpu.state.u8, this.pool.address(page.copy));
    this.forgetBlocks(page);
  }

  protected isHostile(page: ScannedPage): boolean {
    return page.changes > HOSTILE_CHANGES && this.monitor.core.retired() - page.changesSince <= HOSTILE_SPAN;
  }

  // --- towards H

  override enter(left: number): StopReason | null {
    const ended = super.enter(left);
    if (ended !== null) return ended;
    this.enterAt(this.linear);
    if (this.toPrime >= 0) {
      const page = this.toPrime;
      this.toPrime = -1;
      if (page === this.linear >>> 12) this.primeInstructions();
    }
    return null;
  }

  override resume(): void {
    super.resume();
    this.enterAt(this.linear);
  }

  protected override isHeld(): boolean {
    if (this.avoided >= 0) {
      this.cpu.switchContext("V");
      if (this.codePage() === this.avoided) return false;
      this.avoided = -1;
    }
    return super.isHeld();
  }

  /** Physical page of the code at EIP, -1 where there is none. */
  protected codePage(): number {
    const physical = this.cpu.peekPhysical(this.linear);
    return physical < 0 ? -1 : physical >>> 12;
  }

  /** Lets the processor fetch a CC of the copy, so that its instruction TLB holds the copy. H is active. */
  private primeInstructions(): void {
    const { cpu, monitor, paging, pool } = this;
    const { state } = cpu;
    const { linear } = this;
    const role = this.isPaged ? roleOf(cpu.v.context) : KERNEL;
    cpu.switchContext("V");
    const physicalPage = this.codePage();
    if (physicalPage < 0) return cpu.switchContext("H");
    const page = this.pageOf(physicalPage);
    const offset = linear & (PAGE_BYTES - 1), eip = state.eip;
    this.keepTargets(page, linear >>> 12);
    if (page.isInside(offset)) this.takeOut(page, offset);
    const limit = cpu.v.context.segmentLimit(CS);
    const first = Math.max(offset - (eip >>> 0), 0), last = Math.min(PAGE_BYTES - 1, offset + (limit - (eip >>> 0)));
    let at = page.breakBetween(first, last);
    const planted = at < 0;
    if (planted) at = offset;
    const copyByte = pool.address(page.copy) + at;
    const original = state.u8[copyByte]!;
    if (planted) this.putByte(page, at, INT3);
    paging.set(role, this.isPaged, linear, pool.physicalPage(page.copy), PTE_U, false);
    state.eip = (eip + at - offset) | 0;
    monitor.provoke("resume", FLAG_PATCHED);
    state.eip = eip;
    if (planted) this.putByte(page, at, original);
    paging.set(role, this.isPaged, linear, physicalPage, 0, false);
    cpu.switchContext("H");
  }

  private putByte(page: ScannedPage, at: number, value: number): void {
    this.cpu.state.u8[this.pool.address(page.copy) + at] = value;
    this.monitor.core.blocks.invalidate(this.pool.physicalPage(page.copy) * PAGE_BYTES + at, 1);
  }

  // --- exits

  override react(exit: CpuExit): ActionName {
    if (exit.kind === "exception" && exit.vector === BP) return this.broke();
    return super.react(exit);
  }

  /** A CC of the copy. */
  private broke(): ActionName {
    const { monitor } = this;
    const physicalPage = this.fetchedAt(this.linear)?.physicalPage ?? this.codePage();
    const page = physicalPage < 0 ? undefined : this.pages.get(this.key(physicalPage));
    if (!page) return monitor.step();
    const offset = this.linear & (PAGE_BYTES - 1);
    const kind = page.kind[offset];
    if (kind !== GUEST_INT3) monitor.exitFlags |= FLAG_PATCHED;
    if (kind === UNSCANNED && !this.isHostile(page)) {
      this.scan(page, offset);
      return "resume";
    }
    if (kind === UNSCANNED) {
      this.avoided = physicalPage;
      monitor.stale = true;
      monitor.beginEmulation();
      return "emulate";
    }
    return this.step();
  }

  /** The guest may use the page: primes the TLB that missed. */
  protected override fill(linear: number, physicalPage: number, as: FillRights): ActionName {
    const { cpu, faults, monitor, paging } = this;
    const { h } = cpu;
    const now = monitor.core.retired();
    if (faults.at !== now) faults.count = 0;
    faults.at = now;
    if (++faults.count > PATIENCE) {
      faults.count = 0;
      return monitor.step();
    }
    const role = as.paged ? roleOf(cpu.v.context) : KERNEL;
    if (!as.write && linear === this.linear && (h.tlb.code(linear >>> 12) & PAGE_USER) === 0) {
      this.toPrime = linear >>> 12;
      monitor.stale = true;
      const page = this.pageOf(physicalPage);
      const offset = linear & (PAGE_BYTES - 1);
      if (page.kind[offset] === UNSCANNED && !this.isHostile(page)) this.scan(page, offset);
      paging.set(role, as.paged, linear, physicalPage, 0, as.large);
      return "shadow-fill";
    }
    paging.set(role, as.paged, linear, physicalPage, PTE_U | (as.writable ? PTE_W : 0), as.large);
    cpu.switchContext("H");
    translate(cpu, linear, as.write, true);
    const primed = this.isPrimed(linear >>> 12, as.write);
    cpu.state.write(FAULT, 0);
    cpu.switchContext("V");
    paging.set(role, as.paged, linear, physicalPage, 0, as.large);
    return primed ? "shadow-fill" : monitor.step();
  }

  /** Whether the data TLB of H has the page for user mode. */
  private isPrimed(page: number, write: boolean): boolean {
    const { tables } = this.cpu.h.tlb;
    const entry = this.cpu.state.i32[((write ? tables.writeUser : tables.readUser) >> 2) + page]!;
    return (entry & TLB_INVALID) === 0 || this.cpu.h.tlb.recall(page, write ? 3 : 2) >= 0;
  }
}
