import { describe, expect, it } from "vitest";
import { ringBytes } from "../base/shared-ring.ts";
import { RingWriter } from "../base/shared-ring.ts";
import { ACTIONS, packMode, RECORD_BYTES, SITE_BYTES, TrapReader } from "../protocol/trap-record.ts";
import { exportLog } from "./export.ts";
import { compileFilter } from "./filter.ts";
import { TrapGroups } from "./group-by.ts";
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

const context = { mnemonic: (id: number) => ["IRQ", "CLI", "POPF"][id], disassemble: (bytes: Uint8Array) => (bytes[0] === 0xfa ? "cli" : "popfd") };
const header = { technique: "trap", ring: 1, set: {} } as const;

function test(source: string): (trap: ReturnType<typeof testTrap>) => boolean {
  const result = compileFilter(source);
  if (!result.ok) throw new Error(result.message);
  return result.test;
}

describe("export", () => {
  it("writes every record that passes, in order", () => {
    const { bytes, records } = exportLog(log(), context, header, test("kind == leak"), "jsonl");
    expect(records).toBe(2);
    const { traps } = readJsonl(new TextDecoder().decode(bytes));
    expect(traps.map((trap) => [trap.seq, trap.instruction, trap.icount, trap.observed, trap.expected])).toEqual([[4, "POPF", 104, 0x46, 0x246], [9, "POPF", 109, 0x46, 0x246]]);
    expect(traps[0].effect).toBe("write lost: IF stays 0, bare metal 1");
  });

  it("writes CSV with one line a record", () => {
    const { bytes, records } = exportLog(log(), context, header, test(""), "csv");
    expect(records).toBe(10);
    expect(new TextDecoder().decode(bytes).trimEnd().split("\r\n")).toHaveLength(11);
  });
});

describe("groups", () => {
  it("sum by instruction, by reason and by site", () => {
    const rows = [testExit(), testExit({ icount: 9 }), testTrap(), testExit({ eip: 1, linear: 1 })];
    const sums = (by: "instruction" | "site" | "reason"): (string | number)[][] => {
      const groups = new TrapGroups(by);
      for (const row of rows) groups.add(row);
      return groups.sorted().map((group) => [group.sample.instruction, group.exits, group.leaks]);
    };
    expect(sums("instruction")).toEqual([["CLI", 3, 0], ["POPF", 0, 1]]);
    expect(sums("reason")).toEqual([["CLI", 3, 0], ["POPF", 0, 1]]);
    expect(sums("site")).toEqual([["CLI", 2, 0], ["CLI", 1, 0], ["POPF", 0, 1]]);
  });
});
