// Kernels that are loaded directly: Linux boot protocol images and multiboot.
// Documentation/arch/x86/boot.rst of the Linux sources ("The Real-Mode Kernel Header");
// Multiboot Specification 0.6.96; System V ABI, "Object Files".

import { asciiOf, type Finding, type ImageProbe, type Refusal } from "./image-identity.ts";

const sixtyFourBit = (what: string): Refusal => ({
  reason: `This is a 64-bit ${what}, and the machine is a 32-bit PC.`,
  whatToDo: "Use a 32-bit build (i386, i686).",
  force: false,
});

function truncated(needs: number, has: number): Refusal {
  return {
    reason: `The file is truncated: it should have ${needs} bytes and has ${has}.`,
    whatToDo: "Copy or download it again.",
    force: false,
  };
}

// ---- Linux ----

const SETUP_SECTS = 0x1f1;
const SYSSIZE = 0x1f4;
const BOOT_FLAG = 0x1fe;
const HEADER = 0x202;
const VERSION = 0x206;
const KERNEL_VERSION = 0x20e;
const LOADFLAGS = 0x211;
const XLOADFLAGS = 0x236;

const LOADED_HIGH = 0x01;
const XLF_KERNEL_64 = 0x01;

export function findLinuxKernel(probe: ImageProbe): Finding | null {
  if (!probe.has(HEADER, "HdrS") || probe.u16(BOOT_FLAG) !== 0xaa55) return null;
  const protocol = probe.u16(VERSION);
  const version = kernelVersion(probe);
  const format = probe.u8(LOADFLAGS) & LOADED_HIGH ? "bzImage" : "zImage";
  const protocolText = `${protocol >> 8}.${(protocol & 0xff).toString().padStart(2, "0")}`;
  // Other programs use the protocol too, and say so in place of a version.
  const name = /^\d/.test(version) ? `Linux kernel ${version.split(" ")[0]}` : version || "Linux boot protocol image";
  // The length counts whole paragraphs of 16 bytes; the last may be cut short.
  const setupSectors = probe.u8(SETUP_SECTS) || 4;
  // The length is 16 bits wide before protocol 2.04, too few for a bzImage to be judged by it.
  const needs = protocol >= 0x204 ? (setupSectors + 1) * 512 + probe.u32(SYSSIZE) * 16 : (setupSectors + 1) * 512;
  // Before protocol 2.12 only the version string tells.
  const wide = protocol >= 0x20c ? (probe.u16(XLOADFLAGS) & XLF_KERNEL_64) !== 0 : /amd64|x86_64/.test(version);
  const refusal = wide ? sixtyFourBit("kernel") : probe.size + 15 < needs ? truncated(needs, probe.size) : undefined;
  return {
    kind: "linux-kernel",
    description: `${name} (${format}, boot protocol ${protocolText}${wide ? ", 64-bit" : ""})`,
    detectedBy: "`HdrS` at byte 514",
    suggestedDrive: "kernel",
    ...(refusal ? { refusal } : {}),
    details: { bootProtocol: protocolText, ...(version ? { kernelVersion: version } : {}) },
  };
}

function kernelVersion(probe: ImageProbe): string {
  const pointer = probe.u16(KERNEL_VERSION);
  if (pointer === 0) return "";
  const bytes = probe.bytes(pointer + 0x200, 200);
  const end = bytes.indexOf(0);
  const text = asciiOf(bytes, 0, end < 0 ? bytes.length : end);
  return /^[\x20-\x7e]*$/.test(text) ? text : "";
}

// ---- multiboot and ELF ----

const MULTIBOOT_MAGIC = 0x1badb002;
const MULTIBOOT2_MAGIC = 0xe85250d6;
const MULTIBOOT_SEARCH = 8192;
/** The header itself says where to load the file: for kernels that are not ELF. */
const MULTIBOOT_ADDRESSES = 0x10000;

const EM_386 = 3;

export function findElf(probe: ImageProbe): Finding | null {
  if (!probe.has(0, "\x7fELF")) return null;
  if (probe.u8(4) === 2) return elf("ELF, 64-bit", "ELF class 64 at byte 4", sixtyFourBit("ELF file"));
  const header = multibootHeader(probe, MULTIBOOT_MAGIC);
  if (probe.u16(18) !== EM_386) {
    return elf("ELF, not for the x86", `ELF machine ${probe.u16(18)}`, {
      reason: "This ELF file is for another processor.",
      whatToDo: "Use a build for i386.",
      force: false,
    });
  }
  if (header < 0) {
    const second = multibootHeader(probe, MULTIBOOT2_MAGIC) >= 0;
    return elf("ELF, 32-bit", "ELF header at byte 0", {
      reason: second
        ? "This kernel has a Multiboot 2 header, and only Multiboot 1 is supported."
        : "This is a 32-bit ELF program without a Multiboot header, so nothing says how to start it.",
      whatToDo: second ? "Build it with a Multiboot 1 header." : "Use a Multiboot kernel, a bzImage, or a disk image that contains it.",
      force: false,
    });
  }
  const end = elfEnd(probe);
  const refusal = end > probe.size ? truncated(end, probe.size) : undefined;
  return {
    ...multiboot("ELF", header, probe.u32(24)),
    ...(refusal ? { refusal } : {}),
  };
}

/** A Multiboot kernel that is not ELF and gives its load addresses in the header. */
export function findMultibootWithAddresses(probe: ImageProbe): Finding | null {
  const header = multibootHeader(probe, MULTIBOOT_MAGIC);
  if (header < 0 || (probe.u32(header + 4) & MULTIBOOT_ADDRESSES) === 0) return null;
  return multiboot("load addresses in its header", header, probe.u32(header + 28));
}

function multiboot(format: string, header: number, entry: number): Finding {
  return {
    kind: "multiboot",
    description: `Multiboot kernel (${format})`,
    detectedBy: `1BADB002h at byte ${header}`,
    suggestedDrive: "multiboot",
    details: { entry },
  };
}

function elf(description: string, detectedBy: string, refusal: Refusal): Finding {
  return { kind: "unknown", description, detectedBy, suggestedDrive: "multiboot", refusal };
}

/** The offset of a header whose checksum is right, or -1. Both versions align it to 4 bytes at least. */
function multibootHeader(probe: ImageProbe, magic: number): number {
  const end = Math.min(probe.head.length, magic === MULTIBOOT_MAGIC ? MULTIBOOT_SEARCH : 4 * MULTIBOOT_SEARCH) - 12;
  for (let offset = 0; offset <= end; offset += 4) {
    if (probe.u32(offset) !== magic) continue;
    const sum = probe.u32(offset) + probe.u32(offset + 4) + probe.u32(offset + 8) + (magic === MULTIBOOT2_MAGIC ? probe.u32(offset + 12) : 0);
    if (sum >>> 0 === 0) return offset;
  }
  return -1;
}

/** A program header of ELF32 has 32 bytes; no kernel needs as many of them as this reads. */
const PROGRAM_HEADER = 32;
const TABLE_LIMIT = 64 * 1024;

/** The end of the last loadable segment in the file. */
function elfEnd(probe: ImageProbe): number {
  const table = probe.u32(28);
  const entrySize = Math.max(PROGRAM_HEADER, probe.u16(42));
  const length = Math.min(TABLE_LIMIT, entrySize * probe.u16(44));
  const bytes = probe.bytes(table, length);
  const view = new DataView(bytes.buffer);
  let end = table + length;
  for (let at = 0; at + PROGRAM_HEADER <= bytes.length; at += entrySize) {
    const loadable = view.getUint32(at, true) === 1;
    if (loadable) end = Math.max(end, view.getUint32(at + 4, true) + view.getUint32(at + 16, true));
  }
  return end;
}
