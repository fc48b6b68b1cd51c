// Without shared memory the page holds a copy of what it reads: this finds what changed since the page was told last.

import type { SharedLayout } from "../protocol/events.ts";
import type { MirroredParts } from "../protocol/mirror.ts";
import { MAX_HEIGHT, MAX_WIDTH, SCREEN_BYTES, ScreenReader } from "../protocol/screen-view.ts";

/** Compared, and sent, as a whole. A multiple of 8. */
const BLOCK_BYTES = 1024, BLOCK_WORDS = BLOCK_BYTES >> 3;
/** The processor's state stands at the beginning of the memory (isa/state-layout.ts). */
const STATE_BYTES = 1 << 16;
const PIXEL_BYTES = 4;

export class ViewMirror {
  private readonly shared: BigInt64Array;
  private readonly shown: BigInt64Array;
  private readonly screen: ScreenReader;
  private readonly firstView: number;
  private readonly pixels: number;
  private sequence = -1;

  constructor(buffer: ArrayBufferLike, layout: SharedLayout) {
    const { ram: _, ...views } = layout;
    this.firstView = Math.floor(Math.min(...Object.values(views)) / BLOCK_BYTES) * BLOCK_BYTES;
    this.pixels = layout.screen + SCREEN_BYTES - MAX_WIDTH * MAX_HEIGHT * PIXEL_BYTES;
    // The screen is the last and the largest of the views.
    this.shared = new BigInt64Array(buffer, 0, (layout.screen + SCREEN_BYTES) >> 3);
    this.shown = new BigInt64Array(this.shared.length);
    this.screen = new ScreenReader(buffer, layout.screen);
  }

  /** What the page begins with: the views stand where they do in the machine's memory. */
  first(): ArrayBuffer {
    this.changes();
    return this.shown.slice().buffer;
  }

  /** Blocks that differ from what the page has; null: none do. */
  changes(): MirroredParts | null {
    const parts: [at: number, bytes: number][] = [];
    this.compare(0, Math.min(STATE_BYTES, this.firstView), parts);
    this.compare(this.firstView, this.end(), parts);
    if (parts.length === 0) return null;
    const data = new Uint8Array(parts.reduce((sum, [, length]) => sum + length, 0)), shown = new Uint8Array(this.shown.buffer);
    let filled = 0;
    for (const [at, length] of parts) {
      data.set(shown.subarray(at, at + length), filled);
      filled += length;
    }
    return { parts, data };
  }

  private compare(from: number, to: number, parts: [at: number, bytes: number][]): void {
    const { shared, shown } = this, end = to >> 3;
    for (let block = from >> 3; block < end; block += BLOCK_WORDS) {
      const last = Math.min(block + BLOCK_WORDS, end);
      let at = block;
      while (at < last && shared[at] === shown[at]) at++;
      if (at === last) continue;
      shown.set(shared.subarray(block, last), block);
      const own = parts.at(-1);
      if (own && own[0] + own[1] === block << 3) own[1] += (last - block) << 3;
      else parts.push([block << 3, (last - block) << 3]);
    }
  }

  /** Pixels are looked at when there is a new picture, as far as it goes. */
  private end(): number {
    const { sequence, mode, width, height } = this.screen.picture();
    const drawn = sequence !== this.sequence && mode === "graphics";
    this.sequence = sequence;
    return this.pixels + (drawn ? Math.ceil((width * height * PIXEL_BYTES) / 8) * 8 : 0);
  }
}
