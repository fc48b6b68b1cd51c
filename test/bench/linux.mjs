// Linux from power-on, and the guest's own benchmark program after it: in processes, in a page, under the techniques.
import { existsSync } from "node:fs";
import { beside, inTurn, MB, median, nativeEngines, onMachine, onV86, options, pageEngines, print, round, table, v86Missing } from "./harness.mjs";
import { BOOT_TEXT, compare, programsTask, tableOf } from "./linux-programs.mjs";

function lacksDisk(part) {
  if (existsSync(options.disk)) return false;
  print(`${part}: skipped, no ${options.disk}. Make it with scripts/build-debian-disk.sh .cache/debian, or give --disk PATH.\n`);
  return true;
}

/** The same Linux from its disk, and given to the machine as a kernel where that lies beside the disk. */
function boots() {
  const common = { task: "lines", memoryBytes: 128 * MB, until: BOOT_TEXT };
  const kernel = beside("vmlinuz"), initrd = beside("initrd.gz");
  return {
    disk: { ...common, drive: "hda", image: options.disk },
    ...(existsSync(kernel) && existsSync(initrd) ? { bzImage: { ...common, kernel, initrd, append: "console=ttyS0" } } : {}),
  };
}

export async function boot() {
  if (lacksDisk("Boot")) return null;
  const report = {};
  for (const [medium, task] of Object.entries(boots())) {
    const engines = await nativeEngines(task);
    if (medium === "disk" && v86Missing === null && !options.quick) engines["v86, disable_jit"] = () => onV86({ ...task, jit: false });
    const results = await inTurn(engines, ["v86, disable_jit"]);
    report[medium] = bootTimes(results);
    print(`Boot from ${medium} to "${BOOT_TEXT}", 128 MB, from process start, guest clock real`);
    bootTable(report[medium]);
  }
  return report;
}

/** By engine: medians of the wall clock, of processor time and of peak memory. */
function bootTimes(results) {
  return Object.fromEntries(Object.entries(results).map(([name, runs]) => [name, {
    seconds: round(median(runs.map((result) => result.seconds)), 1), runs: runs.map((result) => round(result.seconds, 1)),
    cpuSeconds: round(median(runs.map(({ lines }) => lines.at(-1).cpuSeconds)), 1), peakRss: median(runs.map(({ peakRss }) => peakRss)),
  }]));
}

function bootTable(times) {
  table(["engine", "seconds", "(CPU)", "trapscope takes", "peak MB"], Object.entries(times).map(([name, own]) => [
    name, own.seconds.toFixed(1), `(${own.cpuSeconds.toFixed(1)})`, (times.trapscope.seconds / own.seconds).toFixed(2), Math.round(own.peakRss / MB),
  ]));
}

const benchTask = () => programsTask(options.disk, options.programs.split(","), options.percent ?? (options.quick ? 25 : 100));

export async function programs() {
  return lacksDisk("Programs") ? null : compared(await nativeEngines(benchTask()), "");
}

/** The same in a page of headless Chromium, from the opening of the page. */
export async function chromium() {
  if (lacksDisk("Chromium")) return null;
  const engines = await pageEngines(benchTask());
  if (engines === null) {
    print("Chromium: skipped, no browser: install the package chromium, or name it by CHROMIUM.\n");
    return null;
  }
  return compared(engines, " in headless Chromium");
}

async function compared(engines, where) {
  const report = compare(await inTurn(engines), median);
  if (report.programs.length === 0) {
    print(`Programs${where}: skipped, the guest on ${options.disk} has no program called bench.\n`);
    return null;
  }
  print(`The guest's bench program${where}, ${benchTask().typed.text.trim()}: seconds of processor time of all threads; ratios above 1: trapscope is faster`);
  const { head, rows } = tableOf(report);
  table(head, rows);
  print(`Peak memory of the processes, MB: ${Object.entries(report.boot).map(([name, { peakRss }]) => `${name} ${Math.round(peakRss / MB)}`).join(", ")}\n`);
  const wrong = report.programs.filter(({ same }) => !same);
  if (wrong.length > 0) throw new Error(`the check values differ: ${wrong.map(({ name }) => name).join(", ")}`);
  return report;
}

// --- the same under the techniques that boot it

/** Programs of user code alone, as they run beside each other under every technique. */
const USER_CODE = ["dhry", "sha256", "qsort", "nbodysse"];
const PREDICTABLE = ["hybrid", "translate", "vtx"];

export async function techniques() {
  if (lacksDisk("Techniques")) return null;
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
