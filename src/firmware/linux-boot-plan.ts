// A Linux kernel image (bzImage or zImage) as a boot plan: the 16-bit entry of the
// Linux/x86 boot protocol (Documentation/arch/x86/boot.rst), so that the kernel itself
// asks our BIOS for memory map and video mode.
// Not implemented: kernels older than protocol 2.00 (Linux 1.3.73).

import { ImageError, UsageError } from "../base/errors.ts";
import { type BootChunk, type BootPlan, encodeBootPlan } from "./boot-plan-format.ts";

export interface LinuxImage {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  readonly memoryBytes: number;
}

const SECTOR = 512;
/** Real-mode code and its boot sector, then heap and stack up to the command line. */
const SETUP_ADDRESS = 0x90000;
const SETUP_SEGMENT = SETUP_ADDRESS >> 4;
const HEAP_END = 0xe000;
const COMMAND_LINE_ADDRESS = SETUP_ADDRESS + HEAP_END;
const COMMAND_LINE_ROOM = 0x1c00; // to the EBDA at 9FC00h
const ZIMAGE_ADDRESS = 0x10000;
const BZIMAGE_ADDRESS = 0x100000;
const PAGE = 4096;

const LOADED_HIGH = 0x01;
const CAN_USE_HEAP = 0x80;
const XLF_KERNEL_64 = 0x01;
const LOADER_UNDEFINED = 0xff;
const OLD_COMMAND_LINE_MAGIC = 0xa33f;

export function linuxBootPlan({ kernel, initrd, commandLine, memoryBytes }: LinuxImage): BootPlan {
  const header = readHeader(kernel);
  const setup = kernel.slice(0, header.setupBytes);
  const code = kernel.subarray(header.setupBytes);
  const codeAddress = header.loadedHigh ? BZIMAGE_ADDRESS : ZIMAGE_ADDRESS;
  const line = encodeCommandLine(commandLine, header.commandLineMax);
  const out = new DataView(setup.buffer);

  out.setUint8(0x210, LOADER_UNDEFINED);
  const videoMode = requestedVideoMode(commandLine);
  if (videoMode !== null) out.setUint16(0x1fa, videoMode, true);
  if (header.version >= 0x0201) {
    out.setUint8(0x211, out.getUint8(0x211) | CAN_USE_HEAP);
    out.setUint16(0x224, HEAP_END - SECTOR, true);
  }
  if (header.version >= 0x0202) {
    out.setUint32(0x228, COMMAND_LINE_ADDRESS, true);
  } else {
    out.setUint16(0x20, OLD_COMMAND_LINE_MAGIC, true);
    out.setUint16(0x22, HEAP_END, true);
    out.setUint16(0x212, HEAP_END + COMMAND_LINE_ROOM, true); // what setup may move
  }

  const kernelEnd = header.loadedHigh ? Math.max(codeAddress + code.length, header.runEnd) : BZIMAGE_ADDRESS;
  if (kernelEnd > memoryBytes) throw tooLittle(memoryBytes, kernelEnd);
  const chunks: BootChunk[] = [
    { address: SETUP_ADDRESS, bytes: setup },
    { address: COMMAND_LINE_ADDRESS, bytes: line },
    { address: codeAddress, bytes: code },
  ];
  if (initrd !== undefined && initrd.length > 0) {
    const top = Math.min(memoryBytes, header.initrdMax + 1);
    const address = Math.floor((top - initrd.length) / PAGE) * PAGE;
    if (address < kernelEnd) throw tooLittle(memoryBytes, kernelEnd + initrd.length + PAGE);
    out.setUint32(0x218, address, true);
    out.setUint32(0x21c, initrd.length, true);
    chunks.push({ address, bytes: initrd });
  }
  return encodeBootPlan(chunks, {
    mode: 16,
    cs: SETUP_SEGMENT + (SECTOR >> 4),
    eip: 0,
    ss: SETUP_SEGMENT,
    esp: HEAP_END,
    ds: SETUP_SEGMENT,
    es: SETUP_SEGMENT,
    fs: SETUP_SEGMENT,
    gs: SETUP_SEGMENT,
  });
}

interface LinuxHeader {
  readonly version: number;
  readonly setupBytes: number;
  readonly loadedHigh: boolean;
  readonly commandLineMax: number;
  readonly initrdMax: number;
  /** First byte after all that the kernel needs while it unpacks itself; 0 = it does not say. */
  readonly runEnd: number;
}

function readHeader(kernel: Uint8Array): LinuxHeader {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  if (kernel.length < 0x230 || view.getUint16(0x1fe, true) !== 0xaa55 || view.getUint32(0x202, true) !== 0x53726448) {
    throw new ImageError("Not a Linux kernel: there is no boot protocol header (\"HdrS\"). Give a bzImage, the file that distributions call vmlinuz.");
  }
  const version = view.getUint16(0x206, true);
  if (version < 0x0200) throw new ImageError(`The kernel speaks boot protocol ${version >> 8}.${version & 0xff}; 2.0 or later is needed.`);
  const setupBytes = ((view.getUint8(0x1f1) || 4) + 1) * SECTOR;
  const loadedHigh = (view.getUint8(0x211) & LOADED_HIGH) !== 0;
  // syssize is 16 bits wide in older protocols, too few for a bzImage; the last paragraph may be short
  const codeBytes = version >= 0x0204 ? view.getUint32(0x1f4, true) * 16 : 0;
  if (kernel.length <= setupBytes || kernel.length + 16 < setupBytes + codeBytes) {
    throw new ImageError(`The kernel image is truncated: its header announces ${setupBytes + codeBytes} bytes, the file has ${kernel.length}.`);
  }
  if (version >= 0x020c && (view.getUint16(0x236, true) & XLF_KERNEL_64) !== 0) {
    throw new ImageError("This is a 64-bit kernel. The machine has a 32-bit processor: use an i386 (i686) kernel.");
  }
  if (!loadedHigh && kernel.length - setupBytes > SETUP_ADDRESS - ZIMAGE_ADDRESS) {
    throw new ImageError("The kernel is a zImage, yet too large for the 512 KB below its setup code.");
  }
  if (setupBytes > HEAP_END - 0x1000) throw new ImageError("The kernel's setup code is larger than the boot protocol allows.");
  return {
    version,
    setupBytes,
    loadedHigh,
    commandLineMax: version >= 0x0206 ? view.getUint32(0x238, true) : 255,
    initrdMax: version >= 0x0203 ? view.getUint32(0x22c, true) : 0x37ffffff,
    runEnd: version >= 0x020a ? Number(view.getBigUint64(0x258, true)) + view.getUint32(0x260, true) : 0,
  };
}

function encodeCommandLine(commandLine: string, maximum: number): Uint8Array {
  const bytes = new TextEncoder().encode(commandLine);
  const limit = Math.min(maximum, COMMAND_LINE_ROOM - 1);
  if (bytes.length > limit) throw new UsageError(`The kernel's command line has ${bytes.length} bytes; this kernel takes ${limit}.`);
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  return line;
}

/** `vga=` is the boot loader's word, not the kernel's. */
function requestedVideoMode(commandLine: string): number | null {
  const word = /(?:^|\s)vga=(\S+)/.exec(commandLine)?.[1];
  if (word === undefined) return null;
  const named = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd }[word];
  const mode = named ?? Number(word);
  if (!Number.isInteger(mode) || mode < 0 || mode > 0xffff) {
    throw new UsageError(`vga=${word}: a number, normal, ext or ask is needed.`);
  }
  return mode;
}

function tooLittle(memoryBytes: number, neededBytes: number): ImageError {
  const megabytes = (bytes: number) => Math.ceil(bytes / (1 << 20));
  return new ImageError(`The kernel and its initrd need at least ${megabytes(neededBytes)} MB of memory; the machine has ${megabytes(memoryBytes)} MB.`);
}
