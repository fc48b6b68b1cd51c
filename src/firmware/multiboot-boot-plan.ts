// A multiboot image (Multiboot Specification 0.6.96) as a boot plan: ELF32 or the
// address fields of the header, modules, memory map.
// Not implemented: symbols and sections of the image (flags 4, 5), drives (7), the
// ROM configuration table (8), APM table (10), VESA modes (11); the screen is the
// 80x25 text mode that the firmware leaves, whatever mode the header prefers.

import { ImageError } from "../base/errors.ts";
import { type BootChunk, type BootPlan, encodeBootPlan } from "./boot-plan-format.ts";

export interface MultibootModule {
  readonly bytes: Uint8Array;
  readonly commandLine: string;
}

export interface MultibootImage {
  readonly image: Uint8Array;
  readonly commandLine: string;
  readonly modules?: readonly MultibootModule[];
  readonly memoryBytes: number;
}

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002;
const SEARCH_BYTES = 8192;
const PAGE = 4096;
const MEGABYTE = 1 << 20;

/** The firmware's own memory, the same as its INT 15h AX=E820h tells. */
const LOW_FREE = 0x500;
const LOW_TOP = 0x9fc00;
const ROM_START = 0xe0000;
/** Where the information goes unless the image wants that place. */
const INFO_ADDRESS = 0x10000;
const STACK_TOP = 0x7c00;

const FLAG_ADDRESSES = 1 << 16;
const KNOWN_REQUIREMENTS = 0b111;

const INFO_MEMORY = 1 << 0;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;
const INFO_FRAMEBUFFER = 1 << 12;
const INFO_BYTES = 116;

interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** At least bytes.length; the rest is zeros. */
  readonly length: number;
}

interface Loaded {
  readonly segments: readonly Segment[];
  readonly entry: number;
}

export function multibootBootPlan({ image, commandLine, modules = [], memoryBytes }: MultibootImage): BootPlan {
  const loaded = loadImage(image);
  for (const segment of loaded.segments) checkPlace(segment, memoryBytes);
  let free = Math.max(MEGABYTE, ...loaded.segments.map((segment) => segment.address + segment.length));
  const placed = modules.map((module) => {
    const start = pageUp(free);
    free = start + module.bytes.length;
    return { ...module, start };
  });
  const bytesAt = (address: number) => information(address, commandLine, placed, memoryBytes);
  const infoBytes = bytesAt(INFO_ADDRESS).length;
  const taken = loaded.segments.some((segment) => segment.address < INFO_ADDRESS + infoBytes && segment.address + segment.length > INFO_ADDRESS);
  const infoAddress = taken || INFO_ADDRESS + infoBytes > LOW_TOP ? pageUp(free) : INFO_ADDRESS;
  if (infoAddress !== INFO_ADDRESS) free = infoAddress + infoBytes;
  if (free > memoryBytes) {
    const megabytes = (bytes: number) => Math.ceil(bytes / MEGABYTE);
    throw new ImageError(`The image and its modules need ${megabytes(free)} MB of memory; the machine has ${megabytes(memoryBytes)} MB.`);
  }

  const chunks: BootChunk[] = [];
  for (const { address, bytes, length } of loaded.segments) {
    chunks.push({ address, bytes }, { address: address + bytes.length, zeros: length - bytes.length });
  }
  for (const module of placed) chunks.push({ address: module.start, bytes: module.bytes });
  chunks.push({ address: infoAddress, bytes: bytesAt(infoAddress) });
  return encodeBootPlan(chunks, { mode: 32, eip: loaded.entry, esp: STACK_TOP, eax: LOADER_MAGIC, ebx: infoAddress });
}

function pageUp(address: number): number {
  return Math.ceil(address / PAGE) * PAGE;
}

function checkPlace({ address, length }: Segment, memoryBytes: number): void {
  const end = address + length;
  const at = `${address.toString(16)}h-${(end - 1).toString(16)}h`;
  if (address < LOW_FREE || (address < MEGABYTE && end > LOW_TOP)) {
    throw new ImageError(`The image wants to be loaded at ${at}, over the memory of the firmware. It must lie between 500h and 9FBFFh or above 1 MB.`);
  }
  if (end > memoryBytes) {
    throw new ImageError(`The image is loaded at ${at}; the machine has ${Math.floor(memoryBytes / MEGABYTE)} MB of memory.`);
  }
}

// ---- the image ------------------------------------------------------------------
function loadImage(image: Uint8Array): Loaded {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const header = findHeader(view);
  const flags = view.getUint32(header + 4, true);
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0) throw new ImageError(`The multiboot header asks for something unknown (flags ${unknown.toString(16)}h).`);
  return (flags & FLAG_ADDRESSES) !== 0 ? loadByAddresses(image, view, header) : loadElf(image, view);
}

function findHeader(view: DataView): number {
  for (let at = 0; at + 12 <= Math.min(view.byteLength, SEARCH_BYTES); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 0x100000000 === 0) return at;
  }
  throw new ImageError("Not a multiboot image: its first 8 KB hold no multiboot header (1BADB002h with a right checksum).");
}

function loadByAddresses(image: Uint8Array, view: DataView, header: number): Loaded {
  if (header + 32 > image.length) throw truncated();
  const field = (index: number) => view.getUint32(header + 12 + index * 4, true);
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const offset = header - (headerAddress - loadAddress);
  if (headerAddress < loadAddress || offset < 0) throw new ImageError("The multiboot header's addresses contradict each other.");
  const fileBytes = loadEnd === 0 ? image.length - offset : loadEnd - loadAddress;
  if (fileBytes < 0 || (bssEnd !== 0 && bssEnd < loadAddress + fileBytes)) {
    throw new ImageError("The multiboot header's addresses contradict each other.");
  }
  if (offset + fileBytes > image.length) throw truncated();
  const length = bssEnd === 0 ? fileBytes : bssEnd - loadAddress;
  return { segments: [{ address: loadAddress, bytes: image.subarray(offset, offset + fileBytes), length }], entry };
}

const ELFCLASS32 = 1;
const ELFDATA_LITTLE = 1;
const EM_386 = 3;
const PT_LOAD = 1;

function loadElf(image: Uint8Array, view: DataView): Loaded {
  if (image.length < 52 || view.getUint32(0, false) !== 0x7f454c46) {
    throw new ImageError("The multiboot image is neither an ELF file nor does its header say where to load it.");
  }
  if (image[4] !== ELFCLASS32) throw new ImageError("This is a 64-bit ELF image. Multiboot starts 32-bit images: link it as ELF32.");
  if (image[5] !== ELFDATA_LITTLE || view.getUint16(18, true) !== EM_386) throw new ImageError("The ELF image is not for the i386.");
  const headers = view.getUint32(28, true);
  const size = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (size < 32 || headers + size * count > image.length) throw truncated();
  const segments: Segment[] = [];
  let entry = view.getUint32(24, true);
  let translated = false;
  for (let i = 0; i < count; i++) {
    const field = (offset: number) => view.getUint32(headers + i * size + offset, true);
    const [type, offset, virtual, physical, fileBytes, length] = [field(0), field(4), field(8), field(12), field(16), field(20)];
    if (type !== PT_LOAD || length === 0) continue;
    if (fileBytes > length || offset + fileBytes > image.length) throw truncated();
    segments.push({ address: physical, bytes: image.subarray(offset, offset + fileBytes), length });
    // the entry is a virtual address; paging is off
    if (!translated && entry >= virtual && entry < virtual + length) {
      entry = entry - virtual + physical;
      translated = true;
    }
  }
  if (segments.length === 0) throw new ImageError("The ELF image has nothing to load.");
  return { segments, entry };
}

function truncated(): ImageError {
  return new ImageError("The multiboot image is truncated: its headers point past the end of the file.");
}

// ---- what the image is told -----------------------------------------------------
type PlacedModule = MultibootModule & { readonly start: number };

const encoder = new TextEncoder();

/** The information structure with all that it points to, laid out for `address`. */
function information(address: number, commandLine: string, modules: readonly PlacedModule[], memoryBytes: number): Uint8Array {
  const map = memoryMap(memoryBytes);
  const texts = [commandLine, "trapscope", ...modules.map((module) => module.commandLine)].map((text) => encoder.encode(`${text}\0`));
  const moduleTable = INFO_BYTES;
  const mapTable = moduleTable + modules.length * 16;
  let end = mapTable + map.length * 24;
  const textAt = texts.map((text) => {
    const at = end;
    end += text.length;
    return at;
  });
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  const put = (offset: number, value: number) => view.setUint32(offset, value, true);
  put(0, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME | INFO_FRAMEBUFFER);
  put(4, Math.floor(LOW_TOP / 1024));
  put(8, Math.floor((memoryBytes - MEGABYTE) / 1024));
  put(16, address + textAt[0]!);
  put(20, modules.length);
  put(24, address + moduleTable);
  put(44, map.length * 24);
  put(48, address + mapTable);
  put(64, address + textAt[1]!);
  put(88, 0xb8000); // framebuffer: EGA text, 80 x 25 cells of 16 bits
  put(96, 160);
  put(100, 80);
  put(104, 25);
  view.setUint8(108, 16);
  view.setUint8(109, 2);
  modules.forEach((module, i) => {
    put(moduleTable + i * 16, module.start);
    put(moduleTable + i * 16 + 4, module.start + module.bytes.length);
    put(moduleTable + i * 16 + 8, address + textAt[2 + i]!);
  });
  map.forEach(([start, length, type], i) => {
    const at = mapTable + i * 24;
    put(at, 20); // bytes that follow
    put(at + 4, start);
    put(at + 12, length);
    put(at + 20, type);
  });
  texts.forEach((text, i) => bytes.set(text, textAt[i]));
  return bytes;
}

/** Start, length and type (1 RAM, 2 reserved), as the firmware's E820h reports them. */
function memoryMap(memoryBytes: number): readonly (readonly [number, number, 1 | 2])[] {
  return [
    [0, LOW_TOP, 1],
    [LOW_TOP, 0xa0000 - LOW_TOP, 2],
    [ROM_START, MEGABYTE - ROM_START, 2],
    [MEGABYTE, memoryBytes - MEGABYTE, 1],
    [0xfffc0000, 0x40000, 2],
  ];
}
