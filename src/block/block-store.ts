// Where an overlay keeps the blocks that the guest wrote: here in memory, in a file by overlay-file.ts.

export const OVERLAY_BLOCK_BYTES = 4096;

export interface BlockStore {
  /** Blocks that are held. */
  readonly count: number;
  has(block: number): boolean;
  /** Fills `into` from byte `within` of a block that is held. */
  read(block: number, within: number, into: Uint8Array): void;
  /** A whole block. */
  write(block: number, bytes: Uint8Array): void;
  /** In ascending order. */
  blocks(): number[];
  /** As if the block had never been written. Absent: it cannot be forgotten. */
  drop?(block: number): void;
  /** Back to the last commit; to nothing where there was none. */
  discard(): void;
  /** Afterwards everything written so far outlives the end of this program, however it comes. */
  flush(): void;
}

export class MemoryBlocks implements BlockStore {
  readonly #blocks = new Map<number, Uint8Array>();

  get count(): number {
    return this.#blocks.size;
  }

  has(block: number): boolean {
    return this.#blocks.has(block);
  }

  read(block: number, within: number, into: Uint8Array): void {
    into.set((this.#blocks.get(block) as Uint8Array).subarray(within, within + into.length));
  }

  write(block: number, bytes: Uint8Array): void {
    const held = this.#blocks.get(block);
    if (held) held.set(bytes);
    else this.#blocks.set(block, bytes.slice());
  }

  blocks(): number[] {
    return [...this.#blocks.keys()].sort((a, b) => a - b);
  }

  drop(block: number): void {
    this.#blocks.delete(block);
  }

  discard(): void {
    this.#blocks.clear();
  }

  flush(): void {}
}
