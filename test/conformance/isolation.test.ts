// A guest that reaches a page of the monitor's is told of. Where the monitor is as it should be it cannot: so its locks are broken here
// by hand, each of the two that there are: the U bit of the window's pages, and the limits of a ring 1 kernel's segments.
import { describe, expect, it } from "vitest";
import { setSegment } from "../../src/cpu/segmentation.ts";
import { CR3, DS } from "../../src/isa/state-layout.ts";
import { Deprivileged } from "../../src/monitor/deprivileged.ts";
import { TSS_PAGE } from "../../src/monitor/pool.ts";
import type { TechniqueDefinition } from "../../src/monitor/techniques/technique.ts";
import { actionName, emptyRawTrap, TrapReader } from "../../src/protocol/trap-record.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { CODE, dword, flatGuest } from "../support/flat-guest.ts";

const WINDOW_SLOT = 1023, ENTRIES = 1024, U_BIT = 4;
/** The TSS in the window, at the top of linear space. */
const TARGET = WINDOW_SLOT * (1 << 22) + TSS_PAGE * 4096;

/** mov eax,[TARGET]; nop; mov [TARGET],eax; cli; hlt */
const PROGRAM = [0xa1, ...dword(TARGET), 0x90, 0xa3, ...dword(TARGET), 0xfa, 0xf4];
const LOAD = CODE, STORE = CODE + 6;

class Broken extends Deprivileged {
  override enter(left: number) {
    const ended = super.enter(left);
    const h = this.cpu.h.context;
    if (this.ring === 1) setSegment(h, DS, h.selector(DS), 0, 0xffff_ffff, h.segmentAccess(DS));
    else this.openWindow((h.get(CR3) >>> 12) - this.pool.firstPage);
    this.cpu.updateMode();
    return ended;
  }

  private openWindow(directory: number): void {
    const { i32 } = this.pool;
    const slot = (this.pool.address(directory) >> 2) + WINDOW_SLOT;
    i32[slot]! |= U_BIT;
    const table = this.pool.address((i32[slot]! >>> 12) - this.pool.firstPage) >> 2;
    for (let n = 0; n < ENTRIES; n++) if (i32[table + n] !== 0) i32[table + n]! |= U_BIT;
  }
}

/** Runs PROGRAM in ring 0 of the guest's. The leaks of that kind: where, which address, and whether it was a store. */
function breaches(ring: Ring, create: NonNullable<TechniqueDefinition["create"]>) {
  const toy: TechniqueDefinition = { id: "toy" as TechniqueId, create };
  const machine = flatGuest(PROGRAM, toy.id, ring, { techniques: [toy] });
  expect(machine.run(1000)).toBe("halted");
  const { buffer, view } = machine.map;
  const log = new TrapReader(buffer, view.trapRing, view.trapSites), record = emptyRawTrap(), seen = [];
  for (let sequence = 0; sequence < log.total; sequence++) {
    log.read(sequence, record);
    if (actionName(record.action) === "isolation") seen.push({ eip: record.eip, linear: record.a, write: record.b === 1 });
  }
  return seen;
}

describe.each([1, 3] as const)("a guest at ring %i", (ring) => {
  it("does not reach the monitor's window", () => {
    expect(breaches(ring, (monitor) => new Deprivileged(monitor, ring))).toEqual([]);
  });

  it("is told of, by its instruction, where a lock is broken", () => {
    // A supervisor's loads from there are mostly the processor's own, of its tables: they are not told of.
    const load = { eip: LOAD, linear: TARGET, write: false }, store = { eip: STORE, linear: TARGET, write: true };
    expect(breaches(ring, (monitor) => new Broken(monitor, ring))).toEqual(ring === 3 ? [load, store] : [store]);
  });
});
