// The name and its sign.

import styles from "./TopBar.module.css";

export function Brand(): React.JSX.Element {
  return (
    <h1 className={styles.brand}>
      <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#10202e" />
        <circle cx="16" cy="16" r="9" fill="none" stroke="#5fb3d9" strokeWidth="2.4" />
        <path d="M16 3v7M16 22v7M3 16h7M22 16h7" stroke="#5fb3d9" strokeWidth="2.4" strokeLinecap="round" />
        <circle cx="16" cy="16" r="2.6" fill="#f2a33a" />
      </svg>
      <span>trapscope</span>
    </h1>
  );
}
