// A Linux built for plex86-lite, on a kernel of this repository's making: scripts/build-lite-linux.sh. TRAPSCOPE_LITE_LINUX names the
// folder that it left; without it this suite is skipped.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTrapscope, type RunJson, type Trapscope } from "../cli/trapscope.ts";

const BUILT = process.env.TRAPSCOPE_LITE_LINUX ?? "";
const image = (name: string): string => join(BUILT, name);

let trapscope: Trapscope;

function boot(args: readonly string[], script: readonly string[]): Promise<RunJson> {
  const file = trapscope.file("lite.script", `${script.join("\n")}\n`);
  return trapscope.json(["run", "--kernel", image("vmlinuz"), ...args, "--script", file, "--timeout", "900"]);
}

describe.skipIf(BUILT === "" || !existsSync(image("vmlinuz")))("Linux built with the macros (TRAPSCOPE_LITE_LINUX)", () => {
  beforeAll(() => {
    trapscope = openTrapscope();
  });
  afterAll(() => trapscope?.close());

  it("reaches its shell on the HAL's disk under lite, and answers", async () => {
    const run = await boot(["--technique", "lite", "--hda", image("disk.img"), "--net", "loopback", "--append", "root=/dev/hald0 rw clearcpuid=4"], [
      'expect "hald0: 16384 sectors"', 'expect "/dev/root / ext2 rw"', 'expect "LITE LINUX READY"',
      'send "echo $((6*7)); echo x > /root/kept; ls /root\\n"', 'expect "\\n42"', 'expect "kept"',
      'send "cat /proc/interrupts\\n"', 'expect "hal"',
      // A 32-bit program's time calls (CONFIG_COMPAT_32BIT_TIME): without them it would not have slept.
      'send "a=$(cut -d. -f1 /proc/uptime); sleep 3; b=$(cut -d. -f1 /proc/uptime); echo slept $((b-a >= 3))\\n"', 'expect "slept 1"',
    ]);
    expect(run.outcome, run.serialTail).toBe("expected");
    const { traps, leaks, observed, statistics } = run;
    // Nothing is #UD but IRET, F0 CF, and outside ring 0 the two by which Linux waits.
    expect(traps.byReason["#UD"]).toBeGreaterThan(500);
    expect(traps.byReason["#UD"]).toBeLessThanOrEqual(["IRET", "MONITOR", "MWAIT"].reduce((sum, name) => sum + (traps.byInstruction[name] ?? 0), 0));
    // CLI and STI act on VIF. They leave for their page, or where an interrupt waits.
    for (const name of ["CLI", "STI"]) expect(traps.byInstruction[name] ?? 0).toBeLessThan(observed.byInstruction[name]! / 100);
    // The macros' own PUSHF shows IF and VIF; no write of IF is lost.
    expect(leaks.byInstruction["POPF"]).toBeUndefined();
    expect(leaks.byInstruction["PUSHF"]).toBeGreaterThan(0);
    expect(statistics["rawSites"]).toBe(0);
    expect(statistics["halCalls"]).toBeGreaterThan(1000);
  });

  it("boots on a bare processor as well, where it takes no HAL", async () => {
    const run = await boot(["--initrd", image("initrd.gz"), "--append", "console=ttyS0 rdinit=/sbin/init"], [
      'expect "LITE LINUX READY"', 'send "echo $((6*7))\\n"', 'expect "\\n42"',
    ]);
    expect(run.outcome, run.serialTail).toBe("expected");
  });
});
