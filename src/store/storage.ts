// What is kept in the browser's storage, and the one long operation that runs: unpack, download, export, with its progress.

import type { OpenStorage, StorageClient } from "../client/storage-client.ts";
import type { Medium } from "../protocol/medium.ts";
import type { PackedEntry, StorageEvent, StorageList, StorageRequest } from "../protocol/storage.ts";
import { Observable } from "./observable.ts";

/** Something that takes long. */
export interface Job {
  readonly title: string;
  readonly done: number;
  /** 0: not known. */
  readonly all: number;
  /** Bytes that came out of it so far; 0: not a count of bytes. */
  readonly written: number;
  readonly cancel: () => void;
}

/** Which file of an archive is meant? */
export interface Choice {
  readonly title: string;
  readonly entries: readonly PackedEntry[];
  readonly answer: (entry: PackedEntry | null) => void;
}

export interface StorageState {
  /** The dialog with everything that is kept is open. */
  readonly open: boolean;
  readonly list: StorageList | null;
  readonly job: Job | null;
  readonly choice: Choice | null;
  /** Why the last deletion failed. */
  readonly problem: string | null;
}

/** An operation that failed. `canceled`: as the person wished. */
export class StorageFailure extends Error {
  readonly canceled: boolean;
  constructor(reason: string, canceled: boolean) {
    super(reason);
    this.canceled = canceled;
  }
}

type Answer = Exclude<StorageEvent, { type: "progress" | "failed" }>;
type RequestBody = StorageRequest extends infer R ? (R extends { id: number } ? Omit<R, "id"> : never) : never;

/** First bytes of gzip, xz and ZIP files. */
const PACKED_MAGIC: readonly (readonly number[])[] = [[0x1f, 0x8b, 8], [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], [0x50, 0x4b, 3, 4]];

export function looksPacked(start: Uint8Array): boolean {
  return PACKED_MAGIC.some((magic) => magic.every((byte, i) => start[i] === byte));
}

export class StorageStore {
  readonly state = new Observable<StorageState>({ open: false, list: null, job: null, choice: null, problem: null });
  private readonly openClient: OpenStorage | null;
  private client: StorageClient | null = null;
  private readonly waiting = new Map<number, { resolve: (event: Answer) => void; reject: (error: StorageFailure) => void; title: string }>();
  private nextId = 1;
  private persistAsked = false;

  constructor(openClient: OpenStorage | null) {
    this.openClient = openClient;
  }

  private request(body: RequestBody, title = ""): Promise<Answer> {
    this.client ??= this.openClient?.((event) => this.onEvent(event)) ?? null;
    const { client } = this;
    if (!client) return Promise.reject(new StorageFailure("This page has no storage.", false));
    const id = this.nextId++;
    if (title !== "") this.show(id, title, 0, 0, 0);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, title });
      client.send({ ...body, id });
    });
  }

  private show(id: number, title: string, done: number, all: number, written: number): void {
    this.state.patch({ job: { title, done, all, written, cancel: () => this.client?.send({ type: "cancel", id }) } });
  }

  private onEvent(event: StorageEvent): void {
    const waiter = this.waiting.get(event.id);
    if (!waiter) return;
    if (event.type === "progress") {
      this.show(event.id, waiter.title, event.done, event.all, event.written);
      return;
    }
    this.waiting.delete(event.id);
    if (waiter.title !== "") this.state.patch({ job: null });
    if (event.type === "failed") waiter.reject(new StorageFailure(event.reason, event.canceled));
    else waiter.resolve(event);
  }

  /** The image in a packed file, unpacked; a question is asked where several may be meant. Rejects with StorageFailure. */
  async unpack(medium: Medium): Promise<{ medium: Medium; notice: string | null }> {
    const found = await this.request({ type: "inspect", medium });
    if (found.type !== "entries" || found.entries.length === 0) throw new StorageFailure("There is no file in it. Choose another one.", false);
    const likely = found.entries.filter((entry) => found.likely.includes(entry.index));
    const entry = likely.length === 1 ? likely[0] : await this.choose(`Which file of ${medium.name}?`, likely);
    const answer = await this.request({ type: "unpack", medium, index: entry.index }, `Unpacking ${medium.name}`);
    if (answer.type !== "file") throw new StorageFailure("It could not be unpacked.", false);
    return answer;
  }

  private choose(title: string, entries: readonly PackedEntry[]): Promise<PackedEntry> {
    return new Promise((resolve, reject) => {
      const answer = (entry: PackedEntry | null): void => {
        this.state.patch({ choice: null });
        if (entry) resolve(entry);
        else reject(new StorageFailure("Nothing was chosen.", true));
      };
      this.state.patch({ choice: { title, entries, answer } });
    });
  }

  async download(url: string, name: string): Promise<{ medium: Medium; notice: string | null }> {
    const answer = await this.request({ type: "download", url, name }, `Downloading ${name}`);
    if (answer.type !== "file") throw new StorageFailure("It could not be downloaded.", false);
    return answer;
  }

  /** An image that is kept here. */
  async openImage(id: string): Promise<Medium> {
    const answer = await this.request({ type: "open", image: id });
    if (answer.type !== "file") throw new StorageFailure("It could not be opened.", false);
    return answer.medium;
  }

  /** Asks the browser, once, not to throw away what is kept when it wants room. */
  askToPersist(): void {
    if (this.persistAsked) return;
    this.persistAsked = true;
    globalThis.navigator?.storage?.persist?.().catch(() => {});
  }

  /** Whether a machine was ever kept here: sooner known than what is. */
  async hasMachines(): Promise<boolean> {
    try {
      await (await navigator.storage.getDirectory()).getDirectoryHandle("autosave");
      return true;
    } catch {
      return false;
    }
  }

  /** Shows a job of another worker. */
  showJob(job: Job | null): void {
    this.state.patch({ job });
  }

  openDialog(): void {
    this.state.patch({ open: true, problem: null });
    void this.refresh();
  }

  closeDialog(): void {
    this.state.patch({ open: false });
  }

  async refresh(): Promise<void> {
    await this.listed(this.request({ type: "list" }));
  }

  async remove(what: "image" | "overlay" | "machine", id: string): Promise<void> {
    await this.listed(this.request({ type: "delete", what, name: id }));
  }

  /** What is kept, or why nothing is; null: nobody answered. */
  async look(): Promise<StorageList | null> {
    await this.refresh();
    return this.state.get().list;
  }

  private async listed(request: Promise<Answer>): Promise<void> {
    try {
      const answer = await request;
      if (answer.type === "list") this.state.patch({ list: answer.list, problem: null });
    } catch (error) {
      this.state.patch({ problem: error instanceof Error ? error.message : String(error) });
    }
  }
}
