// The preset of the layout.

import { VIEWS } from "../../store/settings.ts";
import { useObservable, usePage } from "../hooks.ts";
import { PRESET_TEXTS } from "../layout/presets.ts";
import { PANES } from "../panes.ts";
import styles from "./ViewSwitch.module.css";

export function ViewSwitch(): React.JSX.Element {
  const { settings } = usePage();
  const { view } = useObservable(settings.state);
  return (
    <div className={styles.switch} role="group" aria-label="Layout">
      {VIEWS.filter((own) => PANES.some(({ areas }) => areas[own] !== undefined)).map((own) => (
        <button key={own} type="button" aria-pressed={own === view} title={PRESET_TEXTS[own].line} onClick={() => settings.patch({ view: own })}>{PRESET_TEXTS[own].name}</button>
      ))}
    </div>
  );
}
