// Something went wrong: what, why, and what to do about it.

import { useObservable, useSession } from "../hooks.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./ProblemDialog.module.css";

export function ProblemDialog(): React.JSX.Element | null {
  const session = useSession();
  const { problem } = useObservable(session.state);
  if (!problem) return null;
  const { report, retry } = problem;
  const close = (): void => session.dismissProblem();
  return (
    <Dialog
      title={problem.title} onClose={close} footer={(
        <>
          {report === null ? null : <button type="button" onClick={() => session.saveFile("trapscope-report.txt", new TextEncoder().encode(report))}>Download report</button>}
          <button type="button" onClick={close}>Close</button>
          {retry ? <button type="button" className="primary" onClick={() => { close(); retry.run(); }}>{retry.label}</button> : null}
        </>
      )}
    >
      <p className={styles.reason}>{problem.reason}</p>
      <p>{problem.whatToDo}</p>
    </Dialog>
  );
}
