// Every lab says what happens under each technique that it names, exactly; all of it has to be so.
import { describe, expect, it } from "vitest";
import { totalOf } from "../../src/protocol/run-counts.ts";
import { LABS } from "../../src/labs/list.ts";
import { failures, runLab } from "./run-lab.ts";

describe.each(LABS.map((lab) => [lab.id, lab] as const))("%s", (_id, lab) => {
  it(lab.title, () => {
    const { results, checks } = runLab(lab);
    expect(failures(checks)).toEqual([]);
    for (const [step, { whole, exits }] of Object.entries(results)) {
      expect(totalOf(whole.traps.byReason), step).toBe(totalOf(whole.traps.byInstruction));
      expect(exits, step).toBe(totalOf(whole.traps.byInstruction) + totalOf(whole.callouts.byInstruction));
    }
    // Only what needs an image that is not there may be left out.
    const skipped = checks.filter(({ status }) => status === "skipped").length;
    if (lab.steps.every(({ guest }) => typeof guest === "string")) expect(skipped).toBe(0);
  });
});
