import { describe, expect, it } from "vitest";
import type { BlockDevice } from "../hardware/device.ts";
import { OVERLAY_BLOCK_BYTES } from "./block-store.ts";
import { Overlay } from "./overlay.ts";
import { RawDisk } from "./raw.ts";
import { memorySource } from "./source.ts";

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed + (i >> 9)) & 0xff);
}

function diskOf(bytes: Uint8Array, sectorSize = 512): BlockDevice {
  return new RawDisk(memorySource(bytes), { sectorSize });
}

describe("Overlay", () => {
  it("agrees with a plain array under random reads and writes, and never touches the image", () => {
    const size = 40 * 512; // ends in the middle of an overlay block
    const image = pattern(size, 1);
    const model = image.slice();
    const overlay = new Overlay(diskOf(image));
    let seed = 12345;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % limit;
    };
    for (let round = 0; round < 500; round++) {
      const lba = random(40);
      const count = 1 + random(40 - lba);
      if (random(3) === 0) {
        const data = pattern(count * 512, round);
        overlay.write(lba, data);
        model.set(data, lba * 512);
      } else {
        const data = new Uint8Array(count * 512);
        overlay.read(lba, data);
        expect(Buffer.compare(data, model.subarray(lba * 512, (lba + count) * 512))).toBe(0);
      }
      if (round === 250) {
        const other = new Overlay(diskOf(image));
        other.load(overlay.save());
        const all = new Uint8Array(size);
        other.read(0, all);
        expect(Buffer.compare(all, model)).toBe(0);
        expect(other.save()).toEqual(overlay.save());
      }
    }
    expect(image).toEqual(pattern(size, 1));
    overlay.discard();
    const all = new Uint8Array(size);
    overlay.read(0, all);
    expect(all).toEqual(image);
  });

  it("holds only the blocks that were written, on a 200 GB disk", () => {
    const zeros = { size: 200e9, read: (_: number, into: Uint8Array) => void into.fill(0) };
    const overlay = new Overlay(new RawDisk(zeros));
    const lba = overlay.sectorCount - 1;
    overlay.write(lba, pattern(512, 9));
    overlay.write(0, pattern(2 * OVERLAY_BLOCK_BYTES, 3));
    expect(overlay.bytesHeld).toBe(3 * OVERLAY_BLOCK_BYTES);
    const back = new Uint8Array(512);
    overlay.read(lba, back);
    expect(back).toEqual(pattern(512, 9));
  });

  it("does not read below what it overwrites whole, and reads unwritten runs at once", () => {
    const reads: [number, number][] = [];
    const base: BlockDevice = {
      sectorSize: 512,
      sectorCount: 1024,
      readOnly: true,
      read: (lba, into) => void reads.push([lba, into.length / 512]),
      write: () => undefined,
      flush: () => undefined,
    };
    const overlay = new Overlay(base);
    overlay.write(8, new Uint8Array(4096));
    expect(reads).toEqual([]);
    overlay.write(17, new Uint8Array(512));
    expect(reads).toEqual([[16, 8]]);
    reads.length = 0;
    overlay.read(2, new Uint8Array(100 * 512));
    expect(reads).toEqual([
      [2, 6],
      [24, 78],
    ]);
  });

  it("works in 2048-byte sectors and refuses what is outside", () => {
    const overlay = new Overlay(diskOf(pattern(10 * 2048, 4), 2048));
    const bytes = new Uint8Array(3 * 2048);
    overlay.write(3, pattern(2048, 5));
    overlay.read(2, bytes);
    expect(bytes.subarray(2048, 4096)).toEqual(pattern(2048, 5));
    expect(bytes.subarray(0, 2048)).toEqual(pattern(10 * 2048, 4).subarray(2 * 2048, 3 * 2048));
    expect(() => overlay.write(10, pattern(2048, 5))).toThrow(RangeError);
    expect(() => overlay.read(9, new Uint8Array(4096))).toThrow(RangeError);
  });
});
