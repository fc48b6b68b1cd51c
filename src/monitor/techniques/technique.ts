// What makes one virtualization technique differ from another. All of them share the monitor (vmm.ts): its loop, the step on
// the guest's own processor V, injection, interrupts, records and counts. A technique says what the silicon H holds while
// the guest runs, what code it executes there, and what an exit means.

import type { Core, StopReason } from "../../cpu/core.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import type { Decoder } from "../../isa/decoder.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../../protocol/technique.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import type { ExitRecorder, PlantedBytes } from "../exit-record.ts";
import type { MonitorMeter } from "../meter.ts";
import type { Probes } from "../oracle/probes.ts";
import type { TrapLog } from "../trap-log.ts";
import type { InterruptSource, VirtualInterrupts } from "../virtual-interrupts.ts";

export interface Technique extends PlantedBytes {
  /** Takes the guest over, between two instructions. */
  attach(): void;
  /** Gives the guest back: V holds everything. */
  detach(): void;
  /**
   * Projection. Makes H hold what V is, and H the active context: null. Where H cannot, the technique runs V itself
   * (`Vmm.emulate`) and answers why that ended.
   */
  enter(left: number): StopReason | null;
  /** In the place of `enter`, where V has changed in nothing that H shows but IF, RF and the interrupt shadow. Absent: `enter` does it. */
  resume?(): void;
  /** The inverse of `enter`: V takes over what the guest changed on H without an exit. True: H must be projected anew. */
  absorb(): boolean;
  /** Reaction to an exit that is no interrupt of the host. V is the active context. */
  react(exit: CpuExit): ActionName;
  /** Runs `step`, one instruction on V, in the surroundings that the technique needs for it. */
  around(step: () => void): void;
  /** The guest flushed its TLB: the page of `linear`, or all (null). */
  flushed(linear: number | null): void;
  /** Bytes of a page that the technique had the processor watch changed: by V, or by a bus master. */
  written(physical: number, length: number): void;
  /** Physical addresses mean something else (A20, shadow RAM). */
  mappingChanged(): void;
  /** V is another one: its registers were set from outside. */
  guestChanged(): void;
  /** The guest will be emulated from here on, not run: for the exit's record. */
  readonly emulatesNext: boolean;
  /** What H fetches is not what the guest has there: records show the guest's own code. */
  readonly hidesCode?: boolean;
  /** The guest's own byte where the technique has planted another one in the guest's memory, -1 elsewhere. */
  originalByte?(physical: number): number;
  /** The instruction at EIP is about to read a byte that is not the guest's own. */
  patchSeen?(fetched: boolean): void;
  /** Calls `look` while the guest's memory holds the guest's own bytes everywhere; no guest runs meanwhile. */
  unplanted?(look: () => void): void;
  /** What the technique counts besides exits, by name. */
  readonly statistics?: Readonly<Record<string, number>>;
  /** The guest's exceptions go to its own handlers on H, without an exit. */
  readonly deliversNatively?: boolean;
}

export interface TechniqueDefinition {
  readonly id: TechniqueId;
  /** Absent: the bare processor, without a monitor. */
  readonly create?: (monitor: Monitor) => Technique;
}

export interface MonitorParts {
  readonly cpu: Cpu;
  readonly core: Core;
  readonly decoder: Decoder;
  readonly log: TrapLog;
  readonly probes: Probes;
  readonly meter: MonitorMeter;
  /** Wasm address and size of the monitor's pool, and its first physical page in context H. */
  readonly pool: { readonly base: number; readonly bytes: number; readonly firstPage: number };
  readonly interrupts: InterruptSource;
  /** The calls of plex86's HAL: EAX, EBX, ECX, EDX; null where there is none of that number. */
  readonly hal: (call: number, b: number, c: number, d: number) => number | null;
  readonly nowNs: () => number;
  readonly notice: (text: string) => void;
  /** What the monitor renews in place is made anew as well, and compared: an Error where they differ. */
  readonly checks: boolean;
}

/** The monitor, as a technique works with it. */
export interface Monitor {
  readonly parts: MonitorParts;
  readonly cpu: Cpu;
  readonly core: Core;
  readonly id: TechniqueId;
  /** What the person chose. */
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly recorder: ExitRecorder;
  readonly interrupts: VirtualInterrupts;
  /** V has changed: H does not follow from it any more. */
  stale: boolean;
  /** Why the run ends, once it does. */
  readonly refusal: object | null;
  /** Further flags (FLAG_*) of the present exit's record. */
  exitFlags: number;
  /** A run on V goes on. */
  readonly emulating: boolean;
  /**
   * Runs V itself, at most `left` instructions, until `done`. Where it looks depends on the guest alone, not on how its time is sliced:
   * after so many instructions, or (`atTransfers`) wherever the guest's privilege may have changed.
   */
  emulate(left: number, done: () => boolean, atTransfers?: boolean): StopReason;
  /** Begins such a run: `Technique.enter` goes on with it. */
  beginEmulation(): void;
  /** Runs H into an exit that the technique has prepared, between two instructions of the guest, and records it. */
  provoke(action: ActionName, flags: number): void;
  /**
   * One whole instruction of the guest on V: with the guest's rings, tables and devices; or the delivery of its fault.
   * `staysInside`: it is known to change general registers and memory alone, unless it faults.
   */
  step(staysInside?: boolean): "emulate";
  /** The technique cannot go on: ends the run, with the instruction that left last. */
  refuse(reason: string): void;
}
