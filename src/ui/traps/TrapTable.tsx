// The records as rows. Only the rows in sight exist; each reads its record from shared memory when it is drawn.
// Rows have one height, so that a list of any length costs what is in sight and nothing for the rest.

import { lazy, Suspense, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { compileRules, type RowColour } from "../../store/colour-rules.ts";
import type { TrapStore } from "../../store/trap-store.ts";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { trapClass } from "../../trace/trap-fields.ts";
import { copyFields } from "../../trace/trap-row.ts";
import { count } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { CellMenu, type CellMenuPlace } from "./CellMenu.tsx";
import { type Column, columnsFor, tracksOf } from "./columns.tsx";
import styles from "./TrapTable.module.css";

const ColourRules = lazy(async () => ({ default: (await import("./ColourRules.tsx")).ColourRules }));

const ROW_PIXELS = 22;
const HEAD_PIXELS = 23;
/** Rows drawn beyond the edges, for a scroll that is faster than a frame. */
const OVERSCAN = 4;

/**
 * The rows in sight: the last ones while the list is followed, whatever the scroll position says by then.
 * Each has a slot whose elements are used again when another row takes it.
 */
function rowsInSight(count: number, following: boolean, top: number, height: number): { slot: number; position: number }[] {
  const slots = Math.ceil(height / ROW_PIXELS) + 2 * OVERSCAN;
  const first = Math.max(0, following ? count - slots : Math.floor(top / ROW_PIXELS) - OVERSCAN);
  return Array.from({ length: Math.max(0, Math.min(slots, count - first)) }, (_, index) => ({ slot: (first + index) % slots, position: first + index }));
}

export function TrapTable(): React.JSX.Element {
  const { session, settings } = usePage();
  const { traps } = session;
  const state = useObservable(traps.state);
  const { colourRules } = useObservable(settings.state);
  const { phase } = useObservable(session.state);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 0, width: 0 });
  const [column, setColumn] = useState("insn");
  const [menu, setMenu] = useState<CellMenuPlace | null>(null);
  const [rulesOpen, setRulesOpen] = useState(false);
  const last = useRef({ top: 0, height: 0 });
  const colour = useMemo(() => compileRules(colourRules), [colourRules]);
  const { file, count: rows, selected, marks } = state;
  const following = state.following && file === null;
  const selectedAt = selected ? traps.indexOf(selected.seq) : -1;
  const columns = useMemo(() => columnsFor(view.width), [view.width]);
  const cursor = Math.max(0, columns.findIndex(({ id }) => id === column));

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !following) return;
    element.scrollTop = element.scrollHeight;
    last.current.top = element.scrollTop;
  }, [following, rows, state.revision, view.height]);

  // The drawer that opens takes room: the selected row stays in sight.
  const selectedSeq = selected?.seq ?? -1;
  useEffect(() => {
    const element = scroller.current;
    const at = selectedSeq < 0 ? -1 : traps.indexOf(selectedSeq);
    if (!element || at < 0) return;
    const top = at * ROW_PIXELS, room = view.height - HEAD_PIXELS - ROW_PIXELS;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top > element.scrollTop + room) element.scrollTop = top - room;
  }, [selectedSeq, traps, view.height]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    const { scrollTop: top, scrollHeight: height } = element;
    // Fewer rows, or more room, pull the view up: not the person's doing.
    const pulled = height < last.current.height || top + element.clientHeight >= height - ROW_PIXELS / 2;
    if (following && !pulled && top < last.current.top - ROW_PIXELS / 2) traps.hold();
    last.current = { top, height };
    if (!following || top !== view.top) setView({ top, height: element.clientHeight, width: element.clientWidth });
  };

  const openMenu = (position: number, own: Column, x: number, y: number): void => {
    const row = traps.row(position);
    if (!row) return;
    const trap = copyFields(row);
    traps.select(position);
    const cell = document.getElementById(`trap-cell-${position}-${own.id}`);
    setMenu({ trap, filter: own.filter(trap), value: cell?.innerText ?? "", x, y });
  };
  const openMenuByKey = (): void => {
    const own = columns[cursor];
    const box = document.getElementById(`trap-cell-${selectedAt}-${own.id}`)?.getBoundingClientRect();
    if (box) openMenu(selectedAt, own, box.left, box.bottom);
  };
  const go = (position: number): void => traps.select(Math.max(0, Math.min(rows - 1, position)));
  const onKey = (event: React.KeyboardEvent): void => {
    if (event.target !== scroller.current || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_PIXELS) - 2);
    const from = selectedAt < 0 ? rows : selectedAt;
    switch (event.key) {
      case "ArrowDown": go(selectedAt + 1); break;
      case "ArrowUp": go(from - 1); break;
      case "ArrowRight": setColumn(columns[Math.min(columns.length - 1, cursor + 1)].id); break;
      case "ArrowLeft": setColumn(columns[Math.max(0, cursor - 1)].id); break;
      case "PageDown": go(selectedAt + page); break;
      case "PageUp": go(from - page); break;
      case "Home": traps.hold(); go(0); break;
      case "End": traps.deselect(); traps.follow(); break;
      case "Escape": traps.deselect(); break;
      case "Enter": case "ContextMenu": openMenuByKey(); break;
      case "F10":
        if (!event.shiftKey) return;
        openMenuByKey();
        break;
      case "m": case "M": if (selected) traps.toggleMark(selected.seq); break;
      case "n": case "N": traps.selectMark(1); break;
      case "p": case "P": traps.selectMark(-1); break;
      default: return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className={styles.wrap}>
      <div
        ref={scroller} className={styles.scroller} role="grid" aria-label="Trap log" aria-rowcount={rows + 1} aria-colcount={columns.length} tabIndex={0} onScroll={onScroll} onKeyDown={onKey}
        aria-activedescendant={selectedAt >= 0 ? `trap-cell-${selectedAt}-${columns[cursor].id}` : undefined}
        style={{ "--columns": tracksOf(columns, view.width) } as React.CSSProperties}
        onContextMenu={(event) => {
          const cell = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-position]") : null;
          const own = columns.find(({ id }) => id === cell?.dataset.column);
          if (!cell || !own) return;
          event.preventDefault();
          openMenu(Number(cell.dataset.position), own, event.clientX, event.clientY);
        }}
      >
        <div className={styles.head} role="row" aria-rowindex={1}>
          {columns.map(({ id, name, title, style }) => <span key={id} role="columnheader" title={title} data-style={style}>{id === "class" ? <span className="hidden">class</span> : name}</span>)}
        </div>
        <div role="rowgroup" style={{ height: rows * ROW_PIXELS, position: "relative" }}>
          {rowsInSight(rows, following, view.top, view.height).map(({ slot, position }) => (
            <Row
              key={slot} traps={traps} position={position} columns={columns} cursor={position === selectedAt ? columns[cursor].id : null} marks={marks} colour={colour}
              onSelect={(own) => { traps.select(position); if (own !== null) setColumn(own); }}
            />
          ))}
        </div>
        {rows === 0 ? <p className={styles.empty}>{(state.filter !== "" && !state.filterError) || state.brush ? "No record passes the filter." : phase === "live" ? "Nothing sensitive has run yet." : "No records."}</p> : null}
      </div>
      {!following && state.newer > 0 ? <button type="button" className={`primary ${styles.newer}`} onClick={() => traps.follow()}>{count(state.newer)} new ↓</button> : null}
      {menu ? (
        <CellMenu
          place={menu} onClose={() => { setMenu(null); scroller.current?.focus(); }}
          onColour={(filter) => {
            settings.patch({ colourRules: [{ name: filter, filter, colour: "blue", on: true }, ...settings.state.get().colourRules] });
            setRulesOpen(true);
          }}
        />
      ) : null}
      {rulesOpen ? <Suspense fallback={null}><ColourRules onClose={() => setRulesOpen(false)} /></Suspense> : null}
    </div>
  );
}

function Row({ traps, position, columns, cursor, marks, colour, onSelect }: {
  readonly traps: TrapStore; readonly position: number; readonly columns: readonly Column[];
  /** The cell that the keyboard is at; null: in another row. */
  readonly cursor: string | null; readonly marks: ReadonlySet<number>; readonly colour: (trap: TrapFields) => RowColour | null; readonly onSelect: (column: string | null) => void;
}): React.JSX.Element {
  // A row lasts until the next one is read.
  const beforeNs = position > 0 ? (traps.row(position - 1)?.timeNs ?? null) : null;
  const trap = traps.row(position);
  const marked = trap !== null && marks.has(trap.seq);
  return (
    <div
      id={`trap-row-${position}`} role="row" aria-rowindex={position + 2} aria-selected={cursor !== null} className={styles.row} data-kind={trap?.kind ?? "lost"}
      data-colour={(trap && colour(trap)) ?? undefined} data-marked={marked || undefined} style={{ transform: `translateY(${position * ROW_PIXELS}px)` }}
      onClick={(event) => onSelect((event.target instanceof Element ? event.target.closest<HTMLElement>("[data-column]")?.dataset.column : null) ?? null)}
    >
      {trap ? columns.map((column) => (
        <span
          key={column.id} id={`trap-cell-${position}-${column.id}`} role="gridcell" data-position={position} data-column={column.id} data-style={column.style} data-cursor={cursor === column.id || undefined}
          title={column.whole?.(trap)} data-class={column.id === "class" ? trapClass(trap) : undefined}
        >
          {column.cell(trap, beforeNs)}{marked && column.id === "class" ? <span className="hidden"> marked</span> : null}
        </span>
      )) : <span role="gridcell" className={styles.lost}>overwritten</span>}
    </div>
  );
}
