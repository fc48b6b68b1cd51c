// The monitor's loop. Ring 0 is TypeScript: whenever the guest, de-privileged on context H, would enter ring 0, the
// processor stops and the exit lands here. Each exit gives one record, written at one place.
//
// The monitor holds the guest's processor V. What the guest may not do itself is done on V by the same interpreter with
// a budget of one instruction; then V is projected onto H again. What H cannot hold at all is run on V until it can.

import type { Core, StopReason } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { deliverEvent, EVENT_EXTERNAL, EVENT_TRAP } from "../cpu/exceptions.ts";
import { walk } from "../cpu/paging.ts";
import { PAGE_USER, PAGE_WRITABLE } from "../cpu/tlb.ts";
import type { Decoder } from "../isa/decoder.ts";
import {
  ACCESS_UNUSABLE, ACTIVITY, CPL, CR0, DR6, EFLAGS_IF, EFLAGS_SYSTEM, GDTR_BASE, GDTR_LIMIT, LDTR, SHADOW,
} from "../isa/state-layout.ts";
import type { ProcessorSet, Ring } from "../protocol/technique.ts";
import { type ActionName, FLAG_EMULATED_RUN, FLAG_INJECTED, FLAG_REFUSED } from "../protocol/trap-record.ts";
import { ExitRecorder } from "./exit-record.ts";
import { buildInterruptTable, buildTaskState } from "./hardware-tables.ts";
import { IDT_PAGE, MonitorPool, PAGE_BYTES, TSS_PAGE } from "./pool.ts";
import { limboReason, Projection, runsInV86, TSS_LIMIT } from "./projection.ts";
import { ShadowDescriptors } from "./shadow/descriptors.ts";
import { KERNEL, ShadowPaging, USER } from "./shadow/paging.ts";
import type { Truth } from "./oracle/truth.ts";
import type { TrapLog } from "./trap-log.ts";

export interface VmmParts {
  readonly cpu: Cpu;
  readonly core: Core;
  readonly decoder: Decoder;
  readonly log: TrapLog;
  readonly truth: Truth;
  /** Wasm address and size of the monitor's pool, and its first physical page in context H. */
  readonly pool: { readonly base: number; readonly bytes: number; readonly firstPage: number };
  readonly interrupts: { readonly pending: () => boolean; readonly acknowledge: () => number };
  readonly nowNs: () => number;
  readonly notice: (text: string) => void;
}

/** What a technique refused: the guest did something that it cannot represent. */
export interface Refusal {
  readonly reason: string;
  readonly eip: number;
  readonly bytes: Uint8Array;
}

const DB = 1, PF = 14;
const ERROR_WRITE = 2;
/** Emulated instructions between two looks at whether H can hold V again: few at first, as most limbos are short. */
const LIMBO_FIRST_LOOKS = 64, LIMBO_BATCH = 256;
/** With an interrupt waiting and IF = 0 this long, a person wants to know. */
const STARVED_INSTRUCTIONS = 50e6;
/** Instructions after which IF is what they made it, whatever it was before. */
const SETS_FLAGS: ReadonlySet<string> = new Set(["CLI", "STI", "POPF", "IRET", "INT", "INT3", "INTO", "SYSENTER"]);

export class Vmm {
  readonly ring: Ring;
  /** Instructions that the monitor ran for the guest on V. */
  emulatedInstructions = 0;
  refusal: Refusal | null = null;
  private readonly parts: VmmParts;
  private readonly cpu: Cpu;
  private readonly core: Core;
  private readonly paging: ShadowPaging;
  private readonly descriptors: ShadowDescriptors;
  private readonly projection: Projection;
  private readonly recorder: ExitRecorder;
  private readonly pool: MonitorPool;
  /** What H holds is void: V changed, or the tables did. */
  private stale = true;
  private tablesStale = true;
  private translationsStale = true;
  private waitingSince = -1;
  private starvationTold = false;
  private readonly traced = new Set<number>();
  private readonly onFlush = (): void => {
    this.translationsStale = true;
  };

  constructor(parts: VmmParts, ring: Ring, set: ProcessorSet) {
    const { cpu } = parts;
    this.parts = parts;
    this.cpu = cpu;
    this.core = parts.core;
    this.ring = ring;
    this.pool = new MonitorPool(cpu.state, parts.pool.base, parts.pool.bytes, parts.pool.firstPage);
    this.paging = new ShadowPaging(this.pool, () => cpu.h.tlb.flushAll());
    this.descriptors = new ShadowDescriptors(cpu, this.pool);
    this.descriptors.policy = { ring, hideUserCode: set.tricks === true };
    this.projection = new Projection(cpu, this.descriptors, this.paging, { ring, umip: set.umip === true, tsd: set.tsd === true, vme: set.vme === true });
    this.recorder = new ExitRecorder(cpu, parts.log, parts.decoder);
  }

  /** Takes the guest over between two instructions. */
  attach(): void {
    const { cpu } = this;
    cpu.hostAttached = true;
    cpu.h.tlb.prepare();
    cpu.v.tlb.onFlush.push(this.onFlush);
    this.stale = this.tablesStale = this.translationsStale = true;
  }

  /** Gives the guest back to the bare processor. */
  detach(): void {
    const { cpu } = this;
    for (const page of this.traced) cpu.unmarkTraced(page);
    this.traced.clear();
    const at = cpu.v.tlb.onFlush.indexOf(this.onFlush);
    if (at >= 0) cpu.v.tlb.onFlush.splice(at, 1);
    cpu.hostAttached = false;
    cpu.switchContext("V");
    this.core.setIntr(this.parts.interrupts.pending());
  }

  /** Physical addresses mean something else (A20, shadow RAM). */
  mappingChanged(): void {
    this.translationsStale = this.tablesStale = this.stale = true;
  }

  /** A store changed a page that is watched: by V, by H, or by a bus master. */
  tracedWrite(physicalPage: number): void {
    if (this.traced.has(physicalPage)) this.tablesStale = this.stale = true;
  }

  run(budget: number): StopReason | "refused" {
    const { core, cpu } = this;
    const end = core.retired() + budget;
    for (;;) {
      if (this.refusal) return "refused";
      this.deliverIfOpen();
      const activity = cpu.v.context.get(ACTIVITY);
      if (activity !== 0) return activity === 1 ? "halted" : "shutdown";
      const left = end - core.retired();
      if (left <= 0) return "budget";
      if (!this.enter(left)) continue;
      const reason = core.run(left);
      if (reason !== "exit") return reason === "halted" ? "budget" : reason;
      this.handle();
      if (core.takeStop()) return "break";
    }
  }

  // --- towards H

  /** Makes H hold what V is. False: it cannot, and some instructions were emulated instead. */
  private enter(left: number): boolean {
    if (!this.stale) return true;
    this.refresh();
    const { cpu } = this;
    const cpl = cpu.v.context.get(CPL);
    if (!runsInV86(cpu.v.context) && (cpl === 1 || cpl === 2)) {
      this.refuse("the guest uses ring 1 or 2");
      return false;
    }
    const limbo = limboReason(cpu.v.context, this.descriptors);
    if (limbo !== null) {
      this.emulateLimbo(left);
      return false;
    }
    this.projection.interruptWaits = this.waitingSince >= 0;
    this.projection.project();
    this.stale = false;
    return true;
  }

  /** Rebuilds what the guest's changes made void. */
  private refresh(): void {
    const { cpu, paging, descriptors } = this;
    if (this.translationsStale) {
      this.translationsStale = false;
      paging.dropAll();
      this.tablesStale = true;
    }
    if (!this.tablesStale) return;
    this.tablesStale = false;
    cpu.switchContext("V");
    this.buildTables();
    for (const page of this.traced) if (!descriptors.pages.has(page)) cpu.unmarkTraced(page);
    for (const page of descriptors.pages) {
      if (this.traced.has(page)) continue;
      cpu.markTraced(page);
      paging.protect(page);
    }
    this.traced.clear();
    for (const page of descriptors.pages) this.traced.add(page);
  }

  private buildTables(): void {
    const { cpu, descriptors, paging, pool } = this;
    const v = cpu.v.context;
    const window = paging.windowBase;
    descriptors.windowBase = window;
    descriptors.setTss(...tssDescriptor(window + TSS_PAGE * PAGE_BYTES));
    const protectedMode = !runsInV86(v) || (v.get(CR0) & 1) !== 0;
    const noTable = { base: 0, limit: -1 };
    const ldt = v.segmentAccess(LDTR) & ACCESS_UNUSABLE || v.selector(LDTR) === 0 ? noTable : { base: v.segmentBase(LDTR), limit: Math.min(v.segmentLimit(LDTR), 0xffff) };
    descriptors.rebuild(protectedMode ? { base: v.get(GDTR_BASE), limit: v.get(GDTR_LIMIT) & 0xffff } : noTable, protectedMode ? ldt : noTable);
    buildInterruptTable(pool, IDT_PAGE, descriptors.codeSlot * 8, window);
    buildTaskState(pool, TSS_PAGE, (v.get(CR0) & 1) !== 0);
  }

  /** Runs V itself until H can hold it. */
  private emulateLimbo(left: number): void {
    const { cpu, core } = this;
    cpu.switchContext("V");
    const start = core.retired();
    for (let looks = 0; ; looks++) {
      const spent = core.retired() - start;
      if (spent >= left) break;
      const reason = core.run(Math.min(left - spent, looks < LIMBO_FIRST_LOOKS ? 1 : LIMBO_BATCH));
      if (reason !== "budget" || core.stopping) break;
      if (this.translationsStale || this.tablesStale) this.refresh();
      else if (this.tablesMoved()) {
        this.tablesStale = true;
        this.refresh();
      }
      cpu.switchContext("V");
      if (limboReason(cpu.v.context, this.descriptors) === null) break;
    }
    this.emulatedInstructions += core.retired() - start;
    this.parts.truth.adopt();
    this.tablesStale = this.stale = true;
  }

  private tablesMoved(): boolean {
    return (this.cpu.v.context.get(CR0) & 1) !== 0;
  }

  // --- exits

  private handle(): void {
    const { cpu, core, recorder, parts } = this;
    const { exit } = cpu;
    exit.clear();
    this.projection.absorb();
    recorder.begin(exit, core.retired(), parts.nowNs());
    let flags = 0;
    let action: ActionName;
    if (exit.kind === "interrupt") action = this.interrupt();
    else if (exit.kind === "exception" && exit.vector === PF) action = this.pageFault(exit.cr2, exit.errorCode);
    else if (exit.kind === "exception" && exit.vector === DB) action = this.debugTrap();
    else action = this.step();
    if (core.exception !== null && action !== "deliver-irq" && action !== "park-irq" && action !== "shadow-fill") {
      flags |= FLAG_INJECTED;
      action = "inject";
    }
    if (this.refusal) {
      action = "refuse";
      flags |= FLAG_REFUSED;
    } else if (this.stale && this.limboAhead()) flags |= FLAG_EMULATED_RUN;
    if (cpu.v.context.get(ACTIVITY) === 2) action = "end";
    if (flags & FLAG_INJECTED || action === "deliver-irq" || SETS_FLAGS.has(recorder.instruction)) parts.truth.settle(EFLAGS_IF);
    else parts.truth.follow();
    recorder.commit(action, flags);
  }

  private limboAhead(): boolean {
    return !this.tablesStale && !this.translationsStale && limboReason(this.cpu.v.context, this.descriptors) !== null;
  }

  /** One whole instruction of the guest on V: with the guest's rings, tables and devices. */
  private step(): ActionName {
    const { cpu, core } = this;
    cpu.switchContext("V");
    const before = core.retired();
    core.holdInterrupts = true;
    core.run(1);
    core.holdInterrupts = false;
    this.emulatedInstructions += core.retired() - before;
    this.stale = true;
    this.noteTables();
    return "emulate";
  }

  /** LGDT, LLDT, a switch of mode: the shadows follow. Cheap comparisons after every step. */
  private noteTables(): void {
    const v = this.cpu.v.context;
    const key = this.tableKey;
    const now = [v.get(GDTR_BASE), v.get(GDTR_LIMIT), v.segmentBase(LDTR), v.segmentLimit(LDTR), v.get(CR0) & 1];
    for (let i = 0; i < now.length; i++) {
      if (key[i] === now[i]) continue;
      key[i] = now[i]!;
      this.tablesStale = true;
    }
    // Real-mode code runs with U = 1 everywhere, protected kernels do not: the address spaces change with PE.
    if (this.lastPe !== now[4]) {
      this.lastPe = now[4]!;
      this.translationsStale = true;
    }
  }
  private readonly tableKey: number[] = [];
  private lastPe = -1;

  private debugTrap(): ActionName {
    const { cpu, core } = this;
    const status = cpu.h.context.get(DR6);
    cpu.switchContext("V");
    cpu.v.context.set(DR6, cpu.v.context.get(DR6) | status);
    deliverEvent(cpu, DB, EVENT_TRAP);
    core.exception = { vector: DB, errorCode: null };
    this.stale = true;
    return "inject";
  }

  /** The silicon's page fault: the guest's own, a miss of the shadow, a device, or a watched page. */
  private pageFault(linear: number, error: number): ActionName {
    const { cpu, core, paging } = this;
    const v = cpu.v.context;
    const write = (error & ERROR_WRITE) !== 0;
    const v86 = runsInV86(v);
    const user = v.get(CPL) === 3;
    cpu.switchContext("V");
    core.exception = null;
    const page = walk(cpu, linear, write, user);
    if (page < 0) {
      // The guest's tables do not allow it either. The walk has left the guest's own fault.
      core.exception = { vector: PF, errorCode: error };
      cpu.deliverFault();
      this.stale = true;
      return "inject";
    }
    const physicalPage = page & (cpu.physical.a20Mask >>> 12);
    if (cpu.physical.hostPage(physicalPage) === 0) {
      this.step();
      return "mmio";
    }
    if (paging.inWindow(linear)) {
      if (this.ring === 1 && !v86 && !user) return this.step();
      if (!paging.moveWindow()) {
        this.refuse("the guest uses all of its linear space: no room for the monitor's window");
        return "refuse";
      }
      this.tablesStale = this.stale = true;
    }
    const plain = !cpu.physical.isReadOnly(physicalPage) && !this.traced.has(physicalPage);
    const writable = plain && (cpu.walkFlags & PAGE_WRITABLE) !== 0;
    if (write && !writable) {
      this.step();
      return "traced-write";
    }
    const role = user && !(v86 && (v.get(CR0) & 1) === 0) ? USER : KERNEL;
    const userBit = role === USER || v86 || this.ring === 3 || (cpu.walkFlags & PAGE_USER) !== 0;
    paging.fill(role, linear, physicalPage, writable, userBit);
    if (!this.stale) cpu.switchContext("H");
    return "shadow-fill";
  }

  // --- interrupts: the silicon's IF is always 1, the guest's decides when

  private interrupt(): ActionName {
    const { core, cpu } = this;
    core.exception = null;
    if (this.open()) {
      this.deliver();
      return "deliver-irq";
    }
    if (this.waitingSince < 0) this.waitingSince = core.retired();
    core.setIntr(false);
    if (this.cpu.v.context.get(SHADOW) !== 0) this.stale = true;
    this.projection.interruptWaits = true;
    return "park-irq";
  }

  /** Interrupts are open to the guest: IF = 1, no shadow of STI or MOV SS. */
  private open(): boolean {
    const v = this.cpu.v.context;
    return (v.get(EFLAGS_SYSTEM) & EFLAGS_IF) !== 0 && v.get(SHADOW) === 0;
  }

  private deliver(): void {
    const { cpu, parts } = this;
    const vector = parts.interrupts.acknowledge();
    this.recorder.vector = vector;
    cpu.switchContext("V");
    deliverEvent(cpu, vector, EVENT_EXTERNAL);
    parts.truth.settle(EFLAGS_IF);
    this.stale = true;
    this.resumeInterrupts();
  }

  private resumeInterrupts(): void {
    this.waitingSince = -1;
    this.starvationTold = false;
    this.projection.interruptWaits = false;
    this.core.setIntr(this.parts.interrupts.pending());
  }

  /** An interrupt that waited, or came while the guest was halted, and may go in now. */
  private deliverIfOpen(): void {
    const { cpu, core, parts } = this;
    const v = cpu.v.context;
    const halted = v.get(ACTIVITY) === 1;
    if (this.waitingSince < 0 && !halted) return;
    if (!parts.interrupts.pending()) {
      if (this.waitingSince >= 0) this.resumeInterrupts();
      return;
    }
    if (v.get(SHADOW) !== 0 && v.get(EFLAGS_SYSTEM) & EFLAGS_IF && !halted) {
      // The instruction in the shadow runs first.
      this.step();
    }
    if (this.open()) this.deliver();
    else if (this.waitingSince >= 0 && !this.starvationTold && core.retired() - this.waitingSince > STARVED_INSTRUCTIONS) {
      this.starvationTold = true;
      parts.notice("an interrupt has waited for 50 million instructions with the guest's IF = 0");
    }
  }

  private refuse(reason: string): void {
    const { cpu } = this;
    this.refusal = { reason, eip: cpu.state.eip >>> 0, bytes: new Uint8Array(0) };
  }
}

function tssDescriptor(base: number): [number, number] {
  const low = (TSS_LIMIT & 0xffff) | (base << 16);
  const high = ((base >>> 16) & 0xff) | (0x8b << 8) | (TSS_LIMIT & 0x000f_0000) | (base & 0xff00_0000);
  return [low, high];
}

