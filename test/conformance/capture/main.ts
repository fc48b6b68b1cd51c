// Command line of scripts/capture-vectors.mjs.

import { parseArgs } from "node:util";
import { buildHarness, Silicon } from "./harness.ts";
import { compareLive } from "./live.ts";

const USAGE = `usage: node scripts/capture-vectors.mjs [--cases N] [--seed N] [--rows REGEXP] [--strict]

Runs random instructions natively and on both back-ends, and prints where they differ. Needs Linux on an x86 and gcc -m32.
  --cases N      how many (100000)
  --seed N       another seed, other cases (1)
  --rows REGEXP  only rows whose "opcode mnemonic operands" matches
  --strict       compare flags that the manual leaves undefined too`;

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" }, seed: { type: "string", default: "1" }, rows: { type: "string", default: "" },
    strict: { type: "boolean", default: false }, help: { type: "boolean", default: false },
  },
});

export async function main(source: string): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const harness = buildHarness(source);
  const silicon = new Silicon(harness.program);
  try {
    await silicon.prepare();
    const begin = Date.now();
    const result = await compareLive(silicon, {
      cases: Number(values.cases), seed: Number(values.seed), rows: new RegExp(values.rows), strict: values.strict, print: (line) => console.log(line),
    });
    const seconds = (Date.now() - begin) / 1000;
    console.log(`${result.cases} cases in ${seconds.toFixed(1)} s, ${result.faults} of them faults; ${result.skipped} not run; ${result.differences} differences`);
    return result.differences === 0 ? 0 : 1;
  } finally {
    silicon.stop();
    harness.remove();
  }
}
