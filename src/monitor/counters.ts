// Counts every exit, leak and observation, exactly, into the shared statistics (protocol/stats-view.ts).
// The machine adds what only it knows: instructions, time, run state.

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

export class Counters {
  private readonly doubles: Float64Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly ids = new Map<string, number>();
  private evictionCursor = 0;
  private bucketNs = FIRST_BUCKET_NS;
  private bucketEndNs = 0;
  private bucketDouble = 0;
  /** Until when guest time and host time have been put into the series. */
  private spentNs = 0;
  private seenMonitorNs = 0;
  private seenRunNs = 0;

  /** `base` is 8-byte aligned; the region takes STATS_BYTES. */
  constructor(buffer: ArrayBufferLike, base: number) {
    this.doubles = new Float64Array(buffer, base, STATS_BYTES >> 3);
    this.words = new Int32Array(buffer, base, STATS_BYTES >> 2);
    this.bytes = new Uint8Array(buffer, base, STATS_BYTES);
    this.clear();
  }

  /** Forgets all counts (reset of the machine). Mnemonic names stay. */
  clear(): void {
    this.doubles.fill(0, 0, STATS_DOUBLES.names);
    this.words.fill(0, STATS_DOUBLES.firstLeak * 2, STATS_DOUBLES.end * 2);
    this.bucketNs = FIRST_BUCKET_NS;
    this.spentNs = this.seenMonitorNs = this.seenRunNs = 0;
    this.moveTo(0);
    if (this.mnemonicId("IRQ") !== MNEMONIC_IRQ) throw new Error("mnemonic 0 is IRQ");
  }

  /** What `restore` takes: the counts, by blocks of which those that are the same as in `before` are shared with it. */
  save(before: CounterState | null): CounterState {
    const blocks: Int32Array[] = [];
    for (let at = 0, n = 0; at < this.words.length; at += BLOCK_WORDS, n++) {
      const own = this.words.subarray(at, Math.min(at + BLOCK_WORDS, this.words.length)), known = before?.blocks[n];
      blocks.push(known !== undefined && own.every((word, i) => word === known[i]) ? known : own.slice());
    }
    return { blocks, spentNs: this.spentNs, evictionCursor: this.evictionCursor };
  }

  /** Mnemonics that have got their number since then keep it. */
  restore({ blocks, spentNs, evictionCursor }: CounterState): void {
    const from = STATS_DOUBLES.names * 8, names = this.bytes.slice(from, STATS_DOUBLES.firstLeak * 8);
    blocks.forEach((block, n) => this.words.set(block, n * BLOCK_WORDS));
    this.bytes.set(names, from);
    this.bucketNs = this.doubles[STATS_DOUBLES.seriesBucketNs]!;
    this.moveTo(spentNs);
    this.spentNs = spentNs;
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
    return this.doubles[SCALARS[name]];
  }

  set(name: ScalarName, value: number): void {
    this.doubles[SCALARS[name]] = value;
  }

  add(name: ScalarName, amount: number): void {
    this.doubles[SCALARS[name]] += amount;
  }

  /** Counts one event. An exit that no instruction caused counts under IRQ in both tables. `hot` is a slot of `hotSlot`. */
  count(kind: number, reason: number, mnemonicId: number, hot: number, icount: number, timeNs: number): void {
    const { doubles } = this;
    const family = kind === KIND_EXIT ? (isCallout(reason) ? FAMILY_CALLOUT : FAMILY_TRAP) : kind; // leak and observed have equal numbers
    doubles[STATS_DOUBLES.scalars + family]++;
    doubles[STATS_DOUBLES.reasons + family * REASON_COUNT + reason]++;
    doubles[STATS_DOUBLES.mnemonics + family * MNEMONIC_SLOTS + mnemonicId]++;
    const at = STATS_DOUBLES.hotData + hot * HOT_DOUBLES;
    doubles[at + 4 + kind]++;
    doubles[at + 7] = icount;
    this.spend(timeNs, (this.words[at * 2 + 2]! >>> 16) & 0xff);
    doubles[this.bucketDouble + GROUPS[family * REASON_COUNT + reason]]++;
  }

  /** The guest has come to `timeNs` in this mode (`packMode`), as far as anybody saw. */
  private spend(timeNs: number, mode: number): void {
    const { doubles } = this;
    const slot = STATS_DOUBLES.seriesMode + modeClass(mode);
    if (timeNs >= this.bucketNs * SERIES_BUCKETS) this.widen(timeNs);
    while (timeNs >= this.bucketEndNs) {
      doubles[this.bucketDouble + slot]! += Math.max(0, this.bucketEndNs - this.spentNs);
      this.spentNs = Math.max(this.spentNs, this.bucketEndNs);
      this.moveTo(this.bucketEndNs);
    }
    if (timeNs <= this.spentNs) return;
    doubles[this.bucketDouble + slot]! += timeNs - this.spentNs;
    this.spentNs = timeNs;
  }

  /** The end of a slice: the mode that the guest is in, and how long host and monitor have taken altogether. */
  sample(timeNs: number, mode: number): void {
    this.spend(timeNs, mode);
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
    return slot;
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
