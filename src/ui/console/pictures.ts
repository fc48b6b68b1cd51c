// What a console shows as a PNG: the pixels of the screen, or a terminal drawn in its own font and colours.

import type { IBufferCell, ITheme, Terminal } from "@xterm/xterm";

function toPng(canvas: HTMLCanvasElement): Promise<Blob | null> {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function canvasOf(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D | null] {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return [canvas, canvas.getContext("2d")];
}

export function pictureOfPixels({ width, height, rgba }: { readonly width: number; readonly height: number; readonly rgba: Uint8Array }): Promise<Blob | null> {
  if (width === 0 || height === 0) return Promise.resolve(null);
  const [canvas, context] = canvasOf(width, height);
  const image = new ImageData(width, height);
  image.data.set(rgba);
  context?.putImageData(image, 0, 0);
  return toPng(canvas);
}

const NAMES = [
  "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "brightBlack", "brightRed", "brightGreen", "brightYellow", "brightBlue", "brightMagenta",
  "brightCyan", "brightWhite",
] as const satisfies readonly (keyof ITheme)[];
const CUBE = [0, 95, 135, 175, 215, 255];

function colourOf(theme: ITheme, value: number, isRgb: boolean): string {
  if (isRgb) return `#${value.toString(16).padStart(6, "0")}`;
  if (value < 16) return theme[NAMES[value]] ?? "#000";
  if (value >= 232) return `rgb(${8 + (value - 232) * 10} ${8 + (value - 232) * 10} ${8 + (value - 232) * 10})`;
  return `rgb(${CUBE[Math.floor((value - 16) / 36)]} ${CUBE[Math.floor((value - 16) / 6) % 6]} ${CUBE[(value - 16) % 6]})`;
}

const SCALE = 2;

/** The rows in sight. */
export function pictureOfTerminal(terminal: Terminal): Promise<Blob | null> {
  const { cols, rows, buffer: { active } } = terminal;
  const theme = terminal.options.theme ?? {}, size = (terminal.options.fontSize ?? 13) * SCALE, font = `${size}px ${terminal.options.fontFamily ?? "monospace"}`;
  const [, measure] = canvasOf(1, 1);
  if (!measure) return Promise.resolve(null);
  measure.font = font;
  const width = measure.measureText("W").width, height = Math.ceil(size * 1.2);
  const [canvas, context] = canvasOf(Math.ceil(width * cols), height * rows);
  if (!context) return Promise.resolve(null);
  const background = theme.background ?? "#000", foreground = theme.foreground ?? "#fff";
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.textBaseline = "middle";
  const paint = (cell: IBufferCell, row: number, column: number): void => {
    let ink = cell.isFgDefault() ? foreground : colourOf(theme, cell.getFgColor(), cell.isFgRGB());
    let paper = cell.isBgDefault() ? background : colourOf(theme, cell.getBgColor(), cell.isBgRGB());
    if (cell.isInverse()) [ink, paper] = [paper, ink];
    context.fillStyle = paper;
    if (paper !== background) context.fillRect(column * width, row * height, width * cell.getWidth(), height);
    context.fillStyle = ink;
    context.font = `${cell.isBold() ? "bold " : ""}${font}`;
    if (cell.getChars() !== "") context.fillText(cell.getChars(), column * width, (row + 0.5) * height);
    if (cell.isUnderline()) context.fillRect(column * width, (row + 1) * height - SCALE, width, SCALE);
  };
  for (let row = 0; row < rows; row++) {
    const line = active.getLine(active.viewportY + row);
    for (let column = 0; line && column < cols; column++) {
      const cell = line.getCell(column);
      if (cell && cell.getWidth() > 0) paint(cell, row, column);
    }
  }
  return toPng(canvas);
}
