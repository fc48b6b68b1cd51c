// The result of a run: the fields of --json, and the line that a person reads.

import type { Machine } from "../machine/machine.ts";
import { FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, StatsReader } from "../protocol/stats-view.ts";
import { allReasons, emptyRawTrap, SITE_MODE_D } from "../protocol/trap-record.ts";
import { effectText } from "../trace/effect.ts";
import { explainInstruction } from "../trace/instruction.ts";
import { EXIT_CODES, type Outcome } from "./outcome.ts";

type Table = Readonly<Record<string, number>>;

export interface FirstLeak {
  readonly instruction: string;
  readonly eip: number;
  readonly icount: number;
  readonly observed: number;
  readonly expected: number;
  readonly consequence: string;
}

export interface CountReport {
  readonly traps: { readonly total: number; readonly byInstruction: Table; readonly byReason: Table };
  readonly callouts: { readonly total: number };
  readonly leaks: { readonly total: number; readonly byInstruction: Table; readonly first: FirstLeak | null };
  readonly observed: { readonly total: number; readonly byInstruction: Table };
}

export interface RunReport extends CountReport {
  readonly version: 1;
  readonly outcome: string;
  readonly reason: string;
  readonly exitCode: number;
  readonly technique: string;
  readonly ring: number;
  readonly clock: string;
  readonly instructions: number;
  readonly emulatedInstructions: number;
  readonly wallSeconds: number;
  readonly guestSeconds: number;
  readonly mips: number;
  readonly notices: readonly string[];
  readonly exitValue: number | null;
  readonly peakRssBytes: number;
  readonly serialTail: string;
  readonly screenText: string | null;
}

const NO_COUNTS: CountReport = {
  traps: { total: 0, byInstruction: {}, byReason: {} },
  callouts: { total: 0 },
  leaks: { total: 0, byInstruction: {}, first: null },
  observed: { total: 0, byInstruction: {} },
};

function counts(machine: Machine): CountReport {
  const stats = new StatsReader(machine.map.buffer, machine.map.view.stats);
  const byInstruction = (family: number): Table => Object.fromEntries(stats.mnemonics(family).map(({ name, count }) => [name, count]));
  const byReason: Record<string, number> = {};
  for (const { code, name } of allReasons()) {
    const count = stats.byReason(FAMILY_TRAP, code);
    if (count > 0) byReason[name] = count;
  }
  return {
    traps: { total: stats.scalar("traps"), byInstruction: byInstruction(FAMILY_TRAP), byReason },
    callouts: { total: stats.scalar("callouts") },
    leaks: { total: stats.scalar("leaks"), byInstruction: byInstruction(FAMILY_LEAK), first: firstLeak(stats) },
    observed: { total: stats.scalar("observed"), byInstruction: byInstruction(FAMILY_OBSERVED) },
  };
}

function firstLeak(stats: StatsReader): FirstLeak | null {
  const leak = emptyRawTrap();
  if (!stats.firstLeak(leak)) return null;
  const instruction = stats.mnemonic(leak.mnemonicId);
  const bytes = leak.bytes.subarray(0, leak.length);
  const note = explainInstruction(bytes, leak.eip, (leak.mode & SITE_MODE_D) !== 0)?.note;
  const effect = effectText(leak.kind, leak.reason, leak.action, instruction, leak.a, leak.b);
  return {
    instruction, eip: leak.eip, icount: leak.icount, observed: leak.a, expected: leak.b,
    consequence: [effect, note?.guestSees].filter((text) => text).join(". "),
  };
}

/** What stood in the options, for a report of a run that never began. */
export interface RunSettings {
  readonly technique: string;
  readonly ring: number;
  readonly clock: string;
}

export interface RunResult {
  readonly machine: Machine;
  readonly notices: readonly string[];
  readonly serialTail: string;
  readonly screenText: string | null;
}

export function report(outcome: Outcome, run: RunResult | null, settings: RunSettings): RunReport {
  const machine = run?.machine;
  const wallSeconds = performance.now() / 1000;
  const instructions = machine?.core.retired() ?? 0;
  return {
    version: 1,
    outcome: outcome.outcome,
    reason: outcome.reason,
    exitCode: outcome.exitCode ?? EXIT_CODES[outcome.outcome],
    technique: machine?.supervisor.technique ?? settings.technique,
    ring: machine?.supervisor.ring ?? settings.ring,
    clock: settings.clock,
    instructions,
    emulatedInstructions: machine?.supervisor.emulatedInstructions ?? 0,
    wallSeconds: rounded(wallSeconds),
    guestSeconds: machine ? machine.clock.nowNs() / 1e9 : 0,
    mips: rounded(instructions / wallSeconds / 1e6),
    ...(machine ? counts(machine) : NO_COUNTS),
    notices: run?.notices ?? [],
    exitValue: machine?.exitValue ?? null,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    serialTail: run?.serialTail ?? "",
    screenText: run?.screenText ?? null,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** One line for a person. */
export function summary(result: RunReport): string {
  const numbers = `${result.instructions} instructions in ${result.wallSeconds.toFixed(1)} s, ${result.mips.toFixed(1)} MIPS`;
  const events = result.technique === "emulate" ? "" : `; ${result.traps.total} traps, ${result.leaks.total} leaks`;
  return `${result.outcome}: ${result.reason} (${numbers}${events})`;
}
