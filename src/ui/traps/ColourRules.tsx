// The rules that colour rows: which filter, which colour, in which order.

import { type ColourRule, DEFAULT_RULES, ROW_COLOURS, type RowColour } from "../../store/colour-rules.ts";
import { compileFilter } from "../../trace/filter.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./ColourRules.module.css";

export function ColourRules({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const { settings } = usePage();
  const { colourRules: rules } = useObservable(settings.state);
  const set = (next: readonly ColourRule[]): void => settings.patch({ colourRules: next });
  const change = (index: number, changes: Partial<ColourRule>): void => set(rules.map((rule, own) => (own === index ? { ...rule, ...changes } : rule)));
  const raise = (index: number): void => set(rules.map((rule, own) => (own === index - 1 ? rules[index] : own === index ? rules[index - 1] : rule)));
  return (
    <Dialog
      title="Colours of the rows" wide onClose={onClose} footer={(
        <>
          <button type="button" onClick={() => set(DEFAULT_RULES)}>Put the first ones back</button>
          <button type="button" onClick={() => set([...rules, { name: "New rule", filter: "", colour: "blue", on: true }])}>Add a rule</button>
          <button type="button" className="primary" onClick={onClose}>Done</button>
        </>
      )}
    >
      <p className="muted">The first rule that a record passes colours its row. Where the system dictates colours, there are none.</p>
      <ol className={styles.rules}>
        {rules.map((rule, index) => {
          const result = compileFilter(rule.filter);
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: rules have no identity but their place: what is typed must not move the focus
            <li key={index} className={styles.rule}>
              <input type="checkbox" checked={rule.on} aria-label={`Use ${rule.name}`} onChange={(event) => change(index, { on: event.target.checked })} />
              <input type="text" value={rule.name} aria-label="Name" onChange={(event) => change(index, { name: event.target.value })} />
              <input type="text" className={styles.filter} value={rule.filter} aria-label={`Filter of ${rule.name}`} aria-invalid={!result.ok} spellCheck={false} onChange={(event) => change(index, { filter: event.target.value })} />
              <select value={rule.colour} aria-label={`Colour of ${rule.name}`} style={{ background: `var(--row-${rule.colour})` }} onChange={(event) => change(index, { colour: event.target.value as RowColour })}>
                {ROW_COLOURS.map((colour) => <option key={colour}>{colour}</option>)}
              </select>
              <span className={styles.buttons}>
                <button type="button" className="plain" aria-label={`Move ${rule.name} up`} disabled={index === 0} onClick={() => raise(index)}>↑</button>
                <button type="button" className="plain" aria-label={`Delete ${rule.name}`} onClick={() => set(rules.filter((_, own) => own !== index))}>✕</button>
              </span>
              {result.ok ? null : <span className={styles.wrong}>{result.message}</span>}
            </li>
          );
        })}
      </ol>
    </Dialog>
  );
}
