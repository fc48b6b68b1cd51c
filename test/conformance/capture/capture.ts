// Captures the committed vectors: for every row and kind of encoding some cases, most of which complete, each reduced to the
// registers that matter to it.

import { ROWS } from "../../../src/isa/opcode-map/index.ts";
import type { Row } from "../../../src/isa/row.ts";
import { COMPLETED, difference, type Outcome } from "./case.ts";
import { judge, predictIfSafe } from "./compare.ts";
import { type GeneratedCase, generateCase } from "./generator.ts";
import type { Silicon } from "./harness.ts";
import { listCase, rowName } from "./live.ts";
import { SandboxMachine } from "./sandbox-machine.ts";
import { runsOnSilicon } from "./silicon-rows.ts";
import { DEFAULT_REGISTERS, type Vector, writeVector } from "./vectors.ts";

/** Cases of one kind of encoding, and how many of them may fault if others complete. */
const PER_FORM = 8, FAULTS_PER_FORM = 2;
const CANDIDATES = 1200;

export async function captureVectors(silicon: Silicon, seed: number, print: (line: string) => void): Promise<Vector[]> {
  const machine = new SandboxMachine();
  const vectors: Vector[] = [];
  for (const row of ROWS.filter(runsOnSilicon)) {
    const selected = await select(silicon, machine, row, seed, print);
    const reduced = await reduce(silicon, machine, selected);
    const seen = new Set<string>();
    for (const vector of reduced) {
      const line = writeVector(vector);
      if (!seen.has(line)) vectors.push(vector);
      seen.add(line);
    }
  }
  return vectors;
}

interface Selected {
  readonly case: GeneratedCase;
  readonly outcome: Outcome;
}

async function select(silicon: Silicon, machine: SandboxMachine, row: Row, seed: number, print: (line: string) => void): Promise<Selected[]> {
  const candidates = Array.from({ length: CANDIDATES }, (_, n) => generateCase(row, Math.imul(seed, 0x9e37_79b1) ^ Math.imul(row.index + 1, 0x85eb_ca6b) ^ n))
    .map((c) => ({ case: c, prediction: predictIfSafe(machine, c, silicon.occupied) }))
    .flatMap(({ case: c, prediction }) => (prediction ? [{ case: c, prediction }] : []));
  const outcomes = await silicon.run(candidates.map(({ case: c }) => c));
  const completes = outcomes.some(({ vector }) => vector === COMPLETED);
  const counts = new Map<string, { all: number; faults: number }>();
  const selected: Selected[] = [];
  for (const [n, { case: c, prediction }] of candidates.entries()) {
    const outcome = outcomes[n] as Outcome;
    const count = counts.get(c.form) ?? { all: 0, faults: 0 };
    const isFault = outcome.vector !== COMPLETED;
    if (count.all === (completes ? PER_FORM : FAULTS_PER_FORM) || (isFault && count.faults === FAULTS_PER_FORM)) continue;
    const verdict = judge(row, c, outcome, prediction);
    if (verdict.deviation !== null) continue;
    if (verdict.difference !== "") print(`${rowName(row)}\n${listCase(c)}\n${verdict.difference}\n`);
    counts.set(c.form, { all: count.all + 1, faults: count.faults + (isFault ? 1 : 0) });
    selected.push({ case: c, outcome });
  }
  return selected;
}

/** Gives each register its usual value where nothing but the register itself is another one for it. */
async function reduce(silicon: Silicon, machine: SandboxMachine, selected: readonly Selected[]): Promise<Vector[]> {
  const best = [...selected];
  for (let register = 0; register < 8; register++) {
    const usual = DEFAULT_REGISTERS[register] as number;
    const tries = best.flatMap((before, n) => {
      const c = { ...before.case, registers: before.case.registers.with(register, usual) };
      const prediction = predictIfSafe(machine, c, silicon.occupied);
      return prediction ? [{ before, n, case: c, prediction }] : [];
    });
    const outcomes = await silicon.run(tries.map(({ case: c }) => c));
    for (const [at, { before, n, case: c, prediction }] of tries.entries()) {
      const outcome = outcomes[at] as Outcome;
      const value = before.outcome.registers[register] as number;
      const untouched = outcome.registers[register] === usual && value === before.case.registers[register];
      const comparable = untouched ? { ...outcome, registers: outcome.registers.with(register, value) } : outcome;
      if (difference(before.outcome, comparable, 0) === "" && judge(c.row, c, outcome, prediction).deviation === null) best[n] = { case: c, outcome };
    }
  }
  return best;
}
