// A bundled guest under every technique, ring and switch that its expectation states: text, end, and the exact counts of
// each phase. The numbers of the phases are reasoned from the manual (guests/README.md), never copied from a run.
import { describe, expect, it } from "vitest";
import { guestExpectation, sum, type PhaseExpectation } from "./guest-expectations.ts";
import { calloutsOf, type Counted, type GuestRun, optionsOfKey, runGuest } from "./guest-run.ts";

type Table = Readonly<Record<string, number>>;
const without = (table: Table, names: readonly string[]): Table => Object.fromEntries(Object.entries(table).filter(([name]) => !names.includes(name)));

/** An interrupt may arrive within a phase of a guest that runs a timer; it stands under IRQ in both tables. */
function comparable(counts: Counted, expected: PhaseExpectation) {
  const { traps, leaks, observed } = counts;
  const unsure = expected.unsure ?? [];
  return {
    traps: { byInstruction: without(traps.byInstruction, ["IRQ"]), byReason: without(traps.byReason, ["IRQ"]) },
    leaks: { byInstruction: without(leaks.byInstruction, unsure) },
    ...(expected.observed ? { observed: { byInstruction: without(observed.byInstruction, unsure) } } : {}),
  };
}

function checkCounts(run: GuestRun, technique: string): void {
  const total = sum(run.traps.byInstruction);
  expect(sum(run.traps.byReason)).toBe(total);
  // Callouts are exits that nothing forced: they are no traps.
  expect(run.machine.cpu.exitCount).toBe(total + calloutsOf(run.machine));
  if (technique === "emulate") expect([total, sum(run.leaks.byInstruction)]).toEqual([0, 0]);
}

/** `chosen`: by the key of the expectation, "trap/1 umip=on". */
export function describeGuest(id: string, chosen: (key: string) => boolean = () => true): void {
  const expected = guestExpectation(id);
  describe(id, () => {
    it.each(Object.entries(expected.techniques).filter(([key]) => chosen(key)))("%s", (key, technique) => {
      const script = technique.script ?? expected.script;
      const run = runGuest(id, { ...optionsOfKey(key), ...(script ? { script } : {}), toEnd: technique.end !== undefined });
      const serial = technique.serial ?? (key === "emulate" ? expected.serial : undefined);
      if (serial !== undefined) expect(run.serial).toBe(serial);
      if (technique.end !== undefined) expect(run.end).toBe(technique.end);
      for (const [phase, counts] of Object.entries(technique.phases ?? {})) {
        const { unsure: _unsure, why: _why, ...numbers } = counts;
        expect(comparable(run.phases[phase]!, counts), `phase ${phase}`).toEqual(numbers);
      }
      if (technique.leaks) expect(run.leaks, "of the whole run").toEqual(technique.leaks);
      checkCounts(run, key);
    });
  });
}
