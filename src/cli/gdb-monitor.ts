// Commands behind GDB's "monitor": what the protocol has no request for.

import { guestRegisters, type RegisterFile } from "../machine/guest-registers.ts";
import { descriptorTable, gateTable, pageEntries, pageRanges } from "../machine/guest-tables.ts";
import type { OutsideInput } from "../machine/input-log.ts";
import type { Machine } from "../machine/machine.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { trapCounts } from "../trace/counts.ts";

export interface MonitorSettings {
  /** The debugger's memory requests name physical addresses. */
  physical: boolean;
  /** What the debugger does to the machine. */
  readonly give: (input: OutsideInput) => void;
}

interface Command {
  readonly usage: string;
  readonly help: string;
  run(machine: Machine, words: readonly string[], settings: MonitorSettings): string;
}

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, "0");
const ACCESS_PRESENT = 0x80;

/** By the words that they begin with. */
const COMMANDS: Readonly<Record<string, Command>> = {
  help: { usage: "help", help: "this list", run: () => help() },
  "info registers": { usage: "info registers", help: "all registers, segments with base, limit and access", run: (machine) => registers(guestRegisters(machine)) },
  "info mem": { usage: "info mem", help: "linear ranges that the page tables map", run: (machine) => mappings(machine) },
  "info tlb": { usage: "info tlb ADDRESS", help: "the page-table entries of a linear address", run: (machine, [address]) => walk(machine, parse(address)) },
  "info gdt": { usage: "info gdt", help: "descriptors of the global table", run: (machine) => descriptors(machine) },
  "info idt": { usage: "info idt", help: "gates of the interrupt table", run: (machine) => gates(machine) },
  "info traps": { usage: "info traps", help: "what has trapped and leaked", run: (machine) => traps(machine) },
  physical: {
    usage: "physical on|off", help: "memory by physical address instead of linear",
    run: (_machine, [value], settings) => {
      if (value !== "on" && value !== "off") return `physical is ${settings.physical ? "on" : "off"}`;
      settings.physical = value === "on";
      return "";
    },
  },
  reset: { usage: "reset", help: "press the reset button", run: (_machine, _words, { give }) => (give({ kind: "reset" }), "") },
};

/** What is to be shown; empty for a command that worked silently. */
export function monitorCommand(machine: Machine, settings: MonitorSettings, line: string): string {
  const words = line.split(/\s+/);
  for (let count = 2; count > 0; count--) {
    const name = words.slice(0, count).join(" ");
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) continue;
    try {
      return command.run(machine, words.slice(count), settings);
    } catch (error) {
      if (error instanceof SyntaxError) return `${error.message} (${command.usage})`;
      throw error;
    }
  }
  return `"${line}" is no command.\n${help()}`;
}

function help(): string {
  return Object.values(COMMANDS).map(({ usage, help }) => `${usage.padEnd(20)}${help}`).join("\n");
}

function parse(text: string | undefined): number {
  const digits = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(text ?? "")?.[1];
  if (digits === undefined) throw new SyntaxError("an address in hexadecimal is needed");
  return Number.parseInt(digits, 16);
}

const GENERAL = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags"] as const;
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr"] as const;
const CONTROL = ["cr0", "cr2", "cr3", "cr4", "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"] as const;

function registers(file: RegisterFile): string {
  const row = (names: readonly (typeof GENERAL | typeof CONTROL)[number][]): string => names.map((name) => `${name.toUpperCase()}=${hex(file[name])}`).join(" ");
  return [
    row(GENERAL.slice(0, 4)), row(GENERAL.slice(4, 8)), `${row(GENERAL.slice(8))} CPL=${file.cpl} ACT=${file.activity} SHADOW=${file.interruptShadow}`,
    ...SEGMENTS.map((name) => {
      const { selector, base, limit, access } = file[name];
      return `${name.toUpperCase().padEnd(4)} ${hex(selector, 4)} base=${hex(base)} limit=${hex(limit)} access=${hex(access, 5)}`;
    }),
    `GDTR base=${hex(file.gdtr.base)} limit=${hex(file.gdtr.limit, 4)}`, `IDTR base=${hex(file.idtr.base)} limit=${hex(file.idtr.limit, 4)}`,
    row(CONTROL.slice(0, 4)), row(CONTROL.slice(4)),
    ...Object.entries(file.msr).map(([number, value]) => `MSR ${hex(Number(number))} = ${value.toString(16)}`),
  ].join("\n");
}

const ENTRY_BITS = [[1, "P"], [2, "W"], [4, "U"], [8, "PWT"], [0x10, "PCD"], [0x20, "A"], [0x40, "D"], [0x80, "PS"], [0x100, "G"]] as const;

function walk(machine: Machine, linear: number): string {
  const physical = machine.memory.translate(linear);
  const result = physical < 0 ? `${hex(linear)} is not mapped` : `${hex(linear)} -> ${hex(physical)}`;
  const entries = pageEntries(machine, linear);
  if (entries === null) return `${result} (paging is off)`;
  const lines = entries.map(({ name, address, low, high }) => {
    const bits = ENTRY_BITS.filter(([bit]) => low & bit).map(([, bit]) => bit).join(" ");
    return `${name.padEnd(6)}at ${hex(address)}: ${high === 0 ? "" : hex(high)}${hex(low)} ${bits}`;
  });
  return [...lines, result].join("\n");
}

function mappings(machine: Machine): string {
  const ranges = pageRanges(machine);
  if (ranges === null) return "Paging is off.";
  const lines = ranges.map(({ first, last, user, writable }) => `${hex(first)}-${hex(last)} ${user ? "u" : "-"}r${writable ? "w" : "-"}`);
  return lines.length === 0 ? "Nothing is mapped." : lines.join("\n");
}

function descriptors(machine: Machine): string {
  return descriptorTable(machine)
    .map(({ selector, base, limit, access }) => `${hex(selector, 4)} base=${hex(base)} limit=${hex(limit)} access=${hex(access, 4)}${access & ACCESS_PRESENT ? "" : " absent"}`)
    .join("\n") || "The table is empty.";
}

function gates(machine: Machine): string {
  return gateTable(machine)
    .map(({ vector, selector, offset, access }) => `${hex(vector, 2)} ${hex(selector, 4)}:${hex(offset)}${access === null ? "" : ` access=${hex(access, 2)}${access & ACCESS_PRESENT ? "" : " absent"}`}`)
    .join("\n") || "The table is empty.";
}

function traps(machine: Machine): string {
  machine.supervisor.publish();
  const counts = trapCounts(new StatsReader(machine.map.buffer, machine.map.view.stats));
  const table = (name: string, { total, byInstruction }: { readonly total: number; readonly byInstruction: Readonly<Record<string, number>> }): string[] => [
    `${name}: ${total}`, ...Object.entries(byInstruction).map(([instruction, count]) => `  ${instruction.padEnd(10)}${count}`),
  ];
  return [`technique ${machine.supervisor.technique}, ${machine.core.retired()} instructions`, ...table("traps", counts.traps), ...table("leaks", counts.leaks)].join("\n");
}
