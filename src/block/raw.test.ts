import { describe, expect, it } from "vitest";
import type { ByteSource } from "../hardware/device.ts";
import { CACHE_BLOCK_BYTES, CACHE_BLOCKS, RawDisk } from "./raw.ts";
import { memorySource, sliceSource } from "./source.ts";

/** A source of any size whose byte at n is a function of n, and that counts what is asked of it. */
function patternSource(size: number): ByteSource & { reads: { offset: number; length: number }[] } {
  const reads: { offset: number; length: number }[] = [];
  return {
    size,
    reads,
    read(offset, into) {
      if (offset + into.length > size) throw new RangeError("past the end");
      reads.push({ offset, length: into.length });
      for (let i = 0; i < into.length; i++) into[i] = patternAt(offset + i);
    },
  };
}
const patternAt = (offset: number): number => (offset ^ Math.floor(offset / 509)) & 0xff;

function expectPattern(bytes: Uint8Array, offset: number): void {
  const wrong = bytes.findIndex((byte, i) => byte !== patternAt(offset + i));
  expect(wrong).toBe(-1);
}

describe("RawDisk", () => {
  it("reads sectors across the edges of its cache blocks", () => {
    const disk = new RawDisk(patternSource(3 * CACHE_BLOCK_BYTES));
    const lba = CACHE_BLOCK_BYTES / 512 - 1;
    const bytes = new Uint8Array(3 * 512);
    disk.read(lba, bytes);
    expectPattern(bytes, lba * 512);
  });

  it("asks the source in blocks of at least 64 KiB, and once for what it still holds", () => {
    const source = patternSource(8 * CACHE_BLOCK_BYTES);
    const disk = new RawDisk(source);
    const sector = new Uint8Array(512);
    for (let lba = 0; lba < 256; lba++) disk.read(lba, sector);
    expect(source.reads).toEqual([{ offset: 0, length: CACHE_BLOCK_BYTES }]);
    expect(CACHE_BLOCK_BYTES).toBeGreaterThanOrEqual(65536);
  });

  it("holds a bounded part of a 200 GB image and evicts what was used longest ago", () => {
    const source = patternSource(200e9);
    const disk = new RawDisk(source);
    expect(disk.sectorCount).toBe(Math.ceil(200e9 / 512));
    const perBlock = CACHE_BLOCK_BYTES / 512;
    const sector = new Uint8Array(512);
    for (let block = 0; block < CACHE_BLOCKS; block++) disk.read(block * perBlock, sector);
    disk.read(0, sector); // block 0 is now the most recently used
    const far = Math.floor(150e9 / CACHE_BLOCK_BYTES) * perBlock;
    disk.read(far, sector); // evicts block 1
    expectPattern(sector, far * 512);
    const before = source.reads.length;
    disk.read(0, sector);
    expect(source.reads.length).toBe(before);
    disk.read(perBlock, sector);
    expect(source.reads.length).toBe(before + 1);
    expectPattern(sector, CACHE_BLOCK_BYTES);
  });

  it("reads zeros in the part of the last sector that the image lacks, and in the padding", () => {
    const disk = new RawDisk(memorySource(new Uint8Array(700).fill(0xaa)), { sectorCount: 2880 });
    const bytes = new Uint8Array(1024).fill(0x55);
    disk.read(0, bytes);
    expect(bytes.subarray(0, 700).every((byte) => byte === 0xaa)).toBe(true);
    expect(bytes.subarray(700).every((byte) => byte === 0)).toBe(true);
    disk.read(2878, bytes);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(new RawDisk(memorySource(new Uint8Array(700))).sectorCount).toBe(2);
  });

  it("refuses sectors that do not exist", () => {
    const disk = new RawDisk(memorySource(new Uint8Array(1024)));
    expect(() => disk.read(1, new Uint8Array(1024))).toThrow(RangeError);
    expect(() => disk.write()).toThrow();
  });

  it("still works after the source failed once", () => {
    const source = patternSource(1 << 20);
    let fail = true;
    const disk = new RawDisk({
      size: source.size,
      read(offset, into) {
        if (fail) throw new Error("file vanished");
        source.read(offset, into);
      },
    });
    const sector = new Uint8Array(512);
    expect(() => disk.read(5, sector)).toThrow("file vanished");
    fail = false;
    disk.read(5, sector);
    expectPattern(sector, 5 * 512);
  });
});

describe("sliceSource", () => {
  it("reads relative to its start and not outside", () => {
    const slice = sliceSource(memorySource(Uint8Array.from([1, 2, 3, 4, 5])), 1, 3);
    const two = new Uint8Array(2);
    slice.read(1, two);
    expect([...two]).toEqual([3, 4]);
    expect(() => slice.read(2, two)).toThrow(RangeError);
    expect(() => sliceSource(slice, 1, 3)).toThrow(RangeError);
  });
});
