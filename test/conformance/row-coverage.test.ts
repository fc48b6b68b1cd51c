// Every opcode row has a test: vectors from silicon in which it completes, or a test named in capture/coverage.ts.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import { coverRows, isCovered, NAMED_TESTS } from "./capture/coverage.ts";
import { rowName } from "./capture/live.ts";
import { runsOnSilicon } from "./capture/silicon-rows.ts";

const root = new URL("../../", import.meta.url);
const coverages = coverRows(root);

describe("opcode rows", () => {
  it("have a test each", () => {
    expect(coverages.length).toBe(ROWS.length);
    expect(coverages.filter((coverage) => !isCovered(coverage)).map(({ row }) => rowName(row))).toEqual([]);
  });

  it("of user-mode integer instructions have vectors from silicon", () => {
    expect(coverages.filter(({ row, vectors }) => runsOnSilicon(row) && vectors === 0).map(({ row }) => rowName(row))).toEqual([]);
  });

  it("count as untested without vectors and without a named test", () => {
    const [first] = coverages;
    if (!first) throw new Error("no rows");
    const bare = { ...first, vectors: 0, completed: 0, file: null, onlyFaults: null };
    expect(isCovered(bare)).toBe(false);
    expect(isCovered({ ...bare, vectors: 5 })).toBe(false);
    expect(isCovered({ ...bare, vectors: 5, completed: 1 })).toBe(true);
  });

  it.each(NAMED_TESTS.map((named) => [named.file, named] as const))("%s tests what it is named for", (file, named) => {
    expect(readFileSync(new URL(file, root), "utf8")).toContain("expect(");
    for (const mnemonic of named.mnemonics) {
      const rows = coverages.filter(({ row }) => row.mnemonic === mnemonic && (named.operand === undefined || row.operands.some((code) => named.operand?.test(code))));
      expect(rows.filter((coverage) => coverage.file !== file).map(({ row }) => rowName(row)), mnemonic).toEqual([]);
      expect(rows.length, mnemonic).toBeGreaterThan(0);
    }
  });
});
