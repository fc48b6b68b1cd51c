// Where the answer to one question lies: shared memory on which the asking thread sleeps until it is there. Beside it, the wish that a
// run end, which no message could bring to a thread that runs or sleeps.

const STATE = 0, VALUE = 1, STOP = 2, HEADER_BYTES = 16;
const EMPTY = 0, ANSWERED = 1, FAILED = 2;

/** Bytes that one answer can hold. */
export const MAILBOX_BYTES = 1 << 18;

export class Mailbox {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly data: Uint8Array;

  constructor(buffer = new SharedArrayBuffer(HEADER_BYTES + MAILBOX_BYTES)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, HEADER_BYTES >> 2);
    this.data = new Uint8Array(buffer, HEADER_BYTES);
  }

  /** In the worker, after the question was posted. `into` gets the answer's bytes; the result is its number. */
  wait(into?: Uint8Array): number {
    const { words, data } = this;
    Atomics.wait(words, STATE, EMPTY);
    const state = Atomics.load(words, STATE), value = words[VALUE]! >>> 0;
    if (state === FAILED) {
      const text = new TextDecoder().decode(data.slice(0, value));
      Atomics.store(words, STATE, EMPTY);
      throw new Error(text);
    }
    into?.set(data.subarray(0, into.length));
    Atomics.store(words, STATE, EMPTY);
    return value;
  }

  askStop(): void {
    Atomics.store(this.words, STOP, 1);
  }

  get stopAsked(): boolean {
    return Atomics.load(this.words, STOP) !== 0;
  }

  forgetStop(): void {
    Atomics.store(this.words, STOP, 0);
  }

  answer(value: number, bytes?: Uint8Array): void {
    if (bytes) this.data.set(bytes);
    this.put(ANSWERED, value);
  }

  fail(reason: string): void {
    const text = new TextEncoder().encode(reason).subarray(0, MAILBOX_BYTES);
    this.data.set(text);
    this.put(FAILED, text.length);
  }

  private put(state: number, value: number): void {
    this.words[VALUE] = value;
    Atomics.store(this.words, STATE, state);
    Atomics.notify(this.words, STATE);
  }
}
