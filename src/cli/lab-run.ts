// Runs the steps of a lab: one machine each, with the virtual clock, counted phase by phase.

import type { Check, Lab, LabStep } from "../labs/lab.ts";
import type { StepResult } from "../labs/check.ts";
import { configureBoot, type NamedSource } from "../machine/boot/boot-request.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { Machine, type MachineOptions, type RunReason } from "../machine/machine.ts";
import { PhaseMeter } from "../machine/phase-meter.ts";
import { compileFilter, type TrapPredicate } from "../trace/filter.ts";
import { followRecords } from "../trace/record-feed.ts";
import { Director } from "./director.ts";
import { endOf } from "./outcome.ts";
import { parseScript } from "./script.ts";

const GUEST_MEMORY = 16 << 20, SYSTEM_MEMORY = 128 << 20;
const SLICE = 5e6;
const INSTRUCTION_LIMIT = 400e6;
const NS_PER_MS = 1e6;

/** What a test may put in the place of the machine's own parts. */
export interface LabSeams extends Pick<MachineOptions, "techniques" | "checks"> {
  readonly prepare?: (machine: Machine) => void;
}

export interface StepRun extends StepResult {
  /** Host time in the monitor: measured, not modelled. */
  readonly monitorNs: number;
  readonly exits: number;
  readonly wallSeconds: number;
}

/** Filters of the lab's checks that look at this step. */
function filtersOf(lab: Lab, step: LabStep): string[] {
  return lab.checks.flatMap((check: Check) => (check.kind === "records" && check.step === step.id ? [check.filter] : []));
}

export function runStep(lab: Lab, step: LabStep, image: NamedSource, seams: LabSeams = {}): StepRun {
  const began = performance.now();
  const memoryBytes = typeof step.guest === "string" ? GUEST_MEMORY : SYSTEM_MEMORY;
  const machine = new Machine({
    memoryBytes, technique: step.technique, ring: step.ring ?? 1, set: step.set ?? {}, clock: "virtual",
    meterNs: () => performance.now() * NS_PER_MS,
    ...(seams.techniques ? { techniques: seams.techniques } : {}), ...(seams.checks ? { checks: true } : {}),
    ...configureBoot({ image, memoryBytes }).machine,
  });
  const meter = new PhaseMeter(machine);
  const records = countRecords(machine, filtersOf(lab, step));
  let serial = "";
  const director = new Director(machine, new GuestScreen(machine.pc), step.script ? parseScript(step.script.join("\n"), `${lab.id} ${step.id}`) : []);
  machine.events.serial = (port, byte) => {
    if (port === 0) serial += String.fromCharCode(byte);
    director.byte(port, byte);
  };
  seams.prepare?.(machine);
  const limit = step.instructionLimit ?? INSTRUCTION_LIMIT;
  let reason: RunReason = "budget";
  director.proceed();
  while ((reason === "budget" || reason === "break") && machine.core.retired() < limit && !director.done) {
    reason = machine.run(Math.min(SLICE, limit - machine.core.retired()));
    director.proceed();
  }
  const whole = meter.now();
  records.finish();
  const end = director.done ? "expected" : reason === "refused" ? "technique-refused" : (endOf(reason, machine.exitValue)?.outcome ?? "instruction-limit");
  return {
    end, refusal: machine.supervisor.refusal?.reason ?? null, serial, whole, phases: meter.phases, statistics: machine.supervisor.statistics,
    records: records.counts,
    monitorNs: machine.supervisor.counters.get("monitorNs"), exits: machine.cpu.exitCount, wallSeconds: (performance.now() - began) / 1000,
  };
}

/** Counts the records that match each filter, before the ring overwrites them. */
function countRecords(machine: Machine, filters: readonly string[]): { readonly counts: Record<string, number>; finish(): void } {
  const tests = filters.map((source) => [source, compiled(source)] as const);
  const counts: Record<string, number> = Object.fromEntries(filters.map((source) => [source, 0]));
  const { log, probes } = machine.supervisor;
  if (tests.length === 0) {
    log.recordKinds = 0;
    return { counts, finish: () => {} };
  }
  probes.recordObserved = true;
  const feed = followRecords(machine, (row) => {
    for (const [source, test] of tests) if (test(row)) counts[source]!++;
  });
  return { counts, finish: () => feed.end() };
}

function compiled(source: string): TrapPredicate {
  const result = compileFilter(source);
  if (!result.ok) throw new Error(`the filter ${source}: ${result.message}`);
  return result.test;
}
