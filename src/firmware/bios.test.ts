import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { BIOS_ROM_BYTES, builtinBios, builtinVgaBios, VGA_BIOS_BYTES } from "./bios.ts";

const nasm = spawnSync("nasm", ["-v"]).status === 0;

describe("the system BIOS", () => {
  const rom = builtinBios();
  const at = (offset: number) => rom.subarray(0x10000 + offset);

  it("fills the 128 KB below 1 MB", () => {
    expect(rom.length).toBe(BIOS_ROM_BYTES);
    expect(rom.subarray(0, 0x10000).every((byte) => byte === 0xff)).toBe(true);
  });

  it("starts with a far jump into segment F000h (IBM PC AT Technical Reference: reset vector FFFF0h)", () => {
    expect(at(0xfff0)[0]).toBe(0xea);
    expect([...at(0xfff3).subarray(0, 2)]).toEqual([0x00, 0xf0]);
  });

  it("says that it is an AT at FFFFEh", () => {
    expect(at(0xfffe)[0]).toBe(0xfc);
  });

  it("keeps the tables that software reads at fixed addresses", () => {
    // INT 1Eh, 1.44 MB: 512-byte sectors, 18 of them, gap 1Bh
    expect([...at(0xefc7).subarray(3, 6)]).toEqual([2, 18, 0x1b]);
    // INT 15h AH=C0h: eight bytes follow, model FCh
    expect([...at(0xe6f5).subarray(0, 3)]).toEqual([8, 0, 0xfc]);
  });
});

describe("the video BIOS", () => {
  const rom = builtinVgaBios();

  it("is an adapter ROM whose bytes add up to zero", () => {
    expect(rom.length).toBe(VGA_BIOS_BYTES);
    expect([...rom.subarray(0, 3)]).toEqual([0x55, 0xaa, VGA_BIOS_BYTES / 512]);
    expect(rom.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  });
});

describe.runIf(nasm)("scripts/build-firmware.mjs", () => {
  it("gives the committed images again", () => {
    const run = spawnSync(process.execPath, ["scripts/build-firmware.mjs", "--check"], { encoding: "utf8" });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
  });
});
