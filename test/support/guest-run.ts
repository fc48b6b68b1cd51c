// Runs bundled guests in a machine of our own and counts what trapped and leaked, in all and phase by phase.
import { Director } from "../../src/cli/director.ts";
import { parseScript } from "../../src/cli/script.ts";
import { builtinBios, builtinVgaBios } from "../../src/firmware/bios.ts";
import type { Drives } from "../../src/machine/drives.ts";
import { GuestScreen } from "../../src/machine/guest-screen.ts";
import { Machine, type RunReason } from "../../src/machine/machine.ts";
import { FAMILY_CALLOUT, FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP, StatsReader } from "../../src/protocol/stats-view.ts";
import { type ProcessorSet, type Ring, type TechniqueId, withSetting } from "../../src/protocol/technique.ts";
import { allReasons } from "../../src/protocol/trap-record.ts";
import { guestImage, PHASE_PORT, parseTechniqueKey } from "./guest-expectations.ts";

type Table = Record<string, number>;
export interface Counted {
  readonly traps: { readonly byInstruction: Table; readonly byReason: Table };
  readonly callouts: { readonly byInstruction: Table };
  readonly leaks: { readonly byInstruction: Table };
  readonly observed: { readonly byInstruction: Table };
}
export interface GuestRun extends Counted {
  /** An outcome of the command line. */
  readonly end: string;
  /** Bytes of COM1. */
  readonly serial: string;
  readonly phases: Readonly<Record<string, Counted>>;
  readonly machine: Machine;
}

const MB = 1 << 20;
const SLICE = 5e6;

/** Everything counted so far. */
export function countsOf(machine: Machine): Counted {
  machine.supervisor.publish();
  const stats = new StatsReader(machine.map.buffer, machine.map.view.stats);
  const byInstruction = (family: number): Table => Object.fromEntries(stats.mnemonics(family).map((row) => [row.name, row.count]));
  const byReason: Table = {};
  for (const { code, name } of allReasons()) {
    const count = stats.byReason(FAMILY_TRAP, code);
    if (count > 0) byReason[name] = count;
  }
  return {
    traps: { byInstruction: byInstruction(FAMILY_TRAP), byReason },
    callouts: { byInstruction: byInstruction(FAMILY_CALLOUT) },
    leaks: { byInstruction: byInstruction(FAMILY_LEAK) },
    observed: { byInstruction: byInstruction(FAMILY_OBSERVED) },
  };
}

/** Calls of the monitor by translated code. */
export function calloutsOf(machine: Machine): number {
  const stats = new StatsReader(machine.map.buffer, machine.map.view.stats);
  return stats.mnemonics(FAMILY_CALLOUT).reduce((total, row) => total + row.count, 0);
}

function difference(before: Table, after: Table): Table {
  const table: Table = {};
  for (const [name, count] of Object.entries(after)) if (count !== (before[name] ?? 0)) table[name] = count - (before[name] ?? 0);
  return table;
}

/** What came between two states of the counters. */
export function between(before: Counted, after: Counted): Counted {
  return {
    traps: {
      byInstruction: difference(before.traps.byInstruction, after.traps.byInstruction),
      byReason: difference(before.traps.byReason, after.traps.byReason),
    },
    callouts: { byInstruction: difference(before.callouts.byInstruction, after.callouts.byInstruction) },
    leaks: { byInstruction: difference(before.leaks.byInstruction, after.leaks.byInstruction) },
    observed: { byInstruction: difference(before.observed.byInstruction, after.observed.byInstruction) },
  };
}

export function outcomeOf(reason: RunReason, exitValue: number | null): string {
  switch (reason) {
    case "exit-port": return exitValue === 0 ? "exit-success" : "exit-failure";
    case "refused": return "technique-refused";
    case "budget": return "instruction-limit";
    default: return reason;
  }
}

export interface GuestRunOptions {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  /** Instructions after which the run ends. */
  readonly limit?: number;
  /** For a guest that talks: lines as of the command line's --script; the run ends with them, or with `toEnd` when the guest does. */
  readonly script?: readonly string[];
  readonly toEnd?: boolean;
  /** Of RAM; 16 MB. */
  readonly memoryBytes?: number;
  readonly image?: Uint8Array;
  /** Of the machine, before it runs. */
  readonly prepare?: (machine: Machine) => void;
  /** In place of its image in the floppy drive. */
  readonly drives?: Drives;
}

export function optionsOfKey(key: string): GuestRunOptions {
  const { technique, ring, set } = parseTechniqueKey(key);
  return { technique: technique as TechniqueId, ring: (ring ?? 1) as Ring, set: Object.entries(set).reduce<ProcessorSet>((all, [name, value]) => withSetting(all, name, value)!, {}) };
}

/** A machine that will boot the guest from its floppy drive. */
export function guestMachine(id: string, options: GuestRunOptions): Machine {
  const image = options.image ?? guestImage(id);
  const source = { size: image.length, read: (offset: number, into: Uint8Array) => into.set(image.subarray(offset, offset + into.length)) };
  return new Machine({
    memoryBytes: options.memoryBytes ?? 16 * MB, technique: options.technique, ring: options.ring, set: options.set, clock: "virtual", checks: true,
    drives: options.drives ?? { fda: source },
    firmware: { bios: builtinBios(), vgabios: builtinVgaBios() },
  });
}

export function runGuest(id: string, options: GuestRunOptions): GuestRun {
  const machine = guestMachine(id, options);
  options.prepare?.(machine);
  const phases: Record<string, Counted> = {};
  let open: { readonly name: string; readonly counts: Counted } | null = null;
  machine.pc.io.attach(PHASE_PORT, PHASE_PORT, {
    read: () => 0xff,
    write: (_offset, _width, value) => {
      const now = countsOf(machine);
      if (open) phases[open.name] = between(open.counts, now);
      open = value === 0 ? null : { name: String(value), counts: now };
    },
  });
  let serial = "";
  machine.events.serial = (port, byte) => {
    director?.byte(port, byte);
    if (port === 0) serial += String.fromCharCode(byte);
  };
  const director = options.script ? new Director(machine, new GuestScreen(machine.pc), parseScript(options.script.join("\n"), id)) : null;
  const limit = options.limit ?? 400e6;
  let reason: RunReason = "budget";
  while ((reason === "budget" || reason === "break") && machine.core.retired() < limit && (options.toEnd === true || !director?.done)) {
    reason = machine.run(Math.min(SLICE, limit - machine.core.retired()));
    director?.proceed();
  }
  return { end: outcomeOf(reason, machine.exitValue), serial, phases, machine, ...countsOf(machine) };
}
