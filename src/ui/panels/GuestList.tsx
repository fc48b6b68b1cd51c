// The bundled guests as cards: one click boots one under the technique that it was written for.

import { useObservable, usePage } from "../hooks.ts";
import styles from "./GuestList.module.css";

/** Shown first: what a newcomer should try. */
const FIRST = ["popf", "tables", "tour"];

export function GuestList({ compact = false, onChosen }: { readonly compact?: boolean; readonly onChosen?: () => void }): React.JSX.Element {
  const page = usePage();
  const guests = useObservable(page.guests);
  const { techniques } = useObservable(page.session.state);
  if (!guests) return <p className="muted">Loading the bundled guests…</p>;
  const rank = (id: string): number => (FIRST.includes(id) ? FIRST.indexOf(id) : FIRST.length);
  const sorted = [...guests].sort((x, y) => rank(x.id) - rank(y.id));
  return (
    <ul className={compact ? styles.compact : styles.cards}>
      {sorted.map((guest) => (
        <li key={guest.id}>
          <button
            type="button" className={styles.card} data-guest={guest.id} onClick={() => {
              onChosen?.();
              void page.bootGuest(guest);
            }}
          >
            <span className={styles.head}>
              <code>{guest.id}</code>
              <span className={styles.tag}>{techniques.includes(guest.technique) ? `${guest.technique}${guest.technique === "emulate" ? "" : ` · ring ${guest.ring}`}` : "emulate"}</span>
            </span>
            <span className={styles.title}>{guest.title}</span>
            <span className={styles.text}>{guest.description}</span>
            {compact || !guest.see ? null : <span className={styles.see}>{guest.see}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}
