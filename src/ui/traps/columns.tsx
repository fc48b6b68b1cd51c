// The columns of the trap table: what each shows, and the filter that its cell stands for.

import type { TrapFields } from "../../trace/trap-fields.ts";
import { hexBytes, modelledCycles, trapClass } from "../../trace/trap-fields.ts";
import { count, duration, hex4, hex8 } from "../format.ts";
import { CLASS_TEXTS } from "../texts.ts";

export interface Column {
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly style?: "number" | "dim" | "text" | "cause" | "effect";
  /** Pixels that it needs. */
  readonly least: number;
  /** Its part of what is left over. */
  readonly grow?: number;
  /** Goes where there is no room for all, the largest first; 0: stays. */
  readonly rank: number;
  /** `beforeNs`: guest time of the row before it; null: there is none. */
  readonly cell: (trap: TrapFields, beforeNs: number | null) => React.ReactNode;
  /** A whole value that does not fit. */
  readonly whole?: (trap: TrapFields) => string | undefined;
  /** What lets only records pass that have the same in this cell; null: nothing does. */
  readonly filter: (trap: TrapFields) => string | null;
}

const quoted = (text: string): string => (/^[A-Za-z0-9_#:.+-]+$/.test(text) ? text : `"${text.replaceAll('"', "")}"`);

function Glyph({ trap }: { readonly trap: TrapFields }): React.JSX.Element {
  const own = trapClass(trap);
  return <>{CLASS_TEXTS[own].glyph}<span className="hidden"> {own}</span></>;
}

export const COLUMNS: readonly Column[] = [
  {
    id: "class", name: "class", title: "how it is related to privilege", least: 22, rank: 0,
    cell: (trap) => <Glyph trap={trap} />, whole: (trap) => CLASS_TEXTS[trapClass(trap)].title, filter: (trap) => `class == ${trapClass(trap)}`,
  },
  { id: "seq", name: "#", title: "number of the record", least: 60, rank: 6, style: "number", cell: (trap) => count(trap.seq), filter: (trap) => `seq >= ${trap.seq}` },
  { id: "icount", name: "instructions", title: "retired before it", least: 88, rank: 5, style: "number", cell: (trap) => count(trap.icount), filter: (trap) => `icount >= ${trap.icount}` },
  {
    id: "dt", name: "Δt", title: "guest time since the row above", least: 58, rank: 7, style: "number", cell: ({ timeNs }, beforeNs) => (beforeNs === null ? "" : duration(timeNs - beforeNs)),
    whole: ({ timeNs }) => `at ${(timeNs / 1e9).toFixed(9)} s`, filter: ({ timeNs }) => `t >= ${timeNs}`,
  },
  {
    id: "insn", name: "instruction", title: "", least: 110, grow: 2, rank: 0, style: "text", cell: (trap) => trap.text ?? trap.instruction,
    whole: (trap) => trap.text ?? undefined, filter: (trap) => `insn == ${quoted(trap.instruction)}`,
  },
  {
    id: "cause", name: "cause", title: "what the processor raised", least: 66, rank: 0, style: "cause", cell: (trap) => (trap.kind === "exit" ? trap.reason?.replace("VMX:", "") : trap.kind),
    whole: (trap) => trap.reason ?? undefined, filter: (trap) => (trap.kind === "exit" && trap.reason ? `reason == ${quoted(trap.reason)}` : `kind == ${trap.kind}`),
  },
  {
    id: "effect", name: "effect", title: "what changed, or what the guest saw", least: 130, grow: 4, rank: 0, style: "effect", cell: (trap) => trap.effect ?? "",
    whole: (trap) => trap.effect ?? undefined, filter: (trap) => (trap.effect ? `effect contains ${quoted(trap.effect)}` : null),
  },
  { id: "place", name: "CS:EIP", title: "", least: 106, rank: 4, cell: (trap) => `${hex4(trap.cs)}:${hex8(trap.eip)}`, whole: (trap) => `linear ${hex8(trap.linear)}, ${trap.mode}`, filter: (trap) => `linear == 0x${hex8(trap.linear)}` },
  { id: "cpl", name: "CPL", title: "the guest's own, and the ring it really ran in", least: 30, rank: 8, cell: (trap) => (trap.vcpl === trap.hcpl ? trap.vcpl : `${trap.vcpl}/${trap.hcpl}`), filter: (trap) => `vcpl == ${trap.vcpl}` },
  { id: "bytes", name: "bytes", title: "the whole instruction", least: 112, rank: 9, style: "dim", cell: (trap) => (trap.bytes ? hexBytes(trap.bytes, " ") : ""), filter: (trap) => (trap.bytes ? `bytes == ${hexBytes(trap.bytes, " ")}` : null) },
  { id: "action", name: "action", title: "what the monitor did", least: 92, rank: 10, style: "dim", cell: (trap) => trap.action ?? "", filter: (trap) => (trap.action ? `action == ${trap.action}` : null) },
  { id: "cost", name: "cost*", title: "modelled cycles on a Core 2", least: 46, rank: 11, style: "number", cell: (trap) => (trap.kind === "exit" ? count(modelledCycles(trap)) : ""), filter: (trap) => `cost >= ${modelledCycles(trap)}` },
];

/** Between two columns, and at the edges of a row. */
const GAP_PIXELS = 10, EDGE_PIXELS = 18;

/** As many as the width has room for; 0: it is not known yet. */
export function columnsFor(width: number): readonly Column[] {
  let left = COLUMNS;
  const needed = (): number => left.reduce((sum, { least }) => sum + least + GAP_PIXELS, EDGE_PIXELS - GAP_PIXELS);
  while (width > 0 && needed() > width) {
    const last = Math.max(...left.map(({ rank }) => rank));
    if (last === 0) break;
    left = left.filter(({ rank }) => rank < last);
  }
  return left;
}

/** The tracks of the rows' grid, all in pixels: with none that depends on what stands in it, a row is laid out several times as fast. */
export function tracksOf(columns: readonly Column[], width: number): string {
  const rest = Math.max(0, width - columns.reduce((sum, { least }) => sum + least + GAP_PIXELS, EDGE_PIXELS - GAP_PIXELS));
  const parts = columns.reduce((sum, { grow = 0 }) => sum + grow, 0);
  return columns.map(({ least, grow = 0 }) => `${Math.floor(least + (rest * grow) / parts)}px`).join(" ");
}
