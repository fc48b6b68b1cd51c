// The chips of the board, one at a time, as they are now. Looking at a register here has no effect, whatever reading its port would do.

import { useRef, useState } from "react";
import { useObservable, useSession } from "../hooks.ts";
import { plainSections, type Registers } from "./chip-values.ts";
import { CHIP_VIEWS } from "./chip-views.ts";
import styles from "./debug.module.css";
import { useInspect } from "./inspect.ts";

export function DevicesPane(): React.JSX.Element {
  const { revision } = useObservable(useSession().debug.state);
  const chips = useInspect<"chips">({ kind: "chips" });
  const [name, setName] = useState("8259A");
  const answer = useInspect<"chip">({ kind: "chip", name });
  const before = useRef<{ revision: number; name: string; now: ReadonlyMap<string, string>; older: ReadonlyMap<string, string> }>({ revision: -1, name: "", now: new Map(), older: new Map() });
  const view = CHIP_VIEWS[name];
  const state = answer?.name === name ? (answer.state as Registers) : null;
  const sections = !state || Object.keys(state as object).length === 0 ? [] : (view?.sections(state) ?? plainSections(state));
  const values = new Map(sections.flatMap(({ title = "", rows }) => rows.map(([row, value]) => [`${title}.${row}`, value] as const)));
  const kept = before.current;
  if (sections.length > 0 && (kept.revision !== revision || kept.name !== name)) before.current = { revision, name, now: values, older: kept.name === name ? kept.now : new Map() };
  else if (sections.length > 0) before.current = { ...kept, now: values };
  const { older } = before.current;
  return (
    <div className={styles.pane}>
      <div className={styles.chips}>
        <div className={styles.chipList} role="group" aria-label="Chips">
          {(chips?.names ?? []).map((own) => (
            <button key={own} type="button" aria-pressed={own === name} data-chip={own} onClick={() => setName(own)}>
              {CHIP_VIEWS[own]?.title ?? own}<small>{CHIP_VIEWS[own]?.purpose ?? ""}</small>
            </button>
          ))}
        </div>
        <div className={styles.chip} tabIndex={0} role="region" aria-label={view?.title ?? name}>
          <h2>{view?.title ?? name}</h2>
          {sections.map(({ title = "", rows }) => (
            <div key={title}>
              {title === "" ? null : <h3>{title}</h3>}
              <dl className={styles.registers}>
                {rows.map(([row, value, meaning]) => {
                  const last = older.get(`${title}.${row}`);
                  return <div key={row}><dt>{row}</dt><dd>{last !== undefined && last !== value ? <b title={`was ${last}`}>{value}</b> : value}</dd><dd>{meaning}</dd></div>;
                })}
              </dl>
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
