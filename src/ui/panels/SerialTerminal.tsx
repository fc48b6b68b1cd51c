// A serial line of the guest in a terminal.

import { FitAddon } from "@xterm/addon-fit";
import { useEffect, useRef } from "react";
import type { ByteStream } from "../../store/byte-stream.ts";
import { TerminalFeed } from "../../store/terminal-feed.ts";
import { GUEST_KEYS } from "../input/global-keys.ts";
import { cellAspect, createTerminal, installEscapes } from "../terminal.ts";
import styles from "./ConsolePanel.module.css";

const SCROLLBACK = 5000;
/** What programs on a serial line take for granted. */
const COLUMNS = 80;
const SMALLEST_FONT = 9, LARGEST_FONT = 13;
/** Padding and scroll bar. */
const MARGIN_PIXELS = 28;

export function SerialTerminal({ stream, label, screenReader, onInput, onRelease }: {
  readonly stream: ByteStream; readonly label: string; readonly screenReader: boolean;
  /** Null: output only. */
  readonly onInput: ((bytes: Uint8Array) => void) | null; readonly onRelease: () => void;
}): React.JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const input = useRef(onInput);
  input.current = onInput;
  const release = useRef(onRelease);
  release.current = onRelease;
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const terminal = createTerminal({ screenReader, fontSize: LARGEST_FONT, scrollback: SCROLLBACK });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", label);
    installEscapes(terminal, () => release.current());
    const encoder = new TextEncoder();
    terminal.onData((text) => input.current?.(encoder.encode(text)));
    terminal.onBinary((text) => input.current?.(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    const feed = new TerminalFeed(terminal);
    const detach = stream.attach((bytes) => feed.write(bytes));
    const onClear = stream.onClear(() => {
      feed.clear();
      terminal.reset();
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
      observer.disconnect();
      onClear();
      detach();
      terminal.dispose();
    };
  }, [stream, label, screenReader]);
  return <div ref={host} className={styles.terminal} {...{ [GUEST_KEYS]: "" }} />;
}
