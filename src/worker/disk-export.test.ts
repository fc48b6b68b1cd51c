import { describe, expect, it } from "vitest";
import { MemoryBlocks, OVERLAY_BLOCK_BYTES } from "../block/block-store.ts";
import { memorySource } from "../block/source.ts";
import { testDisk } from "../block/test-disk.ts";
import { composeDisk } from "./disk-export.ts";

const IMAGE = testDisk();
const watch = { progress: () => {}, canceled: () => false };

function changed(): { store: MemoryBlocks; expected: Uint8Array } {
  const store = new MemoryBlocks(), expected = IMAGE.slice();
  // Runs, single blocks, and the last one, which the disk ends in the middle of.
  for (const block of [0, 1, 2, 700, 702, Math.floor(IMAGE.length / OVERLAY_BLOCK_BYTES)]) {
    const bytes = new Uint8Array(OVERLAY_BLOCK_BYTES).fill(block + 1);
    store.write(block, bytes);
    expected.set(bytes.subarray(0, Math.min(bytes.length, expected.length - block * OVERLAY_BLOCK_BYTES)), block * OVERLAY_BLOCK_BYTES);
  }
  return { store, expected };
}

describe("composeDisk", () => {
  it.each([["a file", true], ["a container", false]])("of %s is the disk with what was written", async (_, isFile) => {
    const { store, expected } = changed();
    const blob = await composeDisk({ size: IMAGE.length, source: memorySource(IMAGE), blob: isFile ? new Blob([IMAGE.slice()]) : null, store }, watch);
    expect(Buffer.compare(new Uint8Array(await (blob as Blob).arrayBuffer()), expected)).toBe(0);
  });

  it("fills with zeros what a short image lacks", async () => {
    const blob = await composeDisk({ size: 1_474_560, source: memorySource(new Uint8Array(700).fill(7)), blob: null, store: null }, watch);
    const bytes = new Uint8Array(await (blob as Blob).arrayBuffer());
    expect([bytes.length, bytes[699], bytes[700], bytes.at(-1)]).toEqual([1_474_560, 7, 0, 0]);
  });

  it("says how far it is, ends when it is canceled, and refuses what is too large to copy", async () => {
    const size = 64 << 20, seen: number[] = [];
    const zeros = { size, read: (_: number, into: Uint8Array) => void into.fill(0) };
    const blob = await composeDisk({ size, source: zeros, blob: null, store: null }, { progress: (done) => seen.push(done), canceled: () => seen.length >= 2 });
    expect(blob).toBeNull();
    expect(seen).toHaveLength(2);
    await expect(composeDisk({ size: 200e9, source: { ...zeros, size: 200e9 }, blob: null, store: null }, watch)).rejects.toThrow(/too large/);
  });
});
