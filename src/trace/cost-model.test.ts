import { describe, expect, it } from "vitest";
import { COST_PROFILES, costProfileOf, FIGURE_NAMES, modelledCost, withFigure } from "./cost-model.ts";

const run = (byReason: Record<string, number>, instructions = 0, emulatedInstructions = 0, callouts: Record<string, number> = {}) => ({
  traps: { byInstruction: {}, byReason }, callouts: { byInstruction: {}, byReason: callouts }, instructions, emulatedInstructions,
});
const core2 = costProfileOf("core2")!;

describe("the cost model", () => {
  it("charges way and work of each exit, a refill for a page fault, the VM's way under vtx", () => {
    expect(modelledCost(core2, run({ "#GP": 10 }, 1000)).cycles).toBe(1000 + 10 * (600 + 300));
    expect(modelledCost(core2, run({ "#PF": 10 })).cycles).toBe(10 * (600 + 900));
    expect(modelledCost(core2, run({ "VMX:CPUID": 10 })).cycles).toBe(10 * (2123 + 300));
    expect(modelledCost(core2, run({}, 0, 0, { CALLOUT: 10, TCMISS: 1 })).cycles).toBe(11 * 200);
  });

  it("charges what was emulated beyond one instruction an exit", () => {
    expect(modelledCost(core2, run({ "#GP": 10 }, 0, 10)).parts.map(({ figure }) => figure)).toEqual(["fault", "work"]);
    expect(modelledCost(core2, run({ "#GP": 10 }, 0, 110)).parts.find(({ figure }) => figure === "emulated")).toEqual({ figure: "emulated", count: 100, cycles: 5000 });
  });

  it("gives seconds at the profile's clock, and stars what rests on an unverified figure", () => {
    const bare = modelledCost(core2, run({}, 2.66e9));
    expect([bare.seconds, bare.bareCycles, bare.starred]).toEqual([1, 2.66e9, true]);
    expect(modelledCost(costProfileOf("plex86")!, run({ "#GP": 3 })).starred).toBe(false);
    expect(modelledCost(costProfileOf("plex86")!, run({ "#GP": 3 })).cycles).toBe(3 * 980);
  });

  it("takes another figure, and leaves the profile as it was", () => {
    const edited = withFigure(core2, "fault", 1);
    expect(modelledCost(edited, run({ "#GP": 10 })).cycles).toBe(10 * 301);
    expect(core2.figures.fault.cycles).toBe(600);
    expect(edited.figures.fault.verified).toBe(true);
  });

  it("says of every figure where it comes from", () => {
    for (const profile of COST_PROFILES) for (const name of FIGURE_NAMES) expect(profile.figures[name].source).not.toBe("");
  });
});
