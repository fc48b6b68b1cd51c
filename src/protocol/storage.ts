// Disks on the page: how the writes to a drive are kept, and what the storage worker is asked and answers.

import type { DriveName } from "./image-info.ts";
import type { Medium } from "./medium.ts";
import type { RecordedMake } from "./recorded.ts";

/** What has become of a drive's writes. */
export interface DriveStatus {
  readonly drive: DriveName;
  /** In the browser's storage; in memory until the tab closes; not at all. */
  readonly kept: "storage" | "memory" | "read-only";
  /** Why they are not in storage; why something is not certain. */
  readonly why: string | null;
  /** Blocks that differ from the image, in bytes. */
  readonly changedBytes: number;
  /** Of these: not yet in storage; different from the last commit. */
  readonly unsavedBytes: number;
  readonly uncommittedBytes: number;
  /** In the last commit; 0: there was none. */
  readonly committedBytes: number;
  /** What storage had no room for. */
  readonly lostBytes: number;
}

/** `save`: into storage now. `commit`: `discard` comes back to what is there now. `clear`: back to the image. */
export type OverlayAction = "save" | "commit" | "discard" | "clear";

/** A file inside an archive or a compressed file. */
export interface PackedEntry {
  readonly index: number;
  readonly name: string;
  readonly size: number | null;
}

export interface StoredImage {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  /** "unpacked from disk.img.xz", "downloaded from https://..." */
  readonly origin: string;
  readonly lastUsedMs: number;
}

export interface StoredOverlay {
  readonly id: string;
  /** Name of the image when it was last used. */
  readonly name: string;
  readonly imageBytes: number;
  readonly bytes: number;
  readonly lastUsedMs: number;
  /** Held by a machine that runs, here or in another tab. */
  readonly inUse: boolean;
}

/** What is kept of a machine whose tab was left. */
export interface StoredMachine {
  readonly id: string;
  /** Of the image that it booted from. */
  readonly name: string;
  /** Null: an older version kept it and did not say. */
  readonly made: RecordedMake | null;
  /** Of both its files. */
  readonly bytes: number;
  readonly lastUsedMs: number;
  readonly inUse: boolean;
}

export interface StorageList {
  readonly images: readonly StoredImage[];
  readonly overlays: readonly StoredOverlay[];
  readonly machines: readonly StoredMachine[];
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** Why nothing can be stored, or null. */
  readonly refused: string | null;
}

export type StorageRequest =
  /** Answered by `entries`: empty where the file is not packed. */
  | { readonly type: "inspect"; readonly id: number; readonly medium: Medium }
  /** Answered by `file`. */
  | { readonly type: "unpack"; readonly id: number; readonly medium: Medium; readonly index: number }
  | { readonly type: "download"; readonly id: number; readonly url: string; readonly name: string }
  | { readonly type: "open"; readonly id: number; readonly image: string }
  /** Answered by `list`. */
  | { readonly type: "list"; readonly id: number }
  | { readonly type: "delete"; readonly id: number; readonly what: "image" | "overlay" | "machine"; readonly name: string }
  | { readonly type: "cancel"; readonly id: number };

export type StorageEvent =
  | { readonly type: "entries"; readonly id: number; readonly format: string; readonly entries: readonly PackedEntry[]; readonly likely: readonly number[] }
  | { readonly type: "file"; readonly id: number; readonly medium: Medium; readonly notice: string | null }
  | { readonly type: "list"; readonly id: number; readonly list: StorageList }
  /** `all` is 0 where it is not known. */
  | { readonly type: "progress"; readonly id: number; readonly done: number; readonly all: number; readonly written: number }
  | { readonly type: "failed"; readonly id: number; readonly reason: string; readonly canceled: boolean };
