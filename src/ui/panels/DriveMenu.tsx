// The drives of the machine that runs: what is in them, insert, eject; what the guest wrote to them, and what becomes of it.

import { useRef, useState } from "react";
import type { DriveName } from "../../protocol/image-info.ts";
import { DRIVES } from "../../protocol/image-info.ts";
import type { DriveStatus } from "../../protocol/storage.ts";
import { bytes } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { TARGET_NAMES } from "../texts.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./DriveMenu.module.css";

/** Hard disks stay where they are while the machine runs. */
const REMOVABLE: readonly DriveName[] = ["fda", "fdb", "cdrom"];

export function DriveMenu(): React.JSX.Element | null {
  const session = useSession();
  const { machine, phase } = useObservable(session.state);
  const { disks } = session;
  const drives = useObservable(disks.drives);
  if (!machine || phase !== "live") return <button type="button" onClick={() => disks.storage.openDialog()} title="Images and changes that this browser keeps">Storage</button>;
  return (
    <Menu label="Drives" title="Drives of this machine">
      {(close) => (
        <div className={styles.menu}>
          <ul className={styles.drives}>
            {DRIVES.map((drive) => <Drive key={drive} drive={drive} name={machine.media[drive]} status={drives.find((own) => own.drive === drive)} onDone={close} />)}
          </ul>
          <button type="button" onClick={() => { close(); disks.storage.openDialog(); }}>Storage…</button>
        </div>
      )}
    </Menu>
  );
}

function Drive({ drive, name, status, onDone }: {
  readonly drive: DriveName; readonly name: string | undefined; readonly status: DriveStatus | undefined; readonly onDone: () => void;
}): React.JSX.Element {
  const session = useSession();
  const { disks } = session;
  const file = useRef<HTMLInputElement>(null);
  const changed = name !== undefined && status !== undefined && status.changedBytes > 0;
  return (
    <li className={styles.drive} data-drive={drive}>
      <span className={styles.name}>{TARGET_NAMES[drive]}</span>
      <span className={name === undefined ? "muted" : styles.medium}>{name ?? "empty"}</span>
      {REMOVABLE.includes(drive) ? (
        <span className={styles.buttons}>
          <button type="button" aria-label={`Insert… into ${TARGET_NAMES[drive]}`} onClick={() => file.current?.click()}>Insert…</button>
          <input
            ref={file} type="file" className="hidden" tabIndex={-1} aria-label={`File for ${TARGET_NAMES[drive]}`} onChange={(event) => {
              const own = event.target.files?.[0];
              if (own) void disks.insert(drive, { name: own.name, data: own });
              event.target.value = "";
            }}
          />
          <button type="button" disabled={name === undefined} onClick={() => session.eject(drive)}>Eject</button>
        </span>
      ) : null}
      {name !== undefined && status ? <p className={styles.state}>{stateText(status)}</p> : null}
      {changed ? (
        <span className={styles.actions} role="group" aria-label={`Changes on ${TARGET_NAMES[drive]}`}>
          {status.kept === "storage" ? (
            <button type="button" disabled={status.uncommittedBytes === 0} onClick={() => disks.overlay(drive, "commit")} title="Discard will come back to what is there now">Commit</button>
          ) : null}
          <Confirmed label="Discard…" sure="Discard and restart" onSure={() => { onDone(); disks.overlay(drive, "discard"); }} title="Back to the last commit, or to the image; the machine starts again" />
          {status.committedBytes > 0 ? (
            <Confirmed label="Back to the image…" sure="Forget all and restart" onSure={() => { onDone(); disks.overlay(drive, "clear"); }} title="Forgets the commit, too" />
          ) : null}
          <button type="button" onClick={() => { onDone(); disks.exportDisk(drive); }} title="The whole disk with these changes, as a raw image">Export…</button>
        </span>
      ) : null}
    </li>
  );
}

function stateText({ kept, why, changedBytes, unsavedBytes, uncommittedBytes, committedBytes, lostBytes }: DriveStatus): string {
  if (kept === "read-only") return "read only";
  if (changedBytes === 0) return kept === "storage" ? "Unchanged; changes will be kept in this browser." : `Unchanged; changes stay in memory. ${why ?? ""}`.trim();
  const size = `${bytes(changedBytes)} changed`;
  if (lostBytes > 0) return `${size}; ${bytes(lostBytes)} found no room in storage and are lost when the tab closes.`;
  if (kept === "memory") return `${size}; in memory until the tab closes. ${why ?? ""}`.trim();
  const committed = uncommittedBytes === 0 ? "committed" : committedBytes > 0 ? `${bytes(uncommittedBytes)} since the last commit` : "not committed";
  return `${size}, ${unsavedBytes > 0 ? "saving" : "saved"}, ${committed}.`;
}

/** A button that asks once more, in its own place. */
export function Confirmed({ label, sure, title, onSure }: { readonly label: string; readonly sure: string; readonly title: string; readonly onSure: () => void }): React.JSX.Element {
  const [asked, setAsked] = useState(false);
  return (
    <button
      type="button" title={title} className={asked ? styles.danger : undefined} onBlur={() => setAsked(false)} onClick={() => {
        if (!asked) return setAsked(true);
        setAsked(false);
        onSure();
      }}
    >
      {asked ? sure : label}
    </button>
  );
}

/** In the status line: whether everything that the guest wrote is kept. */
export function SaveState(): React.JSX.Element | null {
  const { disks } = useSession();
  const changed = useObservable(disks.drives).filter((drive) => drive.changedBytes > 0);
  if (changed.length === 0) return null;
  const inMemory = changed.some((drive) => drive.kept === "memory" || drive.lostBytes > 0);
  const saving = changed.some((drive) => drive.kept === "storage" && drive.unsavedBytes > 0);
  return <span data-testid="save-state">{inMemory ? "Disk changes in memory only" : saving ? "Saving disk changes" : "Disk changes saved"}</span>;
}
