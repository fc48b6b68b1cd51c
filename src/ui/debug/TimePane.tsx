// The machine's past: how far it reaches, where it is now; snapshots and recordings as files.

import { useRef, useState } from "react";
import { bytes, count } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./debug.module.css";

export function TimePane(): React.JSX.Element {
  const session = useSession();
  const { debug } = session;
  const { history, goingBack } = useObservable(debug.state);
  const { run, phase } = useObservable(session.state);
  const stopped = phase === "live" && run !== null && run.kind !== "running";
  return (
    <div className={styles.pane}>
      <div className={styles.scroll}>
        <section className={styles.section} aria-label="Past">
          <h2>Past</h2>
          {history && stopped ? <Scrubber /> : <p className={styles.note}>{phase === "live" ? "Pause the machine to go back in it." : "There is no machine."}</p>}
          {history ? <p className={styles.note}>{count(history.checkpoints)} checkpoints, {bytes(history.bytes)} of memory that differs between them. {goingBack ? "Going back …" : ""}</p> : null}
        </section>
        <Files live={phase === "live"} />
      </div>
    </div>
  );
}

/** Goes where the slider is let go. */
function Scrubber(): React.JSX.Element | null {
  const { debug } = useSession();
  const { history, goingBack } = useObservable(debug.state);
  const [wanted, setWanted] = useState<number | null>(null);
  const [typed, setTyped] = useState("");
  if (!history) return null;
  const go = (retired: number): void => {
    setWanted(null);
    if (retired !== history.now) debug.back({ kind: "instant", retired: Math.min(history.newest, Math.max(history.oldest, Math.round(retired))) });
  };
  return (
    <>
      <input
        type="range" className={styles.scrubber} aria-label="Instant" min={history.oldest} max={history.newest} step={1} value={wanted ?? history.now} disabled={goingBack}
        aria-valuetext={`${count(wanted ?? history.now)} instructions`} onChange={(event) => setWanted(Number(event.target.value))} onPointerUp={() => wanted !== null && go(wanted)}
        onKeyUp={() => wanted !== null && go(wanted)}
      />
      <p className={styles.ends}><span>{count(history.oldest)}</span><b>{count(wanted ?? history.now)} instructions</b><span>{count(history.newest)}</span></p>
      <form className={styles.bar} onSubmit={(event) => { event.preventDefault(); if (/^[\d,]+$/.test(typed)) go(Number(typed.replaceAll(",", ""))); }}>
        <input type="text" aria-label="Go to an instant, in instructions" placeholder="instructions" inputMode="numeric" value={typed} onChange={(event) => setTyped(event.target.value)} />
        <button type="submit" disabled={goingBack}>Go</button>
        <button type="button" disabled={goingBack || history.now <= history.oldest} onClick={() => debug.back({ kind: "instructions", count: 1000 })}>Back 1,000</button>
        <button type="button" disabled={goingBack || history.now >= history.newest} onClick={() => go(history.now + 1000)}>Forward 1,000</button>
        <button type="button" disabled={goingBack || history.now >= history.newest} onClick={() => go(history.newest)}>To the latest</button>
      </form>
    </>
  );
}

function Files({ live }: { readonly live: boolean }): React.JSX.Element {
  const { debug } = useSession();
  const { autosaved } = useObservable(debug.state);
  const file = useRef<HTMLInputElement>(null);
  return (
    <>
      <section className={styles.section} aria-label="Snapshot">
        <h2>Snapshot</h2>
        <p className={styles.note}>The whole machine: memory, processor, every chip, what the guest wrote to its disks. The images themselves are not in it.</p>
        <div className={styles.bar}>
          <button type="button" disabled={!live} onClick={() => debug.saveSnapshot()}>Save snapshot</button>
          <button type="button" disabled={!live} onClick={() => file.current?.click()}>Restore snapshot…</button>
          <input
            ref={file} type="file" className="hidden" tabIndex={-1} aria-label="Snapshot file" accept=".trapsnap" onChange={(event) => {
              const own = event.target.files?.[0];
              if (own) debug.restoreSnapshot({ name: own.name, data: own });
              event.target.value = "";
            }}
          />
        </div>
      </section>
      <section className={styles.section} aria-label="Kept in this browser">
        <h2>Kept in this browser</h2>
        <p className={styles.note}>{autosaved ? `The machine as it was on ${new Date(autosaved.savedMs).toLocaleString()}, ${bytes(autosaved.bytes)}.` : "When you leave the tab, the machine is kept here for these images."}</p>
        <div className={styles.bar}>
          <button type="button" disabled={!live || !autosaved} onClick={() => debug.restoreAutosave()}>Continue from there</button>
          <button type="button" disabled={!live} onClick={() => debug.autosave()}>Keep it now</button>
        </div>
      </section>
      <section className={styles.section} aria-label="Recording">
        <h2>Recording</h2>
        <p className={styles.note}>Everything that came from outside since the start, each at its instruction. This page and <code>trapscope replay</code> repeat the run from it bit for bit, on any computer: drop the file on the page.</p>
        <div className={styles.bar}><button type="button" disabled={!live} onClick={() => debug.saveRecording()}>Save recording</button></div>
      </section>
    </>
  );
}
