// A serial line of the guest in a terminal.

import { FitAddon } from "@xterm/addon-fit";
import { useEffect, useRef } from "react";
import type { ByteStream } from "../../store/byte-stream.ts";
import { TerminalFeed } from "../../store/terminal-feed.ts";
import { GUEST_KEYS } from "../input/global-keys.ts";
import styles from "./Console.module.css";
import type { OnHandle } from "./console-handle.ts";
import { type Modifiers, serialCharacter, serialKey } from "./key-row-keys.ts";
import { pictureOfTerminal } from "./pictures.ts";
import { cellAspect, createTerminal, installEscapes } from "./terminal.ts";

const SCROLLBACK = 5000;
/** What programs on a serial line take for granted. */
const COLUMNS = 80;
const SMALLEST_FONT = 9, LARGEST_FONT = 13;
/** Padding and scroll bar. */
const MARGIN_PIXELS = 28;
const HELD_NAMES: Readonly<Record<string, keyof Modifiers>> = { ControlLeft: "control", AltLeft: "alt", ShiftLeft: "shift" };

export function SerialTerminal({ id, skipped, stream, label, screenReader, onInput, onRelease, onHandle, onTyped }: {
  readonly id: string;
  /** Tab passes by. */
  readonly skipped: boolean; readonly stream: ByteStream; readonly label: string; readonly screenReader: boolean;
  /** Null: output only. */
  readonly onInput: ((bytes: Uint8Array) => void) | null; readonly onRelease: () => void; readonly onHandle: OnHandle;
  /** A key was pressed: what was held for it is let go. */
  readonly onTyped: () => void;
}): React.JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef({ onInput, onRelease, onHandle, onTyped });
  latest.current = { onInput, onRelease, onHandle, onTyped };
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const terminal = createTerminal({ screenReader, fontSize: LARGEST_FONT, scrollback: SCROLLBACK });
    // In small sizes underscores would be cut off.
    terminal.options.lineHeight = 1.1;
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", label);
    installEscapes(terminal, () => latest.current.onRelease());
    const encoder = new TextEncoder();
    const held = { control: false, alt: false, shift: false };
    const anyHeld = (): boolean => held.control || held.alt || held.shift;
    const send = (text: string): void => latest.current.onInput?.(encoder.encode(text));
    terminal.onData((text) => {
      // Reports of the terminal and pasted text are no keys.
      if (!anyHeld() || text.length !== 1) return send(text);
      send(serialCharacter(held.shift ? text.toUpperCase() : text, held));
      latest.current.onTyped();
    });
    terminal.onBinary((text) => latest.current.onInput?.(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    const feed = new TerminalFeed(terminal);
    const detach = stream.attach((bytes) => feed.write(bytes));
    const onClear = stream.onClear(() => {
      feed.clear();
      terminal.reset();
    });
    latest.current.onHandle(id, {
      kind: "serial",
      terminal: () => terminal,
      focus: () => terminal.focus(),
      type: (text) => terminal.paste(text),
      press(code) {
        terminal.scrollToBottom();
        send(serialKey(code, held, terminal.modes.applicationCursorKeysMode));
      },
      hold(codes, down) {
        for (const code of codes) {
          const name = HELD_NAMES[code];
          if (name) held[name] = down;
        }
      },
      picture: () => pictureOfTerminal(terminal),
    });
    const aspect = cellAspect();
    const observer = new ResizeObserver(() => {
      if (element.clientWidth === 0 || element.clientHeight === 0) return;
      const font = Math.floor(((element.clientWidth - MARGIN_PIXELS) / COLUMNS / aspect) * 2) / 2;
      terminal.options.fontSize = Math.max(SMALLEST_FONT, Math.min(LARGEST_FONT, font));
      fit.fit();
    });
    observer.observe(element);
    return () => {
      latest.current.onHandle(id, null);
      observer.disconnect();
      onClear();
      detach();
      terminal.dispose();
    };
  }, [id, stream, label, screenReader]);
  useEffect(() => {
    const field = host.current?.querySelector("textarea");
    if (field) field.tabIndex = skipped ? -1 : 0;
  }, [skipped]);
  return <div ref={host} className={styles.terminal} {...{ [GUEST_KEYS]: "" }} />;
}
