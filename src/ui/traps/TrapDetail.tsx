// One record explained: its bytes, why the instruction is sensitive, what the monitor did, for a leak what the guest was shown, the
// guest's registers before and after, and what each technique does with such an instruction.

import { useEffect, useState } from "react";
import type { ByteRange } from "../../isa/disassembler.ts";
import type { SensitivityNote } from "../../isa/sensitivity.ts";
import { leakedValue } from "../../trace/effect.ts";
import { disassembleRun, explainInstruction } from "../../trace/instruction.ts";
import type { TrapFields } from "../../trace/trap-fields.ts";
import { EFLAGS_BITS } from "../../protocol/register-view.ts";
import { TRACED_REGISTERS, type TracedRegisters } from "../../protocol/register-trace.ts";
import type { ProcessorSet, TechniqueId } from "../../protocol/technique.ts";
import { techniqueNotes } from "../../trace/technique-notes.ts";
import { count, hex4, hex8, seconds } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { ACTION_TEXTS, VERDICT_TEXTS } from "../texts.ts";
import styles from "./TrapDetail.module.css";

const ROLE_NAMES: Readonly<Record<ByteRange["role"], string>> = {
  prefix: "prefix", opcode: "opcode", modrm: "ModRM", sib: "SIB", displacement: "displacement", immediate: "immediate",
};
const KIND_NAMES = { exit: "trapped", leak: "leak", observed: "observed, not trapped" } as const;

export function TrapDetail({ trap }: { readonly trap: TrapFields }): React.JSX.Element {
  const session = useSession();
  const { traps } = session;
  const code32 = trap.mode === "pm32";
  const instruction = trap.bytes ? explainInstruction(trap.bytes, trap.eip, code32) : null;
  const totals = traps.instructionTotals(trap.instruction);
  const { machine } = useObservable(session.state);
  const { marks, selectedRegisters } = useObservable(traps.state);
  const marked = marks.has(trap.seq);
  const narrow = (filter: string): void => {
    traps.deselect();
    traps.setFilter(filter);
  };
  return (
    <aside className={styles.detail} aria-label={`Record ${trap.seq}`} tabIndex={0}>
      <header className={styles.head}>
        <h2>{trap.text ?? trap.instruction}</h2>
        <span className={styles.kind} data-kind={trap.kind}>{KIND_NAMES[trap.kind]}{trap.reason ? ` · ${trap.reason}` : ""}</span>
        <span className={styles.buttons}>
          <button type="button" className="plain" aria-pressed={marked} title="Mark this record (M in the table)" onClick={() => traps.toggleMark(trap.seq)}>{marked ? "★ marked" : "☆ mark"}</button>
          <button type="button" className="plain" title="Previous record of this instruction at this place" onClick={() => traps.selectSameSite(-1)}>◀ same place</button>
          <button type="button" className="plain" title="Next record of this instruction at this place" onClick={() => traps.selectSameSite(1)}>same place ▶</button>
          <button type="button" className="plain" aria-label="Close the details" onClick={() => traps.deselect()}>✕</button>
        </span>
      </header>
      <div className={styles.columns}>
        <div className={styles.column}>
          {instruction ? <Bytes bytes={instruction.bytes} parts={instruction.parts} /> : null}
          <dl className={styles.fields}>
            <Field name="place">{hex4(trap.cs)}:{hex8(trap.eip)}{trap.linear === trap.eip ? "" : `, linear ${hex8(trap.linear)}`}</Field>
            <Field name="mode">{trap.mode}, CPL {trap.vcpl}{trap.hcpl === trap.vcpl ? "" : `, really ring ${trap.hcpl}`}</Field>
            {trap.error === null ? null : <Field name="error code">{hex4(trap.error)}</Field>}
            {trap.vector === null ? null : <Field name="vector">{trap.vector} ({trap.vector.toString(16)}h)</Field>}
            {trap.technique ? <Field name="under">{trap.technique}</Field> : null}
            <Field name="after">{count(trap.icount)} instructions, {seconds(trap.timeNs)}</Field>
            <Field name="record">{count(trap.seq)}</Field>
          </dl>
          <div className={styles.filters}>
            <button type="button" onClick={() => narrow(`insn == ${trap.instruction}`)}>Only {trap.instruction}</button>
            <button type="button" onClick={() => narrow(`linear == 0x${hex8(trap.linear)}`)}>Only this place</button>
            <button type="button" onClick={() => narrow(`not insn == ${trap.instruction}`)}>Hide {trap.instruction}</button>
          </div>
          {instruction ? <Around trap={trap} code32={code32} /> : null}
          {selectedRegisters ? <Registers {...selectedRegisters} /> : null}
          {totals ? <p className="muted">{trap.instruction} so far: {count(totals.traps)} traps, {count(totals.leaks)} leaks, {count(totals.observed)} observed.</p> : null}
        </div>
        <div className={styles.column}>
          {trap.kind === "leak" && trap.observed !== null && trap.expected !== null ? <Belief trap={trap} observed={trap.observed} expected={trap.expected} /> : null}
          {trap.action ? (
            <section>
              <h3>What the monitor did</h3>
              <p>{ACTION_TEXTS[trap.action]}</p>
              {trap.effect && trap.kind !== "leak" ? <p><code className={styles.effect}>{trap.effect}</code></p> : null}
            </section>
          ) : null}
          {instruction?.note ? <Why note={instruction.note} /> : null}
          {instruction?.note ? <Techniques trap={trap} note={instruction.note} set={machine?.set ?? {}} current={trap.technique} /> : null}
        </div>
      </div>
    </aside>
  );
}

function Field({ name, children }: { readonly name: string; readonly children: React.ReactNode }): React.JSX.Element {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

function Bytes({ bytes, parts }: { readonly bytes: Uint8Array; readonly parts: readonly ByteRange[] }): React.JSX.Element {
  return (
    <ol className={styles.bytes} aria-label="Instruction bytes">
      {parts.map((part) => (
        <li key={part.start} data-role={part.role}>
          <code>{Array.from(bytes.subarray(part.start, part.start + part.length), (byte) => byte.toString(16).padStart(2, "0")).join(" ")}</code>
          <span>{ROLE_NAMES[part.role]}</span>
        </li>
      ))}
    </ol>
  );
}

function Why({ note }: { readonly note: SensitivityNote }): React.JSX.Element {
  const outside = { trap: "Outside ring 0 it traps.", silent: "Outside ring 0 it does not trap.", partly: "Outside ring 0 it traps only sometimes." }[note.deprivileged];
  return (
    <section>
      <h3>Why is this sensitive?</h3>
      <p>{note.why} <strong>{outside}</strong></p>
      {note.deprivileged === "trap" ? null : <p>{note.guestSees}</p>}
      {note.switches ? <ul className={styles.switches}>{Object.entries(note.switches).map(([name, what]) => <li key={name}><b>{name}</b> {what}</li>)}</ul> : null}
      <p className="muted">Intel SDM, {note.manual}</p>
    </section>
  );
}

const LINES_BEHIND = 5, BYTES_BEHIND = 64;

/** The code from there on, as it is in the guest's memory now. */
function Around({ trap, code32 }: { readonly trap: TrapFields; readonly code32: boolean }): React.JSX.Element | null {
  const { debug, state } = useSession();
  const { phase } = useObservable(state);
  const [bytes, setBytes] = useState<Uint8Array | null>(null);
  useEffect(() => {
    setBytes(null);
    if (phase !== "live") return;
    let wanted = true;
    void debug.inspect<"memory">({ kind: "memory", space: "linear", address: trap.linear, length: BYTES_BEHIND }).then((answer) => {
      if (wanted && answer) setBytes(answer.bytes);
    });
    return () => { wanted = false; };
  }, [debug, phase, trap]);
  // What stands there now may be another program's.
  if (!bytes || !trap.bytes?.every((byte, at) => byte === bytes[at])) return null;
  return (
    <section>
      <h3>The code there</h3>
      <ol className={styles.code}>
        {disassembleRun(bytes, trap.eip, code32, LINES_BEHIND).map(({ offset, text, sensitive }) => (
          <li key={offset} aria-current={offset === 0 ? "step" : undefined}><span className="muted">{hex8(trap.eip + offset)}</span> {text}{sensitive ? <small> sensitive</small> : null}</li>
        ))}
      </ol>
    </section>
  );
}

/** The guest's registers before and after it; those that changed stand out. */
function Registers({ before, after }: TracedRegisters): React.JSX.Element {
  const shown = (value: number, name: string): string => (name === "CS:CPL" ? `${hex4(value)}:${value >>> 16}` : hex8(value));
  return (
    <section>
      <h3>The guest's registers</h3>
      <table className={styles.registers}>
        <thead><tr><th scope="col"><span className="hidden">register</span></th><th scope="col">before</th><th scope="col">after</th></tr></thead>
        <tbody>
          {TRACED_REGISTERS.map((name, index) => (
            <tr key={name} data-changed={before[index] !== after[index]}>
              <th scope="row">{name}</th><td>{shown(before[index], name)}</td>
              <td>{before[index] === after[index] ? <span className="muted">same</span> : <b>{shown(after[index], name)}</b>}{name === "EFLAGS" ? <Flags before={before[index]} after={after[index]} /> : null}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Flags({ before, after }: { readonly before: number; readonly after: number }): React.JSX.Element | null {
  const pick = (value: number, shift: number, bits: number): number => (value >>> shift) & ((1 << bits) - 1);
  const changed = EFLAGS_BITS.filter(({ shift, bits }) => pick(before, shift, bits) !== pick(after, shift, bits));
  return changed.length === 0 ? null : <small>{changed.map(({ name, shift, bits }) => `${name} ${pick(before, shift, bits)}→${pick(after, shift, bits)}`).join(", ")}</small>;
}

function Techniques({ trap, note, set, current }: {
  readonly trap: TrapFields; readonly note: SensitivityNote; readonly set: ProcessorSet; readonly current: TechniqueId | null;
}): React.JSX.Element {
  return (
    <section>
      <h3>What each technique does here</h3>
      <table className={styles.techniques}>
        <tbody>
          {techniqueNotes(trap, note, set).map(({ technique, verdict, text }) => (
            <tr key={technique} aria-current={technique === current ? "true" : undefined}>
              <th scope="row">{technique}</th><td><span className={styles.verdict} data-verdict={verdict}>{VERDICT_TEXTS[verdict]}</span></td><td>{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What the guest believes against what bare metal would have given. */
function Belief({ trap, observed, expected }: { readonly trap: TrapFields; readonly observed: number; readonly expected: number }): React.JSX.Element {
  const eflags = leakedValue(trap.instruction) === "eflags";
  const different = EFLAGS_BITS.filter(({ shift, bits }) => ((observed ^ expected) >>> shift) & ((1 << bits) - 1));
  const lost = trap.action === "lost-write";
  const shown = (value: number): React.ReactNode => (
    <>
      <code>{hex8(value)}</code>
      {eflags ? <span className={styles.bits}>{different.map(({ name, shift, bits }) => <span key={name}>{name}={(value >>> shift) & ((1 << bits) - 1)}</span>)}</span> : null}
    </>
  );
  return (
    <section className={styles.belief}>
      <h3>{lost ? "What was written, and what became of it" : "What the guest was shown"}</h3>
      <dl>
        <div><dt>{lost ? "it stays" : "guest saw"}</dt><dd className={styles.wrong}>{shown(observed)}</dd></div>
        <div><dt>bare metal</dt><dd>{shown(expected)}</dd></div>
        {eflags ? null : <div><dt>differs in</dt><dd><code>{hex8(observed ^ expected)}</code></dd></div>}
      </dl>
      {trap.effect ? <p>{trap.effect}</p> : null}
    </section>
  );
}
