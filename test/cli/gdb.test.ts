// The command line's GDB stub with the real GDB. Skipped where there is none; the Linux kernel is used where TRAPSCOPE_DEBIAN_DISK names
// the disk that scripts/build-debian-disk.sh makes, with its vmlinuz beside it.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { Machine } from "../../src/machine/machine.ts";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

const hasGdb = spawnSync("gdb", ["--version"]).status === 0;
if (!hasGdb) console.warn("gdb tests are skipped: there is no gdb");
const kernel = process.env["TRAPSCOPE_DEBIAN_DISK"] ? join(dirname(process.env["TRAPSCOPE_DEBIAN_DISK"]), "vmlinuz") : "";
const hasKernel = kernel !== "" && existsSync(kernel);
if (!hasKernel) console.warn("gdb in the Linux kernel is skipped: TRAPSCOPE_DEBIAN_DISK names no disk with a vmlinuz beside it");

let trapscope: Trapscope;
let running: ChildProcess | null = null;
beforeAll(() => {
  trapscope = openTrapscope();
});
afterAll(() => trapscope.close());
afterEach(() => {
  running?.kill("SIGKILL");
  running = null;
});

/** Starts a run that waits for a debugger: its port, and its end. */
async function waiting(args: readonly string[]): Promise<{ readonly port: number; readonly end: Promise<{ code: number | null; stderr: string }> }> {
  const child = trapscope.start(["run", ...args, "--gdb", ":0", "--serial", "none"]);
  running = child;
  let stderr = "";
  const end = new Promise<{ code: number | null; stderr: string }>((resolve) => child.on("close", (code) => resolve({ code, stderr })));
  const port = await new Promise<number>((resolve, reject) => {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      const found = /target remote localhost:(\d+)/.exec(stderr);
      if (found) resolve(Number(found[1]));
    });
    child.on("close", () => reject(new Error(stderr)));
  });
  return { port, end };
}

/** GDB's output for some commands; it ends after them, and detaches by itself. */
function gdb(port: number, commands: readonly string[]): Promise<string> {
  const all = ["set pagination off", "set confirm off", "set architecture i386", `target remote localhost:${port}`, ...commands];
  const child = spawn("gdb", ["-nx", "-batch", ...all.flatMap((command) => ["-ex", command])], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
  return new Promise((resolve) => child.on("close", () => resolve(output)));
}

describe.skipIf(!hasGdb)("gdb", () => {
  it.each(["emulate", "trap"])("attaches before the first instruction, breaks, steps, writes and detaches under %s", async (technique) => {
    const { port, end } = await waiting(["popf", "--technique", technique]);
    const output = await gdb(port, [
      "printf \"start %x:%x\\n\", $cs, $eip", "hbreak *0x7c00", "continue", "printf \"boot %x:%x %x\\n\", $cs, $eip, *(unsigned char*)0x7dff",
      "stepi", "stepi", "p $eip > 0x7c00", "set var *(int*)0x500 = 0x12345678", "x/1xw 0x500", "p $cr0", "info registers xmm0", "monitor info registers",
    ]);
    expect(output).toContain("start f000:fff0");
    expect(output).toContain("boot 0:7c00 aa");
    expect(output).toMatch(/0x500:\s+0x12345678/);
    expect(output).toMatch(/\$2 = \[ ET/);
    expect(output).toMatch(/CS +0000 base=00000000/);
    // GDB has gone: the guest runs to its end.
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([expect.any(Number), expect.stringMatching(technique === "emulate" ? /exit-success/ : /halted/)]);
  });

  it("watches memory and ends the machine", async () => {
    const { port, end } = await waiting(["compute"]);
    const output = await gdb(port, ["watch *(unsigned short*)0x413", "continue", "printf \"memory %d\\n\", *(unsigned short*)0x413", "kill"]);
    expect(output).toMatch(/Hardware watchpoint 1[\s\S]*Old value = 0\s+New value = 6\d\d\s[\s\S]*memory 6\d\d/);
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, expect.stringContaining("Ended by the debugger")]);
  });

  it("goes back, instruction by instruction and to a store, and forward again", async () => {
    const { port, end } = await waiting(["compute"]);
    const output = await gdb(port, [
      "hbreak *0x7c00", "continue", "stepi", "stepi", "stepi", "reverse-stepi", "reverse-stepi", "reverse-stepi", "printf \"back at %x\\n\", $eip",
      // How large memory is: the firmware stores it before it boots.
      "watch *(unsigned short*)0x413", "reverse-continue", "printf \"before the store %d\\n\", *(unsigned short*)0x413", "delete 2",
      "reverse-continue", "continue", "printf \"forward at %x\\n\", $eip", "delete", "detach",
    ]);
    expect(output).toContain("back at 7c00");
    expect(output).toMatch(/Hardware watchpoint 2[\s\S]*Old value = 6\d\d\s+New value = 0\s[\s\S]*before the store 0/);
    expect(output).toContain("No more reverse-execution history");
    expect(output).toContain("forward at 7c00");
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, expect.stringContaining("exit-success")]);
  });

  it("may come late and go early", async () => {
    const { port, end } = await waiting(["compute"]);
    await gdb(port, ["detach"]);
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, expect.stringContaining("exit-success")]);
  });

  it.skipIf(!hasKernel)("breaks in the boot of the Linux kernel, steps, reads CR3 and goes on", async () => {
    const virtual = firstKernelAddress(kernel);
    const { port, end } = await waiting(["--kernel", kernel, "--append", "console=ttyS0 nokaslr panic=1", "--expect", "Linux version"]);
    const output = await gdb(port, [
      "hbreak *0x1000000", "continue", "printf \"physical %x cr3 %x\\n\", $eip, $cr3", "stepi", "stepi", "p $eip != 0x1000000",
      `hbreak *0x${virtual.toString(16)}`, "continue", "printf \"virtual %x paging %d cr3 %d\\n\", $eip, ($cr0 & 0x80000000) != 0, $cr3 != 0",
      `monitor info tlb ${virtual.toString(16)}`, "x/2i $eip", "stepi", "delete", "detach",
    ]);
    expect(output).toMatch(/Breakpoint 1, 0x01000000/);
    expect(output).toContain("physical 1000000 cr3 0");
    expect(output).toContain(`virtual ${virtual.toString(16)} paging 1 cr3 1`);
    expect(output).toContain(`${virtual.toString(16)} -> ${(virtual - 0xc000_0000).toString(16).padStart(8, "0")}`);
    expect((await end).code).toBe(0);
  });
});

/** The first instruction that the kernel runs at its virtual addresses. */
function firstKernelAddress(path: string): number {
  const bytes = new Uint8Array(readFileSync(path));
  const named = { name: path, source: { size: bytes.length, read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)) } };
  const boot = configureBoot({ memoryBytes: 128 << 20, force: false, drives: {}, modules: [], kernel: named, append: "console=ttyS0 nokaslr panic=1" });
  const machine = new Machine({ memoryBytes: 128 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", ...boot.machine });
  let first = 0;
  machine.breakpoints.setTracer({
    covers: (page) => page >= 0xc_0000 && page < 0xf_0000,
    before: (linear) => {
      if (first === 0) machine.stop();
      first ||= linear;
      return false;
    },
  });
  machine.run(8e9);
  return first;
}
