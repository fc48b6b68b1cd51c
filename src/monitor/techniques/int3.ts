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
import { Deprivileged, type FillRights } from "../deprivileged.ts";
import { runsInV86 } from "../limbo.ts";
import { PAGE_BYTES } from "../pool.ts";
import { branchTarget, type CodeMode, flowOf, isHole } from "./code-class.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const INT3 = 0xcc;
const ACCESS_CODE32 = 1 << 14;
const MAXIMUM_LENGTH = 15;
/** Instructions that one search follows: the next one goes on where it stopped. */
const SEARCH = 4096;

/** Where code is known to begin: twice its linear address, plus 1 where it is 32-bit code. */
type Place = number;

interface SearchedPage {
  /** Lengths of the instructions that a search has been at, by twice their offset, plus 1 where they are 32-bit code; 0: none there. */
  readonly lengths: Uint8Array;
  /** Whether there are any. */
  found: boolean;
  /** Where control comes into the page, from another one or from the monitor: 16-bit code, and 32-bit code. */
  readonly entries: readonly [Set<Place>, Set<Place>];
}

type Width = 0 | 1;

function inPage(length: number, physical: number): boolean {
  return length > 0 && (physical & (PAGE_BYTES - 1)) + length <= PAGE_BYTES;
}

/** Whether bytes [from, to) belong to an instruction that was found. */
function isCode({ lengths }: SearchedPage, from: number, to: number): boolean {
  for (let at = Math.max(0, from - MAXIMUM_LENGTH + 1); at < to; at++) {
    if (at + Math.max(lengths[at * 2]!, lengths[at * 2 + 1]!) > from) return true;
  }
  return false;
}

class Int3 extends Deprivileged {
  /** The guest's own byte under each planted breakpoint, by physical address. */
  private readonly sites = new Map<number, number>();
  /** The same addresses by physical page. A page without one has no set. */
  private readonly sitesOf = new Map<number, Set<number>>();
  /** Where a breakpoint and an instruction that is not planted were found to overlap, by the physical address of the second of them. */
  private readonly conflicts = new Set<number>();
  /** What searches have been at, by physical page. */
  private readonly searched = new Map<number, SearchedPage>();
  /** Where the next search of the kernel's code begins besides EIP: of 16-bit code, and of 32-bit code. */
  private readonly again: readonly [Set<Place>, Set<Place>] = [new Set(), new Set()];
  /** Physical pages in which that search begins at every entry. */
  private readonly changed: readonly [Set<number>, Set<number>] = [new Set(), new Set()];
  /** Where control may come into a linear page, by that page; and what only a look into that page can tell. */
  private readonly places = new Map<number, Set<Place>>();
  /** Physical page that a linear one was last filled with. */
  private readonly filledWith = new Map<number, number>();
  private readonly decoded: Decoded = createDecoded();
  private readonly bytes = new Uint8Array(16);
  /** The monitor itself writes: nothing of the guest's has changed. */
  private planting = false;

  constructor(monitor: Monitor) {
    super(monitor, monitor.ring);
  }

  override detach(): void {
    for (const [physical, original] of this.sites) this.put(physical, original);
    const pages = [...this.searched.keys()];
    for (const page of this.sitesOf.keys()) this.cpu.watchReads(page, false);
    this.sites.clear();
    this.sitesOf.clear();
    this.searched.clear();
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
    this.cpu.state.touched(this.host(physical));
    this.monitor.core.blocks.invalidate(physical, 1);
    this.planting = false;
  }

  protected override isTraced(physicalPage: number): boolean {
    return this.searched.has(physicalPage);
  }

  /** The guest stored over code: all that was found in the page is looked for again, from where control comes into it. */
  override written(physical: number, length: number): void {
    super.written(physical, length);
    if (this.planting) return;
    for (let page = physical >>> 12; page <= (physical + length - 1) >>> 12; page++) {
      const start = page * PAGE_BYTES;
      const from = Math.max(physical - start, 0), to = Math.min(physical + length - start, PAGE_BYTES);
      const searched = this.searched.get(page);
      if (!searched?.found || !isCode(searched, from, to)) continue;
      this.dropSites(page, start + from, start + to);
      searched.lengths.fill(0);
      searched.found = false;
      for (const changed of this.changed) changed.add(page);
      this.monitor.stale = true;
    }
  }

  /** @param from first physical byte that the guest has stored; a breakpoint up to `to` has been replaced, and what is there is the guest's */
  private dropSites(page: number, from: number, to: number): void {
    const sites = this.sitesOf.get(page);
    if (!sites) return;
    this.sitesOf.delete(page);
    this.cpu.watchReads(page, false);
    for (const at of sites) {
      const original = this.sites.get(at)!;
      this.sites.delete(at);
      if (at < from || at >= to) this.put(at, original);
    }
  }

  /** Copies up to `count` of the guest's own bytes to `bytes[at]`, as many as lie in the page; the number copied. */
  private copyBytes(physical: number, at: number, count: number): number {
    const host = this.host(physical), { u8 } = this.cpu.state;
    if (host === 0) return 0;
    const inPage = Math.min(count, PAGE_BYTES - (physical & (PAGE_BYTES - 1)));
    for (let i = 0; i < inPage; i++) {
      const byte = u8[host + i]!;
      this.bytes[at + i] = byte === INT3 ? (this.sites.get(physical + i) ?? byte) : byte;
    }
    return inPage;
  }

  // --- finding code

  override enter(left: number): StopReason | null {
    const { cpu, monitor } = this;
    const v = cpu.v.context;
    if (!monitor.emulating && v.get(CPL) !== 3) {
      cpu.switchContext("V");
      this.searchAgain(v.segmentBase(CS), this.width);
      this.search(cpu.state.eip);
    }
    return super.enter(left);
  }

  private searchAgain(base: number, width: Width): void {
    const again = this.again[width], changed = this.changed[width];
    const visit = (places: Iterable<Place>): void => {
      for (const place of places) this.search((Math.floor(place / 2) - base) | 0);
    };
    // What a search finds may be an entry of the page that is being looked at: that place has just been looked at, too.
    for (const page of changed) {
      changed.delete(page);
      visit([...this.searched.get(page)!.entries[width]]);
    }
    const places = [...again];
    again.clear();
    visit(places);
  }

  /** A page has come, or another one in its place: what leads there may find other code. */
  protected override fill(linear: number, physicalPage: number, as: FillRights): ActionName {
    const page = linear >>> 12;
    if (this.filledWith.get(page) !== physicalPage) {
      this.filledWith.set(page, physicalPage);
      for (const place of this.places.get(page) ?? []) this.again[(place & 1) as Width].add(place);
      this.monitor.stale = true;
    }
    return super.fill(linear, physicalPage, as);
  }

  private get mode(): CodeMode {
    if (!runsInV86(this.cpu.v.context)) return "protected";
    return this.monitor.set.vme === true ? "v86-vme" : "v86";
  }

  private get width(): Width {
    return (this.cpu.v.context.segmentAccess(CS) & ACCESS_CODE32) !== 0 ? 1 : 0;
  }

  /** Follows direct control flow from `eip` on and plants a breakpoint on every hole. */
  private search(eip: number): void {
    const work: { readonly eip: number; readonly from: number }[] = [{ eip, from: -1 }];
    const v = this.cpu.v.context;
    const base = v.segmentBase(CS), limit = v.segmentLimit(CS);
    const { mode, width } = this;
    for (let budget = SEARCH; work.length > 0; ) {
      let { eip: at, from } = work.pop()!;
      for (let zeros = 0; zeros < 2; budget--) {
        if (budget <= 0) {
          this.again[width].add(((base + at) >>> 0) * 2 + width);
          break;
        }
        const linear = (base + at) >>> 0, place = linear * 2 + width;
        const physical = at >>> 0 > limit ? -1 : this.cpu.peekPhysical(linear | 0);
        if (from !== physical >>> 12 && at >>> 0 <= limit) this.note(linear >>> 12, place);
        if (physical < 0 || this.host(physical) === 0 || this.cpu.v.physical.isReadOnly(physical >>> 12)) break;
        const page = this.pageOf(physical);
        if (from !== physical >>> 12) page.entries[width].add(place);
        from = physical >>> 12;
        const key = (physical & (PAGE_BYTES - 1)) * 2 + width;
        // An instruction that ends in another page is another one when that page is.
        if (inPage(page.lengths[key]!, physical)) break;
        const length = this.decode(linear | 0, physical, width === 1, place);
        if (length === 0) break;
        page.lengths[key] = length;
        page.found = true;
        // Memory that is still empty: somebody will write code there, or never come.
        zeros = this.bytes[0] === 0 && this.bytes[1] === 0 ? zeros + 1 : 0;
        const flow = flowOf(this.decoded);
        const target = flow === "jump" || flow === "conditional" || flow === "call" ? branchTarget(this.decoded, at) : null;
        const hole = isHole(this.decoded, mode);
        if (this.overlaps(page, physical, length, hole)) this.noteConflict(physical, at);
        if (hole) this.plant(physical);
        if (target !== null) work.push({ eip: target, from });
        if (flow === "jump" || flow === "indirect" || flow === "far" || flow === "stop") break;
        at = (at + length) | 0;
      }
    }
  }

  private pageOf(physical: number): SearchedPage {
    const number = physical >>> 12;
    let page = this.searched.get(number);
    if (!page) {
      this.searched.set(number, (page = { lengths: new Uint8Array(2 * PAGE_BYTES), found: false, entries: [new Set(), new Set()] }));
      this.cpu.markTraced(number);
      this.paging.protect(number);
    }
    return page;
  }

  private note(linearPage: number, place: Place): void {
    const places = this.places.get(linearPage);
    if (places) places.add(place);
    else this.places.set(linearPage, new Set([place]));
  }

  /** Reads across the page's end where the next page is there; 0: no instruction, or not yet. */
  private decode(linear: number, physical: number, code32: boolean, place: Place): number {
    let available = this.copyBytes(physical, 0, MAXIMUM_LENGTH);
    if (available < MAXIMUM_LENGTH) {
      const rest = this.cpu.peekPhysical((linear + available) | 0);
      if (rest >= 0) available += this.copyBytes(rest, available, MAXIMUM_LENGTH - available);
    }
    const length = this.monitor.parts.decoder.decodeBytes(this.bytes, 0, available, code32, this.decoded);
    const next = (linear >>> 12) + 1;
    if (length === NEEDS_MORE_BYTES || (length !== TOO_LONG && (linear + length - 1) >>> 12 === next)) this.note(next, place);
    return length === NEEDS_MORE_BYTES || length === TOO_LONG || this.decoded.row === null ? 0 : length;
  }

  /**
   * Whether a breakpoint and an instruction that is not planted lie over each other within the page: a breakpoint here is inside of
   * one that was found before, or one that was planted before is inside of this one.
   */
  private overlaps({ lengths }: SearchedPage, physical: number, length: number, hole: boolean): boolean {
    const offset = physical & (PAGE_BYTES - 1);
    if (!hole) {
      for (let i = 1; i < length && offset + i < PAGE_BYTES; i++) if (this.sites.has(physical + i)) return true;
      return false;
    }
    for (let before = 1; before < MAXIMUM_LENGTH && before <= offset; before++) {
      const start = (offset - before) * 2;
      if (Math.max(lengths[start]!, lengths[start + 1]!) > before && !this.sites.has(physical - before)) return true;
    }
    return false;
  }

  private noteConflict(physical: number, eip: number): void {
    if (this.conflicts.has(physical)) return;
    this.conflicts.add(physical);
    if (this.monitor.set.int3 === "refuse") this.monitor.refuse(`CONFLICT: a breakpoint and another instruction overlap at ${(eip >>> 0).toString(16)}`);
  }

  patchSeen(fetched: boolean): void {
    if (this.monitor.set.int3 !== "refuse") return;
    this.monitor.refuse(fetched ? "CONFLICT: the guest runs an instruction that a breakpoint has spoilt" : "PATCH_SEEN: the guest reads a byte that a breakpoint has replaced");
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, breakpoints: this.sites.size, conflicts: this.conflicts.size };
  }

  private plant(physical: number): void {
    if (this.sites.has(physical)) return;
    const original = this.cpu.state.u8[this.host(physical)]!;
    const page = physical >>> 12;
    let sites = this.sitesOf.get(page);
    if (!sites) {
      this.sitesOf.set(page, (sites = new Set()));
      this.cpu.watchReads(page, true);
    }
    this.sites.set(physical, original);
    sites.add(physical);
    this.put(physical, INT3);
  }

  originalByte(physical: number): number {
    return this.sites.get(physical) ?? -1;
  }

  unplanted(look: () => void): void {
    const { u8 } = this.cpu.state;
    for (const [physical, original] of this.sites) u8[this.host(physical)] = original;
    look();
    for (const physical of this.sites.keys()) u8[this.host(physical)] = INT3;
  }

  // --- exits

  /** Records show the instruction that the breakpoint stands for. */
  originalBytes(linear: number, bytes: Uint8Array, available: number): void {
    for (let i = 0; i < available; i++) {
      if (bytes[i] !== INT3) continue;
      const physical = this.cpu.peekPhysical((linear + i) | 0);
      const original = physical < 0 ? undefined : this.sites.get(physical);
      if (original !== undefined) bytes[i] = original;
    }
  }

  override react(exit: CpuExit): ActionName {
    if (exit.kind === "exception" && exit.vector === BP) {
      const physical = this.cpu.peekPhysical((this.cpu.v.context.segmentBase(CS) + this.cpu.state.eip) | 0);
      if (physical >= 0 && this.sites.has(physical)) this.monitor.exitFlags |= FLAG_PATCHED;
    }
    return super.react(exit);
  }

  /** V executes the guest's own bytes. */
  protected override runOnV(left: number): StopReason {
    for (const [physical, original] of this.sites) this.put(physical, original);
    const ended = super.runOnV(left);
    for (const physical of this.sites.keys()) this.put(physical, INT3);
    return ended;
  }

  /** A step on V executes the guest's own bytes: those that it may fetch are put back for its time. */
  override around(step: () => void): void {
    const { cpu } = this;
    const linear = (cpu.v.context.segmentBase(CS) + cpu.state.eip) | 0;
    const lifted: number[] = [];
    for (let i = 0; i < MAXIMUM_LENGTH; i++) {
      const physical = cpu.peekPhysical((linear + i) | 0);
      if (physical < 0) break;
      if (!this.sitesOf.has(physical >>> 12)) {
        i += PAGE_BYTES - 1 - (physical & (PAGE_BYTES - 1));
        continue;
      }
      if (this.sites.has(physical)) lifted.push(physical);
    }
    for (const physical of lifted) this.put(physical, this.sites.get(physical)!);
    super.around(step);
    for (const physical of lifted) if (this.sites.has(physical)) this.put(physical, INT3);
  }
}

export const int3: TechniqueDefinition = { id: "int3", create: (monitor) => new Int3(monitor) };
