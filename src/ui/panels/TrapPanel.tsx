// The traps: exact totals, filter, rows or groups, details of one record.

import { GROUPINGS } from "../../trace/group-by.ts";
import type { Grouping } from "../../trace/group-by.ts";
import { count, short } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import { FilterBox } from "./FilterBox.tsx";
import { TrapDetail } from "./TrapDetail.tsx";
import { TrapGroups } from "./TrapGroups.tsx";
import { TrapTable } from "./TrapTable.tsx";
import styles from "./TrapPanel.module.css";

export function TrapPanel(): React.JSX.Element {
  const { session } = usePage();
  const { grouping, selected, file } = useObservable(session.traps.state);
  return (
    <section className={styles.panel} aria-label="Traps">
      <Totals />
      <div className={styles.tools}>
        <FilterBox />
        <label className={styles.group}>
          <span className="muted">Group</span>
          <select value={grouping ?? ""} onChange={(event) => session.traps.setGrouping(event.target.value === "" ? null : (event.target.value as Grouping))}>
            <option value="">none</option>
            {GROUPINGS.map((own) => <option key={own} value={own}>by {own}</option>)}
          </select>
        </label>
        <Menu label="Export" title="Export the filtered log" align="right">
          {(close) => (
            <div className={styles.export}>
              <button type="button" onClick={() => { close(); session.exportLog("jsonl"); }}>JSON lines</button>
              <button type="button" onClick={() => { close(); session.exportLog("csv"); }}>CSV</button>
              <p className="muted">What the ring holds and the filter passes.</p>
            </div>
          )}
        </Menu>
      </div>
      {file === null || file === "" ? null : (
        <p className={styles.file}>Showing the log <strong>{file}</strong>. <button type="button" onClick={() => session.closeLog()}>Close it</button></p>
      )}
      <div className={styles.body} data-split={selected !== null}>
        {grouping ? <TrapGroups /> : <TrapTable />}
        {selected ? <TrapDetail trap={selected} /> : null}
      </div>
    </section>
  );
}

function Totals(): React.JSX.Element {
  const { session } = usePage();
  const { totals, filter: current } = useObservable(session.traps.state);
  const { machine, run } = useObservable(session.state);
  const { trapsPerSecond, leaksPerSecond } = useObservable(session.meter.state);
  const rate = (value: number): string => (run?.kind === "running" && value >= 1 ? ` ${short(value)}/s` : "");
  const total = (name: string, title: string, value: number, filter: string, style: string | undefined, perSecond = 0): React.JSX.Element => (
    <button
      type="button" className={`${styles.total} ${style ?? ""}`} title={`${title}. Press to see only these.`} aria-pressed={current === filter} data-total={name}
      onClick={() => session.traps.setFilter(current === filter ? "" : filter)}
    >
      <span className={styles.value}>{count(value)}<small>{rate(perSecond)}</small></span>
      <span className={styles.name}>{name}</span>
    </button>
  );
  return (
    <div className={styles.totals} role="group" aria-label="Totals">
      {total("traps", "Exits of the processor, counted exactly", totals.traps, "kind == exit", styles.traps, trapsPerSecond)}
      {total("leaks", "Sensitive instructions that did not trap and went wrong", totals.leaks, "kind == leak", styles.leaks, leaksPerSecond)}
      {total("observed, not trapped", "Sensitive instructions that did not trap and were right", totals.observed, "kind == observed", styles.observed)}
      {totals.callouts > 0 ? total("callouts", "Calls of translated code into the monitor", totals.callouts, "class == call", undefined) : null}
      {machine?.technique === "emulate" && totals.observed > 0 ? (
        <button type="button" className={styles.hint} onClick={() => document.getElementById("technique")?.click()}>Nothing traps under emulate. Switch the technique…</button>
      ) : null}
    </div>
  );
}
