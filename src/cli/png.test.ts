import { inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { encodePng } from "./png.ts";

/** Chunks by type; each has its length before and its CRC behind. */
function chunks(png: Uint8Array): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const data = Buffer.from(png);
  for (let at = 8; at < data.length; ) {
    const length = data.readUInt32BE(at);
    found.set(data.toString("latin1", at + 4, at + 8), data.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return found;
}

it("holds the pixels in RGB, a filter byte before each line", () => {
  const rgba = Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255);
  const png = encodePng({ width: 2, height: 2, rgba });
  const parts = chunks(png);
  expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  expect([...parts.get("IHDR")!]).toEqual([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  expect([...inflateSync(parts.get("IDAT")!)]).toEqual([0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]);
  // The CRC of an empty IEND chunk, as the specification gives it.
  expect(Buffer.from(png).subarray(-4).toString("hex")).toBe("ae426082");
});
