// The machine as files: a snapshot of the whole, and the recording of its run.

import { ImageError } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import type { Machine } from "../machine/machine.ts";
import { MachineRam } from "../machine/ram-pages.ts";
import { encodeRecording, endOf, type RecordedFile, recordedFile } from "../machine/recording.ts";
import type { History } from "../machine/replay.ts";
import { filesDiffer, restoreSnapshot, takeSnapshot } from "../machine/snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "../machine/snapshot-file.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import { DRIVES } from "../protocol/image-info.ts";

export class MachineFiles {
  readonly #config: MachineConfig;
  readonly #machine: Machine;
  readonly #open: (medium: Medium) => NamedSource;
  /** The disks held changes when the machine was made. */
  readonly #changed: boolean;
  #files: readonly RecordedFile[] | null = null;

  constructor(config: MachineConfig, machine: Machine, open: (medium: Medium) => NamedSource) {
    this.#config = config;
    this.#machine = machine;
    this.#open = open;
    this.#changed = [...machine.pc.writableMedia.values()].some(({ bytesHeld }) => bytesHeld > 0);
  }

  get #media(): readonly (readonly [role: string, medium: Medium])[] {
    const { drives, kernel, initrd, multiboot, modules = [] } = this.#config;
    const named: (readonly [string, Medium | undefined])[] = [
      ...DRIVES.map((drive) => [drive, drives[drive]] as const), ["kernel", kernel], ["initrd", initrd], ["multiboot", multiboot], ...modules.map((medium) => ["module", medium] as const),
    ];
    return named.flatMap(([role, medium]) => (medium ? [[role, medium] as const] : []));
  }

  /** What the machine was made of; read when it is first asked for. */
  get #made(): readonly RecordedFile[] {
    return (this.#files ??= this.#media.map(([role, medium]) => recordedFile(role, this.#open(medium))));
  }

  get #stem(): string {
    return (this.#made[0]?.name ?? "machine").replace(/\.[^.]*$/, "");
  }

  /** The same for the same images; null where they lie on another server, which would have to be read for it. */
  get key(): string | null {
    if (this.#media.some(([, medium]) => "url" in medium.data)) return null;
    const text = this.#made.map(({ role, hash }) => `${role} ${hash}`).join("\n") + this.#config.memoryBytes;
    return new Sha256().update(new TextEncoder().encode(text)).hex().slice(0, 32);
  }

  snapshot(): { readonly name: string; readonly bytes: Uint8Array } {
    const files = this.#made.map(({ role, name, hash }) => ({ role, name, hash }));
    return { name: `${this.#stem}.trapsnap`, bytes: encodeSnapshot({ ...takeSnapshot(this.#machine, new MachineRam(this.#machine)), files }) };
  }

  /** Throws an ImageError that says why it cannot be. */
  restore(bytes: Uint8Array): void {
    const snapshot = decodeSnapshot(bytes);
    const why = snapshot.files ? filesDiffer(snapshot.files, this.#made) : null;
    if (why !== null) throw new ImageError(`This snapshot cannot be restored here: ${why}.`);
    restoreSnapshot(this.#machine, new MachineRam(this.#machine), snapshot);
  }

  recording(history: History): { readonly name: string; readonly bytes: Uint8Array } {
    const { memoryBytes, clock, boot, append, force } = this.#config;
    const machine = this.#machine;
    if (this.#changed) throw new ImageError("The disk held changes from before when the machine started, and a recording begins with the image as it is. Forget the changes under Drives, and start again.");
    const { inputs } = history;
    if (!inputs) throw new ImageError("A medium was changed, or a snapshot restored: what came before is not in the recording. Start the machine again.");
    const { technique, ring, set } = this.#began;
    const bytes = encodeRecording({
      machine: {
        memoryBytes, cpu: machine.cpu.model.name, technique, ring, set, clock: clock === "real" ? "paced" : "virtual", epochMs: machine.clock.epochMs,
        ...(boot ? { boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}),
      },
      files: this.#made, inputs, end: endOf(machine),
    });
    return { name: `${this.#stem}.trk`, bytes };
  }

  /** Another technique later is input. */
  get #began(): Pick<MachineConfig, "technique" | "ring" | "set"> {
    return this.#config;
  }
}
