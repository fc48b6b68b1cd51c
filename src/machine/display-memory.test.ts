// The linear framebuffer: as fast as RAM for the processor, and every change is on the screen.

import { describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "../firmware/bios.ts";
import { GuestScreen } from "./guest-screen.ts";
import { Machine } from "./machine.ts";
import type { TechniqueId } from "../protocol/technique.ts";

/** Where our firmware puts BAR 0 of the display. */
const FRAMEBUFFER = 0xe000_0000;

/**
 * Segments and stack; INT 10h AX=4F02h BX=4141h: 640x400x32, linear; LGDT [7C50h], a 4 GB DS from a moment in protected mode;
 * then for ever: mov [E0000000h],cl / out 80h,al / inc cl.
 */
const PROGRAM = "ea057c000031c08ed88ed0bc007cfcb8024fbb4141cd10fa0f0116507c0f20c00c010f22c0bb08008edb24fe0f22c0b10167880d000000e0e680fec1ebf3";
const GDT = [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0];

function machine(technique: TechniqueId): Machine {
  const image = new Uint8Array(1440 * 1024);
  image.set((PROGRAM.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
  image.set([15, 0, 0x60, 0x7c, 0, 0], 0x50);
  image.set(GDT, 0x60);
  image.set([0x55, 0xaa], 510);
  const fda = { size: image.length, read: (offset: number, into: Uint8Array) => into.set(image.subarray(offset, offset + into.length)) };
  return new Machine({ memoryBytes: 4 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: { fda }, firmware: { bios: builtinBios(), vgabios: builtinVgaBios() } });
}

describe.each(["emulate", "trap"] as const)("under %s", (technique) => {
  it("shows each store, however often the picture was drawn before", () => {
    const m = machine(technique);
    const screen = new GuestScreen(m.pc);
    m.run(5e6);
    expect(screen.image()).toMatchObject({ width: 640, height: 400 });
    const blues = new Set<number>(), byte = new Uint8Array(1);
    for (let i = 0; i < 20; i++) {
      const before = screen.version;
      m.run(101);
      const blue = screen.image().rgba[2]!;
      blues.add(blue);
      expect(screen.version).not.toBe(before);
      m.physical.readBytes(FRAMEBUFFER, byte);
      expect(byte[0]).toBe(blue);
    }
    expect(blues.size).toBeGreaterThan(15);
  });
});
