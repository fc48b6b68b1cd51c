// The guest's registers before and after each of the newest records of the trap log: a ring of its own beside the log's, as most
// records are never looked at so closely. A slot: u32 sequence number + 1, u32 0, 11 words before, 11 words after. What is in it can be
// seen once the log has published the record, with what the log waits for then; nothing is waited for here.

import { GUARD_SLOTS } from "../base/shared-ring.ts";
import { GPR_NAMES } from "./register-view.ts";

export const REGISTER_SLOTS = 1 << 14;
/** What is kept: the general registers in their order, then these. EFLAGS, CS and CPL are those that the guest believes in. */
export const TRACED_REGISTERS = [...GPR_NAMES, "EIP", "EFLAGS", "CS:CPL"] as const;
const REGISTER_WORDS = TRACED_REGISTERS.length;
const REGISTER_SLOT_WORDS = 24;
export const REGISTER_TRACE_BYTES = REGISTER_SLOTS * REGISTER_SLOT_WORDS * 4;

export const BEFORE_WORD = 2, AFTER_WORD = BEFORE_WORD + REGISTER_WORDS;

/** Its first word. */
export function slotOf(sequence: number): number {
  return (sequence & (REGISTER_SLOTS - 1)) * REGISTER_SLOT_WORDS;
}

export interface TracedRegisters {
  /** In the order of TRACED_REGISTERS; the last: CS selector, CPL in bits 16 and 17. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export class RegisterTraceReader {
  private readonly words: Int32Array;
  private readonly log: { readonly total: number };

  /** `log` says how many records are published. */
  constructor(buffer: ArrayBufferLike, base: number, log: { readonly total: number }) {
    this.log = log;
    this.words = new Int32Array(buffer, base, REGISTER_TRACE_BYTES >> 2);
  }

  /** Null: they are no longer kept, or never were. */
  read(sequence: number): TracedRegisters | null {
    const { words, log } = this;
    const slot = slotOf(sequence);
    if (sequence >= log.total || words[slot] !== ((sequence + 1) | 0)) return null;
    const part = (at: number): number[] => Array.from(words.subarray(slot + at, slot + at + REGISTER_WORDS), (word) => word >>> 0);
    const registers = { before: part(BEFORE_WORD), after: part(AFTER_WORD) };
    return log.total - sequence <= REGISTER_SLOTS - GUARD_SLOTS ? registers : null;
  }
}
