// Writes what the ring holds, filtered, as a file.

import type { LogFormat } from "../protocol/commands.ts";
import { emptyRawTrap } from "../protocol/trap-record.ts";
import type { TrapReader } from "../protocol/trap-record.ts";
import { csvHeader, csvLine } from "./csv.ts";
import type { TrapPredicate } from "./filter.ts";
import type { LogHeader } from "./jsonl.ts";
import { jsonlHeader, jsonlLine, type Marks } from "./jsonl.ts";
import { PerfettoWriter } from "./perfetto.ts";
import type { TrapFields } from "./trap-fields.ts";
import type { RowContext } from "./trap-row.ts";
import { TrapRow } from "./trap-row.ts";

/** Grows by doubling: no string of the whole log is ever built. Every character that the formats write is ASCII. */
class AsciiBuffer {
  private bytes = new Uint8Array(1 << 16);
  private length = 0;

  add(text: string): void {
    if (this.length + text.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + text.length));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i);
  }

  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

/** File name ending of each format. */
export const LOG_ENDINGS: Readonly<Record<LogFormat, string>> = { jsonl: "jsonl", csv: "csv", perfetto: "perfetto.json" };

export interface ExportedLog {
  readonly bytes: Uint8Array;
  readonly records: number;
}

/** How a format begins, writes a record, and ends. */
export interface LogWriter {
  readonly head: string;
  readonly tail: string;
  line(trap: TrapFields): string;
}

function logWriter(format: LogFormat, header: LogHeader, marks: Marks): LogWriter {
  switch (format) {
    case "jsonl": return { head: jsonlHeader(header), tail: "", line: (trap) => jsonlLine(trap, header, marks) };
    case "csv": return { head: csvHeader(), tail: "", line: (trap) => csvLine(trap, marks) };
    case "perfetto": return new PerfettoWriter(header, marks);
  }
}

/** Records that are overwritten while they are read are left out. */
export function exportLog(reader: TrapReader, context: RowContext, header: LogHeader, test: TrapPredicate, format: LogFormat, marks: Marks): ExportedLog {
  const out = new AsciiBuffer();
  const writer = logWriter(format, header, marks);
  out.add(writer.head);
  const raw = emptyRawTrap();
  const row = new TrapRow(raw, context);
  let records = 0;
  const end = reader.total;
  for (let sequence = reader.oldest; sequence < end; sequence++) {
    if (!reader.read(sequence, raw) || !test(row)) continue;
    out.add(writer.line(row));
    records++;
  }
  out.add(writer.tail);
  return { bytes: out.take(), records };
}
