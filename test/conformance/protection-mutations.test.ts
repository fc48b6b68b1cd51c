// A count is proof that the processor's protection rules made it: change the rules, the guest's bytes or what watches, and see
// what moves. Nothing of the monitor is touched, except where a test says that it bends what the monitor gives the processor.
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { EFLAGS_IOPL, EFLAGS_SYSTEM } from "../../src/isa/state-layout.ts";
import { TrapLog } from "../../src/monitor/trap-log.ts";
import { Projection } from "../../src/monitor/projection.ts";
import type { Counted } from "../support/guest-run.ts";
import { type SmallGuest, TrapBench } from "../support/trap-bench.ts";
import { makeSteps, type Step } from "../support/trap-guest.ts";
import type { Mode, ModelOptions } from "../support/trap-model.ts";

const PLAIN: ModelOptions = { mode: "pm32", ring: 1, umip: false, tsd: false, tricks: false, vme: false, ne: false, ldt: true };
const sum = (table: Readonly<Record<string, number>>): number => Object.values(table).reduce((total, n) => total + n, 0);

let bench: TrapBench;
beforeAll(() => {
  bench = new TrapBench();
});
afterEach(() => {
  vi.restoreAllMocks();
});

function counts(
  names: readonly string[], options: Partial<ModelOptions> = {}, start = { if: true, iopl: 0 }, patch?: (code: Uint8Array) => void, technique: "trap" | "translate" = "trap",
): Counted {
  const whole = { ...PLAIN, ...options };
  const guest: SmallGuest = { options: whole, start, steps: names.flatMap((name): Step[] => makeSteps(name, whole)) };
  bench.boot(guest, technique, patch);
  return bench.run();
}

const TABLES = ["SGDT", "SIDT", "SLDT", "STR", "SMSW"];
const OUT_ONLY = { OUT: 1 }; // the OUT that ends every guest
it("RDTSC in translated code shows nothing of the monitor's time, and calls nobody", () => {
  // It ends a unit, so that each is missed once; a call would come on top of that.
  const { leaks, traps, callouts } = counts(["CLI", "RDTSC", "RDTSC"], {}, { if: true, iopl: 0 }, undefined, "translate");
  expect([leaks.byInstruction, traps.byInstruction["RDTSC"], callouts.byInstruction["RDTSC"]]).toEqual([{}, undefined, 2]);
});

const each = (names: readonly string[], n = 1) => Object.fromEntries(names.map((name) => [name, n]));

describe.each([1, 3] as const)("ring %i", (ring) => {
  it("UMIP turns five leaks into five traps", () => {
    const off = counts(TABLES, { ring }), on = counts(TABLES, { ring, umip: true });
    expect([off.leaks.byInstruction, off.traps.byInstruction]).toEqual([each(TABLES), OUT_ONLY]);
    expect([on.leaks.byInstruction, on.traps.byInstruction]).toEqual([{}, { ...each(TABLES), ...OUT_ONLY }]);
    expect(on.traps.byReason).toEqual({ "#GP": 6 });
  });

  it("TSD turns RDTSC from a leak into a trap", () => {
    const off = counts(["CLI", "RDTSC"], { ring }), on = counts(["CLI", "RDTSC"], { ring, tsd: true });
    expect([off.leaks.byInstruction, off.traps.byInstruction]).toEqual([{ RDTSC: 1 }, { CLI: 1, OUT: 1 }]);
    expect([on.leaks.byInstruction, on.traps.byInstruction]).toEqual([{}, { CLI: 1, RDTSC: 1, OUT: 1 }]);
  });

  it("an absent user code segment (tricks) makes IRET to ring 3 leave with #NP", () => {
    const closed = { if: false, iopl: 0 }; // so that the image's IF=1 is a change, and lost
    const off = counts(["user"], { ring }, closed), on = counts(["user"], { ring, tricks: true }, closed);
    expect(off.traps.byReason["#NP"]).toBeUndefined();
    expect(off.leaks.byInstruction["IRET"]).toBe(1);
    expect(on.traps.byReason["#NP"]).toBe(1);
    expect(on.leaks.byInstruction["IRET"]).toBeUndefined();
  });

  it("the guest's own IOPL decides who may CLI in its ring 3: the exit stays, the guest's fault comes and goes", () => {
    const denied = counts(["user CLI IOPL 0"], { ring, tricks: true }), allowed = counts(["user CLI IOPL 3"], { ring, tricks: true });
    expect([denied.traps.byInstruction["CLI"], allowed.traps.byInstruction["CLI"]]).toEqual([1, 1]);
    // Denied: the handler of the guest's #GP returns to ring 3 by an IRET of its own.
    expect(denied.traps.byInstruction["IRET"]).toBe(2);
    expect(allowed.traps.byInstruction["IRET"]).toBe(1);
  });

  it("a processor with IOPL 3 lets CLI, STI, IN through: their exits are gone, the log was not told", () => {
    const names = ["CLI", "STI", "IN", "SGDT"];
    const before = counts(names, { ring });
    expect(before.traps.byInstruction).toEqual({ CLI: 1, STI: 1, IN: 1, OUT: 1 });
    const project = Projection.prototype.project;
    vi.spyOn(Projection.prototype, "project").mockImplementation(function (this: Projection) {
      project.call(this);
      const h = bench.machine.cpu.h.context;
      h.set(EFLAGS_SYSTEM, h.get(EFLAGS_SYSTEM) | EFLAGS_IOPL);
    });
    const after = counts(names, { ring });
    expect(after.traps.byInstruction).toEqual({});
    expect(after.leaks.byInstruction["SGDT"]).toBe(1);
  });

  it("another byte in the guest, another count", () => {
    const names = ["STI", "CLI", "STI"];
    expect(counts(names, { ring }).traps.byInstruction).toEqual({ STI: 2, CLI: 1, OUT: 1 });
    const nop = (code: Uint8Array): void => {
      const at = code.indexOf(0xfa);
      expect(at).toBeGreaterThan(0);
      code[at] = 0x90;
    };
    expect(counts(names, { ring }, { if: true, iopl: 0 }, nop).traps.byInstruction).toEqual({ STI: 2, OUT: 1 });
  });
});

describe("VME", () => {
  const real: { mode: Mode } = { mode: "real" };

  it("takes CLI STI PUSHF POPF INT IRET of real-mode code off the list of exits", () => {
    const names = ["CLI", "STI", "PUSHF 2", "INT 80h"];
    const off = counts(names, real), on = counts(names, { ...real, vme: true });
    expect(off.traps.byInstruction).toEqual({ CLI: 1, STI: 1, PUSHF: 1, INT: 1, IRET: 1, OUT: 1 });
    expect(on.traps.byInstruction).toEqual(OUT_ONLY);
    // The images show IOPL 3.
    expect(on.leaks.byInstruction).toEqual({ PUSHF: 1, INT: 1 });
    expect(on.observed.byInstruction).toEqual({ CLI: 1, STI: 1, IRET: 1 });
  });

  it("leaves their 32-bit forms and protected mode alone", () => {
    expect(counts(["PUSHF 4"], { ...real, vme: true }).traps.byInstruction).toEqual({ PUSHF: 1, OUT: 1 });
    expect(counts(["CLI"], { vme: true }).traps.byInstruction).toEqual({ CLI: 1, OUT: 1 });
  });
});

describe("who watches does not matter", () => {
  const names = ["CLI", "PUSHF 4", "SGDT", "STI", "user", "INT3"];

  it("without the leak probes the same instructions leave", () => {
    const watched = counts(names);
    const { core } = bench.machine;
    const { probe } = core;
    core.probe = null;
    try {
      const unwatched = counts(names);
      expect(unwatched.traps).toEqual(watched.traps);
      expect(sum(unwatched.leaks.byInstruction) + sum(unwatched.observed.byInstruction)).toBe(0);
    } finally {
      core.probe = probe;
    }
  });

  it("without the log the processor counts the same exits", () => {
    const watched = sum(counts(names).traps.byInstruction);
    vi.spyOn(TrapLog.prototype, "exit").mockImplementation(() => {});
    expect(() => counts(names)).toThrow(`0 records of ${watched} exits`);
  });

  it("under emulate nothing leaves, and what is sensitive is observed", () => {
    bench.boot({ options: PLAIN, start: { if: true, iopl: 0 }, steps: ["CLI", "SGDT"].flatMap((name) => makeSteps(name, PLAIN)) }, "emulate");
    const run = bench.run();
    expect([run.traps.byInstruction, run.leaks.byInstruction]).toEqual([{}, {}]);
    expect(run.observed.byInstruction).toMatchObject({ CLI: 1, SGDT: 1 });
  });
});
