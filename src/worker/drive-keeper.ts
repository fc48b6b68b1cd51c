// The media in the drives and what the guest wrote to them: an overlay file in the browser's storage for each image, by the hash of
// its disk; in memory where storage is refused, which is said.

import { ImageError } from "../base/errors.ts";
import { type BlockStore, MemoryBlocks, OVERLAY_BLOCK_BYTES } from "../block/block-store.ts";
import { hashImage } from "../block/image-hash.ts";
import { OverlayFile, type OverlayKey, type RandomFile } from "../block/overlay-file.ts";
import type { ByteSource } from "../hardware/device.ts";
import { mediumBytes, type NamedSource, openNamed } from "../machine/boot/boot-request.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import { DRIVES, type DriveName } from "../protocol/image-info.ts";
import type { DriveStatus, OverlayAction } from "../protocol/storage.ts";
import { mediumFile } from "./blob-source.ts";
import { openFolder, openRandomFile, readJson, writeJson } from "./opfs.ts";

/** What the guest did not flush itself is saved after this time. */
const SAVE_AFTER_MS = 1000;

interface KeptDrive {
  readonly medium: Medium;
  readonly file: NamedSource;
  readonly store: BlockStore | null;
  readonly overlay: OverlayFile | null;
  /** Of the disk; null where it is not kept by it. */
  readonly hash: string | null;
  readonly why: string | null;
  savedMs: number;
}

const REFUSED = "This browser refuses storage here (a private window, or a setting): changes are kept only until the tab closes.";
const IN_USE = "Another tab or drive uses this image: changes here are kept only until the tab closes.";

export class DriveKeeper {
  readonly #post: (event: MachineEvent) => void;
  readonly #nowMs: () => number;
  readonly #drives = new Map<DriveName, KeptDrive>();
  readonly #prepared = new Map<Medium, NamedSource>();
  /** Taken out: the machine may go back to when they were in a drive. */
  readonly #retired = new Map<Medium, KeptDrive>();
  #shown = "[]";

  constructor(post: (event: MachineEvent) => void, nowMs: () => number) {
    this.#post = post;
    this.#nowMs = nowMs;
  }

  /** The medium with its overlay where one was prepared. */
  open(medium: Medium): NamedSource {
    return this.#prepared.get(medium) ?? mediumFile(medium);
  }

  async prepareAll(config: MachineConfig): Promise<void> {
    this.releaseAll();
    for (const drive of DRIVES) {
      const medium = config.drives[drive];
      // A recording begins with the images as they are.
      if (medium) await this.prepare(drive, medium, config.recording !== undefined);
    }
  }

  /** Opens what was kept of the medium. Never fails: what cannot be kept is kept in memory. */
  async prepare(drive: DriveName, medium: Medium, fresh = false): Promise<void> {
    this.retire(drive);
    const plain = mediumFile(medium), file: NamedSource = { ...plain, source: this.#reported(plain.source) };
    const kept = drive === "cdrom" ? readOnly(medium, file) : fresh || medium.data instanceof Uint8Array ? inMemory(medium, file, null) : await this.#openOverlay(drive, medium, file);
    this.#drives.set(drive, kept);
    this.#prepared.set(medium, { ...file, ...(kept.store ? { store: kept.store } : {}) });
    if (kept.why !== null) this.#post({ type: "notice", text: `${medium.name}: ${kept.why}` });
  }

  /** To the guest a part that cannot be read is a bad sector; a person is told why. */
  #reported(source: ByteSource): ByteSource {
    return {
      size: source.size,
      read: (offset, into) => {
        try {
          source.read(offset, into);
        } catch (error) {
          if (error instanceof ImageError) this.#post({ type: "notice", text: error.message });
          throw error;
        }
      },
    };
  }

  async #openOverlay(drive: DriveName, medium: Medium, file: NamedSource): Promise<KeptDrive> {
    let opened: { hash: string; sampled: boolean; diskBytes: number };
    try {
      const { identity, source } = openNamed(file);
      if (identity.details.sectorCount === undefined) return inMemory(medium, file, null); // it will be refused
      opened = { ...hashImage(source), diskBytes: mediumBytes(identity, source) };
    } catch (error) {
      if (error instanceof ImageError) return inMemory(medium, file, null);
      throw error;
    }
    const before = [...this.#retired.values()].find(({ overlay, hash }) => overlay && hash === opened.hash);
    if (before) return { ...before, medium, file };
    try {
      const folder = await openFolder("overlays");
      const id = opened.hash.replace(":", "-");
      const overlay = openedOrClosed(await openRandomFile(folder, `${id}.overlay`), { image: opened.hash, diskBytes: opened.diskBytes });
      overlay.onFull = () => this.#post({ type: "storageFull", drive, name: medium.name });
      const modified = (medium.data as { lastModified?: number }).lastModified ?? 0;
      const about = await readJson(folder, `${id}.json`);
      await writeJson(folder, `${id}.json`, { name: medium.name, imageBytes: opened.diskBytes, lastUsedMs: this.#nowMs(), modified });
      const doubtful = opened.sampled && overlay.count > 0 && about !== null && about.modified !== modified;
      const why = doubtful ? "it has another date than when its changes were saved, and being large only samples of it were compared. If its content differs, discard the changes." : null;
      return { medium, file, store: overlay, overlay, hash: opened.hash, why, savedMs: this.#nowMs() };
    } catch (error) {
      if (error instanceof ImageError) return inMemory(medium, file, error.message);
      if (error instanceof DOMException && error.name === "NoModificationAllowedError") return inMemory(medium, file, IN_USE);
      return inMemory(medium, file, REFUSED);
    }
  }

  /** The medium goes out of the drive. What was written to it is saved, and stays at hand as long as the machine. */
  retire(drive: DriveName): void {
    const kept = this.#drives.get(drive);
    if (!kept) return;
    this.#drives.delete(drive);
    this.#retired.set(kept.medium, kept);
    this.#flush(kept);
  }

  /** The machine has this medium in the drive, or none: it may have gone back to when it had. */
  holds(drive: DriveName, medium: Medium | null): void {
    if (this.#drives.get(drive)?.medium === medium) return;
    this.retire(drive);
    const kept = medium && this.#retired.get(medium);
    if (kept) this.#drives.set(drive, kept);
    this.publish();
  }

  #flush(kept: KeptDrive): void {
    try {
      kept.overlay?.flush();
    } catch {
      this.#post({ type: "notice", text: `${kept.file.name}: what the guest wrote last could not be saved.` });
    }
  }

  releaseAll(): void {
    for (const drive of DRIVES) this.retire(drive);
    for (const overlay of new Set([...this.#retired.values()].map((kept) => kept.overlay))) overlay?.close();
    this.#retired.clear();
    this.#prepared.clear();
    this.publish();
  }

  /** The drive's disk and what lies over it, for an export. */
  contents(drive: DriveName): { readonly file: NamedSource; readonly store: BlockStore | null } | null {
    return this.#drives.get(drive) ?? null;
  }

  /** The medium as a file, if it is one. */
  blob(drive: DriveName): Blob | null {
    const data = this.#drives.get(drive)?.medium.data;
    return data instanceof Blob ? data : null;
  }

  act(drive: DriveName, action: OverlayAction): void {
    const kept = this.#drives.get(drive);
    if (!kept?.store) return;
    const { overlay, store } = kept;
    switch (action) {
      case "save": store.flush(); break;
      case "commit": overlay?.commit(); break;
      case "discard": store.discard(); break;
      case "clear":
        if (overlay) overlay.clear();
        else store.discard();
    }
    this.publish();
  }

  /** Called some times a second: saves what has waited long enough, and says what changed. */
  poll(): void {
    for (const kept of new Set([...this.#drives.values(), ...this.#retired.values()])) {
      const { overlay } = kept;
      if (overlay && overlay.unsavedBytes > 0) {
        if (this.#nowMs() - kept.savedMs < SAVE_AFTER_MS) continue;
        overlay.flush();
      }
      kept.savedMs = this.#nowMs();
    }
    this.publish();
  }

  publish(): void {
    const drives = [...this.#drives].map(([drive, kept]) => status(drive, kept));
    const text = JSON.stringify(drives);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#post({ type: "drives", drives });
  }
}

/** A file that is no overlay of this image is let go. */
function openedOrClosed(file: RandomFile, key: OverlayKey): OverlayFile {
  try {
    return new OverlayFile(file, key);
  } catch (error) {
    file.close();
    throw error;
  }
}

function readOnly(medium: Medium, file: NamedSource): KeptDrive {
  return { medium, file, store: null, overlay: null, hash: null, why: null, savedMs: 0 };
}

function inMemory(medium: Medium, file: NamedSource, why: string | null): KeptDrive {
  return { medium, file, store: new MemoryBlocks(), overlay: null, hash: null, why, savedMs: 0 };
}

function status(drive: DriveName, { store, overlay, why }: KeptDrive): DriveStatus {
  const changedBytes = (store?.count ?? 0) * OVERLAY_BLOCK_BYTES;
  return {
    drive, why, changedBytes, kept: overlay ? "storage" : store ? "memory" : "read-only",
    unsavedBytes: overlay?.unsavedBytes ?? changedBytes, uncommittedBytes: overlay?.uncommittedBytes ?? changedBytes, committedBytes: overlay?.committedBytes ?? 0,
    lostBytes: overlay?.spilledBytes ?? 0,
  };
}
