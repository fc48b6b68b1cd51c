// Scan before execute with other processors under it: one that fetches through a page directory of its own, and one whose TLBs have
// as few entries as a P6's. The guest reads one word of each of 80 pages, twice.
import { describe, expect, it } from "vitest";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { ProcessorSet } from "../../src/protocol/technique.ts";
import { countsOf } from "../support/guest-run.ts";

const CODE = 0x1000, GDT = 0x2000, DATA = 0x1_0000, PAGES = 80;
const dword = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
/** mov esi,DATA; mov ecx,PAGES; l: mov eax,[esi]; add esi,4096; dec ecx; jnz l */
const ROUND = [0xbe, ...dword(DATA), 0xb9, ...dword(PAGES), 0x8b, 0x06, 0x81, 0xc6, ...dword(4096), 0x49, 0x75, 0xf5];
/** Two rounds; cli; hlt */
const PROGRAM = [...ROUND, ...ROUND, 0xfa, 0xf4];
const FLAT_CODE = [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0], FLAT_DATA = [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0];

function run(set: ProcessorSet) {
  const machine = new Machine({ memoryBytes: 2 << 20, technique: "scan", ring: 3, set, clock: "virtual", drives: {} });
  machine.physical.writeBytes(CODE, Uint8Array.from(PROGRAM));
  machine.physical.writeBytes(GDT + 8, Uint8Array.from([...FLAT_CODE, ...FLAT_DATA]));
  const segment = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
  const data = segment(0x10, 0xc093);
  setGuestRegisters(machine, {
    cr0: 0x11, eip: CODE, cs: segment(8, 0xc09b), ds: data, es: data, ss: data, fs: data, gs: data, gdtr: { base: GDT, limit: 0x17 }, eflags: 2,
  });
  expect(machine.run(10_000)).toBe("halted");
  expect(machine.core.retired()).toBe(2 * (2 + 4 * PAGES) + 2);
  return countsOf(machine).traps.byReason;
}

describe("scan", () => {
  it("primes a TLB once for each page, and once more with a breakpoint for code", () => {
    expect(run({})).toEqual({ "#PF": PAGES + 1, "#BP": 1, "#GP": 2 });
  });

  it("needs no breakpoint where fetches have their own page directory", () => {
    expect(run({ "scan-views": "harvard" })).toEqual({ "#PF": PAGES + 1, "#GP": 2 });
  });

  it("primes again what a P6's 64 entries in 16 sets have lost: five pages to a set of four, in turn", () => {
    expect(run({ tlb: "p6" })).toEqual({ "#PF": 2 * PAGES + 1, "#BP": 1, "#GP": 2 });
    expect(run({ tlb: "p6", "scan-views": "harvard" })).toEqual({ "#PF": PAGES + 1, "#GP": 2 });
  });
});
