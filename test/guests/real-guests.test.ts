// Real operating systems, boot loaders and tools run to their end, from our firmware and from SeaBIOS with its VGA BIOS.
// TRAPSCOPE_GUESTS names the folder of images; without it this suite is skipped, and so is each guest whose image is missing.
// TRAPSCOPE_GUESTS_LONG=1 adds what takes many minutes.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTrapscope, type RunJson, type Trapscope } from "../cli/trapscope.ts";

const GUESTS = process.env.TRAPSCOPE_GUESTS ?? "";
const LONG = process.env.TRAPSCOPE_GUESTS_LONG === "1";
const TIMEOUT_SECONDS = LONG ? 1800 : 600;
const image = (name: string): string => join(GUESTS, name);
const missing = (...names: readonly string[]): boolean => !names.every((name) => existsSync(image(name)));

const SEABIOS = ["bios/bios-256k.bin", "bios/vgabios-stdvga.bin"] as const;
/** Made by scripts/build-debian-disk.sh DIR/pae 686-pae. */
const PAE = "pae/disk.img";
const LINUX = ["vmlinuz", "initrd.gz"] as const;

/** A tenth of the usual work: seconds on a real processor. */
const BENCH = ["all", "-s", "10"] as const;
const BENCHMARKS = 30;

/** What the benchmark program prints for each benchmark but the time: "NAME check=XXXXXXXX". */
function checks(output: string): string[] {
  return [...output.matchAll(/^(\w+) [\d.]+ (check=[0-9a-f]{8})/gm)].map(([, name, check]) => `${name} ${check}`);
}

let trapscope: Trapscope;

/** Runs a guest through a script; at wall time, since firmware polls timers for seconds. Throws what was seen in place of what the script waits for. */
async function play(args: readonly string[], script: readonly string[]): Promise<RunJson> {
  const file = trapscope.file("guest.script", `${script.join("\n")}\n`);
  const result = await trapscope.json(["run", ...args, "--clock", "real", "--script", file, "--timeout", `${TIMEOUT_SECONDS}`]);
  if (result.outcome !== "expected") throw new Error(`${result.outcome}: ${result.reason}\n${result.screenText ?? result.serialTail}`);
  return result;
}

describe.skipIf(GUESTS === "")("real guests (TRAPSCOPE_GUESTS)", () => {
  beforeAll(() => {
    trapscope = openTrapscope();
  });
  afterAll(() => trapscope?.close());

  describe.each([
    ["our firmware", []],
    ["SeaBIOS", ["--bios", image(SEABIOS[0]), "--vgabios", image(SEABIOS[1])]],
  ] as const)("from %s", (name, firmware) => {
    const roms = name === "SeaBIOS" ? SEABIOS : [];
    const guest = (title: string, files: readonly string[], body: () => Promise<unknown>) => it.skipIf(missing(...roms, ...files))(title, body);

    guest("Linux from a hard disk mounts it and gives a shell", ["disk.img"], () =>
      play([...firmware, image("disk.img")], ['expect "DISK MOUNTED (ext4, sda2)"', 'expect "GUEST READY"', 'send "echo $((6*7))\\n"', 'expect "\\n42"']),
    );

    guest("Linux from a CD gives a shell", ["linux.iso"], () => play([...firmware, image("linux.iso")], ['expect "GUEST READY"']));

    guest("GRUB 2 shows its menu and takes commands", ["grub.iso"], () =>
      play([...firmware, image("grub.iso")], ['expect "GNU GRUB"', 'expect "memtest86+"', 'keys "c"', 'expect "grub>"', 'keys "ls<Enter>"', 'expect "(cd"']),
    );

    guest("GNU Mach comes to its bootstrap, by GRUB's menu", ["grub.iso"], () =>
      play([...firmware, image("grub.iso")], ['expect "GNU GRUB"', 'keys "<Down><Down><Enter>"', 'expect "No bootstrap code"']),
    );

    guest("GRUB Invaders draws its fleet, which moves", ["floppy-invaders.img"], () =>
      play([...firmware, image("floppy-invaders.img")], ['expect "-*-"', "wait 1", 'expect "-*-"', "wait 1", 'expect "-*-"']),
    );

    guest("memtest86+ tests and shows its menu", ["floppy-memtest.img"], () =>
      play([...firmware, "--memory", "16M", image("floppy-memtest.img")], ['expect "Memtest86+"', 'expect "Status: Testing"', 'keys "<F1>"', 'expect "<F1>  Test selection"']),
    );

    guest("iPXE finds the network adapter and gives a shell", ["ipxe.iso"], () =>
      play([...firmware, image("ipxe.iso")], ['expect "Features:"', 'keys "<Ctrl+B>"', 'expect "iPXE>"', 'keys "ifstat<Enter>"', 'expect "net0: 02:54:53:00:00:01 using rtl8029"']),
    );

    if (!LONG) return;
    guest("memtest86+ passes over 16 MB without an error", ["floppy-memtest.img"], () =>
      play([...firmware, "--memory", "16M", image("floppy-memtest.img")], ['expect "Pass:  1        Errors: 0"']),
    );
  });

  describe("without a boot loader", () => {
    const linux = (append: string) => ["--kernel", image("vmlinuz"), "--initrd", image("initrd.gz"), "--append", `console=ttyS0 ${append}`];
    it.skipIf(missing(...LINUX))("Linux finds APIC, HPET, PM timer and PCI routing through ACPI, and switches the machine off", async () => {
      const { serialTail } = await play(linux(""), [
        'expect "IOAPIC[0]: apic_id 1, version 17, address 0xfec00000, GSI 0-23"', 'expect "3 comparators, 64-bit 14.318180 MHz counter"',
        'expect "GUEST READY"', 'send "dmesg | grep -ic \'acpi.*error\\\\|bios bug\'\\n"', 'expect "\\n0\\r"',
      ]);
      expect(serialTail).not.toMatch(/panic/);
    });

    it.skipIf(missing(...LINUX)).each(["noapic", "acpi=off", "nolapic", "acpi=off noapic", "hpet=disable"])("Linux with %s", (words) =>
      play(linux(words), ['expect "GUEST READY"']).then(() => {}),
    );

    it.skipIf(missing(...LINUX, "bench") || process.platform !== "linux" || process.arch !== "x64")("the benchmark program computes what it computes on this processor", async () => {
      const native = checks(execFileSync(image("bench"), BENCH, { encoding: "utf8", timeout: TIMEOUT_SECONDS * 1000 }));
      expect(native).toHaveLength(BENCHMARKS);
      const serial = join(trapscope.folder, "bench.txt");
      await play([...linux(""), "--serial", serial], ['expect "GUEST READY"', `send "bench ${BENCH.join(" ")}\\n"`, 'expect "BENCH DONE"']);
      expect(checks(readFileSync(serial, "utf8"))).toEqual(native);
    });

    it.skipIf(missing(PAE))("Debian's PAE kernel boots from its disk, with execute-disable", () =>
      play([image(PAE)], [
        'expect "NX (Execute Disable) protection: active"', 'expect "GUEST READY"', 'send "uname -r; grep -c \'^flags.* pae .* nx\' /proc/cpuinfo\\n"', 'expect "686-pae\\r\\n1\\r"',
      ]).then(() => {}),
    );

    it.skipIf(missing("gnumach"))("GNU Mach as a multiboot image", () =>
      play(["--multiboot", image("gnumach"), "--append", "console=com0"], ['expect "No bootstrap code"']).then(() => {}),
    );

    it.skipIf(!LONG || missing("vmlinuz", "di-initrd.gz"))("the Debian installer asks for the language", () =>
      play(["--kernel", image("vmlinuz"), "--initrd", image("di-initrd.gz"), "--append", "console=ttyS0", "--memory", "512M"], ['expect "Select a language"']).then(() => {}),
    );
  });
});
