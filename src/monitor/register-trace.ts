// Writes the guest's registers before and after each exit, leak and observation (protocol/register-trace.ts).

import type { Cpu } from "../cpu/cpu.ts";
import { getEflags } from "../cpu/eflags.ts";
import { CPL, CS, GPR_BASE } from "../isa/state-layout.ts";
import { REGISTER_SLOT_WORDS, REGISTER_SLOTS, REGISTER_TRACE_BYTES, REGISTER_WORDS } from "../protocol/register-trace.ts";

const GENERAL = 8;

export class RegisterTrace {
  /** Off until somebody wants to look. */
  enabled = false;
  private readonly cpu: Cpu;
  private readonly words: Int32Array;
  private readonly kept = new Int32Array(REGISTER_WORDS);

  constructor(cpu: Cpu, base: number) {
    this.cpu = cpu;
    this.words = new Int32Array(cpu.state.i32.buffer, base, REGISTER_TRACE_BYTES >> 2);
  }

  /** The instruction has not run yet. */
  before(): void {
    if (this.enabled) this.copy(this.kept, 0);
  }

  /** It has, and its record is about to get this number. */
  after(sequence: number): void {
    if (!this.enabled) return;
    const { words } = this;
    const slot = (sequence % REGISTER_SLOTS) * REGISTER_SLOT_WORDS;
    Atomics.store(words, slot, 0);
    words.set(this.kept, slot + 2);
    this.copy(words, slot + 2 + REGISTER_WORDS);
    Atomics.store(words, slot, (sequence + 1) | 0);
  }

  private copy(into: Int32Array, at: number): void {
    const { state, v } = this.cpu;
    const from = GPR_BASE >> 2;
    for (let i = 0; i < GENERAL; i++) into[at + i] = state.i32[from + i]!;
    into[at + GENERAL] = state.eip;
    into[at + GENERAL + 1] = getEflags(state, v.context);
    into[at + GENERAL + 2] = v.context.selector(CS) | (v.context.get(CPL) << 16);
  }
}
