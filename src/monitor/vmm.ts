// The monitor's loop. Ring 0 is TypeScript: whenever the guest, de-privileged on context H, would enter ring 0, the
// processor stops and the exit lands here. Each exit gives one record, written at one place.
//
// The monitor holds the guest's processor V. What the guest may not do itself is done on V by the same interpreter with
// a budget of one instruction; then V is projected onto H again. What H cannot hold at all is run on V until it can.

import type { Core, StopReason } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { deliverEvent, EVENT_TRAP } from "../cpu/exceptions.ts";
import { walk } from "../cpu/paging.ts";
import { DB, NMI, PF } from "../cpu/processor.ts";
import { PAGE_LARGE_2M, PAGE_LARGE_4M, PAGE_RIGHTS_W, PAGE_USER, PAGE_WRITABLE } from "../cpu/tlb.ts";
import type { Decoder } from "../isa/decoder.ts";
import { ACTIVITY, CPL, CR0, IDTR_BASE, IDTR_LIMIT } from "../isa/state-layout.ts";
import type { ProcessorSet, Ring } from "../protocol/technique.ts";
import { type ActionName, FLAG_EMULATED_RUN, FLAG_INJECTED, FLAG_REFUSED } from "../protocol/trap-record.ts";
import { changesOf } from "./changes.ts";
import { ExitRecorder } from "./exit-record.ts";
import { HardwareTables, TSS_LIMIT } from "./hardware-tables.ts";
import { LeakedSelectors } from "./leaked-selectors.ts";
import { inRealMode, LimboCheck, roleOf, runsInV86 } from "./limbo.ts";
import type { Probes } from "./oracle/probes.ts";
import { MonitorPool, PAGE_BYTES, TSS_PAGE } from "./pool.ts";
import { Projection } from "./projection.ts";
import { ShadowDescriptors } from "./shadow/descriptors.ts";
import { KERNEL, ShadowPaging } from "./shadow/paging.ts";
import type { TrapLog } from "./trap-log.ts";
import { type InterruptSource, VirtualInterrupts } from "./virtual-interrupts.ts";

export interface VmmParts {
  readonly cpu: Cpu;
  readonly core: Core;
  readonly decoder: Decoder;
  readonly log: TrapLog;
  readonly probes: Probes;
  /** Wasm address and size of the monitor's pool, and its first physical page in context H. */
  readonly pool: { readonly base: number; readonly bytes: number; readonly firstPage: number };
  readonly interrupts: InterruptSource;
  readonly nowNs: () => number;
  readonly notice: (text: string) => void;
}

/** What a technique refused: the guest did something that it cannot represent. */
export interface Refusal {
  readonly reason: string;
  readonly eip: number;
  readonly bytes: Uint8Array;
}

const ERROR_WRITE = 2;
const CR0_PG = 0x8000_0000 | 0;
const RUNNING = 0, SHUT_DOWN = 2;
/** Emulated instructions between two looks at whether H can hold V again: few at first, as most limbos are short. */
const LIMBO_FIRST_LOOKS = 64, LIMBO_BATCH = 256;

export class Vmm {
  readonly ring: Ring;
  /** Instructions that the monitor ran for the guest on V. */
  emulatedInstructions = 0;
  refusal: Refusal | null = null;
  readonly interrupts: VirtualInterrupts;
  private readonly parts: VmmParts;
  private readonly cpu: Cpu;
  private readonly core: Core;
  private readonly paging: ShadowPaging;
  private readonly descriptors: ShadowDescriptors;
  private readonly tables: HardwareTables;
  private readonly limbo: LimboCheck;
  private readonly projection: Projection;
  private readonly recorder: ExitRecorder;
  private readonly leaked: LeakedSelectors;
  /** V has changed: H does not follow from it any more. */
  private stale = true;
  /** The guest's paging has changed: its tables may lie elsewhere. */
  private paged = true;
  /** Instructions that had retired when the present limbo began; -1: there is none. */
  private limboSince = -1;

  constructor(parts: VmmParts, ring: Ring, set: ProcessorSet) {
    const { cpu, core } = parts;
    this.parts = parts;
    this.cpu = cpu;
    this.core = core;
    this.ring = ring;
    const pool = new MonitorPool(cpu.state, parts.pool.base, parts.pool.bytes, parts.pool.firstPage);
    this.paging = new ShadowPaging(
      pool,
      { resolve: (page) => this.resolve(page), isWritable: (page) => this.isWritable(page) },
      ring,
      (linear) => (linear === null ? cpu.h.tlb.flushAll() : cpu.h.tlb.flushPage(linear)),
    );
    this.descriptors = new ShadowDescriptors(cpu, pool, { ring, hideUserCode: set.tricks === true }, (page, watched) => this.watch(page, watched));
    this.tables = new HardwareTables(pool);
    this.limbo = new LimboCheck(cpu.state, this.descriptors);
    this.projection = new Projection(cpu, this.descriptors, this.paging, this.limbo, {
      ring, umip: set.umip === true, tsd: set.tsd === true, vme: set.vme === true,
    });
    this.recorder = new ExitRecorder(cpu, parts.log, parts.decoder);
    this.leaked = new LeakedSelectors(cpu, this.descriptors, ring);
    this.interrupts = new VirtualInterrupts(cpu, core, parts.interrupts, () => this.noteStarvation());
  }

  /** Takes the guest over between two instructions. */
  attach(): void {
    const { cpu } = this;
    cpu.hostAttached = true;
    cpu.h.tlb.prepare();
    cpu.h.tlb.flushAll();
    cpu.v.tlb.onFlush.push(this.onFlush);
  }

  /** Gives the guest back to the bare processor. */
  detach(): void {
    const { cpu } = this;
    this.descriptors.release();
    cpu.v.tlb.onFlush.splice(cpu.v.tlb.onFlush.indexOf(this.onFlush), 1);
    cpu.hostAttached = false;
    cpu.switchContext("V");
    this.interrupts.release();
  }

  /** The guest flushed its own TLB: the shadow, which stands for it, follows. */
  private readonly onFlush = (linear: number | null): void => {
    this.paged = this.stale = true;
    if (linear === null) this.paging.dropAll();
    else this.paging.drop(linear);
  };

  /** Physical addresses mean something else (A20, shadow RAM). */
  mappingChanged(): void {
    this.paging.dropEverything();
    this.paged = this.stale = true;
  }

  /** V is another one: its registers were set from outside. */
  guestChanged(): void {
    this.limboSince = -1;
    this.projection.forgetSegments();
    this.mappingChanged();
  }

  /** Bytes of a watched page changed: by V, or by a bus master. */
  tracedWrite(physical: number, length: number): void {
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      if (!this.descriptors.watched.has(page)) continue;
      const start = page * PAGE_BYTES;
      const roomy = this.descriptors.written(page, Math.max(physical - start, 0), Math.min(physical + length - start, PAGE_BYTES));
      if (!roomy) this.refuseCrowdedTable();
      this.stale = true;
    }
  }

  private watch(page: number, watched: boolean): void {
    if (watched) {
      this.cpu.markTraced(page);
      this.paging.protect(page);
    } else {
      this.cpu.unmarkTraced(page);
    }
  }

  private resolve(page: number): number {
    const { physical } = this.cpu.v;
    const behindA20 = page & (physical.a20Mask >>> 12);
    return physical.hostPage(behindA20) === 0 ? -1 : behindA20;
  }

  private isWritable(physicalPage: number): boolean {
    return !this.cpu.v.physical.isReadOnly(physicalPage) && !this.descriptors.watched.has(physicalPage);
  }

  run(budget: number): StopReason | "refused" {
    const { core, cpu } = this;
    const v = cpu.v.context;
    const end = core.retired() + budget;
    const stopsAtException = core.stopAtException;
    for (;;) {
      if (this.refusal) return "refused";
      const left = end - core.retired();
      if (this.interrupts.waits) this.deliverWaiting(left > 0);
      const activity = v.get(ACTIVITY);
      if (activity !== RUNNING) return activity === SHUT_DOWN ? "shutdown" : "halted";
      if (end - core.retired() <= 0) return "budget";
      const emulated = this.enter(end - core.retired());
      if (emulated !== null) {
        if (emulated === "exception" || core.takeStop()) return emulated === "exception" ? emulated : "break";
        continue;
      }
      core.stopAtException = false;
      const reason = core.run(end - core.retired());
      core.stopAtException = stopsAtException;
      if (this.projection.absorb()) this.stale = true;
      if (reason !== "exit") return reason;
      if (this.handle() && stopsAtException) return "exception";
      if (core.takeStop()) return "break";
    }
  }

  // --- towards H

  /** Makes H hold what V is: null. Otherwise it cannot, and why the emulation that took its place has ended. */
  private enter(left: number): StopReason | null {
    if (!this.stale) {
      this.cpu.switchContext("H");
      return null;
    }
    if (this.limboSince >= 0) return this.emulateLimbo(left);
    if (!this.refresh()) return "break";
    const v = this.cpu.v.context;
    if (this.limbo.reason(v) !== null) {
      // A table page may have become present without a flush.
      this.paged = true;
      if (!this.refresh()) return "break";
      if (this.limbo.reason(v) !== null) return this.emulateLimbo(left);
    }
    this.projection.interruptWaits = this.interrupts.parked;
    this.projection.project();
    this.stale = false;
    return null;
  }

  /** Follows the guest's descriptor tables. False: refused. */
  private refresh(): boolean {
    const { cpu, descriptors, paging, tables } = this;
    const v = cpu.v.context;
    cpu.switchContext("V");
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

  /** Runs V itself until H can hold it. Where it looks depends on the guest alone, not on how its time is sliced. */
  private emulateLimbo(left: number): StopReason {
    const { cpu, core } = this;
    const { truth } = this.parts.probes;
    const v = cpu.v.context;
    const start = core.retired();
    if (this.limboSince < 0) this.limboSince = start;
    let reason: StopReason = "budget";
    truth.look();
    this.interrupts.whileEmulating(() => {
      for (;;) {
        const spent = core.retired() - start;
        if (spent >= left) return;
        cpu.switchContext("V");
        reason = core.run(Math.min(left - spent, this.untilLook()));
        if (reason === "break") core.stop(); // `run` answers it
        this.refuseInnerRing();
        if (reason !== "budget" || this.refusal) return;
        if (this.isLookDue() && (!this.refresh() || this.limbo.reason(v) === null)) {
          this.limboSince = -1;
          return;
        }
      }
    });
    this.emulatedInstructions += core.retired() - start;
    truth.follow(0, false);
    this.stale = true;
    return reason;
  }

  /** At first after every instruction of a limbo, as most are short; later now and then. */
  private isLookDue(): boolean {
    const since = this.core.retired() - this.limboSince;
    return since < LIMBO_FIRST_LOOKS || since % LIMBO_BATCH === 0;
  }

  private untilLook(): number {
    const since = this.core.retired() - this.limboSince;
    return since < LIMBO_FIRST_LOOKS ? 1 : LIMBO_BATCH - (since % LIMBO_BATCH);
  }

  // --- exits

  /** One exit, one record. True: the guest was given an exception. */
  private handle(): boolean {
    const { cpu, core, recorder } = this;
    const { exit } = cpu;
    const { truth } = this.parts.probes;
    exit.clear();
    cpu.switchContext("V");
    cpu.delivered = null;
    truth.look();
    const cpl = cpu.v.context.get(CPL);
    recorder.begin(exit, core.retired(), this.parts.nowNs());
    let action = this.react();
    const { delivered } = this.cpu;
    const injected = delivered !== null && delivered.isException;
    if (injected) action = "inject";
    if (cpu.v.context.get(ACTIVITY) === SHUT_DOWN) action = "end";
    this.refuseInnerRing();
    if (this.refusal) action = "refuse";
    if (action !== "shadow-fill" && action !== "park-irq") {
      const changes = changesOf(cpu, recorder.instruction, cpl);
      truth.follow(changes.flags, changes.transfer);
    }
    recorder.commit(action, (injected ? FLAG_INJECTED : 0) | (this.refusal ? FLAG_REFUSED : 0) | (this.limboAhead() ? FLAG_EMULATED_RUN : 0));
    return injected;
  }

  private react(): ActionName {
    const { cpu, interrupts, recorder } = this;
    const { exit } = cpu;
    if (exit.kind === "interrupt") {
      this.stale = true;
      const delivered = exit.vector === NMI ? interrupts.handleNmi() : interrupts.handle();
      if (delivered) recorder.vector = interrupts.vector;
      return delivered ? "deliver-irq" : "park-irq";
    }
    if (exit.kind === "exception" && exit.vector === PF) return this.pageFault(exit.cr2, exit.errorCode);
    // INT1 leaves with EIP on itself; a trap of the debug registers or of TF leaves between two instructions.
    if (exit.kind === "exception" && exit.vector === DB && exit.returnEip === cpu.state.eip) return this.debugTrap();
    return this.step();
  }

  private limboAhead(): boolean {
    return this.stale && !this.paged && this.cpu.v.context.get(ACTIVITY) === RUNNING && this.limbo.reason(this.cpu.v.context) !== null;
  }

  /** One whole instruction of the guest on V: with the guest's rings, tables and devices; or the delivery of its fault. */
  private step(): "emulate" {
    const { cpu, core } = this;
    cpu.switchContext("V");
    const before = core.retired(), stopsAtException = core.stopAtException;
    core.holdInterrupts = true;
    core.stopAtException = true;
    this.leaked.around(this.recorder.instruction, this.runOne);
    core.stopAtException = stopsAtException;
    core.holdInterrupts = false;
    this.emulatedInstructions += core.retired() - before;
    this.stale = true;
    return "emulate";
  }
  private readonly runOne = (): void => {
    this.core.run(1);
  };

  /** What waited for the guest's IF. */
  private deliverWaiting(roomToStep: boolean): void {
    const { truth } = this.parts.probes;
    const cpl = this.cpu.v.context.get(CPL);
    truth.look();
    this.cpu.delivered = null;
    if (!this.interrupts.deliverWaiting(roomToStep ? this.stepShadowed : null)) return;
    this.stale = true;
    const changes = changesOf(this.cpu, null, cpl);
    truth.follow(changes.flags, changes.transfer);
  }

  /** The instruction behind STI or MOV SS, after which a request that waits may go in. */
  private readonly stepShadowed = (): void => {
    this.recorder.forget();
    this.step();
  };

  private debugTrap(): ActionName {
    deliverEvent(this.cpu, DB, EVENT_TRAP);
    this.stale = true;
    return "inject";
  }

  /** The silicon's page fault: the guest's own, a miss of the shadow, a device, or a watched page. */
  private pageFault(linear: number, error: number): ActionName {
    const { cpu, paging } = this;
    const v = cpu.v.context;
    const write = (error & ERROR_WRITE) !== 0, user = v.get(CPL) === 3;
    const page = walk(cpu, linear, write, user);
    if (page < 0) {
      // The guest's tables do not allow it either. The walk has left the guest's own fault.
      cpu.deliverFault();
      this.stale = true;
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
        this.refuse("the guest uses all of its linear space: there is no room for the monitor's window");
        return "refuse";
      }
      this.projection.forgetSegments();
      this.stale = true;
    }
    const flags = cpu.walkFlags, paged = (v.get(CR0) & CR0_PG) !== 0;
    const userPage = (flags & PAGE_USER) !== 0;
    let writable = (flags & PAGE_WRITABLE) !== 0 && this.isWritable(physicalPage);
    // Where the kernel writes for CR0.WP = 0 alone, an entry that user code shares must not allow it.
    if (this.ring === 1 && userPage && (flags & PAGE_RIGHTS_W) === 0) writable = false;
    if (write && !writable) {
      this.step();
      return "traced-write";
    }
    const reachable = this.ring === 3 || userPage || !paged;
    paging.fill(paged ? roleOf(v) : KERNEL, paged, linear, physicalPage, writable, reachable, (flags & (PAGE_LARGE_2M | PAGE_LARGE_4M)) !== 0);
    return "shadow-fill";
  }

  // --- what cannot go on

  private refuseInnerRing(): void {
    const v = this.cpu.v.context;
    const cpl = v.get(CPL);
    if (!runsInV86(v) && (cpl === 1 || cpl === 2)) this.refuse(`the guest runs code in ring ${cpl}`);
  }

  private refuseCrowdedTable(): void {
    this.refuse("the guest's GDT uses every slot: there is none for the monitor's own descriptors");
  }

  private refuse(reason: string): void {
    if (this.refusal) return;
    this.refusal = { reason, eip: this.recorder.eip >>> 0, bytes: this.recorder.bytes };
  }

  private noteStarvation(): void {
    const lost = this.parts.probes.lostInterruptFlag;
    this.parts.notice(
      `An interrupt has waited for 50 million instructions with the guest's IF = 0; ${lost ? `the last write of IF that got lost: ${lost}` : "no write of IF was lost"}.`,
    );
  }
}
