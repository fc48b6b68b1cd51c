// Notices a guest that is lost: it runs on without end, and nothing it does reaches the monitor any more. A kernel that stopped
// itself in a loop after it had acted on a leak looks like this; so does one that leaks and leaves its devices waiting for an
// interrupt to be taken. A guest that merely computes for long does neither.

import type { Refusal } from "./vmm.ts";

/** Guest instructions without an exit: with the virtual clock, 10 seconds of the guest's time. */
export const SILENCE = 1e9;

export interface WatchdogParts {
  /** Instructions that have retired. */
  readonly retired: () => number;
  /** Instructions that had retired at the last exit. */
  readonly lastExit: () => number;
  readonly leaks: () => number;
  /** One of them changed what the guest did. */
  readonly leakMattered: () => boolean;
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
    const suspect = parts.leakMattered() || (parts.leaks() > 0 && parts.interruptRequested());
    if (!suspect || acknowledged !== this.acknowledged) {
      this.since = parts.retired();
      this.acknowledged = acknowledged;
      return;
    }
    const { eip, bytes } = parts.place();
    const reason = `the guest is lost: for ${SILENCE / 1e6} million instructions nothing it did has reached the monitor, not even an interrupt taken`;
    this.lost = { reason, eip, bytes };
  }

  private get begin(): number {
    return Math.max(this.since, this.parts.lastExit());
  }
}
