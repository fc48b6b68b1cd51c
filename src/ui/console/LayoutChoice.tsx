// Which layout the guest was told that its keyboard has.

import { useObservable, usePage } from "../hooks.ts";
import { layoutOf, LAYOUTS } from "../input/keyboard-layouts.ts";
import styles from "./Console.module.css";

export function LayoutChoice({ label }: { readonly label: string }): React.JSX.Element {
  const { settings } = usePage();
  const { keyboard } = useObservable(settings.state);
  return (
    <label className={styles.layout}>{label}
      <select value={layoutOf(keyboard).id} onChange={(event) => settings.patch({ keyboard: event.target.value })}>
        {LAYOUTS.map(({ id, title }) => <option key={id} value={id}>{title}</option>)}
      </select>
    </label>
  );
}
