// A link that opens the page as it is: for the one who teaches, or asks.

import { useEffect, useState } from "react";
import { usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import styles from "./ShareMenu.module.css";

function Arrow(): React.JSX.Element {
  return <svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true"><path d="M9.500 2l5 4.500-5 4.500V8.400C6 8.400 3.500 9.600 1.500 13 2 8.500 4.500 5.400 9.500 4.700z" fill="currentColor" /></svg>;
}

export function ShareMenu(): React.JSX.Element {
  return <Menu label={<><Arrow /><span className="hidden">Share</span></>} title="Share a link to this" align="right">{() => <Link />}</Menu>;
}

function Link(): React.JSX.Element {
  const page = usePage();
  const [{ link, lacks }] = useState(() => page.shareLink());
  const [copied, setCopied] = useState(false);
  const copy = (): void => void navigator.clipboard.writeText(link).then(() => setCopied(true), () => setCopied(false));
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 4000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <div className={styles.menu}>
      <label htmlFor="share-link">Opens the guest under this technique with its settings, the filter, the layout and the lab</label>
      <input id="share-link" type="text" readOnly value={link} onFocus={(event) => event.target.select()} />
      {lacks === null ? null : <p className="muted">Without {lacks}: a file of this computer is in no link. Who has it drops it on the page.</p>}
      <div className={styles.line}>
        <button type="button" className="primary" onClick={copy}>Copy the link</button>
        <span role="status" className="muted">{copied ? "Copied." : ""}</span>
      </div>
    </div>
  );
}
