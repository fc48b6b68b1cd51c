// What the loudspeaker was told, in shared memory: each change with the guest's time of it. The page polls it once per animation
// frame and plays it a little later.
//
// A ring (base/shared-ring.ts) of 32 bytes an entry: commit word, level of the cone (0 or 1), then doubles: guest time in ns,
// tone in Hz (0: none, the cone is held).

import { RingReader, RingWriter, ringBytes } from "../base/shared-ring.ts";

const SLOTS = 4096, SLOT_BYTES = 32;
export const SOUND_BYTES = ringBytes(SLOTS, SLOT_BYTES);
const LEVEL_WORD = 1, TIME_DOUBLE = 1, HZ_DOUBLE = 2;

export interface SoundChange {
  readonly timeNs: number;
  /** 0: no tone, but the cone at one of its ends. */
  readonly hz: number;
  readonly high: boolean;
}

export class SoundWriter {
  private readonly ring: RingWriter;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.ring = new RingWriter(buffer, base, SLOTS, SLOT_BYTES);
  }

  write({ timeNs, hz, high }: SoundChange): void {
    const { ring } = this, slot = ring.slot();
    ring.words[slot + LEVEL_WORD] = high ? 1 : 0;
    ring.doubles[(slot >> 1) + TIME_DOUBLE] = timeNs;
    ring.doubles[(slot >> 1) + HZ_DOUBLE] = hz;
    ring.commit(slot);
  }
}

export class SoundReader {
  private readonly ring: RingReader;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.ring = new RingReader(buffer, base);
  }

  get total(): number {
    return this.ring.total;
  }

  /** Change `sequence`; null: it was overwritten. */
  read(sequence: number): SoundChange | null {
    const { ring } = this, slot = ring.slot(sequence);
    if (slot < 0) return null;
    const change = { timeNs: ring.doubles[(slot >> 1) + TIME_DOUBLE], hz: ring.doubles[(slot >> 1) + HZ_DOUBLE], high: ring.words[slot + LEVEL_WORD] === 1 };
    return ring.holds(sequence, slot) ? change : null;
  }
}
