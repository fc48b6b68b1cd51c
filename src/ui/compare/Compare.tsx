// One guest under two to four techniques side by side: how each ended, what it counted and cost, and where it first went another way.

import type { TechniqueId } from "../../protocol/technique.ts";
import { type Column, LIMITS, MEASURES, MOST_SUBJECTS, type Subject, subjectName } from "../../store/compare.ts";
import { downloadBlob } from "../download.ts";
import { count, hex4, hex8, short } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { OUTCOME_TEXTS, TECHNIQUE_TEXTS } from "../texts.ts";
import { comparisonSvg, toPng } from "./picture.ts";
import styles from "./Compare.module.css";

export function Compare(): React.JSX.Element {
  const page = usePage();
  const { columns, running, title } = useObservable(page.compare.state);
  const finished = columns.length > 0 && columns.every(({ state }) => state !== "running");
  return (
    <section className={styles.compare} aria-label="Compare">
      <Tools />
      <div className={styles.body} tabIndex={0} role="region" aria-label="Results">
        {columns.length === 0 ? (
          <p className={styles.intro}>
            Every technique runs the same guest from power-on, with time that derives from its instructions: whatever differs is the technique's doing.
            Choose a guest and two to four techniques, and press Compare.
          </p>
        ) : (
          <>
            <div className={styles.columns}>{columns.map((column) => <Card key={subjectName(column.subject)} column={column} />)}</div>
            {finished ? <Measures columns={columns} /> : null}
            {finished ? <Instructions columns={columns} /> : null}
            <Divergences columns={columns} />
            {finished ? (
              <div className={styles.subject}>
                <button type="button" disabled={running} onClick={() => downloadBlob("trapscope-comparison.json", new Blob([page.compare.json()], { type: "application/json" }))}>Save as JSON</button>
                <button type="button" onClick={() => void toPng(comparisonSvg(title, columns)).then((png) => downloadBlob("trapscope-comparison.png", png))}>Save as a picture</button>
                <button type="button" onClick={() => void navigator.clipboard.writeText(page.compareLink())}>Copy a link</button>
              </div>
            ) : null}
          </>
        )}
      </div>
    </section>
  );
}

function Tools(): React.JSX.Element {
  const page = usePage();
  const { compare, session } = page;
  const guests = useObservable(page.guests) ?? [];
  const { guest, subjects, limit, running } = useObservable(compare.state);
  const { techniques, machine } = useObservable(session.state);
  const change = (index: number, subject: Subject): void => compare.state.patch({ subjects: subjects.map((own, at) => (at === index ? subject : own)) });
  const free = techniques.find((technique) => !subjects.some((own) => own.technique === technique)) ?? "trap";
  return (
    <div className={styles.tools}>
      <label>
        Guest
        <select value={guest ?? ""} onChange={(event) => compare.state.patch({ guest: event.target.value === "" ? null : event.target.value })}>
          {guests.map((own) => <option key={own.id} value={own.id}>{own.id}: {own.title}</option>)}
          {machine ? <option value="">What runs now: {machine.title}</option> : null}
        </select>
      </label>
      {subjects.map((subject, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a technique may be chosen twice while it is being changed: the place is the identity
        <span key={index} className={styles.subject}>
          <label>
            {index === 0 ? "Reference" : `Against, ${index}`}
            <select value={subject.technique} onChange={(event) => change(index, { ...subject, technique: event.target.value as TechniqueId })}>
              {techniques.map((own) => <option key={own} value={own}>{own}</option>)}
            </select>
          </label>
          {subject.technique === "emulate" ? null : (
            <select aria-label={`Ring of ${subject.technique}`} value={subject.ring} onChange={(event) => change(index, { ...subject, ring: event.target.value === "3" ? 3 : 1 })}>
              <option value={1}>ring 1</option><option value={3}>ring 3</option>
            </select>
          )}
          {subjects.length > 2 && index > 0 ? <button type="button" className="plain" aria-label={`Without ${subject.technique}`} onClick={() => compare.state.patch({ subjects: subjects.filter((_, at) => at !== index) })}>✕</button> : null}
        </span>
      ))}
      {subjects.length < MOST_SUBJECTS ? <button type="button" onClick={() => compare.state.patch({ subjects: [...subjects, { technique: free, ring: 1 }] })}>Add a technique</button> : null}
      <label>
        At most
        <select value={limit} onChange={(event) => compare.state.patch({ limit: Number(event.target.value) })}>
          {LIMITS.map((own) => <option key={own} value={own}>{short(own).replace(".00", "").replace(".0", "")} instructions</option>)}
        </select>
      </label>
      <span className={styles.space} />
      {running ? <button type="button" onClick={() => compare.cancel()}>Cancel</button> : <button type="button" className="primary" onClick={() => void page.startComparison()}>Compare</button>}
    </div>
  );
}

function Card({ column }: { readonly column: Column }): React.JSX.Element {
  const { compare } = usePage();
  const { limit } = useObservable(compare.state);
  const { subject, state, report, problem, instructions, traps, leaks } = column;
  const name = subjectName(subject);
  return (
    <article className={styles.card} aria-label={name}>
      <h2>{name}<span className={styles.end} data-state={state} data-good={report ? OUTCOME_TEXTS[report.outcome].good : false}>{report ? report.outcome : state}</span></h2>
      <p className="muted">{TECHNIQUE_TEXTS[subject.technique].name}</p>
      {state === "running" ? <progress className={styles.progress} max={limit} value={instructions} aria-label={`Progress of ${name}`} /> : null}
      {state === "running" ? <p>{short(instructions)} instructions, {short(traps)} traps, {short(leaks)} leaks</p> : null}
      {problem ? <p className={styles.leak}>{problem}</p> : null}
      {report ? <p>{report.refusal ?? report.reason}</p> : null}
      {report?.leak ? <p className={styles.leak}>{report.leak}</p> : null}
      {report && report.serial !== "" ? <pre className={styles.serial} tabIndex={0} role="region" aria-label={`COM1 under ${name}`}>{report.serial.replaceAll("\r", "").trimEnd()}</pre> : null}
    </article>
  );
}

function Measures({ columns }: { readonly columns: readonly Column[] }): React.JSX.Element {
  return (
    <section className={styles.section}>
      <h2>Counted and measured</h2>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label="Counted and measured">
        <table className={styles.table}>
          <thead><tr><th scope="col"><span className="hidden">measure</span></th>{columns.map(({ subject }) => <th key={subjectName(subject)} scope="col">{subjectName(subject)}</th>)}</tr></thead>
          <tbody>
            {MEASURES.map(([name, title, value]) => {
              const most = Math.max(1, ...columns.map(({ report }) => (report ? value(report) : 0)));
              return (
                <tr key={name}>
                  <th scope="row" title={title}>{name}</th>
                  {columns.map(({ subject, report }) => (
                    <td key={subjectName(subject)} className={name === "leaks" && report && value(report) > 0 ? styles.leak : undefined}>
                      {report ? <><i className={styles.fill} style={{ width: `${(value(report) / most) * 70}%` }} />{count(value(report))}</> : ""}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** What left and what leaked, instruction by instruction. */
function Instructions({ columns }: { readonly columns: readonly Column[] }): React.JSX.Element | null {
  const names = [...new Set(columns.flatMap(({ report }) => (report ? [report.counts.traps, report.counts.callouts, report.counts.leaks].flatMap(({ byInstruction }) => Object.keys(byInstruction)) : [])))];
  const total = (name: string): number => columns.reduce((sum, { report }) => sum + (report ? (report.counts.traps.byInstruction[name] ?? 0) + (report.counts.leaks.byInstruction[name] ?? 0) : 0), 0);
  if (names.length === 0) return null;
  return (
    <section className={styles.section}>
      <h2>By instruction</h2>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label="By instruction">
        <table className={styles.table}>
          <thead><tr><th scope="col">instruction</th>{columns.map(({ subject }) => <th key={subjectName(subject)} scope="col">{subjectName(subject)}</th>)}</tr></thead>
          <tbody>
            {names.sort((x, y) => total(y) - total(x) || (x < y ? -1 : 1)).map((name) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {columns.map(({ subject, report }) => <td key={subjectName(subject)}>{report ? <Counts report={report} name={name} /> : null}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Counts({ report: { counts }, name }: { readonly report: NonNullable<Column["report"]>; readonly name: string }): React.JSX.Element {
  const traps = counts.traps.byInstruction[name] ?? 0, callouts = counts.callouts.byInstruction[name] ?? 0, leaks = counts.leaks.byInstruction[name] ?? 0;
  if (traps + callouts + leaks === 0) return <span className={styles.muted}>–</span>;
  return (
    <>
      {traps > 0 ? `${count(traps)} traps ` : ""}{callouts > 0 ? `${count(callouts)} callouts ` : ""}
      {leaks > 0 ? <span className={styles.leak}>{count(leaks)} leaks</span> : null}
    </>
  );
}

function Divergences({ columns }: { readonly columns: readonly Column[] }): React.JSX.Element | null {
  const [reference, ...others] = columns;
  if (others.every(({ divergence, state }) => divergence === null && state !== "done")) return null;
  const first = subjectName(reference.subject);
  return (
    <section className={styles.section}>
      <h2>First divergence from {first}</h2>
      <div className={styles.states}>
        {others.map(({ subject, divergence: found, state }) => (
          <article key={subjectName(subject)} className={styles.difference} aria-label={`${first} and ${subjectName(subject)}`}>
            <h3><code>{subjectName(subject)}</code></h3>
            {found === null ? <p className="muted">{state === "cancelled" || state === "failed" ? "Not compared." : "Comparing registers and memory…"}</p>
              : found.divergence === null ? <p>None in {count(found.instructions)} instructions: every register and every byte of memory is the same.</p>
              : <Difference names={[first, subjectName(subject)]} found={found.divergence} />}
          </article>
        ))}
      </div>
    </section>
  );
}

function Difference({ names, found }: { readonly names: readonly [string, string]; readonly found: NonNullable<NonNullable<Column["divergence"]>["divergence"]> }): React.JSX.Element {
  const shown = (value: number | string): string => (typeof value === "number" ? hex8(value) : value);
  return (
    <>
      <p>After {count(found.icount)} instructions, <code className={styles.leak}>{found.text}</code> at <code>{hex4(found.cs)}:{hex8(found.eip)}</code> leaves:</p>
      <div className={styles.scroll}>
        <table className={styles.table}>
          <thead><tr><th scope="col"><span className="hidden">what</span></th><th scope="col">{names[0]}</th><th scope="col">{names[1]}</th></tr></thead>
          <tbody>{found.differences.map(({ what, a, b }) => <tr key={what}><th scope="row">{what}</th><td>{shown(a)}</td><td className={styles.leak}>{shown(b)}</td></tr>)}</tbody>
        </table>
      </div>
      {found.parting ? <p>They go different ways after {count(found.parting.icount)} instructions, at <code>{hex8(found.parting.eip)}: {found.parting.text}</code>.</p> : <p className="muted">They stay on the same way for a million instructions.</p>}
    </>
  );
}
