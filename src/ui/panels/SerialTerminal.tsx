// A serial line of the guest in a terminal.

import { FitAddon } from "@xterm/addon-fit";
import { useEffect, useRef } from "react";
import type { ByteStream } from "../../store/byte-stream.ts";
import { GUEST_KEYS } from "../input/global-keys.ts";
import { createTerminal, installEscapes } from "../terminal.ts";
import styles from "./ConsolePanel.module.css";

const SCROLLBACK = 5000;

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
    const terminal = createTerminal({ screenReader, fontSize: 13, scrollback: SCROLLBACK });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", label);
    installEscapes(terminal, () => release.current());
    const encoder = new TextEncoder();
    terminal.onData((text) => input.current?.(encoder.encode(text)));
    terminal.onBinary((text) => input.current?.(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    const detach = stream.attach((bytes) => terminal.write(bytes));
    const onClear = stream.onClear(() => terminal.reset());
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientHeight > 0) fit.fit();
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
