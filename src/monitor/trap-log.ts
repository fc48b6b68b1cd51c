// The trap log: the one place where exits, leaks and observations are written down. One record each in the shared ring,
// one count each in the shared statistics. The ring forgets its oldest records; the counts forget nothing.
//
// An exit is to cost little, and in the middle of one little of this code is in the caches: so a recorded event is only appended,
// and counted with the others of a small batch, before anybody looks.

import { RingWriter, UNPUBLISHED } from "../base/shared-ring.ts";
import {
  FLAG_FIRST_AT_SITE, FLAG_KIND_MASK, KIND_EXIT, KIND_LEAK, KIND_OBSERVED, RECORD_BYTES, RECORD_SLOTS, REASON_NONE, SITE_BYTES, SITE_MODE_D,
} from "../protocol/trap-record.ts";
import { HOT_SLOTS, type LeakDecision } from "../protocol/stats-view.ts";
import type { Counters, CounterState } from "./counters.ts";
import type { RegisterTrace } from "./register-trace.ts";
import type { SiteDescriber } from "./trap-sites.ts";
import { TrapSites } from "./trap-sites.ts";

const RECORD_WORDS = RECORD_BYTES >> 2, SITE_WORDS = SITE_BYTES >> 2;
/** A site's tag: its hot-spot slot, and above it the slot's generation when the site got it. */
const HOT_BITS = 14;

/** Of the word that has the action above them. */
const SITE_BITS = 0xff_ffff;
/** Kind and reason in a record's third word. */
const OF_WHAT = (FLAG_KIND_MASK << 24) | 0xff_0000;
/** Multiplied by this, what is above the low 32 bits. */
const HIGH_WORD = 2 ** -32;

/** Tag of a site that was unknown at the time that the log was taken back to. */
const UNSEEN = -1;

export interface LogState {
  readonly total: number;
  readonly lastExit: number;
  readonly lastLeak: Int32Array;
  readonly heldLeak: Int32Array;
  readonly holdsLeak: boolean;
  readonly counters: CounterState;
}

/** What an event's record says besides its kind. What `a` and `b` are: protocol/trap-record.ts. */
export interface TrapEvent {
  site: number;
  icount: number;
  timeNs: number;
  reason: number;
  /** Number in ACTIONS. */
  action: number;
  /** FLAG_* without the kind. */
  flags: number;
  a: number;
  b: number;
}

export function createTrapEvent(): TrapEvent {
  return { site: 0, icount: 0, timeNs: 0, reason: REASON_NONE, action: 0, flags: 0, a: 0, b: 0 };
}

export interface TrapLogMemory {
  readonly buffer: ArrayBufferLike;
  /** Byte offsets, 8-byte aligned. Sizes: TRAP_RING_BYTES and SITE_TABLE_BYTES, or by `slots`. */
  readonly ringBase: number;
  readonly siteBase: number;
  /** Records in the ring (a power of two); sites are twice as many. */
  readonly slots?: number;
}

export class TrapLog {
  readonly counters: Counters;
  /** The guest's registers around each record; null: nobody keeps them. */
  registers: RegisterTrace | null = null;
  /** Instructions that had retired at the last exit. */
  lastExit = 0;
  private readonly ring: RingWriter;
  private readonly sites: TrapSites;
  private readonly describe: SiteDescriber;
  private readonly generation = new Int32Array(HOT_SLOTS);
  private readonly drainEvery: number;
  private drainAt = 0;
  /** Records that are counted. */
  private counted = 0;
  /** A batch is full with this many. */
  private full = UNPUBLISHED;
  private readonly onEvicted = (slot: number): void => {
    this.generation[slot] = (this.generation[slot] + 1) & 0x1_ffff;
  };
  /** Which kinds go into the ring, by bit (1 << kind). All are counted whatever it says. */
  recordKinds = 7;
  /** Called with the number of records so far before unread ones could be overwritten: a lossless consumer reads them then. */
  drain: ((total: number) => void) | null = null;
  /** Called after each event with its kind and its number in the ring, -1 where it is not recorded: a debugger stops there. */
  onRecord: ((kind: number, sequence: number) => void) | null = null;

  constructor(memory: TrapLogMemory, counters: Counters, describe: SiteDescriber) {
    const slots = memory.slots ?? RECORD_SLOTS;
    this.counters = counters;
    this.describe = describe;
    this.ring = new RingWriter(memory.buffer, memory.ringBase, slots, RECORD_BYTES);
    this.sites = new TrapSites(memory.buffer, memory.siteBase, slots * 2);
    this.drainEvery = slots >> 2;
    counters.beforeLook = () => this.countBatch();
  }

  /** The guest's registers are those from before what is recorded next. */
  registersBefore(): void {
    this.registers?.before(this.ring.total);
  }

  /** Records written into the ring. */
  get total(): number {
    return this.ring.total;
  }

  /** Brings what readers see up to date: the last few records, and the counts. */
  publish(): void {
    this.ring.publish();
    this.counters.settle();
  }

  /** Counts what is recorded and not yet counted. */
  private countBatch(): void {
    const { ring, counters } = this;
    const { words, doubles, total } = ring;
    let lastKind = -1, lastSite = -1;
    for (let sequence = this.counted; sequence < total; sequence++) {
      const slot = ring.slotOf(sequence);
      const what = words[slot + 2]!, icount = (words[slot + 1]! >>> 0) + (what & 0xffff) * 2 ** 32, timeNs = doubles[(slot >> 1) + 2]!;
      const kind = what & OF_WHAT, site = words[slot + 3]! & SITE_BITS;
      if (kind === lastKind && site === lastSite && counters.countAgain(icount, timeNs)) continue;
      this.count((what >>> 24) & FLAG_KIND_MASK, site, (what >>> 16) & 0xff, icount, timeNs);
      lastKind = kind;
      lastSite = site;
    }
    this.noneWaits();
  }

  private noneWaits(): void {
    this.counted = this.ring.total;
    this.full = this.counted + UNPUBLISHED;
  }

  private count(kind: number, site: number, reason: number, icount: number, timeNs: number): void {
    const { sites } = this;
    let tag = sites.tag[site]!;
    if (tag >>> HOT_BITS !== this.generation[tag & (HOT_SLOTS - 1)]) {
      this.newHotSlot(site);
      tag = sites.tag[site]!;
    }
    this.counters.count(kind, reason, tag & (HOT_SLOTS - 1), icount, timeNs);
  }

  /** Forgets records and counts. */
  clear(): void {
    this.ring.clear();
    this.drainAt = 0;
    this.noneWaits();
    this.sites.clear();
    this.counters.clear();
    this.lastExit = 0;
    this.holdsLeak = false;
  }

  /** What `restore` takes. Records that are in the ring now and will be overwritten later are not kept. */
  save(before: LogState | null): LogState {
    const { ring, lastExit, lastLeak, heldLeak, holdsLeak } = this;
    return { total: ring.total, lastExit, lastLeak: lastLeak.slice(), heldLeak: heldLeak.slice(), holdsLeak, counters: this.counters.save(before?.counters ?? null) };
  }

  /** Back to then. Sites that were unknown then are new again when they are seen. */
  restore({ total, lastExit, lastLeak, heldLeak, holdsLeak, counters: saved }: LogState): void {
    const { ring, sites, counters, generation } = this;
    ring.rewind(total);
    this.drainAt = 0;
    this.noneWaits();
    this.lastExit = lastExit;
    this.lastLeak.set(lastLeak);
    this.heldLeak.set(heldLeak);
    this.holdsLeak = holdsLeak;
    counters.restore(saved);
    for (let slot = 0; slot < HOT_SLOTS; slot++) this.onEvicted(slot);
    const slots = new Map<string, number>();
    for (let slot = 0; slot < counters.hotSlots; slot++) {
      const { words, word } = counters.hotSite(slot);
      slots.set(words.subarray(word, word + SITE_WORDS).join(), slot);
    }
    sites.forgetFound();
    for (let site = 0; site < sites.known; site++) {
      const slot = slots.get(sites.words.subarray(site * SITE_WORDS, (site + 1) * SITE_WORDS).join());
      sites.tag[site] = slot === undefined ? UNSEEN : slot | (generation[slot]! << HOT_BITS);
    }
  }

  /**
   * The site of the instruction at `linear`. `mode` is `packMode(...)`; the bytes are decoded only when the site is new.
   * `available` = 0 for an interrupt between two instructions.
   */
  site(linear: number, eip: number, cs: number, mode: number, code: Uint8Array, offset: number, available: number): number {
    const site = this.sites.find(linear, eip, (cs & 0xffff) | (mode << 16), code, offset, available, this.describe, (mode & SITE_MODE_D) !== 0);
    if (this.sites.tag[site] === UNSEEN) this.sites.fresh = true;
    if (this.sites.fresh) this.newHotSlot(site);
    return site;
  }

  /** For `isSiteAgain`: when a site was found. */
  get sitesHandedOut(): number {
    return this.sites.handedOut;
  }

  /** A site that was found then, when fewer had been handed out than now, is the one that `site` would find now. */
  isSiteAgain(site: number, handedOut: number): boolean {
    return this.sites.isFoundAgain(site, handedOut);
  }

  private newHotSlot(site: number): void {
    this.counters.add("sites", 1);
    const slot = this.counters.hotSlot(this.sites.words, site * SITE_WORDS, this.onEvicted);
    this.sites.tag[site] = slot | (this.generation[slot] << HOT_BITS);
  }

  /** One exit of the processor. */
  exit(event: TrapEvent): void {
    this.lastExit = event.icount;
    this.write(KIND_EXIT, event);
  }

  /** Of events that no exit comes with. */
  private readonly inPassing = createTrapEvent();

  private pass(kind: number, site: number, icount: number, timeNs: number, action: number, flags: number, a: number, b: number): void {
    const event = this.inPassing;
    event.site = site;
    event.icount = icount;
    event.timeNs = timeNs;
    event.action = action;
    event.flags = flags;
    event.a = a;
    event.b = b;
    this.write(kind, event);
  }

  /** A sensitive instruction ran without an exit and the guest saw `observed` where bare metal would have given `expected`. */
  leak(site: number, icount: number, timeNs: number, action: number, flags: number, observed: number, expected: number): void {
    this.pass(KIND_LEAK, site, icount, timeNs, action, flags, observed, expected);
  }

  /** The leak that was written last: its sequence number, the other words of its record, its site. */
  private readonly lastLeak = new Int32Array(RECORD_WORDS + SITE_WORDS);
  private readonly heldLeak = new Int32Array(RECORD_WORDS + SITE_WORDS);
  private holdsLeak = false;

  private noteLeak(slot: number, siteWord: number): void {
    const { ring, sites, counters, lastLeak } = this;
    lastLeak[0] = ring.total;
    for (let i = 1; i < RECORD_WORDS; i++) lastLeak[i] = ring.words[slot + i];
    for (let i = 0; i < SITE_WORDS; i++) lastLeak[RECORD_WORDS + i] = sites.words[siteWord + i];
    counters.keepFirstLeak(lastLeak);
  }

  /** The leak that was written last has mattered: the first that did. */
  leakDecided(decision: LeakDecision): void {
    if (!this.counters.hasDecisiveLeak) this.counters.keepDecisiveLeak(this.lastLeak, decision);
  }

  /** The leak that was written last may matter later. */
  holdLeak(): void {
    this.heldLeak.set(this.lastLeak);
    this.holdsLeak = true;
  }

  /** It has: the guest does not go on because of it, whatever mattered before. */
  heldLeakDecided(decision: LeakDecision): void {
    if (this.holdsLeak) this.counters.keepDecisiveLeak(this.heldLeak, decision);
  }

  /** A sensitive instruction ran without an exit and was right. */
  observed(site: number, icount: number, timeNs: number, action: number, flags: number, value: number): void {
    this.pass(KIND_OBSERVED, site, icount, timeNs, action, flags, value, value);
  }

  private write(kind: number, event: TrapEvent): void {
    if ((this.recordKinds >> kind) & 1) {
      this.ring.append(this.fill(kind, event));
      if (this.ring.total >= this.full) this.endBatch();
    } else {
      // What is recorded from now on may take the place of what waits.
      this.countBatch();
      this.count(kind, event.site, event.reason, event.icount, event.timeNs);
      if (kind === KIND_LEAK) this.fill(kind, event);
      this.sites.fresh = false;
    }
    if (this.onRecord === null) return;
    this.publish();
    this.onRecord(kind, (this.recordKinds >> kind) & 1 ? this.ring.total - 1 : -1);
  }

  private endBatch(): void {
    const { ring } = this;
    this.countBatch();
    ring.publish();
    if (this.drain === null || ring.total < this.drainAt) return;
    this.drainAt = ring.total + this.drainEvery;
    this.drain(ring.total);
  }

  /** Fills the next slot of the ring, which readers already count as lost. */
  private fill(kind: number, event: TrapEvent): number {
    const { ring, sites } = this;
    const { site, icount } = event;
    let { flags } = event;
    if (sites.fresh) {
      flags |= FLAG_FIRST_AT_SITE;
      sites.fresh = false;
    }
    this.registers?.after(ring.total);
    const slot = ring.slot();
    const { words } = ring;
    words[slot + 1] = icount;
    words[slot + 2] = ((icount * HIGH_WORD) & 0xffff) | (event.reason << 16) | ((flags | kind) << 24);
    words[slot + 3] = site | (event.action << 24);
    ring.doubles[(slot >> 1) + 2] = event.timeNs;
    words[slot + 6] = event.a;
    words[slot + 7] = event.b;
    if (kind === KIND_LEAK) this.noteLeak(slot, site * SITE_WORDS);
    return slot;
  }
}
