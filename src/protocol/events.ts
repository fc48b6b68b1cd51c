// What the machine tells the page: rare things only. Traps, registers, counters and pictures are read from shared memory.

import type { LogFormat } from "./commands.ts";
import type { BreakpointHit, DebugAnswer, HistoryView } from "./debug.ts";
import type { DriveName, ImageInfo } from "./image-info.ts";
import type { BlobLike } from "./medium.ts";
import type { MirroredParts } from "./mirror.ts";
import type { DriveStatus } from "./storage.ts";
import type { RecordingInfo, ReplayStatus } from "./recorded.ts";
import type { ProcessorSet, Ring, TechniqueId } from "./technique.ts";

/** Byte offsets of the views in the shared buffer. Their sizes are the constants of the view files. */
export interface SharedLayout {
  /** Record ring and site table (trap-record.ts). */
  readonly trapRing: number;
  readonly trapSites: number;
  readonly stats: number;
  /** Registers around the newest records (register-trace.ts). */
  readonly registers: number;
  readonly screen: number;
  /** What the loudspeaker was told (sound-view.ts). */
  readonly sound: number;
  readonly truth: number;
  readonly codeWindow: number;
  readonly ram: { readonly base: number; readonly bytes: number };
}

/** As in the command line's JSON. */
export type Outcome =
  | "power-off" | "exit-success" | "exit-failure" | "triple-fault" | "halted" | "technique-refused" | "instruction-limit" | "timeout";

/** A technique that could not represent what the guest did. */
export interface Refusal {
  readonly reason: string;
  readonly eip: number;
  readonly bytes: Uint8Array;
}

export type RunState =
  | { readonly kind: "running" }
  | { readonly kind: "paused"; readonly why: "created" | "user" | "step" | "trap" | "reset" | "back" | "replayed"; readonly hit?: BreakpointHit }
  | { readonly kind: "ended"; readonly outcome: Outcome; readonly reason: string; readonly eip: number; readonly exitValue?: number; readonly refusal?: Refusal };

export type MachineEvent =
  /** `uses`: files beside it that are parts of the image. */
  | { readonly type: "identified"; readonly id: number; readonly info: ImageInfo; readonly uses: readonly string[] }
  /** `info` null: it cannot be used. */
  | { readonly type: "recordingRead"; readonly id: number; readonly info: RecordingInfo | null; readonly reason: string; readonly whatToDo: string }
  /** By image-hash.ts, in order; null: it could not be read. */
  | { readonly type: "hashed"; readonly id: number; readonly hashes: readonly (string | null)[] }
  /** Of a machine that repeats a recording. */
  | { readonly type: "replay"; readonly replay: ReplayStatus }
  /** The worker runs and can be asked; says which techniques are built. */
  | { readonly type: "hello"; readonly techniques: readonly TechniqueId[] }
  /** A machine exists. `imageHash`: "sha256:..." of what it boots from, or absent where that would mean reading a large disk. */
  | {
    readonly type: "ready"; readonly buffer: ArrayBufferLike; readonly layout: SharedLayout; readonly technique: TechniqueId; readonly ring: Ring;
    readonly set: ProcessorSet; readonly imageHash?: string;
  }
  /** Where `buffer` is a copy, because page and machine cannot share memory: what changed. */
  | ({ readonly type: "mirrored" } & MirroredParts)
  | { readonly type: "state"; readonly state: RunState }
  | { readonly type: "inspected"; readonly id: number; readonly answer: DebugAnswer }
  /** Null: it was done. */
  | { readonly type: "edited"; readonly refused: string | null }
  /** A breakpoint cannot be watched for. */
  | { readonly type: "breakpointRefused"; readonly id: number; readonly reason: string }
  | { readonly type: "fileReady"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly type: "fileRefused"; readonly title: string; readonly reason: string; readonly whatToDo: string }
  | { readonly type: "snapshotRestored"; readonly name: string }
  /** What the browser's storage holds of a machine with these images; null: nothing. Also sent when a machine has been made. */
  | { readonly type: "autosaved"; readonly saved: { readonly savedMs: number; readonly bytes: number } | null }
  /** Null: nothing is kept of the past. Sent whenever the machine stops. */
  | { readonly type: "history"; readonly history: HistoryView | null }
  /** Bytes that the guest sent, batched. */
  | { readonly type: "serial"; readonly port: 0 | 1; readonly bytes: Uint8Array }
  | { readonly type: "debugConsole"; readonly bytes: Uint8Array }
  /** R G B A, row by row; the guest's own font in text modes. */
  | { readonly type: "picture"; readonly width: number; readonly height: number; readonly rgba: Uint8Array }
  /** Something a person should know; the machine goes on. */
  | { readonly type: "notice"; readonly text: string }
  /** An image, kernel or the amount of memory cannot be used; no machine was made (or the medium was not inserted). */
  | {
    readonly type: "rejected"; readonly what: "image" | "memory" | "configuration"; readonly name: string; readonly reason: string;
    readonly whatToDo: string; readonly canForce: boolean;
  }
  | { readonly type: "techniqueChanged"; readonly technique: TechniqueId; readonly ring: Ring; readonly set: ProcessorSet }
  | { readonly type: "mediaChanged"; readonly drive: DriveName; readonly name: string | null }
  /** What has become of the writes to the drives; at most twice a second, when it changed. */
  | { readonly type: "drives"; readonly drives: readonly DriveStatus[] }
  /** Storage took no more: from now on the writes to this drive are in memory. Nothing is lost yet. */
  | { readonly type: "storageFull"; readonly drive: DriveName; readonly name: string }
  | { readonly type: "diskProgress"; readonly done: number; readonly all: number }
  | { readonly type: "diskReady"; readonly name: string; readonly data: BlobLike }
  | { readonly type: "diskFailed"; readonly reason: string; readonly canceled: boolean }
  | { readonly type: "exportReady"; readonly format: LogFormat; readonly name: string; readonly bytes: Uint8Array; readonly records: number }
  | { readonly type: "exportFailed"; readonly reason: string }
  /** A fault of ours. The machine has stopped; its memory can still be read. `report` holds no disk data. */
  | { readonly type: "defect"; readonly message: string; readonly report: string };
