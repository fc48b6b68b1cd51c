// VHD: Microsoft, "Virtual Hard Disk Image Format Specification". Fixed and dynamic disks.
//
// Not implemented: differencing disks, which need their parent; they are refused.

import type { ByteSource } from "../hardware/device.ts";
import { asciiOf } from "./image-identity.ts";
import { checkDiskSize, type Container, damaged, readPart, Recent, refused, truncated, wide } from "./container.ts";
import { sliceSource } from "./source.ts";

const NAME = "VHD";
const COOKIE = "conectix";
const FOOTER_BYTES = 512;
const DYNAMIC_HEADER_BYTES = 1024;
const SECTOR = 512;
const UNUSED = 0xffff_ffff;

const TYPE_FIXED = 2;
const TYPE_DYNAMIC = 3;
const TYPE_DIFFERENCING = 4;

/** null: not a VHD. */
export function openVhd(source: ByteSource): Container | null {
  if (source.size < FOOTER_BYTES) return null;
  const atEnd = footerAt(source, source.size - FOOTER_BYTES);
  const footer = atEnd ?? footerAt(source, 0);
  if (!footer) return null;
  if (!checksumHolds(footer, 64)) throw damaged(NAME, "the checksum of its footer is wrong");
  const size = wide(footer, 48, false);
  checkDiskSize(NAME, size);
  const type = footer.getUint32(60);
  const evidence = `\`${COOKIE}\` ${atEnd ? "in the last 512 bytes" : "at byte 0"}`;
  switch (type) {
    case TYPE_FIXED:
      if (!atEnd || size > source.size - FOOTER_BYTES) throw truncated(NAME);
      return { format: "VHD, fixed", evidence, disk: sliceSource(source, 0, size) };
    case TYPE_DYNAMIC:
      return { format: "VHD, dynamic", evidence, disk: dynamicDisk(source, size, wide(footer, 16, false)) };
    case TYPE_DIFFERENCING:
      throw refused("This VHD is a differencing disk: it holds only what differs from another file, its parent.", "Merge both into one disk first (qemu-img convert, Hyper-V's Edit Disk).");
    default:
      throw damaged(NAME, `its disk type is ${type}`);
  }
}

function footerAt(source: ByteSource, offset: number): DataView | null {
  const view = readPart(NAME, source, offset, FOOTER_BYTES);
  return asciiOf(new Uint8Array(view.buffer), 0, COOKIE.length) === COOKIE ? view : null;
}

/** One's complement of the sum of all bytes but the checksum itself. */
function checksumHolds(view: DataView, at: number): boolean {
  let sum = 0;
  for (let i = 0; i < view.byteLength; i++) if (i < at || i >= at + 4) sum += view.getUint8(i);
  return ~sum >>> 0 === view.getUint32(at);
}

function dynamicDisk(source: ByteSource, size: number, headerOffset: number): ByteSource {
  const header = readPart(NAME, source, headerOffset, DYNAMIC_HEADER_BYTES);
  if (asciiOf(new Uint8Array(header.buffer), 0, 8) !== "cxsparse") throw damaged(NAME, "the header of its block table is missing");
  if (!checksumHolds(header, 36)) throw damaged(NAME, "the checksum of its dynamic disk header is wrong");
  const blockBytes = header.getUint32(32);
  if (blockBytes < SECTOR || blockBytes > 1 << 28 || (blockBytes & (blockBytes - 1)) !== 0) throw damaged(NAME, `it has blocks of ${blockBytes} bytes`);
  const blocks = Math.ceil(size / blockBytes);
  if (header.getUint32(28) < blocks) throw damaged(NAME, "its block table is shorter than the disk");
  const table = readPart(NAME, source, wide(header, 16, false), blocks * 4);
  // Each block begins with one bit a sector, in whole sectors.
  const bitmapBytes = Math.ceil(blockBytes / SECTOR / 8 / SECTOR) * SECTOR;
  for (let block = 0; block < blocks; block++) {
    const entry = table.getUint32(block * 4);
    if (entry !== UNUSED && entry * SECTOR + bitmapBytes >= source.size) throw truncated(NAME);
  }
  const bitmaps = new Recent<DataView>(64);

  /** A run of sectors that are all present or all absent. */
  function readRun(block: number, within: number, into: Uint8Array): number {
    const start = table.getUint32(block * 4);
    if (start === UNUSED) {
      into.fill(0);
      return into.length;
    }
    const bitmap = bitmaps.get(block, () => readPart(NAME, source, start * SECTOR, bitmapBytes));
    const present = (sector: number): boolean => (bitmap.getUint8(sector >> 3) & (0x80 >> (sector & 7))) !== 0;
    const first = Math.floor(within / SECTOR);
    const there = present(first);
    let next = first + 1;
    while (next * SECTOR < within + into.length && present(next) === there) next++;
    const run = into.subarray(0, Math.min(into.length, next * SECTOR - within));
    if (!there) {
      run.fill(0); // never written
      return run.length;
    }
    const at = start * SECTOR + bitmapBytes + within;
    const held = Math.max(0, Math.min(run.length, source.size - at));
    if (held < run.length) throw truncated(NAME);
    source.read(at, run);
    return run.length;
  }

  return {
    size,
    read(offset, into) {
      if (offset < 0 || offset + into.length > size) throw new RangeError(`read of ${into.length} bytes at ${offset} of a disk of ${size}`);
      for (let done = 0; done < into.length; ) {
        const block = Math.floor((offset + done) / blockBytes);
        const within = offset + done - block * blockBytes;
        done += readRun(block, within, into.subarray(done, done + Math.min(into.length - done, blockBytes - within)));
      }
    },
  };
}
