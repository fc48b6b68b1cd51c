// Hardware assist as on the first parts (2005): no EPT, so that the silicon walks shadow page tables and the guest's MOV CR3, INVLPG
// and page faults leave; no unrestricted guest, so that the silicon always pages, and real mode runs in V86 mode with IOPL 0,
// where every exception leaves. What V86 mode cannot hold (unreal mode, the way into protected mode) is emulated.
//
// Not implemented: the shadow mode `batch`, which does a kernel's stores on V in a row: no monitor of hardware assist did, as its guest keeps its rings.

import type { StopReason } from "../../cpu/core.ts";
import {
  CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, CR4_PVI, CR4_VME,
} from "../../cpu/control-bits.ts";
import { deliverEvent, EVENT_TRAP } from "../../cpu/exceptions.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { walk } from "../../cpu/paging.ts";
import { DB, MF, PF } from "../../cpu/processor.ts";
import { ACCESS_V86 } from "../../cpu/protection.ts";
import { setSegment } from "../../cpu/segmentation.ts";
import type { Context } from "../../cpu/state.ts";
import { PAGE_LARGE_2M, PAGE_LARGE_4M, PAGE_RIGHTS_W, PAGE_USER, PAGE_WRITABLE } from "../../cpu/tlb.ts";
import { EXIT_EXCEPTION } from "../../cpu/vmx-controls.ts";
import { CPL, CR0, CR3, CR4, EFLAGS_IOPL, EFLAGS_SYSTEM, EFLAGS_VM, FAULT } from "../../isa/state-layout.ts";
import { shadowModeOf } from "../../protocol/technique.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { inRealMode, reasonInV86, SEGMENTS } from "../limbo.ts";
import { MonitorPool, PAGE_BYTES } from "../pool.ts";
import { GuestTables } from "../shadow/guest-tables.ts";
import { KERNEL, ShadowPaging } from "../shadow/paging.ts";
import { NonRoot } from "./non-root.ts";
import type { Monitor } from "./technique.ts";

/** The host's: the silicon pages, by its own tables of 4 KB pages. */
const HOST_CR0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE, HOST_CR4 = CR4_PAE | CR4_PSE | CR4_PGE | CR4_VME | CR4_PVI;
const V86_LIMIT = 0xffff, ERROR_WRITE = 2;
const ALL_EXCEPTIONS = -1;
/** Of a #PF error code: the access was one of CPL 3, not the processor's own. */
const PAGE_FAULT_USER = 4;

export class ShadowAssist extends NonRoot {
  private readonly paging: ShadowPaging;
  private readonly tables: GuestTables;
  /** H runs the guest's real mode in V86 mode. */
  private inV86 = false;
  /** Of V, while H has others. */
  private cr3 = 0;
  private privilege = 0;
  private readonly rights = new Int32Array(SEGMENTS.length);
  private root = 0;
  private emulatedRealMode = 0;

  constructor(monitor: Monitor) {
    super(monitor);
    const { cpu } = monitor;
    const { base, bytes, firstPage } = monitor.parts.pool;
    this.paging = new ShadowPaging(
      new MonitorPool(cpu.state, base, bytes, firstPage),
      { resolve: (page) => this.resolve(page), isWritable: (page) => this.isWritable(page) },
      1,
      (linear) => (linear === null ? cpu.h.tlb.flushAll() : cpu.h.tlb.flushPage(linear)),
      { window: false },
    );
    this.tables = new GuestTables(cpu, this.paging, shadowModeOf(monitor.id, monitor.set), {
      watch: (page) => {
        cpu.markTraced(page);
        this.paging.protect(page);
      },
      release: (page) => {
        if (!this.tables.isTraced(page)) cpu.unmarkTraced(page);
      },
      resolve: (page) => this.resolve(page),
      retired: () => monitor.core.retired(),
    });
    this.block.cr0Mask = HOST_CR0;
    this.block.cr4Mask = ~cpu.v.cr4Mask | HOST_CR4;
    this.block.cr3LoadExiting = this.block.cr3StoreExiting = this.block.invlpgExiting = true;
  }

  attach(): void {
    this.cpu.h.tlb.prepare();
    this.cpu.h.tlb.flushAll();
  }

  detach(): void {
    this.tables.forgetTraces();
    this.cpu.h.tlb.flushAll();
  }

  get statistics(): Readonly<Record<string, number>> {
    return { ...this.tables.statistics, "limbo: real mode that V86 mode cannot hold": this.emulatedRealMode };
  }

  // --- VM entry and exit

  enter(left: number): StopReason | null {
    const { block, cpu, monitor } = this;
    const v = cpu.v.context, h = cpu.h.context;
    if (monitor.emulating || !this.isHeld()) {
      const before = monitor.core.retired();
      const ended = monitor.emulate(left, this.held);
      this.emulatedRealMode += monitor.core.retired() - before;
      return ended;
    }
    cpu.useGuest();
    this.tables.settle();
    this.copy(v, h);
    const cr0 = v.get(CR0), cr4 = v.get(CR4);
    this.inV86 = inRealMode(v);
    this.cr3 = v.get(CR3);
    this.privilege = v.get(EFLAGS_SYSTEM) & EFLAGS_IOPL;
    block.cr0Shadow = cr0;
    block.cr4Shadow = cr4;
    h.set(CR0, cr0 | HOST_CR0);
    h.set(CR4, cr4 & ~(this.inV86 ? HOST_CR4 : HOST_CR4 & ~(CR4_VME | CR4_PVI)));
    block.exceptionBitmap = this.inV86 ? ALL_EXCEPTIONS : (1 << PF) | (cr0 & CR0_NE ? 0 : 1 << MF);
    if (this.inV86) this.intoV86(v, h);
    const root = this.paging.root(KERNEL, (cr0 & CR0_PG) !== 0);
    h.set(CR3, root);
    if (root !== this.root) cpu.h.tlb.flushAll();
    this.root = root;
    return this.launch();
  }

  private intoV86(v: Context, h: Context): void {
    h.set(EFLAGS_SYSTEM, (v.get(EFLAGS_SYSTEM) & ~EFLAGS_IOPL) | EFLAGS_VM);
    h.set(CPL, 3);
    SEGMENTS.forEach((index, nth) => {
      this.rights[nth] = v.segmentAccess(index);
      const selector = v.selector(index);
      setSegment(h, index, selector, selector << 4, V86_LIMIT, ACCESS_V86);
    });
  }

  protected override takeBack(v: Context, h: Context): void {
    this.copy(h, v);
    v.set(CR3, this.cr3);
    if (!this.inV86) return;
    v.set(EFLAGS_SYSTEM, (h.get(EFLAGS_SYSTEM) & ~(EFLAGS_VM | EFLAGS_IOPL)) | this.privilege);
    v.set(CPL, 0);
    SEGMENTS.forEach((index, nth) => setSegment(v, index, h.selector(index), h.segmentBase(index), V86_LIMIT, this.rights[nth]!));
  }

  private isHeld(): boolean {
    const v = this.cpu.v.context;
    return !inRealMode(v) || reasonInV86(v) === null;
  }
  private readonly held = (): boolean => this.isHeld();

  // --- exits

  override react(exit: CpuExit): ActionName {
    if (exit.vmxReason !== EXIT_EXCEPTION) return super.react(exit);
    if (exit.vector === PF) return this.pageFault(exit);
    // A trap of TF or of the debug registers leaves between two instructions.
    if (exit.vector !== DB || exit.returnEip !== this.cpu.state.eip) return super.react(exit);
    deliverEvent(this.cpu, DB, EVENT_TRAP);
    return "inject";
  }

  /** The guest's own, a miss of the shadow, a device, or a watched page. What it cut off is delivered anew. */
  private pageFault(exit: CpuExit): ActionName {
    const { cpu } = this;
    const v = cpu.v.context;
    const linear = exit.cr2, write = (exit.errorCode & ERROR_WRITE) !== 0;
    const page = walk(cpu, linear, write, v.get(CPL) === 3 && (exit.errorCode & PAGE_FAULT_USER) !== 0);
    if (page < 0) {
      if (exit.cutOff) {
        cpu.state.write(FAULT, 0);
        this.finish(exit);
      } else {
        cpu.deliverFault();
      }
      return "inject";
    }
    const physicalPage = this.resolve(page);
    if (physicalPage < 0) {
      this.finish(exit);
      return "mmio";
    }
    const flags = cpu.walkFlags, paged = (v.get(CR0) & CR0_PG) !== 0, userPage = (flags & PAGE_USER) !== 0;
    // Where the kernel writes for CR0.WP = 0 alone, an entry that user code shares must not allow it.
    const allowed = (flags & PAGE_WRITABLE) !== 0 && (!userPage || (flags & PAGE_RIGHTS_W) !== 0);
    if (write && allowed) this.tables.loosen(physicalPage);
    if (paged) this.tables.noteWalk(linear);
    const writable = allowed && this.isWritable(physicalPage);
    if (write && !writable) {
      this.finish(exit);
      return "traced-write";
    }
    this.paging.fill(KERNEL, paged, linear, physicalPage, writable, userPage || !paged, (flags & (PAGE_LARGE_2M | PAGE_LARGE_4M)) !== 0);
    if (exit.cutOff) this.finish(exit);
    return "shadow-fill";
  }

  // --- memory

  private resolve(page: number): number {
    const { physical } = this.cpu.v;
    const behindA20 = page & (physical.a20Mask >>> 12);
    return physical.hostPage(behindA20) === 0 ? -1 : behindA20;
  }

  private isWritable(physicalPage: number): boolean {
    return !this.cpu.v.physical.isReadOnly(physicalPage) && !this.tables.isTraced(physicalPage);
  }

  flushed(linear: number | null): void {
    this.monitor.stale = true;
    this.tables.flushed(linear);
  }

  written(physical: number, length: number): void {
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      const start = page * PAGE_BYTES;
      this.tables.written(page, Math.max(physical - start, 0), Math.min(physical + length - start, PAGE_BYTES));
    }
  }

  mappingChanged(): void {
    this.monitor.stale = true;
    this.tables.dropEverything();
  }

  guestChanged(): void {
    this.mappingChanged();
  }
}
