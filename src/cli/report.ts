// The result of a run: the fields of --json, and the line that a person reads.

import type { Machine } from "../machine/machine.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { readRunCounts } from "../protocol/run-counts.ts";
import { type CostProfile, type ModelledCost, modelledCost } from "../trace/cost-model.ts";
import { NO_COUNTS, type TrapCounts, trapCounts } from "../trace/counts.ts";
import { costLine, hostNsPerExit } from "./cost.ts";
import { EXIT_CODES, type Outcome } from "./outcome.ts";

export interface RunReport extends TrapCounts {
  readonly version: 1;
  readonly outcome: string;
  readonly reason: string;
  readonly exitCode: number;
  readonly technique: string;
  readonly ring: number;
  readonly clock: string;
  readonly instructions: number;
  readonly emulatedInstructions: number;
  /** From the start of the process. */
  readonly wallSeconds: number;
  readonly guestSeconds: number;
  readonly mips: number;
  /** What the technique counts besides exits, by name. */
  readonly statistics: Readonly<Record<string, number>>;
  /** With --profile: what the exits would have cost, and what this host measured of them. */
  readonly modelled?: ModelledCost;
  readonly hostNsPerExit?: number | null;
  readonly notices: readonly string[];
  readonly exitValue: number | null;
  readonly peakRssBytes: number;
  readonly serialTail: string;
  readonly screenText: string | null;
}

/** What was asked for: all that there is to say of a run that never began. */
export interface RunSettings {
  readonly technique: string;
  readonly ring: number;
  readonly clock: string;
}

export interface RunResult {
  readonly machine: Machine;
  readonly profile?: CostProfile;
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
    ...(machine ? trapCounts(new StatsReader(machine.map.buffer, machine.map.view.stats)) : NO_COUNTS),
    statistics: machine?.supervisor.statistics ?? {},
    ...(run?.profile ? costOf(run.machine, run.profile) : {}),
    notices: run?.notices ?? [],
    exitValue: machine?.exitValue ?? null,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    serialTail: run?.serialTail ?? "",
    screenText: run?.screenText ?? null,
  };
}

function countsOf(machine: Machine) {
  return readRunCounts(new StatsReader(machine.map.buffer, machine.map.view.stats));
}

function hostMeasure(machine: Machine) {
  return { monitorNs: machine.supervisor.counters.get("monitorNs"), exits: machine.cpu.exitCount };
}

function costOf(machine: Machine, profile: CostProfile): Pick<RunReport, "modelled" | "hostNsPerExit"> {
  return { modelled: modelledCost(profile, countsOf(machine)), hostNsPerExit: hostNsPerExit(hostMeasure(machine)) };
}

/** What --profile prints. */
export function costSummary(machine: Machine, profile: CostProfile): string {
  return costLine(profile, countsOf(machine), hostMeasure(machine));
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** What --jit-stats prints. */
export function translationSummary(machine: Machine): string {
  const counters = machine.translations?.counters;
  if (!counters) return "nothing was translated (--jit off).";
  const { regions, live, instructions, bytes, modules, refused, invalidated, learned, linked } = counters;
  return `${regions} regions of ${instructions} instructions translated into ${modules} modules of ${(bytes / 1024).toFixed(0)} KB; ` +
    `${live} live, ${linked} links between them, ${learned} made again to follow computed transfers, ${invalidated - learned} dropped because their code changed, ${refused} places left to the interpreter.`;
}

/** One line for a person. */
export function summary(result: RunReport): string {
  const numbers = `${result.instructions} instructions in ${result.wallSeconds.toFixed(1)} s, ${result.mips.toFixed(1)} MIPS`;
  const events = result.technique === "emulate" ? "" : `; ${result.traps.total} traps, ${result.leaks.total} leaks`;
  return `${result.outcome}: ${result.reason} (${numbers}${events})`;
}
