// VMDK: VMware, "Virtual Disk Format 5.0". Hosted sparse extents (monolithicSparse), streamOptimized with deflate grains, and the
// descriptor of a flat disk whose extent lies beside it.
//
// Not implemented: disks split over several extents, snapshots (delta disks), ESX's COWD and SESparse: each is refused by its name.

import { unzlibSync } from "fflate";
import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";
import { asciiOf } from "./image-identity.ts";
import { checkDiskSize, type Container, convertAdvice, damaged, HOLE, mappedDisk, readPart, Recent, refused, truncated, wide } from "./container.ts";
import { sliceSource } from "./source.ts";

const NAME = "VMDK";
const SECTOR = 512;
const HEADER_BYTES = 512;
const LARGEST_DESCRIPTOR = 64 * 1024;
const DESCRIPTOR_START = "# Disk DescriptorFile";
const NO_PARENT = "ffffffff";

const FLAG_ZEROED_GRAINS = 1 << 2;
const FLAG_COMPRESSED = 1 << 16;
const FLAG_MARKERS = 1 << 17;
const DEFLATE = 1;
const MARKER_BYTES = 12;
/** So many tables are looked through at the start. */
const CHECKED_TABLES = 8;
const GRAIN_TABLES_KEPT = 512;
const UNPACKED_GRAINS = 8;

/** Another file of the same folder, by its name; null: there is none to be had. */
export type Sibling = (name: string) => ByteSource | null;

/** null: not a VMDK. */
export function openVmdk(source: ByteSource, sibling: Sibling = () => null): Container | null {
  if (source.size < DESCRIPTOR_START.length) return null;
  const start = asciiOf(new Uint8Array(readPart(NAME, source, 0, Math.min(source.size, 32)).buffer), 0, DESCRIPTOR_START.length);
  if (start === DESCRIPTOR_START) return openDescriptor(source, sibling);
  if (start.startsWith("COWD")) throw refused("This VMDK is an ESX sparse extent (COWD).", convertAdvice("vmdk"));
  if (!start.startsWith("KDMV")) return null;
  return openSparse(source);
}

// ---- the text that describes a disk ----

interface Extent {
  readonly sectors: number;
  readonly type: string;
  readonly file: string;
  /** In sectors. */
  readonly offset: number;
}

interface Descriptor {
  readonly createType: string;
  readonly extents: readonly Extent[];
}

function parseDescriptor(text: string): Descriptor {
  const value = (name: string): string | undefined => new RegExp(`^\\s*${name}\\s*=\\s*"?([^"\\r\\n]*)"?`, "im").exec(text)?.[1]?.trim();
  const parent = value("parentCID");
  if (parent !== undefined && parent.toLowerCase() !== NO_PARENT) {
    throw refused("This VMDK belongs to a snapshot: it holds only what differs from another file, its parent.", "Consolidate the snapshots in VMware, or convert the chain with qemu-img.");
  }
  const extents = [...text.matchAll(/^(?:RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?/gm)].map((match) => ({
    sectors: Number(match[1]), type: match[2] as string, file: match[3] ?? "", offset: Number(match[4] ?? 0),
  }));
  return { createType: value("createType") ?? "", extents };
}

function textAt(source: ByteSource, offset: number, length: number): string {
  const bytes = new Uint8Array(readPart(NAME, source, offset, Math.min(length, LARGEST_DESCRIPTOR)).buffer);
  const end = bytes.indexOf(0);
  let text = "";
  for (let at = 0; at < (end < 0 ? bytes.length : end); at += 4096) text += asciiOf(bytes, at, Math.min(4096, (end < 0 ? bytes.length : end) - at));
  return text;
}

function openDescriptor(source: ByteSource, sibling: Sibling): Container {
  const { createType, extents } = parseDescriptor(textAt(source, 0, source.size));
  const [extent] = extents;
  if (!extent) throw damaged(NAME, "its descriptor names no extent");
  if (extents.length > 1) {
    throw refused(`This VMDK (${createType}) is split over ${extents.length} files.`, "Make it one: qemu-img convert -f vmdk -O raw FILE disk.img, run beside the other files.");
  }
  if (extent.type !== "FLAT" && extent.type !== "VMFS") {
    throw refused(`This VMDK descriptor (${createType}) names ${extent.file || "another file"}, which holds the disk.`, `Give ${extent.file || "that file"} itself.`);
  }
  const file = sibling(extent.file);
  if (!file) throw refused(`This is the descriptor of a VMDK: the disk is in ${extent.file}.`, `Give ${extent.file}, which is a raw image.`);
  const size = extent.sectors * SECTOR, offset = extent.offset * SECTOR;
  checkDiskSize(NAME, size);
  if (offset + size > file.size) throw new ImageError(`${extent.file} is truncated: the disk has ${size} bytes and the file ${file.size}. Copy it again.`);
  return { format: `VMDK, flat (${extent.file})`, evidence: "a VMDK descriptor", disk: sliceSource(file, offset, size) };
}

// ---- sparse extents ----

function openSparse(source: ByteSource): Container {
  let header = readPart(NAME, source, 0, HEADER_BYTES);
  const flags = header.getUint32(8, true);
  // A stream is written once from front to back: its directory is known at its end only.
  const directoryAtEnd = header.getUint32(56, true) === 0xffff_ffff && header.getUint32(60, true) === 0xffff_ffff;
  const packed = (flags & FLAG_COMPRESSED) !== 0;
  const format = packed ? "VMDK, streamOptimized" : "VMDK, monolithicSparse";
  const descriptorSectors = wide(header, 36, true);
  if (descriptorSectors > 0) checkKind(parseDescriptor(textAt(source, wide(header, 28, true) * SECTOR, descriptorSectors * SECTOR)));
  if (directoryAtEnd) {
    if (source.size < 3 * SECTOR) throw truncated(NAME);
    header = readPart(NAME, source, source.size - 2 * SECTOR, HEADER_BYTES);
    if (asciiOf(new Uint8Array(header.buffer), 0, 4) !== "KDMV") throw truncated(NAME);
  }
  const grains = new Grains(source, header, packed);
  return { format, evidence: "`KDMV` at byte 0", disk: mappedDisk(source, grains) };
}

function checkKind({ createType, extents }: Descriptor): void {
  if (extents.length > 1 || /split|2Gb/i.test(createType)) {
    throw refused(`This VMDK (${createType}) is split over several files, of which this is one.`, "Make it one: qemu-img convert -f vmdk -O raw FILE disk.img, run beside the other files.");
  }
}

class Grains {
  readonly format = NAME;
  readonly size: number;
  readonly clusterBytes: number;
  readonly #source: ByteSource;
  readonly #packed: boolean;
  readonly #markers: boolean;
  readonly #zeroed: boolean;
  readonly #directory: DataView;
  readonly #perTable: number;
  readonly #tables = new Recent<DataView>(GRAIN_TABLES_KEPT);
  readonly #unpacked = new Recent<Uint8Array>(UNPACKED_GRAINS);

  constructor(source: ByteSource, header: DataView, packed: boolean) {
    this.#source = source;
    this.#packed = packed;
    const flags = header.getUint32(8, true);
    this.#markers = (flags & FLAG_MARKERS) !== 0;
    this.#zeroed = (flags & FLAG_ZEROED_GRAINS) !== 0;
    if (packed && header.getUint16(77, true) !== DEFLATE) throw refused("This VMDK is compressed in an unknown way.", convertAdvice("vmdk"));
    const grainSectors = wide(header, 20, true);
    if (!(grainSectors >= 1 && grainSectors <= 65_536) || (grainSectors & (grainSectors - 1)) !== 0) throw damaged(NAME, `it has grains of ${grainSectors} sectors`);
    this.clusterBytes = grainSectors * SECTOR;
    this.size = wide(header, 12, true) * SECTOR;
    checkDiskSize(NAME, this.size);
    this.#perTable = header.getUint32(44, true);
    if (this.#perTable < 1 || this.#perTable > 65_536) throw damaged(NAME, `its grain tables have ${this.#perTable} entries`);
    const tables = Math.ceil(this.size / (this.clusterBytes * this.#perTable));
    this.#directory = readPart(NAME, source, wide(header, 56, true) * SECTOR, tables * 4);
    for (let index = 0; index < tables; index++) {
      const at = this.#directory.getUint32(index * 4, true) * SECTOR;
      if (at !== 0 && at + this.#perTable * 4 > source.size) throw truncated(NAME);
    }
    this.#checkLast(tables);
  }

  /** A file is written from front to back, so a truncated one lacks what its last tables name. */
  #checkLast(tables: number): void {
    let last = 0;
    for (let index = tables - 1, looked = 0; index >= 0 && looked < CHECKED_TABLES; index--) {
      const table = this.#table(index);
      if (!table) continue;
      looked++;
      for (let i = 0; i < this.#perTable; i++) last = Math.max(last, this.#start(table, i));
    }
    if (last >= this.#source.size) throw truncated(NAME);
    if (last === 0 || !this.#packed || !this.#markers) return;
    const length = readPart(NAME, this.#source, last, MARKER_BYTES).getUint32(8, true);
    if (last + MARKER_BYTES + length > this.#source.size) throw truncated(NAME);
  }

  #table(index: number): DataView | null {
    const at = this.#directory.getUint32(index * 4, true) * SECTOR;
    return at === 0 ? null : this.#tables.get(index, () => readPart(NAME, this.#source, at, this.#perTable * 4));
  }

  #start(table: DataView, index: number): number {
    const sector = table.getUint32(index * 4, true);
    return sector === 0 || (this.#zeroed && sector === 1) ? HOLE : sector * SECTOR;
  }

  locate(cluster: number): number {
    const table = this.#table(Math.floor(cluster / this.#perTable));
    return table ? this.#start(table, cluster % this.#perTable) : HOLE;
  }

  unpack(cluster: number): Uint8Array | undefined {
    if (!this.#packed) return undefined;
    const at = this.locate(cluster);
    return at === HOLE ? undefined : this.#unpacked.get(cluster, () => this.#unpackGrain(cluster, at));
  }

  /** A marker stands before each grain of a stream: its first sector (64 bits) and the length of what follows. */
  #unpackGrain(cluster: number, at: number): Uint8Array {
    let start = at, length = Math.min(2 * this.clusterBytes, this.#source.size - at);
    if (this.#markers) {
      const marker = readPart(NAME, this.#source, at, MARKER_BYTES);
      if (wide(marker, 0, true) !== (cluster * this.clusterBytes) / SECTOR) throw damaged(NAME, "a grain is not the one that the table names");
      start = at + MARKER_BYTES;
      length = marker.getUint32(8, true);
      if (length === 0 || length > 2 * this.clusterBytes + SECTOR) throw damaged(NAME, `it has a compressed grain of ${length} bytes`);
    }
    const packed = new Uint8Array(readPart(NAME, this.#source, start, length).buffer);
    const out = new Uint8Array(this.clusterBytes);
    try {
      unzlibSync(packed, { out });
    } catch {
      throw damaged(NAME, "a compressed grain cannot be unpacked");
    }
    return out;
  }
}
