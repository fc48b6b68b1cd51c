// CRC-64 as in ECMA-182 and the .xz file format: polynomial C96C5795D7870F42h, reflected. Numbers are pairs of 32 bits, the low one first.

const LOW = new Uint32Array(256);
const HIGH = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let low = byte, high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1;
    low = ((low >>> 1) | (high << 31)) >>> 0;
    high >>>= 1;
    if (!odd) continue;
    low = (low ^ 0xd787_0f42) >>> 0;
    high = (high ^ 0xc96c_5795) >>> 0;
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}

/** `before`: the CRC of the bytes that went before. */
export function crc64(bytes: Uint8Array, before: readonly [low: number, high: number] = [0, 0]): readonly [low: number, high: number] {
  let low = ~before[0], high = ~before[1];
  for (let i = 0; i < bytes.length; i++) {
    const index = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index];
    high = (high >>> 8) ^ HIGH[index];
  }
  return [~low >>> 0, ~high >>> 0];
}
