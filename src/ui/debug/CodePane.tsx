// The guest's code: follows the next instruction, and goes where it is told. A press in the margin sets a breakpoint.

import { useCallback, useEffect, useRef, useState } from "react";
import { branchOf } from "../../trace/instruction.ts";
import { hexBytes } from "../../trace/trap-fields.ts";
import { hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { AddressBox } from "./AddressBox.tsx";
import { type AddressedLine, BYTES_BEFORE, linesBefore, linesFrom } from "./code-lines.ts";
import styles from "./debug.module.css";
import { useInspect, useRows } from "./inspect.ts";
import { StepBar } from "./StepBar.tsx";

const ROW = 20, LONGEST = 15;
const CS = 1, CODE_32 = 0x4000;

export function CodePane(): React.JSX.Element {
  const session = useSession();
  const { debug } = session;
  const { registers } = useObservable(session.registers.state);
  const { run } = useObservable(session.state);
  const { code, symbols, breakpoints } = useObservable(debug.state);
  const list = useRef<HTMLOListElement>(null);
  const rows = useRows(list, ROW);
  const [selected, setSelected] = useState<number | null>(null);
  const segment = registers?.virtual.segments[CS];
  const base = segment?.base ?? 0, code32 = ((segment?.access ?? 0) & CODE_32) !== 0;
  const next = registers ? (base + registers.eip) >>> 0 : 0;
  const stopped = run !== null && run.kind !== "running";
  // The code is hidden while the machine runs; who was in it is there again when it stops.
  const held = useRef(false);
  useEffect(() => {
    if (stopped && held.current && document.activeElement === document.body) list.current?.focus();
  }, [stopped]);

  // Following, the next instruction stays where it is while it is in sight.
  const shown = useRef<readonly AddressedLine[]>([]);
  const [top, setTop] = useState<number | null>(null);
  const follows = code === null;
  const begin = top ?? next;
  useEffect(() => {
    if (code !== null) setTop(code);
    else if (!shown.current.slice(0, -2).some(({ linear }) => linear === next)) setTop(null);
  }, [code, next]);

  const wanted = registers && stopped ? { kind: "memory" as const, space: "linear" as const, address: (begin - BYTES_BEFORE) >>> 0, length: BYTES_BEFORE + (rows + 2) * LONGEST } : null;
  const answer = useInspect<"memory">(wanted);
  const fresh = answer !== null && wanted !== null && answer.address === wanted.address ? answer : null;
  const reach = Math.max(0, (fresh?.bytes.length ?? 0) - BYTES_BEFORE);
  const ahead = fresh && reach > 0 ? linesFrom(fresh.bytes.subarray(BYTES_BEFORE), begin, (begin - base) >>> 0, code32, rows) : [];
  const above = fresh ? linesBefore(fresh.bytes.subarray(0, BYTES_BEFORE), (begin - BYTES_BEFORE) >>> 0, (begin - BYTES_BEFORE - base) >>> 0, code32, 6) : [];
  const lead = top === null ? above.slice(-Math.min(4, above.length)) : [];
  const lines = [...lead, ...ahead].slice(0, rows);
  useEffect(() => {
    shown.current = lines;
  });

  const scroll = useCallback((by: number): void => {
    const list = shown.current;
    const target = by > 0 ? list[Math.min(by, list.length - 1)]?.linear : undefined;
    if (target !== undefined) setTop(target);
  }, []);
  const scrollUp = (by: number): void => {
    const target = above.at(-Math.min(by, above.length));
    if (target) setTop(target.linear);
    else setTop((begin - 1) >>> 0);
  };
  const move = (by: number): void => (by > 0 ? scroll(by) : scrollUp(-by));

  const cursor = lines.findIndex(({ linear }) => linear === selected);
  const key = (event: React.KeyboardEvent): void => {
    const line = lines[cursor];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      const other = cursor < 0 ? lines[0] : lines[cursor + by];
      if (other) setSelected(other.linear);
      else move(by);
    } else if (event.key === "PageDown") move(Math.max(1, rows - 2));
    else if (event.key === "PageUp") scrollUp(Math.max(1, above.length));
    else if (event.key === "F9" && line) debug.toggle(line.linear);
    else if (event.key === "F4" && line) debug.runTo(line.linear);
    else if (event.key === "Enter" && line) follow(line);
    else if (event.key === "Home") debug.showCode(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const follow = (line: AddressedLine): void => {
    const target = branchOf(line.bytes, (line.linear - base) >>> 0, code32);
    if (target !== null) debug.showCode((target + base) >>> 0);
  };

  const place = symbols?.at(next) ?? null;
  return (
    <div className={styles.pane}>
      <StepBar selected={cursor >= 0 ? selected : null} />
      <div className={styles.bar}>
        <AddressBox label="Show code at" id="code-address" onAddress={(address) => debug.showCode(address)} />
        <button type="button" aria-pressed={follows} onClick={() => { debug.showCode(null); setTop(null); }} title="Show the next instruction, and stay with it">Follow EIP</button>
        <span className={styles.place}>
          {registers ? `${hex4(segment?.selector ?? 0)}:${hex8(registers.eip)}` : ""}{place ? ` ${place.name}${place.offset ? `+${place.offset.toString(16)}` : ""}` : ""} {code32 ? "32-bit" : "16-bit"}
        </span>
      </div>
      {!stopped ? <p className={styles.empty}>Pause the machine to see its code.</p> : null}
      <ol
        className={styles.code} ref={list} hidden={!stopped} aria-label="Code" tabIndex={0} onKeyDown={key} onFocus={() => { held.current = true; }} onBlur={(event) => { if (event.relatedTarget) held.current = false; }}
        onWheel={(event) => move(event.deltaY > 0 ? 3 : -3)}
      >
        {lines.map((line) => {
          const own = breakpoints.find(({ spec }) => spec.kind === "execute" && spec.linear === line.linear);
          const symbol = symbols?.at(line.linear);
          return (
            <li
              key={line.linear} className={styles.line} aria-current={line.linear === next ? "step" : undefined} data-selected={line.linear === selected} data-address={hex8(line.linear)}
              onClick={() => setSelected(line.linear)} onDoubleClick={() => follow(line)}
            >
              <button
                type="button" tabIndex={-1} className={styles.margin} aria-pressed={own !== undefined} data-off={own ? !own.enabled : undefined}
                aria-label={`${own ? "Remove" : "Set"} breakpoint at ${hex8(line.linear)}`} title="Breakpoint (F9)" onClick={(event) => { event.stopPropagation(); debug.toggle(line.linear); }}
              />
              <span className={styles.linear}>{hex8(line.linear)}</span>
              <span className={styles.bytes}>{hexBytes(line.bytes, " ")}</span>
              <span className={styles.text}>
                {symbol && symbol.offset === 0 ? <b className={styles.symbol}>{symbol.name}: </b> : null}
                {line.text}
                <Target line={line} base={base} code32={code32} />
              </span>
              {line.sensitive ? <span className={styles.sensitive} title="sensitive: reads or changes what belongs to a monitor">sensitive</span> : null}
            </li>
          );
        })}
        {stopped && fresh && lines.length === 0 ? <li className={styles.empty}>{hex8(begin)} is not mapped, or is no memory.</li> : null}
      </ol>
    </div>
  );
}

/** The name of what a branch leads to. */
function Target({ line, base, code32 }: { readonly line: AddressedLine; readonly base: number; readonly code32: boolean }): React.JSX.Element | null {
  const { symbols } = useObservable(useSession().debug.state);
  const target = symbols ? branchOf(line.bytes, (line.linear - base) >>> 0, code32) : null;
  const name = target === null ? null : symbols?.at((target + base) >>> 0);
  return name ? <span className={styles.target}> {name.name}{name.offset ? `+${name.offset.toString(16)}` : ""}</span> : null;
}
