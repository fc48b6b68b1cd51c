// Commands that wait for files stand in a queue; all others pass them, but never a machine that is still being made.

import { ImageError } from "../base/errors.ts";
import { mediumBytes, openNamed } from "../machine/boot/boot-request.ts";
import type { Command } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import { findAutosave, readAutosave, writeAutosave } from "./autosave.ts";
import { composeDisk } from "./disk-export.ts";
import type { DriveKeeper } from "./drive-keeper.ts";

/** What of the machine is kept in the browser's storage. */
export interface Autosaving {
  readonly key: () => string | null;
  readonly machine: () => { readonly key: string; readonly take: () => Uint8Array } | null;
  readonly nowMs: () => number;
}

export class CommandQueue {
  readonly #perform: (command: Command) => void;
  readonly #keeper: DriveKeeper;
  readonly #post: (event: MachineEvent) => void;
  readonly #autosaving: Autosaving;
  #last: Promise<void> = Promise.resolve();
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
          await this.#keeper.prepareAll(command.config).finally(() => this.#creating--);
          this.#perform(command);
          this.#keeper.publish();
          await this.#sayAutosaved();
        });
      case "autosave":
        return this.#enqueue(() => this.#autosave());
      case "restoreAutosave":
        return this.#enqueue(async () => {
          const key = this.#autosaving.key(), data = key === null ? null : await readAutosave(key);
          if (data) this.#perform({ type: "restoreSnapshot", file: { name: "The machine as it was left", data } });
          else await this.#sayAutosaved();
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
          this.#keeper.release(command.drive);
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
          this.#keeper.releaseAll();
        });
      default:
        if (this.#creating === 0 || command.type === "identify") this.#perform(command);
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

  async #autosave(): Promise<void> {
    const machine = this.#autosaving.machine();
    if (!machine) return;
    await writeAutosave(machine.key, machine.take(), this.#autosaving.nowMs());
    await this.#sayAutosaved();
  }

  async #sayAutosaved(): Promise<void> {
    const key = this.#autosaving.key();
    if (key !== null) this.#post({ type: "autosaved", saved: await findAutosave(key) });
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
