// Where a visitor lands: the machine that was left last, to go on with it or to forget it.

import { useEffect } from "react";
import { bytes, techniqueText, when } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { Confirmed } from "./DriveMenu.tsx";
import styles from "./KeptMachine.module.css";

export function KeptMachine(): React.JSX.Element | null {
  const { recorded, disks: { storage } } = useSession();
  const { list } = useObservable(storage.state);
  useEffect(() => {
    void storage.hasMachines().then((has) => (has ? storage.refresh() : undefined));
  }, [storage]);
  const all = (list?.machines ?? []).filter(({ inUse, made }) => !inUse && made !== null).toSorted((one, other) => other.lastUsedMs - one.lastUsedMs), [machine] = all;
  if (!machine?.made) return null;
  return (
    <section className={styles.kept} aria-label="Go on where you were">
      <h3>Go on where you were</h3>
      <p><strong>{machine.name}</strong></p>
      <p className="muted">{techniqueText(machine.made.setup)} · {when(machine.lastUsedMs)} · {bytes(machine.bytes)}</p>
      <div className={styles.buttons}>
        <button type="button" className="primary" onClick={() => void recorded.goOn(machine)}>Go on</button>
        <Confirmed label="Discard…" sure="Really discard" title={`Forgets how the machine of ${machine.name} was left`} onSure={() => void storage.remove("machine", machine.id)} />
        {all.length > 1 ? <button type="button" className="plain" onClick={() => storage.openDialog()}>{all.length - 1} more…</button> : null}
      </div>
    </section>
  );
}
