// The trap log as a file, lossless.

import type { Machine } from "../machine/machine.ts";
import type { TrapPredicate } from "../trace/filter.ts";
import { jsonlHeader, jsonlLine, type LogHeader } from "../trace/jsonl.ts";
import { followRecords, type RecordFeed } from "../trace/record-feed.ts";
import { OutputFile } from "./output-file.ts";

const WRITE_CHARACTERS = 1 << 16;

export class TrapLogFile {
  private readonly file: OutputFile;
  private readonly feed: RecordFeed;
  private text: string;

  constructor(path: string, machine: Machine, header: LogHeader, test: TrapPredicate) {
    this.file = new OutputFile("trap-log", path);
    this.text = jsonlHeader(header);
    this.feed = followRecords(machine, (row) => {
      if (!test(row)) return;
      this.text += jsonlLine(row, header);
      if (this.text.length >= WRITE_CHARACTERS) this.flush();
    });
  }

  private flush(): void {
    this.file.write(this.text);
    this.text = "";
  }

  close(): void {
    this.feed.end();
    this.flush();
    this.file.close();
  }
}
