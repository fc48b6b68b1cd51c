import { describe, expect, it } from "vitest";
import { isTechnique } from "../protocol/technique.ts";
import { stepsOf } from "./lab.ts";
import { labOf, LABS } from "./list.ts";

describe("the labs", () => {
  it("are found by number, whatever the case", () => {
    expect(labOf("l1")).toBe(LABS[0]);
    expect(labOf("L99")).toBeUndefined();
  });

  it.each(LABS.map((lab) => [lab.id, lab] as const))("%s names only what it has", (_id, lab) => {
    const steps = lab.steps.map(({ id }) => id);
    expect(new Set(steps).size).toBe(steps.length);
    for (const { technique } of lab.steps) expect(isTechnique(technique)).toBe(true);
    for (const check of lab.checks) for (const step of stepsOf(check)) expect(steps).toContain(step);
    const named = lab.checks.flatMap(({ id }) => (id === undefined ? [] : [id]));
    expect(new Set(named).size).toBe(named.length);
    for (const { choices, answer, shownBy } of lab.predict) {
      expect(choices[answer]).toBeDefined();
      expect(named).toContain(shownBy);
    }
  });

  it.each(LABS.map((lab) => [lab.id, lab] as const))("%s checks something of every step", (_id, lab) => {
    const checked = new Set(lab.checks.flatMap(stepsOf));
    expect(lab.steps.map(({ id }) => id).filter((id) => !checked.has(id))).toEqual([]);
  });
});
