// The user-mode integer instructions against a real processor: golden vectors, captured by scripts/capture-vectors.mjs, on both back-ends.
// Flags that the manual leaves undefined do not count (capture/silicon-rows.ts).

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { EFLAGS_CF } from "../../src/isa/state-layout.ts";
import { COMPLETED, difference, type Outcome } from "./capture/case.ts";
import { needsRunLoop } from "./capture/compare.ts";
import { listCase, rowName } from "./capture/live.ts";
import { SandboxMachine } from "./capture/sandbox-machine.ts";
import { runsOnSilicon, undefinedFlags } from "./capture/silicon-rows.ts";
import { unpackVectors, type Vector } from "./capture/vectors.ts";

const SHOWN = 3;
const { vectors } = unpackVectors(readFileSync(new URL("vectors/integer.jsonl.gz", import.meta.url)));
const machine = new SandboxMachine();
const byRow = new Map<Row | null, Vector[]>();
for (const vector of vectors) {
  const row = machine.announce(vector.case);
  const group = byRow.get(row);
  if (group) group.push(vector);
  else byRow.set(row, [vector]);
}

/** What differs in the first few cases that do. */
function failures(group: readonly Vector[], run: (vector: Vector) => Outcome, mask: number): string {
  const wrong = group.map((vector) => [vector, difference(vector.outcome, run(vector), mask)] as const).filter(([, text]) => text !== "");
  return wrong.slice(0, SHOWN).map(([vector, text]) => `${listCase(vector.case)}\n${text}`).join("\n\n");
}

describe.each([
  ["evaluator", (vector: Vector) => (needsRunLoop(vector.case) ? vector.outcome : machine.runEvaluator(vector.case))],
  ["interpreter", (vector: Vector) => machine.runInterpreter(vector.case)],
] as const)("silicon and %s agree", (_name, run) => {
  it.each(ROWS.filter(runsOnSilicon).map((row) => [rowName(row), row] as const))("%s", (_text, row) => {
    const cases = byRow.get(row) ?? [];
    expect(cases.length).toBeGreaterThan(0);
    expect(failures(cases, run, undefinedFlags(row))).toBe("");
  });
  it("that some encodings are no instruction, or only the beginning of one", () => {
    expect(failures(byRow.get(null) ?? [], run, 0)).toBe("");
  });
});

describe("the comparison", () => {
  it("notices every part of an outcome", () => {
    const [vector] = vectors as [Vector];
    const { outcome } = vector;
    const changed: readonly Partial<Outcome>[] = [
      { vector: outcome.vector === COMPLETED ? 13 : COMPLETED }, { cr2: 4 }, { eip: outcome.eip + 1 }, { eflags: outcome.eflags ^ EFLAGS_CF },
      { registers: outcome.registers.with(7, 1) }, { selectors: outcome.selectors.with(0, 0) }, { changes: [{ address: 0x2000_0000, bytes: [1] }] },
    ];
    expect(difference(outcome, outcome, 0)).toBe("");
    for (const change of changed) expect(difference(outcome, { ...outcome, ...change }, 0), JSON.stringify(change)).not.toBe("");
  });
});
