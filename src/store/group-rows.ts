// Rows of the grouped trap panel: from the exact counters where they answer the question, else summed over the filtered records.

import type { StatsReader } from "../protocol/stats-view.ts";
import { emptyHotSpot, FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, MNEMONIC_SLOTS } from "../protocol/stats-view.ts";
import { allReasons, modeName, SITE_MODE_D } from "../protocol/trap-record.ts";
import type { Grouping, TrapGroups } from "../trace/group-by.ts";
import { groupTotal } from "../trace/group-by.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { hex, hexBytes } from "../trace/trap-fields.ts";

export interface GroupRow {
  readonly key: string;
  readonly label: string;
  /** For sites: address, mode and bytes. */
  readonly place: string | null;
  readonly exits: number;
  readonly leaks: number;
  readonly observed: number;
  /** Part of all events, 0-1. */
  readonly share: number;
  /** Filter that shows the group's records. */
  readonly filter: string;
}

/** Rows shown; more sites than this nobody reads. */
const MOST = 1000;

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

/** Exact, since the machine started. */
export function countedGroups(stats: StatsReader, by: Grouping): GroupRow[] {
  switch (by) {
    case "instruction": return ranked(countedInstructions(stats));
    case "reason": return ranked(countedReasons(stats));
    case "site": return ranked(hotSpots(stats));
  }
}

function countedInstructions(stats: StatsReader): Counted[] {
  const rows: Counted[] = [];
  for (let id = 0; id < MNEMONIC_SLOTS; id++) {
    const exits = stats.byMnemonic(FAMILY_TRAP, id) + stats.byMnemonic(FAMILY_CALLOUT, id);
    const leaks = stats.byMnemonic(FAMILY_LEAK, id), observed = stats.byMnemonic(FAMILY_OBSERVED, id);
    if (exits + leaks + observed === 0) continue;
    const label = stats.mnemonic(id);
    rows.push({ key: label, label, place: null, exits, leaks, observed, filter: `insn == ${quoted(label)}` });
  }
  return rows;
}

function countedReasons(stats: StatsReader): Counted[] {
  const rows: Counted[] = allReasons().map(({ code, name }) => ({
    key: name, label: name, place: null, exits: stats.byReason(FAMILY_TRAP, code) + stats.byReason(FAMILY_CALLOUT, code), leaks: 0, observed: 0,
    filter: `reason == ${quoted(name)}`,
  }));
  rows.push({ key: "leak", label: "no exit: leak", place: null, exits: 0, leaks: stats.scalar("leaks"), observed: 0, filter: "kind == leak" });
  rows.push({ key: "observed", label: "no exit: observed", place: null, exits: 0, leaks: 0, observed: stats.scalar("observed"), filter: "kind == observed" });
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
      exits: spot.exits, leaks: spot.leaks, observed: spot.observed, filter: `linear == 0x${hex(spot.linear, 8)}`,
    });
  }
  return rows;
}

/** Over the records that passed the filter and are, or were, in the ring. */
export function recordedGroups(groups: TrapGroups): GroupRow[] {
  return ranked(groups.sorted().map(({ key, sample, exits, leaks, observed }) => {
    const site = groups.by === "site";
    const label = groups.by === "reason" ? key : site ? (sample.text ?? sample.instruction) : sample.instruction;
    const filter = groups.by === "reason" ? (sample.reason ? `reason == ${quoted(key)}` : `kind == ${key}`) : site ? `linear == 0x${hex(sample.linear, 8)}` : `insn == ${quoted(label)}`;
    return { key, label, place: site ? `${hex(sample.cs, 4)}:${hex(sample.eip, 8)} ${sample.mode}` : null, exits, leaks, observed, filter };
  }));
}
