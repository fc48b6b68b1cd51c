// A source read from front to back, a little at a time.

import type { ByteSource } from "../hardware/device.ts";

const BUFFER_BYTES = 256 * 1024;

export class BufferedReader {
  readonly #source: ByteSource;
  readonly #tooShort: () => Error;
  #buffer = new Uint8Array(0);
  #at = 0;
  /** Where in the source the buffer begins. */
  #base = 0;

  constructor(source: ByteSource, tooShort: () => Error) {
    this.#source = source;
    this.#tooShort = tooShort;
  }

  get offset(): number {
    return this.#base + this.#at;
  }
  get left(): number {
    return this.#source.size - this.offset;
  }
  get atEnd(): boolean {
    return this.left === 0;
  }

  #fill(): void {
    this.#base += this.#buffer.length;
    this.#at = 0;
    const length = Math.min(BUFFER_BYTES, this.#source.size - this.#base);
    if (length <= 0) throw this.#tooShort();
    this.#buffer = new Uint8Array(length);
    this.#source.read(this.#base, this.#buffer);
  }

  byte(): number {
    if (this.#at >= this.#buffer.length) this.#fill();
    return this.#buffer[this.#at++];
  }

  peek(): number {
    if (this.#at >= this.#buffer.length) this.#fill();
    return this.#buffer[this.#at];
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw this.#tooShort();
    const into = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      if (this.#at >= this.#buffer.length) this.#fill();
      const part = this.#buffer.subarray(this.#at, this.#at + length - done);
      into.set(part, done);
      done += part.length;
      this.#at += part.length;
    }
    return into;
  }
}
