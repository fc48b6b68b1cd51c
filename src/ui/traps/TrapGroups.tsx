// Sums by instruction, site, page, cause or technique, largest first. Where nothing is filtered and the machine counts it, exact since
// the start; else over the records that are held, which know cost and time as well.

import type { GroupRow } from "../../store/group-rows.ts";
import { count, short } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { GROUPING_NAMES } from "../texts.ts";
import styles from "./TrapGroups.module.css";

export function TrapGroups(): React.JSX.Element {
  const session = useSession();
  const { groups, grouping, exact, filter, filterError, brush } = useObservable(session.traps.state);
  const { phase } = useObservable(session.state);
  const { breakpoints } = useObservable(session.debug.state);
  const filtered = (filter !== "" && !filterError) || brush !== null;
  const show = (own: string): void => {
    session.traps.setGrouping(null);
    session.traps.addFilter(own);
  };
  const most = groups[0]?.share ?? 1;
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label="Groups">
      <table className={styles.table}>
        <caption>{exact ? "Everything since the machine started, exact" : filtered ? "Records in the ring that pass the filter" : "Records in the ring"}</caption>
        <thead>
          <tr>
            <th scope="col">{grouping ? GROUPING_NAMES[grouping] : ""}</th>
            {grouping === "site" ? <th scope="col">place</th> : null}
            <th scope="col" className={styles.number}>traps</th><th scope="col" className={styles.number}>leaks</th><th scope="col" className={styles.number}>observed</th>
            <th scope="col">share</th>
            {exact ? null : <th scope="col" className={styles.number} title="modelled cycles of all its exits">cost*</th>}
            {exact ? null : <th scope="col" className={styles.number} title="instructions before the first">first</th>}
            {exact && grouping !== "site" ? null : <th scope="col" className={styles.number} title="instructions before the last">last</th>}
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <tr key={group.key}>
              <th scope="row">
                {grouping === "site" && group.linear !== null && phase === "live" ? (
                  <button type="button" className={`plain ${styles.break}`} aria-label={`Break at ${group.place}`} title="Break here" onClick={() => group.linear !== null && session.debug.toggle(group.linear)}>
                    {breakpoints.some(({ spec }) => spec.kind === "execute" && spec.linear === group.linear) ? "●" : "○"}
                  </button>
                ) : null}
                {group.filter === "" ? group.label : <button type="button" className={`plain ${styles.name}`} title={`Filter: ${group.filter}`} onClick={() => show(group.filter)}>{group.label}</button>}
              </th>
              {grouping === "site" ? <td className={styles.place}>{group.place}</td> : null}
              <td className={`${styles.number} ${styles.traps}`}>{group.exits > 0 ? count(group.exits) : ""}</td>
              <td className={`${styles.number} ${styles.leaks}`}>{group.leaks > 0 ? count(group.leaks) : ""}</td>
              <td className={`${styles.number} ${styles.observed}`}>{group.observed > 0 ? count(group.observed) : ""}</td>
              <td className={styles.share}><Bar group={group} most={most} /><span>{(group.share * 100).toFixed(group.share < 0.1 ? 1 : 0)} %</span></td>
              {exact ? null : <td className={styles.number}>{group.cost ? short(group.cost) : ""}</td>}
              {exact ? null : <td className={`${styles.number} ${styles.place}`}>{group.first === null ? "" : count(group.first)}</td>}
              {exact && grouping !== "site" ? null : <td className={`${styles.number} ${styles.place}`}>{group.last === null ? "" : count(group.last)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {groups.length === 0 ? <p className={styles.empty}>Nothing to group yet.</p> : null}
    </div>
  );
}

/** Traps, leaks and observations of the group in their colours, as long as its share of the largest. */
function Bar({ group, most }: { readonly group: GroupRow; readonly most: number }): React.JSX.Element {
  const all = group.exits + group.leaks + group.observed;
  const part = (value: number, style: string | undefined): React.JSX.Element | null => (value > 0 ? <i className={style} style={{ width: `${(value / all) * 100}%` }} /> : null);
  return (
    <span className={styles.bar} style={{ width: `${Math.max(1, (group.share / most) * 100)}%` }} aria-hidden="true">
      {part(group.exits, styles.barTraps)}{part(group.leaks, styles.barLeaks)}{part(group.observed, styles.barObserved)}
    </span>
  );
}
