// The preset of the layout.

import { type View, VIEWS } from "../../store/settings.ts";
import { useObservable, usePage } from "../hooks.ts";
import { PRESET_TEXTS } from "../layout/presets.ts";
import { PANES } from "../panes.ts";
import styles from "./ViewSwitch.module.css";

export function ViewSwitch(): React.JSX.Element {
  const { settings } = usePage();
  const { view } = useObservable(settings.state);
  const views = VIEWS.filter((own) => PANES.some(({ areas }) => areas[own] !== undefined));
  return (
    <>
      <div className={styles.switch} role="group" aria-label="Layout">
        {views.map((own) => (
          <button key={own} type="button" aria-pressed={own === view} title={PRESET_TEXTS[own].line} onClick={() => settings.patch({ view: own })}>{PRESET_TEXTS[own].name}</button>
        ))}
      </div>
      <select className={styles.choice} aria-label="Layout" value={view} onChange={(event) => settings.patch({ view: event.target.value as View })}>
        {views.map((own) => <option key={own} value={own}>{PRESET_TEXTS[own].name}</option>)}
      </select>
    </>
  );
}
