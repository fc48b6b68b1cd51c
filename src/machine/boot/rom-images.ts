// ROM images that a person brings in place of the firmware that is built in.

import { ImageError } from "../../base/errors.ts";
import { LARGEST_BIOS } from "../shared-memory.ts";

const KB = 1024;
const PAGE = 4 * KB;
const SMALLEST_BIOS = 64 * KB;
/** The option ROM area, C0000h to DFFFFh. */
const VGA_BIOS_LIMIT = 128 * KB;
const SECTOR = 512;

/** The image itself, or an ImageError that says what is wrong. */
export function checkBios(image: Uint8Array, name: string): Uint8Array {
  if (image.length % PAGE !== 0 || image.length < SMALLEST_BIOS || image.length > LARGEST_BIOS) {
    throw new ImageError(`${name}: a BIOS ROM has a multiple of 4 KB, from 64 KB to 16 MB, and this file has ${image.length} bytes. Give the ROM image as it is, uncompressed.`);
  }
  return image;
}

/** As above for a video BIOS: an option ROM, 55AAh and its length in 512-byte blocks first. */
export function checkVgaBios(image: Uint8Array, name: string): Uint8Array {
  if (image.length === 0 || image.length % SECTOR !== 0 || image.length > VGA_BIOS_LIMIT) {
    throw new ImageError(`${name}: a VGA BIOS has a multiple of 512 bytes, at most 128 KB, and this file has ${image.length} bytes. Give the ROM image as it is.`);
  }
  if (image[0] !== 0x55 || image[1] !== 0xaa || image[2]! * SECTOR > image.length) {
    throw new ImageError(`${name}: a VGA BIOS begins with 55 AA and its length in 512-byte blocks; this file does not. Check that it is the right file.`);
  }
  return image;
}
