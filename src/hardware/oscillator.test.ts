import { expect, it } from "vitest";
import { Oscillator } from "./oscillator.ts";

it("counts whole cycles without drift over 100 days", () => {
  const pit = new Oscillator(1193182);
  expect(pit.cyclesAt(0)).toBe(0);
  expect(pit.cyclesAt(838)).toBe(0);
  expect(pit.cyclesAt(839)).toBe(1);
  expect(pit.cyclesAt(86_400e9 * 100)).toBe(86_400 * 100 * 1193182);
});

it("finds the first nanosecond of a cycle", () => {
  for (const hz of [1193182, 3579545, 32768]) {
    const crystal = new Oscillator(hz);
    for (const cycle of [1, 2, 17, hz - 1, hz, hz + 1, 86_400 * 100 * hz + 12345]) {
      expect(crystal.cyclesAt(crystal.nsOf(cycle))).toBe(cycle);
      expect(crystal.cyclesAt(crystal.nsOf(cycle) - 1)).toBe(cycle - 1);
    }
  }
});
