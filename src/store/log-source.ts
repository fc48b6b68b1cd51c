// Where the trap panel's rows come from: the ring of a machine, or a log that was opened from a file.

import { emptyRawTrap } from "../protocol/trap-record.ts";
import type { TrapReader } from "../protocol/trap-record.ts";
import type { TrapFields } from "../trace/trap-fields.ts";
import type { RowContext } from "../trace/trap-row.ts";
import { TrapRow } from "../trace/trap-row.ts";

export interface LogSource {
  /** The next sequence number. */
  readonly total: number;
  /** The oldest record still held. */
  readonly oldest: number;
  /** A row that lasts until the next `read`; null when it is lost. */
  read(sequence: number): TrapFields | null;
}

export function ringSource(reader: TrapReader, context: RowContext): LogSource {
  const raw = emptyRawTrap();
  const row = new TrapRow(raw, context);
  return {
    get total() { return reader.total; },
    get oldest() { return reader.oldest; },
    read: (sequence) => (reader.read(sequence, raw) ? row : null),
  };
}

/** Rows by position: an exported log may start anywhere and have gaps. */
export function listSource(traps: readonly TrapFields[]): LogSource {
  return { total: traps.length, oldest: 0, read: (position) => traps[position] ?? null };
}
