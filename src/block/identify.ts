// What a file is, judged by its content first and its name last: never more than a few blocks of it
// are read, so that 3 GB of zeros are judged as fast as a boot sector.

import { Inflate } from "fflate";
import type { ByteSource } from "../hardware/device.ts";
import { BOOT_SECTOR_LIMIT, findBootSector, findFloppy, findHardDisk, hasBootSignature, LARGEST_FLOPPY, noSignature, PADDED_FLOPPY } from "./identify-disk.ts";
import { findCompressedStream, findCpio, findForeignFormat } from "./identify-formats.ts";
import { findElf, findLinuxKernel, findMultibootWithAddresses } from "./identify-kernel.ts";
import { asciiOf, type Finding, type ImageIdentity, ImageProbe, isZero, sizeText } from "./image-identity.ts";
import { findIso9660 } from "./iso9660.ts";

const SECTOR = 512;
/** How many places of a file that begins with zeros are looked at before it is called blank. */
const ZERO_SAMPLES = 16;

/** `name` (of the file) helps where content cannot tell, and stands in the advice. */
export function identifyImage(source: ByteSource, name = "FILE"): ImageIdentity {
  const finding = source.size === 0 ? EMPTY : find(new ImageProbe(source, name));
  return {
    kind: finding.kind,
    description: finding.description,
    detectedBy: finding.detectedBy,
    bootable: finding.refusal === undefined,
    ...(finding.refusal ? { refusal: finding.refusal } : {}),
    suggestedDrive: finding.suggestedDrive,
    details: { sizeBytes: source.size, ...finding.details },
  };
}

const EMPTY: Finding = {
  kind: "unknown",
  description: "empty file",
  detectedBy: "size 0",
  suggestedDrive: "hda",
  refusal: { reason: "The file is empty.", whatToDo: "Check that the download or copy is complete.", force: false },
};

/** In order of how surely the evidence tells: long magic numbers before sizes. */
function find(probe: ImageProbe): Finding {
  return (
    findIso9660(probe) ??
    findForeignFormat(probe) ??
    findCompressedStream(probe, gzipHoldsCpio) ??
    findCpio(probe) ??
    findElf(probe) ??
    findLinuxKernel(probe) ??
    (hasBootSignature(probe) ? null : findUnsigned(probe)) ??
    findBootSector(probe) ??
    findFloppy(probe) ??
    findHardDisk(probe)
  );
}

/** What has no boot signature at all. */
function findUnsigned(probe: ImageProbe): Finding | null {
  return findMultibootWithAddresses(probe) ?? findBlank(probe) ?? findText(probe) ?? findRom(probe) ?? findProgram(probe) ?? findShort(probe) ?? findFileSystem(probe);
}

function findBlank(probe: ImageProbe): Finding | null {
  if (!isZero(probe.head)) return null;
  const floppy = probe.size <= LARGEST_FLOPPY;
  const step = Math.floor(probe.size / ZERO_SAMPLES);
  for (let i = 1; i <= ZERO_SAMPLES; i++) {
    const at = Math.min(i * step, Math.max(0, probe.size - 4096));
    if (!isZero(probe.bytes(at, 4096))) return null;
  }
  return {
    kind: "unknown",
    description: `blank image (${sizeText(probe.size)} of zeros)`,
    detectedBy: "zeros at the start and wherever it was looked at",
    suggestedDrive: floppy ? "fda" : "hda",
    refusal: {
      reason: "The image is blank: there is nothing but zeros where it was looked at, and no boot sector.",
      whatToDo: `Use it as a second disk (${floppy ? "--fdb" : "--hdb"} FILE) beside one that boots.`,
      force: true,
    },
    details: { sectorSize: SECTOR, sectorCount: Math.ceil(probe.size / SECTOR) },
  };
}

function findText(probe: ImageProbe): Finding | null {
  const sample = probe.head.subarray(0, 4096);
  const isText = sample.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x0c || byte === 0x1b);
  const letters = sample.filter((byte) => byte < 0x80).length;
  if (!isText || letters < sample.length * 0.7) return null;
  return {
    kind: "unknown",
    description: "text file",
    detectedBy: "nothing but printable characters",
    suggestedDrive: "hda",
    refusal: { reason: "This is a text file.", whatToDo: "Choose a disk image, a CD image or a kernel.", force: false },
  };
}

/** ROM images have an entry jump 16 bytes before their end, or the signature of an extension at their start. */
function findRom(probe: ImageProbe): Finding | null {
  const extension = probe.u16(0) === 0xaa55 && probe.u8(2) * SECTOR <= probe.size && probe.u8(2) > 0 && probe.size <= 128 * 1024;
  const system = [64, 128, 256, 512].includes(probe.size / 1024) && probe.bytes(probe.size - 16, 1)[0] === 0xea;
  if (!extension && !system) return null;
  return {
    kind: "unknown",
    description: extension ? "ROM extension (VGA BIOS or option ROM)" : "PC BIOS ROM",
    detectedBy: extension ? "55AAh at byte 0" : "a far jump 16 bytes before the end",
    suggestedDrive: "fda",
    refusal: {
      reason: `This is a ${extension ? "ROM extension" : "BIOS ROM"}, not a disk.`,
      whatToDo: extension ? "A VGA BIOS is given with --vgabios FILE." : "Give it with --bios FILE, and a disk to boot.",
      force: false,
    },
  };
}

function findProgram(probe: ImageProbe): Finding | null {
  if (!probe.has(0, "MZ")) return null;
  return {
    kind: "unknown",
    description: "DOS, Windows or EFI program",
    detectedBy: "`MZ` at byte 0",
    suggestedDrive: "fda",
    refusal: {
      reason: "This is a program for DOS, Windows or UEFI, not something that a BIOS can boot.",
      whatToDo: "Put it on a disk image that boots.",
      force: false,
    },
  };
}

function findShort(probe: ImageProbe): Finding | null {
  if (probe.size >= SECTOR && (probe.size <= BOOT_SECTOR_LIMIT || probe.size % SECTOR === 0)) return null;
  const short = probe.size < SECTOR;
  return {
    kind: "unknown",
    description: short ? `${sizeText(probe.size)} of data` : `data (${sizeText(probe.size)})`,
    detectedBy: `size ${probe.size} bytes`,
    suggestedDrive: short ? "fda" : "hda",
    refusal: {
      reason: short
        ? `The file has ${probe.size} bytes: too short for a boot sector, which has 512 and ends with 55 AA.`
        : `The file is no disk image: ${probe.size} bytes are not a whole number of 512-byte sectors, and there is no boot signature.`,
      whatToDo: "Check that this is the right file and that it is complete; --force (Boot anyway) starts it all the same.",
      force: true,
    },
    details: { sectorSize: SECTOR, sectorCount: short ? PADDED_FLOPPY.bytes / SECTOR : Math.ceil(probe.size / SECTOR) },
  };
}

function findFileSystem(probe: ImageProbe): Finding | null {
  const ext = probe.u16(1080) === 0xef53;
  const squash = probe.has(0, "hsqs");
  if (!ext && !squash) return null;
  return {
    kind: "hard-disk",
    description: `${ext ? "ext2/3/4" : "SquashFS"} file system (${sizeText(probe.size)})`,
    detectedBy: ext ? "EF53h at byte 1080" : "`hsqs` at byte 0",
    suggestedDrive: "hda",
    refusal: {
      reason: `This is a bare file system (${ext ? "ext2/3/4" : "SquashFS"}) without a boot sector. ${noSignature().reason}`,
      whatToDo: "Boot a kernel beside it: --kernel FILE --hda FILE --append root=/dev/sda.",
      force: true,
    },
    details: { sectorSize: SECTOR, sectorCount: Math.ceil(probe.size / SECTOR) },
  };
}

/** Unpacks only the beginning: an initial RAM disk is a cpio archive. */
function gzipHoldsCpio(probe: ImageProbe): boolean {
  let start = "";
  const inflate = new Inflate((chunk) => {
    if (start.length < 6) start += asciiOf(chunk, 0, 6);
  });
  try {
    inflate.push(probe.head.subarray(gzipHeaderLength(probe), gzipHeaderLength(probe) + 32_768), false);
  } catch {
    return false;
  }
  return start.startsWith("07070");
}

/** RFC 1952, 2.3: a fixed part, then the optional ones that the flags announce. */
function gzipHeaderLength(probe: ImageProbe): number {
  const flags = probe.u8(3);
  let at = 10;
  if (flags & 4) at += 2 + probe.u16(at);
  for (const flag of [8, 16]) {
    if (flags & flag) at = probe.head.indexOf(0, at) + 1;
  }
  return flags & 2 ? at + 2 : at;
}
