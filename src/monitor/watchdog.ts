// Notices a guest that is lost: it runs on without end, and nothing it does reaches the monitor any more, not even the
// interrupts that its own devices ask for. A kernel that stopped itself in a loop after a leak looks like this; a guest that
// computes for long with its interrupts masked at the controller does not.

import type { Refusal } from "./vmm.ts";

/** Guest instructions without an exit: with the virtual clock, 20 seconds of the guest's time. */
export const SILENCE = 2e9;

export interface WatchdogParts {
  /** Instructions that have retired. */
  readonly retired: () => number;
  /** Instructions that had retired at the last exit. */
  readonly lastExit: () => number;
  readonly leaks: () => number;
  /** Interrupts that the guest's processor has taken. */
  readonly acknowledged: () => number;
  /** A device asks for an interrupt that the guest has not masked at the controller. */
  readonly interruptRequested: () => boolean;
  /** Where the guest is: EIP and the bytes there. */
  readonly place: () => { readonly eip: number; readonly bytes: Uint8Array };
}

export class Watchdog {
  private readonly parts: WatchdogParts;
  private since: number;
  private acknowledged: number;
  lost: Refusal | null = null;

  constructor(parts: WatchdogParts) {
    this.parts = parts;
    this.since = parts.retired();
    this.acknowledged = parts.acknowledged();
  }

  /** Instructions until it is time to look: where it looks depends on the guest alone, not on how its time is sliced. */
  get room(): number {
    return this.begin + SILENCE - this.parts.retired();
  }

  /** Call when `room` may be used up. */
  look(): void {
    const { parts } = this;
    if (this.room > 0) return;
    const acknowledged = parts.acknowledged();
    if (parts.leaks() === 0 || acknowledged !== this.acknowledged || !parts.interruptRequested()) {
      this.since = parts.retired();
      this.acknowledged = acknowledged;
      return;
    }
    const { eip, bytes } = parts.place();
    const reason = `the guest is lost: for ${SILENCE / 1e6} million instructions nothing it did has reached the monitor, while a device waits for it to take an interrupt`;
    this.lost = { reason, eip, bytes };
  }

  private get begin(): number {
    return Math.max(this.since, this.parts.lastExit());
  }
}
