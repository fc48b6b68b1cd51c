// T6, binary translation (VMware, 1998): the guest's kernel code never runs as it is. It is rewritten, a unit at a time, as it is
// first reached; what would leak or trap becomes inline work on the guest's own state, or a call of the monitor. Direct branches
// between units are chained, indirect ones are looked up. User code with open interrupts runs directly.
//
// Adaptive: an instruction that keeps faulting on watched or device memory is translated again as a callout, and back when it
// no longer touches any (Adams and Agesen, 2006). Where it only stores beside a descriptor table, in a page that is watched for it, it is
// translated again with a comparison: a kernel may have its stack there.

import type { TranslationPass } from "../../cpu/block-cache.ts";
import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { PAGE_IS_TRACED } from "../../cpu/processor.ts";
import type { Decoded } from "../../isa/decoded.ts";
import type { Row } from "../../isa/row.ts";
import { sensitivityNote } from "../../isa/sensitivity.ts";
import { CPL, CR0, CS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_SYSTEM, FLAT_BELOW, MODE_V86 } from "../../isa/state-layout.ts";
import { calloutRow, checkedRow, inlineRow } from "../../isa/translation.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { Deprivileged } from "../deprivileged.ts";
import { runsInV86 } from "../limbo.ts";
import { PAGE_BYTES } from "../pool.ts";
import type { RowFacts } from "../row-facts.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";
import { TranslatedPage } from "./translated-page.ts";

const CR0_PE = 1;
/** Faults on watched memory after which an instruction calls out, and calls without any after which it faults again. */
const FAULTS_TO_CALL = 8, QUIET_CALLS = 64;
/** Of one store. */
const WIDEST = 16;
/** Stores into a page of translated code after which its units watch over themselves. */
const STORES_TO_SELF_CHECK = 64;
/** Exceptions by which the guest asks for its own handler: they run as they are, and leave. */
const BY_VECTOR: ReadonlySet<string> = new Set(["INT3", "INTO", "BOUND", "INT1"]);
/** In V86 mode selectors are no privilege: these run as they are. */
const PLAIN_IN_V86: ReadonlySet<string> = new Set(["MOV", "PUSH", "POP", "LDS", "LES", "LSS", "LFS", "LGS", "RETF", "JMP", "CALL", "ARPL"]);

class Translate extends Deprivileged implements TranslationPass {
  /** What has been reached, by physical page. */
  private readonly pages = new Map<number, TranslatedPage>();
  private readonly stores = new Map<number, number>();
  private readonly selfChecking = new Set<number>();
  /** Faults on watched memory, and quiet callouts, by the physical address of the instruction. */
  private readonly faults = new Map<number, number>();
  private readonly calling = new Map<number, number>();
  /** Instructions that compare where they store with what is watched, and the tables as they were when that was last told to the TLB. */
  private readonly checking = new Set<number>();
  private besideVersion = -1;
  /** The step has stored into memory that is watched. */
  private touched = false;
  private readonly counts = { units: 0, callouts: 0, retranslated: 0, reverted: 0, checked: 0 };

  constructor(monitor: Monitor) {
    super(monitor, 1, { resumes: true });
  }

  override attach(): void {
    super.attach();
    this.monitor.core.blocks.pass = this;
  }

  override detach(): void {
    const { blocks } = this.monitor.core;
    const pages = [...this.pages.keys()];
    this.pages.clear();
    for (const page of pages) this.cpu.unmarkTraced(page);
    this.cpu.translating = false;
    blocks.pass = null;
    blocks.flush();
    super.detach();
  }

  // --- the pass

  admits(physicalPage: number, key: number): boolean {
    return this.pages.get(physicalPage)?.knows(key & (PAGE_BYTES - 1), key >>> 12) === true;
  }

  emit(row: Row, _decoded: Decoded, physical: number, mode: number): Row {
    if (this.calling.has(physical)) return calloutRow(row);
    const note = sensitivityNote(row);
    if (!note && this.checking.has(physical)) return checkedRow(row);
    if (!note || BY_VECTOR.has(row.mnemonic) || row.mnemonic === "ARPL" || row.mnemonic === "SYSENTER") return row;
    if (mode & MODE_V86 && PLAIN_IN_V86.has(row.mnemonic) && !row.privileged) return row;
    return inlineRow(row) ?? calloutRow(row);
  }

  // --- towards H

  override enter(left: number): StopReason | null {
    const { cpu, monitor } = this;
    cpu.translating = !this.runsDirectly;
    cpu.guestInterruptWaits = monitor.interrupts.parked;
    const ended = super.enter(left);
    if (this.descriptors.version !== this.besideVersion) cpu.h.tlb.closeBeside();
    return ended;
  }

  override resume(): void {
    this.cpu.guestInterruptWaits = this.monitor.interrupts.parked;
    super.resume();
  }

  /** At CPL 3 it is a matter of IF whether code is translated. */
  protected override staysOnHardware(facts: RowFacts): boolean {
    return super.staysOnHardware(facts) && (this.cpu.v.context.get(CPL) !== 3 || facts.writes === "none");
  }

  private get runsDirectly(): boolean {
    const v = this.cpu.v.context, flags = v.get(EFLAGS_SYSTEM);
    if ((v.get(CR0) & CR0_PE) === 0 || v.get(CPL) !== 3) return false;
    return runsInV86(v) || ((flags & EFLAGS_IF) !== 0 && (flags & EFLAGS_IOPL) === 0);
  }

  // --- exits

  override react(exit: CpuExit): ActionName {
    if (exit.kind === "tc-miss") return this.translateUnit();
    if (exit.kind === "callout") return this.callout();
    const action = super.react(exit);
    if (action === "traced-write" || action === "mmio") this.noteFault();
    return action;
  }

  /** Physical address of the instruction at the guest's EIP, -1 where there is none. */
  private get place(): number {
    const { cpu } = this;
    const linear = (cpu.v.context.segmentBase(CS) + cpu.state.eip) | 0;
    const fetched = cpu.h.tlb.code(linear >>> 12);
    return fetched === 0 ? cpu.peekPhysical(linear) : (fetched >>> 12) * PAGE_BYTES + (linear & (PAGE_BYTES - 1));
  }

  private translateUnit(): ActionName {
    const { cpu, monitor, pages } = this;
    const { physicalPage, key } = monitor.core.blocks.missed, mode = key >>> 12;
    let page = pages.get(physicalPage);
    if (!page) {
      pages.set(physicalPage, (page = new TranslatedPage()));
      if (!this.selfChecking.has(physicalPage)) {
        cpu.markTraced(physicalPage);
        this.paging.protect(physicalPage);
      }
    }
    const { u8 } = cpu.state, host = cpu.v.physical.hostPage(physicalPage);
    page.translate(u8, monitor.parts.decoder, host, key & (PAGE_BYTES - 1), mode, (row, decoded, offset) => this.emit(row, decoded, physicalPage * PAGE_BYTES + offset, mode));
    this.counts.units++;
    return "callout";
  }

  private callout(): ActionName {
    const { place } = this;
    this.counts.callouts++;
    const quiet = this.calling.get(place);
    this.touched = false;
    this.step();
    if (quiet === undefined) return "emulate";
    if (this.touched) this.calling.set(place, 0);
    else if (quiet + 1 < QUIET_CALLS) this.calling.set(place, quiet + 1);
    else {
      this.calling.delete(place);
      this.counts.reverted++;
      this.monitor.core.blocks.invalidate(place, 1);
    }
    return "emulate";
  }

  /** The instruction that left last faulted on watched memory; V has gone past it. */
  private noteFault(): void {
    const { checking, counts, faults, faultedAt: at } = this;
    if (at < 0) return;
    const isBeside = this.openBeside(this.faultedOn);
    if (isBeside && checking.has(at)) return;
    const count = (faults.get(at) ?? 0) + 1;
    faults.set(at, count);
    if (count < FAULTS_TO_CALL) return;
    faults.delete(at);
    if (isBeside) {
      checking.add(at);
      counts.checked++;
    } else {
      checking.delete(at);
      this.calling.set(at, 0);
      counts.retranslated++;
    }
    this.monitor.core.blocks.invalidate(at, 1);
  }
  private faultedAt = -1;
  private faultedOn = 0;

  /** Whether the store at `linear`, which V has done, was to a page that is watched for descriptor tables alone, beside them; if so, others need not leave. */
  private openBeside(linear: number): boolean {
    const { cpu, descriptors } = this;
    const driven = cpu.peekPhysical(linear) >>> 12, page = linear >>> 12;
    if (cpu.h.context.get(CPL) === 3 || linear >>> 0 >= FLAT_BELOW || cpu.watchedPages.length > 0 || !descriptors.watched.has(driven)) return false;
    // Whatever else is known of the page wants to see all stores.
    if (cpu.codePages[driven] !== PAGE_IS_TRACED || this.isTraced(driven) || this.isTable(driven) || cpu.v.physical.isReadOnly(driven)) return false;
    const { from, to } = descriptors.watchedIn(driven), offset = linear & (PAGE_BYTES - 1);
    if (offset + WIDEST > from && offset < to) return false;
    cpu.h.tlb.openBeside(page, cpu.v.physical.hostPage(driven), from, to);
    this.besideVersion = descriptors.version;
    return true;
  }

  protected override pageFault(linear: number, error: number): ActionName {
    this.faultedAt = this.place;
    this.faultedOn = linear;
    return super.pageFault(linear, error);
  }

  // --- the guest's memory

  protected override isTraced(physicalPage: number): boolean {
    return this.pages.has(physicalPage) && !this.selfChecking.has(physicalPage);
  }

  override written(physical: number, length: number): void {
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) if (!this.isWritable(page)) this.touched = true;
    super.written(physical, length);
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      const known = this.pages.get(page);
      if (!known) continue;
      const start = page * PAGE_BYTES;
      known.forget(Math.max(physical - start, 0), Math.min(physical + length - start, PAGE_BYTES));
      const stores = (this.stores.get(page) ?? 0) + 1;
      this.stores.set(page, stores);
      if (stores !== STORES_TO_SELF_CHECK) continue;
      this.selfChecking.add(page);
      this.watch(page, false);
    }
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, ...this.counts, inlined: this.cpu.inlined };
  }
}

export const translate: TechniqueDefinition = { id: "translate", create: (monitor) => new Translate(monitor) };
