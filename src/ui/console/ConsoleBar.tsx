// What can be done with the console that is shown: beside its tabs.

import { useEffect, useState } from "react";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./Console.module.css";
import type { ConsoleHandle } from "./console-handle.ts";
import { LayoutChoice } from "./LayoutChoice.tsx";

/** Lets the guest have keys that the browser takes for itself; only some browsers can. */
interface KeyboardLock {
  lock(): Promise<void>;
  unlock(): void;
}

function useFullscreen(panel: React.RefObject<HTMLElement | null>): { readonly full: boolean; readonly toggle: () => void } {
  const [full, setFull] = useState(false);
  useEffect(() => {
    const lock = (navigator as { readonly keyboard?: KeyboardLock }).keyboard;
    const changed = (): void => {
      const own = document.fullscreenElement !== null && document.fullscreenElement === panel.current;
      setFull(own);
      if (own) lock?.lock?.().catch(() => {});
      else lock?.unlock?.();
    };
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, [panel]);
  return { full, toggle: () => void (full ? document.exitFullscreen() : panel.current?.requestFullscreen?.()) };
}

export function ConsoleBar({ panel, kind, said, sound, finding, keyRow, onCopy, onPaste, onFind, onScreenshot, onSound, onKeyRow }: {
  readonly panel: React.RefObject<HTMLElement | null>; readonly kind: ConsoleHandle["kind"]; readonly said: string; readonly sound: boolean; readonly finding: boolean; readonly keyRow: boolean;
  readonly onCopy: () => void; readonly onPaste: () => void; readonly onFind: () => void; readonly onScreenshot: () => void; readonly onSound: () => void; readonly onKeyRow: () => void;
}): React.JSX.Element {
  const { settings } = usePage();
  const { screenReader } = useObservable(settings.state);
  const { full, toggle } = useFullscreen(panel);
  return (
    <>
      <span role="status" className={styles.said}>{said}</span>
      {said === "" ? <span className={styles.hint} title="Pressed and released, Ctrl+Alt gives the keyboard back"><kbd>Ctrl+Alt</kbd><span> frees the keys</span></span> : null}
      <span className={styles.tools} role="group" aria-label="Console">
        <Tool name="Copy" title="Copy the selection, or everything (Ctrl+Shift+C)" path="M3 2h7v2H5v7H3zM6 5h7v9H6zM8 7v5h3V7z" onPress={onCopy} />
        <Tool name="Paste…" title="Type a text for the guest (Ctrl+Shift+V)" path="M6 1h4v2h3v12H3V3h3zM5 5v8h6V5h-1v1H6V5zM6 8h4v1.300H6zM6 10.200h3v1.300H6z" onPress={onPaste} />
        <Tool name="Find" title="Find in the console (Ctrl+Shift+F)" pressed={finding} path="M6.5 2a4.5 4.5 0 0 1 3.6 7.200l3.9 3.9-1.4 1.4-3.9-3.900A4.5 4.5 0 1 1 6.5 2zm0 1.800a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.400z" onPress={onFind} />
        <Tool name="Keys" title="A row of keys for the guest" pressed={keyRow} path="M1 4h14v8H1zM2.6 5.500v5h10.800v-5zM3.6 6.300h1.500v1.300H3.600zM6 6.300h1.500v1.300H6zM8.5 6.300H10v1.300H8.500zM11 6.300h1.500v1.300H11zM4.5 8.700h7v1.200h-7z" onPress={onKeyRow} />
        <Tool name="Sound" title={sound ? "Silence the PC speaker" : "Hear the PC speaker"} pressed={sound} path={sound ? "M2 6h3l4-4v12L5 10H2zM10.5 5a4 4 0 0 1 0 6v-1.700a2.5 2.5 0 0 0 0-2.600zM12.3 3a7 7 0 0 1 0 10v-2a5.2 5.2 0 0 0 0-6z" : "M2 6h3l4-4v12L5 10H2zM11 6l1-1 1.5 1.500L15 5l1 1-1.5 1.500L16 9l-1 1-1.5-1.500L12 10l-1-1 1.5-1.500z"} onPress={onSound} />
        <Tool name={full ? "Leave full screen" : "Full screen"} title={full ? "Leave full screen" : "Full screen"} path={full ? "M6 2v4H2V4.500h2.500V2zM10 2v4h4V4.500h-2.500V2zM6 14v-4H2v1.500h2.500V14zM10 14v-4h4v1.500h-2.500V14z" : "M2 2h4v1.600H3.600V6H2zM10 2h4v4h-1.600V3.600H10zM2 10h1.600v2.400H6V14H2zM12.4 10H14v4h-4v-1.600h2.400z"} onPress={toggle} />
        <Menu label={<><span aria-hidden="true">⋯</span><span className="hidden">More for the console</span></>} title="More for the console" align="right" className={styles.tool}>
          {(close) => (
            <div className={styles.more}>
              <button type="button" onClick={() => { close(); onScreenshot(); }}>Save a screenshot</button>
              <button
                type="button" disabled={kind !== "screen"} title={kind === "screen" ? "The pointer moves in the guest until Ctrl+Alt" : "The mouse belongs to the screen"} onClick={() => {
                  close();
                  void panel.current?.querySelector<HTMLElement>("[role=tabpanel]:not([hidden]) [role=application]")?.requestPointerLock();
                }}
              >
                Give the mouse to the guest
              </button>
              <LayoutChoice label="Layout that the guest takes its keyboard for" />
              <label className={styles.check}>
                <input type="checkbox" checked={screenReader} onChange={(event) => settings.patch({ screenReader: event.target.checked })} /> For screen readers
              </label>
            </div>
          )}
        </Menu>
      </span>
    </>
  );
}

function Tool({ name, title, path, pressed, onPress }: {
  readonly name: string; readonly title: string; readonly path: string; readonly pressed?: boolean; readonly onPress: () => void;
}): React.JSX.Element {
  return (
    <button type="button" className={styles.tool} aria-label={name} title={title} {...(pressed === undefined ? {} : { "aria-pressed": pressed })} onClick={onPress}>
      <svg width="15" height="15" viewBox="0 0 16 16" aria-hidden="true"><path d={path} fill="currentColor" fillRule="evenodd" /></svg>
    </button>
  );
}
