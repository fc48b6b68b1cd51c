// A button that opens a panel under itself; a press elsewhere or Escape closes it.

import { useId, useLayoutEffect, useRef, useState } from "react";
import { useDismiss } from "../hooks.ts";
import styles from "./Menu.module.css";

const EDGE_PIXELS = 8, GAP_PIXELS = 6;

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
  // Over the panes, which cut off what reaches beyond them; under its button, or above it where there is more room, and never beyond the edges of the window.
  useLayoutEffect(() => {
    if (!open) return;
    const place = (): void => {
      const element = own.current, from = button.current?.getBoundingClientRect();
      if (!element || !from) return;
      const { clientWidth, clientHeight } = document.documentElement, { style } = element;
      const below = clientHeight - from.bottom - GAP_PIXELS - EDGE_PIXELS, above = from.top - GAP_PIXELS - EDGE_PIXELS;
      style.maxHeight = "";
      const up = element.offsetHeight > below && above > below;
      style.maxHeight = `${Math.max(up ? above : below, 0)}px`;
      style.top = up ? "" : `${from.bottom + GAP_PIXELS}px`;
      style.bottom = up ? `${clientHeight - from.top + GAP_PIXELS}px` : "";
      const left = align === "right" ? from.right - element.offsetWidth : from.left;
      style.left = `${Math.max(EDGE_PIXELS, Math.min(left, clientWidth - EDGE_PIXELS - element.offsetWidth))}px`;
    };
    place();
    window.addEventListener("resize", place);
    return () => window.removeEventListener("resize", place);
  }, [open, align]);
  return (
    <div className={styles.menu} ref={ref}>
      <button ref={button} type="button" id={id} aria-expanded={open} aria-controls={panel} title={title} className={className} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open ? <div ref={own} id={panel} role="group" aria-label={title} className={styles.panel}>{children(() => setOpen(false))}</div> : null}
    </div>
  );
}
