// The guest's screen: text modes in a terminal, graphics on a canvas. Keys and mouse go to the guest.

import type { Terminal } from "@xterm/xterm";
import { useEffect, useRef, useState } from "react";
import type { ScreenReader } from "../../protocol/screen-view.ts";
import { MAX_COLUMNS, MAX_ROWS } from "../../protocol/screen-view.ts";
import { useObservable, usePage } from "../hooks.ts";
import { GUEST_KEYS } from "../input/global-keys.ts";
import { GuestKeyboard } from "../input/guest-keyboard.ts";
import { cellAspect, createTerminal } from "../terminal.ts";
import { TextScreenPainter } from "../text-screen.ts";
import styles from "./ConsolePanel.module.css";

const CELL_HEIGHT = 1.2;

export function ScreenView({ onRelease }: { readonly onRelease: () => void }): React.JSX.Element {
  const { session, frames } = usePage();
  const reader = useObservable(session.screen);
  const [mode, setMode] = useState<"off" | "text" | "graphics">("off");
  const host = useRef<HTMLDivElement>(null);
  const text = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const release = useRef(onRelease);
  release.current = onRelease;

  useEffect(() => {
    if (!reader || !text.current || !canvas.current) return;
    const view = new ScreenPainter(reader, text.current, canvas.current, setMode);
    const remove = frames.add(() => view.tick());
    return () => {
      remove();
      view.dispose();
    };
  }, [reader, frames]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const keyboard = new GuestKeyboard((code, down) => session.key(code, down), () => release.current());
    const onKey = (event: KeyboardEvent): void => keyboard.handle(event);
    const onBlur = (): void => keyboard.releaseAll();
    const onMove = (event: MouseEvent): void => {
      if (document.pointerLockElement === canvas.current && canvas.current) session.mouse(event.movementX, -event.movementY, 0, event.buttons & 7);
    };
    element.addEventListener("keydown", onKey, true);
    element.addEventListener("keyup", onKey, true);
    element.addEventListener("focusout", onBlur);
    document.addEventListener("mousemove", onMove);
    document.addEventListener("mousedown", onMove);
    document.addEventListener("mouseup", onMove);
    return () => {
      element.removeEventListener("keydown", onKey, true);
      element.removeEventListener("keyup", onKey, true);
      element.removeEventListener("focusout", onBlur);
      document.removeEventListener("mousemove", onMove);
      document.removeEventListener("mousedown", onMove);
      document.removeEventListener("mouseup", onMove);
    };
  }, [session]);

  return (
    <div
      ref={host} className={styles.screen} tabIndex={0} role="application" aria-label="The guest's screen" {...{ [GUEST_KEYS]: "" }}
      onPaste={(event) => {
        session.typeText(event.clipboardData.getData("text"));
        event.preventDefault();
      }}
      onMouseDown={() => host.current?.focus()}
    >
      <div ref={text} className={styles.textScreen} hidden={mode !== "text"} />
      <canvas
        ref={canvas} className={styles.canvas} hidden={mode !== "graphics"} aria-label="The guest's graphics"
        onClick={(event) => { if (document.pointerLockElement !== event.currentTarget) void event.currentTarget.requestPointerLock(); }}
      />
      {mode === "off" ? <p className={styles.off}>The screen is off.</p> : null}
    </div>
  );
}

/** Draws what changed since the last frame, if it can be seen. */
class ScreenPainter {
  private readonly reader: ScreenReader;
  private readonly host: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly onMode: (mode: "off" | "text" | "graphics") => void;
  private readonly painter = new TextScreenPainter();
  private readonly cells = new Uint16Array(MAX_COLUMNS * MAX_ROWS);
  private readonly aspect = cellAspect();
  private terminal: Terminal | null = null;
  private image: ImageData | null = null;
  private shown = -1;
  private box = "";

  constructor(reader: ScreenReader, host: HTMLElement, canvas: HTMLCanvasElement, onMode: (mode: "off" | "text" | "graphics") => void) {
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

  dispose(): void {
    this.terminal?.dispose();
  }
}
