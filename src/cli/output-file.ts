// A file that an option names, to be written. What is wrong with it is said in one line, when it is opened or when it is full.

import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../base/errors.ts";

export class OutputFile {
  private readonly name: string;
  private readonly descriptor: number;
  private failed = false;

  private readonly own: boolean;

  /** `option` is the one that names it, for messages; `target` may be a descriptor, which stays open. */
  constructor(option: string, target: string | number) {
    this.own = typeof target === "string";
    this.name = typeof target === "string" ? `--${option} ${target}` : `--${option}`;
    try {
      this.descriptor = typeof target === "string" ? openSync(target, "w") : target;
    } catch (error) {
      throw new UsageError(`${this.name} cannot be written (${(error as Error).message}).`);
    }
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    try {
      for (let done = 0; done < bytes.length && !this.failed; ) done += writeSync(this.descriptor, bytes, done);
    } catch (error) {
      this.failed = true; // said once
      throw new UsageError(`${this.name} takes no more (${(error as Error).message}): make room, or choose another place.`);
    }
  }

  close(): void {
    if (this.own) closeSync(this.descriptor);
  }
}
