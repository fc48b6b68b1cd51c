// The traps: exact totals, filter, rows or groups, details of one record.

import { lazy, Suspense, useState } from "react";
import type { LogFormat } from "../../protocol/commands.ts";
import { GROUPINGS } from "../../trace/group-by.ts";
import type { Grouping } from "../../trace/group-by.ts";
import { seconds } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { GROUPING_NAMES } from "../texts.ts";
import { Menu } from "../widgets/Menu.tsx";
import { FilterBox } from "./FilterBox.tsx";
import { FilterMenu } from "./FilterMenu.tsx";
import { PauseMenu } from "./PauseMenu.tsx";
import { Totals } from "./Totals.tsx";
import { TrapGroups } from "./TrapGroups.tsx";
import { TrapTable } from "./TrapTable.tsx";
import styles from "./TrapPanel.module.css";

const TrapDetail = lazy(async () => ({ default: (await import("./TrapDetail.tsx")).TrapDetail }));
const ColourRules = lazy(async () => ({ default: (await import("./ColourRules.tsx")).ColourRules }));

const FORMATS: readonly (readonly [LogFormat, string])[] = [["jsonl", "JSON lines"], ["csv", "CSV"], ["perfetto", "Perfetto trace"]];

export function TrapPanel(): React.JSX.Element {
  const { session } = usePage();
  const { grouping, selected, file, brush, marks } = useObservable(session.traps.state);
  const [rulesOpen, setRulesOpen] = useState(false);
  return (
    <section className={styles.panel} aria-label="Traps">
      <Totals narrow />
      <div className={styles.tools}>
        <FilterBox />
        <FilterMenu />
        <label className={styles.group}>
          <span className="muted">Group</span>
          <select value={grouping ?? ""} onChange={(event) => session.traps.setGrouping(event.target.value === "" ? null : (event.target.value as Grouping))}>
            <option value="">none</option>
            {GROUPINGS.map((own) => <option key={own} value={own}>by {GROUPING_NAMES[own]}</option>)}
          </select>
        </label>
        <PauseMenu />
        <Menu label="Rows" title="Colours and marks" align="right">
          {(close) => (
            <div className={styles.more}>
              <button type="button" onClick={() => { close(); setRulesOpen(true); }}>Colours…</button>
              <div className={styles.pair}>
                <button type="button" disabled={marks.size === 0} title="P in the table" onClick={() => session.traps.selectMark(-1)}>◀ mark</button>
                <button type="button" disabled={marks.size === 0} title="N in the table" onClick={() => session.traps.selectMark(1)}>mark ▶</button>
              </div>
            </div>
          )}
        </Menu>
        <Menu label="Export" title="Export the filtered log" align="right">
          {(close) => (
            <div className={styles.more}>
              {FORMATS.map(([format, name]) => <button key={format} type="button" onClick={() => { close(); session.exportLog(format); }}>{name}</button>)}
              <p className="muted">What the ring holds and the filter passes. The page opens JSON lines again.</p>
            </div>
          )}
        </Menu>
      </div>
      {file === null ? null : (
        <p className={styles.strip}>Showing the log <strong>{file}</strong>, read only. <button type="button" onClick={() => session.closeLog()}>Close it</button></p>
      )}
      {brush ? (
        <p className={styles.strip}>
          Only guest time {seconds(brush.fromNs)} to {seconds(brush.toNs)}.
          <button type="button" onClick={() => session.traps.setBrush(null)}>Show all</button>
          <button
            type="button" onClick={() => {
              session.traps.setBrush(null);
              session.traps.addFilter(`t in ${Math.round(brush.fromNs)}..${Math.round(brush.toNs)}`);
            }}
          >
            Put it into the filter
          </button>
        </p>
      ) : null}
      <div className={styles.body} data-split={selected !== null}>
        {grouping ? <TrapGroups /> : <TrapTable />}
        {selected ? <Suspense fallback={<aside />}><TrapDetail trap={selected} /></Suspense> : null}
      </div>
      {rulesOpen ? <Suspense fallback={null}><ColourRules onClose={() => setRulesOpen(false)} /></Suspense> : null}
    </section>
  );
}
