// Live comparison: random cases, silicon against the back-ends, differences shrunk to the simplest case found.
//
// Silicon works on a batch while ours plans the next one. A batch is one message each way; what costs is our side's bookkeeping about
// an instruction, so that millions of cases take minutes.

import { createDecoded, createDecoder } from "../../../src/isa/decoder.ts";
import { disassemble } from "../../../src/isa/disassembler.ts";
import { ROWS } from "../../../src/isa/opcode-map/index.ts";
import type { Row } from "../../../src/isa/row.ts";
import { createPrng } from "../../support/prng.ts";
import { type Case, describeCase, hexBytes } from "./case.ts";
import { judge, type Prediction, predictIfSafe } from "./compare.ts";
import { FLOAT_BYTES, INSTRUCTION, MXCSR_AT, OPCODE, ST, ST_BYTES, XMM, XMM_BYTES } from "./float-state.ts";
import { type GeneratedCase, generateCase } from "./generator.ts";
import type { Silicon } from "./harness.ts";
import { descriptorOf, USER_DATA } from "./sandbox.ts";
import { SandboxMachine } from "./sandbox-machine.ts";
import { knowsFloat, NOT_ON_SILICON, runsOnSilicon } from "./silicon-rows.ts";
import type { Vector } from "./vectors.ts";

const BATCH = 2048;
const SHOWN_PER_ROW = 2;

export interface LiveOptions {
  /** Of integer rows, and of x87, MMX and SSE rows. */
  readonly cases: number;
  readonly floatCases: number;
  /** Every how many cases run on the evaluating back-end, too. */
  readonly evaluatorEvery: number;
  /** Every how many cases run as a translated region, too; 0: none. */
  readonly translatedEvery: number;
  /** By `performance.now`. */
  readonly deadline: number;
  readonly seed: number;
  /** Only rows whose "opcode mnemonic operands" matches. */
  readonly rows: RegExp;
  /** Compare flags that the manual leaves undefined too. */
  readonly strict: boolean;
  readonly print: (line: string) => void;
  /** Takes a difference's simplest case with what silicon does. */
  readonly keep: (vector: Vector) => void;
}

export interface LiveResult {
  readonly cases: number;
  readonly floatCases: number;
  /** That ran as a region. */
  readonly translated: number;
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
  const translator = options.translatedEvery > 0 ? new SandboxMachine(true) : null;
  const chosen = ROWS.filter((row) => options.rows.test(rowName(row)));
  const integers = chosen.filter((row) => runsOnSilicon(row) && !knowsFloat(row)), floats = chosen.filter((row) => knowsFloat(row) && NOT_ON_SILICON[row.mnemonic] === undefined);
  if (integers.length + floats.length === 0) throw new Error("no row matches");
  const random = createPrng(options.seed);
  const shown = new Map<Row, number>();
  const deviations = new Map<string, number>();
  let left = integers.length > 0 ? options.cases : 0, floatsLeft = floats.length > 0 ? options.floatCases : 0;
  let cases = 0, floatCases = 0, translated = 0, skipped = 0, faults = 0, differences = 0, planned = 0;

  /** Rows by lot, in proportion to what is left of each kind. */
  const draw = (): Row => (left <= 0 || (floatsLeft > 0 && random.below(left + floatsLeft) < floatsLeft) ? random.pick(floats) : random.pick(integers));
  const plan = (): Planned[] => {
    const batch: Planned[] = [];
    const generated = Array.from({ length: Math.min(BATCH, Math.max(left, 0) + Math.max(floatsLeft, 0)) }, () => {
      const row = draw();
      if (knowsFloat(row)) floatsLeft--;
      else left--;
      return generateCase(row, random.next());
    });
    for (const c of generated) machine.announce(c);
    for (const c of generated) {
      planned++;
      const prediction = predictIfSafe(machine, c, silicon.occupied, planned % options.evaluatorEvery === 0, translator && planned % options.translatedEvery === 0 ? translator : null);
      if (prediction) batch.push({ generated: c, prediction });
      else {
        skipped++;
        if (c.float) floatsLeft++;
        else left++;
      }
    }
    return batch;
  };

  let batch = plan(), minutes = 0;
  const began = performance.now();
  while (batch.length > 0 && performance.now() < options.deadline) {
    const running = silicon.run(batch.map(({ generated }) => generated));
    const next = plan();
    const outcomes = await running;
    for (const [n, { generated, prediction }] of batch.entries()) {
      const outcome = outcomes[n];
      if (!outcome) throw new Error("an outcome is missing");
      if (generated.float) floatCases++;
      else cases++;
      if (outcome.vector >= 0) faults++;
      if (prediction.translated) translated++;
      const verdict = judge(generated.row, generated, outcome, prediction, options.strict);
      if (verdict.deviation !== null) deviations.set(verdict.deviation, (deviations.get(verdict.deviation) ?? 0) + 1);
      if (verdict.difference === "") continue;
      differences++;
      const count = (shown.get(generated.row) ?? 0) + 1;
      shown.set(generated.row, count);
      if (count <= SHOWN_PER_ROW) options.print(await report(silicon, machine, translator, generated, verdict.difference, options));
    }
    batch = next;
    if ((performance.now() - began) / 60_000 > minutes + 1) options.print(`minute ${++minutes}: ${cases} integer cases, ${floatCases} of x87, MMX and SSE, ${differences} differences`);
  }
  const table = (title: string, counts: readonly (readonly [string, number])[]) => {
    if (counts.length > 0) options.print(title);
    for (const [name, count] of [...counts].sort((a, b) => b[1] - a[1])) options.print(`${String(count).padStart(8)} ${name}`);
  };
  table("known deviations of the silicon:", [...deviations]);
  table("differences:", [...shown].map(([row, count]) => [rowName(row), count]));
  return { cases, floatCases, translated, skipped, faults, differences };
}

async function report(silicon: Silicon, machine: SandboxMachine, translator: SandboxMachine | null, failing: GeneratedCase, first: string, { strict, keep }: LiveOptions): Promise<string> {
  const judgeAnew = async (candidate: GeneratedCase): Promise<string> => {
    const prediction = predictIfSafe(machine, candidate, silicon.occupied, true, translator);
    if (!prediction) return "";
    const [outcome] = await silicon.run([candidate]);
    return outcome ? judge(candidate.row, candidate, outcome, prediction, strict).difference : "";
  };
  if ((await judgeAnew(failing)) === "") return `${rowName(failing.row)}\n${listCase(failing)}\n${first}\nwhich did not happen again\n`;
  const small = await shrink(failing, async (candidate) => (await judgeAnew(candidate)) !== "");
  const [outcome] = await silicon.run([small]);
  if (outcome) keep({ case: small, outcome });
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
  for (const [at, length, simplest] of FLOAT_PARTS) {
    if (!best.float) break;
    const simpler = best.float.slice();
    simpler.fill(0, at, at + length);
    new DataView(simpler.buffer).setUint32(at, simplest, true);
    if (Buffer.compare(simpler, best.float) !== 0) await attempt({ float: simpler });
  }
  return best;
}

/** What of a floating state may be simpler: where, how many bytes, and the simplest value. */
const FLOAT_PARTS: readonly (readonly [at: number, bytes: number, simplest: number])[] = [
  ...Array.from({ length: 8 }, (_, n) => [ST + n * ST_BYTES, ST_BYTES, 0] as const), ...Array.from({ length: 8 }, (_, n) => [XMM + n * XMM_BYTES, XMM_BYTES, 0] as const),
  ...Array.from({ length: (FLOAT_BYTES - XMM) / 4 }, (_, n) => [XMM + n * 4, 4, 0] as const),
  [INSTRUCTION, OPCODE + 4 - INSTRUCTION, 0], [MXCSR_AT, 4, 0x1f80],
];

const decoder = createDecoder(ROWS);

export function listCase(c: Case): string {
  const decoded = createDecoded();
  const code32 = descriptorOf(c.selectors[1] as number)?.big === true;
  decoder.decodeBytes(Uint8Array.from(c.code), 0, c.code.length, code32, decoded);
  return `${hexBytes(c.code)}  ${disassemble(decoded, c.eip)}\n${describeCase(c)}`;
}
