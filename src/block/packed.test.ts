// Streams made by other programs (gzip of Node, xz, zip) come out as they went in; damaged ones are refused, never believed.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import { crc64 } from "./crc64.ts";
import { likelyImages, openPacked, type PackedFile } from "./packed.ts";
import { memorySource } from "./source.ts";
import { testDisk } from "./test-disk.ts";

const DISK = testDisk();

function unpacked(file: PackedFile, limit = Infinity): Uint8Array {
  const parts: Uint8Array[] = [];
  const unpacker = file.unpack();
  let length = 0, read = 0;
  for (let part = unpacker.next(); part; part = unpacker.next()) {
    expect(unpacker.bytesRead).toBeGreaterThanOrEqual(read);
    read = unpacker.bytesRead;
    parts.push(part.slice());
    length += part.length;
    if (length > limit) throw new Error("unpacks without end");
  }
  expect(unpacker.bytesRead).toBe(file.packedBytes);
  return new Uint8Array(Buffer.concat(parts));
}

const open = (bytes: Uint8Array, name = "disk.img.gz"): readonly PackedFile[] => openPacked(memorySource(bytes), name)?.files ?? [];

function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 7) % limit;
  };
}

/** Text, noise and repetitions at all distances. */
function mixed(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length), next = random(seed);
  for (let at = 0; at < length; ) {
    const run = 1 + next(3000), kind = next(4), back = 1 + next(Math.max(1, at));
    for (let i = 0; i < run && at < length; i++, at++) bytes[at] = kind === 0 ? next(256) : kind === 1 ? 32 + next(64) : kind === 2 && at >= back ? bytes[at - back] : seed;
  }
  return bytes;
}

describe("gzip", () => {
  it("unpacks, one member or several", () => {
    const [file] = open(gzipSync(DISK));
    expect(file).toMatchObject({ name: "disk.img", size: DISK.length, storedAt: null });
    expect(Buffer.compare(unpacked(file), DISK)).toBe(0);
    const two = Buffer.concat([gzipSync(DISK.subarray(0, 70_000)), gzipSync(DISK.subarray(70_000), { level: 1 })]);
    expect(Buffer.compare(unpacked(open(two)[0]), DISK)).toBe(0);
  });

  it("refuses a stream that is cut off or changed", () => {
    const packed = gzipSync(mixed(300_000, 5));
    for (const cut of [19, 1000, packed.length >> 1, packed.length - 8, packed.length - 1]) expect(() => unpacked(open(packed.subarray(0, cut))[0])).toThrow(ImageError);
    const changed = Buffer.from(packed);
    changed[packed.length >> 1] ^= 4;
    expect(() => unpacked(open(changed)[0])).toThrow(/damaged or truncated/);
    const twoDamaged = Buffer.concat([packed, gzipSync(DISK)]);
    twoDamaged[packed.length - 6] ^= 1; // the checksum of the first member
    expect(() => unpacked(open(twoDamaged)[0])).toThrow(/checksum/);
  });

  it("gives a bomb in parts", () => {
    const bomb = gzipSync(new Uint8Array(200 << 20), { level: 9 });
    const unpacker = open(bomb)[0].unpack();
    let largest = 0, total = 0;
    for (let part = unpacker.next(); part; part = unpacker.next()) {
      largest = Math.max(largest, part.length);
      total += part.length;
    }
    expect(total).toBe(200 << 20);
    expect(largest).toBeLessThan(40 << 20);
  });
});

describe("zip", () => {
  const archive = zipSync({ "readme.txt": new TextEncoder().encode("hello"), "disk.img": DISK, "stored.img": [DISK.subarray(0, 5000), { level: 0 }], "folder/": new Uint8Array(0) });

  it("lists its files and unpacks them", () => {
    const packed = openPacked(memorySource(archive), "x.zip");
    expect(packed?.files.map((file) => [file.name, file.size])).toEqual([["readme.txt", 5], ["disk.img", DISK.length], ["stored.img", 5000]]);
    expect(Buffer.compare(unpacked(packed!.files[1]), DISK)).toBe(0);
    expect(Buffer.compare(unpacked(packed!.files[2]), DISK.subarray(0, 5000))).toBe(0);
    const there = new Uint8Array(5000);
    memorySource(archive).read(packed!.files[2].storedAt!(), there);
    expect(Buffer.compare(there, DISK.subarray(0, 5000))).toBe(0);
    expect(packed!.files[1].storedAt).toBeNull();
  });

  it("finds the one image, or those that it may be", () => {
    const names = (files: Record<string, Uint8Array>): string[] => likelyImages(openPacked(memorySource(zipSync(files)), "x.zip")!).map((file) => file.name);
    const some = new Uint8Array(600);
    expect(names({ "read.me": some, "dos/disk1.IMA": some, "__MACOSX/disk1.IMA": some })).toEqual(["dos/disk1.IMA"]);
    expect(names({ "a.img": some, "b.img": some, "c.txt": some })).toEqual(["a.img", "b.img"]);
    expect(names({ only: some })).toEqual(["only"]);
    expect(names({})).toEqual([]);
  });

  it("refuses what is cut off, changed, encrypted or packed in another way", () => {
    expect(() => open(archive.subarray(0, archive.length - 30))).toThrow(/directory is missing/);
    const changed = archive.slice();
    changed[3000] ^= 1;
    expect(() => open(changed).forEach((file) => unpacked(file, DISK.length))).toThrow(ImageError);
    const directory = new DataView(archive.buffer, archive.byteOffset).getUint32(archive.length - 6, true);
    for (const [at, value, message] of [[8, 1, /encrypted/], [10, 99, /method 99/]] as const) {
      const other = archive.slice();
      other[directory + at] = value;
      expect(() => unpacked(open(other)[0])).toThrow(message);
    }
  });
});

describe("xz", () => {
  const packed = new Uint8Array(readFileSync(new URL("fixtures/disk.img.xz", import.meta.url)));

  it("unpacks what xz made, and knows its size before", () => {
    const [file] = open(packed, "folder/disk.img.xz");
    expect(file).toMatchObject({ name: "disk.img", size: DISK.length });
    expect(Buffer.compare(unpacked(file), DISK)).toBe(0);
  });

  it("has the check value of CRC-64's catalogue", () => {
    expect(crc64(new TextEncoder().encode("123456789"))).toEqual([0xdf19_39fa, 0x995d_c9bb]);
  });

  it("refuses every cut and every change of a bit", () => {
    for (let cut = 0; cut < packed.length; cut += 61) expect(() => open(packed.subarray(0, cut), "x").forEach((file) => unpacked(file))).not.toThrow(TypeError);
    const next = random(3);
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const changed = packed.slice();
      changed[next(changed.length)] ^= 1 << next(8);
      try {
        for (const file of open(changed, "x")) unpacked(file, 2 * DISK.length);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(140);
  });
});

function has(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!has("xz"))("what xz makes (needs xz)", () => {
  it.each([
    ["-0"], ["-9e"], ["--check=none"], ["--check=crc32"], ["--check=sha256"], ["--lzma2=dict=4KiB,lc=0,lp=4,pb=0"], ["--lzma2=dict=64KiB,lc=4,lp=0,pb=4"],
    ["--block-size=100000"], ["--lzma2=dict=4096,nice=273"],
  ])("with %s", (...words) => {
    const folder = mkdtempSync(join(tmpdir(), "trapscope-xz-"));
    try {
      for (const [length, seed] of [[1, 1], [70_000, 2], [3_000_000, 3]] as const) {
        const bytes = mixed(length, seed);
        writeFileSync(join(folder, "x"), bytes);
        const packed = execFileSync("xz", ["-zc", ...words, "x"], { cwd: folder, maxBuffer: 1 << 26 });
        const [file] = open(packed, "x.xz");
        expect(file.size).toBe(length);
        expect(Buffer.compare(unpacked(file), bytes)).toBe(0);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses filters and accepts several streams", () => {
    const folder = mkdtempSync(join(tmpdir(), "trapscope-xz-"));
    try {
      writeFileSync(join(folder, "x"), mixed(50_000, 9));
      const filtered = execFileSync("xz", ["-zc", "--x86", "--lzma2", "x"], { cwd: folder });
      expect(() => unpacked(open(filtered, "x.xz")[0])).toThrow(/filter/);
      const plain = execFileSync("xz", ["-zc", "x"], { cwd: folder });
      const twice = Buffer.concat([plain, Buffer.alloc(8), plain]);
      expect(open(twice, "x.xz")[0].size).toBeNull();
      expect(unpacked(open(twice, "x.xz")[0]).length).toBe(100_000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
