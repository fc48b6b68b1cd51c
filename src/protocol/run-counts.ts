// What a stretch of a run counted: exits by instruction and by reason, callouts, leaks, observations, instructions. Two readings
// of the statistics give the stretch between them.

import { FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, type StatsReader } from "./stats-view.ts";
import { allReasons } from "./trap-record.ts";

export type CountTable = Readonly<Record<string, number>>;

export interface RunCounts {
  readonly traps: { readonly byInstruction: CountTable; readonly byReason: CountTable };
  readonly callouts: { readonly byInstruction: CountTable; readonly byReason: CountTable };
  readonly leaks: { readonly byInstruction: CountTable };
  readonly observed: { readonly byInstruction: CountTable };
  readonly instructions: number;
  readonly emulatedInstructions: number;
}

/** Everything counted so far. The machine has published its numbers. */
export function readRunCounts(stats: StatsReader): RunCounts {
  const byInstruction = (family: number): CountTable => Object.fromEntries(stats.mnemonics(family).map(({ name, count }) => [name, count]));
  const byReason = (family: number): CountTable =>
    Object.fromEntries(allReasons().map(({ code, name }) => [name, stats.byReason(family, code)] as const).filter(([, count]) => count > 0));
  return {
    traps: { byInstruction: byInstruction(FAMILY_TRAP), byReason: byReason(FAMILY_TRAP) },
    callouts: { byInstruction: byInstruction(FAMILY_CALLOUT), byReason: byReason(FAMILY_CALLOUT) },
    leaks: { byInstruction: byInstruction(FAMILY_LEAK) },
    observed: { byInstruction: byInstruction(FAMILY_OBSERVED) },
    instructions: stats.scalar("instructions"),
    emulatedInstructions: stats.scalar("emulatedInstructions"),
  };
}

/** What came between two readings. */
export function countsBetween(before: RunCounts, after: RunCounts): RunCounts {
  return {
    traps: { byInstruction: grown(before.traps.byInstruction, after.traps.byInstruction), byReason: grown(before.traps.byReason, after.traps.byReason) },
    callouts: { byInstruction: grown(before.callouts.byInstruction, after.callouts.byInstruction), byReason: grown(before.callouts.byReason, after.callouts.byReason) },
    leaks: { byInstruction: grown(before.leaks.byInstruction, after.leaks.byInstruction) },
    observed: { byInstruction: grown(before.observed.byInstruction, after.observed.byInstruction) },
    instructions: after.instructions - before.instructions,
    emulatedInstructions: after.emulatedInstructions - before.emulatedInstructions,
  };
}

function grown(before: CountTable, after: CountTable): CountTable {
  const table: Record<string, number> = {};
  for (const [name, count] of Object.entries(after)) if (count !== (before[name] ?? 0)) table[name] = count - (before[name] ?? 0);
  return table;
}

export function totalOf(table: CountTable): number {
  return Object.values(table).reduce((total, count) => total + count, 0);
}
