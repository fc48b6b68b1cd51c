// A recording that is repeated: how far it is, and whether it came to the same.

import { useState } from "react";
import type { ReplayStatus } from "../../protocol/recorded.ts";
import { count } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./RunBanner.module.css";

export function ReplayBar(): React.JSX.Element | null {
  const { recorded } = useSession();
  const { replay } = useObservable(recorded.state);
  const [closed, setClosed] = useState<ReplayStatus | null>(null);
  if (!replay || closed === replay) return null;
  const { state, differences } = replay;
  return (
    <section className={styles.banner} data-good={state === "ended" ? differences.length === 0 : "neither"} aria-label="Replay">
      {state === "on" ? <OnTheWay replay={replay} /> : state === "ended" ? <Ended replay={replay} /> : (
        <p className={styles.text}>{replay.name} was left after {count(replay.at)} of its {count(replay.end.retired)} instructions: from there the run is your own.</p>
      )}
      {state === "on" ? <button type="button" onClick={() => recorded.takeOver()}>Take over here</button> : (
        <button type="button" className={styles.close} aria-label="Close" title="Close" onClick={() => setClosed(replay)}>✕</button>
      )}
    </section>
  );
}

function OnTheWay({ replay: { name, end } }: { readonly replay: ReplayStatus }): React.JSX.Element {
  const { meter } = useSession();
  const { instructions } = useObservable(meter.state);
  return (
    <div className={styles.text}>
      <p><strong>Replaying {name}</strong> <span className="muted">{count(Math.min(instructions, end.retired))} of {count(end.retired)} instructions. It brings its own keys, media and times.</span></p>
      <progress className={styles.progress} aria-label="Replayed" value={Math.min(instructions, end.retired)} max={Math.max(1, end.retired)} />
    </div>
  );
}

function Ended({ replay: { name, end, at, differences } }: { readonly replay: ReplayStatus }): React.JSX.Element {
  return differences.length === 0 ? (
    <div className={styles.text}>
      <p><strong>The recording has ended, and all is the same.</strong> <span className="muted">{name}, {count(at)} instructions</span></p>
      <p>State <code>{end.state}</code> and log agree: {count(end.traps)} traps, {count(end.callouts)} callouts, {count(end.leaks)} leaks. Go back in it as you like; Run goes on behind it.</p>
    </div>
  ) : (
    <div className={styles.text}>
      <p><strong>The recording has ended otherwise than it was recorded.</strong> <span className="muted">{name}, {count(at)} instructions</span></p>
      <ul>{differences.map((text) => <li key={text}>{text}</li>)}</ul>
    </div>
  );
}
