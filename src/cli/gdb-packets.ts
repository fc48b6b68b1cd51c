// Packets of the GDB remote serial protocol. GDB manual, appendix "GDB Remote Serial Protocol", "Overview", "Interrupts".
// A packet is text of 8-bit characters; what is binary in it is escaped.
//
// Not implemented: run-length encoding in what is sent.

const DOLLAR = 0x24, HASH = 0x23, PLUS = 0x2b, MINUS = 0x2d, ESCAPE = 0x7d, INTERRUPT = 3;
/** A debugger that sends more without an end has gone mad. */
const LONGEST_PACKET = 1 << 20;

export interface PacketEvents {
  packet(text: string): void;
  /** Ctrl+C. */
  interrupt(): void;
  acknowledged(): void;
  /** The last packet that was sent, or received, was damaged. */
  sendAgain(): void;
  damaged(): void;
}

/** Cuts a stream of bytes into packets. */
export class PacketReader {
  private readonly events: PacketEvents;
  private body: number[] | null = null;
  /** Digits of the checksum that are still to come. */
  private digits = "";
  private inChecksum = false;

  constructor(events: PacketEvents) {
    this.events = events;
  }

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) this.take(byte);
  }

  private take(byte: number): void {
    if (this.inChecksum) {
      this.digits += String.fromCharCode(byte);
      if (this.digits.length === 2) this.end();
    } else if (byte === DOLLAR) this.body = [];
    else if (this.body === null) this.single(byte);
    else if (byte === HASH) {
      this.inChecksum = true;
      this.digits = "";
    } else if (this.body.length < LONGEST_PACKET) this.body.push(byte);
    else this.body = null;
  }

  private single(byte: number): void {
    if (byte === INTERRUPT) this.events.interrupt();
    else if (byte === PLUS) this.events.acknowledged();
    else if (byte === MINUS) this.events.sendAgain();
  }

  private end(): void {
    const body = this.body ?? [];
    this.body = null;
    this.inChecksum = false;
    if (Number.parseInt(this.digits, 16) === checksum(body)) this.events.packet(unescaped(body));
    else this.events.damaged();
  }
}

function checksum(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum = (sum + byte) & 0xff;
  return sum;
}

function unescaped(bytes: readonly number[]): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] === ESCAPE && i + 1 < bytes.length ? bytes[++i]! ^ 0x20 : bytes[i]!);
  return text;
}

/** A packet around a text of 8-bit characters. */
export function framePacket(text: string): Uint8Array {
  const body: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) & 0xff;
    // Also `*`, which would begin a run length.
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === 0x2a) body.push(ESCAPE, byte ^ 0x20);
    else body.push(byte);
  }
  const digits = checksum(body).toString(16).padStart(2, "0");
  return Uint8Array.of(DOLLAR, ...body, HASH, digits.charCodeAt(0), digits.charCodeAt(1));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** Null where the text is no pairs of hexadecimal digits. */
export function bytesOfHex(text: string): Uint8Array | null {
  return text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text) ? Uint8Array.from(Buffer.from(text, "hex")) : null;
}

export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}
