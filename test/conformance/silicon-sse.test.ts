// Every MMX, SSE, SSE2 and SSE3 row against a real processor: vectors captured by capture/sse.c, on both back-ends. Registers, memory,
// MXCSR, the x87 state and faults are equal bit for bit; RCP and RSQRT have the relative error that the manual allows.
// TRAPSCOPE_SSE_VECTORS names another file of capture/sse.c, as it writes it, for other cases than the committed ones.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { createSseEvaluator, createSseInterpreter, parseSseVectors, type SseState, type SseVector } from "../support/sse-machine.ts";

/** Rows without vectors; their tests are beside their meanings. */
const ELSEWHERE = new Set("FXSAVE FXRSTOR MONITOR MWAIT FISTTP".split(" "));
const FEATURES = new Set(["mmx", "sse", "sse2", "sse3", "fxsr", "clflush", "monitor"]);
/** Of the manual for RCP and RSQRT; silicon and we may err in opposite directions. About the smallest normal number, zero is as right. */
const TOLERANCE = 2 * 1.5 * 2 ** -12, SMALLEST = 2 ** -126 * (1 + TOLERANCE);
const SHOWN = 3;

const given = process.env["TRAPSCOPE_SSE_VECTORS"];
const bytes = given ? readFileSync(given) : gunzipSync(readFileSync(new URL("vectors/sse.bin.gz", import.meta.url)));
const byRow = new Map<Row, SseVector[]>();
for (const vector of parseSseVectors(bytes)) {
  const group = byRow.get(vector.row);
  if (group) group.push(vector);
  else byRow.set(vector.row, [vector]);
}

function singles(value: bigint): number[] {
  return [0n, 1n, 2n, 3n].map((lane) => new Float32Array(Uint32Array.of(Number((value >> (lane * 32n)) & 0xffff_ffffn)).buffer)[0] as number);
}

function isNear(x: bigint, y: bigint): boolean {
  const right = singles(y);
  return singles(x).every((value, n) => {
    const other = right[n] as number;
    return Object.is(value, other) || (Number.isNaN(value) && Number.isNaN(other)) || Math.abs(value / other - 1) < TOLERANCE ||
      (Math.abs(value) <= SMALLEST && Math.abs(other) <= SMALLEST);
  });
}

function list(state: SseState): string {
  const hex = (value: number | bigint) => value.toString(16);
  return `mxcsr ${hex(state.mxcsr)} flags ${hex(state.flags)} status ${hex(state.status)} tags ${hex(state.tags)} fault ${state.fault} eax ${hex(state.eax)} ecx ${hex(state.ecx)} ` +
    `xmm ${state.xmm.map(hex).join(" ")} mm ${state.mm.map(hex).join(" ")} memory ${Buffer.from(state.memory).toString("hex")}`;
}

function difference({ row, after }: SseVector, got: SseState): string {
  const approximate = /^R(CP|SQRT)/.test(row.mnemonic) && got.xmm.every((value, n) => isNear(value, after.xmm[n]!));
  const compared = approximate ? { ...got, xmm: after.xmm } : got;
  return list(compared) === list(after) ? "" : `  got     ${list(got)}\n  silicon ${list(after)}`;
}

function failures(group: readonly SseVector[], run: (vector: SseVector) => SseState): string {
  const wrong: string[] = [];
  for (const vector of group) {
    const text = difference(vector, run(vector));
    if (text) wrong.push(`${Buffer.from(vector.code).toString("hex")}\n  before  ${list(vector.before)}\n${text}`);
  }
  return wrong.slice(0, SHOWN).join("\n");
}

const rows = ROWS.filter((row) => row.feature !== undefined && FEATURES.has(row.feature) && !ELSEWHERE.has(row.mnemonic));

describe.each([
  ["interpreter", createSseInterpreter(), 1],
  ["evaluator", createSseEvaluator(), 4],
] as const)("silicon and %s agree", (_name, run, every) => {
  it.each(rows.map((row) => [`${row.opcode} ${row.mnemonic}`, row] as const))("%s", (_text, row) => {
    const group = byRow.get(row) ?? [];
    expect(group.length).toBeGreaterThan(0);
    expect(failures(group.filter((_, n) => n % every === 0), run)).toBe("");
  });
});

describe("the vectors", () => {
  it("have every exception, masked and not, every rounding mode, and both flushings", () => {
    const all = [...byRow.values()].flat();
    for (let flag = 1; flag <= 0x20; flag <<= 1) {
      const raised = all.filter(({ before, after }) => after.mxcsr & ~before.mxcsr & flag);
      expect(raised.filter(({ after }) => after.fault === 19).length, `unmasked ${flag}`).toBeGreaterThan(0);
      expect(raised.filter(({ after }) => after.fault === 0).length, `masked ${flag}`).toBeGreaterThan(0);
    }
    expect(new Set(all.map(({ before }) => before.mxcsr & 0xe040)).size).toBe(16);
  });

  it("notice every part of a state", () => {
    const vector = byRow.get(rows.find(({ mnemonic }) => mnemonic === "ADDPS") as Row)![0] as SseVector;
    const { after } = vector;
    expect(difference(vector, after)).toBe("");
    const changes: readonly Partial<SseState>[] = [
      { mxcsr: after.mxcsr ^ 1 }, { flags: after.flags ^ 1 }, { status: after.status ^ 1 }, { tags: after.tags ^ 1 }, { fault: 1 }, { eax: after.eax ^ 1 }, { ecx: after.ecx ^ 1 },
      { xmm: [after.xmm[0]! ^ 1n, after.xmm[1]!] }, { mm: [after.mm[0]!, after.mm[1]! ^ 1n] }, { memory: after.memory.with(23, after.memory[23]! ^ 1) },
    ];
    for (const change of changes) expect(difference(vector, { ...after, ...change }), Object.keys(change).join()).not.toBe("");
  });
});
