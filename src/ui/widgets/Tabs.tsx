// A row of tabs after the ARIA pattern: arrow keys move, the panel belongs to its tab.

import { useId, useRef } from "react";
import styles from "./Tabs.module.css";

export interface Tab {
  readonly id: string;
  readonly label: string;
  readonly content: React.ReactNode;
  /** Stays mounted while another tab is shown (terminals keep their content). */
  readonly keep?: boolean;
}

export function Tabs({ label, tabs, active, onSelect, actions, below }: {
  readonly label: string; readonly tabs: readonly Tab[]; readonly active: string; readonly onSelect: (id: string) => void; readonly actions?: React.ReactNode;
  /** Between the row of tabs and what they show. */
  readonly below?: React.ReactNode;
}): React.JSX.Element {
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const current = tabs.find((tab) => tab.id === active) ?? tabs[0];
  const move = (event: React.KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const next = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length];
    onSelect(next.id);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
    event.preventDefault();
  };
  return (
    <div className={styles.tabs}>
      <div className={styles.bar}>
        <div role="tablist" aria-label={label} ref={list} onKeyDown={move} className={styles.list}>
          {tabs.map((tab) => (
            <button
              key={tab.id} type="button" role="tab" data-tab={tab.id} id={`${base}-tab-${tab.id}`} aria-selected={tab === current} aria-controls={`${base}-panel-${tab.id}`}
              tabIndex={tab === current ? 0 : -1} onClick={() => onSelect(tab.id)} className={styles.tab}
            >
              {tab.label}
            </button>
          ))}
        </div>
        {actions ? <div className={styles.actions}>{actions}</div> : null}
      </div>
      {below}
      {tabs.map((tab) => (
        <div key={tab.id} role="tabpanel" id={`${base}-panel-${tab.id}`} aria-labelledby={`${base}-tab-${tab.id}`} hidden={tab !== current} className={styles.panel}>
          {tab === current || tab.keep ? tab.content : null}
        </div>
      ))}
    </div>
  );
}
