// COM1 on this terminal, in a file, or nowhere; and its last bytes for the report.

import { readFileSync, fstatSync } from "node:fs";
import { OutputFile } from "./output-file.ts";

const TAIL_CHARACTERS = 4096;
/** A character of UTF-8 has at most four bytes. */
const TAIL_BYTES = TAIL_CHARACTERS * 4;
const FLUSH_BYTES = 1 << 16;
const CTRL_A = 1;

export class SerialOutput {
  private readonly sink: ((bytes: Uint8Array) => void) | null;
  private readonly file: OutputFile | null = null;
  private readonly pending = new Uint8Array(FLUSH_BYTES);
  private pendingLength = 0;
  private readonly tail = new Uint8Array(TAIL_BYTES);
  private received = 0;

  /** `target`: "-", "none" or a file name. With `json` the terminal means stderr: stdout holds one line alone. */
  constructor(target: string, json: boolean) {
    if (target === "none") this.sink = null;
    else if (target === "-") {
      const stream = json ? process.stderr : process.stdout;
      this.sink = (bytes) => void stream.write(bytes.slice());
    } else {
      const file = new OutputFile("serial", target);
      this.file = file;
      this.sink = (bytes) => file.write(bytes);
    }
  }

  byte(value: number): void {
    this.tail[this.received++ % TAIL_BYTES] = value;
    if (!this.sink) return;
    this.pending[this.pendingLength++] = value;
    if (this.pendingLength === FLUSH_BYTES) this.flush();
  }

  flush(): void {
    if (this.pendingLength === 0 || !this.sink) return;
    this.sink(this.pending.subarray(0, this.pendingLength));
    this.pendingLength = 0;
  }

  close(): void {
    this.flush();
    this.file?.close();
  }

  /** The last 4,096 characters. */
  get tailText(): string {
    const length = Math.min(this.received, TAIL_BYTES);
    const bytes = Uint8Array.from({ length }, (_, i) => this.tail[(this.received - length + i) % TAIL_BYTES]!);
    return [...new TextDecoder().decode(bytes)].slice(-TAIL_CHARACTERS).join("");
  }
}

/** This terminal's keyboard, or what is piped in, as bytes for COM1. Ctrl+A x quits a terminal, Ctrl+A a sends Ctrl+A. */
export class SerialInput {
  private readonly receive: (byte: number) => void;
  private readonly onQuit: () => void;
  private readonly raw: boolean;
  private readonly listener = (bytes: Buffer): void => this.take(bytes);
  private escaped = false;
  private wake: (() => void) | null = null;
  private opened = false;

  constructor(receive: (byte: number) => void, onQuit: () => void) {
    this.receive = receive;
    this.onQuit = onQuit;
    this.raw = process.stdin.isTTY === true;
  }

  open(): void {
    // A file is there as a whole: read at once, the same run gives the same log.
    if (isFile(0)) {
      this.take(readFileSync(0));
      return;
    }
    this.opened = true;
    if (this.raw) {
      process.stdin.setRawMode(true);
      process.stderr.write("trapscope: this terminal is COM1 of the guest; Ctrl+A x quits.\r\n");
    }
    process.stdin.on("data", this.listener);
  }

  private take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (!this.raw || (!this.escaped && byte !== CTRL_A)) this.receive(byte);
      else if (!this.escaped) this.escaped = true;
      else {
        this.escaped = false;
        if (byte === 0x78 || byte === 0x18) this.onQuit();
        else if (byte === 0x61 || byte === CTRL_A) this.receive(CTRL_A);
      }
    }
    this.wake?.();
  }

  /** Lets input arrive; with `milliseconds` > 0 sleeps until then, or until there is input. */
  async wait(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      if (milliseconds <= 0) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }

  /** Ends a sleep from outside. */
  interrupt(): void {
    this.wake?.();
  }

  close(): void {
    if (!this.opened) return;
    process.stdin.off("data", this.listener);
    if (this.raw) process.stdin.setRawMode(false);
    process.stdin.destroy();
  }
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}
