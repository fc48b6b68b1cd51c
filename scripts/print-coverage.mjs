// Prints docs/coverage.md: every opcode row and what tests it.
//   node scripts/print-coverage.mjs           writes
//   node scripts/print-coverage.mjs --check   compares; exit 1 where they differ
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { importTypeScript, root } from "./import-typescript.mjs";

const { printCoverage } = await importTypeScript("test/conformance/capture/coverage.ts");
const page = new URL("docs/coverage.md", root);
const text = printCoverage(root);
if (!process.argv.includes("--check")) writeFileSync(page, text);
else if (!existsSync(page) || readFileSync(page, "utf8") !== text) {
  console.error("docs/coverage.md is not what the rows say: node scripts/print-coverage.mjs");
  process.exitCode = 1;
}
