// Files were brought and it is not clear what to do with them: what they are, where they go, boot or insert.

import { useState } from "react";
import type { MediaTarget } from "../../protocol/image-info.ts";
import { DRIVES } from "../../protocol/image-info.ts";
import type { DropQuestion } from "../../store/session.ts";
import { planProblem } from "../../store/drop-plan.ts";
import { bytes } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { TARGET_NAMES } from "../texts.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./DropDialog.module.css";

/** So that Linux shows itself on the screen and on COM1. */
const LINUX_CONSOLES = "console=tty0 console=ttyS0,115200";

export function DropDialog(): React.JSX.Element | null {
  const session = useSession();
  const { question } = useObservable(session.state);
  return question ? <Question key={question.files.map((file) => file.name).join("\n")} question={question} /> : null;
}

function Question({ question }: { readonly question: DropQuestion }): React.JSX.Element {
  const session = useSession();
  const { phase } = useObservable(session.state);
  const [targets, setTargets] = useState<readonly (MediaTarget | null)[]>(question.files.map((file) => file.target));
  const [append, setAppend] = useState(question.files.some((file) => file.target === "kernel") ? LINUX_CONSOLES : "");
  const [force, setForce] = useState(false);
  const files = question.files.map((file, index) => ({ ...file, target: targets[index] }));
  const problem = planProblem(files, force);
  const forceable = files.some((file) => file.target !== null && file.info.problem?.canForce);
  const hopeless = files.every((file) => file.info.targets.length === 0);
  const kernel = targets.includes("kernel") || targets.includes("multiboot");
  const insertable = phase === "live" && files.some((file) => file.target !== null) && files.every((file) => file.target === null || DRIVES.some((drive) => drive === file.target));
  const close = (): void => session.cancelQuestion();
  const title = hopeless ? (files.length === 1 ? `${files[0].name} cannot be used` : "None of these files can be used") : files.length === 1 ? `What to do with ${files[0].name}?` : `Where do these ${files.length} files go?`;
  return (
    <Dialog
      title={title} wide={files.length > 1} onClose={close} footer={hopeless ? <button type="button" className="primary" onClick={close}>Close</button> : (
        <>
          {problem ? <p className={styles.problem}>{problem}</p> : null}
          <button type="button" onClick={close}>Cancel</button>
          {insertable ? <button type="button" onClick={() => session.insertPlan(files)}>Insert into the running machine</button> : null}
          <button type="button" className="primary" disabled={problem !== null} onClick={() => session.bootPlan(files, kernel ? append : "", force)}>Boot</button>
        </>
      )}
    >
      <ul className={styles.files}>
        {files.map((file, index) => (
          <li key={file.name} className={styles.file}>
            <div>
              <p><strong>{file.name}</strong> <span className="muted">{bytes(file.info.size)}</span></p>
              <p>{file.info.title}{file.info.evidence === "" ? null : <span className="muted"> — {file.info.evidence}</span>}</p>
              {file.info.problem ? <p className={styles.bad}>{file.info.problem.reason} {file.info.problem.whatToDo}</p> : null}
            </div>
            {file.info.targets.length === 0 ? null : (
              <label>
                <span className="hidden">Where {file.name} goes</span>
                <select
                  value={file.target ?? ""} onChange={(event) => {
                    const value = event.target.value === "" ? null : (event.target.value as MediaTarget);
                    setTargets(targets.map((own, at) => (at === index ? value : own)));
                  }}
                >
                  {file.info.targets.map((target) => <option key={target} value={target}>{TARGET_NAMES[target]}</option>)}
                  <option value="">leave it out</option>
                </select>
              </label>
            )}
          </li>
        ))}
      </ul>
      {kernel ? (
        <label className={styles.append}>
          Kernel command line
          <input type="text" value={append} spellCheck={false} onChange={(event) => setAppend(event.target.value)} />
        </label>
      ) : null}
      {forceable ? <label><input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} /> Boot although there is no boot signature</label> : null}
    </Dialog>
  );
}
