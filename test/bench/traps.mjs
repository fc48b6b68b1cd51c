// What leaves for the monitor, is handled and enters again, and the trap log's part of it.
import { join } from "node:path";
import { inTurn, MB, median, onMachine, options, print, root, round, table } from "./harness.mjs";

/** Rates by wall clock and by processor time of the turn in the middle, and of the fastest one; the log's share in percent. */
function trapRates(results) {
  const rate = (of) => Math.round(median(results.map(of)));
  return {
    perSecond: rate(({ traps, turns, seconds }) => (traps * turns) / seconds), perCpuSecond: rate(({ traps, cpuSeconds }) => traps / cpuSeconds),
    perCpuSecondAtBest: Math.round(Math.max(...results.map(({ traps, fastestCpuSeconds }) => traps / fastestCpuSeconds))),
    logPercent: round(100 * median(results.map(({ logShare }) => logShare)), 1),
  };
}
const ratesRow = ({ perSecond, perCpuSecond, perCpuSecondAtBest, logPercent }) => [perSecond, `(${perCpuSecond})`, `(${perCpuSecondAtBest})`, `${logPercent} %`];
const RATES_HEAD = ["a second", "(CPU)", "(at best)", "log"];

export async function traps() {
  const task = { task: "traps", image: join(root, "public/guests/irqsave.img"), memoryBytes: 16 * MB, seconds: options.quick ? 1 : 4 };
  const report = {};
  for (const ring of [1, 3]) {
    const results = (await inTurn({ [`ring ${ring}`]: () => onMachine({ ...task, ring }) }))[`ring ${ring}`];
    report[`ring ${ring}`] = { trapsPerRun: results[0].traps, ...trapRates(results) };
  }
  print("Traps under `trap`: irqsave from reset to its end, firmware included; the trap log's share of the samples of the processor");
  table(["kernel in", "traps a run", ...RATES_HEAD], Object.entries(report).map(([name, own]) => [name, own.trapsPerRun, ...ratesRow(own)]));
  report.exits = await exits();
  return report;
}

/** One exit after the other: what leaves, is handled and enters again. */
async function exits() {
  const report = {};
  for (const [name, code] of Object.entries({ "CLI, STI": "fafb", "MOV EAX,CR0": "0f20c0", "IN AL,80h": "e480" })) {
    for (const ring of [1, 3]) {
      const key = `${name}, ring ${ring}`;
      report[key] = trapRates((await inTurn({ [key]: () => onMachine({ task: "exits", ring, code, seconds: options.quick ? 1 : 4 }) }))[key]);
    }
  }
  print("Exits under `trap`, a loop; the trap log's share of the samples of the processor");
  table(["loop of", ...RATES_HEAD], Object.entries(report).map(([name, own]) => [name, ...ratesRow(own)]));
  return report;
}
