// Translated regions: made of what has become hot, several in one module, entered through the headers of decoded blocks, and
// forgotten when their bytes change.
//
// A region is known by physical page, offset and mode of each of its entries, as decoded blocks are. The blocks' headers name its
// place in the interpreter's table; that is the only way in. So a region dies by taking its number out of the headers: a store
// to code is made by the interpreter, hence no region is running then.

import { CS, FLAT_BELOW, MODE_CODE32, MODE_FLAT, MODE_HARDWARE, MODE_SINGLE, MODE_TRANSLATED, MODE_USER } from "../isa/state-layout.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../isa/decoder.ts";
import { TOO_LONG, type Decoded } from "../isa/decoded.ts";
import { H_HEAT, HEAT_ENTRY_SHIFT, HEAT_REGION } from "../isa/record-layout.ts";
import type { SharedFunction } from "../isa/builder.ts";
import type { Row } from "../isa/row.ts";
import type { Core, Translator } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { formKey } from "../cpu/forms.ts";
import type { ContextUnit } from "../cpu/processor.ts";
import { TLB_CODE_USER, TLB_CODE_VALID } from "../cpu/tlb.ts";
import { type ByteWriter, I32, ModuleWriter, valueType } from "../wasm/encoder.ts";
import type { ImportedFunctions } from "../wasm/backend.ts";
import { type Effect, effectOf } from "./effect.ts";
import { type CodeSource, findRegion, isLeftToInterpreter, isTranslated, type Region } from "./region.ts";
import { type Site, TARGET_CELLS_BYTES, TargetCells } from "./target-cells.ts";
import { type RegionCode, translate } from "./translator.ts";

const PAGE = 4096;
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
}
export const DEFAULT_TRANSLATION: TranslationOptions = { threshold: 2000, promotion: 1_000_000, batch: 16, patience: 200_000 };

interface Request {
  readonly record: number;
  readonly linear: number;
  readonly physicalPage: number;
  readonly mode: number;
}

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
  /** Transfers whose targets it notes, with their places in it. */
  readonly sites: readonly NotedSite[];
}

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
}

/** Key of a place: the block's own, and the page. */
function placeKey(physicalPage: number, key: number): number {
  return physicalPage * 0x100_0000 + key;
}

export class CodeCache implements Translator {
  readonly counters: TranslationCounters = { regions: 0, modules: 0, instructions: 0, bytes: 0, refused: 0, invalidated: 0, learned: 0, promoted: 0, live: 0 };
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
  private lookedAtCells = 0;
  /** Live regions that note targets or count entries. */
  private readonly noting = new Set<LiveRegion>();
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
    this.waiting.push({ record, linear, physicalPage: code >>> 12, mode });
  }

  exitsOften(linear: number, mode: number): void {
    const code = this.cpu.tlb.code(linear >>> 12);
    if (code === 0) return;
    const physicalPage = code >>> 12, offset = linear & (PAGE - 1);
    const place = placeKey(physicalPage, offset | (mode << 12));
    const found = new GuestCode(this.core, this.decoder, this.effects, this.exiting, this.cells, { record: 0, linear, physicalPage, mode }).decode(offset);
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
    this.noting.clear();
    this.cells.forget();
    this.byPage.clear();
    this.freeSlots.length = 0;
    this.nextSlot = this.core.interpreter.regionSlots.begin;
    this.waiting = [];
    this.counters.live = 0;
  }

  // --- translation

  private translateAll(requests: readonly Request[]): void {
    const module = new ModuleWriter(this.memoryPages);
    const shared = new Map<SharedFunction, number>();
    const imports = {
      shared: (definition: SharedFunction): number => {
        let index = shared.get(definition);
        if (index === undefined) {
          index = module.importFunction(definition.name, definition.params.map(valueType), definition.results.map(valueType));
          shared.set(definition, index);
        }
        return index;
      },
    } as ImportedFunctions;
    /** Blocks of the regions that are being made: they need none of their own yet. */
    const held = new Set<number>();
    const made: { region: Region; code: ByteWriter; request: Request; slot: number; entryCell: number; sites: NotedSite[] }[] = [];
    for (const request of requests) {
      const key = (request.linear & (PAGE - 1)) | (request.mode << 12);
      // The code may have changed, or become part of another region, while it waited.
      if (this.core.blocks.recordOf(request.physicalPage, key) !== request.record || this.entries.has(placeKey(request.physicalPage, key))) continue;
      if (held.has(placeKey(request.physicalPage, key))) {
        this.setHeat(request.physicalPage, key, this.options.threshold);
        continue;
      }
      const source = new GuestCode(this.core, this.decoder, this.effects, this.exiting, this.cells, request);
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
      made.push({ region, code: translate(region, this.codeOf(request, region, source, entryCell, sites), imports), request, slot, entryCell, sites });
    }
    if (made.length === 0) return;
    const type = module.type([I32], [I32]);
    module.named = this.options.named === true;
    const names = made.map(({ request }, n) => (module.named ? `${(request.linear >>> 0).toString(16)}@${request.physicalPage.toString(16)}` : `r${n}`));
    made.forEach(({ code }, n) => module.addFunction(type, code, names[n]));
    const env: Record<string, WebAssembly.ImportValue> = { memory: this.memory };
    for (const definition of shared.keys()) env[definition.name] = this.core.interpreter.sharedCode(definition) as WebAssembly.ImportValue;
    const bytes = module.encode();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    this.counters.modules++;
    this.counters.bytes += bytes.length;
    made.forEach(({ region, request, slot, entryCell, sites }, n) => {
      this.core.interpreter.setRegion(slot, instance.exports[names[n]]);
      this.install(region, request, slot, entryCell, sites);
    });
  }

  private unit(mode: number): ContextUnit {
    return mode & MODE_HARDWARE ? this.cpu.h : this.cpu.v;
  }

  private codeOf(request: Request, region: Region, source: GuestCode, entryCell: number, sites: NotedSite[]): RegionCode {
    const { mode, linear } = request;
    const unit = this.unit(mode);
    const { tables } = unit.tlb;
    const user = (mode & MODE_USER) !== 0;
    const tlbMask = ~(PAGE - 1) | TLB_CODE_VALID | (user ? TLB_CODE_USER : 0);
    const pageEntries = new Map<number, number>();
    for (const page of new Set(region.blocks.flatMap((block) => block.pages))) {
      pageEntries.set(page, (page === 0 ? request.physicalPage << 12 | TLB_CODE_VALID | TLB_CODE_USER : unit.tlb.code(((linear >>> 12) + page) & 0xf_ffff)) & tlbMask);
    }
    const last = Math.max(...region.bytes.map(({ to }) => to)) - 1;
    const base = (linear & ~(PAGE - 1)) - unit.context.segmentBase(CS);
    return {
      mode, context: unit.context.base, tlbRead: user ? tables.readUser : tables.readSupervisor, tlbWrite: user ? tables.writeUser : tables.writeSupervisor,
      tables, tlbCode: tables.code, tlbMask, pageEntries,
      fixed: mode & MODE_FLAT ? null : { base: base | 0, limit: (base + last) | 0 },
      cellOf: (at, callers, isReturn) => {
        const site = this.cells.site(source.siteKey(at, callers), isReturn);
        if (site === null) return 0;
        if (!sites.some((noted) => noted.site === site)) sites.push({ site, at });
        return site.cell;
      },
      entryCell, news: this.cells.news,
    };
  }

  private install(region: Region, request: Request, slot: number, entryCell: number, sites: readonly NotedSite[]): void {
    const { blocks } = this.core;
    const unit = this.unit(request.mode);
    const physicalOf = (page: number) => (page === 0 ? request.physicalPage : unit.tlb.code(((request.linear >>> 12) + page) & 0xf_ffff) >>> 12);
    const live: LiveRegion = { slot, keys: [], bytes: new Map(), instructions: region.instructions, entryCell, sites };
    if (sites.length !== 0 || entryCell !== 0) this.noting.add(live);
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
    region.entries.forEach((block, number) => {
      const physicalPage = physicalOf(block.pages[0]);
      const key = (block.at & (PAGE - 1)) | (request.mode << 12);
      const place = placeKey(physicalPage, key);
      if (this.entries.has(place)) return;
      const entry = { region: live, number };
      this.entries.set(place, entry);
      live.keys.push(place);
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

  private setHeat(physicalPage: number, key: number, heat: number): void {
    const record = this.core.blocks.recordOf(physicalPage, key);
    if (record !== 0) this.cpu.state.view.setInt32(record + H_HEAT, heat, true);
  }

  private forget(region: LiveRegion, heat = this.options.threshold): void {
    this.noting.delete(region);
    for (const place of region.keys) {
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

/** Code around a request, read without any effect on the guest: only pages that the instruction TLB holds, and that hold decoded code. */
class GuestCode implements CodeSource {
  private readonly core: Core;
  private readonly decoder: Decoder;
  private readonly effects: Map<number, Effect>;
  private readonly exiting: ReadonlySet<number>;
  private readonly cells: TargetCells;
  private readonly request: Request;
  private readonly unit: ContextUnit;
  private readonly bytes = new Uint8Array(16);
  readonly mode: number;

  constructor(core: Core, decoder: Decoder, effects: Map<number, Effect>, exiting: ReadonlySet<number>, cells: TargetCells, request: Request) {
    this.cells = cells;
    this.core = core;
    this.decoder = decoder;
    this.effects = effects;
    this.exiting = exiting;
    this.request = request;
    this.mode = request.mode;
    this.unit = request.mode & MODE_HARDWARE ? core.cpu.h : core.cpu.v;
  }

  /** Physical page at that distance in pages, -1 where it is not known. */
  private physicalPage(page: number): number {
    const { request, unit } = this;
    if (page === 0) return request.physicalPage;
    // Segmented code may wrap around its segment, so it stays in one page.
    if ((request.mode & MODE_FLAT) === 0) return -1;
    const linearPage = ((request.linear >>> 12) + page) & 0xf_ffff;
    // The limit of a kernel that a monitor keeps in ring 1 may end there.
    if (linearPage >= FLAT_BELOW >>> 12 && (request.mode & (MODE_HARDWARE | MODE_USER)) === MODE_HARDWARE) return -1;
    const entry = unit.tlb.code(linearPage);
    if (entry === 0 || (request.mode & MODE_USER && (entry & TLB_CODE_USER) === 0)) return -1;
    return this.core.blocks.holdsCode(entry >>> 12) ? entry >>> 12 : -1;
  }

  decode(at: number): { decoded: Decoded; crosses: boolean; effect: Effect | null } | null {
    const { core, decoder, request, unit } = this;
    const page = at >> 12, offset = at & (PAGE - 1);
    const physicalPage = this.physicalPage(page);
    const host = physicalPage < 0 ? 0 : unit.physical.hostPage(physicalPage);
    if (host === 0) return null;
    const code32 = (request.mode & MODE_CODE32) !== 0;
    const decoded = createDecoded();
    let length = decoder.decodeBytes(core.cpu.state.u8, host + offset, host + PAGE, code32, decoded);
    let crosses = false;
    if (length !== TOO_LONG && length !== NEEDS_MORE_BYTES && core.blocks.isSpoilt(physicalPage * PAGE + offset + 1, length - 1, request.mode)) return null;
    if (length === NEEDS_MORE_BYTES) {
      const second = this.physicalPage(page + 1);
      const secondHost = second < 0 ? 0 : unit.physical.hostPage(second);
      if (secondHost === 0) return null;
      const inFirst = PAGE - offset;
      for (let i = 0; i < 16; i++) this.bytes[i] = core.cpu.state.u8[i < inFirst ? host + offset + i : secondHost + i - inFirst];
      length = decoder.decodeBytes(this.bytes, 0, 16, code32, decoded);
      crosses = true;
      const spoilt = core.blocks.isSpoilt(physicalPage * PAGE + offset + 1, inFirst - 1, request.mode) || core.blocks.isSpoilt(second * PAGE, length - inFirst, request.mode);
      if (spoilt) return null;
    }
    if (length === NEEDS_MORE_BYTES || length === TOO_LONG) return null;
    if (request.mode & MODE_TRANSLATED && !this.passes(physicalPage, offset, decoded)) return null;
    return { decoded, crosses, effect: this.cutsEip(at, decoded) ? null : this.effectOf(decoded) };
  }

  /** A branch of 16-bit operand size that does not go where its distance says, as it drops the upper half of EIP. In flat code, which may run at any address, each may. */
  private cutsEip(at: number, { row, operandSize, length, immediate }: Decoded): boolean {
    if (row === null || operandSize !== 2 || !row.operands.some((code) => code === "Jb" || code === "Jz")) return false;
    if (this.request.mode & MODE_FLAT) return true;
    const eip = ((this.request.linear & ~(PAGE - 1)) + at - this.unit.context.segmentBase(CS)) | 0;
    return ((eip + length + immediate) & ~0xffff) !== 0;
  }

  /** Code that a monitor translates: an instruction that it has come to already, with the meaning that it gave it. */
  private passes(physicalPage: number, offset: number, d: Decoded): boolean {
    const { pass } = this.core.blocks, { mode } = this.request;
    if (pass === null || !pass.admits(physicalPage, offset | (mode << 12))) return false;
    if (d.row !== null) d.row = pass.emit(d.row, d, physicalPage * PAGE + offset, mode);
    return true;
  }

  private effectOf(d: Decoded): Effect | null {
    if (d.row === null) return null;
    const key = formKey(d.row, d, this.request.mode);
    let effect = this.effects.get(key);
    if (!effect) {
      effect = effectOf(d.row, d);
      this.effects.set(key, effect);
    }
    return effect;
  }

  exitsOften(at: number): boolean {
    const physicalPage = this.physicalPage(at >> 12);
    return physicalPage >= 0 && this.exiting.has(placeKey(physicalPage, (at & (PAGE - 1)) | (this.request.mode << 12)));
  }

  targets(at: number, callers: readonly number[]): readonly number[] {
    return this.cells.targets(this.siteKey(at, callers)).map((distance) => (at + distance) | 0);
  }

  /** The same for every region that holds the transfer. */
  siteKey(at: number, callers: readonly number[]): string {
    const places = [at, ...callers].map((place) => `${this.physicalPage(place >> 12)}.${place & (PAGE - 1)}`);
    return `${places.join("<")}:${this.request.mode}`;
  }

  isKnown(at: number): boolean {
    const physicalPage = this.physicalPage(at >> 12);
    return physicalPage >= 0 && this.core.blocks.recordOf(physicalPage, (at & (PAGE - 1)) | (this.request.mode << 12)) !== 0;
  }
}
