// What the techniques that take ring 0 away from the guest share: its kernel runs in ring 1 or 3 of H, over shadow page tables
// and shadow descriptor tables; what H cannot hold at all runs on V until it can.

import type { StopReason } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { deliverEvent, EVENT_TRAP } from "../cpu/exceptions.ts";
import type { CpuExit } from "../cpu/exit.ts";
import { walk } from "../cpu/paging.ts";
import { DB, PF } from "../cpu/processor.ts";
import { PAGE_LARGE_2M, PAGE_LARGE_4M, PAGE_RIGHTS_W, PAGE_USER, PAGE_WRITABLE } from "../cpu/tlb.ts";
import { ACTIVITY, CPL, CR0, IDTR_BASE, IDTR_LIMIT } from "../isa/state-layout.ts";
import { type Ring, shadowModeOf } from "../protocol/technique.ts";
import type { ActionName } from "../protocol/trap-record.ts";
import { HardwareTables, TSS_LIMIT } from "./hardware-tables.ts";
import { LeakedSelectors } from "./leaked-selectors.ts";
import { inRealMode, LimboCheck, roleOf } from "./limbo.ts";
import { MonitorPool, PAGE_BYTES, TSS_PAGE } from "./pool.ts";
import type { RowFacts } from "./row-facts.ts";
import { Projection } from "./projection.ts";
import { CheckedProjection } from "./checked-projection.ts";
import { ShadowDescriptors } from "./shadow/descriptors.ts";
import { GuestTables } from "./shadow/guest-tables.ts";
import { KERNEL, ShadowPaging } from "./shadow/paging.ts";
import type { Monitor, Technique } from "./techniques/technique.ts";

const ERROR_WRITE = 2;
const CR0_PG = 0x8000_0000 | 0;

/** A run on V that no limbo made: the technique began it. */
const ASKED_FOR = "emulated until control leaves the page";

export interface DeprivilegedOptions {
  /** Without paging, all memory is mapped beforehand. */
  readonly prebuilt?: boolean;
  /** The kernel has a virtual interrupt flag (CR4.PVI). */
  readonly pvi?: boolean;
  /** User code keeps the kernel's descriptor table: gates may lead to the kernel without the monitor. */
  readonly oneTable?: boolean;
  /** The technique need not look at V before each entry. */
  readonly resumes?: boolean;
}

export class Deprivileged implements Technique {
  protected readonly monitor: Monitor;
  protected readonly cpu: Cpu;
  protected readonly ring: Ring;
  protected readonly pool: MonitorPool;
  protected readonly paging: ShadowPaging;
  protected readonly descriptors: ShadowDescriptors;
  protected readonly projection: Projection;
  protected readonly tables: HardwareTables;
  private readonly guestTables: GuestTables;
  private readonly limbo: LimboCheck;
  private readonly leaked: LeakedSelectors;
  /** The guest's paging has changed: its tables may lie elsewhere. */
  private paged = true;
  private readonly ranOnV = new Map<string, number>();
  private whyOnV = ASKED_FOR;
  private readonly resumes: boolean;

  constructor(monitor: Monitor, ring: Ring, { prebuilt = true, pvi = false, oneTable = false, resumes = false }: DeprivilegedOptions = {}) {
    const { cpu, set } = monitor;
    const { base, bytes, firstPage } = monitor.parts.pool;
    this.monitor = monitor;
    this.cpu = cpu;
    this.resumes = resumes;
    this.ring = ring;
    this.pool = new MonitorPool(cpu.state, base, bytes, firstPage);
    this.paging = new ShadowPaging(
      this.pool,
      { resolve: (page) => this.resolve(page), isWritable: (page) => this.isWritable(page) },
      ring,
      (linear) => (linear === null ? cpu.h.tlb.flushAll() : cpu.h.tlb.flushPage(linear)),
      { prebuilt },
    );
    this.guestTables = new GuestTables(cpu, this.paging, shadowModeOf(monitor.id, set), {
      watch: (page) => this.watch(page, true),
      release: (page) => this.watch(page, false),
      resolve: (page) => this.resolve(page),
      retired: () => monitor.core.retired(),
    });
    this.descriptors = new ShadowDescriptors(cpu, this.pool, { ring, hideUserCode: set.tricks === true }, (page, watched) => this.watch(page, watched));
    this.tables = new HardwareTables(this.pool);
    this.limbo = new LimboCheck(this.descriptors);
    const { checks } = monitor.parts;
    this.projection = new (checks ? CheckedProjection : Projection)(cpu, this.descriptors, this.paging, this.limbo, {
      ring, umip: set.umip === true, tsd: set.tsd === true, vme: set.vme === true, pvi, oneTable,
    });
    this.leaked = new LeakedSelectors(cpu, this.descriptors, ring);
  }

  attach(): void {
    const { cpu } = this;
    cpu.hostAttached = true;
    cpu.windowAtTop = this.ring === 1;
    cpu.h.tlb.prepare();
    cpu.h.tlb.flushAll();
    cpu.h.tlb.likeP6 = this.monitor.set.tlb === "p6";
  }

  detach(): void {
    this.guestTables.forgetTraces();
    this.descriptors.release();
    this.cpu.h.tlb.flushAll();
    this.cpu.h.tlb.likeP6 = false;
    this.cpu.hostAttached = false;
  }

  flushed(linear: number | null): void {
    this.paged = this.monitor.stale = true;
    this.guestTables.flushed(linear);
  }

  mappingChanged(): void {
    this.guestTables.dropEverything();
    this.paged = this.monitor.stale = true;
  }

  guestChanged(): void {
    this.projection.forgetSegments();
    this.mappingChanged();
  }

  written(physical: number, length: number): void {
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      const start = page * PAGE_BYTES;
      const from = Math.max(physical - start, 0), to = Math.min(physical + length - start, PAGE_BYTES);
      this.guestTables.written(page, from, to);
      if (this.descriptors.watched.has(page)) {
        const { version } = this.descriptors;
        if (!this.descriptors.written(page, from, to)) this.refuseCrowdedTable();
        if (this.descriptors.version !== version) this.monitor.stale = true;
      }
    }
  }

  protected watch(page: number, watched: boolean): void {
    if (watched) {
      this.cpu.markTraced(page);
      this.paging.protect(page);
    } else if (!this.isTraced(page) && !this.guestTables.isTraced(page) && !this.descriptors.watched.has(page)) {
      this.cpu.unmarkTraced(page);
    }
  }

  /** The guest's shadows came of the page. */
  protected isTable(physicalPage: number): boolean {
    return this.guestTables.isTraced(physicalPage);
  }

  /** A page whose stores the technique itself wants to see. */
  protected isTraced(_physicalPage: number): boolean {
    return false;
  }

  /** Physical page behind A20 that `page` reaches, -1 where there is a device or nothing. */
  protected resolve(page: number): number {
    const { physical } = this.cpu.v;
    const behindA20 = page & (physical.a20Mask >>> 12);
    return physical.hostPage(behindA20) === 0 ? -1 : behindA20;
  }

  protected isWritable(physicalPage: number): boolean {
    return !this.cpu.v.physical.isReadOnly(physicalPage) && !this.descriptors.watched.has(physicalPage) &&
      !this.guestTables.isTraced(physicalPage) && !this.isTraced(physicalPage);
  }

  // --- towards H

  enter(left: number): StopReason | null {
    const { monitor } = this;
    if (monitor.emulating) return this.runOnV(left);
    this.projection.interruptWaits = monitor.interrupts.parked;
    if (!this.paged && this.projection.renew()) {
      monitor.stale = false;
      return null;
    }
    if (!this.refresh()) return "break";
    const v = this.cpu.v.context;
    if (this.limbo.reason(v) !== null) {
      // A table page may have become present without a flush.
      this.paged = true;
      if (!this.refresh()) return "break";
      const reason = this.limbo.reason(v);
      if (reason !== null) return this.emulateLimbo(left, reason);
    }
    this.projection.project();
    monitor.stale = false;
    return null;
  }

  resume(): void {
    this.projection.interruptWaits = this.monitor.interrupts.parked;
    this.projection.resume();
  }

  /** H cannot hold V: V runs itself until it can. */
  protected emulateLimbo(left: number, reason: string): StopReason {
    this.whyOnV = `limbo: ${reason}`;
    return this.runOnV(left);
  }

  protected runOnV(left: number): StopReason {
    const { core } = this.monitor;
    const before = core.retired();
    const ended = this.monitor.emulate(left, this.held);
    this.ranOnV.set(this.whyOnV, (this.ranOnV.get(this.whyOnV) ?? 0) + core.retired() - before);
    if (!this.monitor.emulating) this.whyOnV = ASKED_FOR;
    return ended;
  }

  /** What the shadow modes count, and instructions of runs on V by what they were for. */
  get statistics(): Readonly<Record<string, number>> {
    return { ...this.guestTables.statistics, ...Object.fromEntries(this.ranOnV) };
  }

  absorb(): boolean {
    this.leaked.cleanPointers();
    return this.projection.absorb();
  }

  /** H can hold V again, or never will. */
  protected isHeld(): boolean {
    if (this.guestTables.inBatch) return false;
    return !this.refresh() || this.limbo.reason(this.cpu.v.context) === null;
  }
  private readonly held = (): boolean => this.isHeld();

  get emulatesNext(): boolean {
    const v = this.cpu.v.context;
    return this.monitor.stale && !this.paged && v.get(ACTIVITY) === 0 && this.limbo.reason(v) !== null;
  }

  /** Follows the guest's descriptor tables. False: refused. */
  protected refresh(): boolean {
    const { cpu, descriptors, paging, tables } = this;
    const v = cpu.v.context;
    cpu.useGuest();
    this.guestTables.settle();
    const window = paging.windowBase;
    descriptors.setWindow(window, window + TSS_PAGE * PAGE_BYTES, TSS_LIMIT);
    if (this.paged || descriptors.moved(v, !inRealMode(v))) {
      this.paged = false;
      if (!descriptors.follow(v, !inRealMode(v))) {
        this.refuseCrowdedTable();
        return false;
      }
    }
    tables.setGates(descriptors.codeSlot * 8, window);
    tables.setTaskState(inRealMode(v) && v.get(IDTR_BASE) === 0 && (v.get(IDTR_LIMIT) & 0xffff) >= 0x3ff);
    return true;
  }

  // --- exits

  react(exit: CpuExit): ActionName {
    if (exit.kind === "exception" && exit.vector === PF) return this.pageFault(exit.cr2, exit.errorCode);
    // INT1 leaves with EIP on itself; a trap of the debug registers or of TF leaves between two instructions.
    if (exit.kind === "exception" && exit.vector === DB && exit.returnEip === this.cpu.state.eip) return this.debugTrap();
    return this.step();
  }

  /** Does the instruction that left for the guest. */
  protected step(): "emulate" {
    const { facts } = this.monitor.recorder;
    return this.monitor.step(this.resumes && facts !== null && this.staysOnHardware(facts));
  }

  /** What the instruction changes in V does not matter to H. */
  protected staysOnHardware(facts: RowFacts): boolean {
    return facts.stays;
  }

  around(step: () => void): void {
    this.leaked.around(this.monitor.recorder.instruction, step);
  }

  protected debugTrap(): ActionName {
    deliverEvent(this.cpu, DB, EVENT_TRAP);
    this.monitor.stale = true;
    return "inject";
  }

  /** The silicon's page fault: the guest's own, a miss of the shadow, a device, or a watched page. */
  protected pageFault(linear: number, error: number): ActionName {
    const { cpu, paging, monitor } = this;
    const v = cpu.v.context;
    const write = (error & ERROR_WRITE) !== 0, user = v.get(CPL) === 3;
    const page = walk(cpu, linear, write, user);
    if (page < 0) {
      // The guest's tables do not allow it either. The walk has left the guest's own fault.
      cpu.deliverFault();
      monitor.stale = true;
      return "inject";
    }
    const physicalPage = this.resolve(page);
    if (physicalPage < 0) {
      this.step();
      return "mmio";
    }
    if (paging.inWindow(linear)) {
      if (this.ring === 1) return this.step();
      if (!paging.moveWindow()) {
        monitor.refuse("the guest uses all of its linear space: there is no room for the monitor's window");
        return "refuse";
      }
      this.projection.forgetSegments();
      monitor.stale = true;
    }
    const flags = cpu.walkFlags, paged = (v.get(CR0) & CR0_PG) !== 0;
    const userPage = (flags & PAGE_USER) !== 0;
    // Where the kernel writes for CR0.WP = 0 alone, an entry that user code shares must not allow it.
    const allowed = (flags & PAGE_WRITABLE) !== 0 && (this.ring === 3 || !userPage || (flags & PAGE_RIGHTS_W) !== 0);
    if (write && allowed) this.guestTables.loosen(physicalPage);
    const writable = allowed && this.isWritable(physicalPage);
    if (write && !writable) {
      this.step();
      if (this.guestTables.inBatch) {
        this.whyOnV = "batch: stores to page tables";
        monitor.beginEmulation();
      }
      return "traced-write";
    }
    const reachable = this.ring === 3 || userPage || !paged;
    return this.fill(linear, physicalPage, { paged, writable, reachable, large: (flags & (PAGE_LARGE_2M | PAGE_LARGE_4M)) !== 0, write });
  }

  /** Lets the guest reach a page that its own tables allow. */
  protected fill(linear: number, physicalPage: number, as: FillRights): ActionName {
    const role = as.paged ? roleOf(this.cpu.v.context) : KERNEL;
    if (as.paged) this.guestTables.noteWalk(linear);
    // The page may be one of the tables.
    const writable = as.writable && this.isWritable(physicalPage);
    this.paging.fill(role, as.paged, linear, physicalPage, writable, as.reachable, as.large);
    return "shadow-fill";
  }

  private refuseCrowdedTable(): void {
    this.monitor.refuse("the guest's GDT uses every slot: there is none for the monitor's own descriptors");
  }
}

export interface FillRights {
  readonly paged: boolean;
  readonly writable: boolean;
  /** At CPL 3 of the silicon. */
  readonly reachable: boolean;
  readonly large: boolean;
  /** The access that missed was a store. */
  readonly write: boolean;
}
