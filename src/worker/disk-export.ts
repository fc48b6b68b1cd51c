// A disk with what the guest wrote, as one raw file for download. Parts of a dropped file are named, not read; empty parts share
// one piece of zeros; so nothing large is held in memory.

import { ImageError } from "../base/errors.ts";
import { type BlockStore, OVERLAY_BLOCK_BYTES } from "../block/block-store.ts";
import type { ByteSource } from "../hardware/device.ts";

const PIECE_BYTES = 1 << 20;
/** Above this a disk that must be read through is refused. */
const LARGEST_COPY = 64 * 2 ** 30;
const PAUSE_EVERY = 8;

export interface ExportedDisk {
  readonly size: number;
  readonly source: ByteSource;
  /** The same bytes as a file, where the medium is one; null for a container, or a disk that is larger than its file. */
  readonly blob: Blob | null;
  readonly store: BlockStore | null;
}

export interface ExportWatch {
  readonly progress: (done: number) => void;
  readonly canceled: () => boolean;
}

/** null: it was canceled. */
export async function composeDisk(disk: ExportedDisk, watch: ExportWatch): Promise<Blob | null> {
  const blocks = disk.store?.blocks() ?? [];
  return disk.blob ? patchedFile(disk, disk.blob, blocks, watch) : copiedDisk(disk, watch);
}

async function patchedFile({ size, store }: ExportedDisk, blob: Blob, blocks: readonly number[], watch: ExportWatch): Promise<Blob | null> {
  const parts: Blob[] = [];
  let at = 0;
  for (let i = 0; i < blocks.length; ) {
    const start = blocks[i] * OVERLAY_BLOCK_BYTES;
    let count = 1;
    while (i + count < blocks.length && blocks[i + count] === blocks[i] + count && count * OVERLAY_BLOCK_BYTES < PIECE_BYTES) count++;
    if (start > at) parts.push(blob.slice(at, start));
    const bytes = new Uint8Array(Math.min(count * OVERLAY_BLOCK_BYTES, size - start));
    for (let n = 0; n * OVERLAY_BLOCK_BYTES < bytes.length; n++) store?.read(blocks[i + n], 0, bytes.subarray(n * OVERLAY_BLOCK_BYTES, (n + 1) * OVERLAY_BLOCK_BYTES));
    parts.push(new Blob([bytes]));
    at = start + bytes.length;
    i += count;
    if (parts.length % (2 * PAUSE_EVERY) === 0 && (await paused(watch, at))) return null;
  }
  if (at < size) parts.push(blob.slice(at, size));
  return new Blob(parts);
}

async function copiedDisk({ size, source, store }: ExportedDisk, watch: ExportWatch): Promise<Blob | null> {
  if (size > LARGEST_COPY) throw new ImageError("The disk is too large to be copied here. Convert the image with qemu-img, and drop the raw file.");
  const zeros = new Blob([new Uint8Array(PIECE_BYTES)]);
  const parts: Blob[] = [];
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const bytes = new Uint8Array(Math.min(PIECE_BYTES, size - at));
    const held = Math.max(0, Math.min(bytes.length, source.size - at));
    if (held > 0) source.read(at, bytes.subarray(0, held));
    for (let within = 0; within < bytes.length; within += OVERLAY_BLOCK_BYTES) {
      const block = (at + within) / OVERLAY_BLOCK_BYTES;
      if (store?.has(block)) store.read(block, 0, bytes.subarray(within, within + OVERLAY_BLOCK_BYTES));
    }
    parts.push(bytes.some((byte) => byte !== 0) ? new Blob([bytes]) : zeros.slice(0, bytes.length));
    if (parts.length % PAUSE_EVERY === 0 && (await paused(watch, at))) return null;
  }
  return new Blob(parts);
}

/** Lets messages in; true when one of them canceled. */
async function paused({ progress, canceled }: ExportWatch, done: number): Promise<boolean> {
  progress(done);
  await new Promise<void>((resolve) => setTimeout(resolve));
  return canceled();
}
