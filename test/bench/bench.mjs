// npm run bench: trapscope beside its peers on the same machine, the same images, in turn, in one sitting. --help lists the options.
//
// Every run is a process of its own. Seconds are wall clock; what is in brackets is by processor time of all
// threads of the process, which says more on a machine that is busy. Check values of the kernels must be equal everywhere.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { bundle } from "../../scripts/bundle.mjs";
import { growth } from "./growth.mjs";
import { machineGuest, options, print, root, round, rounds, run, v86Missing } from "./harness.mjs";
import { keep } from "./history.mjs";
import { kernels } from "./kernels.mjs";
import { boot, chromium, programs, techniques } from "./linux.mjs";
import { soak } from "./soak.mjs";
import { size, start } from "./start.mjs";
import { storm } from "./storm.mjs";
import { traps } from "./traps.mjs";

const USAGE = `usage: npm run bench -- [options]

  --quick          one round, fewer iterations
  --rounds N       rounds (3); the medians are printed
  --disk PATH      disk image that prints GUEST READY (.cache/debian/disk.img, made by scripts/build-debian-disk.sh .cache/debian);
                   vmlinuz and initrd.gz beside it are booted, too
  --only LIST      of kernels,boot,programs,chromium,techniques,traps,storm,growth,start,size (all; with --quick all but chromium, techniques,
                   storm and growth), soak
  --programs LIST  of the guest's benchmark program (all)
  --percent N      of their work (100; with --quick 25)
  --minutes N      of soak (60)
  --json FILE      writes the numbers too; - for stdout
  --keep           adds them to docs/bench-history.json and draws docs/bench-history.svg anew
  --seabios DIR    bios.bin and vgabios-stdvga.bin for v86 (/usr/share/seabios, Debian's package seabios)
`;

/** A load average above this and wall-clock numbers are not worth keeping. */
const QUIET_LOAD = 0.3;

if (options.help) {
  process.stdout.write(USAGE);
  process.exit();
}
const measures = { kernels, boot, programs, chromium, techniques, traps, storm, growth, start, size, soak };
const LONG = ["chromium", "techniques", "storm", "growth"];
const parts = options.only?.split(",") ?? Object.keys(measures).filter((name) => name !== "soak" && (!options.quick || !LONG.includes(name)));
const unknown = parts.filter((name) => !(name in measures));
if (unknown.length > 0) {
  process.stderr.write(`bench: no part ${unknown.join(", ")}; there are ${Object.keys(measures).join(", ")}\n`);
  process.exit(1);
}
await run(process.execPath, [join(root, "scripts/build-node.mjs")], { cwd: root });
await bundle("test/bench/machine-guest.ts", machineGuest, "node", false);
const load = loadavg()[0];
const report = {
  date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model.trim(), cores: cpus().length, node: process.version,
  v86: v86Missing === null ? JSON.parse(readFileSync(join(root, "node_modules/v86/package.json"), "utf8")).version : null, rounds, loadAtStart: round(load, 2),
};
print(`${report.date}, ${report.cores} x ${report.cpu}, Node ${report.node}, v86 ${report.v86 ?? `not run (${v86Missing})`}, ${rounds} round(s), load ${report.loadAtStart}`);
if (load > QUIET_LOAD) print(`The machine is busy (load ${report.loadAtStart}): trust the numbers in brackets, and only roughly.`);
print();
for (const name of parts) report[name] = await measures[name]();
report.loadAtEnd = round(loadavg()[0], 2);
if (options.json === "-") process.stdout.write(`${JSON.stringify(report)}\n`);
else if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
if (options.keep) keep(report);
