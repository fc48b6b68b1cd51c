// Sums by instruction, site or reason, largest first. Without a filter they are the exact counters.

import { count } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./TrapGroups.module.css";

export function TrapGroups(): React.JSX.Element {
  const session = useSession();
  const { groups, grouping, filter, filterError } = useObservable(session.traps.state);
  const filtered = filter !== "" && !filterError;
  const show = (own: string): void => {
    session.traps.setGrouping(null);
    session.traps.setFilter(filtered ? `(${filter}) and ${own}` : own);
  };
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label="Groups">
      <table className={styles.table}>
        <caption>{filtered ? "Records in the ring that pass the filter" : "Everything since the machine started, exact"}</caption>
        <thead>
          <tr>
            <th scope="col">{grouping}</th>
            {grouping === "site" ? <th scope="col">place</th> : null}
            <th scope="col" className={styles.number}>traps</th><th scope="col" className={styles.number}>leaks</th><th scope="col" className={styles.number}>observed</th>
            <th scope="col">share</th>
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <tr key={group.key}>
              <th scope="row"><button type="button" className={`plain ${styles.name}`} title={`Filter: ${group.filter}`} onClick={() => show(group.filter)}>{group.label}</button></th>
              {grouping === "site" ? <td className={styles.place}>{group.place}</td> : null}
              <td className={`${styles.number} ${styles.traps}`}>{group.exits > 0 ? count(group.exits) : ""}</td>
              <td className={`${styles.number} ${styles.leaks}`}>{group.leaks > 0 ? count(group.leaks) : ""}</td>
              <td className={`${styles.number} ${styles.observed}`}>{group.observed > 0 ? count(group.observed) : ""}</td>
              <td className={styles.share}><span className={styles.bar} style={{ width: `${Math.max(1, group.share * 100)}%` }} /><span>{(group.share * 100).toFixed(group.share < 0.1 ? 1 : 0)} %</span></td>
            </tr>
          ))}
        </tbody>
      </table>
      {groups.length === 0 ? <p className={styles.empty}>Nothing to group yet.</p> : null}
    </div>
  );
}
