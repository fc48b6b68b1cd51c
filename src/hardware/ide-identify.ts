// The 256 words of IDENTIFY DEVICE and IDENTIFY PACKET DEVICE: ATA/ATAPI-6 (T13/1410D), 8.15 and 8.16.

export interface DriveIdentity {
  /** Up to 20 and 40 ASCII characters. */
  readonly serial: string;
  readonly model: string;
  /** Multiword and Ultra DMA mode in force; -1 for none. Only one of the two is ever selected. */
  readonly multiwordMode: number;
  readonly ultraMode: number;
  readonly isSlave: boolean;
}

export interface DiskIdentity extends DriveIdentity {
  readonly sectorCount: number;
  /** The default translation (words 1, 3, 6). */
  readonly defaultGeometry: Geometry;
  /** The translation in force (words 54-56), set by INITIALIZE DEVICE PARAMETERS. */
  readonly currentGeometry: Geometry;
  /** Sectors per block of READ/WRITE MULTIPLE, 0 while disabled. */
  readonly multiple: number;
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
}

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export const MULTIPLE_MAX = 16;
export const LBA28_LIMIT = 0x0fff_ffff;
export const MULTIWORD_MODES = 0x07;
export const ULTRA_MODES = 0x3f;
const FIRMWARE_REVISION = "1.0";

/** Writes ASCII padded with spaces, the first character of each pair in the high byte (ATA/ATAPI-6, 3.2.9). */
function putAtaString(words: Uint16Array, first: number, count: number, text: string): void {
  const padded = text.slice(0, count * 2).padEnd(count * 2);
  for (let i = 0; i < count; i++) words[first + i] = (padded.charCodeAt(2 * i) << 8) | padded.charCodeAt(2 * i + 1);
}

/** Word 255: the signature A5h and a byte that makes the sum of all 512 bytes zero. */
function putIntegrityWord(words: Uint16Array): void {
  let sum = 0xa5;
  for (let i = 0; i < 255; i++) sum += (words[i] & 0xff) + (words[i] >> 8);
  words[255] = ((-sum & 0xff) << 8) | 0xa5;
}

export function writeWords(words: Uint16Array, into: Uint8Array): void {
  words.forEach((word, i) => {
    into[2 * i] = word & 0xff;
    into[2 * i + 1] = word >> 8;
  });
}

/** 16 heads and 63 sectors, as every disk above 504 MB reports; cylinders stop at 16,383. */
export function defaultGeometry(sectorCount: number): Geometry {
  const cylinders = Math.max(1, Math.min(16_383, Math.floor(sectorCount / (16 * 63))));
  return { cylinders, heads: 16, sectorsPerTrack: 63 };
}

export function identifyDisk(disk: DiskIdentity): Uint16Array {
  const w = new Uint16Array(256);
  const { defaultGeometry: initial, currentGeometry: current } = disk;
  w[0] = 0x0040; // ATA device, not removable
  w[1] = initial.cylinders;
  w[2] = 0xc837; // needs no SET FEATURES to spin up; this data is complete
  w[3] = initial.heads;
  w[4] = 512 * initial.sectorsPerTrack;
  w[5] = 512;
  w[6] = initial.sectorsPerTrack;
  w[20] = 3; // dual-ported cache
  w[21] = 512; // of 256 KiB
  w[22] = 4;
  w[47] = 0x8000 | MULTIPLE_MAX;
  w[48] = 1; // 32-bit access to the data register works
  w[49] = 0x0f00; // IORDY (can be disabled), LBA, DMA
  w[50] = 0x4000;
  w[51] = 0x0200;
  w[52] = 0x0200;
  w[53] = 0x0007; // words 54-58, 64-70 and 88 are valid
  w[54] = current.cylinders;
  w[55] = current.heads;
  w[56] = current.sectorsPerTrack;
  putLong(w, 57, current.cylinders * current.heads * current.sectorsPerTrack);
  w[59] = disk.multiple > 0 ? 0x0100 | disk.multiple : 0;
  putLong(w, 60, Math.min(disk.sectorCount, LBA28_LIMIT));
  w[82] = 0x0068; // look-ahead, write cache, power management
  w[83] = 0x7400; // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses
  w[84] = 0x4000;
  w[85] = 0x0008 | (disk.lookAhead ? 0x0040 : 0) | (disk.writeCache ? 0x0020 : 0);
  w[86] = 0x3400;
  w[87] = 0x4000;
  putLong(w, 100, disk.sectorCount >>> 0);
  w[102] = Math.floor(disk.sectorCount / 2 ** 32);
  putDrive(w, disk);
  return w;
}

export function identifyCdrom(drive: DriveIdentity): Uint16Array {
  const w = new Uint16Array(256);
  w[0] = 0x85c0; // ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets
  w[49] = 0x0b00; // IORDY, LBA, DMA
  w[53] = 0x0006; // words 64-70 and 88 are valid
  w[82] = 0x0210; // DEVICE RESET, PACKET
  w[83] = 0x4000;
  w[84] = 0x4000;
  w[85] = 0x0210;
  w[87] = 0x4000;
  putDrive(w, drive);
  return w;
}

/** What disks and packet devices have in common, and the checksum. */
function putDrive(w: Uint16Array, drive: DriveIdentity): void {
  putAtaString(w, 10, 10, drive.serial);
  putAtaString(w, 23, 4, FIRMWARE_REVISION);
  putAtaString(w, 27, 20, drive.model);
  w[63] = MULTIWORD_MODES | modeBit(drive.multiwordMode);
  w[64] = 0x0003; // PIO modes 3 and 4
  w.fill(120, 65, 69); // cycle times in ns
  w[80] = 0x0070; // ATA/ATAPI-4 to -6
  w[88] = ULTRA_MODES | modeBit(drive.ultraMode);
  // 80-conductor cable seen; who is who was found by jumper.
  w[93] = drive.isSlave ? 0x6b00 : 0x600b;
  putIntegrityWord(w);
}

function modeBit(mode: number): number {
  return mode < 0 ? 0 : 1 << (8 + mode);
}

function putLong(words: Uint16Array, first: number, value: number): void {
  words[first] = value & 0xffff;
  words[first + 1] = value >>> 16;
}
