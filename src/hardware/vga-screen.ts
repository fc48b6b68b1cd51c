// How the CRT controller walks through display memory, line by line: the part of the picture that
// text and graphics have in common. IBM PS/2 Hardware Interface Technical Reference, Video
// Subsystem: "CRT Controller Registers", "CRT Mode Control Register" (address wiring).

import { GC_MISC, SEQ_CLOCKING } from "./vga-memory.ts";
import { lineCompare, shownLines } from "./vga-timing.ts";
import { ATTRIBUTE_MODE, ATTRIBUTE_PANNING, type Vga } from "./vga.ts";

export interface ScreenShape {
  readonly text: boolean;
  /** Character clocks in a line. */
  readonly columns: number;
  /** Scan lines of the monitor, doubled ones counted twice. */
  readonly scanLines: number;
  /** Scan lines for each line of the picture: 2 where every line is shown twice. */
  readonly step: number;
  /** Rows of the character cell, or times that one line of memory is shown. */
  readonly cellHeight: number;
  /** The row counter runs at half speed. */
  readonly doubleScan: boolean;
}

export function screenShape(vga: Vga): ScreenShape {
  const { crtc, graphics } = vga;
  const text = (graphics[GC_MISC] & 1) === 0;
  const cellHeight = (crtc[9] & 0x1f) + 1;
  const doubleScan = (crtc[9] & 0x80) !== 0;
  // Repeated lines show the same bytes, unless the row counter is part of the address (CGA modes).
  const rowAddressed = (crtc[0x17] & 0x03) !== 0x03;
  const repeats = text || rowAddressed ? 1 : cellHeight;
  return { text, columns: crtc[1] + 1, scanLines: shownLines(crtc), step: repeats * (doubleScan ? 2 : 1), cellHeight, doubleScan };
}

/** Dots in a character clock: 8 or 9 in text, always 8 in graphics. */
export function characterWidth(vga: Vga): 8 | 9 {
  return vga.sequencer[SEQ_CLOCKING] & 1 ? 8 : 9;
}

/** The picture is switched off: sync stopped, or the sequencer gives the processor all cycles. */
export function screenOff(vga: Vga): boolean {
  return (vga.crtc[0x17] & 0x80) === 0 || (vga.sequencer[SEQ_CLOCKING] & 0x20) !== 0;
}

/** The offset in the planes that the address counter reaches at a row of the character cell. */
export function planeOffset(crtc: Uint8Array, counter: number, row: number): number {
  const mode = crtc[0x17];
  let offset: number;
  if (crtc[0x14] & 0x40) offset = (counter << 2) | ((counter >> 12) & 3);
  else if (mode & 0x40) offset = counter;
  else offset = (counter << 1) | ((counter >> (mode & 0x20 ? 15 : 13)) & 1);
  // Compatibility with the 6845 of CGA and Hercules: the row counter replaces address bits 13 and 14.
  if ((mode & 1) === 0) offset = (offset & ~0x2000) | ((row & 1) << 13);
  if ((mode & 2) === 0) offset = (offset & ~0x4000) | ((row & 2) << 13);
  return offset & 0xffff;
}

/** One line of the picture as the CRT controller begins it. */
export interface LineStart {
  /** The address counter at the first character. */
  counter: number;
  /** Row of the character cell. */
  row: number;
  /** Dots by which the line is shifted to the left. */
  panning: number;
}

/** Calls `draw` for every line of the picture, top to bottom. */
export function walkLines(vga: Vga, shape: ScreenShape, draw: (y: number, line: LineStart) => void): void {
  const { crtc, attribute } = vga;
  const split = lineCompare(crtc);
  const pitch = crtc[0x13] * 2;
  const bytePan = (crtc[8] >> 5) & 3;
  const line: LineStart = { counter: 0, row: crtc[8] & 0x1f, panning: attribute[ATTRIBUTE_PANNING] & 0x0f };
  let start = ((crtc[0x0c] << 8) | crtc[0x0d]) + bytePan;
  let second = false;
  for (let scan = 0; scan < shape.scanLines; scan++) {
    if (scan % shape.step === 0) {
      line.counter = start & 0xffff;
      draw(scan / shape.step, line);
    }
    if (scan === split) {
      // The lower part of a split screen starts at address zero, and may ignore panning.
      const keepsPanning = (attribute[ATTRIBUTE_MODE] & 0x20) === 0;
      start = keepsPanning ? bytePan : 0;
      if (!keepsPanning) line.panning = 0;
      line.row = 0;
      second = false;
      continue;
    }
    if (shape.doubleScan) {
      second = !second;
      if (second) continue;
    }
    if (line.row === shape.cellHeight - 1) {
      line.row = 0;
      start += pitch;
    } else {
      line.row = (line.row + 1) & 0x1f;
    }
  }
}
