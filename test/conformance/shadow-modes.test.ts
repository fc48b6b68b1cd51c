// The shadow modes, and hybrid's second level, on guests/pt.asm (`drop-all`, and `cached` under translate, are among its expectations as defaults): the guest sees bare metal under each, and the exits are those that the mode's
// rules give. 16 pages; phase 1 maps each and reads it, 2 moves each, INVLPG and read, 3 changes between two directories 16 times
// and reads 4 pages, 4 makes all read-only and writes them.
import { describe, expect, it } from "vitest";
import { guestExpectation } from "../support/guest-expectations.ts";
import { optionsOfKey, runGuest } from "../support/guest-run.ts";

const { serial } = guestExpectation("pt");

/** #PF and #GP of each phase; the OUT that closes it is a #GP. */
const EXITS: Readonly<Record<string, readonly (readonly [pageFaults: number, protection: number])[]>> = {
  // 1: the table is known from the first read on: 15 stores and 16 misses. 2: 16 stores, 16 misses. 3: the other directory's own
  // first four reads, code and variable, once. 4: 16 stores, the guest's 16 faults, 16 stores of its handler, 16 misses.
  cached: [[31, 1], [32, 17], [6, 17], [64, 50]],
  // 1: one store lets the table go. 3: the first flush finds what changed: four reads more than cached. 4: the table has been let go before
  // the phase and is watched again from MOV CR3 on: one store, the guest's 16 faults, 16 misses.
  unsync: [[17, 1], [16, 17], [10, 17], [33, 50]],
  // 1: the second store begins a run on V that goes on through phase 2, and into phase 3 until 32 instructions without a store
  // have passed; there V changed A's entries, so that its reads miss once as B's do. 4: all in one.
  batch: [[2, 1], [0, 0], [10, 4], [0, 0]],
};

describe.each(Object.entries(EXITS))("shadow=%s", (mode, phases) => {
  it("leaves as often as its rules say", () => {
    const run = runGuest("pt", optionsOfKey(`trap/1 shadow=${mode}`));
    expect([run.end, run.serial, run.leaks.byInstruction]).toEqual(["exit-success", serial, {}]);
    const counts = phases.map((_, n) => {
      const { byReason } = run.phases[n + 1]!.traps;
      return [byReason["#PF"] ?? 0, byReason["#GP"] ?? 0];
    });
    expect(counts).toEqual(phases);
  });
});

it.each(["trap/3 shadow=unsync", "translate/1 shadow=drop-all", "vtx/1 shadow=cached"])("%s shows bare metal", (key) => {
  const run = runGuest("pt", optionsOfKey(key));
  expect([run.end, run.serial, run.leaks.byInstruction]).toEqual(["exit-success", serial, {}]);
});

it("hardware assist without EPT leaves for what pages, and for real mode's sensitive instructions", () => {
  const reasons = (key: string) => runGuest("pt", optionsOfKey(key)).phases[2]!.traps.byReason;
  // Phase 2 moves 16 pages, each with INVLPG and a read. The OUT that closes it is an I/O exit.
  expect(reasons("vtx/1")).toEqual({ "VMX:I/O instruction": 1 });
  expect(reasons("vtx/1 shadow=drop-all")).toEqual({ "VMX:I/O instruction": 1, "VMX:INVLPG": 16, "VMX:Exception or NMI": 16 });
  expect(reasons("vtx/1 shadow=cached")).toEqual({ "VMX:I/O instruction": 1, "VMX:INVLPG": 16, "VMX:Exception or NMI": 32 });
});

it("hybrid runs what it finds clean of the kernel, and the guest sees bare metal", () => {
  const run = runGuest("pt", optionsOfKey("hybrid/1 hybrid=kernel"));
  expect([run.end, run.serial, run.leaks.byInstruction]).toEqual(["exit-success", serial, {}]);
  // The whole guest is a kernel: by user code alone nothing would run directly.
  const { supervisor, core } = run.machine;
  expect(core.retired() - supervisor.emulatedInstructions).toBeGreaterThan(1000);
  expect(supervisor.statistics["switches"]).toBeGreaterThan(100);
  expect(runGuest("pt", optionsOfKey("hybrid/1")).machine.supervisor.statistics["switches"]).toBe(0);
});
