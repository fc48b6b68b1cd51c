// What a page gets of its machine: bytes of the serial ports, sound, pictures, what is in the drives, and memory where it has only a copy.

import type { BlockDevice } from "../hardware/device.ts";
import { REMOVABLE_DRIVES, type RemovableDrive } from "../machine/drives.ts";
import type { Machine } from "../machine/machine.ts";
import { ScreenPublisher } from "../machine/screen-publisher.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import { SoundWriter } from "../protocol/sound-view.ts";
import type { Host } from "./host.ts";
import { ViewMirror } from "./view-mirror.ts";

const FRAME_NS = 16e6;
/** Where the page has a copy, it is brought up to date so often. */
const MIRROR_NS = 50e6;

export class PageOutput {
  readonly #host: Host;
  readonly #machine: Machine;
  readonly #screen: ScreenPublisher;
  readonly #mirror: ViewMirror | null;
  readonly #serial: [number[], number[]] = [[], []];
  readonly #debugBytes: number[] = [];
  /** What the media of the machine were made of. */
  readonly #media = new Map<BlockDevice, Medium>();
  readonly #toldMedia = new Map<RemovableDrive, BlockDevice | null>();
  #lastFrameNs = 0;

  /** `again`: the machine does what it did before, and that is not to be heard twice. */
  constructor(host: Host, machine: Machine, drives: MachineConfig["drives"], again: () => boolean) {
    this.#host = host;
    this.#machine = machine;
    this.#screen = new ScreenPublisher(machine.pc, machine.map);
    this.#mirror = host.shares ? null : new ViewMirror(machine.map.buffer, machine.map.view);
    const sound = new SoundWriter(machine.map.buffer, machine.map.view.sound);
    machine.events.serial = (port, byte) => !again() && this.#serial[port].push(byte);
    machine.events.debugConsole = (byte) => !again() && this.#debugBytes.push(byte);
    machine.events.notice = (text) => !again() && host.post({ type: "notice", text });
    machine.events.speaker = (timeNs, hz, high) => !again() && sound.write({ timeNs, hz, high });
    for (const drive of REMOVABLE_DRIVES) {
      const medium = machine.pc.mediumIn(drive), given = drives[drive];
      this.#toldMedia.set(drive, medium);
      if (medium && given) this.#media.set(medium, given);
    }
  }

  /** The memory that the page reads: the machine's own, or what its copy begins with. */
  firstView(): ArrayBufferLike {
    return this.#mirror?.first() ?? this.#machine.map.buffer;
  }

  /** `device` was made of `medium`. */
  know(device: BlockDevice, medium: Medium): void {
    this.#media.set(device, medium);
  }

  /** Between two slices of a run: bytes at once, the rest once a frame. */
  tick(nowNs: number): void {
    this.#flushBytes();
    if (nowNs - this.#lastFrameNs < (this.#mirror ? MIRROR_NS : FRAME_NS)) return;
    this.#lastFrameNs = nowNs;
    this.#screen.publish();
    this.tellMedia();
    this.sendChanges();
  }

  /** Brings everything that the page reads up to date. */
  show(): void {
    this.#machine.supervisor.publish();
    this.#machine.publishCodeWindow();
    this.tellMedia();
    this.#flushBytes();
    this.#screen.publish();
    this.sendChanges();
  }

  sendChanges(): void {
    const changes = this.#mirror?.changes();
    if (changes) this.#host.post({ type: "mirrored", ...changes }, [changes.data.buffer as ArrayBuffer]);
  }

  /** On the way back and forward again the drives hold what they held then. */
  tellMedia(): void {
    for (const drive of REMOVABLE_DRIVES) {
      const medium = this.#machine.pc.mediumIn(drive), own = medium && (this.#media.get(medium) ?? null);
      if (this.#toldMedia.get(drive) === medium) continue;
      this.#toldMedia.set(drive, medium);
      this.#host.holds(drive, own);
      this.#host.post({ type: "mediaChanged", drive, name: own?.name ?? null });
    }
  }

  #flushBytes(): void {
    for (const port of [0, 1] as const) {
      const bytes = this.#serial[port];
      if (bytes.length === 0) continue;
      this.#host.post({ type: "serial", port, bytes: Uint8Array.from(bytes) });
      bytes.length = 0;
    }
    if (this.#debugBytes.length === 0) return;
    this.#host.post({ type: "debugConsole", bytes: Uint8Array.from(this.#debugBytes) });
    this.#debugBytes.length = 0;
  }
}
