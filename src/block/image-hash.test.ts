import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ByteSource } from "../hardware/device.ts";
import { hashImage } from "./image-hash.ts";
import { memorySource } from "./source.ts";

describe("hashImage", () => {
  it("is SHA-256 of a small disk", () => {
    const bytes = Uint8Array.from({ length: 200_001 }, (_, i) => (i * 31) & 0xff);
    expect(hashImage(memorySource(bytes))).toEqual({ hash: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, sampled: false });
  });

  it("reads little of a 200 GB disk, and depends on its size, start and end", () => {
    let read = 0;
    const disk = (size: number, marks: readonly number[]): ByteSource => ({
      size,
      read(offset, into) {
        if (offset < 0 || offset + into.length > size) throw new RangeError();
        read += into.length;
        into.fill(0);
        for (const mark of marks) if (mark >= offset && mark < offset + into.length) into[mark - offset] = 1;
      },
    });
    const hash = (size: number, ...marks: number[]): string => hashImage(disk(size, marks)).hash;
    const plain = hash(200e9);
    expect(read).toBeLessThan(16 << 20);
    expect(plain).toMatch(/^samples:[0-9a-f]{64}$/);
    expect(hash(200e9)).toBe(plain);
    expect(new Set([plain, hash(200e9 + 512), hash(200e9, 0), hash(200e9, 200e9 - 1)]).size).toBe(4);
  });
});
