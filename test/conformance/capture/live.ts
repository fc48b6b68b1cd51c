// Live comparison: random cases, silicon against both back-ends, differences shrunk to the simplest case found.

import { createDecoded, createDecoder } from "../../../src/isa/decoder.ts";
import { disassemble } from "../../../src/isa/disassembler.ts";
import { ROWS } from "../../../src/isa/opcode-map/index.ts";
import type { Row } from "../../../src/isa/row.ts";
import { createPrng } from "../../support/prng.ts";
import { type Case, describeCase, hexBytes } from "./case.ts";
import { judge, type Prediction, predictIfSafe } from "./compare.ts";
import { type GeneratedCase, generateCase } from "./generator.ts";
import type { Silicon } from "./harness.ts";
import { descriptorOf, USER_DATA } from "./sandbox.ts";
import { SandboxMachine } from "./sandbox-machine.ts";
import { runsOnSilicon } from "./silicon-rows.ts";

const BATCH = 2048;
const SHOWN_PER_ROW = 2;

export interface LiveOptions {
  readonly cases: number;
  /** By `performance.now`. */
  readonly deadline: number;
  readonly seed: number;
  /** Only rows whose "opcode mnemonic operands" matches. */
  readonly rows: RegExp;
  /** Compare flags that the manual leaves undefined too. */
  readonly strict: boolean;
  readonly print: (line: string) => void;
}

export interface LiveResult {
  readonly cases: number;
  readonly skipped: number;
  readonly faults: number;
  readonly differences: number;
}

export function rowName(row: Row): string {
  return `${row.opcode} ${row.mnemonic} ${row.operands.join(" ")}`.trim();
}

interface Planned {
  readonly generated: GeneratedCase;
  readonly prediction: Prediction;
}

export async function compareLive(silicon: Silicon, options: LiveOptions): Promise<LiveResult> {
  const machine = new SandboxMachine();
  const rows = ROWS.filter((row) => runsOnSilicon(row) && options.rows.test(rowName(row)));
  if (rows.length === 0) throw new Error("no row matches");
  const random = createPrng(options.seed);
  const shown = new Map<Row, number>();
  const deviations = new Map<string, number>();
  let cases = 0, skipped = 0, faults = 0, differences = 0;

  const plan = (): Planned[] => {
    const planned: Planned[] = [];
    while (planned.length < BATCH) {
      const generated = generateCase(random.pick(rows), random.next());
      const prediction = predictIfSafe(machine, generated, silicon.occupied);
      if (prediction) planned.push({ generated, prediction });
      else skipped++;
    }
    return planned;
  };

  let planned = plan();
  while (cases < options.cases && performance.now() < options.deadline) {
    const running = silicon.run(planned.map(({ generated }) => generated));
    const next = plan();
    const outcomes = await running;
    for (const [n, { generated, prediction }] of planned.entries()) {
      const outcome = outcomes[n];
      if (!outcome) throw new Error("an outcome is missing");
      if (outcome.vector >= 0) faults++;
      const verdict = judge(generated.row, generated, outcome, prediction, options.strict);
      if (verdict.deviation !== null) deviations.set(verdict.deviation, (deviations.get(verdict.deviation) ?? 0) + 1);
      if (verdict.difference === "") continue;
      differences++;
      const count = (shown.get(generated.row) ?? 0) + 1;
      shown.set(generated.row, count);
      if (count <= SHOWN_PER_ROW) options.print(await report(silicon, machine, generated, options.strict));
    }
    cases += planned.length;
    planned = next;
  }
  const table = (title: string, counts: readonly (readonly [string, number])[]) => {
    if (counts.length > 0) options.print(title);
    for (const [name, count] of [...counts].sort((a, b) => b[1] - a[1])) options.print(`${String(count).padStart(8)} ${name}`);
  };
  table("known deviations of the silicon:", [...deviations]);
  table("differences:", [...shown].map(([row, count]) => [rowName(row), count]));
  return { cases, skipped, faults, differences };
}

async function report(silicon: Silicon, machine: SandboxMachine, failing: GeneratedCase, strict: boolean): Promise<string> {
  const judgeAnew = async (candidate: GeneratedCase): Promise<string> => {
    const prediction = predictIfSafe(machine, candidate, silicon.occupied);
    if (!prediction) return "";
    const [outcome] = await silicon.run([candidate]);
    return outcome ? judge(candidate.row, candidate, outcome, prediction, strict).difference : "";
  };
  const small = await shrink(failing, async (candidate) => (await judgeAnew(candidate)) !== "");
  return `${rowName(small.row)}\n${listCase(small)}\n${await judgeAnew(small)}\n`;
}

async function shrink(failing: GeneratedCase, fails: (candidate: GeneratedCase) => Promise<boolean>): Promise<GeneratedCase> {
  let best = failing;
  const attempt = async (change: Partial<Case>) => {
    const candidate = { ...best, ...change };
    if (await fails(candidate)) best = candidate;
  };
  for (const [n] of failing.memory.entries()) await attempt({ memory: best.memory.filter((patch) => patch !== failing.memory[n]) });
  const replaced = <T>(list: readonly T[], at: number, value: T) => list.map((old, n) => (n === at ? value : old));
  for (const n of [0, 3, 4, 5]) if (best.selectors[n] !== USER_DATA) await attempt({ selectors: replaced(best.selectors, n, USER_DATA) });
  await attempt({ eflags: 0x202 });
  for (let bit = 1; bit < 1 << 22; bit <<= 1) if (best.eflags & bit & ~0x202) await attempt({ eflags: best.eflags & ~bit });
  for (let n = 0; n < 8; n++) {
    if (best.registers[n] === 0) continue;
    const value = best.registers[n] as number;
    for (const simpler of [0, 1, value & 0xff, value & 0xffff]) {
      if (best.registers[n] === value && simpler !== value) await attempt({ registers: replaced(best.registers, n, simpler) });
    }
  }
  return best;
}

const decoder = createDecoder(ROWS);

export function listCase(c: Case): string {
  const decoded = createDecoded();
  const code32 = descriptorOf(c.selectors[1] as number)?.big === true;
  decoder.decodeBytes(Uint8Array.from(c.code), 0, c.code.length, code32, decoded);
  return `${hexBytes(c.code)}  ${disassemble(decoded, c.eip)}\n${describeCase(c)}`;
}
