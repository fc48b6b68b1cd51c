// Every record of a running machine's log, in order and none lost: they are read before the ring overwrites them.

import { StatsReader } from "../protocol/stats-view.ts";
import { emptyRawTrap, TrapReader } from "../protocol/trap-record.ts";
import { disassembleBytes } from "./instruction.ts";
import { rowContext, TrapRow } from "./trap-row.ts";

/** What it needs of a machine. */
export interface LoggedMachine {
  readonly map: { readonly buffer: ArrayBufferLike; readonly view: { readonly stats: number; readonly trapRing: number; readonly trapSites: number } };
  readonly supervisor: { readonly log: { drain: ((total: number) => void) | null } };
}

export interface RecordFeed {
  /** Tells what has not been told yet. */
  flush(): void;
  /** The same, and nothing from then on. */
  end(): void;
}

/** Calls `record` for each record from now on: when half of the ring is full, and at `flush`. The row shows the next one afterwards. */
export function followRecords({ map: { buffer, view }, supervisor: { log } }: LoggedMachine, record: (row: TrapRow) => void): RecordFeed {
  const reader = new TrapReader(buffer, view.trapRing, view.trapSites);
  const raw = emptyRawTrap();
  const row = new TrapRow(raw, rowContext(new StatsReader(buffer, view.stats), disassembleBytes));
  let next = reader.total;
  const drain = (total: number): void => {
    for (; next < total; next++) {
      if (!reader.read(next, raw)) throw new Error(`record ${next} of the trap log was lost before it was read`);
      record(row);
    }
  };
  log.drain = drain;
  const flush = (): void => drain(reader.total);
  return {
    flush,
    end() {
      flush();
      log.drain = null;
    },
  };
}
