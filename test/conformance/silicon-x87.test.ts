// Every x87 row that computes, against a real processor: vectors captured by capture/x87.c, on both back-ends. Results, status
// and tag words are equal bit for bit; of the transcendental functions a result may differ by one unit in the last place, and
// then C1, which tells where rounding went.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { createX87Evaluator, createX87Interpreter, parseVectors, type X87State, type X87Vector } from "../support/x87-machine.ts";

const TRANSCENDENTAL = new Set("F2XM1 FYL2X FYL2XP1 FSIN FCOS FSINCOS FPTAN FPATAN".split(" "));
/** Rows whose effect is on the environment, or nothing: their tests are beside their meanings. */
const ELSEWHERE = new Set("WAIT FLDENV FNSTENV FLDCW FNSTCW FRSTOR FNSAVE FNSTSW FNCLEX FNINIT FNENI FNDISI FNSETPM FXSAVE FXRSTOR".split(" "));
const PE = 0x20, STACK_FAULT = 0x40, C1 = 0x200;
const SHOWN = 3;

const vectors = parseVectors(gunzipSync(readFileSync(new URL("vectors/x87.bin.gz", import.meta.url))));
const byRow = new Map<Row, X87Vector[]>();
for (const vector of vectors) byRow.set(vector.row, [...(byRow.get(vector.row) ?? []), vector]);

/** A number whose neighbours are the next representable ones. */
function ordinal(value: bigint): bigint {
  const magnitude = (((value >> 64n) & 0x7fffn) << 63n) | (value & ((1n << 63n) - 1n));
  return value >> 79n ? -magnitude : magnitude;
}

function sameValue(x: bigint, y: bigint, tolerance: bigint): boolean {
  const distance = ordinal(x) - ordinal(y);
  return x === y || (distance <= tolerance && distance >= -tolerance);
}

function difference({ row, before, after }: X87Vector, got: X87State): string {
  const approximate = TRANSCENDENTAL.has(row.mnemonic);
  const statusMask = approximate && after.status & PE && !(after.status & ~before.status & STACK_FAULT) ? ~C1 : ~0;
  const parts: string[] = [];
  for (const part of ["control", "tags", "flags"] as const) if (got[part] !== after[part]) parts.push(`${part} ${got[part].toString(16)}, silicon ${after[part].toString(16)}`);
  if ((got.status ^ after.status) & statusMask) parts.push(`status ${got.status.toString(16)}, silicon ${after.status.toString(16)}`);
  after.st.forEach((value, n) => {
    if (!sameValue(value, got.st[n]!, approximate ? 1n : 0n)) parts.push(`st(${n}) ${got.st[n]!.toString(16)}, silicon ${value.toString(16)}`);
  });
  if (Buffer.compare(got.memory, after.memory)) parts.push(`memory ${Buffer.from(got.memory).toString("hex")}, silicon ${Buffer.from(after.memory).toString("hex")}`);
  return parts.join("; ");
}

function list({ code, before }: X87Vector): string {
  const st = before.st.map((value) => value.toString(16)).join(" ");
  return `${Buffer.from(code).toString("hex")} control ${before.control.toString(16)} status ${before.status.toString(16)} tags ${before.tags.toString(16)} st ${st} memory ${Buffer.from(before.memory).toString("hex")}`;
}

function failures(group: readonly X87Vector[], run: (vector: X87Vector) => X87State): string {
  const wrong: string[] = [];
  for (const vector of group) {
    const text = difference(vector, run(vector));
    if (text) wrong.push(`${list(vector)}\n  ${text}`);
  }
  return wrong.slice(0, SHOWN).join("\n");
}

const rows = ROWS.filter((row) => /^D[89A-F]/.test(row.opcode) && !ELSEWHERE.has(row.mnemonic));

describe.each([
  ["interpreter", createX87Interpreter(), 1],
  ["evaluator", createX87Evaluator(), 6],
] as const)("silicon and %s agree", (_name, run, every) => {
  it.each(rows.map((row) => [`${row.opcode} ${row.mnemonic}`, row] as const))("%s", (_text, row) => {
    const group = byRow.get(row) ?? [];
    expect(group.length).toBeGreaterThan(0);
    expect(failures(group.filter((_, n) => n % every === 0), run)).toBe("");
  });
});

describe("the comparison", () => {
  it("notices every part of a state", () => {
    const vector = vectors.find(({ row }) => row.mnemonic === "FADD") as X87Vector;
    const { after } = vector;
    expect(difference(vector, after)).toBe("");
    const changed: readonly Partial<X87State>[] = [
      { control: after.control ^ 1 }, { status: after.status ^ C1 }, { tags: after.tags ^ 1 }, { flags: after.flags ^ 1 },
      { st: after.st.with(7, after.st[7]! ^ 1n) }, { memory: after.memory.with(9, after.memory[9]! ^ 1) },
    ];
    for (const change of changed) expect(difference(vector, { ...after, ...change }), Object.keys(change).join()).not.toBe("");
  });
});
