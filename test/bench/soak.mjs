// The guest's programs round after round in one process: does memory grow, or the time of a round?
import { existsSync } from "node:fs";
import { childJson, machineGuest, MB, options, print, table } from "./harness.mjs";
import { soakRounds, soakTask } from "./linux-programs.mjs";

export async function soak() {
  if (!existsSync(options.disk)) {
    print(`Soak: skipped, no ${options.disk}.\n`);
    return null;
  }
  const minutes = Number(options.minutes);
  const rows = soakRounds(await childJson(machineGuest, JSON.stringify(soakTask(options.disk, options.programs.split(","), options.percent ?? 25, minutes))));
  print(`The guest's bench program for ${minutes} minutes in one process, the first round apart: seconds by wall clock and of processor time, and memory at the end of the round`);
  table(["round", "seconds", "(CPU)", "MB"], rows.map(({ seconds, cpuSeconds, rss }, n) => [n + 2, seconds.toFixed(1), cpuSeconds.toFixed(1), Math.round(rss / MB)]));
  return rows;
}
