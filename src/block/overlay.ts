// Copy-on-write: what the guest writes is kept in blocks of 4 KiB, the medium below is never touched. So a dropped file stays
// as it was, and a reset to the original is one call.

import type { BlockDevice, DeviceState } from "../hardware/device.ts";
import { type BlockStore, MemoryBlocks, OVERLAY_BLOCK_BYTES } from "./block-store.ts";

export class Overlay implements BlockDevice {
  readonly sectorSize: number;
  readonly sectorCount: number;
  readonly readOnly = false;
  readonly #base: BlockDevice;
  readonly #size: number;
  readonly #store: BlockStore;
  readonly #scratch = new Uint8Array(OVERLAY_BLOCK_BYTES);
  /** Told of a block before it is written. */
  onWrite: ((block: number) => void) | null = null;

  constructor(base: BlockDevice, store: BlockStore = new MemoryBlocks()) {
    this.#base = base;
    this.sectorSize = base.sectorSize;
    this.sectorCount = base.sectorCount;
    this.#size = base.sectorSize * base.sectorCount;
    this.#store = store;
  }

  /** Where the guest's writes are kept. */
  get store(): BlockStore {
    return this.#store;
  }

  /** Bytes that the guest's writes occupy. */
  get bytesHeld(): number {
    return this.#store.count * OVERLAY_BLOCK_BYTES;
  }

  /** Back to what was committed last, or to the medium below. */
  discard(): void {
    this.#store.discard();
  }

  read(lba: number, into: Uint8Array): void {
    const start = this.#offset(lba, into.length);
    if (this.#store.count === 0) {
      this.#base.read(lba, into);
      return;
    }
    const end = start + into.length;
    let at = start;
    while (at < end) {
      const block = Math.floor(at / OVERLAY_BLOCK_BYTES);
      let next = Math.min(end, blockEnd(at));
      if (this.#store.has(block)) {
        this.#store.read(block, at % OVERLAY_BLOCK_BYTES, into.subarray(at - start, next - start));
      } else {
        // One read below for the whole run of unwritten blocks.
        while (next < end && !this.#store.has(next / OVERLAY_BLOCK_BYTES)) next = Math.min(end, blockEnd(next));
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
      this.onWrite?.((at - within) / OVERLAY_BLOCK_BYTES);
      const part = from.subarray(at - start, next - start);
      if (part.length === OVERLAY_BLOCK_BYTES) {
        this.#store.write(at / OVERLAY_BLOCK_BYTES, part);
      } else {
        this.#fill(at - within);
        this.#scratch.set(part, within);
        this.#store.write((at - within) / OVERLAY_BLOCK_BYTES, this.#scratch);
      }
      at = next;
    }
  }

  flush(): void {
    this.#store.flush();
  }

  /** What is held of a block; null: nothing. */
  held(block: number): Uint8Array | null {
    if (!this.#store.has(block)) return null;
    const bytes = new Uint8Array(OVERLAY_BLOCK_BYTES);
    this.#store.read(block, 0, bytes);
    return bytes;
  }

  /** Puts back what was held. A store that cannot forget a block holds the medium's own bytes then. */
  putBack(block: number, bytes: Uint8Array | null): void {
    if (bytes) this.#store.write(block, bytes);
    else if (this.#store.has(block)) this.#forget(block);
  }

  #forget(block: number): void {
    if (this.#store.drop) {
      this.#store.drop(block);
      return;
    }
    const start = block * OVERLAY_BLOCK_BYTES, available = Math.min(OVERLAY_BLOCK_BYTES, this.#size - start);
    this.#base.read(start / this.sectorSize, this.#scratch.subarray(0, available));
    this.#scratch.fill(0, available);
    this.#store.write(block, this.#scratch);
  }

  save(): DeviceState {
    const indices = this.#store.blocks();
    const bytes = new Uint8Array(indices.length * OVERLAY_BLOCK_BYTES);
    indices.forEach((index, i) => this.#store.read(index, 0, bytes.subarray(i * OVERLAY_BLOCK_BYTES, (i + 1) * OVERLAY_BLOCK_BYTES)));
    return { indices, bytes };
  }

  load(state: DeviceState): void {
    this.#store.discard();
    const { indices, bytes } = state as { indices: number[]; bytes: Uint8Array };
    indices.forEach((index, i) => this.#store.write(index, bytes.subarray(i * OVERLAY_BLOCK_BYTES, (i + 1) * OVERLAY_BLOCK_BYTES)));
  }

  #offset(lba: number, length: number): number {
    const offset = lba * this.sectorSize;
    if (offset + length > this.#size) throw new RangeError(`sector ${lba} is past the end of the disk`);
    return offset;
  }

  /** What stands now in the block that starts at byte `start`, into the scratch block. */
  #fill(start: number): void {
    const index = start / OVERLAY_BLOCK_BYTES;
    if (this.#store.has(index)) {
      this.#store.read(index, 0, this.#scratch);
      return;
    }
    const available = Math.min(OVERLAY_BLOCK_BYTES, this.#size - start);
    this.#base.read(start / this.sectorSize, this.#scratch.subarray(0, available));
    this.#scratch.fill(0, available);
  }
}

function blockEnd(offset: number): number {
  return (Math.floor(offset / OVERLAY_BLOCK_BYTES) + 1) * OVERLAY_BLOCK_BYTES;
}
