// Pictures of a screen as one animated PNG (PNG specification, third edition: "APNG"): one palette, and of each frame the rectangle that changed.
import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function crc32(bytes) {
  let value = 0xffff_ffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffff_ffff) >>> 0;
}

function chunk(type, ...parts) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), ...parts]), out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(body.length - 4, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

const words = (...values) => {
  const out = Buffer.alloc(values.length * 4);
  values.forEach((value, n) => out.writeUInt32BE(value >>> 0, n * 4));
  return out;
};

/** Pixels (0xRRGGBB) of a PNG with 8 bits a channel and no interlacing, as browsers write them. */
export function decodePng(file) {
  const width = file.readUInt32BE(16), height = file.readUInt32BE(20), channels = { 2: 3, 6: 4 }[file[25]];
  if (file[24] !== 8 || channels === undefined || file[28] !== 0) throw new Error("this kind of PNG is not read here");
  const parts = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts)), stride = width * channels, pixels = new Uint32Array(width * height);
  let before = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)], line = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? line[x - channels] : 0, up = before[x], corner = x >= channels ? before[x - channels] : 0;
      line[x] += [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
    before = line;
    for (let x = 0; x < width; x++) pixels[y * width + x] = (line[x * channels] << 16) | (line[x * channels + 1] << 8) | line[x * channels + 2];
  }
  return { width, height, pixels };
}

function paeth(left, up, corner) {
  const p = left + up - corner, a = Math.abs(p - left), b = Math.abs(p - up), c = Math.abs(p - corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** The most frequent colours, with those that look the same as one before left out. */
function paletteOf(frames) {
  const counts = new Map();
  for (const { pixels } of frames) for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  for (let near = 0; ; near += 12) {
    const palette = [];
    for (const colour of byCount) {
      if (near === 0 || palette.every((own) => distance(own, colour) > near)) palette.push(colour);
      if (palette.length > 256) break;
    }
    if (palette.length <= 256) return palette;
  }
}

function distance(a, b) {
  const red = (a >> 16) - (b >> 16), green = ((a >> 8) & 0xff) - ((b >> 8) & 0xff), blue = (a & 0xff) - (b & 0xff);
  return 3 * red * red + 4 * green * green + 2 * blue * blue;
}

/** `frames`: [{ png, ms }]. Frames that show nothing new lengthen the one before. */
export function encodeApng(shots) {
  const frames = shots.map(({ png, ms }) => ({ ...decodePng(png), ms }));
  const { width, height } = frames[0], palette = paletteOf(frames), nearest = new Map(palette.map((colour, n) => [colour, n]));
  const indexOf = (colour) => {
    let best = nearest.get(colour);
    if (best !== undefined) return best;
    best = 0;
    for (let n = 1; n < palette.length; n++) if (distance(palette[n], colour) < distance(palette[best], colour)) best = n;
    nearest.set(colour, best);
    return best;
  };
  const shown = [];
  let before = null;
  for (const { pixels, ms } of frames) {
    const indices = Uint8Array.from(pixels, indexOf);
    const box = before ? changed(before, indices, width, height) : { x: 0, y: 0, w: width, h: height };
    if (box) shown.push({ ...box, ms, data: packed(indices, width, box) });
    else shown.at(-1).ms += ms;
    before = indices;
  }
  let sequence = 0;
  const parts = shown.flatMap(({ x, y, w, h, ms, data }, n) => {
    const control = Buffer.concat([words(sequence++, w, h, x, y), Buffer.from([ms >> 8, ms & 0xff, 1000 >> 8, 1000 & 0xff, 0, 0])]);
    return [chunk("fcTL", control), n === 0 ? chunk("IDAT", data) : chunk("fdAT", words(sequence++), data)];
  });
  const header = Buffer.concat([words(width, height), Buffer.from([8, 3, 0, 0, 0])]);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]));
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("PLTE", colours), chunk("acTL", words(shown.length, 0)), ...parts, chunk("IEND")]);
}

function changed(before, now, width, height) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (before[at] === now[at]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? null : { x: left, y: top, w: right - left + 1, h: bottom - top + 1 };
}

function packed(indices, width, { x, y, w, h }) {
  const lines = Buffer.alloc((w + 1) * h);
  for (let row = 0; row < h; row++) lines.set(indices.subarray((y + row) * width + x, (y + row) * width + x + w), row * (w + 1) + 1);
  return deflateSync(lines, { level: 9 });
}
