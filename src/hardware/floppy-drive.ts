// A floppy disk drive: the medium in it, where the head stands, and the disk change line.
//
// Manuals: Intel 82077AA datasheet, "Disk Change"; the PC disk formats of 160 KB to 2.88 MB.
//
// Deviation: a drive takes the form of its medium, so that a 40-cylinder disk needs no double steps.
// Not implemented: deleted-data marks on the medium, formats that the image's size does not tell.

import type { BlockDevice } from "./device.ts";

export const FLOPPY_SECTOR_BYTES = 512;

/** Data rate select of CCR and DSR. */
const RATE_500K = 0;
const RATE_300K = 1;
const RATE_250K = 2;
const RATE_1M = 3;

export interface FloppyGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
  /** Data rates that read it. A double-density 5.25" disk turns faster in a high-density drive. */
  readonly rates: readonly number[];
  /** The drive it was made for, as CMOS RAM numbers them. */
  readonly driveType: number;
}

/** CMOS RAM's numbers of drives: 5.25" of 360 KB and 1.2 MB, 3.5" of 720 KB, 1.44 MB and 2.88 MB. */
const DRIVE_360K = 1, DRIVE_1200K = 2, DRIVE_720K = 3, DRIVE_1440K = 4, DRIVE_2880K = 5;

const DOUBLE_DENSITY = [RATE_250K, RATE_300K];

/** The PC's formats, in order of size; the last three exceed the standard. */
const FORMATS: readonly FloppyGeometry[] = [
  { cylinders: 40, heads: 1, sectors: 8, rates: DOUBLE_DENSITY, driveType: DRIVE_360K },
  { cylinders: 40, heads: 1, sectors: 9, rates: DOUBLE_DENSITY, driveType: DRIVE_360K },
  { cylinders: 40, heads: 2, sectors: 8, rates: DOUBLE_DENSITY, driveType: DRIVE_360K },
  { cylinders: 40, heads: 2, sectors: 9, rates: DOUBLE_DENSITY, driveType: DRIVE_360K },
  { cylinders: 80, heads: 2, sectors: 9, rates: DOUBLE_DENSITY, driveType: DRIVE_720K },
  { cylinders: 80, heads: 2, sectors: 15, rates: [RATE_500K], driveType: DRIVE_1200K },
  { cylinders: 80, heads: 2, sectors: 18, rates: [RATE_500K], driveType: DRIVE_1440K },
  { cylinders: 80, heads: 2, sectors: 36, rates: [RATE_1M], driveType: DRIVE_2880K },
  { cylinders: 80, heads: 2, sectors: 20, rates: [RATE_500K], driveType: DRIVE_1440K },
  { cylinders: 80, heads: 2, sectors: 21, rates: [RATE_500K], driveType: DRIVE_1440K },
  { cylinders: 82, heads: 2, sectors: 21, rates: [RATE_500K], driveType: DRIVE_1440K },
];
const FORMAT_1440K = FORMATS[6] as FloppyGeometry;
const FORMAT_2880K = FORMATS[7] as FloppyGeometry;

const capacity = (format: FloppyGeometry) => format.cylinders * format.heads * format.sectors;

/**
 * The format of an image of `sectorCount` sectors: exact where one fits, else 1.44 MB or 2.88 MB with the end missing.
 * Undefined for what is too large for a floppy disk.
 */
export function floppyGeometry(sectorCount: number): FloppyGeometry | undefined {
  const exact = FORMATS.find((format) => capacity(format) === sectorCount);
  if (exact !== undefined) return exact;
  if (sectorCount <= capacity(FORMAT_1440K)) return FORMAT_1440K;
  return sectorCount <= capacity(FORMAT_2880K) ? FORMAT_2880K : undefined;
}

/** Cylinders that a head can reach, a few beyond the last one of a format. */
const LAST_TRACK = 83;

export class FloppyDrive {
  media: BlockDevice | null = null;
  geometry: FloppyGeometry | undefined;
  /** Where the head stands. */
  track = 0;
  /** DSKCHG: set when the disk changes, cleared by a step with a disk in the drive. */
  changed = true;

  /** Puts a disk in, or takes it out. Throws RangeError if it is no floppy disk. */
  insert(media: BlockDevice | null): void {
    const geometry = media === null ? undefined : floppyGeometry(media.sectorCount);
    if (media !== null && (geometry === undefined || media.sectorSize !== FLOPPY_SECTOR_BYTES)) {
      throw new RangeError(`${media.sectorCount} sectors of ${media.sectorSize} bytes are no floppy disk`);
    }
    this.media = media;
    this.geometry = geometry;
    this.changed = true;
  }

  /** Moves the head by `tracks`, as far as it goes. */
  step(tracks: number): void {
    this.track = Math.max(0, Math.min(LAST_TRACK, this.track + tracks));
    if (tracks !== 0 && this.media !== null) this.changed = false;
  }

  /** Linear sector under the head, or -1 if the format has none of that number there. */
  private lba(head: number, sector: number): number {
    const { geometry } = this;
    if (geometry === undefined || this.track >= geometry.cylinders || head >= geometry.heads) return -1;
    if (sector < 1 || sector > geometry.sectors) return -1;
    return (this.track * geometry.heads + head) * geometry.sectors + sector - 1;
  }

  has(head: number, sector: number): boolean {
    return this.lba(head, sector) >= 0;
  }

  /** Reads a sector that the format has. What a short image lacks reads as zeros. */
  read(head: number, sector: number, into: Uint8Array): void {
    const lba = this.lba(head, sector);
    if (this.media === null || lba < 0 || lba >= this.media.sectorCount) into.fill(0);
    else this.media.read(lba, into);
  }

  /** Writes a sector; false where a short image has none. */
  write(head: number, sector: number, from: Uint8Array): boolean {
    const lba = this.lba(head, sector);
    if (this.media === null || lba < 0 || lba >= this.media.sectorCount) return false;
    this.media.write(lba, from);
    return true;
  }
}
