// The text screen for a screen reader: what stands there, to be read line by line, and the lines that change, spoken.

import { useEffect, useRef, useState } from "react";
import { changedLines } from "./changed-lines.ts";
import styles from "./Console.module.css";

const LOOK_MS = 500;
/** Lines that can be heard again. */
const KEPT = 40;

export function ScreenText({ read }: { readonly read: () => string | null }): React.JSX.Element {
  const [text, setText] = useState<string | null>(null);
  const [spoken, setSpoken] = useState<readonly { readonly id: number; readonly line: string }[]>([]);
  const latest = useRef(read);
  latest.current = read;
  const before = useRef<string | null>(null);
  useEffect(() => {
    let next = 0;
    const look = (): void => {
      const now = latest.current();
      if (now === before.current) return;
      const lines = changedLines(before.current ?? "", now ?? "").map((line) => ({ id: next++, line }));
      if (lines.length > 0) setSpoken((own) => [...own, ...lines].slice(-KEPT));
      before.current = now;
      setText(now);
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className={styles.screenText}>
      <textarea readOnly aria-label="The screen as text" spellCheck={false} value={text ?? "The screen shows a picture, or nothing."} />
      <div role="log" aria-live="polite" aria-label="What changed on the screen" className="hidden">{spoken.map(({ id, line }) => <p key={id}>{line}</p>)}</div>
    </div>
  );
}
