import { describe, expect, it } from "vitest";
import { ringBytes } from "../base/shared-ring.ts";
import { RingWriter } from "../base/shared-ring.ts";
import { ACTIONS, packMode, RECORD_BYTES, SITE_BYTES, TrapReader } from "../protocol/trap-record.ts";
import { exportLog } from "./export.ts";
import { compileFilter } from "./filter.ts";
import { type Grouping, TrapGroups } from "./group-by.ts";
import { readJsonl } from "./jsonl.ts";
import { testExit, testTrap } from "./test-trap.ts";

/** A log written by hand, byte for byte as protocol/trap-record.ts lays it out. */
function log(): TrapReader {
  const slots = 64;
  const siteBase = ringBytes(slots, RECORD_BYTES);
  const buffer = new ArrayBuffer(siteBase + slots * 2 * SITE_BYTES);
  const writer = new RingWriter(buffer, 0, slots, RECORD_BYTES);
  const sites = new DataView(buffer, siteBase);
  const site = (index: number, linear: number, mode: number, bytes: number[], mnemonic: number): void => {
    sites.setUint32(index * 32, linear, true);
    sites.setUint32(index * 32 + 4, linear, true);
    sites.setUint16(index * 32 + 8, 8, true);
    sites.setUint8(index * 32 + 10, mode);
    sites.setUint8(index * 32 + 11, bytes.length);
    bytes.forEach((byte, at) => sites.setUint8(index * 32 + 12 + at, byte));
    sites.setUint16(index * 32 + 28, mnemonic, true);
  };
  site(0, 0x7c00, packMode(0, 1, false, true, true), [0xfa], 1);
  site(1, 0x7c01, packMode(0, 1, false, true, true), [0x9d], 2);
  for (let i = 0; i < 10; i++) {
    const slot = writer.slot();
    const leak = i % 5 === 4;
    writer.words[slot + 1] = 100 + i;
    writer.words[slot + 2] = ((leak ? 63 : 13) << 16) | ((leak ? 1 : 0) << 24);
    writer.words[slot + 3] = (leak ? 1 : 0) | ((leak ? ACTIONS["lost-write"] : ACTIONS.emulate) << 24);
    writer.doubles[(slot >> 1) + 2] = i * 1000;
    writer.words[slot + 6] = leak ? 0x46 : 0;
    writer.words[slot + 7] = leak ? 0x246 : 0;
    writer.commit(slot);
  }
  return new TrapReader(buffer, 0, siteBase);
}

const context = { mnemonic: (id: number) => ["IRQ", "CLI", "POPF"][id], disassemble: (bytes: Uint8Array) => (bytes[0] === 0xfa ? "cli" : "popfd"), technique: (sequence: number) => (sequence < 7 ? "trap" : "vtx") } as const;
const header = { technique: "trap", ring: 1, set: {} } as const;

function test(source: string): (trap: ReturnType<typeof testTrap>) => boolean {
  const result = compileFilter(source);
  if (!result.ok) throw new Error(result.message);
  return result.test;
}

describe("export", () => {
  it("writes every record that passes, in order", () => {
    const { bytes, records } = exportLog(log(), context, header, test("kind == leak"), "jsonl", new Set([9]));
    expect(records).toBe(2);
    const { traps } = readJsonl(new TextDecoder().decode(bytes));
    expect(traps.map((trap) => [trap.seq, trap.instruction, trap.icount, trap.observed, trap.expected])).toEqual([[4, "POPF", 104, 0x46, 0x246], [9, "POPF", 109, 0x46, 0x246]]);
    expect(traps[0].effect).toBe("write lost: IF stays 0, bare metal 1");
    expect(traps.map((trap) => trap.technique)).toEqual(["trap", "vtx"]);
    expect([...readJsonl(new TextDecoder().decode(bytes)).marks]).toEqual([9]);
  });

  it("writes trace events that Perfetto reads: microseconds, an instant a record, the ring whenever it changes", () => {
    const { bytes, records } = exportLog(log(), context, header, test(""), "perfetto", new Set());
    expect(records).toBe(10);
    const { traceEvents } = JSON.parse(new TextDecoder().decode(bytes)) as { traceEvents: { ph: string; ts?: number; tid?: number; name: string; args: object }[] };
    const instants = traceEvents.filter(({ ph }) => ph === "i");
    expect(instants.map(({ ts }) => ts)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(instants.map(({ tid }) => tid)).toEqual([1, 1, 1, 1, 2, 1, 1, 1, 1, 2]);
    expect(instants[4]).toMatchObject({ name: "popfd", args: { at: "0008:00007c01", effect: "write lost: IF stays 0, bare metal 1" } });
    expect(traceEvents.filter(({ ph }) => ph === "C")).toMatchObject([{ name: "CPL", args: { guest: 0, really: 1 } }]);
  });

  it("writes CSV with one line a record", () => {
    const { bytes, records } = exportLog(log(), context, header, test(""), "csv", new Set());
    expect(records).toBe(10);
    expect(new TextDecoder().decode(bytes).trimEnd().split("\r\n")).toHaveLength(11);
  });
});

describe("groups", () => {
  it("sum by instruction, cause, site, page and technique", () => {
    const rows = [testExit(), testExit({ icount: 9 }), testTrap(), testExit({ eip: 1, linear: 1, technique: "int3" })];
    const sums = (by: Grouping): (string | number)[][] => {
      const groups = new TrapGroups(by);
      for (const row of rows) groups.add(row);
      return groups.sorted().map((group) => [group.sample.instruction, group.exits, group.leaks]);
    };
    expect(sums("instruction")).toEqual([["CLI", 3, 0], ["POPF", 0, 1]]);
    expect(sums("reason")).toEqual([["CLI", 3, 0], ["POPF", 0, 1]]);
    expect(sums("site")).toEqual([["CLI", 2, 0], ["CLI", 1, 0], ["POPF", 0, 1]]);
    expect(sums("page")).toEqual([["CLI", 2, 1], ["CLI", 1, 0]]);
    expect(sums("technique")).toEqual([["CLI", 2, 1], ["CLI", 1, 0]]);
  });

  it("know when they began and ended, and what they cost", () => {
    const groups = new TrapGroups("instruction");
    for (const row of [testExit({ icount: 5 }), testExit({ icount: 9, action: "resume" }), testTrap()]) groups.add(row);
    expect(groups.sorted()).toMatchObject([{ key: "CLI", firstIcount: 5, lastIcount: 9, cost: 1500 }, { key: "POPF", cost: 0 }]);
  });
});
