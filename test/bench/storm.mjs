// A guest that traps as fast as it can, in the page: what each view of the panel leaves of the rate, and of the frames.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hasChromium, median, options, print, root, round, rounds, run, scratch, table } from "./harness.mjs";

const VITEST = join(root, "node_modules/vitest/vitest.mjs");

export async function storm() {
  if (!(await hasChromium)) {
    print("Storm: skipped, no browser: install the package chromium, or name it by CHROMIUM.\n");
    return null;
  }
  const file = join(scratch, "storm.json"), firstFile = join(scratch, "first-trap.json"), taken = [], first = [];
  for (let turn = 0; turn < (options.quick ? 1 : rounds); turn++) {
    await run(process.execPath, [VITEST, "run", "--config", "test/browser/vitest.config.ts", "--project", "timed"], { cwd: root, env: { ...process.env, TRAPSCOPE_STORM_JSON: file, TRAPSCOPE_FIRST_TRAP_JSON: firstFile }, maxBuffer: 1 << 26 });
    taken.push(JSON.parse(readFileSync(file, "utf8")));
    first.push(JSON.parse(readFileSync(firstFile, "utf8")));
  }
  const report = {};
  for (const view of Object.keys(taken[0])) {
    const of = (field) => taken.map((own) => own[view][field]);
    report[view] = {
      perSecond: Math.round(median(of("trapsPerSecond"))), perWorkerCpuSecond: Math.round(median(of("trapsPerWorkerSecond"))), framesPerSecond: round(median(of("framesPerSecond")), 1),
      longestTaskMs: Math.round(Math.max(...of("longestTaskMs"))), pageThreadPercent: Math.round(100 * median(of("threadShare"))),
    };
  }
  print("A storm of traps in Chromium: CLI and STI under `trap`, recorded and shown; a task below 50 ms is none");
  table(["view", "traps a second", "(worker's CPU)", "frames a second", "longest task, ms", "page's thread"], Object.entries(report).map(([view, own]) => [
    view, own.perSecond, `(${own.perWorkerCpuSecond})`, own.framesPerSecond, own.longestTaskMs, `${own.pageThreadPercent} %`,
  ]));
  report.firstTrapMs = Math.round(median(first.map(({ medianMs }) => medianMs)));
  print(`From the navigation to a bundled guest's first trap on the screen: ${report.firstTrapMs} ms, ${round(median(first.map(({ processorSeconds }) => processorSeconds)), 2)} s of processor time in all threads of the browser (goal: 1500 ms)\n`);
  return report;
}
