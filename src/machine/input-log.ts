// Everything that came to the machine from outside, in order, each at the number of instructions that had retired then: with the
// same start and this log another machine does the same, bit for bit.

import type { BlockDevice } from "../hardware/device.ts";
import { findKey, textToKeys } from "../hardware/ps2-keys.ts";
import type { DebugEdit } from "../protocol/debug.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import type { RemovableDrive } from "./drives.ts";
import { PacedClock } from "./guest-clock.ts";
import { setGuestRegisters } from "./guest-registers.ts";
import type { Machine } from "./machine.ts";

export type Input =
  /** Guest time from now on (guest-clock.ts, PacedClock). */
  | { readonly kind: "pace"; readonly timeNs: number; readonly nsPerInstruction: number }
  /** The TLBs are emptied and the monitor's own tables made anew: a checkpoint can be here. */
  | { readonly kind: "mark" }
  | { readonly kind: "serial"; readonly port: 0 | 1; readonly bytes: readonly number[] }
  | { readonly kind: "key"; readonly code: string; readonly down: boolean }
  | { readonly kind: "text"; readonly text: string }
  /** Keys by KeyboardEvent.code, typed one after the other as by a person. */
  | { readonly kind: "keys"; readonly keys: readonly (readonly [code: string, down: boolean])[] }
  | { readonly kind: "mouse"; readonly dx: number; readonly dy: number; readonly dz: number; readonly buttons: number }
  | { readonly kind: "technique"; readonly technique: TechniqueId; readonly ring: Ring; readonly set: ProcessorSet }
  | { readonly kind: "memory"; readonly space: "linear" | "physical"; readonly address: number; readonly bytes: readonly number[] }
  | { readonly kind: "register"; readonly name: string; readonly value: number }
  /** Another medium in a drive, or none. */
  | { readonly kind: "medium"; readonly drive: RemovableDrive; readonly medium: BlockDevice | null }
  | { readonly kind: "reset" };

/** What somebody gives to the machine: a mark is the history's own. */
export type OutsideInput = Exclude<Input, { readonly kind: "mark" }>;

export interface LoggedInput {
  readonly retired: number;
  readonly input: Input;
}

export function applyInput(machine: Machine, input: OutsideInput): void {
  const { pc, clock, supervisor, memory } = machine;
  switch (input.kind) {
    case "pace":
      if (clock instanceof PacedClock) clock.pace(input.timeNs, input.nsPerInstruction);
      return;
    case "serial":
      for (const byte of input.bytes) pc.receiveSerial(input.port, byte);
      return;
    case "key":
      pc.keyboard.strike(input.code, input.down);
      return;
    case "text": return pc.keyboard.type(textToKeys(input.text));
    case "keys":
      return pc.keyboard.type(input.keys.flatMap(([name, down]) => {
        const key = findKey(name);
        return key ? [{ code: key.set1, down }] : [];
      }));
    case "mouse":
      pc.mouse.setButtons(input.buttons);
      pc.mouse.move(input.dx, input.dy, input.dz);
      return;
    case "technique": return supervisor.change(input.technique, input.ring, input.set);
    case "memory": {
      const bytes = Uint8Array.from(input.bytes);
      if (input.space === "linear") memory.write(input.address, bytes);
      else memory.writePhysical(input.address, bytes);
      return;
    }
    case "register": return setGuestRegisters(machine, { [input.name]: input.value });
    case "medium": return pc.put(input.drive, input.medium);
    case "reset": return machine.reset();
  }
}

/** Whether it would do anything: an edit of memory that is not there does not. */
export function inputOfEdit(machine: Machine, edit: DebugEdit): OutsideInput | null {
  if (edit.kind === "register") return { kind: "register", name: edit.name, value: edit.value >>> 0 };
  const { memory } = machine, length = edit.bytes.length;
  const there = edit.space === "linear" ? memory.read(edit.address, length) : memory.readPhysical(edit.address, length);
  return there.length < length || !memory.isWritable(edit.space, edit.address, length) ? null : { ...edit, bytes: [...edit.bytes] };
}
