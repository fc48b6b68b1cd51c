// The records as rows. Only the rows in sight exist; each reads its record from shared memory when it is drawn.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { hexBytes, modelledCycles, trapClass } from "../../trace/trap-fields.ts";
import type { TrapStore } from "../../store/trap-store.ts";
import { count, hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { CLASS_TEXTS } from "../texts.ts";
import styles from "./TrapTable.module.css";

const ROW_PIXELS = 22;
const COLUMNS: readonly (readonly [string, string])[] = [
  ["", "how it is related to privilege"], ["#", "number of the record"], ["instructions", "retired before it"], ["instruction", ""],
  ["cause", "what the processor raised"], ["effect", "what changed, or what the guest saw"], ["CS:EIP", ""], ["CPL", "the guest's own, and the ring it really ran in"],
  ["bytes", "the whole instruction"], ["action", "what the monitor did"], ["cost*", "modelled cycles on a Core 2"],
];

export function TrapTable(): React.JSX.Element {
  const session = useSession();
  const { traps } = session;
  const state = useObservable(traps.state);
  const { phase } = useObservable(session.state);
  const scroller = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const lastHeight = useRef(0);
  const virtual = useVirtualizer({ count: state.count, getScrollElement: () => scroller.current, estimateSize: () => ROW_PIXELS, overscan: 6 });
  const { following, file, count: rows, selected } = state;
  const selectedAt = selected ? traps.indexOf(selected.seq) : -1;

  useEffect(() => {
    const element = scroller.current;
    if (!element || !following || file !== null) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, [following, file, rows, state.revision, virtual.scrollRect?.height]);

  // The drawer that opens takes room: the selected row stays in sight.
  const selectedSeq = selected?.seq ?? -1;
  useEffect(() => {
    const at = selectedSeq < 0 ? -1 : traps.indexOf(selectedSeq);
    if (at >= 0) virtual.scrollToIndex(at);
  }, [selectedSeq, traps, virtual]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    const shrank = element.scrollHeight < lastHeight.current; // fewer rows pull the view up: not the person's doing
    if (following && !shrank && element.scrollTop < lastTop.current - ROW_PIXELS / 2) traps.hold();
    lastTop.current = element.scrollTop;
    lastHeight.current = element.scrollHeight;
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
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => (
            <Row key={item.index} traps={traps} position={item.index} top={item.start} selected={item.index === selectedAt} onSelect={() => traps.select(item.index)} />
          ))}
        </div>
        {rows === 0 ? <p className={styles.empty}>{state.filter !== "" && !state.filterError ? "No record passes the filter." : phase === "live" ? "Nothing sensitive has run yet." : "No records."}</p> : null}
      </div>
      {!following && state.newer > 0 ? <button type="button" className={`primary ${styles.newer}`} onClick={() => traps.follow()}>{count(state.newer)} new ↓</button> : null}
    </div>
  );
}

function Row({ traps, position, top, selected, onSelect }: {
  readonly traps: TrapStore; readonly position: number; readonly top: number; readonly selected: boolean; readonly onSelect: () => void;
}): React.JSX.Element {
  const trap = traps.row(position);
  return (
    <div
      id={`trap-row-${position}`} role="row" aria-rowindex={position + 2} aria-selected={selected} className={styles.row} data-kind={trap?.kind ?? "lost"} style={{ transform: `translateY(${top}px)` }}
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
