import { describe, expect, it } from "vitest";
import { MmioBus } from "../hardware/bus.ts";
import { GuestPhysical } from "./physical.ts";
import { allocateMemory } from "./shared-memory.ts";

const MB = 1 << 20;
const FLOATING = 0xff;

function spaceWith(bios: Uint8Array, optionRom: Uint8Array): GuestPhysical {
  const space = new GuestPhysical(allocateMemory(MB), new MmioBus());
  space.setBios(bios);
  space.setOptionRom(optionRom);
  return space;
}

describe("the BIOS ROM", () => {
  // Every page of the image begins with its own number.
  const image = new Uint8Array(2 * MB);
  for (let at = 0; at < image.length; at += 4096) new DataView(image.buffer).setUint16(at, at >>> 12, true);
  const space = spaceWith(image, new Uint8Array(32_768).fill(0xc0));

  function page(address: number): number {
    const bytes = new Uint8Array(2);
    space.readBytes(address, bytes);
    return bytes[0]! | (bytes[1]! << 8);
  }

  it("ends at 4 GB, however large it is", () => {
    expect(page(0xffe0_0000)).toBe(0);
    expect(page(0xfff0_0000)).toBe(0x100);
    expect(page(0xffff_f000)).toBe(0x1ff);
    expect(page(0xffdf_f000)).toBe(FLOATING | (FLOATING << 8));
  });

  it("shows its last 128 KB below 1 MB, above the option ROMs", () => {
    expect(page(0xf_f000)).toBe(0x1ff);
    expect(page(0xe_0000)).toBe(0x1e0);
    expect(page(0xc_0000)).toBe(0xc0c0);
    expect(page(0xd_f000)).toBe(FLOATING | (FLOATING << 8));
  });
});
