// Decoded code: blocks of records by physical page, offset and mode, and what happens when their bytes change.
//
// A block is straight-line code of one page. It goes on behind conditional branches that are not taken, and ends at any
// other transfer of control, at instructions after which the run loop must look around (`ends`), at the page's end or
// after MAX_BLOCK instructions; the closing pseudo-record continues there. An instruction that crosses into the next
// page is a block of its own that belongs to both pages.
// When code bytes change, the records of the blocks over them become HANDLER_REFETCH in place: whoever is inside finishes
// its instruction and comes back for the new code, which makes self-modifying code exact to the next instruction.

import type { Decoded } from "../isa/decoded.ts";
import { TOO_LONG } from "../isa/decoded.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../isa/decoder.ts";
import {
  H_CODE_BYTES, H_COUNT, H_HEAT, HANDLER_CONTINUE, HANDLER_REFETCH, HANDLER_UNDEFINED, HEADER_BYTES, LINK_NEVER, LINK_UNRESOLVED, R_HANDLER, R_LINK, R_OFFSET,
  R_REMAINING, RECORD_BYTES,
} from "../isa/record-layout.ts";
import { CS, MODE_CODE32, MODE_FLAT, MODE_HARDWARE, MODE_SINGLE, MODE_TRANSLATED } from "../isa/state-layout.ts";
import type { Row } from "../isa/row.ts";
import type { Cpu } from "./cpu.ts";
import { recordExit } from "./exceptions.ts";
import { isConditionalBranch, packRecord } from "./forms.ts";
import type { Interpreter } from "./interpreter.ts";
import { GP, PAGE_READS_WATCHED } from "./processor.ts";

const MAX_BLOCK = 48;
/** Instructions. */
const READ_AHEAD = 256;
const PAGE = 4096;
const GRANULE_SHIFT = 3;
/** Records that forward to one block: code that changes again and again leaves others, which lead to a look-up. */
const FORWARDING = 8;
/** Room that a block may need: header, records, closing record. */
const BLOCK_ROOM = HEADER_BYTES + (MAX_BLOCK + 1) * RECORD_BYTES;

interface Block {
  readonly record: number;
  readonly key: number;
  /** Bytes [start, end) of the page that it was decoded from. */
  readonly start: number;
  readonly end: number;
  readonly page: CodePage;
  /** Of a block that crosses: the second physical page. */
  readonly second: number;
}

interface CodePage {
  readonly physicalPage: number;
  readonly blocks: Map<number, Block>;
  /** Nonzero where a granule of 8 bytes may hold decoded code: a store elsewhere in the page costs no search. */
  readonly granules: Uint8Array;
  /** Tails of crossing instructions of the page before, in this page. */
  readonly tails: Set<Block>;
  /** First records of the last blocks that were invalidated, by key: they forward to the block that replaces them. */
  readonly stale: Map<number, number[]>;
}

/** What the cache tells the translator. */
export interface TranslatedCode {
  /** The word H_HEAT of a block that has just been decoded. `key`: offset in the page | mode << 12. */
  heatOf(physicalPage: number, key: number): number;
  /** Translated code never holds the instruction: its block ends behind it, so that translated code may go on there. */
  leavesOut(row: Row, decoded: Decoded, mode: number): boolean;
  /** Bytes [from, to) of the page are not what they were. */
  invalidate(physicalPage: number, from: number, to: number): void;
  /** All records are void. */
  flush(): void;
}

/** A monitor's translator: what it makes of code in MODE_TRANSLATED. */
export interface TranslationPass {
  /** The instruction that begins at the key has been translated; where none has, reaching it leaves ("tc-miss"). */
  admits(physicalPage: number, key: number): boolean;
  /** What is emitted for an instruction at a physical address. */
  emit(row: Row, decoded: Decoded, physical: number, mode: number): Row;
}

/** What `find` gives instead of a record. */
export const FETCH_FAULT = 0;

export class BlockCache {
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly interpreter: Interpreter;
  /** Room for the one instruction that is not kept. */
  private readonly alone: number;
  private readonly begin: number;
  private end: number;
  private readonly onFlush: () => void;
  private next: number;
  /** Counts the flushes: a record of an earlier generation is void. */
  generation = 0;
  private pages = new Map<number, CodePage>();
  private readonly decoded: Decoded = createDecoded();
  translated: TranslatedCode | null = null;
  pass: TranslationPass | null = null;
  /** The place that was missed last. */
  missed = { physicalPage: 0, key: 0 };
  private readonly bytes = new Uint8Array(16);
  private readonly view: DataView;

  /** Records live in [begin, end) of the shared memory. `onFlush`: every record is void. */
  constructor(cpu: Cpu, decoder: Decoder, interpreter: Interpreter, begin: number, end: number, onFlush: () => void) {
    this.cpu = cpu;
    this.decoder = decoder;
    this.interpreter = interpreter;
    this.alone = begin + HEADER_BYTES;
    this.begin = begin + BLOCK_ROOM;
    this.end = end;
    this.next = this.begin;
    this.onFlush = onFlush;
    this.view = cpu.state.view;
  }

  /** Takes room for other purposes; before anything runs. Its address, a multiple of 4. */
  reserve(bytes: number): number {
    this.end = (this.end - bytes) & ~3;
    return this.end;
  }

  /** Forgets all code. */
  flush(): void {
    for (const page of this.pages.keys()) this.cpu.unmarkCode(page);
    this.pages = new Map();
    this.next = this.begin;
    this.cpu.checkedRecord = 0;
    this.generation++;
    this.translated?.flush();
    this.onFlush();
  }

  /** Of the area for records. */
  get usedBytes(): number {
    return this.next - this.begin;
  }

  /** Record of the block that begins there, 0 where there is none. */
  recordOf(physicalPage: number, key: number): number {
    return this.pages.get(physicalPage)?.blocks.get(key)?.record ?? 0;
  }

  /** Bytes [from, to) of a page that holds decoded code are translated: a store to them must be seen. */
  cover(physicalPage: number, from: number, to: number): void {
    markGranules(this.pageOf(physicalPage), from, to);
  }

  holdsCode(physicalPage: number): boolean {
    return this.pages.has(physicalPage);
  }

  /** Record of the code at `eip`, decoded now if need be; FETCH_FAULT with the fault raised where it cannot be fetched. */
  find(eip: number, mode: number): number {
    const { cpu } = this;
    const linear = (cpu.context.segmentBase(CS) + eip) | 0;
    if (eip >>> 0 > cpu.context.segmentLimit(CS)) {
      cpu.raise(GP, 0);
      return FETCH_FAULT;
    }
    const entry = cpu.translateCode(linear);
    if (entry === 0) return FETCH_FAULT;
    const physicalPage = entry >>> 12;
    if (cpu.nonRoot !== null && cpu.physical.hostPage(physicalPage) === 0) {
      // Code outside memory: the fetch itself leaves.
      cpu.physical.read((physicalPage * PAGE + (linear & (PAGE - 1))) >>> 0, 1);
      return FETCH_FAULT;
    }
    const offset = linear & (PAGE - 1);
    const key = offset | (mode << 12);
    const page = this.pages.get(physicalPage);
    const known = page?.blocks.get(key);
    if (known) {
      if (!this.withinLimit(known.record, eip)) return this.decodeAlone(eip, linear, physicalPage, mode);
      if (known.second < 0) return known.record;
      const second = cpu.translateCode((linear | (PAGE - 1)) + 1);
      if (second === 0) return FETCH_FAULT;
      if (second >>> 12 === known.second) return known.record;
      this.drop(known);
    }
    if (mode & MODE_TRANSLATED && !this.pass!.admits(physicalPage, key)) {
      this.missed = { physicalPage, key };
      recordExit(cpu, "tc-miss", 0, eip);
      return FETCH_FAULT;
    }
    return this.decode(eip, linear, physicalPage, mode);
  }

  /** Whether the record outlives its execution, so that caches may name it. */
  isKept(record: number): boolean {
    return record !== this.alone;
  }

  /** Sets the link of the branch at `record` to `target`, which was just found for it. */
  link(record: number, target: number): void {
    if (this.view.getInt32(record + R_LINK, true) === LINK_UNRESOLVED && this.view.getUint16(record + R_HANDLER, true) !== HANDLER_REFETCH) {
      this.view.setInt32(record + R_LINK, target, true);
    }
  }

  /** Bytes of a code page changed. */
  invalidate(physical: number, length: number): void {
    const first = physical >>> 12;
    const last = (physical + length - 1) >>> 12;
    for (let p = first; p <= last; p++) {
      const page = this.pages.get(p);
      if (!page) continue;
      const from = p === first ? physical & (PAGE - 1) : 0;
      const to = p === last ? ((physical + length - 1) & (PAGE - 1)) + 1 : PAGE;
      if (!holdsCode(page, from, to)) continue;
      for (const block of page.blocks.values()) if (block.start < to && block.end > from) this.drop(block);
      for (const block of page.tails) if (block.end - PAGE > from) this.drop(block);
      this.translated?.invalidate(p, from, to);
      this.releaseIfEmpty(page);
    }
  }

  private drop(block: Block): void {
    const { page } = block;
    page.blocks.delete(block.key);
    if (block.second >= 0) {
      const second = this.pages.get(block.second);
      if (second) {
        second.tails.delete(block);
        this.releaseIfEmpty(second);
      }
    }
    const count = this.view.getUint16(block.record + H_COUNT, true);
    this.view.setInt32(block.record + H_HEAT, 0, true);
    for (let i = 0; i <= count; i++) this.view.setUint16(block.record + i * RECORD_BYTES + R_HANDLER, HANDLER_REFETCH, true);
    const stale = page.stale.get(block.key);
    if (!stale) page.stale.set(block.key, [block.record]);
    else if (stale.push(block.record) > FORWARDING) this.view.setUint16(stale.shift()! + R_HANDLER, HANDLER_REFETCH, true);
  }

  private releaseIfEmpty(page: CodePage): void {
    if (page.blocks.size !== 0 || page.tails.size !== 0) return;
    this.translated?.invalidate(page.physicalPage, 0, PAGE);
    page.granules.fill(0);
    this.cpu.unmarkCode(page.physicalPage);
  }

  private pageOf(physicalPage: number): CodePage {
    let page = this.pages.get(physicalPage);
    if (!page) {
      page = { physicalPage, blocks: new Map(), granules: new Uint8Array(PAGE >> GRANULE_SHIFT), tails: new Set(), stale: new Map() };
      this.pages.set(physicalPage, page);
    }
    this.cpu.markCode(physicalPage);
    return page;
  }

  private withinLimit(record: number, eip: number): boolean {
    const bytes = this.view.getUint16(record + H_CODE_BYTES, true);
    return (eip >>> 0) + bytes - 1 <= this.cpu.context.segmentLimit(CS);
  }

  private decode(eip: number, linear: number, physicalPage: number, mode: number): number {
    const { cpu, decoder, decoded, interpreter } = this;
    const host = cpu.physical.hostPage(physicalPage);
    if (host === 0) return this.decodeAlone(eip, linear, physicalPage, mode);
    if (this.next + BLOCK_ROOM > this.end) this.flush();
    const record = this.next + HEADER_BYTES;
    const startOffset = linear & (PAGE - 1);
    const maximum = mode & MODE_SINGLE ? 1 : MAX_BLOCK;
    const code32 = (mode & MODE_CODE32) !== 0;
    let at = record;
    let offset = startOffset;
    let count = 0;
    let open = true;
    while (open && count < maximum && offset < PAGE) {
      if (count > 0 && mode & MODE_TRANSLATED && !this.pass!.admits(physicalPage, offset | (mode << 12))) break;
      const length = decoder.decodeBytes(cpu.state.u8, host + offset, host + PAGE, code32, decoded);
      if (length === NEEDS_MORE_BYTES || length === TOO_LONG) {
        if (count === 0) return length === TOO_LONG ? this.tooLong() : this.decodeCrossing(eip, linear, physicalPage, mode);
        break;
      }
      if (this.isSpoilt(physicalPage * PAGE + offset + 1, length - 1, mode)) {
        if (count > 0) break;
        return cpu.leaveForFetch((linear + 1) | 0, physicalPage * PAGE + offset + 1, length - 1) ? FETCH_FAULT : this.decodeAlone(eip, linear, physicalPage, mode);
      }
      const row = this.pack(at, offset, physicalPage, mode);
      open = row !== null && (row.ends !== true || isConditionalBranch(row)) && !this.translated?.leavesOut(row, decoded, mode);
      at += RECORD_BYTES;
      offset += length;
      count++;
    }
    this.close(record, at, count, offset, offset - startOffset, mode);
    this.next = at + RECORD_BYTES;
    if (interpreter.isWaiting) {
      this.readAhead(host, offset, mode);
      interpreter.flush();
    }
    if (!this.withinLimit(record, eip)) {
      this.next = record - HEADER_BYTES;
      return this.decodeAlone(eip, linear, physicalPage, mode);
    }
    const page = this.pageOf(physicalPage), key = startOffset | (mode << 12), kept = this.settle(page, key, record, count);
    this.register({ record: kept, key, start: startOffset, end: offset, page, second: -1 }, mode);
    return kept;
  }

  /** Code that changes again and again takes the room of the records that it replaces, if they were no fewer. Nobody is inside them while code is decoded. */
  private settle(page: CodePage, key: number, record: number, count: number): number {
    const stale = page.stale.get(key), last = stale?.at(-1);
    if (stale === undefined || last === undefined || this.view.getUint16(last + H_COUNT, true) !== count) return record;
    stale.pop();
    this.cpu.state.u8.copyWithin(last - HEADER_BYTES, record - HEADER_BYTES, this.next);
    this.next = record - HEADER_BYTES;
    this.cpu.checkedRecord = 0;
    // Who has left one of these records to have its link set must not set it now.
    this.generation++;
    return last;
  }

  /**
   * Names the forms of the bytes behind a block that had new ones. Code that follows runs soon, mostly, and handlers cost less in one
   * module than in many; bytes that are no code cost a handler that nobody needs.
   */
  private readAhead(host: number, offset: number, mode: number): void {
    const { decoder, decoded } = this;
    for (let count = 0; count < READ_AHEAD && offset < PAGE; count++) {
      const length = decoder.decodeBytes(this.cpu.state.u8, host + offset, host + PAGE, (mode & MODE_CODE32) !== 0, decoded);
      if (length === NEEDS_MORE_BYTES || length === TOO_LONG) return;
      if (decoded.row !== null) this.interpreter.handlerFor(decoded.row, decoded, mode);
      offset += length;
    }
  }

  private register(block: Block, mode: number): void {
    const { page, key, record } = block;
    page.blocks.set(key, block);
    this.view.setInt32(record + H_HEAT, this.translated && (mode & MODE_SINGLE) === 0 && block.second < 0 ? this.translated.heatOf(page.physicalPage, key) : 0, true);
    markGranules(page, block.start, block.end);
    const stale = page.stale.get(key);
    if (!stale) return;
    if ((mode & MODE_FLAT) === 0 || block.second >= 0) return;
    for (const old of stale) {
      this.view.setUint16(old + R_HANDLER, HANDLER_CONTINUE, true);
      this.view.setInt32(old + R_LINK, record, true);
    }
  }

  /** The row whose meaning the record has. */
  private pack(at: number, offset: number, physicalPage: number, mode: number): Row | null {
    const { decoded } = this;
    const row = decoded.row !== null && mode & MODE_TRANSLATED ? this.pass!.emit(decoded.row, decoded, physicalPage * PAGE + offset, mode) : decoded.row;
    const handler = row === null ? HANDLER_UNDEFINED : this.interpreter.handlerFor(row, decoded, mode);
    packRecord(this.view, at, row, decoded, handler, offset, mode);
    return row;
  }

  /** Header, counts and the pseudo-record behind the last instruction. */
  private close(record: number, at: number, count: number, offset: number, codeBytes: number, mode: number): void {
    const { view } = this;
    for (let i = 0; i < count; i++) view.setUint8(record + i * RECORD_BYTES + R_REMAINING, count - i);
    view.setUint16(record + H_COUNT, count, true);
    view.setUint16(record + H_CODE_BYTES, codeBytes, true);
    view.setInt32(record + H_HEAT, 0, true);
    view.setUint16(at + R_HANDLER, HANDLER_CONTINUE, true);
    view.setUint8(at + R_REMAINING, 0);
    view.setUint16(at + R_OFFSET, offset, true);
    view.setInt32(at + R_LINK, mode & MODE_FLAT && offset < PAGE ? LINK_UNRESOLVED : LINK_NEVER, true);
  }

  /** The instruction at `linear` goes on in the next page. */
  private decodeCrossing(eip: number, linear: number, physicalPage: number, mode: number): number {
    const { cpu, decoded } = this;
    const firstBytes = PAGE - (linear & (PAGE - 1));
    // The limit is checked before the page (SDM Vol. 3, "Priority Among Simultaneous Exceptions and Interrupts").
    if ((eip >>> 0) + firstBytes > cpu.context.segmentLimit(CS)) {
      cpu.raise(GP, 0);
      return FETCH_FAULT;
    }
    const second = cpu.translateCode((linear | (PAGE - 1)) + 1);
    if (second === 0) return FETCH_FAULT;
    for (let i = 0; i < 16; i++) this.bytes[i] = i < firstBytes ? this.codeByte(physicalPage, PAGE - firstBytes + i) : this.codeByte(second >>> 12, i - firstBytes);
    const length = this.decoder.decodeBytes(this.bytes, 0, 16, (mode & MODE_CODE32) !== 0, decoded);
    if (length === TOO_LONG || length === NEEDS_MORE_BYTES) return this.tooLong();
    const offset = linear & (PAGE - 1);
    const behind = (second >>> 12) * PAGE;
    const spoiltFirst = this.isSpoilt(physicalPage * PAGE + offset + 1, firstBytes - 1, mode), spoiltSecond = this.isSpoilt(behind, length - firstBytes, mode);
    if (spoiltFirst || spoiltSecond) {
      const left = spoiltFirst ? cpu.leaveForFetch((linear + 1) | 0, physicalPage * PAGE + offset + 1, firstBytes - 1) : cpu.leaveForFetch((linear + firstBytes) | 0, behind, length - firstBytes);
      return left ? FETCH_FAULT : this.decodeAlone(eip, linear, physicalPage, mode);
    }
    if (this.next + BLOCK_ROOM > this.end) this.flush();
    const record = this.next + HEADER_BYTES;
    this.pack(record, offset, physicalPage, mode);
    this.close(record, record + RECORD_BYTES, 1, offset + length, length, mode);
    this.next = record + 2 * RECORD_BYTES;
    this.interpreter.flush();
    if (!this.withinLimit(record, eip)) {
      cpu.raise(GP, 0);
      return FETCH_FAULT;
    }
    const page = this.pageOf(physicalPage);
    const block: Block = { record, key: offset | (mode << 12), start: offset, end: offset + length, page, second: second >>> 12 };
    this.register(block, mode);
    const next = this.pageOf(second >>> 12);
    next.tails.add(block);
    markGranules(next, 0, block.end - PAGE);
    return record;
  }

  /** One instruction that is not kept: code in device memory, or next to the segment limit. */
  private decodeAlone(eip: number, linear: number, physicalPage: number, mode: number): number {
    const { cpu, decoded } = this;
    const room = cpu.context.segmentLimit(CS) - (eip >>> 0) + 1;
    const offset = linear & (PAGE - 1);
    let available = 0;
    let page = physicalPage;
    let length = NEEDS_MORE_BYTES;
    while (length === NEEDS_MORE_BYTES && available < 16) {
      if (available >= room) {
        cpu.raise(GP, 0);
        return FETCH_FAULT;
      }
      if (offset + available === PAGE) {
        const second = cpu.translateCode((linear | (PAGE - 1)) + 1);
        if (second === 0) return FETCH_FAULT;
        page = second >>> 12;
      }
      this.bytes[available] = this.codeByte(page, (offset + available) & (PAGE - 1));
      available++;
      length = this.decoder.decodeBytes(this.bytes, 0, available, (mode & MODE_CODE32) !== 0, decoded);
    }
    if (length === TOO_LONG || length === NEEDS_MORE_BYTES) return this.tooLong();
    const record = this.alone;
    this.pack(record, offset, physicalPage, mode);
    if (this.view.getInt32(record + R_LINK, true) === LINK_UNRESOLVED) this.view.setInt32(record + R_LINK, LINK_NEVER, true);
    this.close(record, record + RECORD_BYTES, 1, offset + length, length, mode);
    this.view.setInt32(record + RECORD_BYTES + R_LINK, LINK_NEVER, true);
    this.interpreter.flush();
    return record;
  }

  /** A monitor has planted a byte of its own among those of the silicon's instruction, behind its first: what the guest wrote there is another one. */
  isSpoilt(physical: number, length: number, mode: number): boolean {
    const { cpu } = this;
    return (mode & MODE_HARDWARE) !== 0 && (cpu.codePages[physical >>> 12]! & PAGE_READS_WATCHED) !== 0 && cpu.touchWatch?.spoils(physical, length) === true;
  }

  private codeByte(physicalPage: number, offset: number): number {
    const host = this.cpu.physical.hostPage(physicalPage);
    return host !== 0 ? this.cpu.state.u8[host + offset]! : this.cpu.physical.read(physicalPage * PAGE + offset, 1);
  }

  private tooLong(): number {
    this.cpu.raise(GP, 0);
    return FETCH_FAULT;
  }
}

function markGranules(page: CodePage, start: number, end: number): void {
  page.granules.fill(1, start >> GRANULE_SHIFT, ((Math.min(end, PAGE) - 1) >> GRANULE_SHIFT) + 1);
}

function holdsCode(page: CodePage, from: number, to: number): boolean {
  for (let g = from >> GRANULE_SHIFT; g <= (to - 1) >> GRANULE_SHIFT; g++) if (page.granules[g] !== 0) return true;
  return false;
}
