// Expectations: the Bochs display interface as QEMU's docs/specs/standard-vga.rst describes it.

import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock } from "./describe-device.ts";
import { PciVga, romRegion } from "./pci-vga.ts";
import { Vbe } from "./vbe.ts";
import { Vga } from "./vga.ts";
import { VIDEO_MEMORY_BYTES } from "./video-memory.ts";
import { MAX_FRAME_BYTES, VgaRenderer } from "./vga-render.ts";
import { MODES, VgaHost } from "./vga-test-modes.ts";

describeDevice("Vbe", () => {
  const clock = new ManualClock();
  const vbe = new Vbe(new Vga(clock));
  return {
    device: vbe,
    clock,
    regions: [
      { region: vbe.ports, size: 4 },
      { region: vbe.framebuffer, size: 0x100 },
    ],
    afterReset: [
      [0, 0, 0, 2],
      [0, 1, 0xb0c5, 2],
      [1, 0, 0, 4],
    ],
  };
});

let host: VgaHost;
let vbe: Vbe;
let renderer: VgaRenderer;
const frame = new Uint8Array(MAX_FRAME_BYTES);

beforeEach(() => {
  host = new VgaHost();
  vbe = new Vbe(host.vga);
  renderer = new VgaRenderer(host.vga);
  host.setMode(MODES.text80);
});

function set(index: number, value: number): void {
  vbe.ports.write(0, 2, index);
  vbe.ports.write(1, 2, value);
}

function get(index: number): number {
  vbe.ports.write(0, 2, index);
  return vbe.ports.read(1, 2);
}

function mode(width: number, height: number, depth: number, flags = 0x41): void {
  set(4, 0);
  set(1, width);
  set(2, height);
  set(3, depth);
  set(4, flags);
}

function pixel(x: number, y: number): number[] {
  const { width } = renderer.size();
  renderer.draw(frame);
  const at = (y * width + x) * 4;
  return [...frame.subarray(at, at + 4)];
}

describe("registers", () => {
  it("tell version, memory and limits", () => {
    expect(get(0)).toBe(0xb0c5);
    set(0, 0xb0c2);
    expect(get(0)).toBe(0xb0c2);
    set(0, 0x1234);
    expect(get(0)).toBe(0xb0c2);
    expect(get(10)).toBe(VIDEO_MEMORY_BYTES / 65536);
    set(4, 0x02);
    expect([get(1), get(2), get(3)]).toEqual([1920, 1080, 32]);
    set(4, 0);
    expect([get(1), get(2), get(3)]).toEqual([0, 0, 0]);
  });

  it("fit what is asked into what there is", () => {
    mode(5000, 5000, 7);
    expect([get(1), get(2), get(3)]).toEqual([1920, 1080, 8]);
    mode(800, 600, 32);
    expect([get(6), get(7)]).toEqual([800, Math.floor(VIDEO_MEMORY_BYTES / 3200)]);
    set(6, 1024);
    set(8, 400);
    set(9, 60000);
    expect([get(6), get(7), get(8), get(9)]).toEqual([1024, 4096, 400, 4096 - 600 - 1]);
  });
});

describe("picture", () => {
  it.each([
    [8, 0x2a, [0xaa, 0, 0x28, 0xff]], // DAC entry 2Ah
    [15, 0b0_11111_00001_10000, [0xff, 0x08, 0x84, 0xff]],
    [16, 0b11111_000001_10000, [0xff, 0x04, 0x84, 0xff]],
    [24, 0x123456, [0x12, 0x34, 0x56, 0xff]],
    [32, 0x99123456, [0x12, 0x34, 0x56, 0xff]],
  ])("has %i bits a pixel", (depth, value, expected) => {
    mode(640, 480, depth);
    const bytes = (depth + 7) >> 3;
    const at = (7 * 640 + 5) * bytes;
    for (let i = 0; i < bytes; i++) vbe.framebuffer.write(at + i, 1, (value >>> (8 * i)) & 0xff);
    expect(renderer.size()).toEqual({ width: 640, height: 480 });
    expect(pixel(5, 7)).toEqual(expected);
    expect(renderer.text()).toBeNull();
    expect(renderer.draw(frame)).toBeNull();
  });

  it("moves with the offsets over a wider virtual screen", () => {
    mode(320, 200, 8);
    set(6, 640);
    set(8, 16);
    set(9, 3);
    vbe.framebuffer.write(3 * 640 + 16, 4, 0x00000015);
    expect(pixel(0, 0)).toEqual([0x55, 0, 0x14, 0xff]);
  });

  // Linux's bochs-drm: a start address as column and line.
  it("begins in the middle of a line, and goes on in the next one", () => {
    mode(320, 200, 8);
    set(8, 32);
    set(9, 3);
    vbe.framebuffer.write(3 * 320 + 32, 1, 0x15);
    vbe.framebuffer.write(4 * 320 + 31, 1, 0x15);
    expect([pixel(0, 0), pixel(319, 0)]).toEqual(Array(2).fill([0x55, 0, 0x14, 0xff]));
  });

  it("stays in the memory whatever the offsets", () => {
    mode(1920, 1080, 32);
    for (const index of [8, 9]) set(index, 0xffff);
    vbe.framebuffer.write(VIDEO_MEMORY_BYTES - 4, 4, 0x123456);
    expect(() => pixel(1919, 1079)).not.toThrow();
    mode(640, 480, 32);
    set(9, 0xffff);
    expect(get(9)).toBe(Math.floor(VIDEO_MEMORY_BYTES / 2560) - 480);
  });

  it("has 8 bits in the DAC when asked for", () => {
    mode(320, 200, 8, 0x61);
    host.out(0x3c8, 1);
    for (const value of [0xab, 0xcd, 0xef]) host.out(0x3c9, value);
    vbe.framebuffer.write(0, 1, 1);
    expect(pixel(0, 0)).toEqual([0xab, 0xcd, 0xef, 0xff]);
  });

  it("gives way to the VGA's own when switched off", () => {
    mode(320, 200, 8);
    set(4, 0);
    expect(renderer.size()).toEqual({ width: 720, height: 400 });
    expect(renderer.text()?.cols).toBe(80);
  });
});

describe("memory", () => {
  it("shows in banks at A0000h, and is cleared unless asked not to", () => {
    mode(640, 480, 8, 0x01);
    set(5, 3);
    host.poke(0xa0010, 0x77);
    expect(vbe.framebuffer.read(3 * 65536 + 0x10, 1)).toBe(0x77);
    expect(host.peek(0xb0000)).toBe(0xff);
    mode(640, 480, 8, 0x81);
    expect(vbe.framebuffer.read(3 * 65536 + 0x10, 1)).toBe(0x77);
    mode(640, 480, 8, 0x41);
    expect(vbe.framebuffer.read(3 * 65536 + 0x10, 1)).toBe(0);
  });

  it("ends", () => {
    expect(vbe.framebuffer.read(VIDEO_MEMORY_BYTES - 2, 4)).toBe(0xffffffff);
    vbe.framebuffer.write(VIDEO_MEMORY_BYTES - 2, 4, 0);
    vbe.framebuffer.write(VIDEO_MEMORY_BYTES - 2, 2, 0x1234);
    expect(vbe.framebuffer.read(VIDEO_MEMORY_BYTES - 2, 2)).toBe(0x1234);
  });

  it("is in a snapshot as far as it was used", () => {
    mode(320, 200, 8);
    vbe.framebuffer.write(999, 1, 5);
    const state = vbe.save();
    expect((state.memory as Uint8Array).length).toBe(4096);
    vbe.reset();
    expect(vbe.framebuffer.read(999, 1)).toBe(0);
    vbe.load(state);
    expect([vbe.framebuffer.read(999, 1), get(1), vbe.active]).toEqual([5, 320, true]);
  });
});

describe("changes", () => {
  const memory = () => vbe.memory;

  it("are noticed at the first store into each page, and again after the picture was drawn", () => {
    let cleaned = 0;
    memory().onClean = () => cleaned++;
    mode(640, 480, 32);
    renderer.draw(frame);
    const { stores } = memory();
    vbe.framebuffer.write(4094, 4, 1);
    vbe.framebuffer.write(16, 4, 1);
    expect([memory().stores - stores, memory().isChanged(0), memory().isChanged(1), memory().isChanged(2)]).toEqual([2, true, true, false]);
    expect([renderer.draw(frame), renderer.draw(frame)]).toEqual([{ width: 640, height: 480 }, null]);
    expect([cleaned, memory().isChanged(0)]).toEqual([1, false]);
    // Unseen by the device, as the processor writes a page that counts as changed.
    vbe.framebuffer.write(0, 4, 1);
    memory().view.setUint32(4, 0x00ff0000, true);
    renderer.draw(frame);
    expect(pixel(1, 0)).toEqual([255, 0, 0, 255]);
  });
});

describe("PCI function", () => {
  it("places framebuffer and ROM", () => {
    const moves: [string, number | null][] = [];
    const { region, bytes } = romRegion(Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff));
    const fn = new PciVga({ placeFramebuffer: (base) => moves.push(["fb", base]), romBytes: bytes, placeRom: (base) => moves.push(["rom", base]) });
    expect([fn.read(0, 4), fn.read(0x0a, 2), bytes]).toEqual([0x11111234, 0x0300, 8192]);
    fn.write(0x10, 4, 0xffffffff);
    expect(fn.read(0x10, 4)).toBe(0xff000008);
    fn.write(0x10, 4, 0xfd000000);
    fn.write(0x30, 4, 0xfebf0001);
    fn.write(4, 1, 3);
    expect(moves).toEqual([
      ["fb", 0xfd000000],
      ["rom", 0xfebf0000],
    ]);
    expect([region.read(4998, 4), region.read(4096, 2)]).toEqual([0xffff8786, 0x0100]);
  });
});
