// Stop the machine at a record: the next leak, one of a class, one that passes the present filter, or after so many more.

import { useState } from "react";
import { useObservable, useSession } from "../hooks.ts";
import { CLASS_TEXTS } from "../texts.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./PauseMenu.module.css";

const CLASSES = ["privileged", "sensitive", "io", "memory", "exception", "call", "interrupt"] as const;

export function PauseMenu(): React.JSX.Element {
  const session = useSession();
  const { breakpoints } = useObservable(session.debug.state);
  const set = breakpoints.filter(({ spec }) => spec.kind === "trap").length;
  return <Menu label={set > 0 ? `Pause on (${set})` : "Pause on"} title="Stop the machine at a record" align="right">{() => <Choices />}</Menu>;
}

function Choices(): React.JSX.Element {
  const session = useSession();
  const { debug, traps } = session;
  const { breakpoints } = useObservable(debug.state);
  const { filter, filterError, totals } = useObservable(traps.state);
  const [more, setMore] = useState(100);
  const own = breakpoints.flatMap((breakpoint) => (breakpoint.spec.kind === "trap" ? [{ ...breakpoint, filter: breakpoint.spec.filter }] : []));
  const pauseOn = (text: string): void => {
    if (!own.some((breakpoint) => breakpoint.filter === text)) debug.add({ kind: "trap", filter: text });
  };
  const records = totals.traps + totals.callouts + totals.leaks + totals.observed;
  return (
    <div className={styles.menu}>
      <h3>Pause on</h3>
      <div className={styles.choices}>
        <button type="button" onClick={() => pauseOn("kind == exit")}>any trap</button>
        <button type="button" onClick={() => pauseOn("kind == leak")}>any leak</button>
        {CLASSES.map((name) => <button key={name} type="button" title={CLASS_TEXTS[name].title} onClick={() => pauseOn(`class == ${name}`)}>{name}</button>)}
      </div>
      <button type="button" disabled={filter.trim() === "" || filterError !== null} onClick={() => pauseOn(filter)}>what the filter passes</button>
      <form className={styles.line} onSubmit={(event) => { event.preventDefault(); pauseOn(`seq >= ${records + more - 1}`); }}>
        <label className={styles.line}>after <input type="number" min={1} value={more} onChange={(event) => setMore(Math.max(1, Math.floor(Number(event.target.value))))} /> more records</label>
        <button type="submit">Set</button>
      </form>
      {own.length > 0 ? <h3>Set</h3> : null}
      <ul className={styles.set}>
        {own.map(({ id, enabled, refused, filter: text }) => (
          <li key={id}>
            <input type="checkbox" checked={enabled} aria-label={`Pause on ${text}`} onChange={(event) => debug.enable(id, event.target.checked)} />
            <code>{text}</code>
            {refused ? <span className={styles.refused}>{refused}</span> : null}
            <button type="button" className="plain" aria-label={`Remove ${text}`} onClick={() => debug.remove(id)}>✕</button>
          </li>
        ))}
      </ul>
    </div>
  );
}
