// Looks for a text in the console that is shown.

import type { Terminal } from "@xterm/xterm";
import { useEffect, useRef, useState } from "react";
import { type Found, findText, showFound } from "./console-search.ts";
import styles from "./Console.module.css";

export function FindBar({ terminal, onClose }: { readonly terminal: () => Terminal | null; readonly onClose: () => void }): React.JSX.Element {
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ readonly places: readonly Found[]; readonly at: number } | null>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);

  const look = (wanted: string, step: 0 | 1 | -1): void => {
    const own = terminal();
    if (!own || wanted === "") {
      own?.clearSelection();
      return setFound(own ? null : { places: [], at: 0 });
    }
    // The guest may have written since.
    const places = findText(own.buffer.active, own.cols, wanted);
    // The newest stands at the end: that is what one looks for.
    const at = places.length === 0 ? 0 : step === 0 || !found ? places.length - 1 : (Math.min(found.at, places.length - 1) + step + places.length) % places.length;
    setFound({ places, at });
    if (places[at]) showFound(own, places[at]);
    else own.clearSelection();
  };
  const close = (): void => {
    terminal()?.clearSelection();
    onClose();
  };
  return (
    <div className={styles.find} role="search" aria-label="Find in the console">
      <input
        ref={input} type="search" value={text} spellCheck={false} aria-label="Find in the console" placeholder="Find in the console" onChange={(event) => {
          setText(event.target.value);
          look(event.target.value, 0);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") look(text, event.shiftKey ? 1 : -1);
          else if (event.key === "Escape") close();
          else return;
          event.preventDefault();
        }}
      />
      <span role="status" className={styles.findCount}>{found === null ? "" : found.places.length === 0 ? (terminal() ? "not found" : "no text here") : `${found.at + 1} of ${found.places.length}`}</span>
      <button type="button" aria-label="Upwards" title="Upwards (Enter)" disabled={!found?.places.length} onClick={() => look(text, -1)}>↑</button>
      <button type="button" aria-label="Downwards" title="Downwards (Shift+Enter)" disabled={!found?.places.length} onClick={() => look(text, 1)}>↓</button>
      <button type="button" className="plain" aria-label="Close the search" onClick={close}>✕</button>
    </div>
  );
}
