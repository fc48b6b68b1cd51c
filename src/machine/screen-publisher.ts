// The guest's screen into shared memory, for a page that polls it: cells in text modes, pixels in graphics.

import { VgaRenderer } from "../hardware/vga-render.ts";
import { MAX_COLUMNS, MAX_ROWS, ScreenWriter } from "../protocol/screen-view.ts";
import type { Pc } from "./pc.ts";
import type { MemoryMap } from "./shared-memory.ts";

export class ScreenPublisher {
  private readonly renderer: VgaRenderer;
  private readonly writer: ScreenWriter;
  private readonly frame: Uint8Array;
  private shown: object | null | undefined;

  constructor(pc: Pc, map: MemoryMap) {
    this.renderer = new VgaRenderer(pc.vga);
    this.writer = new ScreenWriter(map.buffer, map.view.screen);
    const { pixels } = this.writer;
    this.frame = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  }

  /** Writes what has changed since the last call. */
  publish(): void {
    const text = this.renderer.text();
    if (text && text.cols <= MAX_COLUMNS && text.rows <= MAX_ROWS) {
      if (text === this.shown) return;
      this.shown = text;
      const cursor = text.cursor ? { row: text.cursor.row, column: text.cursor.col } : null;
      this.writer.text({ columns: text.cols, rows: text.rows, cursor, blink: true }, (cells) => cells.set(text.cells));
      return;
    }
    if (this.shown !== null) this.renderer.invalidate();
    this.shown = null;
    const { width, height } = this.renderer.size();
    if (width === 0 || height === 0) this.writer.off();
    else {
      // Nothing is drawn, and the sequence only then moves, when nothing has changed.
      const size = this.renderer.draw(this.frame);
      if (size) this.writer.graphics(size.width, size.height, () => {});
    }
  }
}
