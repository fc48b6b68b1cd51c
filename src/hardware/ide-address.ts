// How the Command Block registers name a sector: CHS, 28-bit LBA, 48-bit LBA.
// ATA/ATAPI-6 (T13/1410D), 6.2 "Sector addressing"; CHS translation as in ATA-5, annex B.

import { DEVICE_LBA, REG_COUNT, REG_DEVICE, REG_LBA_HIGH, REG_LBA_LOW, REG_LBA_MID } from "./ide-drive.ts";
import type { Geometry } from "./ide-identify.ts";

/** Both levels of the two-deep registers. */
export interface AddressRegisters {
  readonly registers: Uint8Array;
  readonly previous: Uint8Array;
}

/** The sector that the registers name, or -1 for a CHS address that the translation lacks. */
export function readAddress({ registers: r, previous: p }: AddressRegisters, ext: boolean, geometry: Geometry): number {
  const low24 = r[REG_LBA_LOW] | (r[REG_LBA_MID] << 8) | (r[REG_LBA_HIGH] << 16);
  if (ext) return low24 + (p[REG_LBA_LOW] | (p[REG_LBA_MID] << 8) | (p[REG_LBA_HIGH] << 16)) * 2 ** 24;
  if (r[REG_DEVICE] & DEVICE_LBA) return low24 | ((r[REG_DEVICE] & 0x0f) << 24);
  const sector = r[REG_LBA_LOW];
  const cylinder = r[REG_LBA_MID] | (r[REG_LBA_HIGH] << 8);
  const head = r[REG_DEVICE] & 0x0f;
  const { heads, sectorsPerTrack } = geometry;
  if (sector === 0 || sector > sectorsPerTrack || head >= heads) return -1;
  return (cylinder * heads + head) * sectorsPerTrack + sector - 1;
}

/** Leaves `lba` in the registers, in the form in which they now address. */
export function writeAddress({ registers: r, previous: p }: AddressRegisters, ext: boolean, geometry: Geometry, lba: number): void {
  if (!ext && (r[REG_DEVICE] & DEVICE_LBA) === 0) {
    const { heads, sectorsPerTrack } = geometry;
    const track = Math.floor(lba / sectorsPerTrack);
    const cylinder = Math.floor(track / heads);
    r[REG_LBA_LOW] = (lba % sectorsPerTrack) + 1;
    r[REG_LBA_MID] = cylinder & 0xff;
    r[REG_LBA_HIGH] = (cylinder >> 8) & 0xff;
    r[REG_DEVICE] = (r[REG_DEVICE] & 0xf0) | (track % heads);
    return;
  }
  r[REG_LBA_LOW] = lba & 0xff;
  r[REG_LBA_MID] = (lba >>> 8) & 0xff;
  r[REG_LBA_HIGH] = (lba >>> 16) & 0xff;
  const high = Math.floor(lba / 2 ** 24);
  if (ext) {
    p[REG_LBA_LOW] = high & 0xff;
    p[REG_LBA_MID] = (high >> 8) & 0xff;
    p[REG_LBA_HIGH] = (high >> 16) & 0xff;
  } else {
    r[REG_DEVICE] = (r[REG_DEVICE] & 0xf0) | (high & 0x0f);
  }
}

/** Sectors to transfer: zero stands for the whole range of the register. */
export function readCount({ registers: r, previous: p }: AddressRegisters, ext: boolean): number {
  if (!ext) return r[REG_COUNT] || 256;
  return r[REG_COUNT] | (p[REG_COUNT] << 8) || 65_536;
}

export function writeCount({ registers: r, previous: p }: AddressRegisters, ext: boolean, count: number): void {
  r[REG_COUNT] = count & 0xff;
  if (ext) p[REG_COUNT] = count >> 8;
}
