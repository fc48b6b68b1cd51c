// A crystal: whole cycles since power-on from guest nanoseconds, and back, exactly.
// Seconds and the rest are converted apart so that every product stays below 2^53.

export class Oscillator {
  readonly hz: number;

  constructor(hz: number) {
    this.hz = hz;
  }

  /** Cycles that are over at `ns`. */
  cyclesAt(ns: number): number {
    const seconds = Math.floor(ns / 1e9);
    return seconds * this.hz + Math.floor(((ns - seconds * 1e9) * this.hz) / 1e9);
  }

  /** The first nanosecond at which `cyclesAt` is at least `cycles`. */
  nsOf(cycles: number): number {
    const seconds = Math.floor(cycles / this.hz);
    return seconds * 1e9 + Math.ceil(((cycles - seconds * this.hz) * 1e9) / this.hz);
  }
}
