// The three fonts of the video BIOS, code page 437. Letters and pictures are drawn in
// tall.txt (8x14, 8x16) and low.txt (8x8); accented letters are composed here, lines,
// blocks and shades computed.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Reads drawn characters: code -> `height` bytes. */
function drawn(file, height) {
  const glyphs = new Map();
  let line = 0;
  let codes = [];
  for (const text of readFileSync(join(here, file), "utf8").split("\n")) {
    const head = /^(\d+): (.*)$/.exec(text);
    if (head) {
      line = Number(head[1]);
      codes = head[2].split(" ").map((name) => (name.length === 1 ? name.charCodeAt(0) : Number.parseInt(name, 16)));
      for (const code of codes) {
        if (glyphs.has(code)) throw new Error(`${file}: ${code.toString(16)} is drawn twice`);
        glyphs.set(code, new Uint8Array(height));
      }
    } else if (/^[.#]{8}( [.#]{8})*$/.test(text)) {
      const cells = text.split(" ");
      if (cells.length !== codes.length) throw new Error(`${file}: ${cells.length} cells for ${codes.length} characters: ${text}`);
      codes.forEach((code, i) => {
        glyphs.get(code)[line] = Number.parseInt(cells[i].replaceAll(".", "0").replaceAll("#", "1"), 2);
      });
      line++;
    } else if (/^[.# ]+$/.test(text) && text !== "") {
      throw new Error(`${file}: a cell is not 8 wide: ${text}`);
    }
  }
  return glyphs;
}

// ---- letters with accents: code, letter, accent ----
const ACCENTED = `80 C cedilla, 81 u diaeresis, 82 e acute, 83 a circumflex, 84 a diaeresis, 85 a grave, 86 a ring, 87 c cedilla,
  88 e circumflex, 89 e diaeresis, 8A e grave, 8B i diaeresis, 8C i circumflex, 8D i grave, 8E A diaeresis, 8F A ring,
  90 E acute, 93 o circumflex, 94 o diaeresis, 95 o grave, 96 u circumflex, 97 u grave, 98 y diaeresis, 99 O diaeresis,
  9A U diaeresis, A0 a acute, A1 i acute, A2 o acute, A3 u acute, A4 n tilde, A5 N tilde`
  .split(",")
  .map((entry) => entry.trim().split(" "));

const ACCENTS = {
  acute: [0b00001100, 0b00011000],
  grave: [0b00110000, 0b00011000],
  circumflex: [0b00111000, 0b01101100],
  diaeresis: [0b01101100, 0b01101100],
  tilde: [0b01110110, 0b11011100],
  ring: [0b00111000, 0b00111000],
  cedilla: [0b00011000, 0b01110000],
};

/** Where a font has its letters: first line of capitals and of small letters, their base line. */
const TALL = { height: 14, capital: 1, small: 4, base: 10, accent: 1, squeeze: [3, 7] };
const LOW = { height: 8, capital: 0, small: 2, base: 6, accent: 0, squeeze: [1, 5] };

function compose(glyphs, shape) {
  for (const [code, letter, name] of ACCENTED) {
    const base = glyphs.get(letter.charCodeAt(0));
    const glyph = new Uint8Array(base);
    const accent = ACCENTS[name];
    if (name === "cedilla") {
      if (shape === LOW) glyph[7] = accent[1];
      else glyph.set(accent, shape.base + 1);
    } else if (letter === letter.toUpperCase()) {
      // a lower capital makes room
      const lines = [...base.subarray(shape.capital, shape.base + 1)].filter((_, i) => !shape.squeeze.includes(i));
      glyph.fill(0);
      glyph.set(lines, shape.base + 1 - lines.length);
      if (shape === LOW) glyph[0] = name === "ring" ? accent[0] : accent[1];
      else glyph.set(accent, 0);
      if (name === "ring" && shape === LOW) glyph[1] |= 0b00101000;
    } else {
      glyph.fill(0, 0, shape.small);
      glyph.set(accent, shape.accent);
    }
    glyphs.set(Number.parseInt(code, 16), glyph);
  }
}

// ---- lines: what leaves the middle of the cell, up right down left; 1 single, 2 double ----
const BOX = `B3 1010, B4 1011, B5 1012, B6 2021, B7 0021, B8 0012, B9 2022, BA 2020, BB 0022, BC 2002, BD 2001, BE 1002, BF 0011,
  C0 1100, C1 1101, C2 0111, C3 1110, C4 0101, C5 1111, C6 1210, C7 2120, C8 2200, C9 0220, CA 2202, CB 0222, CC 2220, CD 0202,
  CE 2222, CF 1202, D0 2101, D1 0212, D2 0121, D3 2100, D4 1200, D5 0210, D6 0120, D7 2121, D8 1212, D9 1001, DA 0110`
  .split(",")
  .map((entry) => entry.trim().split(" "));

/** One line drawing. A stroke is two pixels wide and one high; a double one leaves one free in between. */
function box(arms, height) {
  const [up, right, down, left] = [...arms].map(Number);
  const middle = height >> 1;
  const rows = (strokes) => (strokes === 2 ? [middle - 1, middle + 1] : [middle]);
  const columns = (strokes) => (strokes === 2 ? [2, 5] : [3]);
  const across = rows(Math.max(left, right));
  const along = columns(Math.max(up, down));
  const [top, bottom] = [across[0], across[across.length - 1]];
  const [first, last] = [along[0], along[along.length - 1]];
  const glyph = new Uint8Array(height);
  const paint = (x0, y0, x1, y1) => {
    for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) glyph[y] |= 0x80 >> x;
  };
  // A stroke of a double arm ends at the nearer stroke of the arm on its own side, else
  // at the farther one (a corner, or straight on). A single arm meets what it crosses.
  if (up)
    columns(up).forEach((x, i) => {
      const meets = up === 2 ? [left, right][i] : !down && left && right;
      paint(x, 0, x + 1, meets ? top : bottom);
    });
  if (down)
    columns(down).forEach((x, i) => {
      const meets = down === 2 ? [left, right][i] : !up && left && right;
      paint(x, meets ? bottom : top, x + 1, height - 1);
    });
  if (left)
    rows(left).forEach((y, i) => {
      const meets = left === 2 ? [up, down][i] : up && down && !right;
      paint(0, y, (meets ? first : last) + 1, y);
    });
  if (right)
    rows(right).forEach((y, i) => {
      const meets = right === 2 ? [up, down][i] : up && down && !left;
      paint(meets ? last : first, y, 7, y);
    });
  return glyph;
}

/** Lines, shades, blocks and discs, computed for the height. */
function computed(height) {
  const glyphs = new Map(BOX.map(([code, arms]) => [Number.parseInt(code, 16), box(arms, height)]));
  const fill = (code, pattern) => glyphs.set(code, Uint8Array.from({ length: height }, (_, y) => pattern(y)));
  const half = height >> 1;
  fill(0xb0, (y) => (y % 2 ? 0x88 : 0x22));
  fill(0xb1, (y) => (y % 2 ? 0xaa : 0x55));
  fill(0xb2, (y) => (y % 2 ? 0x77 : 0xdd));
  fill(0xdb, () => 0xff);
  fill(0xdc, (y) => (y < half ? 0 : 0xff));
  fill(0xdd, () => 0xf0);
  fill(0xde, () => 0x0f);
  fill(0xdf, (y) => (y < half ? 0xff : 0));
  const disc = (code, lines, invert) =>
    fill(code, (y) => (lines[y - half + (lines.length >> 1)] ?? 0) ^ (invert ? 0xff : 0));
  disc(0x07, [0x18, 0x3c, 0x3c, 0x18], false);
  disc(0x08, [0x18, 0x3c, 0x3c, 0x18], true);
  disc(0x09, [0x3c, 0x66, 0x42, 0x42, 0x66, 0x3c], false);
  disc(0x0a, [0x3c, 0x66, 0x42, 0x42, 0x66, 0x3c], true);
  for (const blank of [0x00, 0x20, 0xff]) fill(blank, () => 0);
  return glyphs;
}

/** All 256 characters in a row. */
function table(height, letters) {
  const glyphs = new Map([...letters, ...computed(height)]);
  const bytes = new Uint8Array(256 * height);
  for (let code = 0; code < 256; code++) {
    const glyph = glyphs.get(code);
    if (glyph === undefined) throw new Error(`no drawing of character ${code.toString(16)}`);
    bytes.set(glyph, code * height);
  }
  return bytes;
}

/** The integral sign is two characters that must touch. */
const UPPER_INTEGRAL = 0xf4;
const LOWER_INTEGRAL = 0xf5;

function withMargins(code, glyph) {
  return Uint8Array.of(code === LOWER_INTEGRAL ? glyph[0] : 0, ...glyph, code === UPPER_INTEGRAL ? glyph[glyph.length - 1] : 0);
}

/** Pairs of height and bytes, 256 characters each. */
export function fonts() {
  const tall = drawn("tall.txt", TALL.height);
  const low = drawn("low.txt", LOW.height);
  compose(tall, TALL);
  compose(low, LOW);
  const taller = new Map([...tall].map(([code, glyph]) => [code, withMargins(code, glyph)]));
  return [
    [16, table(16, taller)],
    [14, table(14, tall)],
    [8, table(8, low)],
  ];
}
