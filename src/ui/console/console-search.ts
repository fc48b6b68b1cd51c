// Finds text in a terminal: lines that were wrapped count as one, upper and lower case are the same.

import type { IBuffer, Terminal } from "@xterm/xterm";

interface Place {
  readonly row: number;
  readonly column: number;
}

export interface Found {
  readonly start: Place;
  /** Cells that are covered, across the ends of rows. */
  readonly cells: number;
}

/** Every place of the text, top to bottom. */
export function findText(buffer: IBuffer, columns: number, wanted: string): Found[] {
  const needle = wanted.toLowerCase();
  if (needle === "") return [];
  const found: Found[] = [];
  let text = "";
  /** The cell of each character of `text`; a wide one takes two. */
  let cells: number[] = [], firstRow = 0;
  const look = (): void => {
    cells.push((cells.at(-1) ?? -1) + 1);
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) {
      const cell = cells[at];
      found.push({ start: { row: firstRow + Math.floor(cell / columns), column: cell % columns }, cells: cells[at + needle.length] - cell });
    }
  };
  for (let row = 0; row < buffer.length; row++) {
    const line = buffer.getLine(row);
    if (!line) break;
    if (!line.isWrapped && row > 0) {
      look();
      text = "";
      cells = [];
      firstRow = row;
    }
    for (let column = 0; column < columns; column++) {
      const cell = line.getCell(column);
      if (!cell || cell.getWidth() === 0) continue; // the right half of a wide character
      const characters = (cell.getChars() || " ").toLowerCase();
      for (let i = 0; i < characters.length; i++) cells.push((row - firstRow) * columns + column);
      text += characters;
    }
  }
  look();
  return found;
}

export function showFound(terminal: Terminal, { start, cells }: Found): void {
  terminal.select(start.column, start.row, cells);
  terminal.scrollToLine(Math.max(0, start.row - (terminal.rows >> 1)));
}
