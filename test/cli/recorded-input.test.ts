// What a script or a terminal gives to a guest is in the recording: typed while it runs, while it waits, and where the run ends in a wait.
import { afterAll, beforeAll, expect, it } from "vitest";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
});
afterAll(() => cli.close());

it("a run that was typed into replays to the same state", async () => {
  const script = cli.file("typed.txt", ['expect "> "', 'send "help\\r"', "wait 0.2", 'send "mem\\r"', 'keys "ls<Enter>"', "wait 0.3"].join("\n"));
  const recording = `${cli.folder}/typed.trk`;
  const recorded = await cli.run(["run", "tour", "--script", script, "--record", recording, "--timeout", "60"], "x");
  expect([recorded.code, recorded.stdout]).toEqual([0, expect.stringContaining("t86> ")]);
  const { code, stderr } = await cli.run(["replay", recording]);
  expect([code, stderr]).toEqual([0, expect.stringContaining("The same after")]);
});
