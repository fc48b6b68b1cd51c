// The text screen as text: what stands in each cell and where the cursor is. For consoles, tests
// and screen readers; the picture of it is drawn by vga-render.ts.

import { planeOffset, type ScreenShape, screenShape } from "./vga-screen.ts";
import { lineCompare } from "./vga-timing.ts";
import type { Vga } from "./vga.ts";

export interface TextScreen {
  readonly cols: number;
  readonly rows: number;
  /** Row by row: the character's code in bits 7:0, its attribute in bits 15:8. */
  readonly cells: Uint16Array;
  /** null while it is switched off or outside the screen. First and last line inside the cell. */
  readonly cursor: { readonly col: number; readonly row: number; readonly first: number; readonly last: number } | null;
  readonly cellHeight: number;
}

/** null in graphics modes, and before the guest has switched the display on. */
export function readTextScreen(vga: Vga): TextScreen | null {
  const shape = screenShape(vga);
  const { crtc } = vga;
  if (!shape.text || (crtc[0x17] & 0x80) === 0) return null;
  const starts = rowStarts(vga, shape);
  const cols = shape.columns;
  const cells = new Uint16Array(cols * starts.length);
  const cursorAt = (crtc[0x0e] << 8) | crtc[0x0f];
  const first = crtc[0x0a] & 0x1f;
  const last = Math.min(crtc[0x0b] & 0x1f, shape.cellHeight - 1);
  const cursorOn = (crtc[0x0a] & 0x20) === 0 && first <= last;
  let cursor: TextScreen["cursor"] = null;
  starts.forEach((start, row) => {
    for (let col = 0; col < cols; col++) {
      const counter = (start + col) & 0xffff;
      cells[row * cols + col] = vga.memory.words[planeOffset(crtc, counter, 0)];
      if (cursorOn && counter === cursorAt) cursor = { col, row, first, last };
    }
  });
  return { cols, rows: starts.length, cells, cursor, cellHeight: shape.cellHeight };
}

/** The address counter at the start of every text row; rows below a split count from zero. */
function rowStarts(vga: Vga, shape: ScreenShape): number[] {
  const { crtc } = vga;
  const height = shape.cellHeight * (shape.doubleScan ? 2 : 1);
  const pitch = crtc[0x13] * 2;
  const split = lineCompare(crtc);
  let start = (crtc[0x0c] << 8) | crtc[0x0d];
  const starts: number[] = [];
  for (let scan = 0, above = true; scan < shape.scanLines; scan += height) {
    if (above && scan > split) {
      above = false;
      start = 0;
    }
    starts.push(start);
    start += pitch;
  }
  return starts;
}

/** Code page 437, in which PC text screens are written; the control codes are pictures too. */
const CODE_PAGE_437 =
  " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼" +
  " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂" +
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
  "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

const CHARACTERS = [...CODE_PAGE_437];

/** The rows as strings, blanks at their ends cut off. */
export function textRows(screen: TextScreen): string[] {
  return Array.from({ length: screen.rows }, (_, row) => {
    let text = "";
    for (let col = 0; col < screen.cols; col++) text += CHARACTERS[screen.cells[row * screen.cols + col] & 0xff];
    return text.replace(/[ \u00a0]+$/, "");
  });
}
