// A run as a file (.trk): what the machine was made of, the hashes of the images, all that came from outside, and what was reached.
// Another machine replays it bit for bit. JSON: { format, version, machine, files, inputs, end }; an input is
// [instructions since the one before, what], a pace [instructions, ns, ns per instruction]. A medium that came into a drive later is a file
// of the role "medium", or one of those from the beginning, which the input names by its place among the files.

import { ImageError } from "../base/errors.ts";
import { hashImage } from "../block/image-hash.ts";
import type { BlockDevice } from "../hardware/device.ts";
import type { RecordedEnd, RecordedFile } from "../protocol/recorded.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import type { NamedSource } from "./boot/boot-request.ts";
import type { CpuModelName } from "./cpu-model.ts";
import { REMOVABLE_DRIVES, type RemovableDrive } from "./drives.ts";
import type { Input, LoggedInput } from "./input-log.ts";
import type { Machine } from "./machine.ts";
import { stateHash } from "./snapshot.ts";

export type { RecordedEnd, RecordedFile } from "../protocol/recorded.ts";

export const RECORDING_FORMAT = "trapscope-recording", RECORDING_VERSION = 2;
/** Before it knew media that change. */
const OLDEST_VERSION = 1;
export const LATER_MEDIUM = "medium";

export interface RecordedMachine {
  readonly memoryBytes: number;
  readonly cpu: CpuModelName;
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly clock: "virtual" | "paced";
  readonly epochMs: number;
  readonly boot?: "a" | "c" | "d";
  readonly append?: string;
  readonly force?: boolean;
}

/** An input as it is written down: `file` is a place among the files, null for a drive that was emptied. */
export type RecordedInput = Exclude<Input, { readonly kind: "medium" }> | { readonly kind: "medium"; readonly drive: RemovableDrive; readonly file: number | null };

export interface Recording {
  readonly machine: RecordedMachine;
  readonly files: readonly RecordedFile[];
  readonly inputs: readonly { readonly retired: number; readonly input: RecordedInput }[];
  readonly end: RecordedEnd;
}

export function recordedFile(role: string, { name, source }: NamedSource): RecordedFile {
  return { role, name: name.split(/[\\/]/).at(-1)!, bytes: source.size, hash: hashImage(source).hash };
}

/** A log's inputs as they are written down. */
export function recordedInputs(inputs: readonly LoggedInput[], fileOf: (medium: BlockDevice) => number): Recording["inputs"] {
  return inputs.map(({ retired, input }) => ({ retired, input: input.kind === "medium" ? { kind: "medium", drive: input.drive, file: input.medium && fileOf(input.medium) } : input }));
}

/** And as a log again. `mediumOf` is asked once for each file. */
export function loggedInputs(inputs: Recording["inputs"], mediumOf: (file: number, drive: RemovableDrive) => BlockDevice): LoggedInput[] {
  const media = new Map<number, BlockDevice>();
  const medium = (file: number, drive: RemovableDrive): BlockDevice => {
    const own = media.get(file) ?? mediumOf(file, drive);
    media.set(file, own);
    return own;
  };
  return inputs.map(({ retired, input }) => ({ retired, input: input.kind === "medium" ? { kind: "medium", drive: input.drive, medium: input.file === null ? null : medium(input.file, input.drive) } : input }));
}

export function endOf(machine: Machine): RecordedEnd {
  const { counters } = machine.supervisor;
  machine.supervisor.publish();
  return { retired: machine.core.retired(), state: stateHash(machine), traps: counters.get("traps"), callouts: counters.get("callouts"), leaks: counters.get("leaks") };
}

/** The fields of two ends that differ. */
export function endDifferences(recorded: RecordedEnd, reached: RecordedEnd): string[] {
  return (Object.keys(recorded) as (keyof RecordedEnd)[]).filter((name) => recorded[name] !== reached[name]).map((name) => `${name} ${reached[name]} for ${recorded[name]}`);
}

export function encodeRecording({ machine, files, inputs, end }: Recording): Uint8Array {
  let before = 0;
  const lines = inputs.map(({ retired, input }) => {
    const since = retired - before;
    before = retired;
    return JSON.stringify(input.kind === "pace" ? [since, input.timeNs, input.nsPerInstruction] : [since, input]);
  });
  const head = JSON.stringify({ format: RECORDING_FORMAT, version: RECORDING_VERSION, machine, files, end });
  return new TextEncoder().encode(`${head.slice(0, -1)},"inputs":[\n${lines.join(",\n")}\n]}\n`);
}

/** Whether the first bytes are those of a recording. */
function isRecording(begin: Uint8Array): boolean {
  return new TextDecoder().decode(begin.subarray(0, 64)).startsWith(`{"format":"${RECORDING_FORMAT}"`);
}

const KINDS: ReadonlySet<string> = new Set<Input["kind"]>(["pace", "medium", "mark", "serial", "key", "text", "keys", "mouse", "technique", "memory", "register", "reset"]);

/** Throws an ImageError that says why the bytes are no recording that can be used. */
export function decodeRecording(bytes: Uint8Array): Recording {
  if (!isRecording(bytes)) throw new ImageError("This is no recording of trapscope. Give a .trk file.");
  let value: { version?: unknown; machine?: RecordedMachine; files?: RecordedFile[]; end?: RecordedEnd; inputs?: unknown[] };
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as typeof value;
  } catch {
    throw new ImageError("This recording is cut off or damaged. Save it again.");
  }
  const { version } = value;
  if (typeof version !== "number" || !(version >= OLDEST_VERSION && version <= RECORDING_VERSION)) throw new ImageError(`This recording is of version ${String(version)}, and ${OLDEST_VERSION} to ${RECORDING_VERSION} are understood. Replay it with the trapscope that made it.`);
  const { machine, files, end, inputs } = value;
  const whole = machine && Array.isArray(files) && Array.isArray(inputs) && typeof end?.retired === "number" && Number.isInteger(machine.memoryBytes) && (machine.clock === "virtual" || machine.clock === "paced");
  if (!whole) throw new ImageError("This recording is damaged: a part of it is missing. Save it again.");
  let retired = 0;
  return {
    machine, files, end,
    inputs: inputs.map((entry) => {
      const [since, first, second] = entry as [number, number | RecordedInput, number];
      if (!(since >= 0) || (typeof first === "object" ? !isInput(first, files.length) : typeof first !== "number" || typeof second !== "number")) throw new ImageError("This recording is damaged: an input of it is none. Save it again.");
      retired += since;
      return { retired, input: typeof first === "number" ? { kind: "pace", timeNs: first, nsPerInstruction: second } : first };
    }),
  };
}

function isInput(input: RecordedInput | null, files: number): boolean {
  if (input?.kind !== "medium") return KINDS.has(input?.kind ?? "");
  return REMOVABLE_DRIVES.includes(input.drive) && (input.file === null || (Number.isInteger(input.file) && input.file >= 0 && input.file < files));
}
