// The examples of docs/library.md run, and print what their comments promise.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";

const EXPECTED: Readonly<Record<string, RegExp>> = {
  // 5 / 0: #DE is vector 0 (SDM Vol. 3A, "Divide Error"), and EIP stays at the DIV.
  "bare-processor.mjs": /eip 1003 eax 5 .*\neip 1006 eax 5 ebx 0\neip 1006 .* exception 0\n/,
  // CLI closes interrupts, PUSHF shows the processor's IF; POPF opens none at CPL > IOPL (SDM Vol. 2, POPF).
  "first-leak.mjs": /halted: \d+ traps\nleak: pushfd .* guest saw IF=1, bare metal IF=0\nleak: popfd .* write lost/,
  "in-a-worker.mjs": /^leak: pushfd: .*\nleak: popfd: .*\nhalted; this thread went on meanwhile\n$/,
  "ports.mjs": /^halted AL = 3\n$/,
};

it.each(readdirSync("examples"))("examples/%s", (name) => {
  expect(execFileSync(process.execPath, [`examples/${name}`], { encoding: "utf8" })).toMatch(EXPECTED[name] ?? /no expectation is written for it/);
});
