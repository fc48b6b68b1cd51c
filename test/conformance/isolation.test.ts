// A guest that reaches a page of the monitor's is told of. Where the monitor is as it should be it cannot: so its locks are broken here
// by hand: the U bit of the window's pages, the limits of a ring 1 kernel's segments, and under every technique its shadow of the
// guest's paging, or the second level of it, which leads to a page of the monitor's.
import { describe, expect, it } from "vitest";
import { EPT_EXECUTE, EPT_READ, EPT_WRITE } from "../../src/cpu/ept.ts";
import { setSegment } from "../../src/cpu/segmentation.ts";
import { CR3, DS } from "../../src/isa/state-layout.ts";
import { Deprivileged } from "../../src/monitor/deprivileged.ts";
import { type MonitorPool, TSS_PAGE } from "../../src/monitor/pool.ts";
import { TECHNIQUE_LIST } from "../../src/monitor/techniques/list.ts";
import { KERNEL, type ShadowPaging } from "../../src/monitor/shadow/paging.ts";
import type { TechniqueDefinition } from "../../src/monitor/techniques/technique.ts";
import { actionName, emptyRawTrap, TrapReader } from "../../src/protocol/trap-record.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../../src/protocol/technique.ts";
import type { RegisterPart } from "../../src/machine/guest-registers.ts";
import { CODE, dword, flatGuest } from "../support/flat-guest.ts";

/** The guest's page tables, for its 2 MB: open to its user code. */
const DIRECTORY = 0x3000, TABLE = 0x4000, OPEN = 7;
const WINDOW_SLOT = 1023, ENTRIES = 1024, U_BIT = 4;
/** The TSS in the window, at the top of linear space. */
const TARGET = WINDOW_SLOT * (1 << 22) + TSS_PAGE * 4096;

/** mov eax,[at]; nop; mov [at],eax; cli; hlt */
const program = (at: number): number[] => [0xa1, ...dword(at), 0x90, 0xa3, ...dword(at), 0xfa, 0xf4];
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

interface Breach {
  readonly eip: number;
  readonly linear: number;
  readonly write: boolean;
}

/** Ring 3 of the guest's, with interrupts open: its program ends at CLI all the same. */
const user = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
const IN_RING_0: RegisterPart = {}, IN_RING_3: RegisterPart = {
  cpl: 3, eflags: 0x202, cs: user(0x1b, 0xc0fb), ss: user(0x23, 0xc0f3), ds: user(0x23, 0xc0f3), es: user(0x23, 0xc0f3), fs: user(0, 0x1_0000), gs: user(0, 0x1_0000),
  gdtr: { base: 0x2000, limit: 0x27 },
};
const USER_DESCRIPTORS = [0xff, 0xff, 0, 0, 0, 0xfb, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0xf3, 0xcf, 0];

/** Runs the program, in ring 0 of the guest's unless it is said otherwise. The leaks of that kind: where, which address, and whether it was a store. */
function breaches(
  ring: Ring, create: NonNullable<TechniqueDefinition["create"]>, id = "toy" as TechniqueId, at = TARGET, set: ProcessorSet = {}, registers: RegisterPart = {},
): Breach[] {
  const machine = flatGuest(program(at), id, ring, { techniques: [{ id, create }], set, checks: false }, { cr0: 0x8000_0011, cr3: DIRECTORY, ...registers });
  machine.physical.writeBytes(0x2018, Uint8Array.from(USER_DESCRIPTORS));
  machine.physical.writeBytes(DIRECTORY, Uint8Array.from(dword(TABLE | OPEN)));
  machine.physical.writeBytes(TABLE, Uint8Array.from(Array.from({ length: 512 }, (_, page) => dword((page << 12) | OPEN)).flat()));
  machine.run(1000);
  const { buffer, view } = machine.map;
  const log = new TrapReader(buffer, view.trapRing, view.trapSites), record = emptyRawTrap(), seen: Breach[] = [];
  for (let sequence = 0; sequence < log.total; sequence++) {
    log.read(sequence, record);
    if (actionName(record.action) === "isolation") seen.push({ eip: record.eip, linear: record.a, write: record.b === 1 });
  }
  return seen;
}

const bothTold = (linear: number): Breach[] => [{ eip: LOAD, linear, write: false }, { eip: STORE, linear, write: true }];

describe.each([1, 3] as const)("a guest at ring %i", (ring) => {
  it("does not reach the monitor's window", () => {
    expect(breaches(ring, (monitor) => new Deprivileged(monitor, ring))).toEqual([]);
  });

  it("is told of, by its instruction, where a lock is broken", () => {
    expect(breaches(ring, (monitor) => new Broken(monitor, ring))).toEqual(bothTold(TARGET));
  });
});

const definitionOf = (id: TechniqueId): NonNullable<TechniqueDefinition["create"]> => TECHNIQUE_LIST.find((definition) => definition.id === id)!.create!;

/** Where the guest has mapped nothing. */
const NOWHERE = 0x80_0000;

/** The technique, with the monitor's TSS in the guest's address space at NOWHERE. */
function exposed(id: TechniqueId): NonNullable<TechniqueDefinition["create"]> {
  return (monitor) => {
    const made = definitionOf(id)(monitor);
    const { paging } = made as unknown as { readonly paging: ShadowPaging };
    const expose = (): void => paging.fill(KERNEL, true, NOWHERE, monitor.parts.pool.firstPage + TSS_PAGE, true, true, false);
    const enter = made.enter.bind(made), useContext = paging.useContext.bind(paging);
    made.enter = (left) => {
      expose();
      return enter(left);
    };
    // A shadow that is kept for each of the guest's tables.
    paging.useContext = (...context) => {
      const found = useContext(...context);
      expose();
      return found;
    };
    return made;
  };
}

describe("a page of the monitor's in the guest's own address space", () => {
  const cases: readonly (readonly [TechniqueId, Ring, ProcessorSet, RegisterPart])[] = [
    ["trap", 1, {}, IN_RING_0], ["trap", 3, {}, IN_RING_0], ["int3", 1, {}, IN_RING_0], ["scan", 3, {}, IN_RING_0], ["scan", 3, { "scan-views": "harvard" }, IN_RING_0],
    ["lite", 3, { lite: "anyway" }, IN_RING_0], ["translate", 1, {}, IN_RING_0], ["paravirt", 1, {}, IN_RING_0], ["vtx", 1, { shadow: "drop-all" }, IN_RING_0],
    ["hybrid", 1, {}, IN_RING_3], ["hybrid", 3, { hybrid: "kernel" }, IN_RING_0],
  ];
  it.each(cases)("is told of under %s at ring %i %o, when it is read and when it is stored to", (id, ring, set, registers) => {
    expect(breaches(ring, exposed(id), id, NOWHERE, set, registers)).toEqual(bothTold(NOWHERE));
  });

  it("is out of reach where the mapping is as it should be", () => {
    for (const [id, ring, set, registers] of cases) expect(breaches(ring, definitionOf(id), id, NOWHERE, set, registers)).toEqual([]);
  });
});

/** A page of the guest's RAM, for which the second level of paging has the monitor's TSS. */
const REPLACED = 0x1f_f000;

describe("a page of the monitor's behind the guest's physical memory, under EPT", () => {
  const replaced: NonNullable<TechniqueDefinition["create"]> = (monitor) => {
    const made = definitionOf("vtx")(monitor);
    const { pool, tables } = (made as unknown as { readonly tables: { readonly pool: MonitorPool; readonly tables: ReadonlyMap<number, number> } }).tables;
    const enter = made.enter.bind(made);
    made.enter = (left) => {
      const table = pool.address(tables.get(REPLACED >>> 21)!) >> 2;
      pool.i32[table + ((REPLACED >>> 12) & 0x1ff) * 2] = (pool.physicalPage(TSS_PAGE) << 12) | EPT_READ | EPT_WRITE | EPT_EXECUTE;
      return enter(left);
    };
    return made;
  };

  it("is told of, when it is read and when it is stored to", () => {
    expect(breaches(1, replaced, "vtx", REPLACED)).toEqual(bothTold(REPLACED));
  });

  it("is not there where the tables are as they should be", () => {
    expect(breaches(1, definitionOf("vtx"), "vtx", REPLACED)).toEqual([]);
  });
});
