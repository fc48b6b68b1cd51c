// What the page tells the machine: one discriminated union, one message each. Nothing else crosses in this direction.

import type { BackTarget, Breakpoint, DebugEdit, DebugRequest } from "./debug.ts";
import type { DriveName, MediaTarget } from "./image-info.ts";
import type { Medium } from "./medium.ts";
import type { OverlayAction } from "./storage.ts";
import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "./technique.ts";

export type { BlobLike, Medium } from "./medium.ts";

export interface MachineConfig {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly memoryBytes: number;
  readonly clock: ClockKind;
  readonly drives: Readonly<Partial<Record<DriveName, Medium>>>;
  readonly kernel?: Medium;
  readonly initrd?: Medium;
  readonly multiboot?: Medium;
  readonly modules?: readonly Medium[];
  readonly append?: string;
  readonly boot?: "a" | "c" | "d";
  /** Boot although there is no boot signature. */
  readonly force?: boolean;
  /** What a person knows it by. */
  readonly title?: string;
  /** Repeats this recorded run, whose files are `media` in its order; they are also in their drives. What was kept of them is left alone. */
  readonly recording?: { readonly file: Medium; readonly media: readonly Medium[] };
}

/** JSON lines, comma-separated values, or the trace-event JSON that Perfetto and chrome://tracing open. */
export type LogFormat = "jsonl" | "csv" | "perfetto";

export type Command =
  /** What is this file? Answered by `identified` with the same id. Needs no machine. */
  | { readonly type: "identify"; readonly id: number; readonly medium: Medium }
  /** Answered by `recordingRead`, `hashed`. */
  | { readonly type: "readRecording"; readonly id: number; readonly file: Medium }
  | { readonly type: "hash"; readonly id: number; readonly media: readonly Medium[] }
  /** Makes a machine (an older one is disposed of) and leaves it paused. */
  | { readonly type: "create"; readonly config: MachineConfig }
  | { readonly type: "run" }
  | { readonly type: "pause" }
  /** Goes on without what is written down for later. */
  | { readonly type: "takeOver" }
  /** One whole instruction of the guest. */
  | { readonly type: "step" }
  /** Runs until the next exit or leak record. */
  | { readonly type: "stepToNextTrap" }
  /** Over a call, a software interrupt or a repetition: until the instruction behind it is next. */
  | { readonly type: "stepOver" }
  /** Until the function that runs has returned to its caller: behind its RET or IRET, whatever it calls before. */
  | { readonly type: "stepOut" }
  /** Until the instruction at this linear address is next. */
  | { readonly type: "runTo"; readonly linear: number }
  /** All breakpoints that are to stop the machine from now on. */
  | { readonly type: "setBreakpoints"; readonly breakpoints: readonly Breakpoint[] }
  /** Answered by `inspected` with the same id. */
  | { readonly type: "inspect"; readonly id: number; readonly request: DebugRequest }
  /** Answered by `edited`. */
  | { readonly type: "edit"; readonly edit: DebugEdit }
  | { readonly type: "back"; readonly to: BackTarget }
  /** Answered by `fileReady`, or `fileRefused`. */
  | { readonly type: "saveRecording" }
  | { readonly type: "saveSnapshot" }
  /** Answered by `snapshotRestored`, or `fileRefused`. */
  | { readonly type: "restoreSnapshot"; readonly file: Medium }
  /** A snapshot into the browser's storage; back from there. Both are answered by `autosaved`, a restore also as above. */
  | { readonly type: "autosave"; /** In shared memory: becomes 1 when it is done. */ readonly done?: Int32Array }
  | { readonly type: "restoreAutosave" }
  | { readonly type: "reset" }
  | { readonly type: "setTechnique"; readonly technique: TechniqueId; readonly ring: Ring; readonly set: ProcessorSet }
  | { readonly type: "serialInput"; readonly port: 0 | 1; readonly bytes: Uint8Array }
  /** A key of the guest's keyboard by its place (KeyboardEvent.code). The keyboard repeats held keys itself. */
  | { readonly type: "key"; readonly code: string; readonly down: boolean }
  /** Keys by their places, one after the other, as fast as a fast typist. */
  | { readonly type: "typeKeys"; readonly keys: readonly (readonly [code: string, down: boolean])[] }
  /** The screen as a picture, in whatever mode. Answered by `picture`. */
  | { readonly type: "takePicture" }
  /** Relative movement in mouse counts (right and down are positive), wheel steps towards the person, buttons: bit 0 left, 1 right, 2 middle. */
  | { readonly type: "mouse"; readonly dx: number; readonly dy: number; readonly dz: number; readonly buttons: number }
  | { readonly type: "insertMedia"; readonly drive: DriveName; readonly medium: Medium }
  | { readonly type: "ejectMedia"; readonly drive: DriveName }
  /** What the guest wrote to a drive. */
  | { readonly type: "overlay"; readonly drive: DriveName; readonly action: OverlayAction }
  /** The disk with what the guest wrote, as a raw image. Answered by `diskProgress` and `diskReady`, or `diskFailed`; `cancelExport` ends it. */
  | { readonly type: "exportDisk"; readonly drive: DriveName }
  | { readonly type: "cancelExport" }
  /** Answered by `exportReady`. */
  | { readonly type: "exportLog"; readonly filter: string; readonly format: LogFormat; readonly marks: readonly number[] }
  | { readonly type: "dispose" };

export type { DriveName, MediaTarget };
