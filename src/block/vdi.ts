// VDI: VirtualBox's "Virtual Disk Image", header version 1.1: a map of blocks, one 32-bit entry each.
//
// Not implemented: undo and differencing images, which need their parent; they are refused.

import type { ByteSource } from "../hardware/device.ts";
import { checkDiskSize, type Container, damaged, HOLE, mappedDisk, readPart, refused, truncated, wide } from "./container.ts";

const NAME = "VDI";
const SIGNATURE = 0xbeda_107f;
const HEADER_BYTES = 512;
/** Never written, and written with zeros: both have no block in the file. */
const FIRST_WITHOUT_BLOCK = 0xffff_fffe;

const TYPE_DYNAMIC = 1;
const TYPE_FIXED = 2;

/** null: not a VDI. */
export function openVdi(source: ByteSource): Container | null {
  if (source.size < HEADER_BYTES) return null;
  const header = readPart(NAME, source, 0, HEADER_BYTES);
  const u32 = (offset: number): number => header.getUint32(offset, true);
  if (u32(64) !== SIGNATURE) return null;
  if (header.getUint16(70, true) !== 1) throw refused(`This VDI has version ${header.getUint16(70, true)}, and only version 1 is read.`, "Convert it with a newer VirtualBox, or with qemu-img.");
  const type = u32(76);
  if (type !== TYPE_DYNAMIC && type !== TYPE_FIXED) {
    throw refused("This VDI is a differencing image: it holds only what differs from another file, its parent.", "Clone it in VirtualBox, which gives one whole disk.");
  }
  const mapOffset = u32(340), dataOffset = u32(344), blockBytes = u32(376), extraBytes = u32(380), blocks = u32(384);
  const size = wide(header, 368, true);
  checkDiskSize(NAME, size);
  if (blockBytes < 512 || (blockBytes & (blockBytes - 1)) !== 0) throw damaged(NAME, `it has blocks of ${blockBytes} bytes`);
  if (blocks * blockBytes < size) throw damaged(NAME, "its block map is shorter than the disk");
  const map = readPart(NAME, source, mapOffset, blocks * 4);
  const locate = (block: number): number => {
    const entry = map.getUint32(block * 4, true);
    return entry >= FIRST_WITHOUT_BLOCK ? HOLE : dataOffset + entry * (blockBytes + extraBytes) + extraBytes;
  };
  for (let block = 0; block * blockBytes < size; block++) {
    const at = locate(block);
    if (at !== HOLE && at + Math.min(blockBytes, size - block * blockBytes) > source.size) throw truncated(NAME);
  }
  return {
    format: type === TYPE_FIXED ? "VDI, fixed" : "VDI, dynamic",
    evidence: "BEDA107Fh at byte 64",
    disk: mappedDisk(source, { format: NAME, size, clusterBytes: blockBytes, locate }),
  };
}
