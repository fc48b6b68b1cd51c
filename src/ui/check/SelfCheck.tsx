// What the page needs from browser and server, and what of it is there.

import { useEffect, useState } from "react";
import { checkBrowser, type Check } from "../../store/self-check.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./SelfCheck.module.css";

const WORDS: Readonly<Record<Check["state"], string>> = { ok: "✓", without: "–", missing: "✕" };
const SPOKEN: Readonly<Record<Check["state"], string>> = { ok: "there", without: "does without", missing: "missing" };

export function SelfCheck(): React.JSX.Element {
  const page = usePage();
  const isolation = useObservable(page.isolation);
  const [checks, setChecks] = useState<readonly Check[] | null>(null);
  useEffect(() => {
    let gone = false;
    void checkBrowser(page.checkedBrowser()).then((found) => { if (!gone) setChecks(found); });
    return () => { gone = true; };
  }, [page]);
  const close = (): void => page.checking.set(false);
  const lines = isolation?.headers.join("\n") ?? "";
  const worst = checks?.some(({ state }) => state === "missing") ? "missing" : checks?.some(({ state }) => state === "without") ? "without" : "ok";
  return (
    <Dialog
      title="What this browser has" wide onClose={close} footer={(
        <>
          {lines === "" ? null : <button type="button" onClick={() => void navigator.clipboard?.writeText(lines)}>Copy the header lines</button>}
          <button type="button" className="primary" onClick={close}>Close</button>
        </>
      )}
    >
      {checks === null ? <p>Looking…</p> : (
        <>
          <p>{{ ok: "Everything is here.", without: "Guests run; what is marked – is absent, and costs what stands there.", missing: "Guests cannot run here, because of what is marked ✕." }[worst]}</p>
          <dl className={styles.checks}>
            {checks.map(({ name, state, found, advice }) => (
              <div key={name} data-state={state}>
                <dt><span className={styles.state} aria-hidden="true">{WORDS[state]}</span>{name}<span className="hidden">: {SPOKEN[state]}</span></dt>
                <dd>{found}{advice === "" ? null : <span className="muted"> {advice}</span>}</dd>
              </div>
            ))}
          </dl>
          {lines === "" ? null : <pre className={styles.headers}>{lines}</pre>}
        </>
      )}
    </Dialog>
  );
}
