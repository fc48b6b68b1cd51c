// What a recording or a kept machine was made of, and the files that are still to be given.

import { useRef } from "react";
import type { AskedFile, FilesQuestion } from "../../store/recorded-runs.ts";
import type { MediaTarget } from "../../protocol/image-info.ts";
import { bytes, count, techniqueText } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { TARGET_NAMES } from "../texts.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./DropDialog.module.css";

export function FilesDialog(): React.JSX.Element | null {
  const { recorded } = useSession();
  const { question } = useObservable(recorded.state);
  return question ? <Question question={question} /> : null;
}

function Question({ question: { name, make, recording, files, refused } }: { readonly question: FilesQuestion }): React.JSX.Element {
  const { recorded } = useSession();
  const input = useRef<HTMLInputElement>(null);
  const missing = files.filter(({ medium }) => medium === null);
  return (
    <Dialog
      title={recording ? `Replay ${name}` : `Go on with ${name}`} wide onClose={() => recorded.cancel()} footer={(
        <>
          <p className={styles.problem} role="status">{missing.length === 0 ? "" : missing.length === 1 ? "One file is missing." : `${missing.length} files are missing.`}</p>
          <button type="button" onClick={() => recorded.cancel()}>Cancel</button>
          {missing.length > 0 ? <button type="button" onClick={() => input.current?.click()}>Choose files…</button> : null}
          <button type="button" className="primary" disabled={missing.length > 0} onClick={() => recorded.accept()}>{recording ? "Replay" : "Go on"}</button>
          <input
            ref={input} type="file" multiple className="hidden" tabIndex={-1} aria-label="Files of this machine" onChange={(event) => {
              void recorded.give([...(event.target.files ?? [])].map((own) => ({ name: own.name, data: own })));
              event.target.value = "";
            }}
          />
        </>
      )}
    >
      <p>{techniqueText(make.setup)} · {bytes(make.setup.memoryBytes)} of memory{recording ? <> · {count(recording.info.end.retired)} instructions · {count(recording.info.end.traps)} traps · {count(recording.info.end.leaks)} leaks</> : null}</p>
      {recording && recording.info.marks === 0 ? <p className="muted">It was recorded without checkpoints: each way back begins at the start.</p> : null}
      <ul className={styles.files}>{files.map((asked) => <File key={`${asked.file.role} ${asked.file.hash}`} asked={asked} />)}</ul>
      {missing.length > 0 ? <p>The files are known by their content; what they are called now does not matter. {recording ? "They must be as they were when the recording began." : null}</p> : null}
      {refused.map((text) => <p key={text} role="alert" className={styles.bad}>{text}</p>)}
    </Dialog>
  );
}

function File({ asked: { file, medium, from } }: { readonly asked: AskedFile }): React.JSX.Element {
  const place = TARGET_NAMES[file.role as MediaTarget] ?? (file.role === "module" ? "Module" : "Inserted later");
  return (
    <li className={styles.file}>
      <div>
        <p><strong>{file.name}</strong> <span className="muted">{place}, {count(file.bytes)} bytes</span></p>
        <p className="muted"><code>{file.hash}</code></p>
      </div>
      <span data-found={medium !== null} className={medium ? styles.good : styles.bad}>{medium ? `✓ ${from}` : "missing"}</span>
    </li>
  );
}
