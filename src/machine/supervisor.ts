// What runs the guest: the bare processor (emulate), or a monitor over it. Switching happens between two instructions.

import type { StopReason } from "../cpu/core.ts";
import type { Context } from "../cpu/state.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import type { Machine } from "./machine.ts";

export class Supervisor {
  private readonly machine: Machine;
  technique: TechniqueId;
  ring: Ring;
  set: ProcessorSet;

  constructor(machine: Machine, technique: TechniqueId, ring: Ring, set: ProcessorSet) {
    this.machine = machine;
    this.technique = technique;
    this.ring = ring;
    this.set = set;
  }

  /** The processor that the guest believes in. */
  get guestContext(): Context {
    return this.machine.cpu.v.context;
  }

  reset(): void {}

  /** Physical addresses mean something else now (A20, shadow RAM, a BAR). */
  mappingChanged(): void {}

  run(budget: number): StopReason | "refused" {
    return this.machine.core.run(budget);
  }
}
