// Expectations: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem.

import { beforeEach, describe, expect, it } from "vitest";
import type { Region } from "./device.ts";
import {
  GC_BIT_MASK,
  GC_COLOR_COMPARE,
  GC_COLOR_DONT_CARE,
  GC_DATA_ROTATE,
  GC_ENABLE_SET_RESET,
  GC_MISC,
  GC_MODE,
  GC_READ_MAP,
  GC_SET_RESET,
  SEQ_MAP_MASK,
  SEQ_MEMORY_MODE,
  VgaMemory,
} from "./vga-memory.ts";

const sequencer = new Uint8Array(8);
const graphics = new Uint8Array(9);
let memory: VgaMemory;
let region: Region;

beforeEach(() => {
  sequencer.fill(0);
  graphics.fill(0);
  memory = new VgaMemory(sequencer, graphics);
  region = memory.region(() => true);
  // Planar, sequential, A0000h-AFFFFh, all planes, all bits: as mode 12h has it.
  gc(GC_MISC, 0x05);
  gc(GC_BIT_MASK, 0xff);
  gc(GC_COLOR_DONT_CARE, 0x0f);
  seq(SEQ_MAP_MASK, 0x0f);
  seq(SEQ_MEMORY_MODE, 0x06);
});

function gc(index: number, value: number): void {
  graphics[index] = value;
  memory.configure();
}
function seq(index: number, value: number): void {
  sequencer[index] = value;
  memory.configure();
}
const planes = (offset: number): number[] => [...memory.bytes.subarray(4 * offset, 4 * offset + 4)];
const fill = (offset: number, ...values: number[]): void => memory.bytes.set(values, 4 * offset);
const write = (offset: number, value: number): void => region.write(offset, 1, value);
const read = (offset: number): number => region.read(offset, 1);

describe("write mode 0", () => {
  it("stores the byte in the planes of the map mask", () => {
    seq(SEQ_MAP_MASK, 0x05);
    write(7, 0xa5);
    expect(planes(7)).toEqual([0xa5, 0, 0xa5, 0]);
  });

  it("rotates to the right before anything else", () => {
    gc(GC_DATA_ROTATE, 3);
    write(0, 0b0000_0101);
    expect(planes(0)).toEqual([0xa0, 0xa0, 0xa0, 0xa0]);
  });

  it("replaces planes by set/reset where it is enabled", () => {
    gc(GC_SET_RESET, 0b0110);
    gc(GC_ENABLE_SET_RESET, 0b0011);
    write(0, 0x3c);
    expect(planes(0)).toEqual([0x00, 0xff, 0x3c, 0x3c]);
  });

  it("keeps the latched bits where the bit mask is zero", () => {
    fill(0x100, 0x11, 0x22, 0x44, 0x88);
    fill(0x200, 0, 0, 0, 0);
    read(0x100);
    gc(GC_BIT_MASK, 0xf0);
    write(0x200, 0xff); // the latches are those of 100h
    expect(planes(0x200)).toEqual([0xf1, 0xf2, 0xf4, 0xf8]);
  });

  it.each([
    [1, (data: number, latch: number) => data & latch],
    [2, (data: number, latch: number) => data | latch],
    [3, (data: number, latch: number) => data ^ latch],
  ])("combines with the latches by function %i", (logic, expected) => {
    const latches = [0x0f, 0x33, 0x55, 0xff];
    fill(5, ...latches);
    read(5);
    gc(GC_DATA_ROTATE, logic << 3);
    write(5, 0x5a);
    expect(planes(5)).toEqual(latches.map((latch) => expected(0x5a, latch)));
  });
});

describe("write modes 1, 2 and 3", () => {
  it("mode 1 copies the latches, whatever is written", () => {
    fill(1, 1, 2, 3, 4);
    gc(GC_MODE, 1);
    gc(GC_BIT_MASK, 0);
    read(1);
    seq(SEQ_MAP_MASK, 0x0e);
    write(9, 0xff);
    expect(planes(9)).toEqual([0, 2, 3, 4]);
  });

  it("mode 2 takes a colour from bits 3:0 and pixels from the bit mask", () => {
    fill(2, 0xff, 0xff, 0xff, 0xff);
    read(2);
    gc(GC_MODE, 2);
    gc(GC_BIT_MASK, 0x81);
    write(2, 0xf6);
    expect(planes(2)).toEqual([0x7e, 0xff, 0xff, 0x7e]);
  });

  it("mode 3 takes the colour from set/reset and masks with the rotated byte", () => {
    fill(3, 0, 0, 0xff, 0xff);
    read(3);
    gc(GC_MODE, 3);
    gc(GC_SET_RESET, 0b0101);
    gc(GC_BIT_MASK, 0x3c);
    gc(GC_DATA_ROTATE, 4);
    write(3, 0xf3); // rotated: 3Fh, and the bit mask: 3Ch
    expect(planes(3)).toEqual([0x3c, 0, 0xff, 0xc3]);
  });
});

describe("reads", () => {
  it("mode 0 gives the plane of the read map", () => {
    fill(4, 10, 20, 30, 40);
    for (let plane = 0; plane < 4; plane++) {
      gc(GC_READ_MAP, plane);
      expect(read(4)).toBe((plane + 1) * 10);
    }
  });

  it("mode 1 compares colours, planes that do not care left out", () => {
    fill(6, 0b1100_1100, 0b1010_1010, 0b1111_0000, 0);
    gc(GC_MODE, 8);
    gc(GC_COLOR_COMPARE, 0b0011);
    gc(GC_COLOR_DONT_CARE, 0b1011); // plane 2 does not matter
    expect(read(6)).toBe(0b1000_1000);
    gc(GC_COLOR_DONT_CARE, 0b1111);
    expect(read(6)).toBe(0b0000_1000);
    gc(GC_COLOR_DONT_CARE, 0);
    expect(read(6)).toBe(0xff);
  });
});

describe("how the processor's addresses reach the planes", () => {
  it("odd/even puts even bytes in planes 0 and 2 and odd ones in 1 and 3", () => {
    seq(SEQ_MEMORY_MODE, 0x02);
    seq(SEQ_MAP_MASK, 0x03);
    gc(GC_MODE, 0x10);
    gc(GC_MISC, 0x0e); // B8000h, 32 KB
    region.write(0x18000 + 6, 2, 0x0741);
    expect(planes(6)).toEqual([0x41, 0x07, 0, 0]);
    expect(planes(7)).toEqual([0, 0, 0, 0]);
    expect(region.read(0x18000 + 6, 2)).toBe(0x0741);
    fill(6, 1, 2, 3, 4);
    gc(GC_READ_MAP, 2);
    expect(region.read(0x18000 + 6, 2)).toBe(0x0403);
  });

  it("chain 4 spreads four bytes over four planes at one offset", () => {
    seq(SEQ_MEMORY_MODE, 0x0e);
    region.write(0x40, 4, 0x44332211);
    expect(planes(0x40)).toEqual([0x11, 0x22, 0x33, 0x44]);
    region.write(0x8005, 1, 0x99);
    expect(planes(0x8006)).toEqual([0, 0x99, 0, 0]); // address bit 15 stands in for bit 1
    expect(region.read(0x8005, 1)).toBe(0x99);
    expect(region.read(0x40, 4)).toBe(0x44332211);
    region.write(0x51, 4, 0xddccbbaa); // not aligned
    expect([planes(0x50), planes(0x54)]).toEqual([
      [0, 0xaa, 0xbb, 0xcc],
      [0xdd, 0, 0, 0],
    ]);
  });

  it("chain 4 obeys the map mask in wide and narrow stores alike", () => {
    seq(SEQ_MEMORY_MODE, 0x0e);
    seq(SEQ_MAP_MASK, 0x0a);
    region.write(0, 4, 0x44332211);
    expect(planes(0)).toEqual([0, 0x22, 0, 0x44]);
    region.write(4, 1, 0x11);
    expect(planes(4)).toEqual([0, 0, 0, 0]);
  });

  it.each([
    [0, 0x00000, 0x1ffff],
    [1, 0x00000, 0x0ffff],
    [2, 0x10000, 0x17fff],
    [3, 0x18000, 0x1ffff],
  ])("memory map %i answers where it should and nowhere else", (map, first, last) => {
    gc(GC_MISC, 1 | (map << 2));
    memory.bytes.fill(0x5a);
    for (const offset of [0, 0xffff, 0x10000, 0x17fff, 0x18000, 0x1ffff]) {
      expect(read(offset)).toBe(offset >= first && offset <= last ? 0x5a : 0xff);
    }
    memory.bytes.fill(0);
    for (const offset of [0, 0xffff, 0x10000, 0x17fff, 0x18000, 0x1ffff]) {
      if (offset < first || offset > last) write(offset, 0x77);
    }
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
    region.write(last - 1, 4, 0x04030201); // two bytes inside, two outside
    expect(read(last)).toBe(2);
  });

  it("is closed while the RAM enable bit is off", () => {
    const closed = memory.region(() => false);
    closed.write(0, 1, 0x12);
    expect(closed.read(0, 2)).toBe(0xffff);
    expect(planes(0)).toEqual([0, 0, 0, 0]);
  });
});
