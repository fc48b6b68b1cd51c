// The files that become disks, and what the guest wrote to them: unpacking before a boot, saving, discarding, export.

import type { Command, Medium } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import type { DriveName, ImageInfo } from "../protocol/image-info.ts";
import type { DriveStatus, OverlayAction } from "../protocol/storage.ts";
import { Observable } from "./observable.ts";
import { looksPacked, StorageFailure, type StorageStore } from "./storage.ts";

/** What the disks need of the session. */
export interface DiskHost {
  send(command: Command): void;
  identify(medium: Medium): Promise<ImageInfo>;
  isRunning(): boolean;
  run(): void;
  pause(): void;
  /** Boots the same images again. */
  restart(): void;
  notice(text: string): void;
  showProblem(title: string, reason: string, whatToDo: string, retry?: { readonly label: string; readonly run: () => void }): void;
}

const MAGIC_BYTES = 6;

export class Disks {
  /** What has become of the writes to the drives. */
  readonly drives = new Observable<readonly DriveStatus[]>([]);
  readonly storage: StorageStore;
  /** Takes a disk that was exported. */
  saveBlob: (name: string, data: Blob) => void = () => {};
  private readonly host: DiskHost;
  /** An export is under way, of a machine that ran before. */
  private resumes: boolean | null = null;

  constructor(host: DiskHost, storage: StorageStore) {
    this.host = host;
    this.storage = storage;
  }

  // --- images

  /** True where that is known without a look at the files. */
  areUnpacked(files: readonly Medium[]): boolean {
    return files.every(({ data }) => data instanceof Uint8Array && !looksPacked(data));
  }

  /** What is packed, unpacked; null where a person canceled it, or it failed and was said. */
  async unpackAll(files: readonly Medium[]): Promise<readonly Medium[] | null> {
    const unpacked: Medium[] = [];
    for (const file of files) {
      const medium = await this.unpack(file);
      if (!medium) return null;
      unpacked.push(medium);
    }
    return unpacked;
  }

  private async unpack(file: Medium): Promise<Medium | null> {
    const { data } = file;
    const start = data instanceof Uint8Array ? data : data instanceof Blob ? new Uint8Array(await data.slice(0, MAGIC_BYTES).arrayBuffer()) : new Uint8Array(0);
    if (!looksPacked(start)) return file;
    // An initial RAM disk stays packed: its kernel unpacks it.
    if ((await this.host.identify(file)).targets.includes("initrd")) return file;
    return this.arrived(`${file.name} cannot be unpacked`, this.storage.unpack(file));
  }

  /** Waits for an image; says what went wrong, but for what the person wished. */
  private async arrived(title: string, image: Promise<{ medium: Medium; notice: string | null }>): Promise<Medium | null> {
    try {
      const { medium, notice } = await image;
      if (notice !== null) this.host.notice(notice);
      return medium;
    } catch (error) {
      if (error instanceof StorageFailure && error.canceled) return null;
      const text = error instanceof Error ? error.message : String(error), split = text.indexOf(". ");
      this.host.showProblem(title, split < 0 ? text : text.slice(0, split + 1), split < 0 ? "Check the file." : text.slice(split + 2));
      return null;
    }
  }

  /** An image of the network, all of it. */
  download(url: string, name: string): Promise<Medium | null> {
    return this.arrived(`${name} could not be downloaded`, this.storage.download(url, name));
  }

  /** An image that is kept in the browser's storage. */
  stored(id: string): Promise<Medium | null> {
    return this.arrived("The image cannot be opened", this.storage.openImage(id).then((medium) => ({ medium, notice: null })));
  }

  /** A file that a person chose for this drive of the machine that runs. */
  async insert(drive: DriveName, file: Medium): Promise<void> {
    const medium = await this.unpack(file);
    if (medium) this.host.send({ type: "insertMedia", drive, medium });
  }

  // --- what the guest wrote

  /** After a change of the disk the machine starts anew: its guest holds parts of the old one in memory. */
  overlay(drive: DriveName, action: OverlayAction): void {
    this.host.send({ type: "overlay", drive, action });
    if (action === "discard" || action === "clear") this.host.restart();
  }

  /** The disk with what the guest wrote. The guest stands still meanwhile. */
  exportDisk(drive: DriveName): void {
    this.resumes = this.host.isRunning();
    this.host.pause();
    this.showExport(0, 0);
    this.host.send({ type: "exportDisk", drive });
  }

  private showExport(done: number, all: number): void {
    this.storage.showJob({ title: "Putting the disk together", done, all, written: done, cancel: () => this.host.send({ type: "cancelExport" }) });
  }

  private endExport(): void {
    this.storage.showJob(null);
    if (this.resumes) this.host.run();
    this.resumes = null;
  }

  /** Of the machine's events, those about disks; false: it is another one. */
  onEvent(event: MachineEvent): boolean {
    switch (event.type) {
      case "drives":
        this.drives.set(event.drives);
        if (event.drives.some(({ kept, changedBytes }) => kept === "storage" && changedBytes > 0)) this.storage.askToPersist();
        return true;
      case "storageFull":
        this.onFull(event.name);
        return true;
      case "diskProgress":
        this.showExport(event.done, event.all);
        return true;
      case "diskReady":
        this.endExport();
        this.saveBlob(event.name, event.data as Blob);
        return true;
      case "diskFailed":
        this.endExport();
        if (!event.canceled) this.host.showProblem("The disk could not be exported", event.reason, "Try again; a reload of the page keeps what was saved.");
        return true;
      default:
        return false;
    }
  }

  /** Before anything is lost: the guest stops, and a person decides. */
  private onFull(name: string): void {
    this.host.pause();
    this.host.showProblem(
      "The browser's storage is full", `What the guest writes to ${name} from now on is kept in memory, and is lost when the tab closes. Nothing is lost yet.`,
      "Free some: Storage in the Drives menu. Then it is saved as well.", { label: "Go on", run: () => this.host.run() },
    );
  }
}
