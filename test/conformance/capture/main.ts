// Command line of scripts/capture-vectors.mjs.

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { captureVectors } from "./capture.ts";
import { buildHarness, Silicon } from "./harness.ts";
import { compareLive } from "./live.ts";
import { packVectors, writeVector } from "./vectors.ts";

const USAGE = `usage: node scripts/capture-vectors.mjs [--cases N [--float N]|--seconds N] [--evaluator N] [--translator N] [--seed N] [--keep FILE] [--rows REGEXP] [--strict]
       node scripts/capture-vectors.mjs --write FILE [--seed N]

Runs random instructions natively and on the back-ends, and prints where they differ. Needs Linux on an x86 and gcc -m32.
  --cases N      how many of integer instructions (100000)
  --float N      how many of x87, MMX and SSE instructions (a fifth of that)
  --seconds N    for so long instead
  --evaluator N  every how many cases run on the evaluating back-end besides the interpreter (1)
  --translator N every how many cases run as a translated region, too (16; 0: none)
  --seed N       another seed, other cases (1)
  --rows REGEXP  only rows whose "opcode mnemonic operands" matches
  --strict       compare flags that the manual leaves undefined too
  --keep FILE    append the simplest case of each difference, as a line of past-failures.jsonl
  --write FILE   capture the golden vectors instead`;

/** "AuthenticAMD family 25 model 17". */
function processorName(): string {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(info)?.[1] ?? "unknown";
  return `${field("vendor_id")} family ${field("cpu family")} model ${field("model")}`;
}

export async function main(source: string): Promise<number> {
  const { values } = parseArgs({
    options: {
      cases: { type: "string" }, float: { type: "string" }, evaluator: { type: "string", default: "1" }, translator: { type: "string", default: "16" }, keep: { type: "string" }, seconds: { type: "string" }, seed: { type: "string", default: "1" }, rows: { type: "string", default: "" },
      strict: { type: "boolean", default: false }, write: { type: "string" }, help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = Number(values.seed);
  const print = (line: string) => console.log(line);
  const harness = buildHarness(source);
  const silicon = new Silicon(harness.program);
  try {
    await silicon.prepare();
    if (values.write !== undefined) {
      const vectors = await captureVectors(silicon, seed, print);
      const packed = packVectors(processorName(), vectors);
      writeFileSync(values.write, packed);
      console.log(`${vectors.length} vectors, ${packed.length} bytes`);
      return 0;
    }
    const begin = Date.now();
    const cases = Number(values.cases ?? (values.seconds === undefined ? 100_000 : 2 ** 31));
    const result = await compareLive(silicon, {
      cases, floatCases: Number(values.float ?? Math.round(cases / 5)), evaluatorEvery: Number(values.evaluator), translatedEvery: Number(values.translator),
      deadline: values.seconds === undefined ? Infinity : performance.now() + Number(values.seconds) * 1000,
      seed, rows: new RegExp(values.rows), strict: values.strict, print,
      keep: (vector) => void (values.keep !== undefined && appendFileSync(values.keep, `${writeVector(vector)}\n`)),
    });
    const seconds = (Date.now() - begin) / 1000, cpu = process.cpuUsage();
    console.log(`${result.cases} integer cases and ${result.floatCases} of x87, MMX and SSE in ${seconds.toFixed(1)} s (processor time of our side ${((cpu.user + cpu.system) / 1e6).toFixed(0)} s), ` +
      `${result.faults} of them faults; ${result.translated} also in translated regions; ${result.skipped} not run; ${result.differences} differences; seed ${seed}; ${processorName()}`);
    return result.differences === 0 ? 0 : 1;
  } finally {
    silicon.stop();
    harness.remove();
  }
}
