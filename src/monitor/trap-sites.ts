// The instructions that the trap log names, each kept once: 32 bytes in shared memory, found again by an open hash.
//
// Slots are handed out in a circle. There are twice as many as records in the ring, and a site that is hit when it is
// older than half the circle gets a new slot: so no record outlives the site that it names, without reference counts.
// (A kind that is counted and not recorded uses up slots too: half the circle covers it.)
// Hash chains are never unlinked: along a chain ages only grow, so the first entry that is younger than the one before
// it was recycled, and the chain ends there.

import { MAX_INSTRUCTION_BYTES, SITE_BYTES, SITE_SLOTS } from "../protocol/trap-record.ts";

const HASH_BITS = 18;
const SITE_WORDS = SITE_BYTES >> 2;
/** Self-modifying code gives one address many contents; a walk looks at this many and then makes a new site. */
const MAX_CHAIN = 8;
/** Beside the mnemonic: no more bytes could be read when the site was made, as the next page was absent. With more it is another. */
const CUT_SHORT = 0x1_0000;

/** Length and mnemonic number of an instruction whose bytes are at `offset`. */
export type SiteDescriber = (code: Uint8Array, offset: number, available: number, code32: boolean) => { readonly length: number; readonly mnemonicId: number };

export class TrapSites {
  readonly words: Int32Array;
  private readonly mask: number;
  private readonly buckets = new Int32Array(1 << HASH_BITS).fill(-1);
  private readonly next: Int32Array;
  /** What the log keeps beside a site (its hot-spot slot); moves with it. */
  readonly tag: Int32Array;
  private allocated = 0;
  /** Slots handed out since the beginning, those before `clear` included; `clear` and `forgetFound` count as one. */
  handedOut = 0;
  private before = 0;
  /** The site returned last is new. */
  fresh = false;

  constructor(buffer: ArrayBufferLike, base: number, slots: number = SITE_SLOTS) {
    this.words = new Int32Array(buffer, base, slots * SITE_WORDS);
    this.mask = slots - 1;
    this.next = new Int32Array(slots);
    this.tag = new Int32Array(slots);
  }

  clear(): void {
    this.buckets.fill(-1);
    this.forgetFound();
    this.allocated = 0;
  }

  /** What was found until now is to be looked for again. */
  forgetFound(): void {
    this.before = ++this.handedOut;
  }

  /** Slots handed out so far, recycled ones included. */
  get count(): number {
    return this.allocated;
  }

  /** A site that was found when `handedOut` was this, and less than now, would be found again, with nothing to renew. */
  isFoundAgain(site: number, handedOut: number): boolean {
    return handedOut > this.before && this.handedOut - handedOut < this.mask >> 1 && this.age(site) <= this.mask >> 1;
  }

  /** Sites from 0 on that hold one. */
  get known(): number {
    return Math.min(this.allocated, this.mask + 1);
  }

  /** The site of the instruction at `linear`, whose bytes start at `code[offset]`; `shape` = CS | mode << 16. */
  find(linear: number, eip: number, shape: number, code: Uint8Array, offset: number, available: number, describe: SiteDescriber, code32: boolean): number {
    const bucket = Math.imul(linear ^ Math.imul(shape, 0x85eb_ca6b), 0x9e37_79b1) >>> (32 - HASH_BITS);
    let site = this.buckets[bucket];
    let age = -1;
    for (let steps = 0; site >= 0 && steps < MAX_CHAIN; steps++) {
      const own = this.age(site);
      if (own <= age) break;
      age = own;
      if (this.matches(site, linear, eip, shape, code, offset, available)) {
        this.fresh = false;
        return own > this.mask >> 1 ? this.renew(site, bucket) : site;
      }
      site = this.next[site];
    }
    this.fresh = true;
    return this.create(bucket, linear, eip, shape, code, offset, available, describe, code32);
  }

  /** Slots handed out since this one. */
  private age(site: number): number {
    return (this.allocated - 1 - site) & this.mask;
  }

  private matches(site: number, linear: number, eip: number, shape: number, code: Uint8Array, offset: number, available: number): boolean {
    const { words } = this;
    const word = site * SITE_WORDS;
    if (words[word] !== (linear | 0) || words[word + 1] !== (eip | 0) || (words[word + 2] & 0xff_ffff) !== shape) return false;
    const length = words[word + 2] >>> 24;
    if (length > available || (length < available && words[word + 7] & CUT_SHORT)) return false;
    for (let at = 0; at < length; at++) {
      if (((words[word + 3 + (at >> 2)] >>> ((at & 3) * 8)) & 0xff) !== code[offset + at]) return false;
    }
    return length > 0 || available === 0;
  }

  private take(bucket: number): number {
    const site = this.allocated++ & this.mask;
    this.handedOut++;
    this.next[site] = this.buckets[bucket];
    this.buckets[bucket] = site;
    return site;
  }

  private renew(old: number, bucket: number): number {
    const site = this.take(bucket);
    this.words.copyWithin(site * SITE_WORDS, old * SITE_WORDS, (old + 1) * SITE_WORDS);
    this.tag[site] = this.tag[old];
    return site;
  }

  private create(bucket: number, linear: number, eip: number, shape: number, code: Uint8Array, offset: number, available: number, describe: SiteDescriber, code32: boolean): number {
    const { length, mnemonicId } = available > 0 ? describe(code, offset, available, code32) : { length: 0, mnemonicId: 0 };
    const site = this.take(bucket);
    const word = site * SITE_WORDS;
    this.words[word] = linear;
    this.words[word + 1] = eip;
    this.words[word + 2] = shape | (length << 24);
    for (let i = 3; i < 7; i++) {
      let value = 0;
      for (let at = (i - 3) * 4; at < (i - 2) * 4 && at < length; at++) value |= code[offset + at] << ((at & 3) * 8);
      this.words[word + i] = value;
    }
    this.words[word + 7] = mnemonicId | (length === available && available < MAX_INSTRUCTION_BYTES ? CUT_SHORT : 0);
    return site;
  }
}
