// No machine yet: guests in one click, or an image.

import { useObservable, useSession } from "../hooks.ts";
import { GuestList } from "./GuestList.tsx";
import styles from "./Welcome.module.css";

export function Welcome(): React.JSX.Element {
  const session = useSession();
  const { busy } = useObservable(session.state);
  return (
    <div className={styles.welcome}>
      <div className={styles.intro}>
        <h2>Boot a disk image. Watch what traps.</h2>
        <p>
          A whole PC runs in this page. Put a monitor under it and the guest's kernel loses its ring: every sensitive instruction either traps, and you see it
          emulated, or does not, and you see what leaked.
        </p>
      </div>
      <GuestList />
      <div className={styles.drop} aria-live="polite">
        {busy ?? <>Drop a floppy, hard disk or CD image, a bzImage or a multiboot kernel <strong>anywhere on the page</strong>. It never leaves this computer.</>}
      </div>
    </div>
  );
}
