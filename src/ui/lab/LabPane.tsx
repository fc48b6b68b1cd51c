// A lab beside the panes: foretell, run, see what held. What is said in the end is shown once every check has been passed by runs
// that were made here.

import { canRun } from "../../store/lab.ts";
import type { Check, Lab, LabStep } from "../../labs/lab.ts";
import type { CheckResult } from "../../labs/check.ts";
import { totalOf } from "../../protocol/run-counts.ts";
import { count, short } from "../format.ts";
import { useObservable, usePage } from "../hooks.ts";
import { showPane } from "../layout/places.ts";
import styles from "./LabPane.module.css";

const SIGNS = { holds: "✓", fails: "✗", skipped: "–" } as const;

export function LabPane(): React.JSX.Element {
  const page = usePage();
  const { lab, list } = useObservable(page.labs.state);
  if (!lab) return <p className={styles.lab}>{list ? "No lab is open." : "Loading the labs…"}</p>;
  return <OpenLab key={lab.id} lab={lab} />;
}

function OpenLab({ lab }: { readonly lab: Lab }): React.JSX.Element {
  const page = usePage();
  const { labs } = page;
  const { running, checks, answers } = useObservable(labs.state);
  const foretold = answers.every((answer) => answer !== null);
  const passed = checks.length > 0 && checks.every(({ status, check }) => status === "holds" || (status === "skipped" && !testable(lab, check)));
  return (
    <section className={styles.lab} aria-label={`Lab ${lab.id}`} tabIndex={0}>
      <div className={styles.head}>
        <h2><code>{lab.id}</code> {lab.title}</h2>
        <button type="button" className="plain" aria-label="Close the lab" onClick={() => labs.close()}>✕</button>
      </div>
      <p className={styles.question}>{lab.question}</p>
      {lab.background.map((text) => <p key={text}>{text}</p>)}
      <Predictions lab={lab} />
      <div className={styles.section}>
        <h3>Run</h3>
        <div className={styles.bar}>
          {running ? <button type="button" onClick={() => labs.cancel()}>Cancel</button> : <button type="button" className="primary" disabled={!foretold} onClick={() => void labs.runAll()}>Run all steps</button>}
          <button type="button" onClick={() => void navigator.clipboard.writeText(page.labLink(lab.id))}>Copy a link to this lab</button>
        </div>
        {foretold ? null : <p className="muted">Answer the questions first: what you expect is half of the lab.</p>}
        <ol className={styles.steps}>{lab.steps.map((step) => <Step key={step.id} lab={lab} step={step} foretold={foretold} />)}</ol>
      </div>
      {passed ? <div className={styles.conclude} role="status"><h3>What this shows</h3>{lab.conclude.map((text) => <p key={text}>{text}</p>)}</div> : null}
    </section>
  );
}

/** A step whose image does not come with the page leaves its checks out. */
function testable(lab: Lab, check: Check): boolean {
  const steps = "step" in check ? [check.step] : check.kind === "compare" ? [check.left.step, check.right.step] : check.kind === "number" ? [check.of.step] : [];
  return steps.every((id) => lab.steps.some((step) => step.id === id && canRun(step)));
}

function Predictions({ lab }: { readonly lab: Lab }): React.JSX.Element {
  const { labs } = usePage();
  const { answers, checks, reports } = useObservable(labs.state);
  const begun = Object.keys(reports).length > 0;
  return (
    <div className={styles.section}>
      <h3>Foretell</h3>
      {lab.predict.map(({ ask, choices, answer, because, shownBy }, question) => {
        const shown = checks.find(({ check }) => check.id === shownBy)?.status === "holds";
        return (
          <fieldset key={ask} className={styles.predict} disabled={begun}>
            <legend>{ask}</legend>
            {choices.map((choice, index) => (
              <label key={choice}>
                <input type="radio" name={`${lab.id}-${question}`} checked={answers[question] === index} onChange={() => labs.answer(question, index)} />
                {choice}
                {shown && index === answer ? <span className={styles.right}>so it is</span> : null}
                {shown && index !== answer && answers[question] === index ? <span className={styles.wrong}>you said</span> : null}
              </label>
            ))}
            {shown ? <p>{because}</p> : null}
          </fieldset>
        );
      })}
    </div>
  );
}

function Step({ lab, step, foretold }: { readonly lab: Lab; readonly step: LabStep; readonly foretold: boolean }): React.JSX.Element {
  const page = usePage();
  const { labs } = page;
  const { reports, problems, running, checks } = useObservable(labs.state);
  const report = reports[step.id];
  const here = running?.step === step.id ? running : null;
  const own = checks.filter(({ check }) => "step" in check ? check.step === step.id : check.kind === "number" ? check.of.step === step.id : check.right.step === step.id);
  const possible = canRun(step);
  return (
    <li className={styles.step} data-done={own.length > 0 && own.every(({ status }) => status === "holds")} data-step={step.id}>
      <div className={styles.line}>
        <span><code>{step.id}</code> <span className="muted">{typeof step.guest === "string" ? step.guest : "Debian"} under {step.technique}{step.technique === "emulate" ? "" : `, ring ${step.ring ?? 1}`}{Object.keys(step.set ?? {}).map((name) => `, ${name}`).join("")}</span></span>
        {possible ? (
          <span className={styles.buttons}>
            <button type="button" disabled={!foretold || running !== null} onClick={() => void labs.run(step)}>{report ? "Run again" : "Run"}</button>
            <button type="button" disabled={!foretold} title="Start this guest in the machine, to look closely" onClick={() => { showPane(page.settings, "console"); void page.showStep(step); }}>Look</button>
          </span>
        ) : <span className="muted">with the command line alone</span>}
      </div>
      <p>{step.watch}</p>
      {here ? <p className={styles.result} role="status">{short(here.instructions)} instructions…</p> : null}
      {problems[step.id] ? <p className={styles.wrong}>{problems[step.id]}</p> : null}
      {report ? <p className={styles.result}>{report.outcome}: {count(totalOf(report.counts.traps.byReason))} traps, {count(totalOf(report.counts.callouts.byReason))} callouts, {count(totalOf(report.counts.leaks.byInstruction))} leaks in {count(report.instructions)} instructions</p> : null}
      {own.length > 0 ? <ul className={styles.checks}>{own.map((result) => <Result key={`${lab.id} ${result.check.says}`} result={result} />)}</ul> : null}
    </li>
  );
}

function Result({ result: { check, status, found } }: { readonly result: CheckResult }): React.JSX.Element {
  return (
    <li className={styles.check} data-status={status}>
      <span aria-hidden="true">{SIGNS[status]}</span>
      <span><span className="hidden">{status}: </span>{check.says}{status === "fails" ? ` Found: ${found}.` : ""}</span>
    </li>
  );
}
