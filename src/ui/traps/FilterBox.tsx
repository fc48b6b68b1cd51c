// The filter: offers what may come next, says at once whether it is valid, and if not, where and what may stand there.
// Keys as in any combobox: down and up choose, Enter or Tab takes, Escape closes; Enter alone remembers the filter.

import { useEffect, useId, useRef, useState } from "react";
import { completeFilter } from "../../trace/filter-complete.ts";
import { compileFilter } from "../../trace/filter.ts";
import { useObservable, usePage } from "../hooks.ts";
import styles from "./FilterBox.module.css";

const WAIT_MS = 180;
const SUGGESTIONS: readonly (readonly [string, string])[] = [
  ["kind == leak", "what should have trapped"], ["kind == exit and not class == interrupt", "traps that the guest caused"], ["insn == popf", "one instruction"], ["reason == #GP", "one cause"],
  ["class == sensitive", "sensitive, not privileged"], ["vcpl == 0", "the guest's kernel"], ["bytes contains 0f 01", "?? stands for any byte"], ["t > 1.5ms", "guest time"],
];
const HISTORY_SHOWN = 5;
const ALLOWED_SHOWN = 12;

interface Option {
  readonly text: string;
  readonly hint: string;
  /** Takes the place of this part; null: of everything. */
  readonly part: { readonly from: number; readonly to: number } | null;
}

export function FilterBox(): React.JSX.Element {
  const { session, settings } = usePage();
  const { filter, scanned } = useObservable(session.traps.state);
  const { filters, savedFilters } = useObservable(settings.state);
  const [text, setText] = useState(filter);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const message = useId(), list = useId();
  const input = useRef<HTMLInputElement>(null);
  // Another panel may set the filter; what is being typed wins over what is being applied.
  useEffect(() => setText(filter), [filter]);
  useEffect(() => {
    if (text === filter) return;
    const timer = setTimeout(() => session.traps.setFilter(text), WAIT_MS);
    return () => clearTimeout(timer);
  }, [text, filter, session]);
  // Another layout takes the box away: what was typed last is not lost with it.
  const latest = useRef(text);
  latest.current = text;
  useEffect(() => () => {
    if (latest.current !== session.traps.state.get().filter) session.traps.setFilter(latest.current);
  }, [session]);
  const result = compileFilter(text);
  // What ends too early is not wrong yet.
  const unfinished = !result.ok && result.position >= text.trimEnd().length;

  const options = ((): readonly Option[] => {
    if (!open) return [];
    if (text === "") {
      const seen = new Set<string>();
      return [...savedFilters.map(({ name, filter: own }) => [own, name] as const), ...filters.slice(0, HISTORY_SHOWN).map((own) => [own, "used before"] as const), ...SUGGESTIONS]
        .filter(([own]) => !seen.has(own) && seen.add(own)).map(([own, hint]) => ({ text: own, hint, part: null }));
    }
    const { from, to, options: found } = completeFilter(text, caret, (field) => (field === "insn" || field === "instruction" ? session.traps.instructions : []));
    return found.map((own) => ({ ...own, part: { from, to } }));
  })();
  const chosen = options[active];

  const change = (value: string, at: number): void => {
    setText(value);
    setCaret(at);
    setActive(-1);
  };
  const accept = ({ text: own, part }: Option): void => {
    const word = /^[A-Za-z0-9_#:?.+-]+$|^[=!<>.]+$/.test(own) || !part ? own : `"${own}"`;
    const value = part ? `${text.slice(0, part.from)}${word} ${text.slice(part.to).trimStart()}` : own;
    const at = part ? part.from + word.length + 1 : own.length;
    change(value, at);
    if (!part) setOpen(false);
    requestAnimationFrame(() => input.current?.setSelectionRange(at, at));
  };
  const apply = (): void => {
    if (!result.ok) return;
    session.traps.setFilter(text);
    settings.rememberFilter(text);
    setOpen(false);
  };
  const key = (event: React.KeyboardEvent<HTMLInputElement>): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      setOpen(true);
      setActive((was) => Math.max(-1, Math.min(options.length - 1, was + step)));
    } else if (event.key === "Enter") {
      if (chosen) accept(chosen);
      else apply();
    } else if (event.key === "Tab" && chosen && !event.shiftKey) accept(chosen);
    else if (event.key === "Escape" && open) setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = open && options.length > 0;
  return (
    <div className={styles.filter}>
      <div className={styles.line}>
        <input
          ref={input} id="trap-filter" type="text" role="combobox" aria-expanded={shown} aria-controls={list} aria-autocomplete="list" aria-activedescendant={chosen ? `${list}-${active}` : undefined}
          value={text} spellCheck={false} autoComplete="off" placeholder="Filter: insn == popf && vcpl == 0" aria-label="Filter the traps" aria-invalid={!result.ok} aria-describedby={message}
          data-state={unfinished ? "unfinished" : result.ok && text.trim() !== "" ? "active" : undefined} onChange={(event) => { change(event.target.value, event.target.selectionStart ?? event.target.value.length); setOpen(true); }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)} onClick={() => setOpen(true)} onKeyDown={key}
          onBlur={() => { setOpen(false); if (result.ok) settings.rememberFilter(text); }}
        />
        {text === "" ? null : <button type="button" className={styles.clear} aria-label="Clear the filter" onClick={() => { change("", 0); session.traps.setFilter(""); input.current?.focus(); }}>✕</button>}
      </div>
      <div id={list} role="listbox" aria-label="What may come next" hidden={!shown} className={styles.list}>
        {options.map((option, index) => (
          <div
            key={option.text} id={`${list}-${index}`} role="option" aria-selected={index === active} className={styles.option}
            onPointerDown={(event) => { event.preventDefault(); accept(option); }}
          >
            <code>{option.text}</code><span>{option.hint}</span>
          </div>
        ))}
      </div>
      <div id={message} className={styles.message} role="status">
        {unfinished && shown ? <span className="muted">not finished</span> : result.ok ? (scanned < 1 ? <span className="muted">looked at {Math.floor(scanned * 100)} %</span> : null) : (
          <>
            <code className={styles.echo} aria-hidden="true">{text.slice(0, result.position)}<mark>{text.slice(result.position, result.position + result.length) || "␣"}</mark>{text.slice(result.position + result.length)}</code>
            <span className={styles.error}>{result.message}</span>
            {result.allowed.length > 0 ? <span className="muted"> Allowed: {result.allowed.slice(0, ALLOWED_SHOWN).join(", ")}{result.allowed.length > ALLOWED_SHOWN ? " …" : ""}</span> : null}
          </>
        )}
      </div>
    </div>
  );
}
