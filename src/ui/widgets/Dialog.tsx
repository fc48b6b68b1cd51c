// A modal dialog over the browser's own <dialog>: focus stays inside, Escape closes it.

import { useEffect, useId, useRef } from "react";
import styles from "./Dialog.module.css";

export function Dialog({ title, onClose, children, footer, wide = false }: {
  readonly title: string; readonly onClose: () => void; readonly children: React.ReactNode; readonly footer: React.ReactNode; readonly wide?: boolean;
}): React.JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || dialog.open) return;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={heading} className={wide ? styles.wide : undefined} onCancel={(event) => { event.preventDefault(); onClose(); }}>
      <div className={styles.body}>
        <h2 id={heading} className={styles.title}>{title}</h2>
        {children}
      </div>
      <div className={styles.footer}>{footer}</div>
    </dialog>
  );
}
