// A text for the guest: as bytes of a serial line, or as key presses of a layout, which may lack some of its characters.

import { useEffect, useMemo, useRef, useState } from "react";
import { count } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { characterName, layoutOf, typeText } from "../input/keyboard-layouts.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import type { ConsoleHandle } from "./console-handle.ts";
import styles from "./Console.module.css";
import { LayoutChoice } from "./LayoutChoice.tsx";

/** The most that is named one by one. */
const MOST_NAMED = 12;

export function PasteDialog({ kind, text: given, onType, onClose }: {
  readonly kind: ConsoleHandle["kind"]; readonly text: string; readonly onType: (text: string) => void; readonly onClose: () => void;
}): React.JSX.Element {
  const { settings } = usePage();
  const { keyboard } = useObservable(settings.state);
  const [text, setText] = useState(given);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.focus(), []);
  const missing = useMemo(() => (kind === "screen" ? typeText(text, layoutOf(keyboard)).missing : []), [kind, text, keyboard]);
  return (
    <Dialog
      title={kind === "screen" ? "Type a text on the guest's keyboard" : "Send a text down the serial line"} wide onClose={onClose} footer={(
        <>
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="button" className="primary" disabled={text === ""} onClick={() => onType(text)}>{missing.length > 0 ? "Type the rest" : kind === "screen" ? "Type it" : "Send it"}</button>
        </>
      )}
    >
      <textarea ref={area} className={styles.paste} aria-label="Text for the guest" spellCheck={false} rows={8} value={text} onChange={(event) => setText(event.target.value)} />
      {kind === "screen" ? <LayoutChoice label="The guest takes its keyboard for" /> : <p className="muted">A serial line carries characters as they are: the layout does not matter.</p>}
      <p role="status" className={missing.length > 0 ? styles.missing : "muted"}>
        {missing.length > 0 ? (
          <>This layout has no key for {missing.slice(0, MOST_NAMED).map(({ character, times }) => `${characterName(character)}${times > 1 ? ` × ${count(times)}` : ""}`).join(", ")}{missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : ""}.</>
        ) : text === "" ? "Paste or write it here." : kind === "screen" ? "Every character has a key." : ""}
      </p>
    </Dialog>
  );
}
