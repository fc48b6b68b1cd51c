// The processor's tables: pages, descriptors, interrupt gates, the task-state segment, and what the TLBs hold of them.
// SDM Vol. 3A, "Paging", "Segment Descriptors", "Interrupt Descriptor Table (IDT)", "Task-State Segment (TSS)".

import { useState } from "react";
import type { Descriptor, Gate } from "../../protocol/debug.ts";
import { count, hex4, hex8 } from "../format.ts";
import { useObservable, useSession } from "../hooks.ts";
import { AddressBox } from "./AddressBox.tsx";
import styles from "./debug.module.css";
import { useInspect } from "./inspect.ts";

const TABLES = ["pages", "GDT", "LDT", "IDT", "TSS", "TLB"] as const;
type TableName = (typeof TABLES)[number];
/** Rows that are drawn at once; the rest is asked for. */
const MOST_ROWS = 400;

export function TablesPane(): React.JSX.Element {
  const [table, setTable] = useState<TableName>("pages");
  return (
    <div className={styles.pane}>
      <div className={styles.bar} role="group" aria-label="Table">
        {TABLES.map((name) => <button key={name} type="button" aria-pressed={name === table} onClick={() => setTable(name)}>{name === "pages" ? "Pages" : name}</button>)}
      </div>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={`Table: ${table}`}>
        {table === "pages" ? <Pages /> : table === "IDT" ? <Gates /> : table === "TSS" ? <Task /> : table === "TLB" ? <Tlb /> : <Descriptors table={table === "GDT" ? "gdt" : "ldt"} />}
      </div>
    </div>
  );
}

function Rows({ caption, heads, rows, empty }: { readonly caption: string; readonly heads: readonly string[]; readonly rows: readonly (readonly React.ReactNode[])[]; readonly empty: string }): React.JSX.Element {
  const [all, setAll] = useState(false);
  if (rows.length === 0) return <p className={styles.empty}>{empty}</p>;
  return (
    <>
      <table className={styles.table}>
        <caption className="hidden">{caption}</caption>
        <thead><tr>{heads.map((head) => <th key={head} scope="col">{head}</th>)}</tr></thead>
        <tbody>
          {(all ? rows : rows.slice(0, MOST_ROWS)).map((cells, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: an entry of a table is its place
            <tr key={n}>{cells.map((cell, column) => <td key={heads[column]}>{cell}</td>)}</tr>
          ))}
        </tbody>
      </table>
      {!all && rows.length > MOST_ROWS ? <button type="button" className="plain" onClick={() => setAll(true)}>Show all {count(rows.length)}</button> : null}
    </>
  );
}

/** An address that leads to the code or memory pane. */
function Address({ value, to }: { readonly value: number; readonly to: "memory" | "physical" | "code" }): React.JSX.Element {
  const { debug } = useSession();
  const { symbols } = useObservable(debug.state);
  const name = to === "code" ? symbols?.at(value) : null;
  return (
    <button type="button" className={styles.link} title={to === "code" ? "Show the code there" : "Show the memory there"} onClick={() => (to === "code" ? debug.showCode(value) : debug.showMemory(to === "physical" ? "physical" : "linear", value))}>
      {hex8(value)}{name ? ` ${name.name}${name.offset ? `+${name.offset.toString(16)}` : ""}` : ""}
    </button>
  );
}

const ENTRY_BITS = [[1, "P"], [2, "W"], [4, "U"], [8, "PWT"], [0x10, "PCD"], [0x20, "A"], [0x40, "D"], [0x80, "PS"], [0x100, "G"]] as const;

function Pages(): React.JSX.Element {
  const [linear, setLinear] = useState<number | null>(null);
  const walk = useInspect<"walk">(linear === null ? null : { kind: "walk", linear });
  const answer = useInspect<"pages">({ kind: "pages" });
  const size = (bytes: number): string => (bytes >= 1 << 20 ? `${count(bytes / (1 << 20))} MB` : `${count(bytes / 1024)} KB`);
  return (
    <>
      <div className={styles.bar}><AddressBox label="Walk the page tables for" placeholder="walk an address" button="Walk" onAddress={setLinear} /></div>
      {walk && walk.linear === linear ? (
        <div className={styles.walk}>
          {walk.entries === null ? <p>Paging is off: {hex8(walk.linear)} is physical.</p> : (
            <Rows
              caption="Entries on the way" heads={["entry", "at", "value", "bits"]} empty=""
              rows={walk.entries.map(({ name, address, low, high }) => [name, <Address key="a" value={address} to="physical" />, `${high ? hex8(high) : ""}${hex8(low)}`, ENTRY_BITS.filter(([bit]) => low & bit).map(([, bit]) => bit).join(" ")])}
            />
          )}
          <p>{hex8(walk.linear)} → {walk.physical < 0 ? "not mapped: a page fault" : <>physical <Address value={walk.physical} to="physical" /></>}</p>
        </div>
      ) : null}
      {answer?.ranges === null ? <p className={styles.empty}>Paging is off: linear addresses are physical ones.</p> : (
        <Rows
          caption="Linear ranges that are mapped" heads={["from", "to", "size", "rights"]} empty={answer ? "Nothing is mapped." : ""}
          rows={(answer?.ranges ?? []).map(({ first, last, user, writable }) => [<Address key="a" value={first} to="memory" />, hex8(last), size(last - first + 1), `${user ? "user" : "supervisor"}, ${writable ? "read and write" : "read"}`])}
        />
      )}
    </>
  );
}

const SYSTEM_TYPES = [
  "reserved", "16-bit TSS", "LDT", "16-bit TSS, busy", "16-bit call gate", "task gate", "16-bit interrupt gate", "16-bit trap gate", "reserved", "32-bit TSS", "reserved",
  "32-bit TSS, busy", "32-bit call gate", "reserved", "32-bit interrupt gate", "32-bit trap gate",
];

function typeText(access: number): string {
  const absent = access & 0x80 ? "" : ", absent";
  if (!(access & 0x10)) return SYSTEM_TYPES[access & 15] + absent;
  const size = access & 0x4000 ? "32-bit" : "16-bit", accessed = access & 1 ? "" : ", not accessed";
  if (access & 8) return `${size} code${access & 2 ? ", readable" : ""}${access & 4 ? ", conforming" : ""}${accessed}${absent}`;
  return `${size} data${access & 2 ? ", writable" : ", read-only"}${access & 4 ? ", expand down" : ""}${accessed}${absent}`;
}

function Descriptors({ table }: { readonly table: "gdt" | "ldt" }): React.JSX.Element {
  const answer = useInspect<"descriptors">({ kind: "descriptors", table });
  const { registers } = useObservable(useSession().registers.state);
  const used = new Map<number, string[]>();
  const names = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];
  registers?.virtual.segments.forEach(({ selector }, n) => used.set(selector & 0xfffc, [...(used.get(selector & 0xfffc) ?? []), names[n]!]));
  const place = ({ base, limit, gate }: Descriptor): React.ReactNode[] => (gate ? [`${hex4(gate.selector)}:${hex8(gate.offset)}`, ""] : [<Address key="b" value={base} to="memory" />, hex8(limit)]);
  return (
    <Rows
      caption={table === "gdt" ? "Global descriptor table" : "Local descriptor table"} heads={["selector", "base or target", "limit", "type", "DPL", "loaded in"]}
      empty={answer === null ? "" : table === "gdt" ? "All entries are zeros, or the table is not mapped." : "The guest has no local descriptor table."}
      rows={(answer?.entries ?? []).map((entry) => [hex4(entry.selector), ...place(entry), typeText(entry.access), (entry.access >> 5) & 3, (used.get(entry.selector) ?? []).join(" ")])}
    />
  );
}

const EXCEPTIONS = [
  "#DE divide", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound", "#UD undefined opcode", "#NM no x87", "#DF double fault", "x87 overrun", "#TS TSS", "#NP not present", "#SS stack",
  "#GP protection", "#PF page fault", "", "#MF x87", "#AC alignment", "#MC machine check", "#XM SSE",
];

function Gates(): React.JSX.Element {
  const answer = useInspect<"gates">({ kind: "gates" });
  const row = ({ vector, selector, offset, access }: Gate): React.ReactNode[] => [
    vector.toString(16).padStart(2, "0"), EXCEPTIONS[vector] ?? "", `${hex4(selector)}:`, <Address key="o" value={access === null ? selector * 16 + offset : offset} to="code" />,
    access === null ? "real-mode vector" : typeText(access), access === null ? "" : (access >> 5) & 3,
  ];
  return <Rows caption="Interrupt table" heads={["vector", "exception", "selector", "handler", "type", "DPL"]} rows={(answer?.entries ?? []).map(row)} empty={answer ? "All entries are zeros, or the table is not mapped." : ""} />;
}

function Task(): React.JSX.Element {
  const answer = useInspect<"task">({ kind: "task" });
  if (!answer) return <p className={styles.empty} />;
  const { task } = answer;
  if (!task) return <p className={styles.empty}>TR holds no task-state segment.</p>;
  const ports = task.openPorts.map(([first, last]) => (first === last ? hex4(first) : `${hex4(first)}-${hex4(last)}`));
  return (
    <>
      <p className={styles.note}>TR = {hex4(task.selector)}, a {task.wide ? "32" : "16"}-bit TSS at <Address value={task.base} to="memory" />, limit {hex8(task.limit)}</p>
      <dl className={styles.fields}>{task.fields.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value > 0xffff ? hex8(value) : hex4(value)}</dd></div>)}</dl>
      <p className={styles.note}>{task.wide ? (ports.length === 0 ? "The I/O permission bitmap opens no port." : `Ports that the I/O permission bitmap opens: ${ports.slice(0, 64).join(", ")}${ports.length > 64 ? " …" : ""}.`) : ""}</p>
    </>
  );
}

function Tlb(): React.JSX.Element {
  const { registers } = useObservable(useSession().registers.state);
  const [context, setContext] = useState<"v" | "h">("v");
  const monitored = registers?.hardware !== null && registers !== null;
  const own = monitored ? context : "v";
  const answer = useInspect<"tlb">({ kind: "tlb", context: own });
  const letters = { "supervisor read": "R", "supervisor write": "W", "user read": "r", "user write": "w", execute: "x" } as const;
  return (
    <>
      {monitored ? (
        <div className={styles.bar} role="group" aria-label="Processor">
          <button type="button" aria-pressed={context === "v"} onClick={() => setContext("v")}>The guest's own</button>
          <button type="button" aria-pressed={context === "h"} onClick={() => setContext("h")}>The hardware's, over the shadow tables</button>
        </div>
      ) : null}
      <p className={styles.note}>{answer ? `${count(answer.entries.length)} pages` : ""}; R W: supervisor reads and writes, r w: user, x: instructions.</p>
      <Rows
        caption="Translations held" heads={["linear", "physical", "rights", ""]} empty={answer ? "Empty." : ""}
        rows={(answer?.entries ?? []).map(({ linear, physical, rights, global }) => [<Address key="l" value={linear} to="memory" />, physical < 0 ? "not guest memory" : <Address key="p" value={physical} to="physical" />, rights.map((right) => letters[right]).join(""), global ? "global" : ""])}
      />
    </>
  );
}
