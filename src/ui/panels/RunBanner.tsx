// What a person should know when the run has ended: how, where, and which leak came first.

import { useState } from "react";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { hexBytes } from "../../trace/trap-fields.ts";
import type { LeakDecision } from "../../protocol/stats-view.ts";
import type { RunState } from "../../protocol/events.ts";
import { count, hex4, hex8 } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { showPane } from "../layout/places.ts";
import { OUTCOME_TEXTS } from "../texts.ts";
import styles from "./RunBanner.module.css";

export function RunBanner(): React.JSX.Element | null {
  const { session, settings } = usePage();
  const { run, machine } = useObservable(session.state);
  // Each run ends with a state of its own.
  const [closed, setClosed] = useState<RunState | null>(null);
  if (run?.kind !== "ended" || !machine || closed === run) return null;
  const showLeaks = (): void => {
    session.traps.setFilter("kind == leak");
    showPane(settings, "traps");
  };
  const leak = session.firstLeak(), decisive = session.decisiveLeak();
  const { good, title } = OUTCOME_TEXTS[run.outcome];
  return (
    <section className={styles.banner} data-good={good} aria-label="End of the run">
      <div className={styles.text}>
        <p><strong>{title}</strong> <span className="muted">{details(run)}</span></p>
        {decisive && !good ? <DecisiveLeak {...decisive} /> : leak ? <FirstLeak leak={leak} good={good} /> : null}
      </div>
      {leak ? <button type="button" onClick={showLeaks}>Show the leaks</button> : null}
      {machine.technique !== "emulate" && !good ? <button type="button" onClick={() => session.restart({ technique: "emulate" })}>Start under emulate</button> : null}
      <button type="button" className="primary" onClick={() => session.reset()}>Reset</button>
      <button type="button" className={styles.close} aria-label="Close" title="Close" onClick={() => setClosed(run)}>✕</button>
    </section>
  );
}

function details(run: Extract<RunState, { kind: "ended" }>): string {
  const parts = [run.reason, `EIP ${hex8(run.eip)}`];
  if (run.exitValue !== undefined) parts.push(`exit value ${run.exitValue}`);
  if (run.refusal && run.refusal.bytes.length > 0) parts.push(`bytes ${hexBytes(run.refusal.bytes, " ")}`);
  return parts.filter((part) => part !== "").join(" · ");
}

function DecisiveLeak({ leak, decision }: { readonly leak: TrapFields; readonly decision: LeakDecision }): React.JSX.Element {
  return (
    <p>
      The first leak that mattered: <Leak leak={leak} />.{" "}
      {decision.distance === 0
        ? "So an interrupt that the guest waits for cannot come."
        : <>{decision.distance === 1 ? "The next instruction" : `${count(decision.distance)} instructions later, EIP ${hex8(decision.eip)}`} went another way than on bare metal.</>}
    </p>
  );
}

function Leak({ leak }: { readonly leak: TrapFields }): React.JSX.Element {
  return (
    <>
      <code className={styles.leak}>{leak.text ?? leak.instruction}</code> at <code>{hex4(leak.cs)}:{hex8(leak.eip)}</code>, after {count(leak.icount)} instructions
      {leak.effect ? <> — {leak.effect}</> : null}
    </>
  );
}

function FirstLeak({ leak, good }: { readonly leak: TrapFields; readonly good: boolean }): React.JSX.Element {
  return (
    <p>
      {good ? "It leaked all the same: the first was " : "The first leak, and likely the cause: "}
      <Leak leak={leak} />.
    </p>
  );
}
