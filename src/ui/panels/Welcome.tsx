// No machine yet: guests in one click, or an image.

import styles from "./Welcome.module.css";

/** `guests`: the cards. `beside`: next to the first words. `busy`: what is being done, in the place of the invitation. */
export function Welcome({ guests, busy, beside = null }: { readonly guests: React.ReactNode; readonly busy: string | null; readonly beside?: React.ReactNode }): React.JSX.Element {
  return (
    <div className={styles.welcome}>
      <div className={styles.top}>
        <div className={styles.intro}>
          <h2>Boot a disk image. Watch what traps.</h2>
          <p>
            A whole PC runs in this page. Put a monitor under it and the guest's kernel loses its ring: every sensitive instruction either traps, and you see it
            emulated, or does not, and you see what leaked.
          </p>
        </div>
        {beside}
      </div>
      {guests}
      <div className={styles.drop} aria-live="polite">
        {busy ?? <>Drop a floppy, hard disk or CD image, a bzImage, a multiboot kernel, or a recording <strong>anywhere on the page</strong>. It never leaves this computer.</>}
      </div>
    </div>
  );
}
