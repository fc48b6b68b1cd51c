// What the parts of npm run bench share: its options, engines that run a guest each in a process of its own, rounds and tables.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const options = parsed({
  help: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  rounds: { type: "string" },
  disk: { type: "string", default: join(root, ".cache/debian/disk.img") },
  only: { type: "string" },
  programs: { type: "string", default: "all" },
  percent: { type: "string" },
  minutes: { type: "string", default: "60" },
  json: { type: "string" },
  keep: { type: "boolean", default: false },
  seabios: { type: "string", default: "/usr/share/seabios" },
});

function parsed(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`bench: ${error.message}; --help lists the options\n`);
    return process.exit(1);
  }
}
export const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const out = options.json === "-" ? process.stderr : process.stdout;
export const print = (text = "") => out.write(`${text}\n`);

export const MB = 1 << 20;
export const scratch = mkdtempSync(join(tmpdir(), "trapscope-bench-"));
process.once("exit", () => rmSync(scratch, { recursive: true }));
export const machineGuest = join(root, "dist/bench/machine-guest.js");

export const run = promisify(execFile);
export async function childJson(file, ...args) {
  const { stdout } = await run(process.execPath, [file, ...args], { cwd: root, maxBuffer: 1 << 28, timeout: 1_800_000 + Number(options.minutes) * 60_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

// --- engines

const bios = join(options.seabios, "bios.bin"), vgaBios = join(options.seabios, "vgabios-stdvga.bin");
export const v86Missing = existsSync(bios) && existsSync(vgaBios) ? null : `no ${bios}: install the package seabios, or give --seabios DIR`;
const exists = (program) => run(program, ["--version"]).then(() => true, () => false);
const hasQemu = exists("qemu-system-i386");
export const hasChromium = exists(process.env.CHROMIUM ?? "/usr/bin/chromium");

export const onMachine = (task) => childJson(machineGuest, JSON.stringify(task));
export const onV86 = (task) => childJson(join(root, "test/bench/v86-guest.mjs"), JSON.stringify({ jit: true, ...task, bios, vgaBios }));
const onQemu = (task) => childJson(join(root, "test/bench/qemu-guest.mjs"), JSON.stringify(task));
const inChromium = (engine, task) => childJson(join(root, "test/bench/chromium-guest.mjs"), JSON.stringify({ engine, ...task, bios, vgaBios }));

/** In processes: those of the engines that are there. */
export const nativeEngines = async (task) => ({
  trapscope: () => onMachine(task),
  ...(v86Missing === null ? { v86: () => onV86(task) } : {}),
  ...((await hasQemu) ? { QEMU: () => onQemu(task) } : {}),
});

/** In a page; null without a browser. */
export const pageEngines = async (task) => ((await hasChromium)
  ? { trapscope: () => inChromium("trapscope", task), ...(v86Missing === null ? { v86: () => inChromium("v86", task) } : {}) }
  : null);

// --- rounds and tables

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
export const round = (value, digits) => Number(value.toFixed(digits));

export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)));
  const line = (row) => `| ${row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column]))).join(" | ")} |`;
  print(line(head));
  print(`|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`);
  for (const row of rows) print(line(row));
  print();
}

/** Runs every engine in turn, `rounds` times over; those in `once` only the first time. */
export async function inTurn(engines, once = []) {
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

/** A disk's neighbours, as scripts/build-debian-disk.sh leaves them. */
export const beside = (name) => join(dirname(options.disk), name);
