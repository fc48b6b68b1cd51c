// Copy-on-write: what the guest writes is kept here in 4 KiB blocks, the medium below is never
// touched. So a dropped file stays as it was, and a reset to the original is one call.

import type { BlockDevice, DeviceState } from "../hardware/device.ts";

export const OVERLAY_BLOCK_BYTES = 4096;

export class Overlay implements BlockDevice {
  readonly sectorSize: number;
  readonly sectorCount: number;
  readonly readOnly = false;
  readonly #base: BlockDevice;
  readonly #size: number;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(base: BlockDevice) {
    this.#base = base;
    this.sectorSize = base.sectorSize;
    this.sectorCount = base.sectorCount;
    this.#size = base.sectorSize * base.sectorCount;
  }

  /** Bytes of memory that the guest's writes occupy. */
  get bytesHeld(): number {
    return this.#blocks.size * OVERLAY_BLOCK_BYTES;
  }

  /** Forgets everything written. */
  discard(): void {
    this.#blocks.clear();
  }

  read(lba: number, into: Uint8Array): void {
    const start = this.#offset(lba, into.length);
    if (this.#blocks.size === 0) {
      this.#base.read(lba, into);
      return;
    }
    const end = start + into.length;
    let at = start;
    while (at < end) {
      const block = this.#blocks.get(Math.floor(at / OVERLAY_BLOCK_BYTES));
      let next = Math.min(end, blockEnd(at));
      if (block) {
        const within = at % OVERLAY_BLOCK_BYTES;
        into.set(block.subarray(within, within + next - at), at - start);
      } else {
        // One read below for the whole run of unwritten blocks.
        while (next < end && !this.#blocks.has(next / OVERLAY_BLOCK_BYTES)) next = Math.min(end, blockEnd(next));
        this.#base.read(at / this.sectorSize, into.subarray(at - start, next - start));
      }
      at = next;
    }
  }

  write(lba: number, from: Uint8Array): void {
    const start = this.#offset(lba, from.length);
    const end = start + from.length;
    for (let at = start; at < end; ) {
      const next = Math.min(end, blockEnd(at));
      const within = at % OVERLAY_BLOCK_BYTES;
      this.#writable(at - within, next - at).set(from.subarray(at - start, next - start), within);
      at = next;
    }
  }

  flush(): void {}

  save(): DeviceState {
    const indices = [...this.#blocks.keys()].sort((a, b) => a - b);
    const bytes = new Uint8Array(indices.length * OVERLAY_BLOCK_BYTES);
    indices.forEach((index, i) => bytes.set(this.#blocks.get(index) as Uint8Array, i * OVERLAY_BLOCK_BYTES));
    return { indices, bytes };
  }

  load(state: DeviceState): void {
    this.#blocks.clear();
    const { indices, bytes } = state as { indices: number[]; bytes: Uint8Array };
    indices.forEach((index, i) => {
      this.#blocks.set(index, bytes.slice(i * OVERLAY_BLOCK_BYTES, (i + 1) * OVERLAY_BLOCK_BYTES));
    });
  }

  #offset(lba: number, length: number): number {
    const offset = lba * this.sectorSize;
    if (offset + length > this.#size) throw new RangeError(`sector ${lba} is past the end of the disk`);
    return offset;
  }

  /** The overlay's block that starts at byte `start`; filled from below unless `length` covers it whole. */
  #writable(start: number, length: number): Uint8Array {
    const index = start / OVERLAY_BLOCK_BYTES;
    let block = this.#blocks.get(index);
    if (!block) {
      block = new Uint8Array(OVERLAY_BLOCK_BYTES);
      const available = Math.min(OVERLAY_BLOCK_BYTES, this.#size - start);
      if (length < available) this.#base.read(start / this.sectorSize, block.subarray(0, available));
      this.#blocks.set(index, block);
    }
    return block;
  }
}

function blockEnd(offset: number): number {
  return (Math.floor(offset / OVERLAY_BLOCK_BYTES) + 1) * OVERLAY_BLOCK_BYTES;
}
