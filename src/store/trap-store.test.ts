import { describe, expect, it } from "vitest";
import { StatsReader } from "../protocol/stats-view.ts";
import { TrapReader } from "../protocol/trap-record.ts";
import { testExit, testTrap } from "../trace/test-trap.ts";
import { listSource, ringSource } from "./log-source.ts";
import { TEST_SLOTS, TestMemory } from "./test-machine.ts";
import { TrapStore } from "./trap-store.ts";

function bound(): { memory: TestMemory; store: TrapStore; frame: () => void } {
  const memory = new TestMemory();
  const stats = new StatsReader(memory.buffer, memory.layout.stats);
  const store = new TrapStore();
  const reader = new TrapReader(memory.buffer, memory.layout.trapRing, memory.layout.trapSites);
  store.bind(ringSource(reader, { mnemonic: (id) => stats.mnemonic(id), disassemble: () => "text", technique: () => "trap" }), stats);
  let now = 1000;
  return { memory, store, frame: () => store.tick((now += 600), true) };
}

describe("trap store", () => {
  it("shows every record while nothing is filtered, with exact totals", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    frame();
    expect(store.state.get()).toMatchObject({ count: 30, following: true, dropped: 0, totals: { traps: 20, leaks: 10 } });
    expect(store.row(0)?.instruction).toBe("CLI");
    expect(store.row(29)?.seq).toBe(29);
    expect(store.row(30)).toBeNull();
  });

  it("publishes nothing when nothing happened", () => {
    const { memory, store, frame } = bound();
    memory.write(3);
    frame();
    const before = store.state.get();
    frame();
    expect(store.state.get()).toBe(before);
  });

  it("filters old and new records", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    store.setFilter("kind == leak");
    frame();
    expect(store.state.get()).toMatchObject({ count: 10, scanned: 1 });
    expect(store.row(0)?.seq).toBe(1);
    memory.write(3);
    frame();
    expect(store.state.get().count).toBe(11);
    expect(store.row(10)?.seq).toBe(31);
    expect(store.indexOf(31)).toBe(10);
    expect(store.indexOf(30)).toBe(-1);
  });

  it("keeps the last good filter while a new one does not parse", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    store.setFilter("insn == popf");
    store.setFilter("insn == popf and");
    frame();
    expect(store.state.get().filterError?.position).toBe(16);
    expect(store.state.get().count).toBe(10);
    store.setFilter("");
    frame();
    expect(store.state.get()).toMatchObject({ count: 30, filterError: null });
  });

  it("holds the list when a row is selected and counts what is newer", () => {
    const { memory, store, frame } = bound();
    memory.write(10);
    frame();
    store.select(4);
    memory.write(5);
    frame();
    expect(store.state.get()).toMatchObject({ count: 10, newer: 5, following: false });
    expect(store.state.get().selected).toMatchObject({ seq: 4, effect: "write lost: IF stays 0, bare metal 1" });
    store.follow();
    frame();
    expect(store.state.get()).toMatchObject({ count: 15, newer: 0, following: true });
  });

  it("says which rows were overwritten while the list was held, and keeps the selected record", () => {
    const { memory, store, frame } = bound();
    memory.write(10);
    frame();
    store.select(4);
    memory.write(TEST_SLOTS + 100);
    frame();
    expect(store.state.get().count).toBe(10);
    expect(store.row(4)).toBeNull();
    expect(store.state.get().selected?.seq).toBe(4);
    store.follow();
    frame();
    const { count, dropped } = store.state.get();
    expect(count + dropped).toBe(TEST_SLOTS + 110);
    expect(store.row(0)?.seq).toBe(dropped);
  });

  it("lets filtered matches fall out with their records", () => {
    const { memory, store, frame } = bound();
    store.setFilter("insn == out");
    memory.write(900);
    frame();
    memory.write(900);
    frame();
    const { count, dropped } = store.state.get();
    expect(dropped).toBeGreaterThan(700);
    expect(store.row(0)?.seq).toBeGreaterThanOrEqual(dropped);
    expect(store.row(0)?.instruction).toBe("OUT");
    expect(count).toBe(Array.from({ length: 1800 - dropped }, (_, i) => dropped + i).filter((sequence) => sequence % 3 === 2).length);
  });

  it("moves to the next record of the same place", () => {
    const { memory, store, frame } = bound();
    memory.write(12);
    frame();
    store.select(4);
    expect(store.selectSameSite(1)).toBe(true);
    expect(store.state.get().selected?.seq).toBe(7);
    expect(store.selectSameSite(-1)).toBe(true);
    expect(store.selectSameSite(-1)).toBe(true);
    expect(store.state.get().selected?.seq).toBe(1);
    expect(store.selectSameSite(-1)).toBe(false);
  });

  it("groups by the exact counters, or by what the filter passes", () => {
    const { memory, store, frame } = bound();
    memory.write(TEST_SLOTS * 3);
    store.setGrouping("instruction");
    frame();
    expect(store.state.get().groups.map((group) => [group.label, group.exits, group.leaks])).toEqual([["CLI", 1024, 0], ["OUT", 1024, 0], ["POPF", 0, 1024]]);
    store.setFilter("vcpl == 0 and insn != out");
    frame();
    const { groups } = store.state.get();
    expect(groups.map((group) => group.label).sort()).toEqual(["CLI", "POPF"]);
    expect(groups[0].exits + groups[0].leaks).toBeLessThan(TEST_SLOTS);
    store.setGrouping("reason");
    frame();
    expect(store.state.get().groups.map((group) => group.key).sort()).toEqual(["#GP", "leak"]);
  });

  it("keeps groups fresh while the machine runs", () => {
    const { memory, store, frame } = bound();
    store.setGrouping("instruction");
    memory.write(3);
    frame();
    memory.write(3);
    frame();
    expect(store.state.get().groups[0].exits).toBe(2);
  });

  it("begins again with the log when the machine is reset", () => {
    const { memory, store, frame } = bound();
    store.setFilter("kind == leak");
    memory.write(30);
    frame();
    store.select(3);
    memory.clear();
    memory.write(9);
    frame();
    expect(store.state.get()).toMatchObject({ count: 3, following: true });
    expect(store.row(0)?.seq).toBe(1);
  });

  it("shows a log from a file, filtered and grouped, with totals of its own", () => {
    const { store } = bound();
    store.open(listSource([testExit({ seq: 500 }), testTrap({ seq: 900 }), testTrap({ seq: 901 })]), "old.jsonl");
    expect(store.state.get()).toMatchObject({ file: "old.jsonl", count: 3, totals: { traps: 1, leaks: 2 } });
    expect(store.indexOf(901)).toBe(2);
    store.select(1);
    expect(store.selectSameSite(1)).toBe(true);
    expect(store.state.get().selected?.seq).toBe(901);
    store.setFilter("kind == exit");
    store.tick(1e6);
    expect(store.state.get().count).toBe(1);
  });

  it("narrows to a stretch of time, together with the filter", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    store.setBrush({ fromNs: 10_000, toNs: 15_000 });
    frame();
    expect(store.state.get().count).toBe(6);
    store.setFilter("kind == leak");
    frame();
    expect(store.state.get().count).toBe(2);
    store.setBrush(null);
    frame();
    expect(store.state.get().count).toBe(10);
  });

  it("joins filters without changing what they mean", () => {
    const { store } = bound();
    store.addFilter("kind == leak");
    expect(store.state.get().filter).toBe("kind == leak");
    store.addFilter("insn == popf", "or");
    store.addFilter("not vcpl == 3");
    expect(store.state.get().filter).toBe("(kind == leak or insn == popf) and (not vcpl == 3)");
  });

  it("marks records and jumps between those that are in the list", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    frame();
    for (const seq of [3, 4, 20]) store.toggleMark(seq);
    store.toggleMark(4);
    expect([...store.state.get().marks]).toEqual([3, 20]);
    expect(store.selectMark(1)).toBe(true);
    expect(store.state.get().selected?.seq).toBe(3);
    store.selectMark(1);
    expect(store.state.get().selected?.seq).toBe(20);
    expect(store.selectMark(1)).toBe(false);
    store.selectMark(-1);
    expect(store.state.get().selected?.seq).toBe(3);
  });

  it("sums by page from the records, as no counter does", () => {
    const { memory, store, frame } = bound();
    memory.write(30);
    store.setGrouping("page");
    frame();
    expect(store.state.get()).toMatchObject({ exact: false, groups: [{ key: "00007000", exits: 20, leaks: 10, filter: "page == 0x00007" }] });
  });
});
