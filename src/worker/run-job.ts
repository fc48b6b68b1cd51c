// One run from power-on to its end, or two compared (protocol/run.ts).

import { configureBoot } from "../machine/boot/boot-request.ts";
import { compareMachines } from "../machine/lockstep.ts";
import { Machine, type RunReason } from "../machine/machine.ts";
import type { InstructionAt } from "../machine/machine-state.ts";
import { PhaseMeter } from "../machine/phase-meter.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import type { Outcome } from "../protocol/events.ts";
import type { DivergedAt, RunEvent, RunReport, RunRequest } from "../protocol/run.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { KIND_EXIT, KIND_LEAK, KIND_OBSERVED } from "../protocol/trap-record.ts";
import { leakSentence, trapCounts } from "../trace/counts.ts";
import { compileFilter } from "../trace/filter.ts";
import { explainInstruction } from "../trace/instruction.ts";
import { followRecords } from "../trace/record-feed.ts";
import { hexBytes, modelledCycles } from "../trace/trap-fields.ts";
import { bootRequest } from "./boot-files.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";

const SLICE = 2e6;
/** What is kept of COM1. */
const SERIAL_BYTES = 1 << 20;

export interface JobHost {
  post(event: RunEvent): void;
  open(medium: Medium): NamedSource;
  wallNs(): number;
}

export function perform(request: RunRequest, host: JobHost): void {
  try {
    if (request.type === "run") host.post({ type: "done", report: run(request, host) });
    else compare(request, host);
  } catch (error) {
    host.post({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
}

/** Time is virtual, whatever the configuration says: a run is the same each time. */
function machineOf(config: MachineConfig, host: JobHost): Machine {
  const { machine: boot } = configureBoot(bootRequest(config, (medium) => host.open(medium)));
  return new Machine({
    memoryBytes: config.memoryBytes, technique: config.technique, ring: config.ring, set: config.set, clock: "virtual", meterNs: () => host.wallNs(), ...boot,
  });
}

function run({ config, instructionLimit, filters }: Extract<RunRequest, { type: "run" }>, host: JobHost): RunReport {
  const machine = machineOf(config, host);
  const phases = new PhaseMeter(machine);
  let serial = "";
  machine.events.serial = (port, byte) => {
    if (port === 0 && serial.length < SERIAL_BYTES) serial += String.fromCharCode(byte);
  };
  const { supervisor, core } = machine;
  const { buffer, view } = machine.map;
  const stats = new StatsReader(buffer, view.stats);
  const tests = filters.map((source) => {
    const compiled = compileFilter(source);
    if (!compiled.ok) throw new Error(`the filter ${source}: ${compiled.message}`);
    return { source, test: compiled.test, count: 0 };
  });
  supervisor.probes.recordObserved = tests.length > 0;
  supervisor.log.recordKinds = (1 << KIND_EXIT) | (1 << KIND_LEAK) | (tests.length > 0 ? 1 << KIND_OBSERVED : 0);
  let cycles = 0;
  const records = followRecords(machine, (row) => {
    cycles += modelledCycles(row);
    for (const own of tests) if (own.test(row)) own.count++;
  });
  const began = host.wallNs();
  let reason: RunReason = "budget", fruitless = 0;
  while ((reason === "budget" || reason === "break") && core.retired() < instructionLimit && fruitless < 1000) {
    const before = core.retired();
    reason = machine.run(Math.min(SLICE, instructionLimit - before));
    fruitless = core.retired() === before ? fruitless + 1 : 0;
    host.post({ type: "progress", instructions: core.retired(), traps: stats.scalar("traps"), leaks: stats.scalar("leaks"), callouts: stats.scalar("callouts") });
  }
  const runNs = host.wallNs() - began;
  const counts = phases.now();
  records.end();
  const { outcome, text } = endOf(reason, machine);
  return {
    outcome, reason: text, eip: machine.cpu.state.eip >>> 0, refusal: supervisor.refusal?.reason ?? null, serial, counts, phases: phases.phases,
    records: Object.fromEntries(tests.map(({ source, count }) => [source, count])), statistics: supervisor.statistics, instructions: core.retired(), emulatedInstructions: supervisor.emulatedInstructions,
    modelledCycles: cycles, monitorNs: stats.scalar("monitorNs"), runNs, guestNs: stats.scalar("guestNs"), leak: leakSentence(trapCounts(stats)),
  };
}

function endOf(reason: RunReason, machine: Machine): { outcome: Outcome; text: string } {
  switch (reason) {
    case "power-off": return { outcome: "power-off", text: "The guest switched the machine off." };
    case "exit-port": {
      const value = machine.exitValue ?? 0;
      return { outcome: value === 0 ? "exit-success" : "exit-failure", text: `The guest ended itself with ${value}.` };
    }
    case "triple-fault": return { outcome: "triple-fault", text: "The guest's processor shut down." };
    case "halted": return { outcome: "halted", text: "The guest waits in HLT for an interrupt that cannot come." };
    case "refused": return { outcome: "technique-refused", text: machine.supervisor.refusal?.reason ?? "The technique gave up." };
    default: return { outcome: "instruction-limit", text: "The limit of instructions was reached." };
  }
}

function compare({ a, b, instructionLimit }: Extract<RunRequest, { type: "diverge" }>, host: JobHost): void {
  const side = (config: MachineConfig) => () => {
    const machine = machineOf(config, host);
    machine.supervisor.log.recordKinds = 0;
    return { machine };
  };
  const sides = { a: side(a), b: side(b) };
  const { divergence, instructions, end } = compareMachines((name) => sides[name](), instructionLimit, (icount) => host.post({ type: "progress", instructions: icount, traps: 0, leaks: 0, callouts: 0 }));
  host.post({
    type: "compared", report: {
      instructions, end,
      divergence: divergence && {
        ...place(divergence.icount, divergence.instruction), differences: divergence.differences,
        parting: divergence.parting && place(divergence.parting.icount, divergence.parting.instruction),
      },
    },
  });
}

function place(icount: number, { cs, eip, bytes, code32 }: InstructionAt): DivergedAt {
  const instruction = explainInstruction(bytes, eip, code32);
  return { icount, cs, eip: eip >>> 0, text: instruction?.text ?? "(bad)", bytes: hexBytes(instruction?.bytes ?? bytes) };
}
