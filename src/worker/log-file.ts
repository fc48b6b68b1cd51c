// The trap log as a file for the page.

import type { Machine } from "../machine/machine.ts";
import type { LogFormat } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { TrapReader } from "../protocol/trap-record.ts";
import { exportLog, LOG_ENDINGS } from "../trace/export.ts";
import { compileFilter } from "../trace/filter.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { rowContext } from "../trace/trap-row.ts";

/** Records that pass `filter`; `image` is the hash that names the guest, if it is known. */
export function logFile(machine: Machine, image: string | undefined, filter: string, format: LogFormat, marks: readonly number[]): Extract<MachineEvent, { type: "exportReady" | "exportFailed" }> {
  const compiled = compileFilter(filter);
  if (!compiled.ok) return { type: "exportFailed", reason: compiled.message };
  machine.supervisor.publish();
  const { buffer, view } = machine.map, { technique, ring, set } = machine.supervisor;
  const context = rowContext(new StatsReader(buffer, view.stats), disassembleBytes);
  const header = { technique, ring, set, ...(image ? { image } : {}) };
  const { bytes, records } = exportLog(new TrapReader(buffer, view.trapRing, view.trapSites), context, header, compiled.test, format, new Set(marks));
  return { type: "exportReady", format, name: `trapscope-${technique}.${LOG_ENDINGS[format]}`, bytes, records };
}
