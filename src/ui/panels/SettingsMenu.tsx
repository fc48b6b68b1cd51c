// What the page remembers: look, layout, memory of the next machine.

import { type Theme, THEMES } from "../../store/settings.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./SettingsMenu.module.css";

const THEME_NAMES: Readonly<Record<Theme, string>> = { system: "as the system", light: "light", dark: "dark", contrast: "high contrast" };
const MEMORY = [16, 32, 64, 128, 256, 512, 1024];

function Gear(): React.JSX.Element {
  return (
    <svg width="15" height="15" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M6.9 1h2.2l.4 1.9 1.2.5 1.6-1.1 1.5 1.6-1 1.6.5 1.2 1.9.4v2.2l-1.9.4-.5 1.2 1 1.6-1.5 1.6-1.6-1.1-1.2.5L9.100 15H6.900l-.4-1.9-1.200-.5-1.600 1.100-1.500-1.600 1-1.600-.5-1.200L.8 9V6.900l1.900-.4.5-1.200-1-1.600 1.500-1.600 1.600 1.100 1.200-.5zM8 5.600a2.400 2.400 0 1 0 0 4.800 2.400 2.400 0 0 0 0-4.800z" fill="currentColor" />
    </svg>
  );
}

export function SettingsMenu(): React.JSX.Element {
  const { settings, session } = usePage();
  const own = useObservable(settings.state);
  return (
    <Menu label={<><Gear /><span className="hidden">Settings</span></>} title="Settings" align="right">
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
