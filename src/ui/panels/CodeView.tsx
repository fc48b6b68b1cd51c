// The instructions at EIP of the machine that stands still.

import { disassembleRun } from "../../trace/instruction.ts";
import { hexBytes } from "../../trace/trap-fields.ts";
import { hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./CodeView.module.css";

const LINES = 16;

export function CodeView(): React.JSX.Element {
  const session = useSession();
  const { code } = useObservable(session.registers.state);
  const { run } = useObservable(session.state);
  if (!code) return <p className={styles.empty}>{run?.kind === "running" ? "Pause the machine to see the code at EIP." : "The code at EIP cannot be read."}</p>;
  return (
    <ol className={styles.code} aria-label="Code at EIP" tabIndex={0}>
      {disassembleRun(code.bytes, code.eip, code.code32, LINES).map((line) => (
        <li key={line.offset} aria-current={line.offset === 0 ? "step" : undefined} className={styles.line}>
          <span className={styles.address}>{hex8(code.eip + line.offset)}</span>
          <span className={styles.bytes}>{hexBytes(line.bytes, " ")}</span>
          <span className={styles.text}>{line.text}</span>
          {line.sensitive ? <span className={styles.mark}>sensitive</span> : null}
        </li>
      ))}
    </ol>
  );
}
