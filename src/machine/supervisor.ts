// What runs the guest: the bare processor (emulate), or a monitor over it. Switching happens between two instructions.

import type { Core, StopReason } from "../cpu/core.ts";
import type { Context } from "../cpu/state.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { GuestClock } from "./guest-clock.ts";
import type { Pc } from "./pc.ts";
import type { GuestPhysical } from "./physical.ts";
import type { MemoryMap } from "./shared-memory.ts";

/** The parts of the machine that a monitor works with. */
export interface Parts {
  readonly map: MemoryMap;
  readonly cpu: Cpu;
  readonly core: Core;
  readonly physical: GuestPhysical;
  readonly clock: GuestClock;
  readonly pc: Pc;
}

export class Supervisor {
  private readonly parts: Parts;
  technique: TechniqueId;
  ring: Ring;
  set: ProcessorSet;

  constructor(parts: Parts, technique: TechniqueId, ring: Ring, set: ProcessorSet) {
    this.parts = parts;
    this.technique = technique;
    this.ring = ring;
    this.set = set;
  }

  /** The processor that the guest believes in. */
  get guestContext(): Context {
    return this.parts.cpu.v.context;
  }

  reset(): void {}

  /** Physical addresses mean something else now (A20, shadow RAM, a BAR). */
  mappingChanged(): void {}

  run(budget: number): StopReason | "refused" {
    return this.parts.core.run(budget);
  }
}
