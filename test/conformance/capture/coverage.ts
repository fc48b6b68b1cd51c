// What tests each opcode row: vectors captured from silicon, or a test that is named here. Printed as docs/coverage.md, enforced by
// row-coverage.test.ts.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { createDecoded, createDecoder } from "../../../src/isa/decoder.ts";
import { ROWS } from "../../../src/isa/opcode-map/index.ts";
import { MMX_ROWS } from "../../../src/isa/opcode-map/mmx.ts";
import { SSE_ROWS } from "../../../src/isa/opcode-map/sse.ts";
import type { Row } from "../../../src/isa/row.ts";
import { CS } from "../../../src/isa/state-layout.ts";
import { parseSseVectors } from "../../support/sse-machine.ts";
import { parseVectors } from "../../support/x87-machine.ts";
import { COMPLETED } from "./case.ts";
import { descriptorOf } from "./sandbox.ts";
import { NOT_ON_SILICON, UNDEFINED_FLAGS } from "./silicon-rows.ts";
import { unpackVectors } from "./vectors.ts";

interface NamedTest {
  readonly mnemonics: readonly string[];
  readonly file: string;
  /** What the file must contain: each mnemonic, or the row's opcode bytes as in "0F 32". */
  readonly mentions: "mnemonic" | "opcode";
  /** Only rows with this operand. */
  readonly operand?: RegExp;
}

const INTEGER_VECTORS = "test/conformance/vectors/integer.jsonl.gz", X87_VECTORS = "test/conformance/vectors/x87.bin.gz", SSE_VECTORS = "test/conformance/vectors/sse.bin.gz";
const SYSTEM = "src/isa/semantics/system.test.ts";

/** Tests of what silicon does not do in user mode, or for its host alone. */
export const NAMED_TESTS: readonly NamedTest[] = [
  { mnemonics: ["HLT", "CLTS", "INVD", "WBINVD", "CPUID", "RDTSC", "RDPMC", "RDMSR", "WRMSR", "SYSENTER", "SYSEXIT", "CLI", "STI", "MONITOR", "MWAIT"], file: SYSTEM, mentions: "opcode" },
  { mnemonics: ["MOV"], operand: /^[CD]d$/, file: SYSTEM, mentions: "opcode" },
  { mnemonics: ["SGDT", "SIDT", "LGDT", "LIDT", "SLDT", "STR", "SMSW", "LLDT", "LTR", "LMSW", "INVLPG", "IN", "OUT"], file: SYSTEM, mentions: "mnemonic" },
  { mnemonics: ["INS", "OUTS"], file: "src/isa/semantics/string.test.ts", mentions: "mnemonic" },
  { mnemonics: ["INT", "INT3", "INT1"], file: "src/cpu/exceptions.test.ts", mentions: "mnemonic" },
  { mnemonics: ["FLDCW", "FNSTCW", "FNSTSW", "FNCLEX", "FNINIT"], file: "src/isa/semantics/x87-control.test.ts", mentions: "mnemonic" },
  { mnemonics: ["FLDENV", "FNSTENV", "FRSTOR", "FNSAVE", "FXSAVE", "FXRSTOR"], file: "src/isa/semantics/x87-environment.test.ts", mentions: "mnemonic" },
];

/** Rows that do nothing but fault, in every ring. */
const ONLY_FAULTS: Readonly<Record<string, string>> = { UD0: "undefined for good", UD1: "undefined for good", UD2: "undefined for good", "MOV Td": "the test registers ended with the 486" };

export interface RowCoverage {
  readonly row: Row;
  /** Vectors of silicon-integer.test.ts, silicon-x87.test.ts or silicon-sse.test.ts, and how many of them complete. */
  readonly vectors: number;
  readonly completed: number;
  /** Where a named test is, which contains what it should. */
  readonly file: string | null;
  /** Why vectors that all fault are enough, or null. */
  readonly onlyFaults: string | null;
}

export function isCovered(coverage: RowCoverage): boolean {
  return coverage.completed > 0 || coverage.file !== null || (coverage.vectors > 0 && coverage.onlyFaults !== null);
}

/** "0F01 /2 mem" as "0F 01", "DB E0" as it is. */
function opcodeBytes(row: Row): string {
  const [bytes = "", second = ""] = row.opcode.split(" ");
  return [...(bytes.match(/../g) ?? []), ...(/^[0-9A-F]{2}$/.test(second) ? [second] : [])].join(" ");
}

function contains(text: string, words: string): boolean {
  return new RegExp(`(^|[^0-9A-Za-z])${words}([^0-9A-Za-z]|$)`, "m").test(text);
}

/** `root`: the folder of package.json, as a URL. */
export function coverRows(root: URL): RowCoverage[] {
  const texts = new Map<string, string>();
  const textOf = (file: string) => {
    const text = texts.get(file) ?? readFileSync(new URL(file, root), "utf8");
    texts.set(file, text);
    return text;
  };
  const counts = new Map<Row, { vectors: number; completed: number }>();
  const count = (row: Row, completed: boolean) => {
    const old = counts.get(row) ?? { vectors: 0, completed: 0 };
    counts.set(row, { vectors: old.vectors + 1, completed: old.completed + (completed ? 1 : 0) });
  };
  const decoder = createDecoder(ROWS), decoded = createDecoded();
  for (const { case: c, outcome } of unpackVectors(readFileSync(new URL(INTEGER_VECTORS, root))).vectors) {
    decoder.decodeBytes(Uint8Array.from(c.code), 0, c.code.length, descriptorOf(c.selectors[CS] as number)?.big === true, decoded);
    if (decoded.row) count(decoded.row, outcome.vector === COMPLETED);
  }
  for (const { row } of parseVectors(gunzipSync(readFileSync(new URL(X87_VECTORS, root))))) count(row, true);
  for (const { row, after } of parseSseVectors(gunzipSync(readFileSync(new URL(SSE_VECTORS, root))))) count(row, after.fault === 0);
  return ROWS.map((row) => {
    const named = NAMED_TESTS.find(({ mnemonics, operand, file, mentions }) => mnemonics.includes(row.mnemonic) &&
      (operand === undefined || row.operands.some((code) => operand.test(code))) && contains(textOf(file), mentions === "mnemonic" ? row.mnemonic : opcodeBytes(row)));
    const { vectors, completed } = counts.get(row) ?? { vectors: 0, completed: 0 };
    const onlyFaults = ONLY_FAULTS[row.operands.includes("Td") ? `${row.mnemonic} Td` : row.mnemonic] ?? null;
    return { row, vectors, completed, file: named?.file ?? null, onlyFaults };
  });
}

const PARTS: readonly (readonly [string, (row: Row) => boolean])[] = [
  ["One-byte opcodes", (row) => /^(F3)?[0-9A-F]{2}$/.test(row.opcode) && !row.opcode.startsWith("0F")],
  ["MMX and packed integers", (row) => MMX_ROWS.some(({ opcode }) => opcode === row.opcode)],
  ["SSE, SSE2, SSE3", (row) => SSE_ROWS.some(({ opcode }) => opcode === row.opcode)],
  ["Groups", (row) => / \/\d/.test(row.opcode) && !/^D[89A-F]/.test(row.opcode)],
  ["x87", (row) => /^D[89A-F]/.test(row.opcode)],
  ["Two-byte opcodes", () => true],
];

/** The page docs/coverage.md. */
export function printCoverage(root: URL): string {
  const coverages = coverRows(root);
  const { processor } = unpackVectors(readFileSync(new URL(INTEGER_VECTORS, root)));
  const lines = [
    "# What tests each opcode row", "",
    "Printed from the opcode rows by `node scripts/print-coverage.mjs`; `test/conformance/row-coverage.test.ts` fails where a row has no test.", "",
    `Vectors are cases whose outcome was captured from a real processor (${processor}); "complete" counts those that do not fault. Both back-ends run`,
    "them all in `npm test` ([format](../test/conformance/vectors/README.md)). Random cases without end: `npm run silicon -- --cases N`.",
    "The longest run so far: 10,000,000 cases of integer instructions and 2,000,000 of x87, MMX and SSE ones, 3,169,295 of them faults, seed 2026, 38 minutes on a shared core",
    "(11 minutes of processor time on our side): no difference but in undefined flags and what `test/conformance/capture/deviations.ts` names.",
    "Instructions that the translator holds run as part of a region, too: 407,848 of 505,759 random cases in a run of 20 minutes (seed 4711, 6 minutes of processor time), with no difference.",
    "Every row that computes is also run by `test/conformance/backends-agree.test.ts` in random programs.", "",
    `${coverages.length} rows, ${coverages.filter(({ completed }) => completed > 0).length} of them with vectors that complete, ${coverages.reduce((sum, { vectors }) => sum + vectors, 0)} vectors.`, "",
  ];
  const left = new Set(coverages);
  for (const [title, belongs] of PARTS) {
    const part = [...left].filter(({ row }) => belongs(row));
    if (part.length === 0) continue;
    lines.push(`## ${title}`, "", "| opcode | instruction | vectors | complete | tested by |", "|---|---|---:|---:|---|");
    for (const coverage of part) {
      const { row, vectors, completed } = coverage;
      lines.push(`| \`${row.opcode}\` | ${[row.mnemonic, row.operands.join(", ")].join(" ").trim()} | ${vectors} | ${completed} | ${status(coverage)} |`);
      left.delete(coverage);
    }
    lines.push("");
  }
  lines.push("## Flags that do not count", "", "Undefined by the manual after these instructions:", "");
  for (const { mnemonics, why } of UNDEFINED_FLAGS) lines.push(`- ${mnemonics.join(", ")}: ${why}`);
  lines.push("", "## Not run on silicon", "");
  for (const [mnemonic, why] of Object.entries(NOT_ON_SILICON)) lines.push(`- ${mnemonic}: ${why}`);
  return `${lines.join("\n")}\n`;
}

function status(coverage: RowCoverage): string {
  const { completed, vectors, file, onlyFaults } = coverage;
  const parts: string[] = [];
  if (completed > 0) parts.push("silicon");
  else if (vectors > 0) parts.push(onlyFaults === null ? "silicon (refused in user mode)" : `silicon (${onlyFaults})`);
  if (file !== null) parts.push(`\`${file}\``);
  return parts.length === 0 ? "**nothing**" : parts.join(", ");
}
