// CD images: the ISO 9660 (ECMA-119) volume descriptors and the El Torito boot catalog
// ("El Torito" Bootable CD-ROM Format Specification 1.0).

import { asciiOf, type ElToritoEntry, type Finding, type ImageProbe, type Refusal, sizeText } from "./image-identity.ts";

const CD_SECTOR = 2048;
const FIRST_DESCRIPTOR = 16 * CD_SECTOR;
const BOOT_RECORD = 17 * CD_SECTOR;

const PLATFORM_80X86 = 0;
const PLATFORM_EFI = 0xef;

const EMULATION = ["none", "floppy 1.2 MB", "floppy 1.44 MB", "floppy 2.88 MB", "hard disk"] as const;

/** Images are padded by up to 150 sectors, which copies often lack. */
const PADDING_BYTES = 150 * CD_SECTOR;

interface BootCatalog {
  readonly platform: number;
  readonly entry: ElToritoEntry;
}

export function findIso9660(probe: ImageProbe): Finding | null {
  if (!probe.has(FIRST_DESCRIPTOR + 1, "CD001")) return null;
  const label = asciiOf(probe.head, FIRST_DESCRIPTOR + 40, 32).trim();
  const declared = probe.u32(FIRST_DESCRIPTOR + 80) * CD_SECTOR;
  const catalog = bootCatalog(probe);
  const refusal = refusalFor(probe, declared, catalog);
  const how = catalog ? `El Torito, ${catalog.entry.emulation === "none" ? "no emulation" : `${catalog.entry.emulation} emulation`}` : "no boot record";
  return {
    kind: "cd",
    description: `CD image${label ? ` "${label}"` : ""} (ISO 9660, ${how})`,
    detectedBy: "`CD001` at byte 32769",
    suggestedDrive: "cdrom",
    ...(refusal ? { refusal } : {}),
    details: { sectorSize: CD_SECTOR, sectorCount: Math.ceil(probe.size / CD_SECTOR), ...(label ? { volumeLabel: label } : {}), ...(catalog ? { elTorito: catalog.entry } : {}) },
  };
}

function refusalFor(probe: ImageProbe, declared: number, catalog: BootCatalog | null): Refusal | undefined {
  if (declared > probe.size + PADDING_BYTES) {
    return {
      reason: `The CD image is truncated: its volume has ${sizeText(declared)} and the file ${sizeText(probe.size)}.`,
      whatToDo: "Copy or download it again.",
      force: true,
    };
  }
  if (!catalog) {
    return {
      reason: "This CD has no El Torito boot record.",
      whatToDo: "Use it as a second drive: --cdrom FILE beside a disk that boots.",
      force: false,
    };
  }
  if (catalog.platform === PLATFORM_EFI || !catalog.entry.bootable) {
    return {
      reason: catalog.entry.bootable ? "This CD boots only by UEFI, and the machine has a BIOS." : "This CD's boot entry is marked not bootable.",
      whatToDo: "Use an image with a BIOS boot entry (i386).",
      force: false,
    };
  }
  return undefined;
}

/** The initial entry; the first one for the PC where several platforms have one. */
function bootCatalog(probe: ImageProbe): BootCatalog | null {
  if (probe.u8(BOOT_RECORD) !== 0 || !probe.has(BOOT_RECORD + 7, "EL TORITO SPECIFICATION")) return null;
  const sector = probe.bytes(probe.u32(BOOT_RECORD + 0x47) * CD_SECTOR, CD_SECTOR);
  if (sector.length < 64 || sector[0] !== 1 || sector[30] !== 0x55 || sector[31] !== 0xaa) return null;
  return { platform: sector[1] === PLATFORM_80X86 ? PLATFORM_80X86 : sector[1], entry: entryAt(sector, 32) };
}

function entryAt(sector: Uint8Array, offset: number): ElToritoEntry {
  const view = new DataView(sector.buffer, offset, 32);
  return {
    bootable: sector[offset] === 0x88,
    emulation: EMULATION[sector[offset + 1] & 0x0f] ?? "none",
    loadSegment: view.getUint16(2, true) || 0x7c0,
    sectorCount: view.getUint16(6, true),
    lba: view.getUint32(8, true),
  };
}
