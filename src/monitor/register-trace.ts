// Writes the guest's registers before and after each exit, leak and observation (protocol/register-trace.ts).

import type { Cpu } from "../cpu/cpu.ts";
import { getEflags } from "../cpu/eflags.ts";
import { CPL, CS, GPR_BASE } from "../isa/state-layout.ts";
import { AFTER_WORD, BEFORE_WORD, REGISTER_TRACE_BYTES, slotOf } from "../protocol/register-trace.ts";

const GENERAL = 8, GPR_WORD = GPR_BASE >> 2;

export class RegisterTrace {
  /** Off until somebody wants to look. */
  enabled = false;
  private ran: { readonly eip: number; readonly nextEip: number } | null = null;
  private eipBefore = 0;
  private readonly cpu: Cpu;
  private readonly words: Int32Array;
  /** Word of the slot that has the registers from before. */
  private begun = 0;

  constructor(cpu: Cpu, base: number) {
    this.cpu = cpu;
    this.words = new Int32Array(cpu.state.i32.buffer, base, REGISTER_TRACE_BYTES >> 2);
  }

  /** The instruction has not run yet; the next record has this number. */
  before(sequence: number): void {
    if (!this.enabled) return;
    this.ran = null;
    this.eipBefore = this.cpu.state.eip;
    const slot = slotOf(sequence);
    this.words[slot] = 0;
    this.copy(slot + BEFORE_WORD);
    this.begun = slot;
  }

  /** It has, within a block whose EIP comes up to date at its end: where it stands, and where it goes on if it has not jumped. */
  within(eip: number, nextEip: number): void {
    if (this.enabled) this.ran = { eip, nextEip: this.cpu.state.eip === this.eipBefore ? nextEip : this.cpu.state.eip };
  }

  /** It has, and its record is about to get this number: another one, where something else was recorded meanwhile. */
  after(sequence: number): void {
    if (!this.enabled) return;
    const { words, begun } = this;
    const slot = slotOf(sequence);
    if (slot !== begun) words.copyWithin(slot + BEFORE_WORD, begun + BEFORE_WORD, begun + AFTER_WORD);
    this.copy(slot + AFTER_WORD);
    if (this.ran) {
      words[slot + BEFORE_WORD + GENERAL] = this.ran.eip;
      words[slot + AFTER_WORD + GENERAL] = this.ran.nextEip;
    }
    this.ran = null;
    words[slot] = (sequence + 1) | 0;
  }

  private copy(at: number): void {
    const { words } = this, { state, v: { context } } = this.cpu, { i32 } = state;
    for (let i = 0; i < GENERAL; i++) words[at + i] = i32[GPR_WORD + i]!;
    words[at + GENERAL] = state.eip;
    words[at + GENERAL + 1] = getEflags(state, context);
    words[at + GENERAL + 2] = context.selector(CS) | (context.get(CPL) << 16);
  }
}
