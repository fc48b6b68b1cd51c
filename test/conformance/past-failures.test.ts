// Cases in which we once did otherwise than a real processor: each difference that a comparison with silicon found, shrunk
// (`npm run silicon -- --keep test/conformance/vectors/past-failures.jsonl` appends them), on the interpreter, the evaluating back-end and in translated regions.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { judge, predict } from "./capture/compare.ts";
import { listCase, rowName } from "./capture/live.ts";
import { SandboxMachine } from "./capture/sandbox-machine.ts";
import { readVector } from "./capture/vectors.ts";

const lines = readFileSync(new URL("vectors/past-failures.jsonl", import.meta.url), "utf8").trimEnd().split("\n");
const machine = new SandboxMachine(), translator = new SandboxMachine(true);
const cases = lines.map((line) => {
  const vector = readVector(line);
  return { ...vector, row: machine.announce(vector.case) ?? (ROWS[0] as Row) };
});

it.each(cases.map((each) => [rowName(each.row), each] as const))("%s does what silicon does", (_name, { row, case: c, outcome }) => {
  const { difference } = judge(row, c, outcome, predict(machine, c, true, translator));
  expect(difference && `${listCase(c)}\n${difference}`).toBe("");
});
