// Every instruction of a real-mode 80286, as silicon did it, but for a listed and explained set. The cases are not part of
// the project: TRAPSCOPE_VECTORS names their folder.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type CaseOutcome, EXPLAINED, MACHINE, runCase, runCases, type SingleStepCase } from "../../scripts/conformance/single-step.mjs";
import { createMachine } from "../../src/index.ts";

const folder = process.env.TRAPSCOPE_VECTORS ?? fileURLToPath(new URL("../../../shared/vectors", import.meta.url));
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".jsonl.gz")) : [];
if (files.length === 0) console.log(`skipped: no 80286 cases in ${folder} (TRAPSCOPE_VECTORS names their folder)`);

/** ADD AX,1 behind which HLT stands, at 1000:0100. */
function addOne(ax: number, flags: number): SingleStepCase {
  const ram = [0x05, 0x01, 0x00, 0xf4].map((byte, i) => [0x1_0100 + i, byte] as const);
  const regs = { ax: 0x7fff, bx: 0, cx: 0, dx: 0, sp: 0x100, bp: 0, si: 0, di: 0, cs: 0x1000, ss: 0x2000, ds: 0x3000, es: 0x4000, ip: 0x100, flags: 0 };
  return { f: "05", name: "add ax,1", bytes: "050100f4", init: { regs, ram }, final: { regs: { ax, flags, ip: 0x104 }, ram: [] }, exc: null };
}

describe("80286 single-instruction cases", () => {
  it("passes a case that is right and sees what is wrong in one that is not", async () => {
    const machine = await createMachine(MACHINE);
    expect(runCase(machine, addOne(0x8000, 0x0896)).differences).toEqual([]);
    expect(runCase(machine, addOne(0x8001, 0x0096)).differences).toEqual([
      { what: "ax", expected: 0x8001, actual: 0x8000 },
      { what: "flags", expected: 0x0096, actual: 0x0896 },
    ]);
  });

  it.skipIf(files.length === 0)("agrees with the chip on the sample, the explained set apart", async () => {
    const machine = await createMachine(MACHINE);
    for (const file of files) {
      const lines = gunzipSync(readFileSync(`${folder}/${file}`)).toString("utf8").split("\n").filter((line) => line !== "");
      const unexplained: string[] = [];
      const note = (test: SingleStepCase, { differences }: CaseOutcome): void => {
        unexplained.push(`${test.bytes} ${test.name}: ${differences.map(({ what }) => what).join(" ")}`);
      };
      const result = runCases(machine, lines.map((line) => JSON.parse(line) as SingleStepCase), note);
      expect(unexplained).toEqual([]);
      expect(result.passed).toBeGreaterThan(result.cases * 0.97);
      console.log(`${file}: ${result.cases} cases, ${result.passed} equal; ${EXPLAINED.map(({ id }) => `${id} ${result.explained.get(id)}`).join(", ")}`);
    }
  });
});
