// `trapscope diff`: exit codes, the line of JSON, and what a person reads.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
});
afterAll(() => cli.close());

const SMALL = ["--memory", "16M"];

describe("trapscope diff", () => {
  it("ends with 5 at the first instruction after which the two differ", async () => {
    const { code, stdout } = await cli.run(["diff", "tables", "--a", "emulate", "--b", "trap/3", ...SMALL, "--json"]);
    const line = JSON.parse(stdout) as Record<string, unknown>;
    expect(code).toBe(5);
    expect(line).toMatchObject({
      version: 1, outcome: "divergence", exitCode: 5, a: "emulate", b: "trap/3",
      divergence: { cs: 8, differences: [{ a: 0x7d30_0037 }], text: expect.stringMatching(/^sgdt /), bytes: expect.stringMatching(/^0f0105/) },
    });
  });

  it("says it in words too, with the registers in hexadecimal and where the ways part", async () => {
    const { stdout } = await cli.run(["diff", "irqsave", "--b", "trap", ...SMALL]);
    expect(stdout).toMatch(/^emulate and trap\/1 differ after \d+ instructions, at 0008:[0-9a-f]{8}: popfd \(9d\)\n {2}EFLAGS +emulate [0-9a-f]{8} {3}trap\/1 [0-9a-f]{8}\n/);
    expect(stdout).toContain("They go different ways after");
  });

  it("takes nothing that int3 has planted for the guest's, and names the instruction that reads it", async () => {
    expect((await cli.run(["diff", "irqsave", "--b", "int3", ...SMALL])).code).toBe(0);
    const { code, stdout } = await cli.run(["diff", "int3", "--b", "int3", ...SMALL, "--json"]);
    const { divergence } = JSON.parse(stdout) as { divergence: { icount: number; text: string; differences: unknown } };
    const run = JSON.parse((await cli.run(["run", "int3", "--technique", "int3", ...SMALL, "--json"])).stdout) as { leaks: { first: object } };
    expect(code).toBe(5);
    // The byte is the 66 of a PUSHF whose 9C stands on the next page.
    expect(divergence).toMatchObject({ text: "mov al,[0x60fff]", differences: [{ what: "EAX" }] });
    expect(run.leaks.first).toMatchObject({ instruction: "MOV", icount: divergence.icount, observed: 0xcc, expected: 0x66 });
  });

  it("ends with 0 where there is no difference, and at the limit that is asked for", async () => {
    expect((await cli.run(["diff", "tables", "--b", "trap", "--set", "umip=on", ...SMALL])).code).toBe(0);
    const { code, stdout } = await cli.run(["diff", "tables", "--b", "trap", "--max-instructions", "100e3", ...SMALL]);
    expect([code, stdout]).toEqual([0, "No difference between emulate and trap/1 in 100000 instructions (budget).\n"]);
  });

  it.each([
    [["diff", "tables"], "--b"],
    [["diff", "tables", "--b", "magic"], "emulate"],
    [["diff", "tables", "--b", "trap/2"], "1, 3"],
    [["diff", "tables", "--b", "trap", "--clock", "real"], "--clock"],
  ])("%j is a usage error that helps", async (args, hint) => {
    const { code, stderr } = await cli.run(args);
    expect(code).toBe(1);
    expect(stderr).toContain(hint);
  });
});
