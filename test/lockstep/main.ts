// Command line of scripts/lockstep-qemu.mjs.

import { parseArgs } from "node:util";
import { runProgram } from "./lockstep.ts";
import { Ours } from "./ours.ts";
import { createProgram, KINDS, type Kind } from "./program.ts";
import { haveQemu, Qemu } from "./qemu.ts";

const USAGE = `usage: node scripts/lockstep-qemu.mjs [--programs N] [--seed N] [--kind NAME] [--stop N] [--seconds N]

Runs random programs of system code on our processor and on QEMU's, an instruction at a time, and prints where they differ
and the manual does not explain it. Needs qemu-system-i386 (Debian: qemu-system-x86).
  --programs N   how many (1000)
  --seed N       the first one's seed (1)
  --kind NAME    only one of ${KINDS.join(", ")}
  --stop N       end after N differences (20)
  --seconds N    end after this time`;

export async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      programs: { type: "string", default: "1000" }, seed: { type: "string", default: "1" }, kind: { type: "string" }, stop: { type: "string", default: "20" },
      seconds: { type: "string", default: "Infinity" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || (values.kind !== undefined && !KINDS.includes(values.kind as Kind))) {
    console.log(USAGE);
    return values.help ? 0 : 1;
  }
  if (!haveQemu()) {
    console.log("skipped: no qemu-system-i386 (Debian: qemu-system-x86)");
    return 0;
  }
  const first = Number(values.seed), count = Number(values.programs), most = Number(values.stop), deadline = performance.now() + Number(values.seconds) * 1000;
  const ours = new Ours();
  let qemu = await Qemu.start();
  const explained = new Map<string, number>();
  let steps = 0, agreed = 0, differences = 0, run = 0;
  try {
    for (; run < count && differences < most && performance.now() < deadline; run++) {
      const kind = (values.kind as Kind | undefined) ?? KINDS[run % KINDS.length]!;
      const program = createProgram(kind, first + run);
      let verdict = await runProgram(program, ours, qemu);
      if (verdict.kind === "differ" && verdict.report === "") {
        qemu.stop();
        qemu = await Qemu.start();
        verdict = await runProgram(program, ours, qemu);
      }
      steps += verdict.steps;
      if (verdict.kind === "agree") {
        agreed++;
        for (const why of verdict.notes ?? []) explained.set(why, (explained.get(why) ?? 0) + 1);
      }
      else if (verdict.kind === "explained") explained.set(verdict.why, (explained.get(verdict.why) ?? 0) + 1);
      else {
        differences++;
        console.log(verdict.report);
      }
      if (verdict.kind !== "agree" && verdict.qemuLost) {
        qemu.stop();
        qemu = await Qemu.start();
      }
    }
  } finally {
    qemu.stop();
  }
  console.log(`${run} programs, ${steps} instructions: ${agreed} agree to the end, ${differences} differ`);
  for (const [why, times] of [...explained].sort((a, b) => b[1] - a[1])) console.log(`  ${times} explained: ${why}`);
  return differences === 0 ? 0 : 1;
}
