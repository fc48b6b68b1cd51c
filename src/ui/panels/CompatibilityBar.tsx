// Page and machine cannot share memory here: one line says what is slower, and why.

import { useState } from "react";
import { useObservable, usePage } from "../hooks.ts";
import styles from "./CompatibilityBar.module.css";

export function CompatibilityBar(): React.JSX.Element | null {
  const page = usePage();
  const problem = useObservable(page.isolation);
  const [closed, setClosed] = useState(false);
  if (!problem || closed) return null;
  return (
    <section role="alert" className={styles.bar} aria-label="Compatibility mode">
      <p><strong>Compatibility mode:</strong> the machine runs as fast, but its screen and its traps reach the page at most twenty times a second. {problem.reason}</p>
      <button type="button" onClick={() => page.checking.set(true)}>What is missing…</button>
      <button type="button" className="plain" aria-label="Close" onClick={() => setClosed(true)}>✕</button>
    </section>
  );
}
