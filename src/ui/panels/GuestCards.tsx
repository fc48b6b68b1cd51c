// The bundled guests as cards, each with a picture of what it shows. Needs no machine: it is on the first view.

import type { TechniqueId } from "../../protocol/technique.ts";
import type { GuestCard } from "../../store/guests.ts";
import { techniqueText } from "../format.ts";
import { CodeText } from "../widgets/CodeText.tsx";
import styles from "./GuestList.module.css";

/** Shown first: what a newcomer should try. */
const FIRST = ["popf", "tables", "tour"];

/** `techniques` null: not known yet. */
export function GuestCards({ guests, techniques, compact = false, chosen = null, onChoose }: {
  readonly guests: readonly GuestCard[] | null; readonly techniques: readonly TechniqueId[] | null; readonly compact?: boolean; readonly chosen?: string | null;
  readonly onChoose: (guest: GuestCard) => void;
}): React.JSX.Element {
  if (!guests) return <p className="muted">Loading the bundled guests…</p>;
  const rank = (id: string): number => (FIRST.includes(id) ? FIRST.indexOf(id) : FIRST.length);
  return (
    <ul className={compact ? styles.compact : styles.cards}>
      {[...guests].sort((x, y) => rank(x.id) - rank(y.id)).map((guest) => (
        <li key={guest.id}>
          <button type="button" className={styles.card} data-guest={guest.id} aria-busy={chosen === guest.id} onClick={() => onChoose(guest)}>
            {compact ? null : <img src={guest.picture} alt="" width="360" height="150" loading="lazy" className={styles.picture} />}
            <span className={styles.head}>
              <code>{guest.id}</code>
              <span className={styles.tag}>{techniques === null || techniques.includes(guest.technique) ? techniqueText(guest) : "emulate"}</span>
            </span>
            <span className={styles.title}>{guest.title}</span>
            <span className={styles.text}><CodeText text={guest.description} /></span>
            {compact || !guest.see ? null : <span className={styles.see}>{chosen === guest.id ? "Starting…" : <CodeText text={guest.see} />}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}
