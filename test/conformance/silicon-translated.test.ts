// The golden vectors of the user-mode integer instructions in translated regions: each as the second instruction of one that is made for it.
// Live, with x87, MMX and SSE: `npm run silicon -- --translator 1`. TRAPSCOPE_TRANSLATED_EVERY takes every so many vectors.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { difference } from "./capture/case.ts";
import { listCase, rowName } from "./capture/live.ts";
import { LEAD_IN, SandboxMachine } from "./capture/sandbox-machine.ts";
import { undefinedFlags } from "./capture/silicon-rows.ts";
import { unpackVectors } from "./capture/vectors.ts";

const EVERY = Number(process.env["TRAPSCOPE_TRANSLATED_EVERY"] ?? 4);
const SHOWN = 3;
/** Sensitive ones, repetitions, selectors and the ways into handlers are left to the interpreter; the rest of the rows is translated. */
const TRANSLATED_SHARE = 0.6;

it("silicon and translated regions agree", { timeout: 600_000 }, () => {
  const { vectors } = unpackVectors(readFileSync(new URL("vectors/integer.jsonl.gz", import.meta.url)));
  const plain = new SandboxMachine(), machine = new SandboxMachine(true);
  const wrong: string[] = [];
  let translated = 0, run = 0;
  for (let n = 0; n < vectors.length; n += EVERY) {
    const { case: c, outcome } = vectors[n]!;
    const row = plain.announce(c), ours = machine.runTranslated(c);
    run++;
    if (row === null || ours === null) continue;
    translated++;
    const text = difference(outcome, ours, undefinedFlags(row));
    // What reads the code before it finds the lead-in there.
    if (text !== "" && difference(outcome, plain.runInterpreter(c, LEAD_IN), undefinedFlags(row)) === "") wrong.push(`${rowName(row)}\n${listCase(c)}\n${text}`);
  }
  expect(wrong.slice(0, SHOWN).join("\n\n")).toBe("");
  expect(translated).toBeGreaterThan(run * TRANSLATED_SHARE);
});
