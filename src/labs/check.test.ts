import { describe, expect, it } from "vitest";
import type { RunCounts } from "../protocol/run-counts.ts";
import { evaluate, type StepResult } from "./check.ts";
import type { Check } from "./lab.ts";

const counts = (parts: Partial<RunCounts> = {}): RunCounts => ({
  traps: { byInstruction: { CLI: 2, IRQ: 3 }, byReason: { "#GP": 2, IRQ: 3 } }, callouts: { byInstruction: {}, byReason: {} }, leaks: { byInstruction: { POPF: 1 } },
  observed: { byInstruction: {} }, instructions: 1000, emulatedInstructions: 10, ...parts,
});
const result = (parts: Partial<StepResult> = {}): StepResult => ({
  end: "halted", refusal: null, serial: "hello\r\n", whole: counts(), phases: { 1: counts() }, statistics: { switches: 3 }, records: { "kind == leak": 4 }, ...parts,
});
const called = counts({ callouts: { byInstruction: { OUT: 1, MOV: 2 }, byReason: { CALLOUT: 1, TCMISS: 2 } } });
const results = { a: result(), b: result({ serial: "other", end: "technique-refused", refusal: "RAW: no", phases: { 1: called } }) };
const status = (check: Check): string => evaluate([check], results)[0]!.status;
const says = "";

describe("a check", () => {
  it("of the end, the text and the refusal", () => {
    expect(status({ kind: "end", step: "a", outcome: "halted", says })).toBe("holds");
    expect(status({ kind: "end", step: "a", outcome: "exit-success", says })).toBe("fails");
    expect(status({ kind: "text", step: "a", contains: "ell", says })).toBe("holds");
    expect(status({ kind: "text", step: "a", contains: "ell", absent: true, says })).toBe("fails");
    expect(status({ kind: "same-text", step: "a", as: "b", says })).toBe("fails");
    expect(status({ kind: "refused", step: "b", because: "RAW", says })).toBe("holds");
    expect(status({ kind: "refused", step: "a", because: "RAW", says })).toBe("fails");
  });

  it("of all that left and leaked, without the host's interrupts unless they are named", () => {
    const exactly = { kind: "exactly", step: "a", phase: 1, traps: { CLI: 2 }, leaks: { POPF: 1 }, says } as const;
    expect(status(exactly)).toBe("holds");
    expect(status({ ...exactly, reasons: { "#GP": 2 } })).toBe("holds");
    expect(status({ ...exactly, reasons: { "#BP": 2 } })).toBe("fails");
    expect(status({ ...exactly, traps: { CLI: 2, IRQ: 3 } })).toBe("holds");
    expect(status({ ...exactly, traps: { CLI: 1 } })).toBe("fails");
    expect(status({ ...exactly, leaks: {} })).toBe("fails");
    expect(status({ ...exactly, phase: 2 })).toBe("fails");
    expect(status({ ...exactly, callouts: 0 })).toBe("holds");
  });

  it("of callouts: those of instructions where a number is given, none of any kind where it is not", () => {
    const exactly = { kind: "exactly", step: "b", phase: 1, traps: { CLI: 2 }, leaks: { POPF: 1 }, says } as const;
    expect(status({ ...exactly, callouts: 1 })).toBe("holds");
    expect(status({ ...exactly, callouts: 3 })).toBe("fails");
    expect(status(exactly)).toBe("fails");
  });

  it("of numbers", () => {
    expect(status({ kind: "number", of: { step: "a", count: "exits" }, is: "=", than: 5, says })).toBe("holds");
    expect(status({ kind: "number", of: { step: "a", count: "traps", of: "#GP" }, is: ">=", than: 3, says })).toBe("fails");
    expect(status({ kind: "number", of: { step: "b", phase: 1, count: "exits" }, is: "=", than: 8, says })).toBe("holds");
    expect(status({ kind: "number", of: { step: "a", phase: 9, count: "exits" }, is: "=", than: 0, says })).toBe("fails");
    expect(status({ kind: "compare", left: { step: "a", count: "instructions" }, is: ">", times: 100, right: { step: "a", count: "emulatedInstructions" }, says })).toBe("fails");
    expect(status({ kind: "statistic", step: "a", name: "switches", is: "=", than: 3, says })).toBe("holds");
    expect(status({ kind: "statistic", step: "a", name: "misses", is: "=", than: 1, says })).toBe("fails");
    expect(status({ kind: "records", step: "a", filter: "kind == leak", is: "=", than: 4, says })).toBe("holds");
  });

  it("is left out where a step did not run", () => {
    expect(status({ kind: "same-text", step: "a", as: "c", says })).toBe("skipped");
  });
});
