// A record of the shared log, decoded on demand: a filter that looks at the reason alone disassembles nothing.

import type { TechniqueId } from "../protocol/technique.ts";
import type { ActionName, ModeName, RawTrap, TrapKind } from "../protocol/trap-record.ts";
import { actionName, KIND_EXIT, KIND_LEAK, KINDS, modeName, reasonName, SITE_MODE_D, SITE_MODE_HCPL_SHIFT, SITE_MODE_VCPL } from "../protocol/trap-record.ts";
import type { StatsReader } from "../protocol/stats-view.ts";
import { effectText, exitError, exitVector } from "./effect.ts";
import type { Disassembler, TrapFields } from "./trap-fields.ts";

/** What decoding needs besides the record. */
export interface RowContext {
  /** Name of a mnemonic number (StatsReader.mnemonic). */
  readonly mnemonic: (id: number) => string;
  readonly disassemble: Disassembler;
  /** What the record of this number was written under (StatsReader.techniqueAt). */
  readonly technique: (sequence: number) => TechniqueId | null;
}

/** For the records of a machine whose counters these are. */
export function rowContext(stats: StatsReader, disassemble: Disassembler): RowContext {
  return { mnemonic: (id) => stats.mnemonic(id), disassemble, technique: (sequence) => stats.techniqueAt(sequence)?.technique ?? null };
}

/** A view of a RawTrap: shows whatever that holds at the moment. */
export class TrapRow implements TrapFields {
  private readonly raw: RawTrap;
  private readonly context: RowContext;

  constructor(raw: RawTrap, context: RowContext) {
    this.raw = raw;
    this.context = context;
  }

  get seq(): number { return this.raw.sequence; }
  get kind(): TrapKind { return KINDS[this.raw.kind] ?? "exit"; }
  get technique(): TechniqueId | null { return this.context.technique(this.raw.sequence); }
  get instruction(): string { return this.context.mnemonic(this.raw.mnemonicId); }
  get text(): string | null {
    const { bytes } = this;
    return bytes ? this.context.disassemble(bytes, this.raw.eip, (this.raw.mode & SITE_MODE_D) !== 0) : null;
  }
  get bytes(): Uint8Array | null { return this.raw.length > 0 ? this.raw.bytes.subarray(0, this.raw.length) : null; }
  get cs(): number { return this.raw.cs; }
  get eip(): number { return this.raw.eip; }
  get linear(): number { return this.raw.linear; }
  get icount(): number { return this.raw.icount; }
  get timeNs(): number { return this.raw.timeNs; }
  get vcpl(): number { return this.raw.mode & SITE_MODE_VCPL; }
  get hcpl(): number { return (this.raw.mode >> SITE_MODE_HCPL_SHIFT) & SITE_MODE_VCPL; }
  get mode(): ModeName { return modeName(this.raw.mode); }
  get reason(): string | null { return reasonName(this.raw.reason) || null; }
  get vector(): number | null { return exitVector(this.raw.kind, this.raw.reason, this.raw.a); }
  get error(): number | null { return exitError(this.raw.kind, this.raw.reason, this.raw.action, this.raw.a); }
  get action(): ActionName | null { return actionName(this.raw.action) || null; }
  get observed(): number | null { return this.raw.kind === KIND_EXIT ? null : this.raw.a; }
  get expected(): number | null { return this.raw.kind === KIND_LEAK ? this.raw.b : null; }
  get effect(): string | null { return effectText(this.raw.kind, this.raw.reason, this.raw.action, this.instruction, this.raw.a, this.raw.b); }
}

/** A copy that lasts. */
export function copyFields(row: TrapFields): TrapFields {
  return {
    seq: row.seq, kind: row.kind, technique: row.technique, instruction: row.instruction, text: row.text, bytes: row.bytes ? row.bytes.slice() : null, cs: row.cs, eip: row.eip,
    linear: row.linear, icount: row.icount, timeNs: row.timeNs, vcpl: row.vcpl, hcpl: row.hcpl, mode: row.mode, reason: row.reason,
    vector: row.vector, error: row.error, action: row.action, observed: row.observed, expected: row.expected, effect: row.effect,
  };
}
