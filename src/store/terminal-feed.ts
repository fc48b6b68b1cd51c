// Bytes on their way into a terminal, no faster than it can draw. A flood that nobody could read is cut in the middle, and says so.

const IN_FLIGHT_BYTES = 256 * 1024;
const HELD_BYTES = 4 << 20;

export interface TerminalSink {
  /** `done` is called when the bytes are drawn. */
  write(bytes: Uint8Array | string, done?: () => void): void;
}

export class TerminalFeed {
  private readonly sink: TerminalSink;
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private inFlight = 0;
  private skipped = 0;

  constructor(sink: TerminalSink) {
    this.sink = sink;
  }

  write(bytes: Uint8Array): void {
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    while (this.heldBytes > HELD_BYTES && this.held.length > 1) {
      const lost = this.held.shift()?.length ?? 0;
      this.heldBytes -= lost;
      this.skipped += lost;
    }
    this.pump();
  }

  clear(): void {
    this.held = [];
    this.heldBytes = this.skipped = 0;
  }

  private pump(): void {
    while (this.inFlight < IN_FLIGHT_BYTES) {
      if (this.skipped > 0) {
        this.sink.write(`\r\n\x1b[0;7m ${this.skipped.toLocaleString("en-US")} bytes skipped \x1b[0m\r\n`);
        this.skipped = 0;
      }
      const next = this.held.shift();
      if (!next) return;
      this.heldBytes -= next.length;
      this.inFlight += next.length;
      this.sink.write(next, () => {
        this.inFlight -= next.length;
        this.pump();
      });
    }
  }
}
