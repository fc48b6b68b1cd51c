// Keys that a phone, or a browser that keeps them for itself, cannot send. Modifiers are held until the next key.

import { HELD_KEYS, ROW_KEYS } from "./key-row-keys.ts";
import type { ConsoleHandle } from "./console-handle.ts";
import styles from "./Console.module.css";

export function KeyRow({ kind, held, onHold, onPress, onReboot }: {
  readonly kind: ConsoleHandle["kind"];
  /** Labels of the modifiers that are held. */
  readonly held: ReadonlySet<string>; readonly onHold: (label: string) => void; readonly onPress: (code: string) => void; readonly onReboot: () => void;
}): React.JSX.Element {
  // A press must not take the focus, and with it a phone's keyboard, from the console.
  const keep = (event: React.PointerEvent): void => event.preventDefault();
  return (
    <div className={styles.keys} role="group" aria-label="Keys for the guest" onPointerDown={keep}>
      {HELD_KEYS.filter(({ screenOnly }) => !screenOnly || kind === "screen").map(({ label, name }) => (
        <button key={label} type="button" aria-pressed={held.has(label)} title={`${name}, held until the next key`} onClick={() => onHold(label)}>{label}</button>
      ))}
      {ROW_KEYS.map(({ label, name, code }) => (
        <button key={code} type="button" {...(/^[\w]+$/.test(label) ? {} : { "aria-label": name })} title={name} onClick={() => onPress(code)}>{label}</button>
      ))}
      {kind === "screen" ? <button type="button" title="Control, Alt and Delete together" onClick={onReboot}>Ctrl+Alt+Del</button> : null}
    </div>
  );
}
