// Parts of the page's copy of the views, where page and machine cannot share memory.

export interface MirroredParts {
  /** Offset in the copy and length of each part, in order. */
  readonly parts: readonly (readonly [at: number, bytes: number])[];
  /** The parts, one behind the other. */
  readonly data: Uint8Array;
}

/** Brings the copy up to date. */
export function applyParts(copy: ArrayBufferLike, { parts, data }: MirroredParts): void {
  const into = new Uint8Array(copy);
  let taken = 0;
  for (const [at, length] of parts) {
    into.set(data.subarray(taken, taken + length), at);
    taken += length;
  }
}
