/**
 * The library: the machine of the page and the command line, for programs.
 *
 * {@link createMachine} makes one in this thread, where everything is synchronous; {@link createMachineWorker} one in a worker, with the same calls, each of which
 * gives a promise. docs/library.md has examples.
 *
 * @module
 */

export { ImageError, RefusedError, UsageError } from "./base/errors.ts";
export { type BootOrder, DRIVE_NAMES, type DriveName } from "./machine/drives.ts";
export type { ByteSource } from "./machine/boot/boot-request.ts";
export { CPU_MODELS, type CpuModelName } from "./machine/cpu-model.ts";
export type { RegisterFile, RegisterPart, SegmentState, TableState, X87State } from "./machine/guest-registers.ts";
export { type ClockKind, PROCESSOR_SWITCHES, type ProcessorSet, type ProcessorSwitch, type Ring, type TechniqueId, TECHNIQUES, type TechniqueSettings } from "./protocol/technique.ts";
export { ACTIONS, type ActionName, KINDS, type ModeName, type TrapKind } from "./protocol/trap-record.ts";
export type { CountTable, DecisiveLeak, FirstLeak, TrapCounts } from "./trace/counts.ts";
export type { TrapFields } from "./trace/trap-fields.ts";
export { type Counters, createMachine, type Listener, type MachineEvents, type PortHook, type RunOutcome, type StopCause, type TrapscopeMachine } from "./library/machine.ts";
export { createMachineWorker, type MachineWorker, type WorkerOptions } from "./library/machine-worker.ts";
export type { Bytes, CreateOptions } from "./library/options.ts";
export type { WorkerBytes } from "./library/worker-messages.ts";
