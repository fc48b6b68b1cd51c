// The trap log as a file, lossless: records are read out of the ring before it overwrites them.

import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../base/errors.ts";
import type { Machine } from "../machine/machine.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { emptyRawTrap, TrapReader } from "../protocol/trap-record.ts";
import type { TrapPredicate } from "../trace/filter.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { jsonlHeader, jsonlLine, type LogHeader } from "../trace/jsonl.ts";
import { rowContext, TrapRow } from "../trace/trap-row.ts";

const WRITE_CHARACTERS = 1 << 16;

export class TrapLogFile {
  private readonly descriptor: number;
  private readonly reader: TrapReader;
  private readonly raw = emptyRawTrap();
  private readonly row: TrapRow;
  private readonly test: TrapPredicate;
  private readonly header: LogHeader;
  private next = 0;
  private text: string;

  constructor(path: string, machine: Machine, header: LogHeader, test: TrapPredicate) {
    try {
      this.descriptor = openSync(path, "w");
    } catch (error) {
      throw new UsageError(`--trap-log ${path} cannot be written (${(error as Error).message}).`);
    }
    const { buffer, view } = machine.map;
    const stats = new StatsReader(buffer, view.stats);
    this.reader = new TrapReader(buffer, view.trapRing, view.trapSites);
    this.row = new TrapRow(this.raw, rowContext(stats, disassembleBytes));
    this.test = test;
    this.header = header;
    this.text = jsonlHeader(header);
    this.next = this.reader.total;
    machine.supervisor.log.drain = (total) => this.drain(total);
  }

  /** Writes the records up to `total`. */
  private drain(total: number): void {
    for (; this.next < total; this.next++) {
      if (!this.reader.read(this.next, this.raw)) throw new Error(`record ${this.next} of the trap log was lost before it was written`);
      if (!this.test(this.row)) continue;
      this.text += jsonlLine(this.row, this.header);
      if (this.text.length >= WRITE_CHARACTERS) this.flush();
    }
  }

  private flush(): void {
    writeSync(this.descriptor, this.text);
    this.text = "";
  }

  close(): void {
    this.drain(this.reader.total);
    this.flush();
    closeSync(this.descriptor);
  }
}
