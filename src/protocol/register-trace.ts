// The guest's registers before and after each of the newest records of the trap log: a ring of its own beside the log's, as most
// records are never looked at so closely. A slot: u32 sequence number + 1, u32 0, 11 words before, 11 words after.

import { GPR_NAMES } from "./register-view.ts";

export const REGISTER_SLOTS = 1 << 14;
/** What is kept: the general registers in their order, then these. EFLAGS, CS and CPL are those that the guest believes in. */
export const TRACED_REGISTERS = [...GPR_NAMES, "EIP", "EFLAGS", "CS:CPL"] as const;
export const REGISTER_WORDS = TRACED_REGISTERS.length;
export const REGISTER_SLOT_WORDS = 24;
export const REGISTER_TRACE_BYTES = REGISTER_SLOTS * REGISTER_SLOT_WORDS * 4;

export interface TracedRegisters {
  /** In the order of TRACED_REGISTERS; the last: CS selector, CPL in bits 16 and 17. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export class RegisterTraceReader {
  private readonly words: Int32Array;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.words = new Int32Array(buffer, base, REGISTER_TRACE_BYTES >> 2);
  }

  /** Null: they are no longer kept, or never were. */
  read(sequence: number): TracedRegisters | null {
    const { words } = this;
    const slot = (sequence % REGISTER_SLOTS) * REGISTER_SLOT_WORDS;
    const mark = (sequence + 1) | 0;
    if (Atomics.load(words, slot) !== mark) return null;
    const part = (at: number): number[] => Array.from(words.subarray(slot + at, slot + at + REGISTER_WORDS), (word) => word >>> 0);
    const registers = { before: part(2), after: part(2 + REGISTER_WORDS) };
    return Atomics.load(words, slot) === mark ? registers : null;
  }
}
