// Scan before execute with other processors under it: one that fetches through a page directory of its own, and one whose TLBs have
// as few entries as a P6's. The guest reads one word of each of 80 pages, twice.
import { describe, expect, it } from "vitest";
import type { ProcessorSet } from "../../src/protocol/technique.ts";
import { dword, flatGuest } from "../support/flat-guest.ts";
import { countsOf } from "../support/guest-run.ts";

const DATA = 0x1_0000, PAGES = 80;
/** mov esi,DATA; mov ecx,PAGES; l: mov eax,[esi]; add esi,4096; dec ecx; jnz l */
const ROUND = [0xbe, ...dword(DATA), 0xb9, ...dword(PAGES), 0x8b, 0x06, 0x81, 0xc6, ...dword(4096), 0x49, 0x75, 0xf5];
/** Two rounds; cli; hlt */
const PROGRAM = [...ROUND, ...ROUND, 0xfa, 0xf4];

function run(set: ProcessorSet) {
  const machine = flatGuest(PROGRAM, "scan", 3, { set });
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
