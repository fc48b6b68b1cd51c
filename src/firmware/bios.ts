// The ROM images that the project ships. Source: guests/firmware (NASM); rebuilt and
// compared by scripts/build-firmware.mjs.

import { BIOS_SEGMENT, VGA_BIOS } from "./rom-data.ts";

/** The system ROM, 128 KB: it ends at 100000h and is seen again below 4 GB. */
export const BIOS_ROM_BYTES = 0x20000;
/** The video ROM, an adapter ROM. */
export const VGA_BIOS_BYTES = 0x8000;

/** A new copy of the system BIOS: only its upper 64 KB, the F000h segment, hold code. */
export function builtinBios(): Uint8Array {
  const segment = fromBase64(BIOS_SEGMENT);
  const rom = new Uint8Array(BIOS_ROM_BYTES).fill(0xff);
  rom.set(segment, BIOS_ROM_BYTES - segment.length);
  return rom;
}

/** A new copy of the video BIOS, checksum included. */
export function builtinVgaBios(): Uint8Array {
  return fromBase64(VGA_BIOS);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Decodes base64 with line breaks in it. The core has no `atob`: that belongs to the DOM. */
function fromBase64(text: string): Uint8Array {
  const digits = text.replace(/[\s=]/g, "");
  const bytes = new Uint8Array((digits.length * 3) >> 2);
  let bits = 0;
  let count = 0;
  let at = 0;
  for (const digit of digits) {
    bits = (bits << 6) | ALPHABET.indexOf(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[at++] = bits >> count;
      bits &= (1 << count) - 1;
    }
  }
  return bytes;
}
