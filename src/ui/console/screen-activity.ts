// Whether the guest has drawn anything.

import type { ScreenReader } from "../../protocol/screen-view.ts";

const cells = new Uint16Array(80 * 25);

/** Graphics, or a character that is not blank. */
export function screenIsUsed(reader: ScreenReader | null): boolean {
  if (!reader) return false;
  const picture = reader.picture();
  if (picture.mode !== "text") return picture.mode === "graphics";
  const count = Math.min(cells.length, picture.columns * picture.rows);
  reader.copyCells(cells, count);
  for (let at = 0; at < count; at++) {
    const character = cells[at] & 0xff;
    if (character !== 0 && character !== 0x20) return true;
  }
  return false;
}
