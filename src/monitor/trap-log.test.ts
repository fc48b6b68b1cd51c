import { describe, expect, it } from "vitest";
import { FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, STATS_BYTES, StatsReader, emptyHotSpot } from "../protocol/stats-view.ts";
import {
  ACTIONS, emptyRawTrap, FLAG_FIRST_AT_SITE, FLAG_INJECTED, modeName, packMode, REASON_CALLOUT, REASON_IRQ, RECORD_BYTES, SITE_BYTES, TrapReader,
} from "../protocol/trap-record.ts";
import { ringBytes } from "../base/shared-ring.ts";
import { Counters } from "./counters.ts";
import { TrapLog } from "./trap-log.ts";

const PM32 = packMode(0, 1, false, true, true);

function machine(slots = 1024): { log: TrapLog; counters: Counters; reader: TrapReader; stats: StatsReader; described: () => number } {
  const ringSize = ringBytes(slots, RECORD_BYTES);
  const siteBase = 64 + ringSize;
  const statsBase = siteBase + slots * 2 * SITE_BYTES;
  const buffer = new SharedArrayBuffer(statsBase + STATS_BYTES);
  const counters = new Counters(buffer, statsBase);
  let described = 0;
  const log = new TrapLog({ buffer, ringBase: 64, siteBase, slots }, counters, (code, offset) => {
    described++;
    return code[offset] === 0x9d ? { length: 1, mnemonicId: counters.mnemonicId("POPF") } : { length: 3, mnemonicId: counters.mnemonicId("SGDT") };
  });
  return { log, counters, reader: new TrapReader(buffer, 64, siteBase), stats: new StatsReader(buffer, statsBase), described: () => described };
}

function exit(log: TrapLog, site: number, icount: number, timeNs: number, reason: number, action: number, flags: number, a: number, b: number): void {
  log.exit({ site, icount, timeNs, reason, action, flags, a, b });
}

describe("trap log", () => {
  it("hands a record to the reader with its instruction, whole", () => {
    const { log, reader } = machine();
    const code = new Uint8Array([0x90, 0x0f, 0x01, 0x05, 0xaa]);
    const site = log.site(0xc010_0001, 0x0010_0001, 0x60, PM32, code, 1, 4);
    exit(log, site, 0x3_1234_5678, 1.5e9, 13, ACTIONS.emulate, FLAG_INJECTED, 0x8000_0002, 0xffff_ffff);
    const trap = emptyRawTrap();
    log.publish();
    expect(reader.read(0, trap)).toBe(true);
    expect(trap).toMatchObject({
      sequence: 0, kind: 0, reason: 13, action: ACTIONS.emulate, icount: 0x3_1234_5678, timeNs: 1.5e9, a: 0x8000_0002, b: 0xffff_ffff,
      linear: 0xc010_0001, eip: 0x0010_0001, cs: 0x60, mode: PM32, length: 3, flags: FLAG_INJECTED | FLAG_FIRST_AT_SITE,
    });
    expect([...trap.bytes.subarray(0, 3)]).toEqual([0x0f, 0x01, 0x05]);
    expect(modeName(trap.mode)).toBe("pm32");
    expect(reader.read(1, trap)).toBe(false);
  });

  it("keeps one site per instruction and decodes it once", () => {
    const { log, reader, stats, described } = machine();
    const popf = new Uint8Array([0x9d]);
    const trap = emptyRawTrap();
    for (let i = 0; i < 100; i++) log.leak(log.site(0x7c00, 0x7c00, 0, PM32, popf, 0, 1), i, i, ACTIONS["lost-write"], 0, 0x46, 0x246);
    expect(described()).toBe(1);
    log.publish();
    expect(reader.read(0, trap) && (trap.flags & FLAG_FIRST_AT_SITE)).toBe(FLAG_FIRST_AT_SITE);
    const first = trap.site;
    expect(reader.read(99, trap) && trap.site).toBe(first);
    expect(trap.flags & FLAG_FIRST_AT_SITE).toBe(0);
    expect(stats.hotSpotCount).toBe(1);
    const hot = emptyHotSpot();
    stats.hotSpot(0, hot);
    expect(hot).toMatchObject({ leaks: 100, exits: 0, observed: 0, lastIcount: 99, linear: 0x7c00 });
  });

  it("makes a new site when the bytes, the mode or the selector at one address change", () => {
    const { log } = machine();
    const at = (code: number[], cs = 8, mode = PM32): number => log.site(0x1000, 0x1000, cs, mode, new Uint8Array(code), 0, code.length);
    const popf = at([0x9d, 0, 0]);
    expect(at([0x9d, 7, 7])).toBe(popf); // only the instruction's own byte counts
    const sgdt = at([0x0f, 0x01, 0x05]);
    expect(new Set([popf, sgdt, at([0x9d], 9), at([0x9d], 8, packMode(3, 3, false, true, true))]).size).toBe(4);
    expect(at([0x0f, 0x01, 0x05])).toBe(sgdt);
  });

  it("never lets a record outlive its site, however many sites come and go", () => {
    const { log, reader } = machine(256);
    const code = new Uint8Array([0x9d]);
    const trap = emptyRawTrap();
    for (let i = 0; i < 5000; i++) {
      // Every third record names the same old instruction; the others are all new.
      const linear = i % 3 === 0 ? 0x42 : 0x1_0000 + i;
      exit(log, log.site(linear, linear, 8, PM32, code, 0, 1), i, i, 13, ACTIONS.emulate, 0, linear, 0);
      log.publish();
      for (let sequence = reader.oldest; i % 97 === 0 && sequence < reader.total; sequence++) {
        expect(reader.read(sequence, trap)).toBe(true);
        expect(trap.linear).toBe(trap.a);
      }
    }
  });

  it("counts everything exactly, by kind, reason and mnemonic, whatever the ring records", () => {
    const { log, stats, reader } = machine(64);
    log.recordKinds = 1; // exits only
    const popf = new Uint8Array([0x9d]);
    const site = (): number => log.site(0x7c00, 0x7c00, 0, PM32, popf, 0, 1);
    for (let i = 0; i < 300; i++) exit(log, site(), i, i, 13, ACTIONS.emulate, 0, 0, 0);
    for (let i = 0; i < 7; i++) log.leak(site(), 300 + i, 0, ACTIONS["lost-write"], 0, 1, 2);
    for (let i = 0; i < 5; i++) log.observed(site(), 400, 0, ACTIONS.native, 0, 3);
    exit(log, log.site(0x9000, 0x9000, 8, PM32, popf, 0, 0), 500, 0, REASON_IRQ, ACTIONS["deliver-irq"], 0, 8, 0);
    exit(log, site(), 501, 0, REASON_CALLOUT, ACTIONS.callout, 0, 0, 0);
    log.publish();
    expect(stats.scalar("traps")).toBe(301);
    expect(stats.scalar("callouts")).toBe(1);
    expect(stats.scalar("leaks")).toBe(7);
    expect(stats.scalar("observed")).toBe(5);
    expect(stats.byReason(FAMILY_TRAP, 13)).toBe(300);
    expect(stats.byReason(FAMILY_TRAP, REASON_IRQ)).toBe(1);
    expect(stats.byReason(FAMILY_CALLOUT, REASON_CALLOUT)).toBe(1);
    expect(stats.mnemonics(FAMILY_TRAP)).toEqual([{ name: "POPF", id: 1, count: 300 }, { name: "IRQ", id: 0, count: 1 }]);
    expect(stats.mnemonics(FAMILY_LEAK)).toMatchObject([{ name: "POPF", count: 7 }]);
    expect(stats.mnemonics(FAMILY_OBSERVED)).toMatchObject([{ name: "POPF", count: 5 }]);
    expect(reader.total).toBe(302); // the leaks and observations were counted and not recorded
  });

  it("remembers the first leak even when leaks are not recorded", () => {
    const { log, stats } = machine();
    const trap = emptyRawTrap();
    expect(stats.firstLeak(trap)).toBe(false);
    log.recordKinds = 1;
    const site = log.site(0x7c10, 0x7c10, 0, PM32, new Uint8Array([0x9d]), 0, 1);
    log.leak(site, 41, 9, ACTIONS["lost-write"], 0, 0x46, 0x246);
    log.leak(site, 42, 9, ACTIONS["lost-write"], 0, 1, 2);
    log.publish();
    expect(stats.firstLeak(trap)).toBe(true);
    expect(trap).toMatchObject({ icount: 41, a: 0x46, b: 0x246, eip: 0x7c10, length: 1, kind: 1 });
  });

  it("lets a lossless consumer read every record before it is overwritten", () => {
    const { log, reader } = machine(256);
    const seen: number[] = [];
    const trap = emptyRawTrap();
    log.drain = (total) => {
      for (let sequence = seen.length; sequence < total; sequence++) if (reader.read(sequence, trap)) seen.push(trap.icount);
    };
    const site = log.site(1, 1, 8, PM32, new Uint8Array([0x9d]), 0, 1);
    for (let i = 0; i < 1000; i++) exit(log, site, i, i, 13, ACTIONS.emulate, 0, 0, 0);
    log.publish();
    log.drain(log.total);
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it("tells of every event as it happens, recorded or not: a machine may be waiting for the next trap", () => {
    const { log } = machine(64);
    const site = log.site(1, 1, 8, PM32, new Uint8Array([0x9d]), 0, 1);
    const kinds: number[] = [];
    log.onRecord = (kind) => kinds.push(kind);
    log.recordKinds = 0;
    log.observed(site, 1, 1, ACTIONS.native, 0, 0);
    log.leak(site, 1, 1, ACTIONS["lost-write"], 0, 0, 1);
    exit(log, site, 1, 1, 13, ACTIONS.emulate, 0, 0, 0);
    expect(kinds).toEqual([2, 1, 0]);
  });

  it("says which mode the guest's time went to, whatever happened in it, and keeps the sum when buckets merge", () => {
    const { log, stats } = machine();
    const ring0 = log.site(1, 1, 8, PM32, new Uint8Array([0x9d]), 0, 1);
    const real = log.site(2, 2, 8, 0, new Uint8Array([0x9d]), 0, 1);
    exit(log, real, 1, 1.5e6, 13, ACTIONS.emulate, 0, 0, 0);
    exit(log, ring0, 2, 1.7e6, 13, ACTIONS.emulate, 0, 0, 0);
    log.publish();
    expect([stats.seriesMode(0, 0), stats.seriesMode(1, 0), stats.seriesMode(1, 2)]).toEqual([1e6, 0.5e6, expect.closeTo(0.2e6)]);
    exit(log, ring0, 3, 5e9, 13, ACTIONS.emulate, 0, 0, 0); // a long sleep: five thousand first buckets
    log.publish();
    const sum = (mode: number): number => Array.from({ length: stats.seriesUsed }, (_, bucket) => stats.seriesMode(bucket, mode)).reduce((x, y) => x + y, 0);
    expect(sum(0)).toBeCloseTo(1.5e6);
    expect(sum(2)).toBeCloseTo(5e9 - 1.5e6);
    expect(stats.seriesMode(100, 2)).toBe(stats.seriesBucketNs);
  });

  it("puts host time and monitor time into the bucket in which they were spent", () => {
    const { log, stats } = machine();
    log.counters.set("runNs", 100);
    log.counters.set("monitorNs", 30);
    log.counters.sample(0.5e6, PM32);
    log.counters.set("runNs", 150);
    log.counters.sample(3.5e6, PM32);
    expect([0, 1, 2, 3].map((bucket) => stats.seriesTimes(bucket))).toMatchObject([{ runNs: 100, monitorNs: 30 }, { runNs: 0 }, { runNs: 0 }, { runNs: 50, monitorNs: 0 }]);
  });

  it("knows the technique of every record, one entry a change", () => {
    const { log, stats } = machine();
    expect(stats.techniqueAt(0)).toBeNull();
    log.counters.noteTechnique(0, 1, 1);
    log.counters.noteTechnique(0, 1, 1);
    log.counters.noteTechnique(40, 3, 3);
    expect([0, 39, 40, 1e6].map((sequence) => stats.techniqueAt(sequence)?.technique)).toEqual(["trap", "trap", "scan", "scan"]);
    expect(stats.techniqueAt(40)?.ring).toBe(3);
    for (let i = 0; i < 200; i++) log.counters.noteTechnique(100 + i, 1 + (i & 1), 1);
    expect(stats.techniqueAt(299)?.technique).toBe("int3");
    expect(stats.techniqueAt(45)?.technique).toBe("scan");
  });

  it("halves the resolution of the time series instead of dropping events", () => {
    const { log, stats } = machine();
    const site = log.site(1, 1, 8, PM32, new Uint8Array([0x9d]), 0, 1);
    for (let i = 0; i < 4000; i++) exit(log, site, i, i * 1e6, 13, ACTIONS.emulate, 0, 0, 0); // one a millisecond, four seconds
    log.publish();
    expect(stats.seriesBucketNs).toBe(4e6);
    expect(stats.seriesUsed).toBe(1000);
    let sum = 0;
    for (let bucket = 0; bucket < stats.seriesUsed; bucket++) sum += stats.series(bucket, 0);
    expect(sum).toBe(4000);
    expect(stats.series(10, 0)).toBe(4);
  });

  it("makes room in a full hot-spot table by dropping rarely hit sites, and says so", () => {
    const { log, stats } = machine(1 << 15);
    const code = new Uint8Array([0x9d]);
    const busy = (): number => log.site(5, 5, 8, PM32, code, 0, 1);
    for (let i = 0; i < 50; i++) exit(log, busy(), i, 0, 13, ACTIONS.emulate, 0, 0, 0);
    for (let i = 0; i < 20_000; i++) exit(log, log.site(100 + i, 100 + i, 8, PM32, code, 0, 1), i, 0, 13, ACTIONS.emulate, 0, 0, 0);
    exit(log, busy(), 9, 0, 13, ACTIONS.emulate, 0, 0, 0);
    const hot = emptyHotSpot();
    let most = 0;
    log.publish();
    for (let i = 0; i < stats.hotSpotCount; i++) {
      stats.hotSpot(i, hot);
      if (hot.linear === 5) most = hot.exits;
    }
    expect(most).toBe(51);
    expect(stats.hotSpotsEvicted).toBe(20_001 - stats.hotSpotCount);
    expect(stats.scalar("traps")).toBe(20_051);
  });
});
