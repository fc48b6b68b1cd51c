// qcow2, versions 2 and 3: QEMU, "The QCOW2 Image Format" (docs/interop/qcow2). Two levels of tables, clusters compressed with deflate.
//
// Not implemented: backing files, encryption, zstd, external data files, extended L2 entries: each is refused by its name.
// Snapshots inside the file are not looked at: the disk is its present state.

import { inflateSync } from "fflate";
import type { ByteSource } from "../hardware/device.ts";
import { checkDiskSize, type Container, convertAdvice, damaged, HOLE, mappedDisk, readPart, Recent, refused, truncated, wide } from "./container.ts";

const NAME = "qcow2";
const MAGIC = 0x5146_49fb;
const SECTOR = 512;
const LARGEST_L1_BYTES = 32 << 20;
/** Memory for L2 tables. */
const L2_CACHE_BYTES = 8 << 20;
const UNPACKED_CLUSTERS = 8;
/** So many L2 tables are looked through at the start, to find a truncated file before it boots. */
const CHECKED_TABLES = 64;

const INCOMPATIBLE_CORRUPT = 2;
const INCOMPATIBLE_DATA_FILE = 4;
const INCOMPATIBLE_COMPRESSION = 8;
const INCOMPATIBLE_EXTENDED_L2 = 16;
/** In the upper half of an L2 entry. */
const COMPRESSED = 0x4000_0000;
const COMPRESSION_ZSTD = 1;

/** L1 and L2 entries: bits 9 to 55. */
const entryOffset = (table: DataView, at: number): number => (table.getUint32(at) & 0x00ff_ffff) * 2 ** 32 + ((table.getUint32(at + 4) & ~0x1ff) >>> 0);

/** null: not a qcow2. */
export function openQcow2(source: ByteSource): Container | null {
  if (source.size < 72 || readPart(NAME, source, 0, 4).getUint32(0) !== MAGIC) return null;
  const header = readPart(NAME, source, 0, Math.min(source.size, 112));
  const version = header.getUint32(4);
  if (version !== 2 && version !== 3) throw refused(`This is a qcow image of version ${version}; versions 2 and 3 are read.`, convertAdvice(version === 1 ? "qcow" : "qcow2"));
  if (version === 3 && source.size < 104) throw truncated(NAME);
  refuseFeatures(header, version);
  const clusterBits = header.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw damaged(NAME, `it has clusters of 2^${clusterBits} bytes`);
  const size = wide(header, 24, false);
  checkDiskSize(NAME, size);
  const tables = new Tables(source, header, clusterBits, size);
  return { format: `qcow2, version ${version}`, evidence: "`QFI\\xfb` at byte 0", disk: mappedDisk(source, tables) };
}

function refuseFeatures(header: DataView, version: number): void {
  if (wide(header, 8, false) !== 0) {
    throw refused("This qcow2 image has a backing file: it holds only what differs from another image.", "Make it one file: qemu-img convert -O qcow2 FILE whole.qcow2");
  }
  if (header.getUint32(32) !== 0) throw refused("This qcow2 image is encrypted, which is not supported.", convertAdvice("qcow2"));
  if (version < 3) return;
  const features = header.getUint32(76);
  if (header.getUint32(72) !== 0 || features >= 32) throw refused("This qcow2 image needs a feature that is not supported.", convertAdvice("qcow2"));
  if (features & INCOMPATIBLE_CORRUPT) throw refused("This qcow2 image is marked as corrupt.", "Repair it: qemu-img check -r all FILE");
  if (features & INCOMPATIBLE_DATA_FILE) throw refused("The data of this qcow2 image are in another file.", convertAdvice("qcow2"));
  if (features & INCOMPATIBLE_EXTENDED_L2) throw refused("This qcow2 image has extended L2 entries (subclusters), which are not supported.", convertAdvice("qcow2"));
  if (features & INCOMPATIBLE_COMPRESSION && header.byteLength > 104 && header.getUint8(104) === COMPRESSION_ZSTD) {
    throw refused("This qcow2 image is compressed with zstd, which is not supported.", convertAdvice("qcow2"));
  }
}

class Tables {
  readonly format = NAME;
  readonly size: number;
  readonly clusterBytes: number;
  readonly #source: ByteSource;
  readonly #l1: DataView;
  /** L2 entries in a table. */
  readonly #perTable: number;
  readonly #l2: Recent<DataView>;
  readonly #unpacked = new Recent<Uint8Array>(UNPACKED_CLUSTERS);
  /** Bits of the offset in the descriptor of a compressed cluster. */
  readonly #offsetBits: number;

  constructor(source: ByteSource, header: DataView, clusterBits: number, size: number) {
    this.size = size;
    this.#source = source;
    this.clusterBytes = 2 ** clusterBits;
    this.#perTable = this.clusterBytes / 8;
    this.#offsetBits = 62 - (clusterBits - 8);
    this.#l2 = new Recent(Math.max(4, L2_CACHE_BYTES / this.clusterBytes));
    const needed = Math.ceil(size / (this.clusterBytes * this.#perTable));
    if (header.getUint32(36) < needed) throw damaged(NAME, "its L1 table is shorter than the disk");
    if (needed * 8 > LARGEST_L1_BYTES) throw damaged(NAME, `its L1 table has ${needed} entries`);
    this.#l1 = readPart(NAME, source, wide(header, 40, false), needed * 8);
    this.#check(needed);
  }

  #check(entries: number): void {
    let looked = 0;
    for (let index = 0; index < entries; index++) {
      const at = entryOffset(this.#l1, index * 8);
      if (at === 0) continue;
      if (at % this.clusterBytes !== 0) throw damaged(NAME, "an L2 table is not at the start of a cluster");
      if (at + this.clusterBytes > this.#source.size) throw truncated(NAME);
      if (looked++ >= CHECKED_TABLES) continue;
      const table = this.#table(index) as DataView;
      const first = index * this.#perTable;
      for (let i = 0; i < this.#perTable && (first + i) * this.clusterBytes < this.size; i++) {
        if (this.#end(table, i, Math.min(this.clusterBytes, this.size - (first + i) * this.clusterBytes)) > this.#source.size) throw truncated(NAME);
      }
    }
  }

  #table(index: number): DataView | null {
    const at = entryOffset(this.#l1, index * 8);
    return at === 0 ? null : this.#l2.get(index, () => readPart(NAME, this.#source, at, this.clusterBytes));
  }

  #start(table: DataView, index: number): number {
    const high = table.getUint32(index * 8);
    if ((high & COMPRESSED) !== 0) return this.#compressed(table, index).at;
    if ((table.getUint32(index * 8 + 4) & 1) !== 0) return HOLE; // reads as zeros, whatever lies there
    const at = entryOffset(table, index * 8);
    if (at === 0) return HOLE;
    if (at % this.clusterBytes !== 0) throw damaged(NAME, "a cluster is not where clusters begin");
    return at;
  }

  /** Where `length` bytes of a cluster end; of a compressed one only the last sector's beginning is sure. */
  #end(table: DataView, index: number, length: number): number {
    const start = this.#start(table, index);
    if (start === HOLE) return 0;
    if ((table.getUint32(index * 8) & COMPRESSED) === 0) return start + length;
    const { at, length: packed } = this.#compressed(table, index);
    return at + packed - SECTOR + 1;
  }

  #compressed(table: DataView, index: number): { at: number; length: number } {
    const descriptor = table.getBigUint64(index * 8) & 0x3fff_ffff_ffff_ffffn;
    const at = Number(descriptor & ((1n << BigInt(this.#offsetBits)) - 1n));
    const sectors = Number(descriptor >> BigInt(this.#offsetBits)) + 1;
    return { at, length: sectors * SECTOR - (at % SECTOR) };
  }

  locate(cluster: number): number {
    const table = this.#table(Math.floor(cluster / this.#perTable));
    return table ? this.#start(table, cluster % this.#perTable) : HOLE;
  }

  unpack(cluster: number): Uint8Array | undefined {
    const table = this.#table(Math.floor(cluster / this.#perTable));
    const index = cluster % this.#perTable;
    if (!table || (table.getUint32(index * 8) & COMPRESSED) === 0) return undefined;
    return this.#unpacked.get(cluster, () => {
      const { at, length } = this.#compressed(table, index);
      if (at >= this.#source.size) throw truncated(NAME);
      const packed = readPart(NAME, this.#source, at, Math.min(length, this.#source.size - at));
      return inflated(new Uint8Array(packed.buffer), this.clusterBytes);
    });
  }
}

/** The length is known in whole sectors only: what follows the stream is not looked at. */
function inflated(packed: Uint8Array, clusterBytes: number): Uint8Array {
  const out = new Uint8Array(clusterBytes);
  let length: number;
  try {
    length = inflateSync(packed, { out }).length;
  } catch {
    throw damaged(NAME, "a compressed cluster cannot be unpacked");
  }
  if (length !== clusterBytes) throw damaged(NAME, "a compressed cluster is too short");
  return out;
}
