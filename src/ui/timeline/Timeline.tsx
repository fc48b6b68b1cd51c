// Traps by class over guest time, the guest's mode and the monitor's share below; a stretch that is drawn with the pointer or chosen
// with the keyboard narrows the table of traps to it. The same numbers as a table.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { SERIES_MODES } from "../../protocol/stats-view.ts";
import { columnsOf, moved, type Series, TIMELINE_CLASSES, type TimelineColumn, type TimeRange, wholeRange } from "../../store/timeline.ts";
import { count } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Totals } from "../traps/Totals.tsx";
import { type Colours, drawOverview, drawTimeline, themeColours, timeText } from "./chart.ts";
import styles from "./Timeline.module.css";

const LOOK_MS = 250;
const COLUMN_PIXELS = 3;
const TABLE_ROWS = 48;
/** Nothing shorter than this many buckets is shown: there is nothing finer to see. */
const LEAST_BUCKETS = 8;
/** A press that moves no further is no brush. */
const CLICK_PIXELS = 3;
const OBSERVED = TIMELINE_CLASSES.findIndex(({ id }) => id === "observed");

/** The series as it is now, looked at a few times a second while something changes. */
function useSeries(): Series | null {
  const { session, frames } = usePage();
  const { file } = useObservable(session.traps.state);
  const [series, setSeries] = useState<Series | null>(() => session.traps.series());
  useEffect(() => {
    setSeries(session.traps.series());
    if (file !== null) return;
    let lookedMs = -Infinity, seen = "";
    return frames.add((nowMs) => {
      if (nowMs - lookedMs < LOOK_MS) return;
      lookedMs = nowMs;
      const next = session.traps.series();
      const { totals } = session.traps.state.get();
      const key = `${next?.bucketNs} ${next?.used} ${totals.traps} ${totals.leaks} ${totals.observed} ${totals.callouts}`;
      if (key === seen) return;
      seen = key;
      setSeries(next);
    });
  }, [session, frames, file]);
  return series;
}

export function Timeline(): React.JSX.Element {
  const { session } = usePage();
  const series = useSeries();
  const { brush } = useObservable(session.traps.state);
  const [ownView, setView] = useState<TimeRange | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set([OBSERVED]));
  const [asTable, setAsTable] = useState(false);
  if (!series || series.used === 0) return <p className={styles.empty}>Nothing has happened yet.</p>;
  const whole = wholeRange(series), leastNs = Math.min(whole.toNs, series.bucketNs * LEAST_BUCKETS);
  const view = ownView ?? whole;
  const move = (by: number, factor = 1, centre = 0.5): void => {
    const next = moved(view, whole, by, factor, centre, leastNs);
    // Everything: and whatever comes, too.
    setView(next.toNs - next.fromNs >= whole.toNs - whole.fromNs ? null : next);
  };
  const shown = TIMELINE_CLASSES.flatMap((_, index) => (hidden.has(index) ? [] : [index]));
  const setBrush = (range: TimeRange | null): void => session.traps.setBrush(range);
  return (
    <section className={styles.timeline} aria-label="Timeline">
      <Totals narrow={false} />
      <div className={styles.tools}>
        <button type="button" onClick={() => move(0, 0.5)} title="Zoom in (W or +)">Zoom in</button>
        <button type="button" onClick={() => move(0, 2)} title="Zoom out (S or −)">Zoom out</button>
        <button type="button" disabled={!ownView} onClick={() => setView(null)} title="Show all time (0)">All</button>
        <button type="button" disabled={!brush} onClick={() => brush && setView(moved(brush, whole, 0, 1, 0.5, leastNs))} title="Show the chosen stretch (F)">To the choice</button>
        <button type="button" disabled={!brush} onClick={() => setBrush(null)}>Clear the choice</button>
        <button type="button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>As a table</button>
      </div>
      {asTable ? <Rows columns={columnsOf(series, view, TABLE_ROWS)} view={view} /> : (
        <>
          <div className={styles.legend} role="group" aria-label="Classes">
            {TIMELINE_CLASSES.map(({ id, title }, index) => (
              <label key={id}>
                <input
                  type="checkbox" checked={!hidden.has(index)} onChange={() => {
                    const next = new Set(hidden);
                    if (!next.delete(index)) next.add(index);
                    setHidden(next);
                  }}
                />
                <i className={styles.swatch} style={{ background: `var(--series-${id})` }} />{title}
              </label>
            ))}
          </div>
          <Overview series={series} whole={whole} view={view} shown={shown} onView={setView} />
          <Plot series={series} whole={whole} view={view} brush={brush} shown={shown} move={move} onBrush={setBrush} onAll={() => setView(null)} onFit={() => brush && setView(moved(brush, whole, 0, 1, 0.5, leastNs))} />
          <div className={styles.legend} role="group" aria-label="Guest mode, and the monitor's share below it">
            {SERIES_MODES.map((mode, index) => <span key={mode}><i className={styles.swatch} style={{ background: `var(--mode-${index})` }} /> {mode}</span>)}
            <span><i className={styles.swatch} style={{ background: "var(--trap)" }} /> monitor's share of the host's time</span>
          </div>
        </>
      )}
    </section>
  );
}

/** The size of an element, as it changes. */
function useSize(ref: React.RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}

function useColours(ref: React.RefObject<HTMLElement | null>): Colours | null {
  const { settings } = usePage();
  const { theme } = useObservable(settings.state);
  const [colours, setColours] = useState<Colours | null>(null);
  useEffect(() => {
    const look = (): void => { if (ref.current) setColours(themeColours(ref.current)); };
    look();
    const query = window.matchMedia("(prefers-color-scheme: dark)");
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, [ref, theme]);
  return colours;
}

function Plot({ series, whole, view, brush, shown, move, onBrush, onAll, onFit }: {
  readonly series: Series; readonly whole: TimeRange; readonly view: TimeRange; readonly brush: TimeRange | null; readonly shown: readonly number[];
  readonly move: (by: number, factor?: number, centre?: number) => void; readonly onBrush: (range: TimeRange | null) => void; readonly onAll: () => void; readonly onFit: () => void;
}): React.JSX.Element {
  const host = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = useSize(host);
  const colours = useColours(host);
  const [drawn, setDrawn] = useState<TimeRange | null>(null);
  const [under, setUnder] = useState<TimelineColumn | null>(null);
  const start = useRef<{ x: number; ns: number } | null>(null);
  const columns = columnsOf(series, view, Math.max(1, Math.floor(width / COLUMN_PIXELS)));
  useLayoutEffect(() => {
    if (canvas.current && colours && width > 0) drawTimeline(canvas.current, width, height, { columns, view, brush: drawn ?? brush, shown }, colours);
  });
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    // Not passive: the page must not scroll meanwhile.
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) latest.current(Math.sign(event.deltaX || event.deltaY) * 0.1);
      else latest.current(0, event.deltaY > 0 ? 1.25 : 0.8, (event.clientX - box.left) / box.width);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);
  const timeAt = (clientX: number): number => {
    const box = host.current?.getBoundingClientRect();
    if (!box) return view.fromNs;
    return view.fromNs + Math.min(1, Math.max(0, (clientX - box.left) / box.width)) * (view.toNs - view.fromNs);
  };
  const between = (x: number, y: number): TimeRange => ({ fromNs: Math.round(Math.min(x, y)), toNs: Math.round(Math.max(x, y)) });
  const grow = (by: number): void => {
    const step = (view.toNs - view.fromNs) / 20;
    const own = brush ?? { fromNs: view.fromNs, toNs: view.fromNs };
    onBrush(between(own.fromNs, Math.min(whole.toNs, Math.max(own.fromNs + 1, own.toNs + by * step))));
  };
  const shift = (by: number): void => {
    if (brush) onBrush(moved(brush, whole, (by * (view.toNs - view.fromNs)) / 20 / (brush.toNs - brush.fromNs)));
  };
  const key = (event: React.KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey) return;
    const left = event.key === "ArrowLeft", right = event.key === "ArrowRight";
    if ((left || right) && event.shiftKey) grow(left ? -1 : 1);
    else if ((left || right) && event.altKey) shift(left ? -1 : 1);
    else if (left || event.key === "a") move(-0.1);
    else if (right || event.key === "d") move(0.1);
    else if (event.key === "w" || event.key === "+" || event.key === "ArrowUp") move(0, 0.7);
    else if (event.key === "s" || event.key === "-" || event.key === "ArrowDown") move(0, 1 / 0.7);
    else if (event.key === "0" || event.key === "Home") onAll();
    else if (event.key === "f") onFit();
    else if (event.key === "Escape") onBrush(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <div
        ref={host} className={styles.plot} tabIndex={0} role="application" aria-roledescription="chart" onKeyDown={key}
        aria-label={`Events from ${timeText(view.fromNs, 1e6)} to ${timeText(view.toNs, 1e6)}. Arrow keys or A and D move, W and S zoom, Shift and arrows choose a stretch, Alt and arrows move it, Escape clears it.`}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = { x: event.clientX, ns: timeAt(event.clientX) };
        }}
        onPointerMove={(event) => {
          const ns = timeAt(event.clientX);
          setUnder(columns.find(({ fromNs, toNs }) => ns >= fromNs && ns < toNs) ?? null);
          if (start.current && Math.abs(event.clientX - start.current.x) > CLICK_PIXELS) setDrawn(between(start.current.ns, ns));
        }}
        onPointerUp={() => {
          if (drawn) onBrush(drawn);
          else if (start.current && brush) onBrush(null);
          start.current = null;
          setDrawn(null);
        }}
        onPointerCancel={() => { start.current = null; setDrawn(null); }} onPointerLeave={() => setUnder(null)}
      >
        <canvas ref={canvas} />
      </div>
      <p className={styles.status}>{under ? sentence(under) : "Draw over a stretch to see only its traps. The wheel zooms; A D move, W S zoom."}</p>
    </>
  );
}

function sentence(column: TimelineColumn): string {
  const events = TIMELINE_CLASSES.flatMap(({ title }, index) => (column.events[index] > 0 ? [`${count(column.events[index])} ${title}`] : []));
  return `${timeText(column.fromNs, column.toNs - column.fromNs)}: ${events.join(", ") || "nothing"}${column.monitorShare === null ? "" : `; monitor ${Math.round(column.monitorShare * 100)} %`}`;
}

function Overview({ series, whole, view, shown, onView }: {
  readonly series: Series; readonly whole: TimeRange; readonly view: TimeRange; readonly shown: readonly number[]; readonly onView: (view: TimeRange | null) => void;
}): React.JSX.Element {
  const host = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = useSize(host);
  const colours = useColours(host);
  useLayoutEffect(() => {
    if (canvas.current && colours && width > 0) drawOverview(canvas.current, width, height, columnsOf(series, whole, Math.floor(width / 2)), whole, view, shown, colours);
  });
  const centre = (event: React.PointerEvent): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = whole.fromNs + ((event.clientX - box.left) / box.width) * (whole.toNs - whole.fromNs), half = (view.toNs - view.fromNs) / 2;
    onView(moved({ fromNs: at - half, toNs: at + half }, whole, 0));
  };
  // What the pointer does here the keyboard does in the plot.
  return (
    <div
      ref={host} className={styles.overview} aria-hidden="true" onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); centre(event); }}
      onPointerMove={(event) => { if (event.currentTarget.hasPointerCapture(event.pointerId)) centre(event); }}
    >
      <canvas ref={canvas} />
    </div>
  );
}

function Rows({ columns, view }: { readonly columns: readonly TimelineColumn[]; readonly view: TimeRange }): React.JSX.Element {
  const stepNs = (view.toNs - view.fromNs) / 100;
  return (
    <div className={styles.table} tabIndex={0} role="region" aria-label="Timeline as a table">
      <table>
        <thead>
          <tr>
            <th scope="col">from</th>
            {TIMELINE_CLASSES.map(({ id, title }) => <th key={id} scope="col">{title}</th>)}
            {SERIES_MODES.map((mode) => <th key={mode} scope="col">{mode}</th>)}
            <th scope="col">monitor</th>
          </tr>
        </thead>
        <tbody>
          {columns.map((column) => {
            const spent = column.modes.reduce((sum, own) => sum + own, 0);
            return (
              <tr key={column.fromNs}>
                <th scope="row">{timeText(column.fromNs, stepNs)}</th>
                {column.events.map((events, index) => <td key={TIMELINE_CLASSES[index].id}>{events > 0 ? count(events) : ""}</td>)}
                {column.modes.map((own, index) => <td key={SERIES_MODES[index]}>{own > 0 ? `${Math.round((own / spent) * 100)} %` : ""}</td>)}
                <td>{column.monitorShare === null ? "" : `${Math.round(column.monitorShare * 100)} %`}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
