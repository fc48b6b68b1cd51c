// Our ROMs in an independent PC: QEMU runs guests/firmware/selftest.asm on them. Skipped
// where qemu-system-i386 or nasm is missing.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "./bios.ts";
import { BOOT_DATA_FILE, BOOT_PLAN_FILE, multibootBootPlan } from "./boot-plan.ts";

const present = (tool: string, flag: string) => spawnSync(tool, [flag]).status === 0;
const tools = present("qemu-system-i386", "--version") && present("nasm", "-v");
const expected = readFileSync("guests/firmware/selftest.expected.txt", "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

describe.runIf(tools)("our firmware under QEMU", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "trapscope-firmware-"));
    writeFileSync(path("bios.bin"), builtinBios());
    writeFileSync(path("vgabios.bin"), builtinVgaBios());
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function assemble(source: string, image: string): void {
    const run = spawnSync("nasm", ["-f", "bin", "-i", "guests/firmware/", "-o", path(image), source], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(run.stderr);
  }

  /** Runs until the guest powers off, or 60 s; what it sent to COM1. */
  function boot(args: readonly string[]): Promise<string> {
    const machine = ["-M", "pc", "-m", "64", "-display", "none", "-net", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none"];
    const roms = ["-bios", path("bios.bin"), "-vga", "none", "-device", `VGA,romfile=${path("vgabios.bin")}`];
    const qemu = spawn("qemu-system-i386", [...machine, ...roms, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const timeout = setTimeout(() => qemu.kill(), 60_000);
    let output = "";
    qemu.stdout.on("data", (data) => {
      output += data;
    });
    return new Promise((resolve) => {
      qemu.on("close", () => {
        clearTimeout(timeout);
        resolve(output);
      });
    });
  }

  it("answers every service of the self-test as the manuals say", { timeout: 70_000 }, async () => {
    assemble("guests/firmware/selftest.asm", "selftest.img");
    writeFileSync(path("disk.img"), "");
    truncateSync(path("disk.img"), 16 << 20);
    const output = await boot([
      "-drive",
      `file=${path("selftest.img")},format=raw,if=floppy`,
      "-drive",
      `file=${path("disk.img")},format=raw,if=ide`,
      "-boot",
      "a",
    ]);
    expect(output.split("\n").filter((line) => line !== "")).toEqual(expected);
  });

  it("carries out a boot plan: a multiboot image with a module", { timeout: 70_000 }, async () => {
    assemble("guests/firmware/selftest/multiboot.asm", "multiboot.bin");
    const { plan, data } = multibootBootPlan({
      image: readFileSync(path("multiboot.bin")),
      commandLine: "kernel says hello",
      modules: [{ bytes: new TextEncoder().encode("module bytes\n\0"), commandLine: "" }],
      memoryBytes: 64 << 20,
    });
    writeFileSync(path("plan"), plan);
    writeFileSync(path("data"), data);
    const files = [`name=${BOOT_PLAN_FILE},file=${path("plan")}`, `name=${BOOT_DATA_FILE},file=${path("data")}`];
    const output = await boot(files.flatMap((file) => ["-fw_cfg", file]));
    // magic, protected mode on and paging off, bss cleared, mem_upper = 63 MB in KB
    expect(output).toBe("2BADB002 00000001 00000000 0000FC00 kernel says hello module bytes\n");
  });
});
