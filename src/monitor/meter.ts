// How much of the host's time the monitor takes: measured at one exit in SAMPLE, as reading a clock costs as much as a short
// exit does. The clock comes from outside and nothing of the guest depends on it.

/** A prime: a loop of a few exits is not met at the same one each time. */
const SAMPLE = 61;

export class MonitorMeter {
  /** Host time in the monitor so far. */
  ns = 0;
  private readonly now: (() => number) | null;
  private exits = 0;
  private since = -1;

  /** `now`: a monotonic clock in ns; null: nothing is measured. */
  constructor(now: (() => number) | null) {
    this.now = now;
  }

  /** The guest has left to the monitor. */
  left(): void {
    if (this.now !== null && this.exits++ % SAMPLE === 0) this.since = this.now();
  }

  /** The guest is about to run. */
  enters(): void {
    if (this.since < 0) return;
    this.ns += (this.now!() - this.since) * SAMPLE;
    this.since = -1;
  }

  /** The host was about something else: what is being measured does not count. */
  forget(): void {
    this.since = -1;
  }
}
