// What the page remembers: look, layout, memory of the next machine.

import { type Theme, THEMES } from "../../store/settings.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./SettingsMenu.module.css";

const THEME_NAMES: Readonly<Record<Theme, string>> = { system: "as the system", light: "light", dark: "dark", contrast: "high contrast" };
const MEMORY = [16, 32, 64, 128, 256, 512, 1024];

export function SettingsMenu(): React.JSX.Element {
  const { settings, session } = usePage();
  const own = useObservable(settings.state);
  return (
    <Menu label="Settings" title="Settings" align="right">
      {() => (
        <div className={styles.menu}>
          <label>Look
            <select value={own.theme} onChange={(event) => settings.patch({ theme: event.target.value as Theme })}>
              {THEMES.map((theme) => <option key={theme} value={theme}>{THEME_NAMES[theme]}</option>)}
            </select>
          </label>
          <label>Memory of a dropped image
            <select
              value={own.memoryMegabytes} onChange={(event) => {
                settings.patch({ memoryMegabytes: Number(event.target.value) });
                session.setOptions({ memoryBytes: Number(event.target.value) << 20 });
              }}
            >
              {MEMORY.map((megabytes) => <option key={megabytes} value={megabytes}>{megabytes} MB</option>)}
            </select>
          </label>
          <label className={styles.check}>
            <input type="checkbox" checked={own.screenReader} onChange={(event) => settings.patch({ screenReader: event.target.checked })} />
            Console for screen readers
          </label>
          <button type="button" onClick={() => settings.patch({ sizes: {}, tabs: {} })}>Put the panes back</button>
          <button type="button" onClick={() => settings.reset()}>Forget all settings</button>
        </div>
      )}
    </Menu>
  );
}
