// Rows of the grouped trap panel: from the exact counters where they answer the question, else summed over the filtered records.

import type { StatsReader } from "../protocol/stats-view.ts";
import { emptyHotSpot, FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, MNEMONIC_SLOTS } from "../protocol/stats-view.ts";
import { allReasons, modeName, SITE_MODE_D } from "../protocol/trap-record.ts";
import type { Grouping, TrapGroups } from "../trace/group-by.ts";
import { groupTotal } from "../trace/group-by.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { hex, hexBytes, type TrapFields } from "../trace/trap-fields.ts";

export interface GroupRow {
  readonly key: string;
  readonly label: string;
  /** For sites: address, mode and bytes. */
  readonly place: string | null;
  readonly exits: number;
  readonly leaks: number;
  readonly observed: number;
  /** Modelled cycles, and the instructions before the first and the last event; null where only the number of events is known. */
  readonly cost: number | null;
  readonly first: number | null;
  readonly last: number | null;
  /** Part of all events, 0-1. */
  readonly share: number;
  /** Linear address of a site; null for other groups. */
  readonly linear: number | null;
  /** Filter that shows the group's records. */
  readonly filter: string;
}

/** Rows shown; more sites than this nobody reads. */
const MOST = 1000;
/** Groupings that the counters of the machine answer. */
const COUNTED: readonly Grouping[] = ["instruction", "reason", "site"];
/** What the counters do not say. */
const UNKNOWN = { linear: null, cost: null, first: null, last: null } as const;

export function isCounted(by: Grouping): boolean {
  return COUNTED.includes(by);
}

type Counted = Omit<GroupRow, "share">;

function ranked(rows: Counted[]): GroupRow[] {
  const all = rows.reduce((sum, row) => sum + groupTotal(row), 0);
  return rows
    .sort((x, y) => groupTotal(y) - groupTotal(x) || (x.key < y.key ? -1 : 1))
    .slice(0, MOST)
    .map((row) => ({ ...row, share: all > 0 ? groupTotal(row) / all : 0 }));
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_#]+$/.test(text) ? text : `"${text}"`;
}

/** Exact, since the machine started; null: nobody counts this, and the records have to be summed. */
export function countedGroups(stats: StatsReader, by: Grouping): GroupRow[] | null {
  switch (by) {
    case "instruction": return ranked(countedInstructions(stats));
    case "reason": return ranked(countedReasons(stats));
    case "site": return ranked(hotSpots(stats));
    case "page": case "technique": return null;
  }
}

function countedInstructions(stats: StatsReader): Counted[] {
  const rows: Counted[] = [];
  for (let id = 0; id < MNEMONIC_SLOTS; id++) {
    const exits = stats.byMnemonic(FAMILY_TRAP, id) + stats.byMnemonic(FAMILY_CALLOUT, id);
    const leaks = stats.byMnemonic(FAMILY_LEAK, id), observed = stats.byMnemonic(FAMILY_OBSERVED, id);
    if (exits + leaks + observed === 0) continue;
    const label = stats.mnemonic(id);
    rows.push({ key: label, label, place: null, exits, leaks, observed, ...UNKNOWN, filter: `insn == ${quoted(label)}` });
  }
  return rows;
}

function countedReasons(stats: StatsReader): Counted[] {
  const rows: Counted[] = allReasons().map(({ code, name }) => ({
    key: name, label: name, place: null, exits: stats.byReason(FAMILY_TRAP, code) + stats.byReason(FAMILY_CALLOUT, code), leaks: 0, observed: 0, ...UNKNOWN,
    filter: `reason == ${quoted(name)}`,
  }));
  rows.push({ key: "leak", label: "no exit: leak", place: null, exits: 0, leaks: stats.scalar("leaks"), observed: 0, ...UNKNOWN, filter: "kind == leak" });
  rows.push({ key: "observed", label: "no exit: observed", place: null, exits: 0, leaks: 0, observed: stats.scalar("observed"), ...UNKNOWN, filter: "kind == observed" });
  return rows.filter((row) => groupTotal(row) > 0);
}

function hotSpots(stats: StatsReader): Counted[] {
  const spot = emptyHotSpot();
  const rows: Counted[] = [];
  for (let index = 0; index < stats.hotSpotCount; index++) {
    stats.hotSpot(index, spot);
    if (groupTotal(spot) === 0) continue;
    const bytes = spot.bytes.slice(0, spot.length);
    const label = bytes.length > 0 ? disassembleBytes(bytes, spot.eip, (spot.mode & SITE_MODE_D) !== 0) : stats.mnemonic(spot.mnemonicId);
    rows.push({
      key: `${spot.linear} ${spot.cs} ${spot.mode} ${hexBytes(bytes)}`, label, place: `${hex(spot.cs, 4)}:${hex(spot.eip, 8)} ${modeName(spot.mode)}`,
      exits: spot.exits, leaks: spot.leaks, observed: spot.observed, linear: spot.linear, cost: null, first: null, last: spot.lastIcount, filter: `linear == 0x${hex(spot.linear, 8)}`,
    });
  }
  return rows;
}

/** Over the records that passed the filter and are, or were, in the ring. */
export function recordedGroups(groups: TrapGroups): GroupRow[] {
  return ranked(groups.sorted().map(({ key, sample, exits, leaks, observed, cost, firstIcount, lastIcount }) => ({
    key, label: groups.by === "site" ? (sample.text ?? sample.instruction) : key, place: groups.by === "site" ? `${hex(sample.cs, 4)}:${hex(sample.eip, 8)} ${sample.mode}` : null,
    linear: groups.by === "site" ? sample.linear : null, exits, leaks, observed, cost, first: firstIcount, last: lastIcount, filter: groupFilter(groups.by, sample),
  })));
}

/** What lets only the records of this record's group pass. */
function groupFilter(by: Grouping, { instruction, linear, reason, kind, technique }: TrapFields): string {
  switch (by) {
    case "instruction": return `insn == ${quoted(instruction)}`;
    case "site": return `linear == 0x${hex(linear, 8)}`;
    case "page": return `page == 0x${hex(linear >>> 12, 5)}`;
    case "reason": return reason ? `reason == ${quoted(reason)}` : `kind == ${kind}`;
    case "technique": return technique ? `technique == ${technique}` : "";
  }
}
