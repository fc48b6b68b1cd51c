// The promise of an overlay file: whenever the program or the machine dies, what is found afterwards is exactly the state of a
// flush, the last acknowledged one or the one under way.

import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import { OVERLAY_BLOCK_BYTES } from "./block-store.ts";
import { OverlayFile, type RandomFile } from "./overlay-file.ts";

const KEY = { image: "sha256:0123", diskBytes: 1 << 30 };

/** Bytes in memory, with a limit like a browser's quota. */
class TestFile implements RandomFile {
  bytes: Uint8Array<ArrayBufferLike>;
  limit = Infinity;
  flushes = 0;
  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.bytes = bytes;
  }
  size(): number {
    return this.bytes.length;
  }
  read(at: number, into: Uint8Array): void {
    if (at + into.length > this.bytes.length) throw new Error("read past the end");
    into.set(this.bytes.subarray(at, at + into.length));
  }
  write(at: number, from: Uint8Array): void {
    if (at + from.length > this.limit) throw new Error("quota exceeded");
    if (at + from.length > this.bytes.length) this.truncate(at + from.length);
    this.bytes.set(from, at);
  }
  truncate(size: number): void {
    if (size > this.limit) throw new Error("quota exceeded");
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }
  flush(): void {
    this.flushes++;
  }
  close(): void {}
}

/** Dies after `budget` writes. What was not flushed then is there in part, sector by sector, as after a power failure; or all of it, as after a kill. */
class DyingFile extends TestFile {
  budget = Infinity;
  private pending: { at: number; bytes: Uint8Array }[] = [];
  private durable = new Uint8Array(0);
  override write(at: number, from: Uint8Array): void {
    if (this.budget-- <= 0) throw new Error("died");
    super.write(at, from);
    this.pending.push({ at, bytes: from.slice() });
  }
  override truncate(size: number): void {
    super.truncate(size);
    const durable = new Uint8Array(size);
    durable.set(this.durable.subarray(0, size));
    this.durable = durable;
  }
  override flush(): void {
    if (this.budget-- <= 0) throw new Error("died");
    super.flush();
    this.durable = this.bytes.slice();
    this.pending = [];
  }
  afterKill(): Uint8Array {
    return this.bytes.slice();
  }
  afterPowerFailure(random: (limit: number) => number): Uint8Array {
    const left = this.durable.slice();
    for (const { at, bytes } of this.pending) {
      for (let i = 0; i < bytes.length; i += 512) if (random(2) === 0) left.set(bytes.subarray(i, i + 512), at + i);
    }
    return left;
  }
}

function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 7) % limit;
  };
}

/** A block that says its number in its first bytes, and shows if it is torn. */
function blockOf(fill: number): Uint8Array {
  let bytes = made.get(fill);
  if (!bytes) made.set(fill, (bytes = makeBlock(fill)));
  return bytes;
}
const made = new Map<number, Uint8Array>();

function makeBlock(fill: number): Uint8Array {
  const bytes = Uint8Array.from({ length: OVERLAY_BLOCK_BYTES }, (_, i) => (fill * 3 + i * 7) & 0xff);
  new DataView(bytes.buffer).setUint32(0, fill);
  return bytes;
}

function contents(store: OverlayFile): Map<number, number> {
  const found = new Map<number, number>();
  for (const block of store.blocks()) {
    const bytes = new Uint8Array(OVERLAY_BLOCK_BYTES);
    store.read(block, 0, bytes);
    const fill = new DataView(bytes.buffer).getUint32(0);
    if (Buffer.compare(bytes, blockOf(fill)) !== 0) throw new Error(`block ${block} is torn`);
    found.set(block, fill);
  }
  return found;
}

describe("OverlayFile", () => {
  it("holds after reopening what was flushed, and not what was not", () => {
    const file = new TestFile();
    const store = new OverlayFile(file, KEY);
    store.write(5, blockOf(1));
    store.write(2 ** 33 + 1, blockOf(2)); // a disk of 35 TB
    store.flush();
    store.write(5, blockOf(3));
    store.write(6, blockOf(4));
    expect(contents(store)).toEqual(new Map([[5, 3], [6, 4], [2 ** 33 + 1, 2]]));
    expect(store.unsavedBytes).toBe(2 * OVERLAY_BLOCK_BYTES);
    const again = new OverlayFile(new TestFile(file.bytes.slice()), KEY);
    expect(contents(again)).toEqual(new Map([[5, 1], [2 ** 33 + 1, 2]]));
    expect(again.count).toBe(2);
  });

  it("flushes the data before the index that names them, and the index before it returns", () => {
    const file = new TestFile();
    const store = new OverlayFile(file, KEY);
    const before = file.flushes;
    store.flush(); // nothing to do
    expect(file.flushes).toBe(before);
    store.write(1, blockOf(1));
    store.flush();
    expect(file.flushes).toBe(before + 2);
  });

  it("goes back to the commit point and to the original, over reopening", () => {
    const file = new TestFile();
    let store = new OverlayFile(file, KEY);
    store.write(1, blockOf(1));
    store.write(2, blockOf(2));
    store.commit();
    expect(store.uncommittedBytes).toBe(0);
    expect(store.committedBytes).toBe(2 * OVERLAY_BLOCK_BYTES);
    store.write(2, blockOf(3));
    store.write(3, blockOf(4));
    store.flush();
    expect(store.uncommittedBytes).toBe(2 * OVERLAY_BLOCK_BYTES);
    store = new OverlayFile(file, KEY);
    expect(contents(store)).toEqual(new Map([[1, 1], [2, 3], [3, 4]]));
    store.discard();
    expect(contents(store)).toEqual(new Map([[1, 1], [2, 2]]));
    store = new OverlayFile(file, KEY);
    expect(contents(store)).toEqual(new Map([[1, 1], [2, 2]]));
    store.write(1, blockOf(9));
    store.clear();
    expect(store.count).toBe(0);
    expect(new OverlayFile(file, KEY).count).toBe(0);
    expect(file.size()).toBeLessThan(16 * 4096);
  });

  it("does not grow with a block that is written again and again", () => {
    const file = new TestFile();
    const store = new OverlayFile(file, KEY);
    for (let round = 0; round < 2000; round++) {
      store.write(round % 7, blockOf(round));
      store.flush();
    }
    expect(file.size()).toBeLessThan(300 * 4096);
    expect(contents(new OverlayFile(file, KEY)).size).toBe(7);
  });

  it("holds an index of many pages", () => {
    const file = new TestFile();
    const store = new OverlayFile(file, KEY);
    for (let block = 0; block < 1500; block++) store.write(block * 3, blockOf(block));
    store.flush();
    expect(new OverlayFile(file, KEY).count).toBe(1500);
  });

  it("keeps in memory what a full storage does not take, says so at once, and saves it when there is room", () => {
    const file = new TestFile();
    const store = new OverlayFile(file, KEY);
    let full = 0;
    store.onFull = () => full++;
    file.limit = 400 * 4096;
    const written = new Map<number, number>();
    for (let block = 0; block < 600; block++) {
      store.write(block, blockOf(block));
      written.set(block, block);
      if (block % 50 === 0) store.flush();
    }
    store.flush(); // the index still has room
    expect(full).toBe(1);
    expect(store.spilledBytes).toBeGreaterThan(0);
    expect(contents(store)).toEqual(written);
    const saved = contents(new OverlayFile(new TestFile(file.bytes.slice()), KEY));
    expect(saved.size).toBe(600 - store.spilledBytes / OVERLAY_BLOCK_BYTES);
    for (const [block, fill] of saved) expect(fill).toBe(written.get(block));
    file.limit = Infinity;
    store.flush();
    expect(store.spilledBytes).toBe(0);
    expect(contents(new OverlayFile(file, KEY))).toEqual(written);
  });

  it("refuses what belongs to another image, and what is no overlay", () => {
    const file = new TestFile();
    new OverlayFile(file, KEY);
    expect(() => new OverlayFile(file, { ...KEY, image: "sha256:9999" })).toThrow(/another image/);
    expect(() => new OverlayFile(file, { ...KEY, diskBytes: 1 })).toThrow(ImageError);
    expect(() => new OverlayFile(new TestFile(blockOf(7)), KEY)).toThrow(/damaged/);
    expect(() => new OverlayFile(new TestFile(new TextEncoder().encode("a letter")), KEY)).toThrow(/damaged/);
  });

  it.each(["kill", "power failure"])("after a %s at any moment it shows the last acknowledged flush or the one under way", (death) => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = generator(seed);
      const file = new DyingFile();
      const store = new OverlayFile(file, KEY);
      file.flush();
      let model = new Map<number, number>();
      let acknowledged = new Map<number, number>(), underWay = acknowledged;
      let committed = new Map<number, number>();
      file.budget = 20 + random(400);
      try {
        for (;;) {
          const action = random(40);
          if (action < 34) {
            const block = random(24), fill = random(1024);
            model.set(block, fill);
            store.write(block, blockOf(fill));
            continue;
          }
          underWay = new Map(model);
          if (action === 38) {
            store.commit();
            committed = new Map(model);
          } else if (action === 39) {
            underWay = new Map(committed);
            store.discard();
            model = new Map(committed);
          } else {
            store.flush();
          }
          if (file.budget < 0) break; // it died, and nobody was told
          acknowledged = underWay;
        }
      } catch (error) {
        expect((error as Error).message).toBe("died");
      }
      const left = death === "kill" ? file.afterKill() : file.afterPowerFailure(random);
      const reopened = new OverlayFile(new TestFile(left), KEY);
      const found = JSON.stringify([...contents(reopened)].sort((a, b) => a[0] - b[0]));
      const sorted = (map: Map<number, number>): string => JSON.stringify([...map].sort((a, b) => a[0] - b[0]));
      expect([sorted(acknowledged), sorted(underWay)]).toContain(found);
      // It goes on from there.
      reopened.write(1, blockOf(77));
      reopened.flush();
    }
  });
});
