// The records as rows. Only the rows in sight exist; each reads its record from shared memory when it is drawn.
// Rows have one height, so that a list of any length costs what is in sight and nothing for the rest.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { hexBytes, modelledCycles, trapClass } from "../../trace/trap-fields.ts";
import type { TrapStore } from "../../store/trap-store.ts";
import { count, hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { CLASS_TEXTS } from "../texts.ts";
import styles from "./TrapTable.module.css";

const ROW_PIXELS = 22;
const HEAD_PIXELS = 23;
/** Rows drawn beyond the edges, for a scroll that is faster than a frame. */
const OVERSCAN = 4;
const COLUMNS: readonly (readonly [string, string])[] = [
  ["", "how it is related to privilege"], ["#", "number of the record"], ["instructions", "retired before it"], ["instruction", ""],
  ["cause", "what the processor raised"], ["effect", "what changed, or what the guest saw"], ["CS:EIP", ""], ["CPL", "the guest's own, and the ring it really ran in"],
  ["bytes", "the whole instruction"], ["action", "what the monitor did"], ["cost*", "modelled cycles on a Core 2"],
];

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
  const session = useSession();
  const { traps } = session;
  const state = useObservable(traps.state);
  const { phase } = useObservable(session.state);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 0 });
  const last = useRef({ top: 0, height: 0 });
  const { file, count: rows, selected } = state;
  const following = state.following && file === null;
  const selectedAt = selected ? traps.indexOf(selected.seq) : -1;

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setView({ top: element.scrollTop, height: element.clientHeight }));
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
    const shrank = height < last.current.height; // fewer rows pull the view up: not the person's doing
    if (following && !shrank && top < last.current.top - ROW_PIXELS / 2) traps.hold();
    last.current = { top, height };
    if (!following || top !== view.top) setView({ top, height: element.clientHeight });
  };

  const go = (position: number): void => traps.select(Math.max(0, Math.min(rows - 1, position)));
  const onKey = (event: React.KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_PIXELS) - 2);
    const from = selectedAt < 0 ? rows : selectedAt;
    switch (event.key) {
      case "ArrowDown": go(selectedAt + 1); break;
      case "ArrowUp": go(from - 1); break;
      case "PageDown": go(selectedAt + page); break;
      case "PageUp": go(from - page); break;
      case "Home": traps.hold(); go(0); break;
      case "End": traps.deselect(); traps.follow(); break;
      case "Escape": traps.deselect(); break;
      default: return;
    }
    event.preventDefault();
  };

  return (
    <div className={styles.wrap}>
      <div
        ref={scroller} className={styles.scroller} role="grid" aria-label="Trap log" aria-rowcount={rows + 1} tabIndex={0} onScroll={onScroll} onKeyDown={onKey}
        aria-activedescendant={selectedAt >= 0 ? `trap-row-${selectedAt}` : undefined}
      >
        <div className={styles.head} role="row" aria-rowindex={1}>
          {COLUMNS.map(([name, title]) => <span key={name} role="columnheader" title={title} className={name === "" ? styles.glyph : undefined}>{name === "" ? <span className="hidden">class</span> : name}</span>)}
        </div>
        <div role="rowgroup" style={{ height: rows * ROW_PIXELS, position: "relative" }}>
          {rowsInSight(rows, following, view.top, view.height).map(({ slot, position }) => (
            <Row key={slot} traps={traps} position={position} selected={position === selectedAt} onSelect={() => traps.select(position)} />
          ))}
        </div>
        {rows === 0 ? <p className={styles.empty}>{state.filter !== "" && !state.filterError ? "No record passes the filter." : phase === "live" ? "Nothing sensitive has run yet." : "No records."}</p> : null}
      </div>
      {!following && state.newer > 0 ? <button type="button" className={`primary ${styles.newer}`} onClick={() => traps.follow()}>{count(state.newer)} new ↓</button> : null}
    </div>
  );
}

function Row({ traps, position, selected, onSelect }: {
  readonly traps: TrapStore; readonly position: number; readonly selected: boolean; readonly onSelect: () => void;
}): React.JSX.Element {
  const trap = traps.row(position);
  return (
    <div
      id={`trap-row-${position}`} role="row" aria-rowindex={position + 2} aria-selected={selected} className={styles.row} data-kind={trap?.kind ?? "lost"} style={{ transform: `translateY(${position * ROW_PIXELS}px)` }}
      onClick={onSelect}
    >
      {trap ? <Cells trap={trap} /> : <span role="gridcell" className={styles.lost}>overwritten</span>}
    </div>
  );
}

function Cells({ trap }: { readonly trap: TrapFields }): React.JSX.Element {
  const own = trapClass(trap);
  const { glyph, title } = CLASS_TEXTS[own];
  return (
    <>
      <span role="gridcell" className={styles.glyph} data-class={own} title={title}>{glyph}<span className="hidden"> {own}</span></span>
      <span role="gridcell" className={styles.number}>{count(trap.seq)}</span>
      <span role="gridcell" className={styles.number}>{count(trap.icount)}</span>
      <span role="gridcell" className={styles.text}>{trap.text ?? trap.instruction}</span>
      <span role="gridcell" className={styles.cause}>{trap.kind === "exit" ? trap.reason : trap.kind}</span>
      <span role="gridcell" className={styles.effect} title={trap.effect ?? undefined}>{trap.effect ?? ""}</span>
      <span role="gridcell">{hex4(trap.cs)}:{hex8(trap.eip)}</span>
      <span role="gridcell">{trap.vcpl === trap.hcpl ? trap.vcpl : `${trap.vcpl}/${trap.hcpl}`}</span>
      <span role="gridcell" className={styles.dim}>{trap.bytes ? hexBytes(trap.bytes, " ") : ""}</span>
      <span role="gridcell" className={styles.dim}>{trap.action ?? ""}</span>
      <span role="gridcell" className={`${styles.number} ${styles.dim}`}>{trap.kind === "exit" ? modelledCycles(trap) : ""}</span>
    </>
  );
}
