// Every kind of breakpoint: added here, switched on and off, taken away.

import { useState } from "react";
import { type BreakpointSpec, type DataAccess, INSTRUCTION_CLASSES } from "../../protocol/debug.ts";
import type { SymbolTable } from "../../store/debug-symbols.ts";
import type { DebugStore } from "../../store/debug.ts";
import { hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import styles from "./debug.module.css";

type Kind = BreakpointSpec["kind"];

const KINDS: readonly { readonly kind: Kind; readonly label: string; readonly needs: string; readonly example: string }[] = [
  { kind: "execute", label: "Code at", needs: "address or symbol", example: "start_kernel" },
  { kind: "data", label: "Memory at", needs: "address or symbol", example: "jiffies" },
  { kind: "port", label: "Port", needs: "port or range, hexadecimal", example: "3f8-3ff" },
  { kind: "instruction", label: "Instruction", needs: "mnemonic or class", example: "CPUID" },
  { kind: "mode", label: "Change of mode or ring", needs: "", example: "" },
  { kind: "trap", label: "Trap or leak", needs: "filter, empty: any", example: "insn == POPF" },
];
const ACCESSES: readonly { readonly access: DataAccess; readonly label: string }[] = [
  { access: "write", label: "written" }, { access: "access", label: "read or written" }, { access: "read", label: "read" },
];

/** What the breakpoint is, in words. */
function breakpointText(spec: BreakpointSpec, symbols: SymbolTable | null): string {
  const named = (address: number): string => {
    const symbol = symbols?.at(address);
    return `${hex8(address)}${symbol ? ` ${symbol.name}${symbol.offset ? `+${symbol.offset.toString(16)}` : ""}` : ""}`;
  };
  const touched = (access: DataAccess): string => ACCESSES.find((own) => own.access === access)!.label;
  switch (spec.kind) {
    case "execute": return `code ${named(spec.linear)}`;
    case "data": return `${spec.bytes} ${spec.bytes === 1 ? "byte" : "bytes"} at ${named(spec.linear)} ${touched(spec.access)}`;
    case "port": return `port ${hex4(spec.first)}${spec.last > spec.first ? `-${hex4(spec.last)}` : ""} ${touched(spec.access)}`;
    case "instruction": return INSTRUCTION_CLASSES.some((own) => own === spec.what) ? `any ${spec.what} instruction` : `instruction ${spec.what}`;
    case "mode": return "change of mode, ring or paging";
    case "trap": return spec.filter === "" ? "any trap or leak" : `record with ${spec.filter}`;
  }
}

/** Null: the text does not say one. */
function parseSpec(kind: Kind, text: string, access: DataAccess, bytes: number, debug: DebugStore): BreakpointSpec | null {
  switch (kind) {
    case "execute": case "data": {
      const linear = debug.resolve(text);
      if (linear === null) return null;
      return kind === "execute" ? { kind, linear } : { kind, access, linear, bytes };
    }
    case "port": {
      const match = /^\s*(?:0x)?([0-9a-f]{1,4})(?:\s*-\s*(?:0x)?([0-9a-f]{1,4}))?\s*$/i.exec(text);
      if (!match) return null;
      const first = Number.parseInt(match[1]!, 16), last = match[2] === undefined ? first : Number.parseInt(match[2], 16);
      return last < first ? null : { kind, access, first, last };
    }
    case "instruction": {
      const what = text.trim();
      if (what === "") return null;
      return { kind, what: INSTRUCTION_CLASSES.some((own) => own === what.toLowerCase()) ? what.toLowerCase() : what.toUpperCase() };
    }
    case "mode": return { kind };
    case "trap": return { kind, filter: text.trim() };
  }
}

export function BreakpointPane(): React.JSX.Element {
  const { debug, state } = useSession();
  const { breakpoints, symbols } = useObservable(debug.state);
  const { run } = useObservable(state);
  const hit = run?.kind === "paused" ? run.hit?.id : undefined;
  return (
    <div className={styles.pane}>
      <AddForm />
      <ul className={styles.breakpoints} aria-label="Breakpoints">
        {breakpoints.map(({ id, spec, enabled, refused }) => (
          <li key={id} data-hit={id === hit} aria-current={id === hit ? "true" : undefined}>
            <label>
              <input type="checkbox" checked={enabled} onChange={(event) => debug.enable(id, event.target.checked)} /> {breakpointText(spec, symbols)}
            </label>
            {id === hit ? <b className={styles.hit}>stopped here</b> : null}
            {refused === null ? null : <span className={styles.wrong}>{refused}</span>}
            {spec.kind === "execute" ? <button type="button" className="plain" onClick={() => debug.showCode(spec.linear)}>Show</button> : null}
            <button type="button" className="plain" aria-label={`Remove ${breakpointText(spec, symbols)}`} onClick={() => debug.remove(id)}>✕</button>
          </li>
        ))}
      </ul>
      {breakpoints.length === 0 ? <p className={styles.empty}>None yet. The guest cannot see them: neither its memory nor its debug registers change.</p> : null}
      {breakpoints.some(({ spec, enabled }) => enabled && (spec.kind === "instruction" || spec.kind === "mode"))
        ? <p className={styles.note}>Breakpoints on instructions and modes look at every instruction: the guest runs some ten times slower.</p> : null}
    </div>
  );
}

function AddForm(): React.JSX.Element {
  const { debug } = useSession();
  const { symbols } = useObservable(debug.state);
  const [kind, setKind] = useState<Kind>("execute");
  const [text, setText] = useState("");
  const [access, setAccess] = useState<DataAccess>("write");
  const [bytes, setBytes] = useState(4);
  const [wrong, setWrong] = useState(false);
  const { needs, example } = KINDS.find((own) => own.kind === kind)!;
  const add = (event: React.FormEvent): void => {
    event.preventDefault();
    const spec = parseSpec(kind, text, access, bytes, debug);
    setWrong(spec === null);
    if (!spec) return;
    debug.add(spec);
    setText("");
  };
  return (
    <form className={styles.bar} onSubmit={add} aria-label="New breakpoint">
      <select aria-label="Kind of breakpoint" value={kind} onChange={(event) => { setKind(event.target.value as Kind); setWrong(false); }}>
        {KINDS.map((own) => <option key={own.kind} value={own.kind}>{own.label}</option>)}
      </select>
      {needs === "" ? null : (
        <input
          type="text" aria-label={needs} placeholder={example} title={needs} value={text} spellCheck={false} autoComplete="off" aria-invalid={wrong} list={kind === "instruction" ? "instruction-classes" : undefined}
          onChange={(event) => { setText(event.target.value); setWrong(false); }}
        />
      )}
      <datalist id="instruction-classes">{INSTRUCTION_CLASSES.map((name) => <option key={name} value={name} />)}</datalist>
      {kind === "data" || kind === "port" ? (
        <select aria-label="Kind of access" value={access} onChange={(event) => setAccess(event.target.value as DataAccess)}>
          {ACCESSES.map((own) => <option key={own.access} value={own.access}>{own.label}</option>)}
        </select>
      ) : null}
      {kind === "data" ? (
        <select aria-label="Bytes" value={bytes} onChange={(event) => setBytes(Number(event.target.value))}>
          {[1, 2, 4, 8, 16].map((own) => <option key={own} value={own}>{own === 1 ? "1 byte" : `${own} bytes`}</option>)}
        </select>
      ) : null}
      <button type="submit">Add</button>
      {wrong ? <span className={styles.wrong} role="status">{needs}{kind === "execute" && !symbols ? "; drop a System.map or an ELF file for symbols" : ""}</span> : null}
    </form>
  );
}
