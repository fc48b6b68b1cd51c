// The trap log as a file, lossless.

import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../base/errors.ts";
import type { Machine } from "../machine/machine.ts";
import type { TrapPredicate } from "../trace/filter.ts";
import { jsonlHeader, jsonlLine, type LogHeader } from "../trace/jsonl.ts";
import { followRecords, type RecordFeed } from "../trace/record-feed.ts";

const WRITE_CHARACTERS = 1 << 16;

export class TrapLogFile {
  private readonly descriptor: number;
  private readonly feed: RecordFeed;
  private text: string;

  constructor(path: string, machine: Machine, header: LogHeader, test: TrapPredicate) {
    try {
      this.descriptor = openSync(path, "w");
    } catch (error) {
      throw new UsageError(`--trap-log ${path} cannot be written (${(error as Error).message}).`);
    }
    this.text = jsonlHeader(header);
    this.feed = followRecords(machine, (row) => {
      if (!test(row)) return;
      this.text += jsonlLine(row, header);
      if (this.text.length >= WRITE_CHARACTERS) this.flush();
    });
  }

  private flush(): void {
    writeSync(this.descriptor, this.text);
    this.text = "";
  }

  close(): void {
    this.feed.end();
    this.flush();
    closeSync(this.descriptor);
  }
}
