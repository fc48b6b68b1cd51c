// The drives of the machine that runs: what is in them, insert, eject.

import type { DriveName } from "../../protocol/image-info.ts";
import { DRIVES } from "../../protocol/image-info.ts";
import { useObservable, useSession } from "../hooks.ts";
import { TARGET_NAMES } from "../texts.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./DriveMenu.module.css";

/** Hard disks stay where they are while the machine runs. */
const REMOVABLE: readonly DriveName[] = ["fda", "fdb", "cdrom"];

export function DriveMenu(): React.JSX.Element | null {
  const session = useSession();
  const { machine, phase } = useObservable(session.state);
  if (!machine || phase !== "live") return null;
  return (
    <Menu label="Drives" title="Drives of this machine">
      {() => (
        <ul className={styles.drives}>
          {DRIVES.map((drive) => {
            const name = machine.media[drive];
            return (
              <li key={drive} className={styles.drive}>
                <span className={styles.name}>{TARGET_NAMES[drive]}</span>
                <span className={name === undefined ? "muted" : styles.medium}>{name ?? "empty"}</span>
                {REMOVABLE.includes(drive) ? (
                  <span className={styles.buttons}>
                    <label className={styles.insert}>
                      Insert…
                      <input
                        type="file" className="hidden" aria-label={`Insert into ${TARGET_NAMES[drive]}`} onChange={(event) => {
                          const file = event.target.files?.[0];
                          if (file) session.insert(drive, { name: file.name, data: file });
                          event.target.value = "";
                        }}
                      />
                    </label>
                    <button type="button" disabled={name === undefined} onClick={() => session.eject(drive)}>Eject</button>
                  </span>
                ) : null}
              </li>
            );
          })}
        </ul>
      )}
    </Menu>
  );
}
