// What a command loop needs of the worker it runs in.

import type { NamedSource } from "../machine/boot/boot-request.ts";
import type { Medium } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import type { DriveName } from "../protocol/image-info.ts";

/** What the worker gives: time, and a way to be called again. */
export interface Host {
  post(event: MachineEvent, transfer?: Transferable[]): void;
  /** A medium as bytes, with what the guest wrote to it before. */
  open(medium: Medium): NamedSource;
  /** What is in the drive now: one that was opened before, or none. */
  holds(drive: DriveName, medium: Medium | null): void;
  /** Memory can be shared with the page; if not, it is sent what changed. */
  readonly shares: boolean;
  /** Monotonic, in nanoseconds. */
  wallNs(): number;
  epochMs(): number;
  /** Calls `continue` after `delayMs`, or sooner when a message comes; 0: at once, but after waiting messages. */
  later(continueRun: () => void, delayMs: number): void;
}
