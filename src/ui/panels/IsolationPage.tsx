// Without cross-origin isolation there is no shared memory, and no machine.

import type { IsolationProblem } from "../../store/isolation.ts";
import styles from "./IsolationPage.module.css";

export function IsolationPage({ problem }: { readonly problem: IsolationProblem }): React.JSX.Element {
  const lines = problem.headers.join("\n");
  return (
    <main className={styles.page}>
      <section role="alert" className={styles.card}>
        <h1>trapscope cannot start here</h1>
        <p><strong>{problem.reason}</strong></p>
        <p>{problem.whatToDo}</p>
        {lines === "" ? null : (
          <>
            <pre className={styles.headers}>{lines}</pre>
            <button type="button" onClick={() => void navigator.clipboard?.writeText(lines)}>Copy these lines</button>
          </>
        )}
        <p className="muted">The machine and this page share memory, which browsers allow only on isolated pages.</p>
      </section>
    </main>
  );
}
