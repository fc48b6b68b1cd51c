// Exact counters in shared memory. Nothing here is sampled: every event adds one, whatever the ring still holds.
//
// Layout, all little endian, doubles unless said:
//   scalars | [4 families][128 reasons] | [4 families][1024 mnemonics] | series: bucket ns, used, [1024 buckets][24: 16 groups, 4 modes, 2 times]
//   | hot spots: u32 used, u32 evicted, then [16384] of 64 bytes: site (32 bytes, as in the site table), exits, leaks, observed, last icount
//   | mnemonic names: [1024] of 16 bytes ASCII | first leak: 8 words of its record, 8 words of its site
//   | first leak that mattered: the same, then EIP and distance of what it decided
//   | techniques: how many, then [64] of first sequence number, index in TECHNIQUES + 16 * ring

import { type Ring, type TechniqueId, TECHNIQUES } from "./technique.ts";
import type { RawTrap, SiteView } from "./trap-record.ts";
import { FLAG_KIND_MASK, MAX_INSTRUCTION_BYTES, REASON_COUNT, readSite } from "./trap-record.ts";

/** What an event counts as. Callouts are exits but no traps (interfaces: "What is counted"). */
export const FAMILIES = ["trap", "leak", "observed", "callout"] as const;
export type Family = (typeof FAMILIES)[number];
export const FAMILY_TRAP = 0, FAMILY_LEAK = 1, FAMILY_OBSERVED = 2, FAMILY_CALLOUT = 3;

/** Index of each scalar. */
export const SCALARS = {
  traps: 0, leaks: 1, observed: 2, callouts: 3,
  /** The processor's own count of exits: always traps + callouts. */
  processorExits: 4,
  instructions: 5, emulatedInstructions: 6,
  /** Guest time since power-on. */
  guestNs: 7,
  /** Host time spent running the guest, in the monitor, asleep. */
  runNs: 8, monitorNs: 9, idleNs: 10,
  /** RUN_*. */
  runState: 11,
  /** 1: the guest waits in HLT for an interrupt. */
  waiting: 12,
  /** 1: a monitor is attached, context H is valid. */
  attached: 13,
  /** Index in TECHNIQUES, and the ring. */
  technique: 14, ring: 15,
  /** Different instructions seen by the log. */
  sites: 16,
} as const;
export type ScalarName = keyof typeof SCALARS;
const SCALAR_COUNT = 64;

export const RUN_NONE = 0, RUN_RUNNING = 1, RUN_PAUSED = 2, RUN_ENDED = 3;

export const MNEMONIC_SLOTS = 1024;
export const MNEMONIC_BYTES = 16;
/** An exit that no instruction caused stands under this name in both tables. */
export const MNEMONIC_IRQ = 0;

export const SERIES_BUCKETS = 1024;
export const SERIES_GROUPS = [
  "#GP", "#PF", "#UD", "#NP #SS #TS", "#NM #MF", "#BP", "#DB", "other exception", "IRQ", "INT SYSENTER", "callout", "VM exit", "refused",
  "leak", "observed",
] as const;
/** Guest nanoseconds in each mode, as the events and the ends of slices showed it; behind the groups of a bucket. */
export const SERIES_MODES = ["real mode", "virtual-8086", "ring 0", "rings 1-3"] as const;
const SERIES_MODE = 16, SERIES_MONITOR = 20, SERIES_RUN = 21;
const SERIES_STRIDE = 24;
const GROUP_OTHER = 7, GROUP_LEAK = 13, GROUP_OBSERVED = 14;

export const HOT_SLOTS = 1 << 14;
export const HOT_BYTES = 64;

const SCALAR_DOUBLE = 0;
const REASON_DOUBLE = SCALAR_DOUBLE + SCALAR_COUNT;
const MNEMONIC_DOUBLE = REASON_DOUBLE + FAMILIES.length * REASON_COUNT;
const SERIES_DOUBLE = MNEMONIC_DOUBLE + FAMILIES.length * MNEMONIC_SLOTS;
const SERIES_DATA_DOUBLE = SERIES_DOUBLE + 8;
const HOT_DOUBLE = SERIES_DATA_DOUBLE + SERIES_BUCKETS * SERIES_STRIDE;
const HOT_DATA_DOUBLE = HOT_DOUBLE + 8;
const NAMES_DOUBLE = HOT_DATA_DOUBLE + (HOT_SLOTS * HOT_BYTES) / 8;
const FIRST_LEAK_DOUBLE = NAMES_DOUBLE + (MNEMONIC_SLOTS * MNEMONIC_BYTES) / 8;
const LEAK_DOUBLES = 8;
const DECISIVE_LEAK_DOUBLE = FIRST_LEAK_DOUBLE + LEAK_DOUBLES;
const TECHNIQUE_DOUBLE = DECISIVE_LEAK_DOUBLE + LEAK_DOUBLES + 2;
/** Changes of technique that are kept; of more, the last takes the last place. */
export const TECHNIQUE_CHANGES = 64;
const STATS_DOUBLE_COUNT = TECHNIQUE_DOUBLE + 1 + TECHNIQUE_CHANGES * 2;
export const STATS_BYTES = STATS_DOUBLE_COUNT * 8;

/** Group of the series chart that an event belongs to. */
export function seriesGroup(family: number, reason: number): number {
  if (family === FAMILY_LEAK) return GROUP_LEAK;
  if (family === FAMILY_OBSERVED) return GROUP_OBSERVED;
  if (family === FAMILY_CALLOUT) return 10;
  if (reason >= 64) return 11;
  switch (reason) {
    case 13: return 0;
    case 14: return 1;
    case 6: return 2;
    case 10: case 11: case 12: return 3;
    case 7: case 16: return 4;
    case 3: return 5;
    case 1: return 6;
    case 32: return 8;
    case 33: case 34: return 9;
    case 37: return 12;
    default: return GROUP_OTHER;
  }
}

/** Where a writer finds the parts; indices into typed arrays over the whole region. */
export const STATS_DOUBLES = {
  scalars: SCALAR_DOUBLE, reasons: REASON_DOUBLE, mnemonics: MNEMONIC_DOUBLE, seriesBucketNs: SERIES_DOUBLE, seriesUsed: SERIES_DOUBLE + 1,
  seriesData: SERIES_DATA_DOUBLE, seriesStride: SERIES_STRIDE, hotHeader: HOT_DOUBLE, hotData: HOT_DATA_DOUBLE, names: NAMES_DOUBLE,
  firstLeak: FIRST_LEAK_DOUBLE, decisiveLeak: DECISIVE_LEAK_DOUBLE, decision: DECISIVE_LEAK_DOUBLE + LEAK_DOUBLES,
  seriesMode: SERIES_MODE, seriesMonitor: SERIES_MONITOR, seriesRun: SERIES_RUN, techniques: TECHNIQUE_DOUBLE, end: STATS_DOUBLE_COUNT,
} as const;

/** What a leak decided. */
export interface LeakDecision {
  /** The instruction that went another way than on bare metal; where the guest was, if it was an interrupt. */
  readonly eip: number;
  /** Instructions from the leak to it; 0: an interrupt came, or did not come, against the flag that the guest had written. */
  readonly distance: number;
}

/** One row of the hot-spot table. */
export interface HotSpot extends SiteView {
  exits: number;
  leaks: number;
  observed: number;
  lastIcount: number;
}

/** Reads the counters while the machine adds to them. */
export class StatsReader {
  private readonly doubles: Float64Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly names: string[] = [];

  constructor(buffer: ArrayBufferLike, base: number) {
    this.doubles = new Float64Array(buffer, base, STATS_BYTES >> 3);
    this.words = new Int32Array(buffer, base, STATS_BYTES >> 2);
    this.bytes = new Uint8Array(buffer, base, STATS_BYTES);
  }

  scalar(name: ScalarName): number {
    return this.doubles[SCALAR_DOUBLE + SCALARS[name]];
  }

  byReason(family: number, reason: number): number {
    return this.doubles[REASON_DOUBLE + family * REASON_COUNT + reason];
  }

  byMnemonic(family: number, mnemonicId: number): number {
    return this.doubles[MNEMONIC_DOUBLE + family * MNEMONIC_SLOTS + mnemonicId];
  }

  /** Name of a mnemonic id; "" while it is not assigned. Names never change once given. */
  mnemonic(id: number): string {
    const known = this.names[id];
    if (known) return known;
    const at = NAMES_DOUBLE * 8 + id * MNEMONIC_BYTES;
    let name = "";
    for (let i = 0; i < MNEMONIC_BYTES && this.bytes[at + i] !== 0; i++) name += String.fromCharCode(this.bytes[at + i]);
    if (name !== "") this.names[id] = name;
    return name;
  }

  /** All counts of one family by mnemonic, largest first. */
  mnemonics(family: number): { name: string; id: number; count: number }[] {
    const rows: { name: string; id: number; count: number }[] = [];
    for (let id = 0; id < MNEMONIC_SLOTS; id++) {
      const count = this.byMnemonic(family, id);
      if (count > 0) rows.push({ name: this.mnemonic(id), id, count });
    }
    return rows.sort((x, y) => y.count - x.count || x.id - y.id);
  }

  /** Guest nanoseconds of one bucket of the series, and how many buckets are in use. */
  get seriesBucketNs(): number {
    return this.doubles[SERIES_DOUBLE];
  }

  get seriesUsed(): number {
    return this.doubles[SERIES_DOUBLE + 1];
  }

  series(bucket: number, group: number): number {
    return this.doubles[SERIES_DATA_DOUBLE + bucket * SERIES_STRIDE + group];
  }

  /** Guest nanoseconds of one bucket that were spent in one of SERIES_MODES. */
  seriesMode(bucket: number, mode: number): number {
    return this.series(bucket, SERIES_MODE + mode);
  }

  /** Host nanoseconds of one bucket: in the monitor, and altogether. */
  seriesTimes(bucket: number): { readonly monitorNs: number; readonly runNs: number } {
    return { monitorNs: this.series(bucket, SERIES_MONITOR), runNs: this.series(bucket, SERIES_RUN) };
  }

  /** What the record of this number was written under; null before the machine started. */
  techniqueAt(sequence: number): { readonly technique: TechniqueId; readonly ring: Ring } | null {
    for (let change = this.doubles[TECHNIQUE_DOUBLE]! - 1; change >= 0; change--) {
      const at = TECHNIQUE_DOUBLE + 1 + change * 2;
      if (this.doubles[at]! > sequence && change > 0) continue;
      const code = this.doubles[at + 1]!;
      return { technique: TECHNIQUES[code & 15]!, ring: code >> 4 === 3 ? 3 : 1 };
    }
    return null;
  }

  get hotSpotCount(): number {
    return this.words[HOT_DOUBLE * 2];
  }

  /** Rarely hit sites that made room for others; their counts are in the totals all the same. */
  get hotSpotsEvicted(): number {
    return this.words[HOT_DOUBLE * 2 + 1];
  }

  hotSpot(index: number, into: HotSpot): void {
    const at = HOT_DATA_DOUBLE + index * (HOT_BYTES / 8);
    readSite(this.words, at * 2, into);
    into.exits = this.doubles[at + 4];
    into.leaks = this.doubles[at + 5];
    into.observed = this.doubles[at + 6];
    into.lastIcount = this.doubles[at + 7];
  }

  /** The first leak of the run, whatever the ring still holds. False: there was none. */
  firstLeak(into: RawTrap): boolean {
    return this.leakAt(FIRST_LEAK_DOUBLE, into);
  }

  /** The first leak that changed what the guest did, as far as it was foretold, and what it changed; null: none did. */
  decisiveLeak(into: RawTrap): LeakDecision | null {
    if (!this.leakAt(DECISIVE_LEAK_DOUBLE, into)) return null;
    const at = DECISIVE_LEAK_DOUBLE + LEAK_DOUBLES;
    return { eip: this.doubles[at]!, distance: this.doubles[at + 1]! };
  }

  private leakAt(double: number, into: RawTrap): boolean {
    const word = double * 2;
    if (Atomics.load(this.words, word) === 0) return false;
    const shape = this.words[word + 2];
    into.sequence = (this.words[word] - 1) >>> 0;
    into.icount = (this.words[word + 1] >>> 0) + (shape & 0xffff) * 0x1_0000_0000;
    into.reason = (shape >>> 16) & 0xff;
    into.flags = shape >>> 24;
    into.kind = into.flags & FLAG_KIND_MASK;
    into.action = this.words[word + 3] >>> 24;
    into.site = this.words[word + 3] & 0xff_ffff;
    into.timeNs = this.doubles[double + 2];
    into.a = this.words[word + 6] >>> 0;
    into.b = this.words[word + 7] >>> 0;
    readSite(this.words, word + 8, into);
    return true;
  }
}

export function emptyHotSpot(): HotSpot {
  return {
    linear: 0, eip: 0, cs: 0, mode: 0, length: 0, bytes: new Uint8Array(MAX_INSTRUCTION_BYTES), mnemonicId: 0,
    exits: 0, leaks: 0, observed: 0, lastIcount: 0,
  };
}
