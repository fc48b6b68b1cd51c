// What the page is told of what cannot be: what is wrong, and what to do.

import { ImageError } from "../base/errors.ts";
import type { Machine } from "../machine/machine.ts";
import type { MachineConfig } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";

type EventOf<Type extends MachineEvent["type"]> = Extract<MachineEvent, { type: Type }>;

/** A machine that cannot be made of this configuration. */
export function rejection(config: MachineConfig, error: Error): EventOf<"rejected"> {
  const names = Object.values(config.drives).map((medium) => medium.name);
  const isMemory = error instanceof RangeError || error.message.includes("guest memory");
  const text = isMemory && error instanceof RangeError ? `This browser has no room for ${config.memoryBytes >> 20} MB of guest memory. Choose a smaller size.` : error.message;
  return {
    type: "rejected", what: isMemory ? "memory" : error instanceof ImageError ? "image" : "configuration",
    name: names[0] ?? config.kernel?.name ?? config.multiboot?.name ?? "",
    ...sentences(text),
    canForce: error instanceof ImageError && /signature/.test(text) && config.force !== true,
  };
}

/** A file that cannot be made or read. Throws on what is a fault of ours. */
export function fileRefusal(title: string, error: unknown): EventOf<"fileRefused"> {
  if (!(error instanceof ImageError)) throw error;
  return { type: "fileRefused", title, ...sentences(error.message) };
}

/** A fault of ours, with where the guest was. */
export function defect(error: unknown, machine: Machine | null): EventOf<"defect"> {
  const message = error instanceof Error ? error.message : String(error);
  const where = machine ? `\nEIP ${(machine.cpu.state.eip >>> 0).toString(16)}, ${machine.core.retired()} instructions, technique ${machine.supervisor.technique}` : "";
  return { type: "defect", message, report: `${error instanceof Error ? error.stack : message}${where}` };
}

/** The first sentence says why, the others what to do. */
function sentences(text: string): { readonly reason: string; readonly whatToDo: string } {
  const split = text.indexOf(". ");
  return { reason: split < 0 ? text : text.slice(0, split + 1), whatToDo: split < 0 ? "" : text.slice(split + 2) };
}
