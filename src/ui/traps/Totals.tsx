// What has happened so far, exactly: how many of each, how fast, and how that went on. Above the table each narrows it to its own kind.

import type { Counted } from "../../store/meter-store.ts";
import { count, short } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { Sparkline } from "../widgets/Sparkline.tsx";
import styles from "./Totals.module.css";

/** `narrow`: pressing one filters the table by it. */
export function Totals({ narrow }: { readonly narrow: boolean }): React.JSX.Element {
  const { session } = usePage();
  const { totals, filter: current } = useObservable(session.traps.state);
  const { machine, run } = useObservable(session.state);
  const { rates } = useObservable(session.meter.state);
  const total = (family: Counted, name: string, title: string, filter: string, style: string | undefined, colour: string): React.JSX.Element => {
    const { perSecond, history } = rates[family];
    const content = (
      <>
        <span className={styles.value}>{count(totals[family])}<small>{run?.kind === "running" && perSecond >= 1 ? ` ${short(perSecond)}/s` : ""}</small></span>
        <span className={styles.name}>{name}</span>
        {history.some((value) => value > 0) ? <Sparkline values={history} width={64} height={14} colour={colour} /> : null}
      </>
    );
    const className = `${styles.total} ${style ?? ""}`;
    if (!narrow) return <div className={className} title={title} data-total={name}>{content}</div>;
    return (
      <button
        type="button" className={className} title={`${title}. Press to see only these.`} aria-pressed={current === filter} data-total={name}
        onClick={() => session.traps.setFilter(current === filter ? "" : filter)}
      >
        {content}
      </button>
    );
  };
  return (
    <div className={styles.totals} role="group" aria-label="Totals">
      {total("traps", "traps", "Exits of the processor, counted exactly", "kind == exit", styles.traps, "var(--trap)")}
      {total("leaks", "leaks", "Sensitive instructions that did not trap and went wrong", "kind == leak", styles.leaks, "var(--leak)")}
      {total("observed", "observed, not trapped", "Sensitive instructions that did not trap and were right", "kind == observed", styles.observed, "var(--observed)")}
      {totals.callouts > 0 ? total("callouts", "callouts", "Calls of translated code into the monitor", "class == call", styles.callouts, "var(--callout)") : null}
      {machine?.technique === "emulate" && totals.observed > 0 ? (
        <button type="button" className={styles.hint} onClick={() => document.getElementById("technique")?.click()}>Nothing traps under emulate. Switch the technique…</button>
      ) : null}
    </div>
  );
}
