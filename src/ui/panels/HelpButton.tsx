// Keys and the filter language.

import { useState } from "react";
import { FILTER_FIELDS } from "../../trace/filter.ts";
import { usePage } from "../hooks.ts";
import { Dialog } from "../widgets/Dialog.tsx";
import styles from "./HelpButton.module.css";

const KEYS: readonly (readonly [string, string])[] = [
  ["F8", "run or pause"], ["Shift+F10", "to the next trap or leak"], ["F11", "one instruction"], ["F10", "one instruction and what it calls"], ["Shift+F8", "until the function has returned"], ["Shift+F11", "back by one instruction"], ["F9", "breakpoint at the selected line"], ["F4", "run to the selected line"], ["g", "go to an address"], ["/", "filter the traps"], ["?", "this page"],
  ["Ctrl+Alt", "press and release: take the keyboard back from the guest"], ["Shift+Tab", "leave the console"],
  ["arrows", "in the trap log: record and cell"], ["Enter", "what can be done with the cell"], ["M N P", "mark a record; next and previous mark"], ["End", "follow the newest records"],
  ["A D W S", "in the timeline: pan and zoom; Shift+arrows choose a stretch"],
];
const EXAMPLES = ["insn == popf && vcpl == 0", "eip in 0xc0100000..0xc01fffff", "kind == leak or cost > 200", "bytes contains 0f 01", "not (reason == #PF) and t > 1e6"];

export function HelpButton(): React.JSX.Element {
  const { checking } = usePage();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" id="help-button" aria-label="Help" title="Help (?)" onClick={() => setOpen(true)}>?</button>
      {open ? (
        <Dialog title="Keys and filters" wide onClose={() => setOpen(false)} footer={(
          <>
            <button type="button" onClick={() => { setOpen(false); checking.set(true); }}>Check this browser</button>
            <button type="button" className="primary" onClick={() => setOpen(false)}>Close</button>
          </>
        )}>
          <p className="muted">The keys count while neither console nor screen has the focus; there, every key is the guest's.</p>
          <dl className={styles.keys}>
            {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
          </dl>
          <h3>Filter</h3>
          <p>Comparisons joined by <code>and</code>, <code>or</code>, <code>not</code> and brackets. Examples:</p>
          <ul className={styles.examples}>{EXAMPLES.map((example) => <li key={example}><code>{example}</code></li>)}</ul>
          <dl className={styles.fields}>
            {Object.entries(FILTER_FIELDS).filter(([name]) => name !== "timens" && name !== "instruction").map(([name, field]) => (
              <div key={name}><dt><code>{name}</code></dt><dd>{field.title}</dd></div>
            ))}
          </dl>
        </Dialog>
      ) : null}
    </>
  );
}
