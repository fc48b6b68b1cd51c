// The package as a stranger gets it: packed, unpacked elsewhere, type-checked against its declarations, run. `node scripts/check-package.mjs`
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "trapscope-package-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

const PROGRAM = `
import { createMachine, createMachineWorker, type RunOutcome, type TrapFields, UsageError } from "trapscope";
const here = await createMachine({ memoryBytes: 1 << 20, firmware: "none" });
const texts: (string | null)[] = [];
here.on("record", (record: TrapFields) => texts.push(record.text));
// @ts-expect-error: there is no such event
here.on("trapp", () => {});
// @ts-expect-error: there is no such technique
createMachine({ technique: "magic" });
const there = await createMachineWorker({ drives: { fda: new Blob([]) } });
const outcome: RunOutcome = await there.run({ instructions: 1e6 });
const value: number | null = await there.exitValue;
export { outcome, UsageError, value };
`;
const SCRIPT = `
import { createMachineWorker } from "trapscope";
const machine = await createMachineWorker({ memoryBytes: 1 << 20, firmware: "none" });
await machine.memory.write(0x1000, Uint8Array.of(0x40, 0xf4));
await machine.setState({ eax: 41, eip: 0x1000, cs: { selector: 0, base: 0, limit: 0xffff, access: 0x9b } });
await machine.run({ instructions: 10 });
console.log((await machine.state()).eax);
await machine.dispose();
`;

try {
  run("npm", ["run", "--silent", "prepare"]);
  run("npm", ["run", "--silent", "types"]);
  run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder]);
  mkdirSync(join(folder, "node_modules"));
  run("tar", ["xzf", readdirSync(folder).find((name) => name.endsWith(".tgz"))], folder);
  renameSync(join(folder, "package"), join(folder, "node_modules/trapscope"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "program.ts"), PROGRAM);
  writeFileSync(join(folder, "script.js"), SCRIPT);
  const tsc = resolve("node_modules/typescript/bin/tsc");
  for (const [module, resolution] of [["esnext", "bundler"], ["nodenext", "nodenext"]]) {
    run(process.execPath, [tsc, "--noEmit", "--strict", "--target", "es2022", "--module", module, "--moduleResolution", resolution, "program.ts"], folder);
  }
  const said = run(process.execPath, ["script.js"], folder);
  if (said !== "42\n") throw new Error(`the packed library computed ${said}`);
  run(process.execPath, [join(folder, "node_modules/trapscope/bin/trapscope"), "run", "popf", "--serial", "none"], folder);
  process.stdout.write("the package can be imported, type-checks, and runs\n");
} finally {
  rmSync(folder, { recursive: true });
}
