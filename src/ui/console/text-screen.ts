// Turns the VGA's text cells into terminal output: only the rows that changed.

import type { ScreenPicture } from "../../protocol/screen-view.ts";
import { CP437 } from "../input/cp437.ts";

/** VGA attributes count blue, green, red from bit 0; terminals count red, green, blue. */
function ansi(colour: number): number {
  return (colour & 2) | ((colour & 1) << 2) | ((colour & 4) >> 2);
}

/** IBM PS/2 Hardware Interface Technical Reference, "Attribute Byte": bit 7 blinks or brightens the background. */
function sgr(attribute: number, blink: boolean): string {
  const foreground = (attribute & 8 ? 90 : 30) + ansi(attribute & 7);
  const bright = attribute & 0x80 && !blink;
  // Black is the terminal's own background: one that is painted would cover what hangs down from the row above.
  const colour = ansi((attribute >> 4) & 7), background = bright ? 100 + colour : colour === 0 ? 49 : 40 + colour;
  return `\x1b[0;${foreground};${background}${attribute & 0x80 && blink ? ";5" : ""}m`;
}

export class TextScreenPainter {
  private shown = new Uint16Array(0);
  private columns = 0;
  private cursor = "";

  /** The next update draws everything. */
  forget(): void {
    this.shown = new Uint16Array(0);
  }

  update(picture: ScreenPicture, cells: Uint16Array): string {
    const { columns, rows } = picture;
    const whole = this.columns !== columns || this.shown.length !== columns * rows;
    if (whole) {
      this.shown = new Uint16Array(columns * rows);
      this.columns = columns;
    }
    let out = whole ? "\x1b[?7l\x1b[2J" : "";
    for (let row = 0; row < rows; row++) {
      const at = row * columns;
      let same = !whole;
      for (let column = 0; same && column < columns; column++) same = this.shown[at + column] === cells[at + column];
      if (same) continue;
      out += `\x1b[${row + 1};1H`;
      let attribute = -1;
      for (let column = 0; column < columns; column++) {
        const cell = cells[at + column];
        if (cell >> 8 !== attribute) {
          attribute = cell >> 8;
          out += sgr(attribute, picture.blink);
        }
        out += CP437[cell & 0xff];
      }
      this.shown.set(cells.subarray(at, at + columns), at);
    }
    const cursor = picture.cursor ? `\x1b[${picture.cursor.row + 1};${picture.cursor.column + 1}H\x1b[?25h` : "\x1b[?25l";
    if (out !== "" || cursor !== this.cursor) out += cursor;
    this.cursor = cursor;
    return out;
  }

  /** The screen as lines of text, for screen readers and copying. */
  static text(picture: ScreenPicture, cells: Uint16Array): string {
    const lines: string[] = [];
    for (let row = 0; row < picture.rows; row++) {
      let line = "";
      for (let column = 0; column < picture.columns; column++) line += CP437[cells[row * picture.columns + column] & 0xff];
      lines.push(line.trimEnd());
    }
    return lines.join("\n").trimEnd();
  }
}
