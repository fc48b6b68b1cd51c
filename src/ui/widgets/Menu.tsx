// A button that opens a panel under itself; a press elsewhere or Escape closes it.

import { useId, useLayoutEffect, useRef, useState } from "react";
import { useDismiss } from "../hooks.ts";
import styles from "./Menu.module.css";

const EDGE_PIXELS = 8;

export function Menu({ label, title, children, align = "left", className, id }: {
  readonly label: React.ReactNode; readonly title: string; readonly children: (close: () => void) => React.ReactNode; readonly align?: "left" | "right";
  readonly className?: string | undefined; readonly id?: string;
}): React.JSX.Element {
  const [open, setOpen] = useState(false);
  const panel = useId();
  const button = useRef<HTMLButtonElement>(null);
  const ref = useDismiss(open, (byKey) => {
    setOpen(false);
    if (byKey) button.current?.focus();
  });
  const own = useRef<HTMLDivElement>(null);
  // Under its button, but never beyond the edges of the window.
  useLayoutEffect(() => {
    const element = own.current;
    if (!open || !element) return;
    const { left, right, width } = element.getBoundingClientRect(), room = document.documentElement.clientWidth - EDGE_PIXELS;
    const shift = width > room - EDGE_PIXELS || left < EDGE_PIXELS ? EDGE_PIXELS - left : right > room ? room - right : 0;
    if (shift !== 0) element.style.translate = `${shift}px 0`;
  }, [open]);
  return (
    <div className={styles.menu} ref={ref}>
      <button ref={button} type="button" id={id} aria-expanded={open} aria-controls={panel} title={title} className={className} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open ? <div ref={own} id={panel} role="group" aria-label={title} className={`${styles.panel} ${align === "right" ? styles.right : ""}`}>{children(() => setOpen(false))}</div> : null}
    </div>
  );
}
