// T2, the debugger's answer (Peter Kese on the plex86 list, 2003): breakpoints over what would leak, in the guest's own memory.
// Code is found by following direct control flow from where the guest is known to be: every place at which the monitor hands
// control back. One byte is enough, and no neighbour is touched; but the guest that reads its own code sees it.

import type { CpuExit } from "../../cpu/exit.ts";
import type { StopReason } from "../../cpu/core.ts";
import { BP } from "../../cpu/processor.ts";
import { createDecoded, NEEDS_MORE_BYTES } from "../../isa/decoder.ts";
import { type Decoded, TOO_LONG } from "../../isa/decoded.ts";
import { CPL, CS } from "../../isa/state-layout.ts";
import { type ActionName, FLAG_PATCHED } from "../../protocol/trap-record.ts";
import { Deprivileged } from "../deprivileged.ts";
import { runsInV86 } from "../limbo.ts";
import { PAGE_BYTES } from "../pool.ts";
import { branchTarget, type CodeMode, flowOf, isHole } from "./code-class.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const INT3 = 0xcc;
const ACCESS_CODE32 = 1 << 14;
const MAXIMUM_LENGTH = 15;
/** Instructions that one search follows: what it leaves is found from where it stopped. */
const SEARCH = 4096;

/** A planted breakpoint, by the physical address of its byte. */
interface Site {
  readonly original: number;
  /** Bytes of the instruction that could be read when it was found. */
  readonly length: number;
}

class Int3 extends Deprivileged {
  private readonly sites = new Map<number, Site>();
  /** How many sites each physical page holds. */
  private readonly sitesOf = new Map<number, number>();
  /** Physical addresses of instructions that a search has been at, with the width of the code. */
  private readonly visited = new Map<number, Set<number>>();
  private readonly decoded: Decoded = createDecoded();
  private readonly bytes = new Uint8Array(16);
  /** The monitor itself writes: nothing of the guest's has changed. */
  private planting = false;

  constructor(monitor: Monitor) {
    super(monitor, monitor.ring);
  }

  override detach(): void {
    for (const [physical, site] of this.sites) this.put(physical, site.original);
    const pages = [...this.visited.keys()];
    this.sites.clear();
    this.sitesOf.clear();
    this.visited.clear();
    for (const page of pages) this.cpu.unmarkTraced(page);
    super.detach();
  }

  // --- the guest's memory

  private host(physical: number): number {
    const page = this.cpu.v.physical.hostPage(physical >>> 12);
    return page === 0 ? 0 : page + (physical & (PAGE_BYTES - 1));
  }

  private put(physical: number, value: number): void {
    this.planting = true;
    this.cpu.state.u8[this.host(physical)] = value;
    this.monitor.core.blocks.invalidate(physical, 1);
    this.planting = false;
  }

  protected override isTraced(physicalPage: number): boolean {
    return this.visited.has(physicalPage);
  }

  /** The guest stored over code: what stands there now is looked at when it is reached again. */
  override written(physical: number, length: number): void {
    super.written(physical, length);
    if (this.planting) return;
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      const visited = this.visited.get(page);
      if (!visited) continue;
      const from = Math.max(physical - page * PAGE_BYTES, 0), to = Math.min(physical + length - page * PAGE_BYTES, PAGE_BYTES);
      // A store over the planted byte has replaced it, and is the guest's.
      for (let at = from; at < to; at++) this.drop(page * PAGE_BYTES + at);
      for (let at = Math.max(0, from - MAXIMUM_LENGTH); at < to; at++) {
        visited.delete(at * 2);
        visited.delete(at * 2 + 1);
        const site = this.sites.get(page * PAGE_BYTES + at);
        if (!site || at + site.length <= from) continue;
        this.drop(page * PAGE_BYTES + at);
        this.put(page * PAGE_BYTES + at, site.original);
      }
    }
  }

  private drop(physical: number): void {
    if (this.sites.delete(physical)) this.sitesOf.set(physical >>> 12, this.sitesOf.get(physical >>> 12)! - 1);
  }

  /** The guest's own byte. */
  private byteAt(physical: number): number {
    return this.sites.get(physical)?.original ?? this.cpu.state.u8[this.host(physical)]!;
  }

  // --- finding code

  override enter(left: number): StopReason | null {
    const { cpu, monitor } = this;
    const v = cpu.v.context;
    if (!monitor.emulating && v.get(CPL) !== 3) {
      cpu.switchContext("V");
      this.search(cpu.state.eip);
    }
    return super.enter(left);
  }

  private get mode(): CodeMode {
    if (!runsInV86(this.cpu.v.context)) return "protected";
    return this.monitor.set.vme === true ? "v86-vme" : "v86";
  }

  /** Follows direct control flow from `eip` on and plants a breakpoint on every hole. */
  private search(eip: number): void {
    const work = [eip];
    const v = this.cpu.v.context;
    const base = v.segmentBase(CS), limit = v.segmentLimit(CS), code32 = (v.segmentAccess(CS) & ACCESS_CODE32) !== 0;
    const { mode } = this;
    const width = code32 ? 1 : 0;
    for (let budget = SEARCH; work.length > 0 && budget > 0; ) {
      let at = work.pop()!;
      for (; budget > 0; budget--) {
        const physical = at >>> 0 > limit ? -1 : this.cpu.peekPhysical((base + at) | 0);
        if (physical < 0 || this.host(physical) === 0 || this.cpu.v.physical.isReadOnly(physical >>> 12)) break;
        if (!this.visit(physical, width)) break;
        const length = this.decode((base + at) | 0, physical, code32);
        if (length === 0) break;
        const flow = flowOf(this.decoded);
        const target = flow === "jump" || flow === "conditional" || flow === "call" ? branchTarget(this.decoded, at) : null;
        if (isHole(this.decoded, mode)) this.plant(physical, length);
        if (target !== null) work.push(target);
        if (flow === "jump" || flow === "indirect" || flow === "far" || flow === "stop") break;
        at = (at + length) | 0;
      }
    }
  }

  /** False: a search has been there. */
  private visit(physical: number, width: number): boolean {
    const page = physical >>> 12;
    let visited = this.visited.get(page);
    if (!visited) {
      this.visited.set(page, (visited = new Set()));
      this.cpu.markTraced(page);
      this.paging.protect(page);
    }
    const key = (physical & (PAGE_BYTES - 1)) * 2 + width;
    if (visited.has(key)) return false;
    visited.add(key);
    return true;
  }

  /** Reads across the page's end where the next page is there; 0: no instruction, or its tail is absent. */
  private decode(linear: number, physical: number, code32: boolean): number {
    let available = 0;
    let at = physical;
    for (; available < MAXIMUM_LENGTH; available++, at++) {
      if (available > 0 && (at & (PAGE_BYTES - 1)) === 0) {
        at = this.cpu.peekPhysical((linear + available) | 0);
        if (at < 0 || this.host(at) === 0) break;
      }
      this.bytes[available] = this.byteAt(at);
    }
    const length = this.monitor.parts.decoder.decodeBytes(this.bytes, 0, available, code32, this.decoded);
    return length === NEEDS_MORE_BYTES || length === TOO_LONG || this.decoded.row === null ? 0 : length;
  }

  private plant(physical: number, length: number): void {
    if (this.sites.has(physical)) return;
    const original = this.cpu.state.u8[this.host(physical)]!;
    // A byte that an instruction found before goes through would become part of another one.
    this.sites.set(physical, { original, length });
    this.sitesOf.set(physical >>> 12, (this.sitesOf.get(physical >>> 12) ?? 0) + 1);
    this.put(physical, INT3);
  }

  // --- exits

  /** Records show the instruction that the breakpoint stands for. */
  originalBytes(linear: number, bytes: Uint8Array, available: number): void {
    for (let i = 0; i < available; i++) {
      if (bytes[i] !== INT3) continue;
      const physical = this.cpu.peekPhysical((linear + i) | 0);
      const site = physical < 0 ? undefined : this.sites.get(physical);
      if (site) bytes[i] = site.original;
    }
  }

  override react(exit: CpuExit): ActionName {
    if (exit.kind === "exception" && exit.vector === BP) {
      const physical = this.cpu.peekPhysical((this.cpu.v.context.segmentBase(CS) + this.cpu.state.eip) | 0);
      if (physical >= 0 && this.sites.has(physical)) this.monitor.exitFlags |= FLAG_PATCHED;
    }
    return super.react(exit);
  }

  /** A step on V executes the guest's own bytes: those that it may fetch are put back for its time. */
  override around(step: () => void): void {
    const { cpu } = this;
    const linear = (cpu.v.context.segmentBase(CS) + cpu.state.eip) | 0;
    const lifted: number[] = [];
    for (let i = 0; i < MAXIMUM_LENGTH; i++) {
      const physical = cpu.peekPhysical((linear + i) | 0);
      if (physical < 0) break;
      if ((this.sitesOf.get(physical >>> 12) ?? 0) === 0) {
        i += PAGE_BYTES - 1 - (physical & (PAGE_BYTES - 1));
        continue;
      }
      if (this.sites.has(physical)) lifted.push(physical);
    }
    for (const physical of lifted) this.put(physical, this.sites.get(physical)!.original);
    super.around(step);
    for (const physical of lifted) if (this.sites.has(physical)) this.put(physical, INT3);
  }
}

export const int3: TechniqueDefinition = { id: "int3", create: (monitor) => new Int3(monitor) };
