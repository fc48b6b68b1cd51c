// npm run conformance -- PATH: single-instruction cases of an 80286 against this processor. PATH: a .jsonl or .jsonl.gz file, or
// a folder of them. Exit code 1 when a case differs for a reason that is not on the list of scripts/conformance/single-step.mjs.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const CASE_FILE = /\.jsonl(\.gz)?$/;
const SHOWN = 20;

const [path] = process.argv.slice(2);
if (path === undefined) fail("give a file of cases, or a folder of them: npm run conformance -- PATH");
if (!existsSync(path)) {
  console.log(`conformance: skipped, ${path} is absent (single-instruction cases as JSON lines are wanted there)`);
  process.exit(0);
}
if (!existsSync(new URL("../dist/index.js", import.meta.url))) fail("dist/ is missing: run npm ci, or npm run prepare");
const { createMachine } = await import("trapscope");
const { EXPLAINED, MACHINE, runCases } = await import("./conformance/single-step.mjs");

const files = statSync(path).isDirectory() ? readdirSync(path).filter((name) => CASE_FILE.test(name)).map((name) => join(path, name)) : [path];
if (files.length === 0) fail(`${path} holds no .jsonl or .jsonl.gz file`);
const machine = await createMachine(MACHINE);
let unexplained = 0;
for (const file of files) {
  const byForm = new Map();
  const result = runCases(machine, readCases(file), (test, outcome) => byForm.set(test.f, [...(byForm.get(test.f) ?? []), { test, outcome }]));
  unexplained += result.unexplained;
  console.log(`${file}: ${result.cases} cases, ${result.passed} equal, ${result.cases - result.passed - result.unexplained} explained, ${result.unexplained} unexplained`);
  for (const { id, why } of EXPLAINED) if (result.explained.get(id) > 0) console.log(`  ${String(result.explained.get(id)).padStart(6)}  ${id}: ${why}`);
  for (const [form, cases] of [...byForm].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, SHOWN)) {
    const [{ test, outcome }] = cases;
    const what = outcome.differences.map(({ what, expected, actual }) => `${what} ${text(expected)}, here ${text(actual)}`).join("; ");
    console.log(`  unexplained: ${cases.length} of opcode ${form}, first ${test.bytes} ${test.name}: ${what}`);
  }
}
process.exitCode = unexplained > 0 ? 1 : 0;

function* readCases(file) {
  const bytes = readFileSync(file);
  for (const line of (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").split("\n")) if (line !== "") yield JSON.parse(line);
}

function text(value) {
  return typeof value === "number" ? value.toString(16) : String(value);
}

function fail(message) {
  console.error(`conformance: ${message}`);
  process.exit(1);
}
