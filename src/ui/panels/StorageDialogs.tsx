// What lies over the page when disks ask for it: progress with a way out, the choice of a file in an archive, and the list of
// everything that this browser keeps.

import { useEffect, useState } from "react";
import type { StoredImage, StoredMachine, StoredOverlay } from "../../protocol/storage.ts";
import type { Choice, Job } from "../../store/storage.ts";
import { downloadBlob } from "../download.ts";
import { bytes, techniqueText, when } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import { Confirmed } from "./DriveMenu.tsx";
import styles from "./StorageDialogs.module.css";

export function StorageDialogs(): React.JSX.Element {
  const { disks } = useSession();
  const { open, job, choice } = useObservable(disks.storage.state);
  useEffect(() => {
    disks.saveBlob = downloadBlob;
  }, [disks]);
  const drives = useObservable(disks.drives);
  // What the person expects to be kept, and is not.
  const losing = drives.some(({ kept, why, changedBytes, lostBytes }) => lostBytes > 0 || (kept === "memory" && why !== null && changedBytes > 0));
  useEffect(() => {
    if (!losing) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [losing]);
  return (
    <>
      {open ? <StorageDialog /> : null}
      {choice ? <ChoiceDialog choice={choice} /> : null}
      {job ? <ProgressDialog job={job} /> : null}
    </>
  );
}

function ProgressDialog({ job }: { readonly job: Job }): React.JSX.Element {
  const { title, done, all, written, cancel } = job;
  const [startMs] = useState(() => performance.now());
  const seconds = (performance.now() - startMs) / 1000;
  const share = all > 0 ? done / all : null;
  return (
    <Dialog title={title} onClose={cancel} footer={<button type="button" onClick={cancel}>Cancel</button>}>
      <progress className={styles.progress} aria-label={title} {...(share === null ? {} : { value: share, max: 1 })} />
      <p className={styles.numbers}>
        {share === null ? null : <>{Math.floor(share * 100)} %</>}
        {written > 0 ? <> · {bytes(written)}{seconds > 1 ? <> · {(written / 1e6 / seconds).toFixed(0)} MB/s</> : null}</> : null}
      </p>
    </Dialog>
  );
}

function ChoiceDialog({ choice }: { readonly choice: Choice }): React.JSX.Element {
  const [index, setIndex] = useState(choice.entries[0]?.index ?? -1);
  const { title, entries, answer } = choice;
  return (
    <Dialog
      title={title} onClose={() => answer(null)} footer={(
        <>
          <button type="button" onClick={() => answer(null)}>Cancel</button>
          <button type="button" className="primary" onClick={() => answer(entries.find((entry) => entry.index === index) ?? null)}>Take it</button>
        </>
      )}
    >
      <fieldset className={styles.choice}>
        <legend className="hidden">{title}</legend>
        {entries.map((entry) => (
          <label key={entry.index}>
            <input type="radio" name="packed-file" checked={entry.index === index} onChange={() => setIndex(entry.index)} />
            <span>{entry.name}</span>
            <span className="muted">{entry.size === null ? "" : bytes(entry.size)}</span>
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}

function StorageDialog(): React.JSX.Element {
  const session = useSession();
  const { storage } = session.disks;
  const { list, problem } = useObservable(storage.state);
  const close = (): void => storage.closeDialog();
  return (
    <Dialog title="What this browser keeps" wide onClose={close} footer={<button type="button" className="primary" onClick={close}>Close</button>}>
      {problem ? <p role="alert" className={styles.problem}>{problem}</p> : null}
      {!list ? <p>Looking…</p> : list.refused ? <p className={styles.problem}>{list.refused}</p> : (
        <>
          <p className="muted">{bytes(list.usedBytes)} of {bytes(list.quotaBytes)} that the browser allows are in use. Nothing of it leaves this computer.</p>
          <Images images={list.images} />
          <Overlays overlays={list.overlays} />
          <Machines machines={list.machines} />
        </>
      )}
    </Dialog>
  );
}

const newestFirst = (a: { readonly lastUsedMs: number }, b: { readonly lastUsedMs: number }): number => b.lastUsedMs - a.lastUsedMs;

function Images({ images }: { readonly images: readonly StoredImage[] }): React.JSX.Element {
  const session = useSession();
  const { storage } = session.disks;
  return (
    <section aria-label="Images">
      <h3 className={styles.heading}>Images</h3>
      {images.length === 0 ? <p className="muted">Images that were unpacked or downloaded are kept here, to boot again with one click.</p> : (
        <ul className={styles.list}>
          {images.toSorted(newestFirst).map((image) => (
            <li key={image.id} className={styles.row}>
              <div className={styles.text}>
                <p><strong>{image.name}</strong> <span className="muted">{bytes(image.bytes)}</span></p>
                <p className="muted">{image.origin} · {when(image.lastUsedMs)}</p>
              </div>
              <button type="button" onClick={() => void session.bootStored(image.id)}>Boot</button>
              <Confirmed label="Delete…" sure="Really delete" title={`Deletes ${image.name} from this browser`} onSure={() => void storage.remove("image", image.id)} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Overlays({ overlays }: { readonly overlays: readonly StoredOverlay[] }): React.JSX.Element {
  const { storage } = useSession().disks;
  return (
    <section aria-label="Saved changes">
      <h3 className={styles.heading}>Saved changes</h3>
      {overlays.length === 0 ? <p className="muted">What guests write to their disks is kept here, and found again when the same image is opened.</p> : (
        <ul className={styles.list}>
          {overlays.toSorted(newestFirst).map((overlay) => (
            <li key={overlay.id} className={styles.row}>
              <div className={styles.text}>
                <p><strong>{overlay.name}</strong> <span className="muted">{bytes(overlay.bytes)} for a disk of {bytes(overlay.imageBytes)}</span></p>
                <p className="muted">{overlay.inUse ? "in use now" : "open the image again to go on"} · {when(overlay.lastUsedMs)}</p>
              </div>
              {overlay.inUse ? null : (
                <Confirmed label="Delete…" sure="Really delete" title={`Forgets what was written to ${overlay.name}`} onSure={() => void storage.remove("overlay", overlay.id)} />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Machines({ machines }: { readonly machines: readonly StoredMachine[] }): React.JSX.Element {
  const { recorded, disks: { storage } } = useSession();
  return (
    <section aria-label="Machines">
      <h3 className={styles.heading}>Machines</h3>
      {machines.length === 0 ? <p className="muted">When a tab is left, its machine is kept here as it was, and can go on.</p> : (
        <ul className={styles.list}>
          {machines.toSorted(newestFirst).map((machine) => (
            <li key={machine.id} className={styles.row}>
              <div className={styles.text}>
                <p><strong>{machine.name}</strong> <span className="muted">{bytes(machine.bytes)}</span></p>
                <p className="muted">{machine.inUse ? "in use now" : machine.made ? techniqueText(machine.made.setup) : "open the image again; under Debug, Time goes on with it"} · {when(machine.lastUsedMs)}</p>
              </div>
              {machine.inUse || !machine.made ? null : <button type="button" onClick={() => void recorded.goOn(machine)}>Go on</button>}
              {machine.inUse ? null : (
                <Confirmed label="Delete…" sure="Really delete" title={`Forgets how the machine of ${machine.name} was left`} onSure={() => void storage.remove("machine", machine.id)} />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
