// Memory as bytes: by linear address through the guest's paging, or by physical one. Hexadecimal digits change the byte under the cursor.

import { useEffect, useRef, useState } from "react";
import type { MemorySpace } from "../../protocol/debug.ts";
import { hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { AddressBox } from "./AddressBox.tsx";
import styles from "./debug.module.css";
import { useInspect, useRows } from "./inspect.ts";

const ROW = 20, WIDTH = 16;

const digits = (value: number): string => value.toString(16).padStart(2, "0");
const printable = (value: number): string => (value >= 0x20 && value < 0x7f ? String.fromCharCode(value) : "·");

/** What stands at the cursor, as a little-endian number of each size. */
function numbers(bytes: Uint8Array): string {
  const of = (count: number): string | null => (bytes.length < count ? null : [...bytes.subarray(0, count)].reverse().map(digits).join(""));
  return [["byte", 1], ["word", 2], ["dword", 4]].flatMap(([name, count]) => {
    const text = of(count as number);
    return text === null ? [] : [`${name} ${text}`];
  }).join("  ");
}

export function MemoryPane(): React.JSX.Element {
  const session = useSession();
  const { debug } = session;
  const { memory, editRefused, revision, symbols } = useObservable(debug.state);
  const { run, phase } = useObservable(session.state);
  const grid = useRef<HTMLDivElement>(null);
  const rows = useRows(grid, ROW);
  const { space, address } = memory;
  const [top, setTop] = useState(address & ~(WIDTH - 1));
  const [half, setHalf] = useState<string | null>(null);
  const length = rows * WIDTH;

  // The cursor is always in sight.
  useEffect(() => {
    setTop((old) => (address >= old && address < old + length ? old : (address & ~(WIDTH - 1)) >>> 0));
    setHalf(null);
  }, [address, length]);

  const answer = useInspect<"memory">(phase === "live" ? { kind: "memory", space, address: top, length } : null);
  const bytes = answer && answer.address === top ? answer.bytes : null;
  const before = useRef<{ revision: number; top: number; bytes: Uint8Array | null; older: Uint8Array | null }>({ revision: -1, top: -1, bytes: null, older: null });
  if (bytes && before.current.bytes !== bytes) {
    const kept = before.current;
    // Compared with the last stop, not with the last look.
    const older = kept.top !== top ? null : kept.revision !== revision ? kept.bytes : kept.older;
    before.current = { revision, top, bytes, older };
  }
  const { older } = before.current;

  const go = (to: number): void => debug.showMemory(space, to);
  const scroll = (lines: number): void => {
    const next = (top + lines * WIDTH) >>> 0;
    setTop(next);
  };
  const edit = (at: number, value: number): void => debug.edit({ kind: "memory", space, address: at, bytes: Uint8Array.of(value) });
  const key = (event: React.KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const moves: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -WIDTH, ArrowDown: WIDTH, PageUp: -length, PageDown: length };
    const by = moves[event.key];
    if (by !== undefined) {
      if (Math.abs(by) === length) setTop((top + by) >>> 0);
      go((address + by) >>> 0);
    } else if (/^[0-9a-f]$/i.test(event.key)) {
      if (half === null) setHalf(event.key);
      else {
        edit(address, Number.parseInt(half + event.key, 16));
        go((address + 1) >>> 0);
      }
    } else if (event.key === "Escape" && half !== null) setHalf(null);
    else return;
    event.preventDefault();
  };

  const at = bytes ? address - top : -1;
  const symbol = symbols?.at(address) ?? null;
  const paused = run !== null && run.kind !== "running";
  return (
    <div className={styles.pane}>
      <div className={styles.bar}>
        <AddressBox label="Show memory at" id="memory-address" onAddress={go} />
        <select aria-label="Address space" value={space} onChange={(event) => debug.showMemory(event.target.value as MemorySpace, address)}>
          <option value="linear">linear</option>
          <option value="physical">physical</option>
        </select>
        <button type="button" disabled={space !== "linear"} title="Stop when these four bytes are written" onClick={() => debug.add({ kind: "data", access: "write", linear: address, bytes: 4 })}>Watch</button>
        <button type="button" disabled={!paused || space !== "linear"} title="Run back to the last instruction that wrote here" onClick={() => debug.back({ kind: "write", linear: address, bytes: 1 })}>Last write</button>
      </div>
      <div
        className={styles.memory} ref={grid} role="application" aria-label="Memory, hexadecimal" aria-describedby="memory-cursor" tabIndex={0} onKeyDown={key}
        onWheel={(event) => scroll(event.deltaY > 0 ? 3 : -3)}
      >
        {Array.from({ length: rows }, (_, row) => {
          const from = (top + row * WIDTH) >>> 0;
          return (
            <div key={from} className={styles.memoryRow}>
              <span className={styles.linear}>{hex8(from)}</span>
              {Array.from({ length: WIDTH }, (_, column) => {
                const index = row * WIDTH + column, value = bytes?.[index];
                const changed = value !== undefined && older?.[index] !== undefined && older[index] !== value;
                const here = (from + column) >>> 0 === address;
                return (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a column of the dump is its place
                  <span key={column} className={styles.byte} data-cursor={here} data-changed={changed} onClick={() => go((from + column) >>> 0)}>
                    {here && half !== null ? `${half}_` : value === undefined ? "··" : digits(value)}
                  </span>
                );
              })}
              <span className={styles.characters}>{Array.from({ length: WIDTH }, (_, column) => bytes?.[row * WIDTH + column]).map((value) => (value === undefined ? " " : printable(value))).join("")}</span>
            </div>
          );
        })}
      </div>
      <p className={styles.note} id="memory-cursor" role="status">
        {hex8(address)}{symbol ? ` ${symbol.name}${symbol.offset ? `+${symbol.offset.toString(16)}` : ""}` : ""}: {bytes && at >= 0 && at < bytes.length ? numbers(bytes.subarray(at)) : "no memory there"}
        {editRefused ? <span className={styles.wrong}> {editRefused}</span> : null}
      </p>
    </div>
  );
}
