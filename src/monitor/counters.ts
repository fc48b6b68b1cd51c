// Counts every exit, leak and observation, exactly, into the shared statistics (protocol/stats-view.ts).
// The machine adds what only it knows: instructions, time, run state.

import { sameWords } from "../base/same.ts";
import type { LeakDecision, ScalarName } from "../protocol/stats-view.ts";
import {
  FAMILIES, FAMILY_CALLOUT, FAMILY_OBSERVED, FAMILY_TRAP, HOT_BYTES, HOT_SLOTS, MNEMONIC_BYTES, MNEMONIC_IRQ, MNEMONIC_SLOTS, SCALARS,
  SERIES_BUCKETS, STATS_BYTES, STATS_DOUBLES, seriesGroup, TECHNIQUE_CHANGES,
} from "../protocol/stats-view.ts";
import { isCallout, KIND_EXIT, REASON_COUNT, REASON_NONE, SITE_BYTES, SITE_MODE_PE, SITE_MODE_VCPL, SITE_MODE_VM } from "../protocol/trap-record.ts";

const FIRST_BUCKET_NS = 1_000_000;
const HOT_DOUBLES = HOT_BYTES >> 3;
/** Candidates looked at when a new site needs a slot of a full table; the least hit of them goes. */
const EVICTION_SAMPLE = 16;

/** Group of the time series by family and reason. */
const GROUPS = Uint8Array.from({ length: FAMILIES.length * REASON_COUNT }, (_, i) => seriesGroup(Math.floor(i / REASON_COUNT), i % REASON_COUNT));

/** Index in SERIES_MODES. */
function modeClass(mode: number): number {
  if (!(mode & SITE_MODE_PE)) return 0;
  if (mode & SITE_MODE_VM) return 1;
  return (mode & SITE_MODE_VCPL) === 0 ? 2 : 3;
}

export interface CounterState {
  readonly blocks: readonly Int32Array[];
  readonly spentNs: number;
  readonly evictionCursor: number;
}
const BLOCK_WORDS = 1024;

/** What a tally counts: a hot spot, and above it kind and reason of the events there. */
const TALLY_REASON = Math.log2(HOT_SLOTS), TALLY_KIND = TALLY_REASON + 8;
const UNUSED = -1;
// A tally: what it counts; how often that was; slot of SERIES_MODES that the mode of the hot spot's site belongs to; and as a double, when it was last.
const TALLY_WORDS = 8, TALLIED = 0, TALLY_COUNT = 1, TALLY_MODE = 2, TALLY_LAST = 2;

export class Counters {
  private readonly doubles: Float64Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly ids = new Map<string, number>();
  private evictionCursor = 0;
  private bucketNs = FIRST_BUCKET_NS;
  private bucketEndNs = 0;
  private bucketDouble = 0;
  /** Until when guest time has been put into the series; from there to `stretchNs` the guest was in the mode of `stretchSlot`. */
  private spentNs = 0;
  private stretchNs = 0;
  private stretchSlot: number = STATS_DOUBLES.seriesMode;
  // The same site leaves again and again: its events are tallied here, one tally a hot spot, and put into the tables together
  // when somebody looks, the bucket of the series ends or the hot spot has another kind of event.
  private readonly tallies = new Int32Array(HOT_SLOTS * TALLY_WORDS);
  private readonly tallyDoubles = new Float64Array(this.tallies.buffer);
  private readonly inUse = new Int32Array(HOT_SLOTS);
  private inUseCount = 0;
  private lastTally = 0;
  /** Somebody is about to look: what has happened is to be counted. */
  beforeLook: () => void = () => {};
  private seenMonitorNs = 0;
  private seenRunNs = 0;

  /** `base` is 8-byte aligned; the region takes STATS_BYTES. */
  constructor(buffer: ArrayBufferLike, base: number) {
    this.doubles = new Float64Array(buffer, base, STATS_BYTES >> 3);
    this.words = new Int32Array(buffer, base, STATS_BYTES >> 2);
    this.bytes = new Uint8Array(buffer, base, STATS_BYTES);
    for (let at = TALLIED; at < this.tallies.length; at += TALLY_WORDS) this.tallies[at] = UNUSED;
    this.clear();
  }

  /** Forgets all counts (reset of the machine). Mnemonic names stay. */
  clear(): void {
    this.forgetTallies();
    this.doubles.fill(0, 0, STATS_DOUBLES.names);
    this.words.fill(0, STATS_DOUBLES.firstLeak * 2, STATS_DOUBLES.end * 2);
    this.bucketNs = FIRST_BUCKET_NS;
    this.spentNs = this.stretchNs = this.seenMonitorNs = this.seenRunNs = 0;
    this.moveTo(0);
    if (this.mnemonicId("IRQ") !== MNEMONIC_IRQ) throw new Error("mnemonic 0 is IRQ");
  }

  /** What `restore` takes: the counts, by blocks of which those that are the same as in `before` are shared with it. */
  save(before: CounterState | null): CounterState {
    this.settle();
    const blocks: Int32Array[] = [];
    for (let at = 0, n = 0; at < this.words.length; at += BLOCK_WORDS, n++) {
      const own = this.words.subarray(at, Math.min(at + BLOCK_WORDS, this.words.length)), known = before?.blocks[n];
      blocks.push(known !== undefined && sameWords(own, known) ? known : own.slice());
    }
    return { blocks, spentNs: this.spentNs, evictionCursor: this.evictionCursor };
  }

  /** Mnemonics that have got their number since then keep it. */
  restore({ blocks, spentNs, evictionCursor }: CounterState): void {
    const from = STATS_DOUBLES.names * 8, names = this.bytes.slice(from, STATS_DOUBLES.firstLeak * 8);
    blocks.forEach((block, n) => this.words.set(block, n * BLOCK_WORDS));
    this.bytes.set(names, from);
    this.forgetTallies();
    for (let slot = 0; slot < this.hotSlots; slot++) this.noteMode(slot);
    this.bucketNs = this.doubles[STATS_DOUBLES.seriesBucketNs]!;
    this.moveTo(spentNs);
    this.spentNs = this.stretchNs = spentNs;
    this.evictionCursor = evictionCursor;
    this.seenMonitorNs = this.get("monitorNs");
    this.seenRunNs = this.get("runNs");
  }

  /** Hot spots that are in use. */
  get hotSlots(): number {
    return this.words[STATS_DOUBLES.hotHeader * 2]!;
  }

  /** The word where the site of a hot spot begins, and the words. */
  hotSite(slot: number): { readonly words: Int32Array; readonly word: number } {
    return { words: this.words, word: (STATS_DOUBLES.hotData + slot * HOT_DOUBLES) * 2 };
  }

  /** Number of a mnemonic; the first asked for is "IRQ" = 0. Beyond 1,024 different names all share the last number. */
  mnemonicId(name: string): number {
    const known = this.ids.get(name);
    if (known !== undefined) return known;
    const id = Math.min(this.ids.size, MNEMONIC_SLOTS - 1);
    this.ids.set(name, id);
    const at = STATS_DOUBLES.names * 8 + id * MNEMONIC_BYTES;
    for (let i = 0; i < MNEMONIC_BYTES - 1 && i < name.length; i++) this.bytes[at + i] = name.charCodeAt(i);
    return id;
  }

  get(name: ScalarName): number {
    this.settle();
    return this.doubles[SCALARS[name]];
  }

  set(name: ScalarName, value: number): void {
    this.doubles[SCALARS[name]] = value;
  }

  add(name: ScalarName, amount: number): void {
    this.doubles[SCALARS[name]] += amount;
  }

  /** Counts one event at the site of a slot of `hotSlot`. An exit that no instruction caused counts under IRQ in both tables. */
  count(kind: number, reason: number, hot: number, icount: number, timeNs: number): void {
    const { tallies } = this;
    const at = hot * TALLY_WORDS;
    const modeSlot = tallies[at + TALLY_MODE]!;
    if (timeNs >= this.bucketEndNs || modeSlot !== this.stretchSlot) this.spend(timeNs, modeSlot);
    else if (timeNs > this.stretchNs) this.stretchNs = timeNs;
    const what = hot | (reason << TALLY_REASON) | (kind << TALLY_KIND);
    const before = tallies[at + TALLIED]!;
    if (before !== what) {
      if (before === UNUSED) this.inUse[this.inUseCount++] = hot;
      else this.settleTally(hot);
      tallies[at + TALLIED] = what;
    }
    tallies[at + TALLY_COUNT]!++;
    this.tallyDoubles[(at >> 1) + TALLY_LAST] = icount;
    this.lastTally = at;
  }

  /** Counts once more what `count` was told of last, if its time falls into the same bucket of the series. */
  countAgain(icount: number, timeNs: number): boolean {
    if (timeNs >= this.bucketEndNs) return false;
    if (timeNs > this.stretchNs) this.stretchNs = timeNs;
    const at = this.lastTally;
    this.tallies[at + TALLY_COUNT]!++;
    this.tallyDoubles[(at >> 1) + TALLY_LAST] = icount;
    return true;
  }

  /** Brings the tables up to date. */
  settle(): void {
    this.beforeLook();
    this.settleTallies();
  }

  /** Puts what is tallied, and the time that was spent, into the tables. */
  private settleTallies(): void {
    const { inUse, tallies } = this;
    for (let i = 0; i < this.inUseCount; i++) {
      this.settleTally(inUse[i]!);
      tallies[inUse[i]! * TALLY_WORDS + TALLIED] = UNUSED;
    }
    this.inUseCount = 0;
    this.settleStretch();
  }

  private settleTally(hot: number): void {
    const { doubles, tallies } = this;
    const tally = hot * TALLY_WORDS;
    const count = tallies[tally + TALLY_COUNT]!, what = tallies[tally + TALLIED]!;
    const reason = (what >>> TALLY_REASON) & 0xff, kind = what >>> TALLY_KIND;
    const family = kind === KIND_EXIT ? (isCallout(reason) ? FAMILY_CALLOUT : FAMILY_TRAP) : kind; // leak and observed have equal numbers
    const at = STATS_DOUBLES.hotData + hot * HOT_DOUBLES;
    const mnemonicId = this.words[at * 2 + 7]! & 0xffff;
    doubles[STATS_DOUBLES.scalars + family]! += count;
    doubles[STATS_DOUBLES.reasons + family * REASON_COUNT + reason]! += count;
    doubles[STATS_DOUBLES.mnemonics + family * MNEMONIC_SLOTS + mnemonicId]! += count;
    doubles[at + 4 + kind]! += count;
    doubles[this.bucketDouble + GROUPS[family * REASON_COUNT + reason]!]! += count;
    doubles[at + 7] = this.tallyDoubles[(tally >> 1) + TALLY_LAST]!;
    tallies[tally + TALLY_COUNT] = 0;
  }

  private forgetTallies(): void {
    const { inUse, tallies } = this;
    for (let i = 0; i < this.inUseCount; i++) {
      tallies[inUse[i]! * TALLY_WORDS + TALLIED] = UNUSED;
      tallies[inUse[i]! * TALLY_WORDS + TALLY_COUNT] = 0;
    }
    this.inUseCount = 0;
  }

  /** The guest has come to `timeNs` in the mode of this slot, as far as anybody saw. */
  private spend(timeNs: number, modeSlot: number): void {
    this.settleTallies();
    this.stretchSlot = modeSlot;
    if (timeNs >= this.bucketNs * SERIES_BUCKETS) this.widen(timeNs);
    while (timeNs >= this.bucketEndNs) {
      this.stretchNs = this.bucketEndNs;
      this.settleStretch();
      this.moveTo(this.bucketEndNs);
    }
    if (timeNs > this.stretchNs) this.stretchNs = timeNs;
  }

  private settleStretch(): void {
    if (this.stretchNs <= this.spentNs) return;
    this.doubles[this.bucketDouble + this.stretchSlot]! += this.stretchNs - this.spentNs;
    this.spentNs = this.stretchNs;
  }

  /** The end of a slice: the mode that the guest is in, and how long host and monitor have taken altogether. */
  sample(timeNs: number, mode: number): void {
    this.beforeLook();
    this.spend(timeNs, STATS_DOUBLES.seriesMode + modeClass(mode));
    this.settle();
    const monitorNs = this.get("monitorNs"), runNs = this.get("runNs");
    this.doubles[this.bucketDouble + STATS_DOUBLES.seriesMonitor]! += monitorNs - this.seenMonitorNs;
    this.doubles[this.bucketDouble + STATS_DOUBLES.seriesRun]! += runNs - this.seenRunNs;
    this.seenMonitorNs = monitorNs;
    this.seenRunNs = runNs;
  }

  /** Records from this sequence number on are written under another technique. */
  noteTechnique(sequence: number, technique: number, ring: number): void {
    const { doubles } = this;
    const used = Math.min(doubles[STATS_DOUBLES.techniques]!, TECHNIQUE_CHANGES - 1);
    const at = STATS_DOUBLES.techniques + 1 + used * 2, code = technique + ring * 16;
    if (used > 0 && doubles[at - 1] === code) return; // the guest rebooted
    doubles[at] = sequence;
    doubles[at + 1] = code;
    doubles[STATS_DOUBLES.techniques] = used + 1;
  }

  /** Counts `amount` observations of one instruction at once: exact in the tables, absent from hot spots and series. */
  countObserved(mnemonicId: number, amount: number): void {
    const { doubles } = this;
    doubles[STATS_DOUBLES.scalars + FAMILY_OBSERVED]! += amount;
    doubles[STATS_DOUBLES.reasons + FAMILY_OBSERVED * REASON_COUNT + REASON_NONE]! += amount;
    doubles[STATS_DOUBLES.mnemonics + FAMILY_OBSERVED * MNEMONIC_SLOTS + mnemonicId]! += amount;
  }

  /** Time past the last bucket makes pairs of buckets one until it fits. */
  private widen(timeNs: number): void {
    const { doubles } = this;
    const { seriesData, seriesStride } = STATS_DOUBLES;
    const endNs = this.bucketEndNs;
    while (timeNs >= this.bucketNs * SERIES_BUCKETS) {
      for (let bucket = 0; bucket < SERIES_BUCKETS; bucket++) {
        for (let group = 0; group < seriesStride; group++) {
          const from = seriesData + bucket * 2 * seriesStride + group;
          doubles[seriesData + bucket * seriesStride + group] = bucket < SERIES_BUCKETS / 2 ? doubles[from] + doubles[from + seriesStride] : 0;
        }
      }
      this.bucketNs *= 2;
    }
    this.moveTo(endNs - 1);
  }

  /** What comes next falls into the bucket of this time. */
  private moveTo(timeNs: number): void {
    const { doubles } = this;
    const { seriesData, seriesStride, seriesUsed } = STATS_DOUBLES;
    const bucket = Math.floor(timeNs / this.bucketNs);
    doubles[STATS_DOUBLES.seriesBucketNs] = this.bucketNs;
    doubles[seriesUsed] = bucket + 1;
    this.bucketDouble = seriesData + bucket * seriesStride;
    this.bucketEndNs = (bucket + 1) * this.bucketNs;
  }

  /** A slot of the hot-spot table for a new site, whose words are copied in. `evicted` is told of the slot's former owner's loss. */
  hotSlot(sites: Int32Array, siteWord: number, evicted: (slot: number) => void): number {
    const header = STATS_DOUBLES.hotHeader * 2;
    this.settleTallies();
    let slot = this.words[header];
    if (slot < HOT_SLOTS) {
      this.words[header] = slot + 1;
    } else {
      slot = this.leastHit();
      this.words[header + 1]++;
      evicted(slot);
    }
    const at = STATS_DOUBLES.hotData + slot * HOT_DOUBLES;
    this.doubles.fill(0, at, at + HOT_DOUBLES);
    for (let i = 0; i < SITE_BYTES >> 2; i++) this.words[at * 2 + i] = sites[siteWord + i];
    this.noteMode(slot);
    return slot;
  }

  private noteMode(slot: number): void {
    const { words, word } = this.hotSite(slot);
    this.tallies[slot * TALLY_WORDS + TALLY_MODE] = STATS_DOUBLES.seriesMode + modeClass((words[word + 2]! >>> 16) & 0xff);
  }

  private leastHit(): number {
    let best = 0, bestCount = Infinity;
    for (let i = 0; i < EVICTION_SAMPLE; i++) {
      const slot = (this.evictionCursor + i) & (HOT_SLOTS - 1);
      const at = STATS_DOUBLES.hotData + slot * HOT_DOUBLES + 4;
      const count = this.doubles[at] + this.doubles[at + 1] + this.doubles[at + 2];
      if (count < bestCount) [best, bestCount] = [slot, count];
    }
    this.evictionCursor = (this.evictionCursor + EVICTION_SAMPLE) & (HOT_SLOTS - 1);
    return best;
  }

  /** Keeps the first leak of the run: 8 words of its record, its sequence number first, and 8 words of its site. */
  keepFirstLeak(leak: Int32Array): void {
    if (this.words[STATS_DOUBLES.firstLeak * 2] === 0) this.keepLeak(STATS_DOUBLES.firstLeak, leak);
  }

  /** A leak that mattered has been found. */
  get hasDecisiveLeak(): boolean {
    return this.words[STATS_DOUBLES.decisiveLeak * 2] !== 0;
  }

  /** Keeps a leak that mattered, and what it decided. */
  keepDecisiveLeak(leak: Int32Array, decision: LeakDecision): void {
    this.doubles[STATS_DOUBLES.decision] = decision.eip;
    this.doubles[STATS_DOUBLES.decision + 1] = decision.distance;
    this.keepLeak(STATS_DOUBLES.decisiveLeak, leak);
  }

  private keepLeak(double: number, leak: Int32Array): void {
    const word = double * 2;
    this.words.set(leak.subarray(1), word + 1);
    Atomics.store(this.words, word, (leak[0]! + 1) | 0);
  }
}
