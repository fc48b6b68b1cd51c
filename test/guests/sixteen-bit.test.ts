// The 16-bit code of real boot loaders, de-privileged: through V86 mode with VME off and on, emulated where its state cannot be represented.
// TRAPSCOPE_GUESTS names the folder of images.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTrapscope, type RunJson, type Trapscope } from "../cli/trapscope.ts";

const GUESTS = process.env.TRAPSCOPE_GUESTS ?? "";
const GRUB = join(GUESTS, "grub.iso"), IPXE = join(GUESTS, "floppy-ipxe.img"), MEMTEST = join(GUESTS, "floppy-memtest.img"), DISK = join(GUESTS, "disk.img");
/** The menu comes after 32 million instructions, iPXE looks at its own code after 16 million. */
const GRUB_LIMIT = "60e6", IPXE_LIMIT = "20e6";

let trapscope: Trapscope;
const withSet = (set: string): string[] => set.split(" ").filter(Boolean).flatMap((one) => ["--set", one]);
const run = (image: string, technique: string, set: string, limit: string, ...more: readonly string[]): Promise<RunJson> =>
  trapscope.json(["run", image, "--technique", technique, ...withSet(set), "--max-instructions", limit, ...more]);

beforeAll(() => {
  if ([GRUB, IPXE, MEMTEST, DISK].some((image) => existsSync(image))) trapscope = openTrapscope();
});
afterAll(() => trapscope?.close());

describe.skipIf(!existsSync(GRUB))("GRUB (TRAPSCOPE_GUESTS)", () => {
  it.each([["scan", ""], ["scan", "vme=on"], ["translate", ""], ["vtx", ""], ["vtx", "shadow=drop-all"]])("shows its menu under %s %s, without a leak", async (technique, set) => {
    const { outcome, leaks } = await run(GRUB, technique, set, GRUB_LIMIT, "--expect", "memtest86+");
    expect([outcome, leaks.total]).toEqual(["expected", 0]);
  });

  it.each(["", "vme=on"])("shows its menu under trap %s, and its flags leak all the way", async (set) => {
    const { outcome, leaks } = await run(GRUB, "trap", set, GRUB_LIMIT, "--expect", "memtest86+");
    expect(outcome).toBe("expected");
    expect(leaks.total).toBeGreaterThan(100_000);
  });

  it.each(["", "vme=on"])("comes to nothing under int3 %s: what only indirect jumps reach leaks IF, and an interrupt meets no table", async (set) => {
    const { outcome, leaks } = await run(GRUB, "int3", set, GRUB_LIMIT, "--expect", "memtest86+");
    expect(outcome).toBe("triple-fault");
    // In V86 with VME an image shows IOPL = 3: the firmware's own PUSHF.
    expect(leaks.byInstruction).toMatchObject({ PUSHF: set === "" ? 2 : 3 });
    if (set === "") expect(leaks.first).toMatchObject({ instruction: "PUSHF" });
  });
});

describe.skipIf(!existsSync(IPXE))("iPXE (TRAPSCOPE_GUESTS)", () => {
  it.each(["", "vme=on"])("reads its own code under int3 %s, and acts on the CC that it finds", async (set) => {
    const { outcome, leaks } = await run(IPXE, "int3", set, IPXE_LIMIT);
    expect(outcome).toBe("halted");
    expect(leaks.decisive).toMatchObject({ instruction: "LODS", observed: 0xcc });
  });
});

describe.each([["iPXE", IPXE, []], ["memtest86+", MEMTEST, ["--memory", "16M"]], ["syslinux", DISK, []]] as const)("%s (TRAPSCOPE_GUESTS)", (_name, image, more) => {
  it.skipIf(!existsSync(image)).each([["scan", ""], ["scan", "vme=on"], ["translate", ""], ["vtx", ""], ["vtx", "shadow=drop-all"]])(
    "is what it is on bare metal under %s %s, instruction by instruction",
    async (technique, set) => {
      const { code, stdout } = await trapscope.run(["diff", image, "--b", technique, ...withSet(set), "--max-instructions", "2e6", ...more]);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^No difference .* in 2000000 instructions/)]);
    },
  );
});
