// The machine as files: a snapshot of the whole, and the recording of its run.

import { ImageError } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import { Overlay } from "../block/overlay.ts";
import type { BlockDevice } from "../hardware/device.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import type { Machine } from "../machine/machine.ts";
import { MachineRam } from "../machine/ram-pages.ts";
import { encodeRecording, endOf, LATER_MEDIUM, type RecordedFile, recordedFile, recordedInputs } from "../machine/recording.ts";
import type { History } from "../machine/replay.ts";
import { filesDiffer, restoreSnapshot, takeSnapshot } from "../machine/snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "../machine/snapshot-file.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import { DRIVES } from "../protocol/image-info.ts";
import type { RecordedMake } from "../protocol/recorded.ts";
import { REMOVABLE_DRIVES } from "../machine/drives.ts";

/** Where a machine is kept in the browser's storage, and what is said of it. */
export interface AutosavePlace {
  readonly key: string;
  readonly name: string;
  readonly made: RecordedMake;
}

export class MachineFiles {
  readonly #config: MachineConfig;
  readonly #machine: Machine;
  readonly #open: (medium: Medium) => NamedSource;
  /** A disk held changes when the machine was made, or when it was put into its drive. */
  #changed: boolean;
  /** What was put into drives later. */
  readonly #later = new Map<BlockDevice, Medium>();
  #files: readonly RecordedFile[] | null = null;
  /** What was in the drives whose media change, when the machine was made. */
  readonly #first: ReadonlyMap<BlockDevice, string>;

  constructor(config: MachineConfig, machine: Machine, open: (medium: Medium) => NamedSource) {
    this.#config = config;
    this.#machine = machine;
    this.#open = open;
    this.#first = new Map(REMOVABLE_DRIVES.flatMap((drive) => {
      const device = machine.pc.mediumIn(drive);
      return device ? [[device, drive] as const] : [];
    }));
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

  /** `device`, made of `medium`, goes into a drive. */
  put(device: BlockDevice, medium: Medium): void {
    if (this.#later.has(device) || this.#first.has(device)) return;
    this.#later.set(device, medium);
    if (device instanceof Overlay && device.bytesHeld > 0) this.#changed = true;
  }

  get #stem(): string {
    return (this.#made[0]?.name ?? "machine").replace(/\.[^.]*$/, "");
  }

  /** The same for the same images; null where they lie on another server, which would have to be read for it, and for a run that is repeated. */
  get place(): AutosavePlace | null {
    if (this.#config.recording || this.#media.some(([, medium]) => "url" in medium.data)) return null;
    const { memoryBytes, clock, boot, append, force, title } = this.#config, { technique, ring, set } = this.#machine.supervisor;
    const text = this.#made.map(({ role, hash }) => `${role} ${hash}`).join("\n") + memoryBytes;
    return {
      key: new Sha256().update(new TextEncoder().encode(text)).hex().slice(0, 32), name: title ?? this.#made[0]?.name ?? "",
      made: { setup: { technique, ring, set, memoryBytes, clock, ...(boot ? { boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}) }, files: this.#made },
    };
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
    if (!inputs) throw new ImageError("A snapshot was restored: what came before is not in the recording. Start the machine again.");
    const files = [...this.#made], places = new Map([...this.#first].map(([device, role]) => [device, files.findIndex((file) => file.role === role)]));
    const place = (device: BlockDevice): number => {
      const own = places.get(device) ?? files.push(recordedFile(LATER_MEDIUM, this.#open(this.#later.get(device)!))) - 1;
      places.set(device, own);
      return own;
    };
    const recorded = recordedInputs(inputs, place);
    const { technique, ring, set } = this.#began;
    const bytes = encodeRecording({
      machine: {
        memoryBytes, cpu: machine.cpu.model.name, technique, ring, set, clock: clock === "real" ? "paced" : "virtual", epochMs: machine.clock.epochMs,
        ...(boot ? { boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}),
      },
      files, inputs: recorded, end: endOf(machine),
    });
    return { name: `${this.#stem}.trk`, bytes };
  }

  /** Another technique later is input. */
  get #began(): Pick<MachineConfig, "technique" | "ring" | "set"> {
    return this.#config;
  }
}
