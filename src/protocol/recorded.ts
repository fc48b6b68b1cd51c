// What a recorded run, or a machine that was kept, was made of: enough to ask for its files and to make it again.

import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "./technique.ts";

/** `role`: a drive's name, or kernel, initrd, multiboot, module, or medium: one that was put into a drive later. */
export interface RecordedFile {
  readonly role: string;
  readonly name: string;
  readonly bytes: number;
  /** By image-hash.ts: of the whole file, or of samples where it is large. */
  readonly hash: string;
}

/** What a replay must come to. */
export interface RecordedEnd {
  readonly retired: number;
  readonly state: string;
  readonly traps: number;
  readonly callouts: number;
  readonly leaks: number;
}

export interface RecordedSetup {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly memoryBytes: number;
  readonly clock: ClockKind;
  readonly boot?: "a" | "c" | "d";
  readonly append?: string;
  readonly force?: boolean;
}

export interface RecordedMake {
  readonly setup: RecordedSetup;
  readonly files: readonly RecordedFile[];
}

/** What the page is told of a recording. */
export interface RecordingInfo extends RecordedMake {
  readonly end: RecordedEnd;
  /** Places that the way back can begin at, besides the first. */
  readonly marks: number;
}

/** Where a machine that repeats a recording is. `ended`: the recording has, and `differences` says what is not as it was. `left`: something else was done. */
export interface ReplayStatus {
  readonly name: string;
  readonly state: "on" | "ended" | "left";
  readonly end: RecordedEnd;
  /** Instructions at which it ended or was left. */
  readonly at: number;
  readonly differences: readonly string[];
}
