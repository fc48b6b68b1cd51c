// Commands that wait for files stand in a queue; all others pass them, but never a machine that is still being made.

import { ImageError } from "../base/errors.ts";
import { mediumBytes, openNamed } from "../machine/boot/boot-request.ts";
import type { Command } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import type { Autosave } from "./autosave.ts";
import { composeDisk } from "./disk-export.ts";
import type { DriveKeeper } from "./drive-keeper.ts";
import type { AutosavePlace } from "./machine-files.ts";
import { describeAutosave, openAutosave } from "./opfs.ts";

/** What of the machine is kept in the browser's storage. */
export interface Autosaving {
  /** What it is kept under, and the name of its image; null: it is not kept. */
  readonly place: () => AutosavePlace | null;
  /** Takes a snapshot; null: there is nothing to keep. */
  readonly machine: () => (() => Uint8Array) | null;
  readonly nowMs: () => number;
}

export class CommandQueue {
  readonly #perform: (command: Command) => void;
  readonly #keeper: DriveKeeper;
  readonly #post: (event: MachineEvent) => void;
  readonly #autosaving: Autosaving;
  #last: Promise<void> = Promise.resolve();
  #autosave: Autosave | null = null;
  #creating = 0;
  #canceled = false;

  constructor(perform: (command: Command) => void, keeper: DriveKeeper, post: (event: MachineEvent) => void, autosaving: Autosaving) {
    this.#autosaving = autosaving;
    this.#perform = perform;
    this.#keeper = keeper;
    this.#post = post;
  }

  handle(command: Command): void {
    switch (command.type) {
      case "create":
        this.#creating++;
        return this.#enqueue(async () => {
          this.#perform({ type: "dispose" });
          this.#closeAutosave();
          await this.#keeper.prepareAll(command.config).finally(() => this.#creating--);
          this.#perform(command);
          this.#keeper.publish();
          const place = this.#autosaving.place();
          this.#autosave = place && (await openAutosave(place));
          this.#sayAutosaved();
        });
      case "autosave":
        // Now: the tab may be closing.
        this.guard(() => this.#save());
        if (command.done) Atomics.store(command.done, 0, 1);
        return;
      case "restoreAutosave":
        return this.#enqueue(async () => {
          const data = this.#autosave?.read();
          if (data) this.#perform({ type: "restoreSnapshot", file: { name: "The machine as it was left", data } });
          else {
            this.#post({ type: "notice", text: "Nothing is kept of this machine." });
            this.#sayAutosaved();
          }
        });
      case "insertMedia":
        return this.#enqueue(async () => {
          // The old medium goes first: it may be the same image.
          this.#perform({ type: "ejectMedia", drive: command.drive });
          await this.#keeper.prepare(command.drive, command.medium);
          this.#perform(command);
          this.#keeper.publish();
        });
      case "ejectMedia":
        return this.#enqueue(async () => {
          this.#perform(command);
          this.#keeper.publish();
        });
      case "overlay":
        return this.#enqueue(async () => this.#keeper.act(command.drive, command.action));
      case "exportDisk":
        return this.#enqueue(() => this.#export(command.drive));
      case "cancelExport":
        this.#canceled = true;
        return;
      case "dispose":
        return this.#enqueue(async () => {
          this.#perform(command);
          this.#closeAutosave();
          this.#keeper.releaseAll();
        });
      case "setTechnique":
        return this.#enqueue(async () => {
          this.#perform(command);
          const place = this.#autosave && this.#autosaving.place();
          if (place) await describeAutosave(place);
        });
      default:
        if (this.#creating === 0 || command.type === "identify" || command.type === "hash" || command.type === "readRecording") this.#perform(command);
        else this.#enqueue(async () => this.#perform(command));
    }
  }

  /** A step outside of any command. */
  guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#failed(error);
    }
  }

  #enqueue(step: () => Promise<void>): void {
    this.#last = this.#last.then(step).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    // What storage says is no fault of ours.
    if (error instanceof ImageError || error instanceof DOMException) this.#post({ type: "notice", text: error.message });
    else this.#post({ type: "defect", message: String(error), report: error instanceof Error ? String(error.stack) : String(error) });
  }

  #save(): void {
    const take = this.#autosaving.machine();
    if (!take || !this.#autosave) return;
    this.#autosave.save(take(), this.#autosaving.nowMs());
    this.#sayAutosaved();
  }

  #sayAutosaved(): void {
    if (this.#autosave) this.#post({ type: "autosaved", saved: this.#autosave.saved });
  }

  #closeAutosave(): void {
    this.#autosave?.close();
    this.#autosave = null;
  }

  async #export(drive: Extract<Command, { type: "exportDisk" }>["drive"]): Promise<void> {
    const contents = this.#keeper.contents(drive);
    if (!contents) return;
    this.#canceled = false;
    const { identity, source } = openNamed(contents.file);
    const size = mediumBytes(identity, source);
    const blob = source === contents.file.source && contents.file.source.size === size ? this.#keeper.blob(drive) : null;
    try {
      const data = await composeDisk(
        { size, source, blob, store: contents.store },
        { progress: (done) => this.#post({ type: "diskProgress", done, all: size }), canceled: () => this.#canceled },
      );
      const name = `${contents.file.name.replace(/\.[^.]*$/, "")}-changed.img`;
      this.#post(data ? { type: "diskReady", name, data } : { type: "diskFailed", reason: "It was canceled.", canceled: true });
    } catch (error) {
      this.#post({ type: "diskFailed", reason: error instanceof Error ? error.message : String(error), canceled: false });
    }
  }
}
