// What trapscope's time and memory grow with: guest memory, the disk, records of the log, code.
import { copyFileSync, existsSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { MB, onMachine, options, print, round, scratch, table } from "./harness.mjs";
import { BOOT_TEXT } from "./linux-programs.mjs";

const GB = 2 ** 30;

async function bootOf(image, memoryBytes) {
  const { lines, peakRss } = await onMachine({ task: "lines", image, memoryBytes, until: BOOT_TEXT });
  return { seconds: round(lines.at(-1).seconds, 1), cpuSeconds: round(lines.at(-1).cpuSeconds, 1), peakRss };
}

/** Sparse: what lies behind the file's end takes no room on the host. */
function larger(bytes) {
  const path = join(scratch, `${bytes}.img`);
  copyFileSync(options.disk, path);
  truncateSync(path, bytes);
  return path;
}

export async function growth() {
  const report = { boots: {}, log: [], code: [] };
  if (existsSync(options.disk)) {
    for (const megabytes of [64, 128, 512, 1024]) report.boots[`${megabytes} MB of memory`] = await bootOf(options.disk, megabytes * MB);
    for (const gigabytes of [2, 200]) report.boots[`128 MB, disk of ${gigabytes} GB`] = await bootOf(larger(gigabytes * GB), 128 * MB);
    print(`Growth: boot to "${BOOT_TEXT}"`);
    table(["guest", "seconds", "(CPU)", "peak MB"], Object.entries(report.boots).map(([name, own]) => [name, own.seconds, `(${own.cpuSeconds})`, Math.round(own.peakRss / MB)]));
  }
  report.log = await onMachine({ task: "log", marks: [2e6, 5e6, 10e6, 20e6] });
  print("Growth: exits under `trap` in one run, processor time of each since the row above");
  table(["exits", "ns", "MB"], report.log.map(({ exits, nsPerExit, rss }) => [exits, Math.round(nsPerExit), Math.round(rss / MB)]));
  for (const functions of [16, 256, 4096, 32_768]) report.code.push({ functions, ...(await onMachine({ task: "footprint", functions, instructions: 5e8 })) });
  print("Growth: functions of 33 instructions called in turn, 500 million instructions, by processor time, translation included");
  table(["functions", "KB of code", "MIPS", "MB"], report.code.map(({ functions, codeBytes, mips, rss }) => [functions, Math.round(codeBytes / 1024), Math.round(mips), Math.round(rss / MB)]));
  return report;
}
