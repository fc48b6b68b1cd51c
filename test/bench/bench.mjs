// npm run bench: trapscope beside v86 on the same machine, the same images, in turn, in one sitting.
//
//   --quick          one round, fewer iterations
//   --rounds N       rounds (3); the medians are printed
//   --disk PATH      disk image that prints GUEST READY (default .cache/debian/disk.img, made by scripts/build-debian-disk.sh .cache/debian)
//   --only LIST      of kernels,boot,programs,techniques,traps,start (all; with --quick all but techniques)
//   --programs LIST  of the guest's benchmark program (all); --percent N of their work (100; with --quick 25)
//   --json FILE      writes the numbers too; - for stdout
//   --seabios DIR    bios.bin and vgabios-stdvga.bin for v86 (default /usr/share/seabios, Debian's package seabios)
//
// Every run is a process of its own. Seconds are wall clock; the MIPS beside them in brackets are by processor time of all
// threads of the process, which says more on a machine that is busy. Check values of the kernels must be equal everywhere.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { build } from "esbuild";
import { compare, programsTask, tableOf } from "./linux-programs.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    disk: { type: "string", default: join(root, ".cache/debian/disk.img") },
    only: { type: "string" },
    programs: { type: "string", default: "all" },
    percent: { type: "string" },
    json: { type: "string" },
    seabios: { type: "string", default: "/usr/share/seabios" },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const parts = (options.only ?? `kernels,boot,programs,${options.quick ? "" : "techniques,"}traps,start`).split(",");
const out = options.json === "-" ? process.stderr : process.stdout;
const print = (text = "") => out.write(`${text}\n`);

const MB = 1 << 20;
/** guests/compute.asm: image offsets of the iteration counts, and how many more iterations a warm translator needs. */
const K1_ITERATIONS = 0x204, K2_ITERATIONS = 0x208, LONGER = options.quick ? 1 : 5;
const BOOT_TEXT = "GUEST READY";
/** A load average above this and wall-clock numbers are not worth keeping. */
const QUIET_LOAD = 0.3;

const scratch = mkdtempSync(join(tmpdir(), "trapscope-bench-"));
const machineGuest = join(root, "dist/bench/machine-guest.js");
const bios = join(options.seabios, "bios.bin"), vgaBios = join(options.seabios, "vgabios-stdvga.bin");
const v86Missing = existsSync(bios) && existsSync(vgaBios) ? null : `no ${bios}: install the package seabios, or give --seabios DIR`;

const run = promisify(execFile);
async function childJson(file, ...args) {
  const { stdout } = await run(process.execPath, [file, ...args], { cwd: root, maxBuffer: 1 << 26, timeout: 900_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
const onMachine = (task) => childJson(machineGuest, JSON.stringify(task));
const onV86 = (task) => childJson(join(root, "test/bench/v86-guest.mjs"), JSON.stringify({ ...task, bios, vgaBios }));

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const round = (value, digits) => Number(value.toFixed(digits));

function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)));
  const line = (row) => `| ${row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column]))).join(" | ")} |`;
  print(line(head));
  print(`|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`);
  for (const row of rows) print(line(row));
  print();
}

/** Runs every engine in turn, `rounds` times over; those in `once` only the first time. */
async function inTurn(engines, once = []) {
  const results = Object.fromEntries(Object.keys(engines).map((name) => [name, []]));
  for (let turn = 1; turn <= rounds; turn++) {
    for (const [name, measure] of Object.entries(engines)) {
      if (turn > 1 && once.includes(name)) continue;
      if (process.stderr.isTTY) process.stderr.write(`\x1b[2Kround ${turn} of ${rounds}: ${name}\r`);
      results[name].push(await measure());
    }
  }
  if (process.stderr.isTTY) process.stderr.write("\x1b[2K");
  return results;
}

// --- the two loops of guests/compute.asm

function longerCompute() {
  const image = readFileSync(join(root, "public/guests/compute.img"));
  for (const at of [K1_ITERATIONS, K2_ITERATIONS]) image.writeUInt32LE(image.readUInt32LE(at) * LONGER, at);
  const path = join(scratch, "compute.img");
  writeFileSync(path, image);
  return path;
}

async function kernels() {
  const task = { task: "lines", drive: "fda", image: longerCompute(), memoryBytes: 16 * MB, until: "K2 iterations" };
  const engines = { trapscope: () => onMachine(task) };
  if (v86Missing === null) {
    engines["v86, disable_jit"] = () => onV86({ ...task, jit: false });
    engines["v86"] = () => onV86({ ...task, jit: true });
  }
  const results = await inTurn(engines);
  /** Times of the lines before and behind a loop. */
  const loop = ({ lines }, number) => {
    const at = lines.findIndex((line) => line.text.startsWith(`K${number} iterations`));
    return { from: lines[at - 1], to: lines[at] };
  };
  const checks = new Set(Object.values(results).flat().map((result) => [1, 2].map((number) => loop(result, number).to.text.match(/check=(\w+)/)[1]).join(" ")));
  const report = { iterationsTimes: LONGER, checks: [...checks], engines: {} };
  const rows = [];
  for (const [name, runs] of Object.entries(results)) {
    const row = [name];
    report.engines[name] = {};
    for (const number of [1, 2]) {
      // The guest executes the same instructions on every engine: trapscope's exact count serves for all.
      const exact = loop(results.trapscope[0], number);
      const instructions = exact.to.instructions - exact.from.instructions;
      const spans = runs.map((result) => loop(result, number));
      const mips = (field) => round(instructions / 1e6 / median(spans.map(({ from, to }) => to[field] - from[field])), 0);
      const own = { instructions, seconds: spans.map(({ from, to }) => round(to.seconds - from.seconds, 3)), mips: mips("seconds"), mipsByCpuTime: mips("cpuSeconds") };
      report.engines[name][`k${number}`] = own;
      row.push(own.mips, `(${own.mipsByCpuTime})`);
    }
    rows.push(row);
  }
  print(`Kernels K1 and K2 of guests/compute.asm, ${LONGER} x their iterations, guest MIPS; check ${[...checks].join(" / ")}`);
  table(["engine", "K1", "(CPU)", "K2", "(CPU)"], rows);
  for (const name of Object.keys(report.engines).slice(1)) {
    const ratio = (field) => [1, 2].map((n) => round(report.engines.trapscope[`k${n}`][field] / report.engines[name][`k${n}`][field], 2));
    report.engines[name].trapscopeIs = { wall: ratio("mips"), cpuTime: ratio("mipsByCpuTime") };
    print(`trapscope is ${ratio("mips").join(" and ")} times ${name} (by CPU time ${ratio("mipsByCpuTime").join(" and ")}).`);
  }
  print();
  if (checks.size !== 1) throw new Error(`the check values differ: ${[...checks].join(", ")}`);
  return report;
}

// --- Linux from power-on

async function boot() {
  if (!existsSync(options.disk)) {
    print(`Boot: skipped, no ${options.disk}. Make it with scripts/build-debian-disk.sh .cache/debian, or give --disk PATH.\n`);
    return null;
  }
  const engines = {
    trapscope: async () => {
      const result = await childJson(join(root, "bin/trapscope"), "run", options.disk, "--clock", "real", "--expect", BOOT_TEXT, "--timeout", "600", "--json");
      return { seconds: result.wallSeconds, instructions: result.instructions };
    },
  };
  if (v86Missing === null) {
    const task = { drive: "hda", image: options.disk, memoryBytes: 128 * MB, until: BOOT_TEXT };
    engines["v86, disable_jit"] = () => onV86({ ...task, jit: false });
    engines["v86"] = () => onV86({ ...task, jit: true });
  }
  const results = await inTurn(engines, ["v86, disable_jit"]);
  const report = {};
  for (const [name, runs] of Object.entries(results)) {
    const seconds = median(runs.map((result) => result.seconds));
    const instructions = median(runs.map((result) => result.instructions));
    report[name] = { seconds: round(seconds, 1), runs: runs.map((result) => round(result.seconds, 1)), instructions, mips: round(instructions / seconds / 1e6, 1) };
  }
  print(`Boot of ${options.disk} to "${BOOT_TEXT}", 128 MB, from process start, guest clock real`);
  table(["engine", "seconds", "million instructions", "MIPS"], Object.entries(report).map(([name, r]) => [name, r.seconds.toFixed(1), Math.round(r.instructions / 1e6), r.mips]));
  return report;
}

// --- the benchmark program of the guest

async function programs() {
  if (!existsSync(options.disk)) {
    print(`Programs: skipped, no ${options.disk}.\n`);
    return null;
  }
  const task = programsTask(options.disk, options.programs.split(","), options.percent ?? (options.quick ? 25 : 100));
  const engines = { trapscope: () => onMachine(task) };
  if (v86Missing === null) engines["v86"] = () => onV86(task);
  if (await run("qemu-system-i386", ["--version"]).then(() => true, () => false)) engines["QEMU"] = () => childJson(join(root, "test/bench/qemu-guest.mjs"), JSON.stringify(task));
  const report = compare(await inTurn(engines), median);
  if (report.programs.length === 0) {
    print(`Programs: skipped, the guest on ${options.disk} has no program called bench.\n`);
    return null;
  }
  print(`The guest's bench program, ${task.typed.text.trim()}: seconds of processor time of all threads; ratios above 1: trapscope is faster`);
  const { head, rows } = tableOf(report);
  table(head, rows);
  print(`Peak memory of the processes, MB: ${Object.entries(report.boot).map(([name, { peakRss }]) => `${name} ${Math.round(peakRss / MB)}`).join(", ")}\n`);
  const wrong = report.programs.filter(({ same }) => !same);
  if (wrong.length > 0) throw new Error(`the check values differ: ${wrong.map(({ name }) => name).join(", ")}`);
  return report;
}

// --- the same Linux under the techniques that boot it

/** Programs of user code alone, as they run beside each other under every technique. */
const USER_CODE = ["dhry", "sha256", "qsort", "nbodysse"];
const PREDICTABLE = ["hybrid", "translate", "vtx"];

async function techniques() {
  if (!existsSync(options.disk)) {
    print(`Techniques: skipped, no ${options.disk}.\n`);
    return null;
  }
  const task = programsTask(options.disk, options.programs === "all" ? USER_CODE : options.programs.split(","), options.percent ?? 25);
  const under = (technique) => onMachine({ ...task, technique });
  const engines = { trapscope: () => under("emulate"), ...Object.fromEntries(PREDICTABLE.map((technique) => [technique, () => under(technique)])) };
  const report = compare(await inTurn(engines), median);
  const [scanned] = (await inTurn({ scan: () => onMachine({ task: "lines", image: options.disk, memoryBytes: 128 * MB, until: BOOT_TEXT, technique: "scan" }) }, ["scan"])).scan;
  report.boot.scan = { cpuSeconds: scanned.lines.at(-1).cpuSeconds };
  print(`Under the techniques: ${options.disk} to "${BOOT_TEXT}", and ${task.typed.text.trim()}: seconds of processor time of all threads, and how often \`emulate\`'s`);
  const own = report.boot.trapscope.cpuSeconds;
  table(["technique", "boot", "ratio", "programs, ratio"], Object.entries(report.boot).map(([name, { cpuSeconds }]) => [
    name === "trapscope" ? "emulate" : name, cpuSeconds.toFixed(1), (cpuSeconds / own).toFixed(2), report.means[name]?.cpuSeconds.toFixed(2) ?? "",
  ]));
  return report;
}

// --- the monitor

async function traps() {
  const task = { task: "traps", image: join(root, "public/guests/irqsave.img"), memoryBytes: 16 * MB, seconds: options.quick ? 1 : 3 };
  const report = {};
  for (const ring of [1, 3]) {
    const results = (await inTurn({ [`ring ${ring}`]: () => onMachine({ ...task, ring }) }))[`ring ${ring}`];
    const rate = (field) => Math.round(median(results.map((result) => result.traps / result[field])));
    report[`ring ${ring}`] = { trapsPerRun: Math.round(results[0].traps / results[0].runs), trapsPerSecond: rate("seconds"), trapsPerCpuSecond: rate("cpuSeconds"), ...logShares(results) };
  }
  print("Traps a second under `trap`: irqsave from reset to its end, firmware included; the share of the log's records in its processor time, and of records, counts and sites");
  table(["kernel in", "traps a run", "traps/s", "(CPU)", "records", "whole log"], Object.entries(report).map(([name, r]) => [name, r.trapsPerRun, r.trapsPerSecond, `(${r.trapsPerCpuSecond})`, `${r.recordsPercent} %`, `${r.logPercent} %`]));
  report.exits = await exits();
  return report;
}

/** Percent of the processor time. */
function logShares(results) {
  const share = (without) => round(100 * (1 - median(results.map((result) => result.cpuWithout[without] / result.cpuSeconds))), 1);
  return { recordsPercent: share("ring"), logPercent: share("log") };
}

/** One exit after the other: what leaves, is handled and enters again, and the trap log's part of it. */
async function exits() {
  const report = {}, rows = [];
  for (const [name, code] of Object.entries({ "CLI, STI": "fafb", "MOV EAX,CR0": "0f20c0", "IN AL,80h": "e480" })) {
    for (const ring of [1, 3]) {
      const key = `${name}, ring ${ring}`;
      const results = (await inTurn({ [key]: () => onMachine({ task: "exits", ring, code, seconds: options.quick ? 2 : 6 }) }))[key];
      const own = {
        exitsPerSecond: Math.round(median(results.map((result) => result.exits / result.seconds))),
        exitsPerCpuSecond: Math.round(median(results.map((result) => result.exits / result.cpuSeconds))), ...logShares(results),
      };
      report[key] = own;
      rows.push([key, own.exitsPerSecond, `(${own.exitsPerCpuSecond})`, `${own.recordsPercent} %`, `${own.logPercent} %`]);
    }
  }
  print("Exits a second under `trap`, a loop; the share of the log's records in their processor time, and of records, counts and sites");
  table(["loop of", "exits/s", "(CPU)", "records", "whole log"], rows);
  return report;
}

// --- from nothing to the end of a small guest

async function start() {
  const timed = async (...args) => {
    const from = performance.now();
    await run(process.execPath, args, { cwd: root });
    return (performance.now() - from) / 1000;
  };
  const trapscope = join(root, "bin/trapscope");
  const results = await inTurn({
    "node alone": () => timed("-e", "0"),
    "trapscope --version": () => timed(trapscope, "--version"),
    "trapscope run popf, to its end": () => timed(trapscope, "run", "popf", "--serial", "none"),
  });
  const report = Object.fromEntries(Object.entries(results).map(([name, runs]) => [name, round(median(runs), 3)]));
  print("Start, seconds of a whole process");
  table(["command", "seconds"], Object.entries(report));
  return report;
}

const measures = { kernels, boot, programs, techniques, traps, start };
const unknown = parts.filter((name) => !(name in measures));
if (unknown.length > 0) {
  process.stderr.write(`bench: no part ${unknown.join(", ")}; there are ${Object.keys(measures).join(", ")}\n`);
  process.exit(1);
}
try {
  await run(process.execPath, [join(root, "scripts/build-node.mjs")], { cwd: root });
  await build({
    entryPoints: [join(root, "test/bench/machine-guest.ts")], outfile: machineGuest, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "warning",
  });
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
} finally {
  rmSync(scratch, { recursive: true });
}
