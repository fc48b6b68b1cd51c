// A ring of fixed-size slots in shared memory: one writer that never waits and overwrites the oldest slot, any number of readers.
//
// Word 0 of a slot is its commit word: the low 32 bits of the record's sequence number plus 1, stored last. Readers see records
// once they are published, a few at a time if the writer likes, as an atomic store waits for all stores before it. A reader copies the slot, then looks
// at the commit word and at the total again: a slot that the writer may be about to reuse counts as lost. Works over a
// SharedArrayBuffer and, in one thread, over a plain ArrayBuffer.
//
// Header (64 bytes): u32 slot count | u32 slot bytes | f64 records published so far | u32 the low half of that, stored with Atomics.

export const RING_HEADER_BYTES = 64;
const SLOTS_WORD = 0, SLOT_BYTES_WORD = 1, TOTAL_DOUBLE = 1, PUBLISHED_WORD = 4;

/** So many records a writer may leave unpublished. */
export const UNPUBLISHED = 64;
/** Slots next to the writer that readers leave alone: records that are not published may be under way there, and stores be seen late on weakly ordered hosts. */
export const GUARD_SLOTS = 2 * UNPUBLISHED;

export function ringBytes(slots: number, slotBytes: number): number {
  return RING_HEADER_BYTES + slots * slotBytes;
}

export class RingWriter {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  private readonly mask: number;
  private readonly slotWords: number;
  private next: number;
  /** No slot from this one on has been written. */
  private used = 0;

  /** `base` is 8-byte aligned; `slots` is a power of two; `slotBytes` a multiple of 8. An older content is forgotten. */
  constructor(buffer: ArrayBufferLike, base: number, slots: number, slotBytes: number) {
    this.words = new Int32Array(buffer, base, ringBytes(slots, slotBytes) >> 2);
    this.doubles = new Float64Array(buffer, base, ringBytes(slots, slotBytes) >> 3);
    this.mask = slots - 1;
    this.slotWords = slotBytes >> 2;
    this.next = 0;
    this.words[SLOTS_WORD] = slots;
    this.words[SLOT_BYTES_WORD] = slotBytes;
    this.publish();
  }

  /** Records written so far = the sequence number of the next one. */
  get total(): number {
    return this.next;
  }

  /** Word index of the slot that the next record goes to. Words 1.. are the caller's; then `commit` or `append`. */
  slot(): number {
    return this.slotOf(this.next);
  }

  /** Word index of the slot of a record that was written lately. */
  slotOf(sequence: number): number {
    return (RING_HEADER_BYTES >> 2) + (sequence & this.mask) * this.slotWords;
  }

  /** The record is whole: readers see it. */
  commit(slot: number): void {
    this.append(slot);
    this.publish();
  }

  /** The record is whole: readers see it after `publish`. */
  append(slot: number): void {
    const total = this.next + 1;
    this.next = total;
    this.words[slot] = total | 0;
  }

  publish(): void {
    this.doubles[TOTAL_DOUBLE] = this.next;
    Atomics.store(this.words, PUBLISHED_WORD, this.next | 0);
  }

  /** Back to when so many records had been written; those that were overwritten since then stay lost. */
  rewind(total: number): void {
    this.noteUsed();
    this.next = total;
    this.publish();
  }

  /** Of a ring that is mostly empty little is touched. */
  clear(): void {
    this.noteUsed();
    this.words.fill(0, RING_HEADER_BYTES >> 2, this.slotOf(0) + this.used * this.slotWords);
    this.next = this.used = 0;
    this.publish();
  }

  private noteUsed(): void {
    this.used = Math.max(this.used, Math.min(this.next, this.mask + 1));
  }
}

export class RingReader {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly slots: number;
  private readonly slotWords: number;

  constructor(buffer: ArrayBufferLike, base: number) {
    const header = new Int32Array(buffer, base, RING_HEADER_BYTES >> 2);
    this.slots = header[SLOTS_WORD];
    const bytes = ringBytes(this.slots, header[SLOT_BYTES_WORD]);
    this.slotWords = header[SLOT_BYTES_WORD] >> 2;
    this.words = new Int32Array(buffer, base, bytes >> 2);
    this.doubles = new Float64Array(buffer, base, bytes >> 3);
  }

  /** Records published so far. */
  get total(): number {
    Atomics.load(this.words, PUBLISHED_WORD); // what the writer stored before it is seen from here on
    return this.doubles[TOTAL_DOUBLE];
  }

  /** The oldest sequence number that can still be read; equals `total` when there is none. */
  get oldest(): number {
    const total = this.total;
    return total > this.slots ? total - this.slots + GUARD_SLOTS : 0;
  }

  /** Word index of the slot of record `sequence`, or -1 when it was overwritten or is not yet written. */
  slot(sequence: number): number {
    const slot = (RING_HEADER_BYTES >> 2) + (sequence & (this.slots - 1)) * this.slotWords;
    return this.holds(sequence, slot) ? slot : -1;
  }

  /** After copying a slot: whether the copy is whole. */
  holds(sequence: number, slot: number): boolean {
    return this.words[slot] === ((sequence + 1) | 0) && sequence >= this.oldest && sequence < this.total;
  }
}
