// Translated regions: made of what has become hot, several in one module, entered through the headers of decoded blocks, and
// forgotten when their bytes change.
//
// A region is known by physical page, offset and mode of each of its entries, as decoded blocks are. The blocks' headers name its
// place in the interpreter's table; that and the links of other regions (links.ts) are the only ways in. So a region dies by taking its
// number out of the headers and opening the links: a store to code is made by the interpreter, hence no region is running then.

import { CS, FTOP, FTW, MODE_FLAT, MODE_HARDWARE, MODE_SINGLE, MODE_USER } from "../isa/state-layout.ts";
import type { Decoder } from "../isa/decoder.ts";
import type { Decoded } from "../isa/decoded.ts";
import { H_HEAT, HEAT_ENTRY_SHIFT, HEAT_REGION, HELPER_ARITY } from "../isa/record-layout.ts";
import type { HelperName, SharedFunction } from "../isa/builder.ts";
import type { Row } from "../isa/row.ts";
import type { Core, Translator } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { ContextUnit } from "../cpu/processor.ts";
import { TLB_CODE_USER, TLB_CODE_VALID } from "../cpu/tlb.ts";
import { type ByteWriter, I32, ModuleWriter, type ValueType, valueType } from "../wasm/encoder.ts";
import type { ImportedFunctions } from "../wasm/backend.ts";
import type { StackState } from "../wasm/translated-stack.ts";
import type { Effect } from "./effect.ts";
import { findRegion, isLeftToInterpreter, isTranslated, type Region } from "./region.ts";
import { GuestCode, placeKey, type Request } from "./guest-code.ts";
import { type Listed, regionListing } from "./region-listing.ts";
import { type Site, TARGET_CELLS_BYTES, TargetCells } from "./target-cells.ts";
import { LINK_BYTES, REGION_LINKS } from "../wasm/region-result.ts";
import { hostChains, type Link, LINK_AREA_BYTES, Links, returnWord } from "./links.ts";
import { type RegionCode, type RegionLinks, translate } from "./translator.ts";

const PAGE = 4096;
/** FTOP and FTW while the x87 stack is not used. */
const NO_STACK: StackState = { top: 0, tags: 0xffff };
/** Entries with another x87 stack than a region was made for, before it is made for any. */
const OTHER_STACKS = 1000;
/** Entries before a region that is known to be hot is made again. */
const MADE_AGAIN = 8;

export interface TranslationOptions {
  /** Entries of a block before it is translated. An instruction costs tens of microseconds to translate, most of it in the host's compilers, and saves nanoseconds. */
  readonly threshold: number;
  /** Entries of a region before it is made again with the functions that it calls: that costs some 30 ms of the host's compilers, and an entry saves tens of nanoseconds. */
  readonly promotion: number;
  /** Hot places that wait until so many are translated into one module ... */
  readonly batch: number;
  /** ... or the first of them has waited for so many instructions. */
  readonly patience: number;
  /** Names the functions by their places, for profilers. */
  readonly named?: boolean;
  /** Keeps what `listings` tells. */
  readonly listed?: boolean;
}
export const DEFAULT_TRANSLATION: TranslationOptions = { threshold: 4000, promotion: 1_000_000, batch: 16, patience: 200_000 };

interface Entry {
  readonly region: LiveRegion;
  readonly number: number;
}

interface LiveRegion {
  readonly slot: number;
  readonly keys: number[];
  /** Byte ranges by physical page: from, to, from, to ... */
  readonly bytes: Map<number, number[]>;
  readonly instructions: number;
  /** Where its entries are counted, 0 where it is as large as it can be. */
  readonly entryCell: number;
  /** Where entries with another x87 stack are counted, 0 where it is made for any. */
  readonly stackCell: number;
  /** Transfers whose targets it notes, with their places in it. */
  readonly sites: readonly NotedSite[];
  readonly listed: { readonly name: string; readonly what: Listed } | null;
  readonly code: WebAssembly.ExportValue;
  readonly links: readonly Link[];
  readonly room: LinkRoom;
}

/** In the area of the links. */
interface LinkRoom {
  readonly at: number;
  readonly count: number;
}
const NO_ROOM: LinkRoom = { at: 0, count: 0 };

interface NotedSite {
  readonly site: Site;
  readonly at: number;
}

export interface TranslationCounters {
  regions: number;
  modules: number;
  instructions: number;
  bytes: number;
  refused: number;
  invalidated: number;
  /** Made again because more was known of where their computed transfers go. */
  learned: number;
  /** Made again with what it calls. */
  promoted: number;
  live: number;
  /** Ways from region to region that were closed. */
  linked: number;
}

export class CodeCache implements Translator {
  readonly counters: TranslationCounters = { regions: 0, modules: 0, instructions: 0, bytes: 0, refused: 0, invalidated: 0, learned: 0, promoted: 0, live: 0, linked: 0 };
  private readonly core: Core;
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly memory: WebAssembly.Memory;
  private readonly memoryPages: number;
  private readonly options: TranslationOptions;
  private readonly entries = new Map<number, Entry>();
  private readonly byPage = new Map<number, Set<LiveRegion>>();
  private readonly effects = new Map<number, Effect>();
  /** Places of instructions that made many side exits. */
  private readonly exiting = new Set<number>();
  private readonly freeSlots: number[] = [];
  private nextSlot: number;
  private waiting: Request[] = [];
  private waitingSince = 0;
  private resting = false;
  private readonly cells: TargetCells;
  /** Word by slot: entries until the region is promoted. */
  private readonly entryCells: number;
  /** Null: the host has no tail calls. */
  private readonly links: Links | null;
  private lookedAtCells = 0;
  /** Live regions that note targets or count entries. */
  private readonly noting = new Set<LiveRegion>();
  /** Places that are entered with more than one x87 stack. */
  private readonly anyStack = new Set<number>();
  /** Word by slot: entries with another x87 stack until the region is made for any. */
  private readonly stackCells: number;
  /** Entries of regions that follow calls. */
  private readonly promoted = new Set<number>();

  constructor(core: Core, memory: WebAssembly.Memory, memoryPages: number, options: TranslationOptions = DEFAULT_TRANSLATION) {
    this.core = core;
    this.cpu = core.cpu;
    this.decoder = core.decoder;
    this.memory = memory;
    this.memoryPages = memoryPages;
    this.options = options;
    this.nextSlot = core.interpreter.regionSlots.begin;
    this.cells = new TargetCells(core.cpu.state.i32, core.blocks.reserve(TARGET_CELLS_BYTES), options);
    const { begin, end } = core.interpreter.regionSlots;
    this.entryCells = core.blocks.reserve((end - begin) * 4) - begin * 4;
    this.links = hostChains() ? new Links(core.cpu.state.i32, core.blocks.reserve(LINK_AREA_BYTES), () => this.counters.linked++) : null;
    this.stackCells = core.blocks.reserve((end - begin) * 4) - begin * 4;
    core.attachTranslator(this);
  }

  // --- what the run loop and the block cache tell

  heatOf(physicalPage: number, key: number): number {
    if (this.resting) return 0;
    const entry = this.entries.get(placeKey(physicalPage, key));
    return entry ? heatWord(entry) : this.options.threshold;
  }

  leavesOut(row: Row, decoded: Decoded, mode: number): boolean {
    return !this.resting && isLeftToInterpreter(row, decoded, mode);
  }

  hot(record: number, linear: number, mode: number): void {
    if (this.resting || mode & MODE_SINGLE) return;
    const code = this.cpu.tlb.code(linear >>> 12);
    if (code === 0) return;
    if (this.waiting.length === 0) this.waitingSince = this.core.retired();
    const { i32 } = this.cpu.state;
    this.waiting.push({ record, linear, physicalPage: code >>> 12, mode, stack: { top: i32[FTOP.offset >> 2], tags: i32[FTW.offset >> 2] } });
  }

  exitsOften(linear: number, mode: number): void {
    const code = this.cpu.tlb.code(linear >>> 12);
    if (code === 0) return;
    const physicalPage = code >>> 12, offset = linear & (PAGE - 1);
    const place = placeKey(physicalPage, offset | (mode << 12));
    const found = new GuestCode(this.core, this.decoder, this.effects, this.exiting, this.entries, this.cells, { record: 0, linear, physicalPage, mode, stack: NO_STACK }).decode(offset);
    if (this.exiting.has(place) || !found || !isTranslated(found.decoded, found.effect, mode)) return;
    this.exiting.add(place);
    this.invalidate(physicalPage, offset, offset + 1);
  }

  work(): void {
    const { waiting, options } = this;
    if (this.core.retired() - this.lookedAtCells >= options.patience) this.learn();
    if (waiting.length === 0) return;
    if (waiting.length < options.batch && this.core.retired() - this.waitingSince < options.patience) return;
    this.waiting = [];
    this.translateAll(waiting);
  }

  /** Regions that have noted or been entered enough are forgotten, to be made again soon. */
  private learn(): void {
    this.lookedAtCells = this.core.retired();
    if (!this.cells.takeNews()) return;
    for (const region of this.noting) {
      if (region.stackCell !== 0 && this.cpu.state.i32[region.stackCell >> 2] === 0) {
        for (const place of region.keys) this.anyStack.add(place);
        this.forget(region, MADE_AGAIN);
        continue;
      }
      if (region.entryCell !== 0) {
        if (this.cpu.state.i32[region.entryCell >> 2] !== 0) continue;
        for (const place of region.keys) this.promoted.add(place);
        for (const { site, at } of region.sites) if (this.cells.isFull(site)) this.cells.learn(site, at);
        this.counters.promoted++;
        this.forget(region, MADE_AGAIN);
        continue;
      }
      if (!region.sites.some(({ site }) => this.cells.isFull(site))) continue;
      let hasNews = false;
      for (const { site, at } of region.sites) if (this.cells.isFull(site) && this.cells.learn(site, at)) hasNews = true;
      if (!hasNews) continue;
      this.counters.learned++;
      this.forget(region, MADE_AGAIN);
    }
  }

  rest(resting: boolean): void {
    if (resting === this.resting) return;
    this.resting = resting;
    this.core.blocks.flush();
  }

  invalidate(physicalPage: number, from: number, to: number): void {
    const regions = this.byPage.get(physicalPage);
    if (!regions) return;
    for (const region of regions) {
      const bytes = region.bytes.get(physicalPage)!;
      for (let i = 0; i < bytes.length; i += 2) {
        if (bytes[i] < to && bytes[i + 1] > from) {
          this.forget(region);
          break;
        }
      }
    }
  }

  flush(): void {
    this.entries.clear();
    this.exiting.clear();
    this.promoted.clear();
    this.anyStack.clear();
    this.noting.clear();
    this.cells.forget();
    this.byPage.clear();
    this.links?.forget();
    this.freeSlots.length = 0;
    this.nextSlot = this.core.interpreter.regionSlots.begin;
    this.waiting = [];
    this.counters.live = 0;
  }

  /** Names of the live regions, and what they were made of and into. */
  listings(): Map<string, string> {
    const listings = new Map<string, string>();
    for (const { listed, entryCell } of new Set([...this.entries.values()].map(({ region }) => region))) {
      if (!listed) continue;
      const entered = entryCell === 0 ? "as large as it can be" : `entered ${this.options.promotion - this.cpu.state.i32[entryCell >> 2]} times`;
      listings.set(listed.name, regionListing(listed.what, entered));
    }
    return listings;
  }

  // --- translation

  private translateAll(requests: readonly Request[]): void {
    const module = new ModuleWriter(this.memoryPages);
    const shared = new Map<SharedFunction, number>(), helpers = new Map<HelperName, number>(), names: string[] = [];
    const imports = {
      helper: (name: HelperName): number => {
        let index = helpers.get(name);
        if (index === undefined) {
          index = module.importFunction(name, new Array<ValueType>(HELPER_ARITY[name]).fill(I32), [I32]);
          names.push(name);
          helpers.set(name, index);
        }
        return index;
      },
      shared: (definition: SharedFunction): number => {
        let index = shared.get(definition);
        if (index === undefined) {
          names.push(definition.name);
          index = module.importFunction(definition.name, definition.params.map(valueType), definition.results.map(valueType));
          shared.set(definition, index);
        }
        return index;
      },
    } as ImportedFunctions;
    /** Blocks of the regions that are being made: they need none of their own yet. */
    const held = new Set<number>();
    const made: { region: Region; code: ByteWriter; request: Request; slot: number; entryCell: number; stackCell: number; sites: NotedSite[]; links: Link[]; room: LinkRoom; listed: Listed | null }[] = [];
    const type = module.type([I32], [I32]);
    let linkCount = 0;
    for (const request of requests) {
      const key = (request.linear & (PAGE - 1)) | (request.mode << 12);
      // The code may have changed, or become part of another region, while it waited.
      if (this.core.blocks.recordOf(request.physicalPage, key) !== request.record || this.entries.has(placeKey(request.physicalPage, key))) continue;
      if (held.has(placeKey(request.physicalPage, key))) {
        this.setHeat(request.physicalPage, key, this.options.threshold);
        continue;
      }
      const source = new GuestCode(this.core, this.decoder, this.effects, this.exiting, this.entries, this.cells, request);
      const region = findRegion(source, request.linear & (PAGE - 1), this.promoted.has(placeKey(request.physicalPage, key)));
      if (region === null || region.instructions < 2) {
        this.counters.refused++;
        continue;
      }
      for (const at of region.own) if (at >> 12 === 0) held.add(placeKey(request.physicalPage, at | (request.mode << 12)));
      const slot = this.freeSlots.pop() ?? this.nextSlot++;
      if (slot >= this.core.interpreter.regionSlots.end) {
        this.core.blocks.flush();
        return;
      }
      const entryCell = region.couldFollow && !this.promoted.has(placeKey(request.physicalPage, key)) ? this.entryCells + slot * 4 : 0;
      if (entryCell !== 0) this.cpu.state.i32[entryCell >> 2] = this.options.promotion;
      const sites: NotedSite[] = [];
      const links: Link[] = [];
      const room = this.linkRoom(region, request.mode);
      const ways = room.count === 0 ? null : this.waysOut(links, room, source, request.mode, type, linkCount);
      const stackCell = region.isForStack && !this.anyStack.has(placeKey(request.physicalPage, key)) ? this.stackCells + slot * 4 : 0;
      if (stackCell !== 0) this.cpu.state.i32[stackCell >> 2] = OTHER_STACKS;
      const guest = this.codeOf(request, source, region, entryCell, stackCell, sites, ways);
      const code = translate(region, guest, imports);
      const page = request.linear & ~(PAGE - 1);
      const listed = guest.marks && { region, body: code.take(), marks: guest.marks, functionNames: [...names], page, base: this.unit(request.mode).context.segmentBase(CS) };
      made.push({ region, code, request, slot, entryCell, stackCell, sites, links, room, listed });
      linkCount += links.length;
    }
    if (made.length === 0) return;
    if (linkCount > 0) module.exportTable(linkCount);
    module.named = this.options.named === true;
    const exported = made.map(({ request }, n) => (module.named ? `${(request.linear >>> 0).toString(16)}@${request.physicalPage.toString(16)}` : `r${n}`));
    made.forEach(({ code }, n) => module.addFunction(type, code, exported[n]));
    const env: Record<string, WebAssembly.ImportValue> = { memory: this.memory };
    for (const name of helpers.keys()) env[name] = this.core.interpreter.helper(name) as WebAssembly.ImportValue;
    for (const definition of shared.keys()) env[definition.name] = this.core.interpreter.sharedCode(definition) as WebAssembly.ImportValue;
    const bytes = module.encode();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    this.counters.modules++;
    this.counters.bytes += bytes.length;
    made.forEach(({ region, request, slot, entryCell, stackCell, sites, links, room, listed }, n) => {
      const code = instance.exports[exported[n]]!;
      this.core.interpreter.setRegion(slot, code);
      const name = `${(request.linear >>> 0).toString(16).padStart(8, "0")}-${request.physicalPage.toString(16)}-${request.mode}`;
      this.install(region, request, {
        slot, keys: [], bytes: new Map(), instructions: region.instructions, entryCell, stackCell, sites, code, links, room, listed: listed && { name, what: listed },
      });
      for (const link of links) {
        const entry = this.entries.get(link.place);
        this.links!.add(link, instance.exports["table"] as WebAssembly.Table, entry?.number ?? 0, entry?.region.code ?? null);
      }
    });
  }

  private unit(mode: number): ContextUnit {
    return mode & MODE_HARDWARE ? this.cpu.h : this.cpu.v;
  }

  /** Room for as many links as the region may have. */
  private linkRoom(region: Region, mode: number): LinkRoom {
    if (this.links === null || (mode & MODE_FLAT) === 0) return NO_ROOM;
    let count = 0;
    for (const { taken, next } of region.blocks) count += (taken?.block === null ? 1 : 0) + (next?.block === null ? 1 : 0);
    count = Math.min(count, REGION_LINKS);
    const at = count === 0 ? 0 : this.links.reserve(count);
    return at === 0 ? NO_ROOM : { at, count };
  }

  private waysOut(links: Link[], room: LinkRoom, source: GuestCode, mode: number, type: number, first: number): RegionLinks {
    const words = room.at - LINK_BYTES, numbers = new Map<string, number>();
    return {
      type, first: first - 1, words,
      to: (at, returns) => {
        const back = returnWord(returns), key = `${at}:${back}`;
        let number = numbers.get(key);
        if (number === undefined) {
          const physicalPage = source.physicalPage(at >> 12), isFull = links.length === room.count;
          number = physicalPage < 0 || isFull ? 0 : links.length + 1;
          numbers.set(key, number);
          const place = placeKey(physicalPage, (at & (PAGE - 1)) | (mode << 12));
          if (number > 0) links.push({ place, words: words + number * LINK_BYTES, back, number: first + number - 1, table: null });
        }
        return number;
      },
    };
  }

  private codeOf(request: Request, source: GuestCode, region: Region, entryCell: number, stackCell: number, sites: NotedSite[], links: RegionLinks | null): RegionCode {
    const { mode, linear } = request;
    const unit = this.unit(mode);
    const { tables } = unit.tlb;
    const user = (mode & MODE_USER) !== 0;
    const tlbMask = ~(PAGE - 1) | TLB_CODE_VALID | (user ? TLB_CODE_USER : 0);
    const pageEntry = (page: number) => (page === 0 ? request.physicalPage << 12 | TLB_CODE_VALID | TLB_CODE_USER : unit.tlb.code(((linear >>> 12) + page) & 0xf_ffff)) & tlbMask;
    const last = Math.max(...region.bytes.map(({ to }) => to)) - 1;
    const base = (linear & ~(PAGE - 1)) - unit.context.segmentBase(CS);
    return {
      mode, context: unit.context.base, tlbRead: user ? tables.readUser : tables.readSupervisor, tlbWrite: user ? tables.writeUser : tables.writeSupervisor,
      tables, tlbCode: tables.code, tlbMask, pageEntry, links,
      fixed: mode & MODE_FLAT ? null : { base: base | 0, limit: (base + last) | 0 },
      cellOf: (at, callers, isReturn) => {
        const site = this.cells.site(source.siteKey(at, callers), isReturn);
        if (site === null) return 0;
        if (!sites.some((noted) => noted.site === site)) sites.push({ site, at });
        return site.cell;
      },
      entryCell, stackCell, stack: stackCell === 0 ? null : request.stack, news: this.cells.news, marks: this.options.listed ? [] : null,
    };
  }

  private install(region: Region, request: Request, live: LiveRegion): void {
    const { blocks } = this.core;
    const unit = this.unit(request.mode);
    const physicalOf = (page: number) => (page === 0 ? request.physicalPage : unit.tlb.code(((request.linear >>> 12) + page) & 0xf_ffff) >>> 12);
    if (live.sites.length !== 0 || live.entryCell !== 0 || live.stackCell !== 0) this.noting.add(live);
    for (const { from, to } of region.bytes) {
      for (let page = from >> 12; page <= (to - 1) >> 12; page++) {
        const physicalPage = physicalOf(page);
        const first = Math.max(from - page * PAGE, 0), last = Math.min(to - page * PAGE, PAGE);
        const ranges = live.bytes.get(physicalPage);
        if (!ranges) live.bytes.set(physicalPage, [first, last]);
        else if (ranges[ranges.length - 1] === first) ranges[ranges.length - 1] = last;
        else ranges.push(first, last);
      }
    }
    for (const [physicalPage, ranges] of live.bytes) {
      for (let i = 0; i < ranges.length; i += 2) blocks.cover(physicalPage, ranges[i], ranges[i + 1]);
      const regions = this.byPage.get(physicalPage);
      if (regions) regions.add(live);
      else this.byPage.set(physicalPage, new Set([live]));
    }
    const takesOver = this.promoted.has(placeKey(request.physicalPage, (request.linear & (PAGE - 1)) | (request.mode << 12)));
    region.entries.forEach((block, number) => {
      const physicalPage = physicalOf(block.pages[0]);
      const key = (block.at & (PAGE - 1)) | (request.mode << 12);
      const place = placeKey(physicalPage, key);
      const former = this.entries.get(place)?.region;
      if (former && !(takesOver && former !== live)) return;
      if (former) this.takeAway(former, place);
      const entry = { region: live, number };
      this.entries.set(place, entry);
      live.keys.push(place);
      this.links?.connect(place, number, live.code);
      this.setHeat(physicalPage, key, heatWord(entry));
    });
    // What the region holds is counted from now on by how often it is still interpreted.
    for (const at of region.own) {
      const record = blocks.recordOf(physicalOf(at >> 12), (at & (PAGE - 1)) | (request.mode << 12));
      if (record !== 0 && this.cpu.state.view.getInt32(record + H_HEAT, true) > 0) this.cpu.state.view.setInt32(record + H_HEAT, this.options.threshold, true);
    }
    this.counters.regions++;
    this.counters.live++;
    this.counters.instructions += region.instructions;
  }

  /** Another region is entered there from now on. */
  private takeAway(region: LiveRegion, place: number): void {
    region.keys.splice(region.keys.indexOf(place), 1);
    if (region.keys.length === 0) this.forget(region);
  }

  private setHeat(physicalPage: number, key: number, heat: number): void {
    const record = this.core.blocks.recordOf(physicalPage, key);
    if (record !== 0) this.cpu.state.view.setInt32(record + H_HEAT, heat, true);
  }

  private forget(region: LiveRegion, heat = this.options.threshold): void {
    this.noting.delete(region);
    for (const link of region.links) this.links!.remove(link);
    if (region.room.count > 0) this.links!.release(region.room.at, region.room.count);
    for (const place of region.keys) {
      this.links?.disconnect(place);
      this.entries.delete(place);
      this.setHeat(Math.floor(place / 0x100_0000), place % 0x100_0000, Math.min(heat, this.options.threshold));
    }
    for (const page of region.bytes.keys()) {
      const regions = this.byPage.get(page)!;
      regions.delete(region);
      if (regions.size === 0) this.byPage.delete(page);
    }
    this.freeSlots.push(region.slot);
    this.counters.live--;
    this.counters.invalidated++;
  }
}

function heatWord(entry: Entry): number {
  return HEAT_REGION | (entry.number << HEAT_ENTRY_SHIFT) | entry.region.slot;
}
