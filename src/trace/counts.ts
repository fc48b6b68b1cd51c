// The exact counts of a run as plain tables: the fields that the command line's JSON and the library share.

import { FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, type StatsReader } from "../protocol/stats-view.ts";
import { allReasons, emptyRawTrap, type RawTrap, SITE_MODE_D } from "../protocol/trap-record.ts";
import { effectText } from "./effect.ts";
import { explainInstruction } from "./instruction.ts";

export type CountTable = Readonly<Record<string, number>>;

export interface FirstLeak {
  readonly instruction: string;
  readonly eip: number;
  readonly icount: number;
  readonly observed: number;
  readonly expected: number;
  /** What the guest saw or lost, and what that leads to. */
  readonly consequence: string;
}

/** The first leak that changed what the guest did. */
export interface DecisiveLeak extends FirstLeak {
  /** EIP of the instruction that went another way than on bare metal; where the guest was, if an interrupt did. */
  readonly decidedAt: number;
  /** Instructions from the leak to it; 0: an interrupt came, or did not come, against the flag that the guest had written. */
  readonly distance: number;
}

export interface TrapCounts {
  readonly traps: { readonly total: number; readonly byInstruction: CountTable; readonly byReason: CountTable };
  readonly callouts: { readonly total: number; readonly byInstruction: CountTable };
  readonly leaks: { readonly total: number; readonly byInstruction: CountTable; readonly first: FirstLeak | null; readonly decisive: DecisiveLeak | null };
  readonly observed: { readonly total: number; readonly byInstruction: CountTable };
}

export const NO_COUNTS: TrapCounts = {
  traps: { total: 0, byInstruction: {}, byReason: {} },
  callouts: { total: 0, byInstruction: {} },
  leaks: { total: 0, byInstruction: {}, first: null, decisive: null },
  observed: { total: 0, byInstruction: {} },
};

export function trapCounts(stats: StatsReader): TrapCounts {
  const byInstruction = (family: number): CountTable => Object.fromEntries(stats.mnemonics(family).map(({ name, count }) => [name, count]));
  const byReason = Object.fromEntries(allReasons().map(({ code, name }) => [name, stats.byReason(FAMILY_TRAP, code)] as const).filter(([, count]) => count > 0));
  return {
    traps: { total: stats.scalar("traps"), byInstruction: byInstruction(FAMILY_TRAP), byReason },
    callouts: { total: stats.scalar("callouts"), byInstruction: byInstruction(FAMILY_CALLOUT) },
    leaks: { total: stats.scalar("leaks"), byInstruction: byInstruction(FAMILY_LEAK), first: firstLeak(stats), decisive: decisiveLeak(stats) },
    observed: { total: stats.scalar("observed"), byInstruction: byInstruction(FAMILY_OBSERVED) },
  };
}

/** Executions of each sensitive instruction, whatever came of them. */
export function executedOf(stats: StatsReader): CountTable {
  const executed: Record<string, number> = {};
  for (const family of [FAMILY_TRAP, FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED]) {
    for (const { name, count } of stats.mnemonics(family)) executed[name] = (executed[name] ?? 0) + count;
  }
  return executed;
}

function firstLeak(stats: StatsReader): FirstLeak | null {
  const leak = emptyRawTrap();
  return stats.firstLeak(leak) ? described(leak, stats) : null;
}

function decisiveLeak(stats: StatsReader): DecisiveLeak | null {
  const leak = emptyRawTrap();
  const decision = stats.decisiveLeak(leak);
  return decision && { ...described(leak, stats), decidedAt: decision.eip, distance: decision.distance };
}

function described(leak: RawTrap, stats: StatsReader): FirstLeak {
  const instruction = stats.mnemonic(leak.mnemonicId);
  const note = explainInstruction(leak.bytes.subarray(0, leak.length), leak.eip, (leak.mode & SITE_MODE_D) !== 0)?.note;
  const effect = effectText(leak.kind, leak.reason, leak.action, instruction, leak.a, leak.b);
  return {
    instruction, eip: leak.eip, icount: leak.icount, observed: leak.a, expected: leak.b,
    consequence: [effect, note?.guestSees].filter((text) => text).join(". "),
  };
}

/** One sentence about the leak that matters most for how a run ended; "" where nothing leaked. */
export function leakSentence({ leaks: { first, decisive } }: TrapCounts): string {
  const leak = decisive ?? first;
  if (!leak) return "";
  const what = `${leak.instruction} at EIP ${leak.eip.toString(16)} after ${leak.icount} instructions (${leak.consequence.split(". ")[0]})`;
  if (!decisive) return `First leak: ${what}.`;
  const then = decisive.distance === 0
    ? "an interrupt then found the wrong flag"
    : `${decisive.distance === 1 ? "the next instruction" : `${decisive.distance} instructions later, EIP ${decisive.decidedAt.toString(16)}`} went another way than on bare metal`;
  return `First leak that mattered: ${what}; ${then}.`;
}
