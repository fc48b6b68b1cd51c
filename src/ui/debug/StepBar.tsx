// Forwards and backwards through the guest's time.

import type { BackTarget } from "../../protocol/debug.ts";
import { count } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./debug.module.css";

export function StepBar({ selected }: { readonly selected: number | null }): React.JSX.Element {
  const session = useSession();
  const { debug } = session;
  const { run, phase } = useObservable(session.state);
  const { history, goingBack, memory } = useObservable(debug.state);
  const live = phase === "live";
  const paused = live && run?.kind === "paused" && !goingBack;
  // A machine that has ended can go back, too.
  const back = live && run !== null && run.kind !== "running" && !goingBack && history !== null && history.now > history.oldest;
  const go = (to: BackTarget) => (): void => debug.back(to);
  return (
    <div className={styles.bar} role="group" aria-label="Steps">
      <button type="button" disabled={!back} onClick={go({ kind: "instructions", count: 1 })} title="Back by one instruction (Shift+F11)" aria-label="Step back">◂ Back</button>
      <Menu label="Run back ▾" title="Run back to an earlier event">
        {(close) => (
          <div className={styles.menu}>
            {([
              ["To the previous trap", { kind: "record", records: "trap" }], ["To the previous leak", { kind: "record", records: "leak" }], ["To the previous breakpoint", { kind: "breakpoint" }],
              [`To the last write of ${memory.address.toString(16)} (memory pane)`, { kind: "write", linear: memory.address, bytes: 4 }],
              ["By 1,000 instructions", { kind: "instructions", count: 1000 }], ["To the beginning", { kind: "instant", retired: history?.oldest ?? 0 }],
            ] as const).map(([text, to]) => (
              <button key={text} type="button" className="plain" disabled={!back} onClick={() => { debug.back(to); close(); }}>{text}</button>
            ))}
          </div>
        )}
      </Menu>
      <button type="button" disabled={!paused} onClick={() => session.step()} title="One instruction (F11)" aria-label="Step forward">Step ▸</button>
      <button type="button" disabled={!paused} onClick={() => debug.stepOver()} title="One instruction, and what it calls (F10)">Over</button>
      <button type="button" disabled={!paused} onClick={() => debug.stepOut()} title="Until this function has returned to its caller (Shift+F8)">Out</button>
      <button type="button" disabled={!paused || selected === null} onClick={() => selected !== null && debug.runTo(selected)} title="Run to the selected line (F4)">To line</button>
      {goingBack ? <span role="status" className={styles.place}>going back …</span> : history && run?.kind !== "running" ? <span className={styles.place} data-instant={history.now}>{count(history.now)} instructions</span> : null}
    </div>
  );
}
