// The instruction that left, read through the guest's own paging without any effect, and decoded. The same few sites leave
// again and again: decoded instructions are kept.

import type { Cpu } from "../cpu/cpu.ts";
import type { ContextUnit } from "../cpu/processor.ts";
import type { Decoded } from "../isa/decoded.ts";
import { createDecoded, type Decoder } from "../isa/decoder.ts";
import { factsOf, type RowFacts } from "./row-facts.ts";

const MAXIMUM_LENGTH = 15, PAGE_BYTES = 4096;
const KEPT = 1024;

/** An instruction, and its site in the trap log as it was found last: where it was, and when (`TrapLog.isSiteAgain`). */
export interface KeptCode {
  readonly words: Int32Array;
  code32: boolean;
  readonly decoded: Decoded;
  /** null: it is no instruction. */
  facts: RowFacts | null;
  site: number;
  handedOut: number;
  linear: number;
  eip: number;
  /** CS and mode. */
  shape: number;
  available: number;
}

export class GuestCode {
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly kept: (KeptCode | undefined)[] = new Array<KeptCode | undefined>(KEPT).fill(undefined);
  /** What `fetch` read, zeros behind it. */
  readonly bytes = new Uint8Array(16);
  private readonly words = new Int32Array(this.bytes.buffer);
  private linear = 0;
  /** Bytes that could be read, at most 15. */
  available = 0;

  constructor(cpu: Cpu, decoder: Decoder) {
    this.cpu = cpu;
    this.decoder = decoder;
  }

  /**
   * Reads the bytes at a linear address: where the instruction TLB of the context that fetched them has them, else through
   * the paging of the active context.
   */
  fetch(linear: number, unit: ContextUnit): void {
    const { words } = this;
    const { u8, view } = this.cpu.state;
    this.linear = linear;
    const offset = linear & (PAGE_BYTES - 1);
    const host = this.page(linear, unit);
    if (host === 0 || offset > PAGE_BYTES - words.length * 4) {
      this.available = this.fetchSome(linear, host, unit, u8);
      return;
    }
    const at = host + offset;
    words[0] = view.getInt32(at, true);
    words[1] = view.getInt32(at + 4, true);
    words[2] = view.getInt32(at + 8, true);
    words[3] = view.getInt32(at + 12, true) & 0xff_ffff;
    this.available = MAXIMUM_LENGTH;
  }

  /** Near the end of a page, which may be the last one that is there. */
  private fetchSome(linear: number, firstPage: number, unit: ContextUnit, u8: Uint8Array): number {
    this.words.fill(0);
    let host = firstPage;
    for (let count = 0; count < MAXIMUM_LENGTH; count++) {
      const address = (linear + count) | 0;
      if (count > 0 && (address & (PAGE_BYTES - 1)) === 0) host = this.page(address, unit);
      if (host === 0) return count;
      this.bytes[count] = u8[host + (address & (PAGE_BYTES - 1))]!;
    }
    return MAXIMUM_LENGTH;
  }

  /** Host address of a page of code, 0 where there is none. */
  private page(linear: number, unit: ContextUnit): number {
    const { cpu } = this;
    const cached = unit.tlb.code(linear >>> 12);
    if (cached !== 0) return unit.physical.hostPage(cached >>> 12);
    const physical = cpu.peekPhysical(linear);
    return physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
  }

  /** What was fetched, or null where it is no instruction. */
  decode(code32: boolean): Decoded | null {
    const kept = this.find(code32);
    return kept.facts === null ? null : kept.decoded;
  }

  /** What is known of what was fetched. */
  find(code32: boolean): KeptCode {
    const { words } = this;
    const slot = (this.linear ^ (this.linear >>> 10)) & (KEPT - 1);
    let entry = this.kept[slot];
    const same = entry !== undefined && entry.code32 === code32 && entry.words[0] === words[0] && entry.words[1] === words[1] &&
      entry.words[2] === words[2] && entry.words[3] === words[3];
    if (!same) {
      entry ??= { words: new Int32Array(4), code32, decoded: createDecoded(), facts: null, site: -1, handedOut: 0, linear: 0, eip: 0, shape: 0, available: 0 };
      entry.site = -1;
      entry.words.set(words);
      entry.code32 = code32;
      const length = this.decoder.decodeBytes(this.bytes, 0, MAXIMUM_LENGTH, code32, entry.decoded);
      const { row } = entry.decoded;
      entry.facts = length > 0 && length <= MAXIMUM_LENGTH && row !== null ? factsOf(row) : null;
      this.kept[slot] = entry;
    }
    return entry!;
  }
}
