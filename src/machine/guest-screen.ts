// What stands on the guest's monitor, for those who look at it from outside: as rows of text, or as a picture.

import { VgaRenderer } from "../hardware/vga-render.ts";
import { textRows } from "../hardware/vga-text.ts";
import type { Pc } from "./pc.ts";

export interface ScreenImage {
  readonly width: number;
  readonly height: number;
  /** R G B A, row by row. */
  readonly rgba: Uint8Array;
}

export class GuestScreen {
  private readonly pc: Pc;
  private readonly renderer: VgaRenderer;

  constructor(pc: Pc) {
    this.pc = pc;
    this.renderer = new VgaRenderer(pc.vga);
  }

  /** Changes whenever something on the screen may have changed. */
  get version(): number {
    return this.pc.vga.version;
  }

  /** The text screen, blanks at the ends of rows cut off; null in graphics modes and while the display is off. */
  rows(): string[] | null {
    const screen = this.renderer.text();
    return screen && textRows(screen);
  }

  /** As above, every row as wide as the screen. */
  wholeRows(): string[] | null {
    const screen = this.renderer.text();
    return screen && textRows(screen).map((row) => row.padEnd(screen.cols));
  }

  /** The picture, whatever the mode. */
  image(): ScreenImage {
    const { width, height } = this.renderer.size();
    const rgba = new Uint8Array(width * height * 4);
    this.renderer.invalidate();
    this.renderer.draw(rgba);
    return { width, height, rgba };
  }
}
