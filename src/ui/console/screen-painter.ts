// The guest's screen as it is drawn: text modes in a terminal, graphics on a canvas, only what changed.

import type { Terminal } from "@xterm/xterm";
import type { ScreenReader } from "../../protocol/screen-view.ts";
import { MAX_COLUMNS, MAX_ROWS } from "../../protocol/screen-view.ts";
import { cellAspect, createTerminal } from "./terminal.ts";
import { TextScreenPainter } from "./text-screen.ts";

const CELL_HEIGHT = 1.2;
export type ScreenMode = "off" | "text" | "graphics";

/** Draws what changed since the last frame, if it can be seen. */
export class ScreenPainter {
  private readonly reader: ScreenReader;
  private readonly host: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly onMode: (mode: ScreenMode) => void;
  private readonly painter = new TextScreenPainter();
  private readonly cells = new Uint16Array(MAX_COLUMNS * MAX_ROWS);
  private readonly aspect = cellAspect();
  /** Null until the guest shows text. */
  terminal: Terminal | null = null;
  private image: ImageData | null = null;
  private shown = -1;
  private box = "";

  constructor(reader: ScreenReader, host: HTMLElement, canvas: HTMLCanvasElement, onMode: (mode: ScreenMode) => void) {
    this.reader = reader;
    this.host = host;
    this.canvas = canvas;
    this.onMode = onMode;
  }

  tick(): void {
    const parent = this.host.parentElement;
    if (!parent || parent.clientWidth === 0) return; // behind another tab
    const { sequence } = this.reader;
    const box = `${parent.clientWidth} ${parent.clientHeight}`;
    if (sequence & 1 || (sequence === this.shown && box === this.box)) return;
    this.shown = sequence;
    this.box = box;
    const picture = this.reader.picture();
    this.onMode(picture.mode);
    if (picture.mode === "text") this.drawText(parent.clientWidth, parent.clientHeight);
    else if (picture.mode === "graphics") this.drawGraphics(picture.width, picture.height, parent);
  }

  private drawText(width: number, height: number): void {
    const picture = this.reader.picture();
    const { columns, rows } = picture;
    if (columns === 0 || rows === 0) return;
    const fontSize = Math.max(6, Math.min(20, Math.floor(Math.min((width - 12) / columns / this.aspect, (height - 8) / rows / CELL_HEIGHT) * 2) / 2));
    if (!this.terminal) {
      this.terminal = createTerminal({ screenReader: false, fontSize, scrollback: 0 });
      this.terminal.options.theme = { ...this.terminal.options.theme, background: "#000000" };
      this.terminal.options.disableStdin = true;
      this.terminal.options.cursorInactiveStyle = "block"; // the keys go to the screen around it
      this.terminal.open(this.host);
    }
    const { terminal } = this;
    if (terminal.options.fontSize !== fontSize) terminal.options.fontSize = fontSize;
    if (terminal.cols !== columns || terminal.rows !== rows) {
      terminal.resize(columns, rows);
      this.painter.forget();
    }
    this.reader.copyCells(this.cells, columns * rows);
    const output = this.painter.update(picture, this.cells);
    if (output !== "") terminal.write(output);
  }

  private drawGraphics(width: number, height: number, parent: HTMLElement): void {
    if (width === 0 || height === 0) return;
    const { canvas } = this;
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.image = new ImageData(width, height);
    }
    // The modes of the VGA fill a 4:3 monitor whatever their pixels; larger ones have square pixels.
    const ratio = height <= 480 ? 4 / 3 : width / height;
    const shown = Math.min(parent.clientWidth, parent.clientHeight * ratio);
    canvas.style.width = `${Math.floor(shown)}px`;
    canvas.style.height = `${Math.floor(shown / ratio)}px`;
    this.reader.copyPixels(this.image.data, width * height);
    canvas.getContext("2d")?.putImageData(this.image, 0, 0);
  }

  /** The text that stands on the screen; null: it shows none. */
  text(): string | null {
    const picture = this.reader.picture();
    if (picture.mode !== "text") return null;
    this.reader.copyCells(this.cells, picture.columns * picture.rows);
    return TextScreenPainter.text(picture, this.cells);
  }

  dispose(): void {
    this.terminal?.dispose();
  }
}
