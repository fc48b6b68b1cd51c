// Floppies and hard disks: sizes, BIOS parameter block, partition table.
// Microsoft FAT Specification (BPB); the IBM PC's master boot record; UEFI 2.x, "GUID Partition Table".

import { type DiskGeometry, type Finding, type ImageProbe, isZero, type Partition, type Refusal, sizeText } from "./image-identity.ts";

const SECTOR = 512;
const SIGNATURE = 510;
/** Up to here a file is a boot sector or a small loader, to be laid on an empty floppy. */
export const BOOT_SECTOR_LIMIT = 64 * 1024;
export const LARGEST_FLOPPY = 2_949_120;
const MEDIA_FIXED_DISK = 0xf8;

interface FloppyFormat {
  readonly bytes: number;
  readonly name: string;
  readonly geometry: DiskGeometry;
}

const format = (name: string, cylinders: number, heads: number, sectorsPerTrack: number): FloppyFormat => ({
  bytes: cylinders * heads * sectorsPerTrack * SECTOR,
  name,
  geometry: { cylinders, heads, sectorsPerTrack },
});

export const FLOPPY_FORMATS: readonly FloppyFormat[] = [
  format("160 KB", 40, 1, 8),
  format("180 KB", 40, 1, 9),
  format("320 KB", 40, 2, 8),
  format("360 KB", 40, 2, 9),
  format("720 KB", 80, 2, 9),
  format("1.2 MB", 80, 2, 15),
  format("1.44 MB", 80, 2, 18),
  format("1.68 MB", 80, 2, 21),
  format("1.72 MB", 82, 2, 21),
  format("2.88 MB", 80, 2, 36),
];

/** The floppy that a boot sector is laid on. */
export const PADDED_FLOPPY = FLOPPY_FORMATS[6];

export interface BiosParameterBlock {
  readonly totalSectors: number;
  readonly sectorsPerTrack: number;
  readonly heads: number;
  readonly media: number;
}

/** null where the first sector does not begin like that of a FAT volume. */
function biosParameterBlock(probe: ImageProbe): BiosParameterBlock | null {
  const jump = probe.u8(0);
  const media = probe.u8(21);
  const bpb = { totalSectors: probe.u16(19) || probe.u32(32), sectorsPerTrack: probe.u16(24), heads: probe.u16(26), media };
  const plausible =
    (jump === 0xeb || jump === 0xe9) &&
    probe.u16(11) === SECTOR &&
    (media === 0xf0 || media >= 0xf8) &&
    bpb.sectorsPerTrack >= 1 &&
    bpb.sectorsPerTrack <= 63 &&
    bpb.heads >= 1 &&
    bpb.heads <= 255;
  return plausible ? bpb : null;
}

export function hasBootSignature(probe: ImageProbe): boolean {
  return probe.u16(SIGNATURE) === 0xaa55;
}

export function noSignature(): Refusal {
  return {
    reason: "No boot signature: bytes 510 and 511 are not 55 AA.",
    whatToDo: "Check that this is the right file; --force (Boot anyway) starts it all the same.",
    force: true,
  };
}

function truncatedDisk(sectors: number, size: number): Refusal {
  return {
    reason: `The image is truncated: it should have ${sectors} sectors and has ${Math.floor(size / SECTOR)}.`,
    whatToDo: "Copy it again; --force (Boot anyway) reads the missing part as zeros.",
    force: true,
  };
}

export function findBootSector(probe: ImageProbe): Finding | null {
  if (probe.size > BOOT_SECTOR_LIMIT) return null;
  const refusal = hasBootSignature(probe) ? undefined : noSignature();
  return {
    kind: "boot-sector",
    description: `boot sector (${sizeText(probe.size)}, on an empty ${PADDED_FLOPPY.name} floppy)`,
    detectedBy: refusal ? `size ${sizeText(probe.size)}` : "55AAh at byte 510",
    suggestedDrive: "fda",
    ...(refusal ? { refusal } : {}),
    details: onFloppy(PADDED_FLOPPY),
  };
}

function onFloppy(floppy: FloppyFormat): NonNullable<Finding["details"]> {
  return { geometry: floppy.geometry, sectorSize: SECTOR, sectorCount: floppy.bytes / SECTOR };
}

export function findFloppy(probe: ImageProbe): Finding | null {
  if (probe.size > LARGEST_FLOPPY) return null;
  const base = { kind: "floppy", suggestedDrive: "fda" } as const;
  const known = FLOPPY_FORMATS.find((candidate) => candidate.bytes === probe.size);
  if (known) {
    const refusal = hasBootSignature(probe) ? undefined : noSignature();
    return {
      ...base,
      description: `floppy image (${known.name})`,
      detectedBy: `size ${known.bytes} bytes`,
      ...(refusal ? { refusal } : {}),
      details: onFloppy(known),
    };
  }
  if (!hasBootSignature(probe)) return null;
  const bpb = biosParameterBlock(probe);
  if (bpb && bpb.media !== MEDIA_FIXED_DISK) {
    const refusal = bpb.totalSectors * SECTOR > probe.size ? truncatedDisk(bpb.totalSectors, probe.size) : undefined;
    return {
      ...base,
      description: `floppy image (${sizeText(probe.size)})`,
      detectedBy: "55AAh at byte 510, BIOS parameter block of a floppy",
      ...(refusal ? { refusal } : {}),
      details: { geometry: bpbGeometry(bpb), sectorSize: SECTOR, sectorCount: Math.max(bpb.totalSectors, Math.ceil(probe.size / SECTOR)) },
    };
  }
  if (bpb || (partitionTable(probe) ?? []).length > 0) return null;
  const floppy = probe.size <= PADDED_FLOPPY.bytes ? PADDED_FLOPPY : FLOPPY_FORMATS[FLOPPY_FORMATS.length - 1];
  return {
    ...base,
    description: `boot image (${sizeText(probe.size)}, on a ${floppy.name} floppy)`,
    detectedBy: "55AAh at byte 510, no partition table",
    details: onFloppy(floppy),
  };
}

function bpbGeometry(bpb: BiosParameterBlock): DiskGeometry {
  const track = bpb.heads * bpb.sectorsPerTrack;
  return { cylinders: Math.ceil(bpb.totalSectors / track), heads: bpb.heads, sectorsPerTrack: bpb.sectorsPerTrack };
}

// ---- hard disks ----

const PARTITION_TABLE = 446;
const BOOT_CODE_BYTES = 440;
const TYPE_GPT_PROTECTIVE = 0xee;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [0x01, "FAT12"],
  [0x04, "FAT16"],
  [0x05, "extended"],
  [0x06, "FAT16"],
  [0x07, "NTFS or HPFS"],
  [0x0b, "FAT32"],
  [0x0c, "FAT32 LBA"],
  [0x0e, "FAT16 LBA"],
  [0x0f, "extended LBA"],
  [0x17, "hidden NTFS"],
  [0x39, "Plan 9"],
  [0x63, "GNU HURD"],
  [0x81, "Minix"],
  [0x82, "Linux swap"],
  [0x83, "Linux"],
  [0x85, "Linux extended"],
  [0x8e, "Linux LVM"],
  [0xa5, "FreeBSD"],
  [0xa6, "OpenBSD"],
  [0xa9, "NetBSD"],
  [0xee, "GPT protective"],
  [0xef, "EFI system"],
  [0xfd, "Linux RAID"],
]);

/** The four entries that are in use; null where they cannot be a partition table. */
function partitionTable(probe: ImageProbe): Partition[] | null {
  const partitions: Partition[] = [];
  for (let i = 0; i < 4; i++) {
    const at = PARTITION_TABLE + 16 * i;
    const status = probe.u8(at);
    const type = probe.u8(at + 4);
    if ((status & 0x7f) !== 0) return null;
    if (type === 0) continue;
    const firstSector = probe.u32(at + 8);
    const sectorCount = probe.u32(at + 12);
    if (sectorCount === 0) return null;
    partitions.push({ number: i + 1, active: status === 0x80, type, typeName: TYPE_NAMES.get(type) ?? `type ${type.toString(16)}h`, firstSector, sectorCount });
  }
  return partitions;
}

/** The translations that BIOSes use, as heads and sectors per track. */
const TRANSLATIONS: readonly (readonly [number, number])[] = [
  [255, 63],
  [240, 63],
  [128, 63],
  [64, 63],
  [32, 63],
  [16, 63],
  [64, 32],
];

/** The translation under which the partition table was written: the one in which its CHS and LBA ends agree. */
function tableGeometry(probe: ImageProbe, partitions: readonly Partition[], sectors: number): DiskGeometry {
  const agreeing = TRANSLATIONS.find(([heads, sectorsPerTrack]) =>
    partitions.some((partition) => {
      const at = PARTITION_TABLE + 16 * (partition.number - 1);
      const cylinder = probe.u8(at + 7) | ((probe.u8(at + 6) & 0xc0) << 2);
      const sector = probe.u8(at + 6) & 0x3f;
      return (cylinder * heads + probe.u8(at + 5)) * sectorsPerTrack + sector - 1 === partition.firstSector + partition.sectorCount - 1;
    }),
  );
  const [heads, sectorsPerTrack] = agreeing ?? TRANSLATIONS[0];
  return { cylinders: Math.max(1, Math.floor(sectors / (heads * sectorsPerTrack))), heads, sectorsPerTrack };
}

export function findHardDisk(probe: ImageProbe): Finding {
  const sectors = Math.ceil(probe.size / SECTOR);
  const base = { kind: "hard-disk", suggestedDrive: "hda" } as const;
  if (!hasBootSignature(probe)) {
    return {
      ...base,
      description: `disk image (${sizeText(probe.size)})`,
      detectedBy: `size ${probe.size} bytes`,
      refusal: noSignature(),
      details: { sectorSize: SECTOR, sectorCount: sectors },
    };
  }
  const bpb = biosParameterBlock(probe);
  if (bpb) {
    const refusal = bpb.totalSectors > sectors ? truncatedDisk(bpb.totalSectors, probe.size) : undefined;
    return {
      ...base,
      description: `disk image (${sizeText(probe.size)}, one FAT volume without a partition table)`,
      detectedBy: "55AAh at byte 510, BIOS parameter block",
      ...(refusal ? { refusal } : {}),
      details: { geometry: bpbGeometry(bpb), partitions: [], sectorSize: SECTOR, sectorCount: Math.max(bpb.totalSectors, sectors) },
    };
  }
  const partitions = partitionTable(probe) ?? [];
  const gpt = probe.has(SECTOR, "EFI PART") && partitions.some((partition) => partition.type === TYPE_GPT_PROTECTIVE);
  const end = partitionsEnd(partitions);
  const refusal = diskRefusal(probe, gpt, end);
  return {
    ...base,
    description: `hard disk image (${sizeText(probe.size)}, ${gpt ? "GPT" : partitionText(partitions)})`,
    detectedBy: partitions.length > 0 ? "55AAh at byte 510, partition table" : "55AAh at byte 510",
    ...(refusal ? { refusal } : {}),
    details: { geometry: tableGeometry(probe, partitions, sectors), partitions, gpt, sectorSize: SECTOR, sectorCount: Math.max(end, sectors) },
  };
}

/** The sector after the last partition. A protective entry may claim more than there is. */
function partitionsEnd(partitions: readonly Partition[]): number {
  return Math.max(0, ...partitions.filter((p) => p.type !== TYPE_GPT_PROTECTIVE).map((p) => p.firstSector + p.sectorCount));
}

function partitionText(partitions: readonly Partition[]): string {
  if (partitions.length === 0) return "no partitions";
  return partitions.map((partition) => `${partition.number}: ${partition.typeName}${partition.active ? ", active" : ""}`).join("; ");
}

function diskRefusal(probe: ImageProbe, gpt: boolean, end: number): Refusal | undefined {
  if (end * SECTOR > probe.size) return truncatedDisk(end, probe.size);
  if (probe.size % SECTOR !== 0) {
    return {
      reason: `The image is not a whole number of 512-byte sectors (${probe.size} bytes): its end seems to be missing.`,
      whatToDo: "Copy it again; --force (Boot anyway) reads the missing part as zeros.",
      force: true,
    };
  }
  if (!isZero(probe.head.subarray(0, BOOT_CODE_BYTES))) return undefined;
  if (gpt) {
    return {
      reason: "This disk (GPT, no code in its boot sector) boots only by UEFI, and the machine has a BIOS.",
      whatToDo: "Use an image that boots by BIOS, or its 32-bit kernel with --kernel.",
      force: false,
    };
  }
  return {
    reason: "The boot sector has a signature but no code.",
    whatToDo: "Use it as a second disk (--hdb FILE) beside one that boots, or install a boot loader on it.",
    force: true,
  };
}
