// Recordings that are replayed, and kept machines that go on: both ask for the files that they were made of, by their hashes. What the
// page has itself (bundled guests, images in the browser's storage) is found; the rest a person gives.

import type { Command, MachineConfig, Medium } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import { DRIVES } from "../protocol/image-info.ts";
import type { RecordedFile, RecordedMake, RecordingInfo, ReplayStatus } from "../protocol/recorded.ts";
import type { StoredMachine } from "../protocol/storage.ts";
import { Observable } from "./observable.ts";
import type { StorageStore } from "./storage.ts";

export interface AskedFile {
  readonly file: RecordedFile;
  readonly medium: Medium | null;
  /** Where it was found. */
  readonly from: string;
}

/** What is to be started, and what it still lacks. */
export interface FilesQuestion {
  /** Of the recording's file, or of what the kept machine was known by. */
  readonly name: string;
  readonly make: RecordedMake;
  /** Null: a kept machine. */
  readonly recording: { readonly file: Medium; readonly info: RecordingInfo } | null;
  readonly files: readonly AskedFile[];
  /** Why files that were given were not taken. */
  readonly refused: readonly string[];
}

export interface RecordedState {
  readonly question: FilesQuestion | null;
  /** Of the machine that runs, if it repeats a recording. */
  readonly replay: ReplayStatus | null;
}

export interface RecordedHost {
  send(command: Command): void;
  boot(config: MachineConfig, title: string, goOn: boolean): void;
  setBusy(busy: string | null): void;
  showProblem(title: string, reason: string, whatToDo: string): void;
  readonly storage: StorageStore;
}

const FIRST_BYTES = '{"format":"trapscope-recording"';

function sizeOf({ data }: Medium): number {
  return data instanceof Uint8Array ? data.length : data.size;
}

async function isRecording({ data }: Medium): Promise<boolean> {
  if (!(data instanceof Uint8Array || data instanceof Blob)) return false;
  const begin = data instanceof Uint8Array ? data : new Uint8Array(await data.slice(0, FIRST_BYTES.length).arrayBuffer());
  return String.fromCharCode(...begin.subarray(0, FIRST_BYTES.length)) === FIRST_BYTES;
}

export class RecordedRuns {
  readonly state = new Observable<RecordedState>({ question: null, replay: null });
  /** The images of the bundled guests. */
  bundled: () => Promise<readonly Medium[]> = () => Promise.resolve([]);
  readonly #host: RecordedHost;
  readonly #waiting = new Map<number, (event: Extract<MachineEvent, { type: "recordingRead" | "hashed" }>) => void>();
  #nextId = 1;

  constructor(host: RecordedHost) {
    this.#host = host;
  }

  /** True where the event was of a recording alone. */
  onEvent(event: MachineEvent): boolean {
    switch (event.type) {
      case "recordingRead": case "hashed":
        this.#waiting.get(event.id)?.(event);
        this.#waiting.delete(event.id);
        return true;
      case "replay":
        this.state.patch({ replay: event.replay });
        return true;
      case "ready":
        this.state.patch({ replay: null });
        return false;
      default: return false;
    }
  }

  #ask<T extends "recordingRead" | "hashed">(command: (id: number) => Command): Promise<Extract<MachineEvent, { type: T }>> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, (event) => resolve(event as Extract<MachineEvent, { type: T }>));
      this.#host.send(command(id));
    });
  }

  /** True if one of the files is a recording, which is then opened with the others. */
  async open(files: readonly Medium[]): Promise<boolean> {
    for (const file of files) {
      if (!(await isRecording(file))) continue;
      this.#host.setBusy(`Reading ${file.name}`);
      const { info, reason, whatToDo } = await this.#ask<"recordingRead">((id) => ({ type: "readRecording", id, file }));
      if (info) await this.#look({ name: file.name, make: info, recording: { file, info }, files: info.files.map((own) => ({ file: own, medium: null, from: "" })), refused: [] }, files.filter((own) => own !== file));
      this.#host.setBusy(null);
      if (!info) this.#host.showProblem(`${file.name} cannot be replayed`, reason, whatToDo);
      return true;
    }
    return false;
  }

  /** A machine that was kept when its tab was left. */
  async goOn({ name, made }: StoredMachine): Promise<void> {
    if (!made) return;
    this.#host.storage.closeDialog();
    this.#host.setBusy(`Looking for the files of ${name}`);
    await this.#look({ name, make: made, recording: null, files: made.files.map((file) => ({ file, medium: null, from: "" })), refused: [] }, []);
    this.#host.setBusy(null);
    if (this.missing.length === 0) this.accept();
  }

  get missing(): readonly AskedFile[] {
    return (this.state.get().question?.files ?? []).filter(({ medium }) => medium === null);
  }

  async #look(question: FilesQuestion, given: readonly Medium[]): Promise<void> {
    this.state.patch({ question: await this.#matched(question, given, "given") });
    if (this.missing.length > 0) await this.#matchOwn("a bundled guest", await this.bundled().catch(() => []));
    if (this.missing.length === 0) return;
    const sizes = this.missing.map(({ file }) => file.bytes);
    const kept = ((await this.#host.storage.look())?.images ?? []).filter(({ bytes }) => sizes.includes(bytes));
    await this.#matchOwn("kept in this browser", await Promise.all(kept.map(({ id }) => this.#host.storage.openImage(id))).catch(() => []));
  }

  async #matchOwn(from: string, media: readonly Medium[]): Promise<void> {
    const { question } = this.state.get();
    if (question) this.state.patch({ question: { ...(await this.#matched(question, media, from)), refused: question.refused } });
  }

  /** Files that a person gives for what is missing. */
  async give(media: readonly Medium[]): Promise<void> {
    const { question } = this.state.get();
    if (question) this.state.patch({ question: await this.#matched(question, media, "given") });
  }

  async #matched(question: FilesQuestion, media: readonly Medium[], from: string): Promise<FilesQuestion> {
    const lacking = question.files.filter(({ medium }) => medium === null);
    const likely = media.filter((medium) => lacking.some(({ file }) => file.bytes === sizeOf(medium)));
    const { hashes } = likely.length === 0 ? { hashes: [] } : await this.#ask<"hashed">((id) => ({ type: "hash", id, media: likely }));
    const is = (medium: Medium, file: RecordedFile): boolean => sizeOf(medium) === file.bytes && hashes[likely.indexOf(medium)] === file.hash;
    return {
      ...question,
      files: question.files.map((own) => {
        const medium = own.medium ?? media.find((other) => is(other, own.file)) ?? null;
        return { ...own, medium, from: own.medium ? own.from : medium ? from : "" };
      }),
      refused: media.filter((medium) => !question.files.some(({ file }) => is(medium, file))).map((medium) => {
        const same = lacking.some(({ file }) => file.bytes === sizeOf(medium));
        return `${medium.name} is none of these files: ${same ? `it is as long, and has another content (${hashes[likely.indexOf(medium)] ?? "it cannot be read"})` : `it has ${sizeOf(medium).toLocaleString("en-US")} bytes`}.`;
      }),
    };
  }

  cancel(): void {
    this.state.patch({ question: null });
  }

  accept(): void {
    const { question } = this.state.get();
    if (!question || this.missing.length > 0) return;
    this.cancel();
    const media = question.files.map(({ medium, file }) => ({ ...medium!, name: file.name })), { recording, make } = question;
    const config = { ...configOf(make, media), ...(recording ? { recording: { file: recording.file, media } } : {}) };
    this.#host.boot(config, question.name, recording === null);
  }

  takeOver(): void {
    this.#host.send({ type: "takeOver" });
  }
}

/** What a machine of these files is made of; `media` in their order. */
function configOf({ setup, files }: RecordedMake, media: readonly Medium[]): MachineConfig {
  const at = (role: string): Medium | undefined => media[files.findIndex((file) => file.role === role)];
  const drives = Object.fromEntries(DRIVES.flatMap((drive) => (at(drive) ? [[drive, at(drive)]] : []))) as MachineConfig["drives"];
  const kernel = at("kernel"), initrd = at("initrd"), multiboot = at("multiboot"), modules = media.filter((_, index) => files[index]?.role === "module");
  return { ...setup, drives, ...(kernel ? { kernel } : {}), ...(initrd ? { initrd } : {}), ...(multiboot ? { multiboot } : {}), ...(modules.length > 0 ? { modules } : {}) };
}
