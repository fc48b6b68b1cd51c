// What is foretold is what the matrix of guests (docs/matrix.json) says happened.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type TechniqueId, TECHNIQUES } from "../protocol/technique.ts";
import { predict, type Verdict } from "./prediction.ts";

interface Cell {
  readonly verdict: string;
  readonly leaks: number;
}
const matrix = JSON.parse(readFileSync("docs/matrix.json", "utf8")) as Readonly<Record<string, Readonly<Record<string, Cell>>>>;

function happened({ verdict, leaks }: Cell): Verdict {
  if (verdict === "refused") return "refuses";
  return verdict === "fails" || leaks > 0 ? "strays" : "runs";
}

describe("what is foretold of an unmodified system on a drive", () => {
  it.each(["debian", "memtest", "grub"])("is what %s did, under every technique", (guest) => {
    for (const technique of TECHNIQUES) expect(`${technique} ${predict(technique, {}, "drive", null).verdict}`).toBe(`${technique} ${happened(matrix[guest]![technique]!)}`);
  });
});

it("names what the guest has used of what would leak, the most used first, unless a switch closes it", () => {
  const seen = { PUSHF: 12, SGDT: 1300, CLI: 9, OUT: 5 };
  expect(predict("trap", {}, "linux", seen).text).toContain("SGDT 1,300 times, PUSHF 12 times.");
  expect(predict("trap", { umip: true }, "linux", seen).text).toContain("executed PUSHF 12 times.");
  expect(predict("trap", {}, "linux", { CLI: 9 }).text).not.toContain("So far");
});

it("follows the settings", () => {
  const verdict = (technique: TechniqueId, set: object) => predict(technique, set, "linux", null).verdict;
  expect([verdict("lite", {}), verdict("lite", { lite: "anyway" })]).toEqual(["refuses", "strays"]);
  expect([verdict("scan", {}), verdict("scan", { scan: "lax" })]).toEqual(["runs", "strays"]);
});
