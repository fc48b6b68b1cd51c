// Answers what the page's debugger asks about the machine, between two slices of its run. Nothing changes by being looked at.

import { descriptorTable, gateTable, pageEntries, pageRanges, taskState, tlbEntries } from "../machine/guest-tables.ts";
import type { Machine } from "../machine/machine.ts";
import type { ChipState, DebugAnswer, DebugRequest } from "../protocol/debug.ts";

const LARGEST_READ = 1 << 20;
/** Of a chip's memory (display planes, buffers) the page is shown the beginning. */
const LONGEST_ARRAY = 256;

export function inspect(machine: Machine, request: DebugRequest): DebugAnswer {
  const { memory, pc } = machine;
  switch (request.kind) {
    case "memory": {
      const { address, space } = request, length = Math.min(request.length, LARGEST_READ);
      return { kind: "memory", address, bytes: space === "linear" ? memory.read(address, length) : memory.readPhysical(address, length) };
    }
    case "walk": return { kind: "walk", linear: request.linear, entries: pageEntries(machine, request.linear), physical: memory.translate(request.linear) };
    case "pages": return { kind: "pages", ranges: pageRanges(machine) };
    case "descriptors": return { kind: "descriptors", entries: descriptorTable(machine, request.table) };
    case "gates": return { kind: "gates", entries: gateTable(machine) };
    case "task": return { kind: "task", task: taskState(machine) };
    case "tlb": return { kind: "tlb", entries: tlbEntries(machine, request.context) };
    case "chips": return { kind: "chips", names: pc.chips };
    case "chip": return { kind: "chip", name: request.name, state: shortened(pc.chip(request.name) ?? {}) as ChipState };
  }
}

function shortened(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice(0, LONGEST_ARRAY);
  if (Array.isArray(value)) return value.slice(0, LONGEST_ARRAY).map(shortened);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shortened(inner)]));
  return value;
}
