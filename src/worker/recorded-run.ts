// A machine that repeats a recording: made of the files that it names, which must be the same, and whether it comes to the same.

import { ImageError } from "../base/errors.ts";
import type { BlockDevice } from "../hardware/device.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import type { Machine, MachineOptions } from "../machine/machine.ts";
import { recordedMachine } from "../machine/recorded-machine.ts";
import { decodeRecording, endDifferences, endOf, type Recording, recordedFile } from "../machine/recording.ts";
import type { History } from "../machine/replay.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import type { RecordingInfo, ReplayStatus } from "../protocol/recorded.ts";
import { mediumSource } from "./blob-source.ts";

function decoded(file: Medium): Recording {
  const source = mediumSource(file), bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return decodeRecording(bytes);
}

/** Throws an ImageError that says why it cannot be used. */
export function recordingInfo(file: Medium): RecordingInfo {
  const { machine: { technique, ring, set, memoryBytes, clock, boot, append, force }, files, end, inputs } = decoded(file);
  return {
    files, end, marks: inputs.filter(({ input }) => input.kind === "mark").length,
    setup: {
      technique, ring, set, memoryBytes, clock: clock === "paced" ? "real" : "virtual",
      ...(boot ? { boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}),
    },
  };
}

export class RecordedRun {
  readonly machine: Machine;
  /** What comes into drives later, and what it is made of. */
  readonly later: readonly (readonly [device: BlockDevice, medium: Medium])[];
  readonly #recording: Recording;
  readonly #inputs: ReturnType<typeof recordedMachine>["inputs"];
  readonly #name: string;
  #status: Pick<ReplayStatus, "state" | "at" | "differences"> = { state: "on", at: 0, differences: [] };

  constructor({ file, media }: NonNullable<MachineConfig["recording"]>, open: (medium: Medium) => NamedSource, more: Partial<MachineOptions>) {
    const recording = decoded(file), sources = media.map(open);
    recording.files.forEach(({ role, name, hash }, at) => {
      const source = sources[at];
      if (!source || recordedFile(role, source).hash !== hash) throw new ImageError(`The run was recorded with another ${role}: ${name} (${hash}). Give the file that it was recorded with.`);
    });
    const { machine, inputs, later } = recordedMachine(recording, sources, more);
    this.#recording = recording;
    this.#inputs = inputs;
    this.#name = file.name;
    this.machine = machine;
    this.later = [...later].map(([device, at]) => [device, media[at]!]);
  }

  get status(): ReplayStatus {
    return { name: this.#name, end: this.#recording.end, ...this.#status };
  }

  begin(history: History): void {
    history.follow(this.#inputs, this.#recording.end.retired);
  }

  /** The end was reached, or a place from which it does not go on as it did: what differs. */
  ended(differences: readonly string[] = endDifferences(this.#recording.end, endOf(this.machine))): void {
    this.#status = { state: "ended", at: this.machine.core.retired(), differences };
  }

  /** Its past was gone back to. */
  again(): void {
    this.#status = { state: "on", at: 0, differences: [] };
  }

  /** Something else was done. */
  left(): void {
    this.#status = { ...this.#status, state: "left", at: this.machine.core.retired() };
  }
}
