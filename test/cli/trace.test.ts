import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

let trapscope: Trapscope;
beforeAll(() => {
  trapscope = openTrapscope();
});
afterAll(() => trapscope.close());

const LINE = /^ *(\d+) ([0-9a-f]{4}):([0-9a-f]{8}) ([0-9a-f]{8}) (real|v86 |pm16|pm32) ([0-3]) ([0-9a-f]{2,30}) +(\S.*)$/;

async function trace(args: readonly string[]): Promise<{ lines: string[]; instructions: number }> {
  const { instructions } = await trapscope.json(["run", "popf", "--trace=trace.txt", ...args]);
  const lines = readFileSync(join(trapscope.folder, "trace.txt"), "utf8").split("\n");
  expect(lines.pop()).toBe("");
  return { lines, instructions };
}

describe("--trace", () => {
  it.each(["emulate", "trap"])("writes every instruction once, in order, under %s", async (technique) => {
    const { lines, instructions } = await trace(["--technique", technique]);
    expect(lines.find((line) => !LINE.test(line))).toBe(undefined);
    // The instruction at which the run ends by port F4h, or a fault that is tried again, may be beside the count; nothing is missing.
    const counts = lines.map((line) => Number(LINE.exec(line)![1]));
    expect(counts[0]).toBe(0);
    expect(counts.every((count, i) => i === 0 || count - counts[i - 1]! <= 1)).toBe(true);
    expect(counts.at(-1)).toBe(instructions - 1);
    // The reset vector: SDM Vol. 3A, "First Instruction Executed".
    expect(lines[0]).toMatch(/^ +0 f000:0000fff0 fffffff0 real 0 /);
  });

  it("is narrowed by the trap log's language, and by ranges, at which other code runs at full speed", async () => {
    const all = await trace([]);
    const sector = await trace(["--trace-range", "7c00-7dff"]);
    expect(sector.lines).toEqual(all.lines.filter((line) => /^ *\d+ \S+ 00007[cd]/.test(line)));
    expect(sector.instructions).toBe(all.instructions);
    const outs = await trace(["--trace-filter", "insn == OUT and cpl == 0 and linear in 0xf0000..0xfffff"]);
    expect(outs.lines).toEqual(all.lines.filter((line) => / 000f[0-9a-f]{4} \S+ +0 \S+ +out /.test(line)));
    expect(outs.lines.length).toBeGreaterThan(10);
    const sensitive = await trace(["--trace-filter", "class == sensitive and mode == pm32"]);
    expect(sensitive.lines.some((line) => /popf/.test(line))).toBe(true);
    expect(sensitive.lines.some((line) => / (mov e[a-d]x|add|out|hlt)/.test(line))).toBe(false);
  });

  it("shows registers on request, and says what is wrong with its options", async () => {
    const { lines } = await trace(["--trace-range", "7c00-7c0f", "--trace-registers"]);
    expect(lines[0]).toMatch(/; eax=[0-9a-f]{8} ebx=.* eflags=[0-9a-f]{8}$/);
    for (const [args, message] of [
      [["--trace-registers"], "--trace is missing"], [["--trace", "--trace-filter", "action == emulate"], 'There is no field "action"'],
      [["--trace", "--trace-range", "9-1"], "two hexadecimal addresses"], [["--trace=/nowhere/x"], "cannot be written"],
    ] as const) {
      const { code, stderr } = await trapscope.run(["run", "popf", ...args]);
      expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    }
  });
});
