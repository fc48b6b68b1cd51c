// The guest's screen in shared memory. The machine writes it when the picture changed, the page polls the sequence number
// once per animation frame and copies what it shows.
//
// Header, 64 bytes of words: sequence (odd while the picture is being written), mode, width, height, columns, rows,
// cursor (row << 16 | column, or -1 hidden), blink.
// Then text cells, u16 each (character, attribute << 8, as in VGA text memory), then the RGBA frame.

const SCREEN_HEADER_BYTES = 64;
export const MAX_COLUMNS = 160;
export const MAX_ROWS = 100;
const TEXT_BYTES = MAX_COLUMNS * MAX_ROWS * 2;
export const MAX_WIDTH = 1920;
export const MAX_HEIGHT = 1080;
export const SCREEN_BYTES = SCREEN_HEADER_BYTES + TEXT_BYTES + MAX_WIDTH * MAX_HEIGHT * 4;

export const SCREEN_OFF = 0, SCREEN_TEXT = 1, SCREEN_GRAPHICS = 2;
const SEQUENCE = 0, MODE = 1, WIDTH = 2, HEIGHT = 3, COLUMNS = 4, ROWS = 5, CURSOR = 6, BLINK = 7;

export interface TextShape {
  readonly columns: number;
  readonly rows: number;
  /** Cell index of the cursor as row and column; null: not shown. */
  readonly cursor: { readonly row: number; readonly column: number } | null;
  /** Attribute bit 7 blinks; otherwise it is the bright background. */
  readonly blink: boolean;
}

export class ScreenWriter {
  private readonly header: Int32Array;
  /** Cells in row order, `columns` a row. */
  readonly cells: Uint16Array;
  /** RGBA pixels in row order, `width` a row. */
  readonly pixels: Uint32Array;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.header = new Int32Array(buffer, base, SCREEN_HEADER_BYTES >> 2);
    this.cells = new Uint16Array(buffer, base + SCREEN_HEADER_BYTES, TEXT_BYTES >> 1);
    this.pixels = new Uint32Array(buffer, base + SCREEN_HEADER_BYTES + TEXT_BYTES, MAX_WIDTH * MAX_HEIGHT);
  }

  off(): void {
    this.begin();
    this.header[MODE] = SCREEN_OFF;
    this.end();
  }

  /** `draw` fills `cells`. */
  text(shape: TextShape, draw: (cells: Uint16Array) => void): void {
    this.begin();
    this.header[MODE] = SCREEN_TEXT;
    this.header[COLUMNS] = Math.min(shape.columns, MAX_COLUMNS);
    this.header[ROWS] = Math.min(shape.rows, MAX_ROWS);
    this.header[CURSOR] = shape.cursor ? (shape.cursor.row << 16) | shape.cursor.column : -1;
    this.header[BLINK] = shape.blink ? 1 : 0;
    draw(this.cells);
    this.end();
  }

  /** `draw` fills `pixels`: a little-endian word is alpha << 24 | blue << 16 | green << 8 | red. */
  graphics(width: number, height: number, draw: (pixels: Uint32Array) => void): void {
    this.begin();
    this.header[MODE] = SCREEN_GRAPHICS;
    this.header[WIDTH] = Math.min(width, MAX_WIDTH);
    this.header[HEIGHT] = Math.min(height, MAX_HEIGHT);
    draw(this.pixels);
    this.end();
  }

  private begin(): void {
    Atomics.store(this.header, SEQUENCE, Atomics.load(this.header, SEQUENCE) | 1);
  }

  private end(): void {
    Atomics.store(this.header, SEQUENCE, (Atomics.load(this.header, SEQUENCE) | 1) + 1);
  }
}

export interface ScreenPicture extends TextShape {
  readonly mode: "off" | "text" | "graphics";
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
}

export class ScreenReader {
  private readonly header: Int32Array;
  private readonly cells: Uint16Array;
  private readonly pixels: Uint8Array;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.header = new Int32Array(buffer, base, SCREEN_HEADER_BYTES >> 2);
    this.cells = new Uint16Array(buffer, base + SCREEN_HEADER_BYTES, TEXT_BYTES >> 1);
    this.pixels = new Uint8Array(buffer, base + SCREEN_HEADER_BYTES + TEXT_BYTES, MAX_WIDTH * MAX_HEIGHT * 4);
  }

  /** Changes with every picture; odd while one is being written. */
  get sequence(): number {
    return Atomics.load(this.header, SEQUENCE);
  }

  picture(): ScreenPicture {
    const { header } = this;
    const mode = header[MODE] === SCREEN_TEXT ? "text" : header[MODE] === SCREEN_GRAPHICS ? "graphics" : "off";
    const cursor = header[CURSOR];
    return {
      mode, sequence: this.sequence, width: header[WIDTH], height: header[HEIGHT], columns: header[COLUMNS], rows: header[ROWS],
      cursor: cursor === -1 ? null : { row: cursor >> 16, column: cursor & 0xffff }, blink: header[BLINK] !== 0,
    };
  }

  /** Copies the text cells: browser APIs take no shared views. */
  copyCells(into: Uint16Array, count: number): void {
    into.set(this.cells.subarray(0, count));
  }

  /** Copies `count` pixels as RGBA bytes (for ImageData). */
  copyPixels(into: Uint8ClampedArray, count: number): void {
    into.set(this.pixels.subarray(0, count * 4));
  }
}
