// Draws what a VGA monitor would show, from registers and display memory, as RGBA.
// IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: "Attribute Controller",
// "Shift Register Mode", "Alphanumeric Modes".
//
// Lines that the hardware shows twice are drawn once: mode 13h is 320 by 200.
//
// Not implemented: the border, blinking in graphics modes, the internal palette's part in
// 256-colour modes (it is the identity there), changes of registers within a frame.

import {
  ATTRIBUTE_COLOR_SELECT,
  ATTRIBUTE_MODE,
  ATTRIBUTE_OVERSCAN,
  ATTRIBUTE_PLANE_ENABLE,
  MAX_FRAME_HEIGHT,
  MAX_FRAME_WIDTH,
  type Vga,
} from "./vga.ts";
import { GC_MISC, GC_MODE, SEQ_CHAR_MAP } from "./vga-memory.ts";
import { characterWidth, type LineStart, planeOffset, type ScreenShape, screenOff, screenShape, walkLines } from "./vga-screen.ts";
import { readTextScreen, type TextScreen } from "./vga-text.ts";

export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** What `into` must hold at most. */
export const MAX_FRAME_BYTES = MAX_FRAME_WIDTH * MAX_FRAME_HEIGHT * 4;

const MODE_LINE_GRAPHICS = 0x04;
const MODE_BLINK = 0x08;
const MODE_PALETTE_54 = 0x80;
const SHIFT_INTERLEAVED = 0x20;
const SHIFT_256 = 0x40;

/** The blinking counts frames: the cursor changes every 8, characters every 16. */
const CURSOR_PHASE = 8;
const CHARACTER_PHASE = 16;

export class VgaRenderer {
  private readonly vga: Vga;
  private readonly palette = new Uint32Array(256);
  /** One line, with a character to spare on the right for panning. */
  private readonly dots = new Uint32Array(260 * 9);

  private drawnKey = "";
  private sawBlinking = false;
  private textVersion = -1;
  private textScreen: TextScreen | null = null;

  constructor(vga: Vga) {
    this.vga = vga;
  }

  /** Makes the next `draw` draw. */
  invalidate(): void {
    this.drawnKey = "";
  }

  /** The text on the screen; null in graphics. The same object until something changes. */
  text(): TextScreen | null {
    if (this.textVersion !== this.vga.version) {
      this.textVersion = this.vga.version;
      this.textScreen = this.vga.extension?.active ? null : readTextScreen(this.vga);
    }
    return this.textScreen;
  }

  size(): FrameSize {
    const { extension } = this.vga;
    if (extension?.active) return extension.size();
    const shape = screenShape(this.vga);
    const dots = shape.text ? characterWidth(this.vga) : this.vga.graphics[GC_MODE] & SHIFT_256 ? 4 : 8;
    return {
      width: Math.min(MAX_FRAME_WIDTH, shape.columns * dots),
      height: Math.min(MAX_FRAME_HEIGHT, Math.ceil(shape.scanLines / shape.step)),
    };
  }

  /**
   * Draws the picture into the first width * height * 4 bytes of `into` (4-byte aligned), R G B A.
   * null: nothing has changed since the last call, and nothing was drawn.
   */
  draw(into: Uint8Array): FrameSize | null {
    const key = this.key();
    if (key === this.drawnKey) return null;
    const size = this.size();
    const out = new Uint32Array(into.buffer, into.byteOffset, size.width * size.height);
    this.drawPicture(out, size);
    this.drawnKey = this.key(); // the drawing has found out whether characters blink
    return size;
  }

  /** What the picture depends on. Blinking counts only where something blinks. */
  private key(): string {
    const { version, frame, crtc, graphics } = this.vga;
    if (graphics[GC_MISC] & 1) return `${version}`;
    const cursor = crtc[0x0a] & 0x20 ? 0 : Math.floor(frame / CURSOR_PHASE) & 1;
    const characters = this.sawBlinking ? Math.floor(frame / CHARACTER_PHASE) & 1 : 0;
    return `${version} ${cursor} ${characters}`;
  }

  private drawPicture(out: Uint32Array, { width, height }: FrameSize): void {
    const { vga } = this;
    this.sawBlinking = false;
    if (vga.extension?.active) {
      vga.extension.draw(out);
      return;
    }
    if (screenOff(vga)) {
      out.fill(0xff000000);
      return;
    }
    if (!vga.paletteShown) {
      out.fill(vga.dac.color(vga.attribute[ATTRIBUTE_OVERSCAN]));
      return;
    }
    const shape = screenShape(vga);
    const wide256 = !shape.text && (vga.graphics[GC_MODE] & SHIFT_256) !== 0;
    if (wide256) for (let i = 0; i < 256; i++) this.palette[i] = vga.dac.color(i);
    else this.loadPalette16();
    const drawLine = shape.text
      ? this.textLine(shape)
      : wide256
        ? this.line256(shape)
        : vga.graphics[GC_MODE] & SHIFT_INTERLEAVED
          ? this.lineInterleaved(shape)
          : this.linePlanar(shape);
    walkLines(vga, shape, (y, line) => {
      if (y >= height) return;
      const shift = drawLine(line);
      out.set(this.dots.subarray(shift, shift + width), y * width);
    });
  }

  /** Attribute values 0-15 through palette registers and colour select to the DAC. */
  private loadPalette16(): void {
    const { attribute, dac } = this.vga;
    const enabled = attribute[ATTRIBUTE_PLANE_ENABLE] & 0x0f;
    const select = attribute[ATTRIBUTE_COLOR_SELECT];
    for (let i = 0; i < 16; i++) {
      let entry = attribute[i & enabled];
      if (attribute[ATTRIBUTE_MODE] & MODE_PALETTE_54) entry = (entry & 0x0f) | ((select & 3) << 4);
      this.palette[i] = dac.color(entry | ((select & 0x0c) << 4));
    }
  }

  // Each of these fills `dots` from a line's start and returns the dot at which the screen's edge is.

  private linePlanar(shape: ScreenShape): (line: LineStart) => number {
    const { dots, palette } = this;
    const fetch = this.fetcher();
    return (line) => {
      let x = 0;
      for (let i = 0; i <= shape.columns; i++) {
        const planes = fetch(line, i);
        for (let bit = 7; bit >= 0; bit--) {
          const p = planes >>> bit;
          dots[x++] = palette[(p & 1) | ((p >> 7) & 2) | ((p >> 14) & 4) | ((p >> 21) & 8)];
        }
      }
      return line.panning & 7;
    };
  }

  /** CGA's four colours: pairs of bits, first from the even planes, then from the odd ones. */
  private lineInterleaved(shape: ScreenShape): (line: LineStart) => number {
    const { dots, palette } = this;
    const fetch = this.fetcher();
    return (line) => {
      let x = 0;
      for (let i = 0; i <= shape.columns; i++) {
        const planes = fetch(line, i);
        for (let odd = 0; odd <= 8; odd += 8) {
          for (let bit = 6; bit >= 0; bit -= 2) {
            const p = planes >>> (bit + odd);
            dots[x++] = palette[(p & 3) | ((p >> 14) & 0x0c)];
          }
        }
      }
      return line.panning & 7;
    };
  }

  private line256(shape: ScreenShape): (line: LineStart) => number {
    const { dots, palette } = this;
    const fetch = this.fetcher();
    return (line) => {
      let x = 0;
      for (let i = 0; i <= shape.columns; i++) {
        const planes = fetch(line, i);
        dots[x++] = palette[planes & 0xff];
        dots[x++] = palette[(planes >> 8) & 0xff];
        dots[x++] = palette[(planes >> 16) & 0xff];
        dots[x++] = palette[planes >>> 24];
      }
      return (line.panning >> 1) & 3; // the pixel clock is halved
    };
  }

  /** The four planes at character clock `i` of a line. */
  private fetcher(): (line: LineStart, i: number) => number {
    const { crtc, memory } = this.vga;
    // The address counter may advance on every second or fourth character clock only.
    const shift = crtc[0x14] & 0x20 ? 2 : crtc[0x17] & 0x08 ? 1 : 0;
    return (line, i) => memory.words[planeOffset(crtc, (line.counter + (i >> shift)) & 0xffff, line.row)];
  }

  private textLine(shape: ScreenShape): (line: LineStart) => number {
    const { vga, dots, palette } = this;
    const { crtc, attribute, memory } = vga;
    const fetch = this.fetcher();
    const wide = characterWidth(vga);
    const mode = attribute[ATTRIBUTE_MODE];
    const blinkEnabled = (mode & MODE_BLINK) !== 0;
    const charactersHidden = (Math.floor(vga.frame / CHARACTER_PHASE) & 1) !== 0;
    const cursorShown = (crtc[0x0a] & 0x20) === 0 && (Math.floor(vga.frame / CURSOR_PHASE) & 1) === 0;
    const cursorAt = (crtc[0x0e] << 8) | crtc[0x0f];
    const select = vga.sequencer[SEQ_CHAR_MAP];
    const fontA = fontOffset(((select >> 2) & 3) | ((select >> 3) & 4));
    const fontB = fontOffset((select & 3) | ((select >> 2) & 4));
    return (line) => {
      const cursorRow = cursorShown && line.row >= (crtc[0x0a] & 0x1f) && line.row <= (crtc[0x0b] & 0x1f);
      const underlineRow = line.row === (crtc[0x14] & 0x1f);
      let x = 0;
      for (let i = 0; i <= shape.columns; i++) {
        const cell = fetch(line, i);
        const code = cell & 0xff;
        const attr = (cell >> 8) & 0xff;
        // Attribute bit 3 chooses the character set where the two differ, and the intensity always.
        const font = attr & 8 ? fontA : fontB;
        let pattern = memory.bytes[4 * ((font + code * 32 + line.row) & 0xffff) + 2];
        let background = attr >> 4;
        if (blinkEnabled) {
          background &= 7;
          if (attr & 0x80) {
            this.sawBlinking = true;
            if (charactersHidden) pattern = 0;
          }
        }
        if (underlineRow && (attr & 7) === 1) pattern = 0x1ff;
        if (cursorRow && ((line.counter + i) & 0xffff) === cursorAt) pattern = 0x1ff;
        const ink = palette[attr & 15];
        const paper = palette[background];
        for (let bit = 7; bit >= 0; bit--) dots[x++] = (pattern >> bit) & 1 ? ink : paper;
        if (wide === 9) {
          // The ninth dot continues box drawing characters and the cursor.
          const continues = pattern > 0xff || ((mode & MODE_LINE_GRAPHICS) !== 0 && (code & 0xe0) === 0xc0 && (pattern & 1) !== 0);
          dots[x++] = continues ? ink : paper;
        }
      }
      // With nine dots the panning register counts 8, 0, 1, ... 7.
      return wide === 8 ? line.panning & 7 : line.panning >= 8 ? 0 : line.panning + 1;
    };
  }
}

/** The eight character sets in plane 2, in the order in which the Character Map Select register numbers them. */
function fontOffset(set: number): number {
  return ((set & 3) << 14) | ((set & 4) << 11);
}
