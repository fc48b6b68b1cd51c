// A machine as one was when its recording began, and its inputs for it. Where the files are is the caller's business.

import { ImageError } from "../base/errors.ts";
import type { BlockDevice } from "../hardware/device.ts";
import { type BootRequest, configureBoot, type NamedSource, openMedium } from "./boot/boot-request.ts";
import { DRIVE_NAMES, type DriveName, REMOVABLE_DRIVES } from "./drives.ts";
import type { LoggedInput } from "./input-log.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { LATER_MEDIUM, loggedInputs, type Recording } from "./recording.ts";

/** `sources` are in the order of the recording's files. */
export function recordedBoot({ machine: { memoryBytes, boot, append, force }, files }: Recording, sources: readonly NamedSource[]): BootRequest {
  const drives: Partial<Record<DriveName, NamedSource>> = {}, modules: NamedSource[] = [];
  const request: { -readonly [K in keyof BootRequest]: BootRequest[K] } = {
    memoryBytes, drives, ...(boot ? { bootOrder: boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}),
  };
  files.forEach(({ role, name }, at) => {
    const drive = DRIVE_NAMES.find((own) => own === role), named = { ...sources[at]!, name };
    if (drive) drives[drive] = named;
    else if (role === "module") modules.push(named);
    else if (role === "kernel" || role === "initrd" || role === "multiboot") request[role] = named;
    else if (role !== LATER_MEDIUM) throw new ImageError(`The recording names a file for "${role}", which this version does not know.`);
  });
  if (modules.length > 0) request.modules = modules;
  return request;
}

export interface RecordedStart {
  readonly machine: Machine;
  readonly inputs: readonly LoggedInput[];
  /** Media that come into drives later, by their places among the files. */
  readonly later: ReadonlyMap<BlockDevice, number>;
}

export function recordedMachine(recording: Recording, sources: readonly NamedSource[], more: Partial<MachineOptions> = {}): RecordedStart {
  const { memoryBytes, cpu, technique, ring, set, clock, epochMs } = recording.machine;
  const machine = new Machine({ memoryBytes, cpu, technique, ring, set, clock, epochMs, ...configureBoot(recordedBoot(recording, sources)).machine, ...more });
  const later = new Map<BlockDevice, number>();
  const inputs = loggedInputs(recording.inputs, (file, drive) => {
    // What was in a drive from the beginning is the same medium when it comes again, with what was written to it.
    const { role, name } = recording.files[file]!, from = REMOVABLE_DRIVES.find((own) => own === role), there = from && machine.pc.mediumIn(from);
    if (there) return there;
    const medium = machine.pc.mediumFor(drive, openMedium({ ...sources[file]!, name }));
    later.set(medium, file);
    return medium;
  });
  return { machine, inputs, later };
}
