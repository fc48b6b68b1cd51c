// Small messages that a person should see and may close.

import { useObservable, useSession } from "../hooks.ts";
import styles from "./Notices.module.css";

export function Notices(): React.JSX.Element {
  const session = useSession();
  const { notices } = useObservable(session.state);
  return (
    <div className={styles.stack} role="status" aria-live="polite">
      {notices.map((notice) => (
        <div key={notice.id} className={styles.notice}>
          <p>{notice.text}</p>
          <button type="button" className="plain" aria-label="Close" onClick={() => session.dismissNotice(notice.id)}>✕</button>
        </div>
      ))}
    </div>
  );
}
