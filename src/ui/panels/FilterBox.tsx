// The filter: says at once whether it is valid, and if not, where and what may stand there.

import { useEffect, useId, useState } from "react";
import { compileFilter } from "../../trace/filter.ts";
import { useObservable, usePage } from "../hooks.ts";
import styles from "./FilterBox.module.css";

const WAIT_MS = 180;
const SUGGESTIONS = ["kind == leak", "kind == exit", "insn == popf", "reason == #GP", "class == sensitive", "vcpl == 0", "bytes contains 0f 01"];
const ALLOWED_SHOWN = 12;

export function FilterBox(): React.JSX.Element {
  const { session, settings } = usePage();
  const { filter, scanned } = useObservable(session.traps.state);
  const { filters } = useObservable(settings.state);
  const [text, setText] = useState(filter);
  const message = useId(), history = useId();
  // Another panel may set the filter; what is being typed wins over what is being applied.
  useEffect(() => setText(filter), [filter]);
  useEffect(() => {
    if (text === filter) return;
    const timer = setTimeout(() => session.traps.setFilter(text), WAIT_MS);
    return () => clearTimeout(timer);
  }, [text, filter, session]);
  const result = compileFilter(text);
  return (
    <div className={styles.filter}>
      <input
        id="trap-filter" type="search" list={history} value={text} spellCheck={false} autoComplete="off" placeholder="Filter: insn == popf && vcpl == 0" aria-label="Filter the traps"
        aria-invalid={!result.ok} aria-describedby={message} onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !result.ok) return;
          session.traps.setFilter(text);
          settings.rememberFilter(text);
        }}
        onBlur={() => { if (result.ok) settings.rememberFilter(text); }}
      />
      <datalist id={history}>{[...new Set([...filters, ...SUGGESTIONS])].map((own) => <option key={own} value={own} />)}</datalist>
      <div id={message} className={styles.message} role="status">
        {result.ok ? (scanned < 1 ? <span className="muted">looked at {Math.floor(scanned * 100)} %</span> : null) : (
          <>
            <code className={styles.echo} aria-hidden="true">{text.slice(0, result.position)}<mark>{text.slice(result.position, result.position + result.length) || "␣"}</mark>{text.slice(result.position + result.length)}</code>
            <span className={styles.error}>{result.message}</span>
            {result.allowed.length > 0 ? <span className="muted"> Allowed: {result.allowed.slice(0, ALLOWED_SHOWN).join(", ")}{result.allowed.length > ALLOWED_SHOWN ? " …" : ""}</span> : null}
          </>
        )}
      </div>
    </div>
  );
}
