// Expectations: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem.

import { beforeEach, describe, expect, it } from "vitest";
import { GC_MODE, GC_SET_RESET, SEQ_MAP_MASK } from "./vga-memory.ts";
import { type FrameSize, MAX_FRAME_BYTES, VgaRenderer } from "./vga-render.ts";
import { dacColor, MODES, VgaHost } from "./vga-test-modes.ts";
import { textRows } from "./vga-text.ts";

let host: VgaHost;
let renderer: VgaRenderer;
const frame = new Uint8Array(MAX_FRAME_BYTES);
let size: FrameSize;

beforeEach(() => {
  host = new VgaHost();
  renderer = new VgaRenderer(host.vga);
});

function draw(): FrameSize {
  const drawn = renderer.draw(frame);
  if (!drawn) throw new Error("nothing was drawn");
  size = drawn;
  return drawn;
}

/** R, G, B of a pixel of the last drawing. */
function pixel(x: number, y: number): [number, number, number] {
  const at = (y * size.width + x) * 4;
  expect(frame[at + 3]).toBe(0xff);
  return [frame[at], frame[at + 1], frame[at + 2]];
}

/** The pixel's colour as the DAC entry that has it. */
function entry(x: number, y: number): number {
  const [r, , b] = pixel(x, y);
  for (let i = 0; i < 256; i++) {
    const [er, , eb] = dacColor(i);
    if (er === r && eb === b) return i;
  }
  throw new Error(`no entry has colour ${r} ${b}`);
}

function entries(x: number, y: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => entry(x + i, y));
}

describe("256 colours", () => {
  it("draws mode 13h at 320 by 200, one byte a pixel", () => {
    host.setMode(MODES.chain256);
    for (const [x, y, color] of [
      [0, 0, 17],
      [319, 0, 200],
      [5, 100, 255],
      [319, 199, 77],
    ]) {
      host.poke(0xa0000 + y * 320 + x, color);
    }
    expect(draw()).toEqual({ width: 320, height: 200 });
    expect([entry(0, 0), entry(319, 0), entry(5, 100), entry(319, 199), entry(1, 0)]).toEqual([17, 200, 255, 77, 0]);
  });

  it("draws mode X at 320 by 240, a plane for every fourth pixel", () => {
    host.setMode(MODES.modeX);
    for (let plane = 0; plane < 4; plane++) {
      host.sequencer(SEQ_MAP_MASK, 1 << plane);
      host.poke(0xa0000 + 239 * 80 + 79, 10 + plane);
    }
    expect(draw()).toEqual({ width: 320, height: 240 });
    expect(entries(316, 239, 4)).toEqual([10, 11, 12, 13]);
  });

  it("pans by whole pixels at every second value", () => {
    host.setMode(MODES.modeX);
    for (let plane = 0; plane < 4; plane++) {
      host.sequencer(SEQ_MAP_MASK, 1 << plane);
      host.poke(0xa0000, 1 + plane);
      host.poke(0xa0001, 5 + plane);
    }
    host.attribute(0x13, 4);
    draw();
    expect(entries(0, 0, 6)).toEqual([3, 4, 5, 6, 7, 8]);
  });
});

describe("16 colours", () => {
  it("draws mode 12h at 640 by 480 through the palette registers", () => {
    host.setMode(MODES.planar640);
    // Colour 6 has palette register 14h; pixel 3 of the last byte.
    host.graphics(GC_MODE, 2);
    host.graphics(8, 0x10);
    host.peek(0xa0000 + 479 * 80 + 79);
    host.poke(0xa0000 + 479 * 80 + 79, 6);
    expect(draw()).toEqual({ width: 640, height: 480 });
    expect(entries(632, 479, 8)).toEqual([0, 0, 0, 0x14, 0, 0, 0, 0]);
  });

  it("draws mode 0Dh at 320 by 200: its lines are doubled", () => {
    host.setMode(MODES.planar320);
    host.graphics(1, 0x0f);
    host.graphics(GC_SET_RESET, 0x0f);
    host.poke(0xa0000 + 199 * 40 + 39, 0);
    expect(draw()).toEqual({ width: 320, height: 200 });
    expect(entries(311, 199, 3)).toEqual([0, 0x3f, 0x3f]);
  });

  it("shows only the enabled planes, and takes colour select as the top bits", () => {
    host.setMode(MODES.planar640);
    host.graphics(GC_MODE, 2);
    host.peek(0xa0000);
    host.poke(0xa0000, 0x0f);
    host.attribute(0x12, 0x05);
    host.attribute(0x14, 0x04);
    draw();
    expect(entry(0, 0)).toBe(0x45); // colour 5 is palette 5, colour select bit 2 is DAC bit 6
    host.attribute(0x12, 0x0f);
    host.attribute(0x10, 0x81);
    host.attribute(0x14, 0x06);
    draw();
    expect(entry(0, 0)).toBe(0x6f); // colour 15: 3Fh gives bits 3:0, select bits 1:0 give 5:4
  });

  it("pans by the dot, and starts where the start address says", () => {
    host.setMode(MODES.planar640);
    host.poke(0xa0000 + 100, 0xaa);
    host.poke(0xa0000 + 101, 0xff);
    host.crtc(0x0d, 100);
    host.attribute(0x13, 3);
    draw();
    expect(entries(0, 0, 9).map((e) => (e ? 1 : 0))).toEqual([0, 1, 0, 1, 0, 1, 1, 1, 1]);
    expect(entry(640 - 4, 0)).toBe(0);
  });

  it("splits the screen after the line compare, the lower part from address zero and unpanned if asked", () => {
    host.setMode(MODES.planar640);
    host.poke(0xa0000, 0x80);
    host.poke(0xa0000 + 8000, 0x01);
    host.crtc(0x0c, 8000 >> 8);
    host.crtc(0x0d, 8000 & 0xff);
    host.crtc(0x18, 99); // line compare bits 8 and 9 are in 07h and 09h
    host.crtc(0x11, 0x0c);
    host.crtc(0x07, 0x2e);
    host.crtc(0x09, 0x00);
    host.attribute(0x13, 1);
    draw();
    expect(entries(0, 0, 8).indexOf(0x3f)).toBe(6);
    expect(entry(0, 100)).toBe(0); // the lower part pans too
    host.attribute(0x10, 0x21);
    draw();
    expect([entry(0, 99), entry(0, 100), entry(0, 101)]).toEqual([0, 0x3f, 0]);
  });
});

describe("CGA modes", () => {
  it("draws four colours from two banks of lines at 320 by 200", () => {
    host.setMode(MODES.cga4);
    host.poke(0xb8000, 0b00_01_10_11);
    host.poke(0xb8001, 0b11_10_01_00);
    host.poke(0xba000, 0b11_00_00_00); // odd lines
    host.poke(0xb8000 + 80, 0b01_00_00_00); // line 2
    expect(draw()).toEqual({ width: 320, height: 200 });
    const [, c1, c2, c3] = MODES.cga4.attribute;
    expect(entries(0, 0, 8)).toEqual([0, c1, c2, c3, c3, c2, c1, 0]);
    expect(entries(0, 1, 2)).toEqual([c3, 0]);
    expect(entries(0, 2, 2)).toEqual([c1, 0]);
  });

  it("draws two colours at 640 by 200", () => {
    host.setMode(MODES.cga2);
    host.poke(0xb8000 + 79, 0x01);
    host.poke(0xba000 + 99 * 80, 0x80);
    expect(draw()).toEqual({ width: 640, height: 200 });
    expect(entries(638, 0, 2)).toEqual([0, 0x17]);
    expect(entries(0, 199, 2)).toEqual([0x17, 0]);
  });
});

describe("text", () => {
  beforeEach(() => {
    host.setMode(MODES.text80);
    host.crtc(0x0a, 0x20); // cursor off
  });
  const put = (col: number, row: number, code: number, attribute: number): void => {
    const address = 0xb8000 + 2 * (row * 80 + col);
    host.poke(address, code);
    host.poke(address + 1, attribute);
  };

  it("is 720 by 400: 80 by 25 cells of 9 by 16 dots", () => {
    host.glyph(0x41, [0x81, 0, 0x01]);
    put(79, 24, 0x41, 0x1e);
    expect(draw()).toEqual({ width: 720, height: 400 });
    const ink = MODES.text80.attribute[0x0e];
    expect(entries(711, 384, 9)).toEqual([ink, 1, 1, 1, 1, 1, 1, ink, 1]); // the ninth dot is background
    expect(entries(711, 385, 9)).toEqual(Array(9).fill(1));
    expect(entry(718, 386)).toBe(ink);
  });

  it("continues line drawing characters into the ninth dot, if enabled", () => {
    host.glyph(0xc4, [0xff]);
    host.glyph(0xb0, [0xff]);
    put(0, 0, 0xc4, 0x07);
    put(1, 0, 0xb0, 0x07);
    draw();
    expect([entry(8, 0), entry(17, 0)]).toEqual([7, 0]);
    host.attribute(0x10, 0x08);
    draw();
    expect(entry(8, 0)).toBe(0);
  });

  it("shows the cursor in its lines, nine dots wide, in and out every eight frames", () => {
    host.crtc(0x0a, 13);
    host.crtc(0x0b, 14);
    host.crtc(0x0e, 0);
    host.crtc(0x0f, 81);
    put(1, 1, 0x20, 0x07);
    const frameNs = (449 * 900 * 1e9) / 28.322e6;
    draw();
    const shown = (): number[] => [12, 13, 14, 15].map((line) => entry(9 + 8, 16 + line));
    expect(shown()).toEqual([0, 7, 7, 0]);
    host.clock.advance(4 * frameNs);
    expect(renderer.draw(frame)).toBeNull();
    host.clock.advance(4.5 * frameNs);
    draw();
    expect(shown()).toEqual([0, 0, 0, 0]);
    host.clock.advance(8 * frameNs);
    draw();
    expect(shown()).toEqual([0, 7, 7, 0]);
    expect(renderer.text()?.cursor).toEqual({ col: 1, row: 1, first: 13, last: 14 });
  });

  it("blinks characters with attribute bit 7, or takes it as a background colour", () => {
    host.glyph(0x41, [0xff]);
    put(0, 0, 0x41, 0x97);
    const frameNs = (449 * 900 * 1e9) / 28.322e6;
    draw();
    expect([entry(0, 0), entry(0, 1)]).toEqual([7, 1]);
    host.clock.advance(16.5 * frameNs);
    draw();
    expect(entry(0, 0)).toBe(1);
    host.attribute(0x10, 0x04);
    draw();
    expect([entry(0, 0), entry(0, 1)]).toEqual([7, 0x39]);
  });

  it("takes characters with attribute bit 3 from the other set", () => {
    host.glyph(0x41, [0xff]);
    host.glyph(0x41, [0x0f], 0x2000); // set 4 in the register's numbering
    host.sequencer(3, 0x20); // A = set 4, B = set 0
    put(0, 0, 0x41, 0x07);
    put(1, 0, 0x41, 0x0f);
    draw();
    expect(entries(0, 0, 8)).toEqual(Array(8).fill(7));
    expect(entries(9, 0, 8)).toEqual([0, 0, 0, 0, 0x3f, 0x3f, 0x3f, 0x3f]);
  });

  it("is 640 wide with 8 dots, and pans", () => {
    host.sequencer(1, 0x01);
    host.glyph(0x41, [0x01]);
    put(0, 0, 0x41, 0x07);
    host.attribute(0x13, 2);
    expect(draw()).toEqual({ width: 640, height: 400 });
    expect(entries(0, 0, 8).indexOf(7)).toBe(5);
  });

  it("pans from 8 with nine dots", () => {
    host.glyph(0x41, [0x01]);
    put(0, 0, 0x41, 0x07);
    host.attribute(0x13, 8);
    draw();
    expect(entries(0, 0, 9).indexOf(7)).toBe(7);
    host.attribute(0x13, 0);
    draw();
    expect(entries(0, 0, 9).indexOf(7)).toBe(6);
  });

  it("is read as cells and as rows of Unicode", () => {
    [..."Hi \u00c4"].forEach((_, i) => put(i, 2, [0x48, 0x69, 0x20, 0x8e][i], 0x4f));
    put(79, 24, 0xdb, 0x07);
    const text = renderer.text();
    if (!text) throw new Error("no text");
    expect([text.cols, text.rows, text.cursor]).toEqual([80, 25, null]);
    expect(text.cells[2 * 80]).toBe(0x4f48);
    const rows = textRows(text);
    expect([rows[2], rows[24].length, rows[24].at(-1), rows[0]]).toEqual(["Hi Ä", 80, "█", ""]);
    expect(renderer.text()).toBe(text);
  });

  it("follows the start address, and starts again at a split", () => {
    put(0, 0, 0x41, 7);
    put(0, 1, 0x42, 7);
    host.crtc(0x0d, 80);
    host.crtc(0x18, (24 * 16 - 1) & 0xff); // the last row comes from address zero
    host.crtc(0x11, 0x0e);
    host.crtc(0x09, 0x0f);
    const rows = textRows(renderer.text() ?? expect.fail("no text"));
    expect([rows[0], rows[24], rows[23]]).toEqual(["B", "A", ""]);
  });

  it("is null in graphics", () => {
    host.setMode(MODES.chain256);
    expect(renderer.text()).toBeNull();
  });
});

describe("what is not drawn", () => {
  it("nothing, until something changes", () => {
    host.setMode(MODES.chain256);
    draw();
    expect(renderer.draw(frame)).toBeNull();
    host.poke(0xa0000, 5);
    draw();
    expect(entry(0, 0)).toBe(5);
    renderer.invalidate();
    draw();
  });

  it("anything while the screen is off, and the overscan colour while the palette is not shown", () => {
    host.setMode(MODES.chain256);
    host.poke(0xa0000, 5);
    host.sequencer(1, 0x21);
    draw();
    expect(pixel(0, 0)).toEqual([0, 0, 0]);
    host.sequencer(1, 0x01);
    host.attribute(0x11, 9);
    host.in(0x3da);
    host.out(0x3c0, 0x00);
    draw();
    expect(entry(0, 0)).toBe(9);
  });

  it("a screen larger than the frame", () => {
    host.setMode(MODES.text80);
    host.crtc(0x11, 0);
    host.crtc(0x01, 0xff);
    host.crtc(0x07, 0xff);
    host.crtc(0x12, 0xff);
    const { width, height } = draw();
    expect(width * height * 4).toBeLessThanOrEqual(MAX_FRAME_BYTES);
  });
});
