// A picture as a PNG file: 8-bit RGB, one zlib stream. PNG Specification (Third Edition), "File structure".

import { crc32, deflateSync } from "node:zlib";
import type { ScreenImage } from "../machine/guest-screen.ts";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const COLOR_RGB = 2;

export function encodePng({ width, height, rgba }: ScreenImage): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, COLOR_RGB, 0, 0, 0], 8);
  const stride = 1 + width * 3; // filter type 0, then the pixels
  const lines = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) lines.set(rgba.subarray((y * width + x) * 4, (y * width + x) * 4 + 3), y * stride + 1 + x * 3);
  }
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND", new Uint8Array(0))]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
