// A button that opens a panel under itself; a press elsewhere or Escape closes it.

import { useId, useState } from "react";
import { useDismiss } from "../hooks.ts";
import styles from "./Menu.module.css";

export function Menu({ label, title, children, align = "left", className, id }: {
  readonly label: React.ReactNode; readonly title: string; readonly children: (close: () => void) => React.ReactNode; readonly align?: "left" | "right";
  readonly className?: string | undefined; readonly id?: string;
}): React.JSX.Element {
  const [open, setOpen] = useState(false);
  const panel = useId();
  const ref = useDismiss(open, () => setOpen(false));
  return (
    <div className={styles.menu} ref={ref}>
      <button type="button" id={id} aria-expanded={open} aria-controls={panel} title={title} className={className} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open ? <div id={panel} role="group" aria-label={title} className={`${styles.panel} ${align === "right" ? styles.right : ""}`}>{children(() => setOpen(false))}</div> : null}
    </div>
  );
}
