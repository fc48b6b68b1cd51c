// Filters that are kept: saved under a name, and the latest ones.

import { useState } from "react";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./FilterMenu.module.css";

export function FilterMenu(): React.JSX.Element {
  return <Menu label="Filters" title="Saved and recent filters">{(close) => <Kept onDone={close} />}</Menu>;
}

function Kept({ onDone }: { readonly onDone: () => void }): React.JSX.Element {
  const { session, settings } = usePage();
  const { filter, filterError } = useObservable(session.traps.state);
  const { filters, savedFilters } = useObservable(settings.state);
  const [name, setName] = useState("");
  const use = (own: string): void => {
    session.traps.setFilter(own);
    onDone();
  };
  const canSave = filter.trim() !== "" && !filterError;
  return (
    <div className={styles.menu}>
      <form
        className={styles.save} onSubmit={(event) => {
          event.preventDefault();
          if (canSave) settings.saveFilter(name.trim() || filter, filter);
          setName("");
        }}
      >
        <input type="text" value={name} placeholder={canSave ? filter : "Type a filter first"} aria-label="Name for this filter" disabled={!canSave} onChange={(event) => setName(event.target.value)} />
        <button type="submit" disabled={!canSave}>Save filter</button>
      </form>
      {savedFilters.length > 0 ? <h3>Saved</h3> : null}
      <ul className={styles.list}>
        {savedFilters.map((own) => (
          <li key={own.name}>
            <button type="button" className={`plain ${styles.apply}`} onClick={() => use(own.filter)}><span>{own.name}</span><code>{own.filter}</code></button>
            <button type="button" className="plain" aria-label={`Delete ${own.name}`} onClick={() => settings.deleteFilter(own.name)}>✕</button>
          </li>
        ))}
      </ul>
      {filters.length > 0 ? <h3>Latest</h3> : null}
      <ul className={styles.list}>
        {filters.map((own) => <li key={own}><button type="button" className={`plain ${styles.apply}`} onClick={() => use(own)}><code>{own}</code></button></li>)}
      </ul>
      {savedFilters.length + filters.length === 0 ? <p className="muted">Nothing is kept yet. Enter keeps a filter in the list of the latest.</p> : null}
    </div>
  );
}
