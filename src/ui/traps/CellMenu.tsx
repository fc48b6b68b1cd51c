// What can be done with one cell of the table: filter by it, colour its like, mark its record, pause when it comes again, copy it.

import { useEffect, useLayoutEffect, useRef } from "react";
import { bracketed } from "../../store/trap-store.ts";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./CellMenu.module.css";

export interface CellMenuPlace {
  readonly trap: TrapFields;
  /** What the cell stands for; null: nothing. */
  readonly filter: string | null;
  /** What it shows. */
  readonly value: string;
  readonly x: number;
  readonly y: number;
}

interface Item {
  readonly label: string;
  readonly detail?: string;
  readonly run: () => void;
}

export function CellMenu({ place, onClose, onColour }: { readonly place: CellMenuPlace; readonly onClose: () => void; readonly onColour: (filter: string) => void }): React.JSX.Element {
  const session = useSession();
  const { traps } = session;
  const { filter: current, marks } = useObservable(traps.state);
  const { phase } = useObservable(session.state);
  const ref = useRef<HTMLDivElement>(null);
  const { trap, filter, value } = place;
  const marked = marks.has(trap.seq);
  const filtered = current.trim() !== "";
  const groups: readonly (readonly Item[])[] = [
    filter === null ? [] : [
      { label: "Show only", detail: filter, run: () => traps.setFilter(filter) },
      { label: "Hide", detail: `not ${bracketed(filter)}`, run: () => (filtered ? traps.addFilter(`not ${bracketed(filter)}`) : traps.setFilter(`not ${bracketed(filter)}`)) },
      ...(filtered ? [{ label: "… and", detail: filter, run: () => traps.addFilter(filter) }, { label: "… or", detail: filter, run: () => traps.addFilter(filter, "or") }] : []),
    ],
    [
      { label: marked ? "Remove the mark" : "Mark", detail: "M", run: () => traps.toggleMark(trap.seq) },
      ...(filter === null || phase !== "live" ? [] : [{ label: "Pause when it comes again", run: () => session.debug.add({ kind: "trap" as const, filter }) }]),
      ...(phase !== "live" ? [] : [{ label: "Break at this place", detail: hex8(trap.linear), run: () => session.debug.add({ kind: "execute" as const, linear: trap.linear }) }]),
      ...(filter === null ? [] : [{ label: "Colour rows like this…", run: () => onColour(filter) }]),
    ],
    [{ label: "Copy", detail: value.length > 40 ? `${value.slice(0, 40)}…` : value, run: () => void navigator.clipboard.writeText(value) }],
  ];
  const close = useRef(onClose);
  close.current = onClose;
  useLayoutEffect(() => {
    const menu = ref.current;
    if (!menu) return;
    // Inside of the window, wherever it was asked for.
    menu.style.left = `${Math.max(8, Math.min(place.x, window.innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(place.y, window.innerHeight - menu.offsetHeight - 8))}px`;
    menu.querySelector("button")?.focus();
  }, [place]);
  useEffect(() => {
    const press = (event: PointerEvent): void => {
      if (event.target instanceof Node && !ref.current?.contains(event.target)) close.current();
    };
    document.addEventListener("pointerdown", press, true);
    return () => document.removeEventListener("pointerdown", press, true);
  }, []);
  const key = (event: React.KeyboardEvent): void => {
    const buttons = [...(ref.current?.querySelectorAll("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === "Escape" || event.key === "Tab") onClose();
    else if (event.key === "ArrowDown") buttons[(at + 1) % buttons.length]?.focus();
    else if (event.key === "ArrowUp") buttons[(at - 1 + buttons.length) % buttons.length]?.focus();
    else if (event.key === "Home") buttons[0]?.focus();
    else if (event.key === "End") buttons.at(-1)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div ref={ref} role="menu" aria-label="This cell" className={styles.menu} onKeyDown={key} style={{ left: place.x, top: place.y }}>
      {groups.filter((group) => group.length > 0).map((group, index) => (
        <div key={group[0].label} role="group" style={{ display: "grid" }}>
          {index > 0 ? <hr className={styles.rule} /> : null}
          {group.map(({ label, detail, run }) => (
            <button
              key={label} type="button" role="menuitem" tabIndex={-1} className={styles.item} onClick={() => {
                run();
                onClose();
              }}
            >
              {label}{detail === undefined ? null : <code>{detail}</code>}
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}
