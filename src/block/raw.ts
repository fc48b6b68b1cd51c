// A raw disk image: sector n is at byte n * sectorSize of the source. Nothing is read before the
// guest asks for it, and never more than the cache is held: an image may be larger than memory.

import type { BlockDevice, ByteSource } from "../hardware/device.ts";

/**
 * The unit in which the source is asked. A synchronous read of a dropped file costs 0.5 to 0.9 ms
 * whatever its length up to 64 KiB, so small units would make every boot wait.
 */
export const CACHE_BLOCK_BYTES = 128 * 1024;
export const CACHE_BLOCKS = 64;

export interface RawDiskOptions {
  /** 512 (disks), 2048 (CD). */
  readonly sectorSize?: number;
  /** More sectors than the source has are read as zeros: a boot sector on an otherwise empty floppy. */
  readonly sectorCount?: number;
}

export class RawDisk implements BlockDevice {
  readonly sectorSize: number;
  readonly sectorCount: number;
  readonly readOnly = true;
  readonly #source: ByteSource;
  /** In order of use, the oldest first: a Map keeps the order in which keys were set. */
  readonly #cache = new Map<number, Uint8Array>();

  constructor(source: ByteSource, options: RawDiskOptions = {}) {
    this.#source = source;
    this.sectorSize = options.sectorSize ?? 512;
    this.sectorCount = options.sectorCount ?? Math.ceil(source.size / this.sectorSize);
  }

  read(lba: number, into: Uint8Array): void {
    let offset = lba * this.sectorSize;
    if (offset + into.length > this.sectorCount * this.sectorSize) throw new RangeError(`sector ${lba} is past the end of the disk`);
    let done = 0;
    while (done < into.length) {
      const index = Math.floor(offset / CACHE_BLOCK_BYTES);
      const within = offset - index * CACHE_BLOCK_BYTES;
      const length = Math.min(into.length - done, CACHE_BLOCK_BYTES - within);
      into.set(this.#block(index).subarray(within, within + length), done);
      done += length;
      offset += length;
    }
  }

  write(): void {
    throw new Error("a raw image is never written; put an overlay over it");
  }

  flush(): void {}

  #block(index: number): Uint8Array {
    let block = this.#cache.get(index);
    if (block) {
      this.#cache.delete(index);
    } else {
      block = this.#freshBlock();
      const start = index * CACHE_BLOCK_BYTES;
      const available = Math.max(0, Math.min(CACHE_BLOCK_BYTES, this.#source.size - start));
      if (available > 0) this.#source.read(start, block.subarray(0, available));
      block.fill(0, available);
    }
    this.#cache.set(index, block);
    return block;
  }

  /** A buffer for one more block: the least recently used one once the cache is full. */
  #freshBlock(): Uint8Array {
    if (this.#cache.size < CACHE_BLOCKS) return new Uint8Array(CACHE_BLOCK_BYTES);
    const [oldest, buffer] = this.#cache.entries().next().value as [number, Uint8Array];
    this.#cache.delete(oldest);
    return buffer;
  }
}
