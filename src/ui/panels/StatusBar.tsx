// One line: where the machine is and in what state.

import { bytes, count, hex4, hex8, seconds, short } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { OUTCOME_TEXTS } from "../texts.ts";
import type { SessionState } from "../../store/session.ts";
import { SaveState } from "./DriveMenu.tsx";
import styles from "./StatusBar.module.css";

function stateText(state: SessionState, waiting: boolean): string {
  const { run, phase, busy } = state;
  if (busy) return busy;
  if (phase === "starting") return "starting";
  if (phase === "crashed") return "stopped by a fault of trapscope";
  if (!run) return "no machine";
  switch (run.kind) {
    case "running": return waiting ? "guest is waiting for an interrupt" : "running";
    case "paused": return run.why === "trap" ? "paused at a trap" : run.why === "step" ? "paused after one instruction" : run.why === "replayed" ? "the recording has ended" : "paused";
    case "ended": return OUTCOME_TEXTS[run.outcome].title;
  }
}

export function StatusBar(): React.JSX.Element {
  const session = useSession();
  const state = useObservable(session.state);
  const meter = useObservable(session.meter.state);
  const { registers } = useObservable(session.registers.state);
  const { totals, dropped } = useObservable(session.traps.state);
  const { machine } = state;
  const cs = registers?.virtual.segments[1];
  return (
    <footer className={styles.bar}>
      <span role="status" className={styles.state} data-kind={state.run?.kind === "ended" && OUTCOME_TEXTS[state.run.outcome].good ? "done" : (state.run?.kind ?? "none")}>{stateText(state, meter.waiting)}</span>
      {machine && registers && cs ? (
        <>
          <code>{hex4(cs.selector)}:{hex8(registers.eip)}</code>
          <span>
            CPL <b>{registers.virtual.cpl}</b>
            {registers.hardware ? <> · really ring <b>{registers.hardware.cpl}</b></> : null}
          </span>
          <span>
            IF <b>{(registers.virtual.eflags >> 9) & 1}</b>
            {registers.hardware ? <> · hardware <b>{(registers.hardware.eflags >> 9) & 1}</b></> : null}
          </span>
          <span>{short(meter.instructions)} instructions</span>
          <span>{seconds(meter.guestNs)} guest time</span>
        </>
      ) : null}
      <span className={styles.space} />
      {machine ? (
        <>
          {dropped > 0 ? <span title="The ring holds the newest 262,144 records; the counters count all of them">{count(dropped)} oldest records dropped</span> : null}
          <SaveState />
          <span>{short(totals.traps)} traps</span>
          <span className={styles.title}>{machine.title} · {bytes(machine.memoryBytes)}</span>
        </>
      ) : <span>Images never leave this computer.</span>}
    </footer>
  );
}
