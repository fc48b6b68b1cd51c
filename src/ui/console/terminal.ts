// The xterm terminal as this page uses it: for the serial console, and as the picture of the VGA text screen.

import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { ReleaseChord } from "../input/guest-keyboard.ts";

const TERMINAL_FONT = 'ui-monospace, "Cascadia Mono", "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** The colours of the VGA's default palette. */
const PALETTE = {
  background: "#0a0e12", foreground: "#c8d0d6", cursor: "#c8d0d6", cursorAccent: "#0a0e12", selectionBackground: "#2c5d7c",
  black: "#000000", red: "#aa0000", green: "#00aa00", yellow: "#aa5500", blue: "#0000aa", magenta: "#aa00aa", cyan: "#00aaaa", white: "#aaaaaa",
  brightBlack: "#555555", brightRed: "#ff5555", brightGreen: "#55ff55", brightYellow: "#ffff55", brightBlue: "#5555ff", brightMagenta: "#ff55ff",
  brightCyan: "#55ffff", brightWhite: "#ffffff",
};

export function createTerminal(options: { readonly screenReader: boolean; readonly fontSize: number; readonly scrollback: number }): Terminal {
  return new Terminal({
    fontFamily: TERMINAL_FONT, fontSize: options.fontSize, scrollback: options.scrollback, screenReaderMode: options.screenReader, theme: PALETTE,
    cursorBlink: false, allowProposedApi: false,
  });
}

/** Lets Shift+Tab and the release chord out; everything else is the guest's. */
export function installEscapes(terminal: Terminal, release: () => void): void {
  const chord = new ReleaseChord();
  terminal.attachCustomKeyEventHandler((event) => {
    if (chord.see(event)) release();
    return !(event.key === "Tab" && event.shiftKey);
  });
}

/** Width of a character cell as a part of the font size. */
export function cellAspect(): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 0.6;
  context.font = `100px ${TERMINAL_FONT}`;
  return context.measureText("W").width / 100 || 0.6;
}
