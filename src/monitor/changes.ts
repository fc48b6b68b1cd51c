// What an instruction of the guest, or the event it raised, has written whatever was there before: for the truth, which may
// differ from V there. SDM Vol. 2, the instructions' "Operation"; Vol. 3A, "Flag Usage By Exception- or Interrupt-Handler Procedure".

import type { Cpu } from "../cpu/cpu.ts";
import { EFLAGS_IF, EFLAGS_IOPL, EFLAGS_SYSTEM, IDTR_BASE } from "../isa/state-layout.ts";
import { inRealMode } from "./limbo.ts";
import { peek } from "./oracle/peek.ts";
import { PRIVILEGED_FLAGS } from "./oracle/truth.ts";
import type { RowFacts } from "./row-facts.ts";

export interface Changes {
  /** Bits of PRIVILEGED_FLAGS. */
  readonly flags: number;
  /** CS, SS and the ring. */
  readonly transfer: boolean;
}

const NOTHING: Changes = { flags: 0, transfer: false };
const TRANSFER: Changes = { flags: 0, transfer: true };
const INTERRUPT_FLAG: Changes = { flags: EFLAGS_IF, transfer: false }, ENTRY: Changes = { flags: EFLAGS_IF, transfer: true };
const TASK_GATE = 5;
/** Bit 0 of an interrupt or trap gate's type: a trap gate leaves IF alone. */
const TRAP_GATE = 1;

/** `facts`: of the instruction that left, null between two. `cpl`: of the guest before the instruction. V holds what came of it. */
export function changesOf(cpu: Cpu, facts: RowFacts | null, cpl: number): Changes {
  if (cpu.delivered !== null) return { flags: flagsOfDelivery(cpu, cpu.delivered.vector), transfer: true };
  if (facts === null) return NOTHING;
  const { writes, transfer } = facts;
  if (writes === "none") return transfer ? TRANSFER : NOTHING;
  if (writes === "interrupt") return transfer ? ENTRY : INTERRUPT_FLAG;
  const iopl = (cpu.v.context.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) >>> 12;
  return { flags: cpl === 0 ? PRIVILEGED_FLAGS : cpl <= iopl ? EFLAGS_IF : 0, transfer };
}

function flagsOfDelivery(cpu: Cpu, vector: number): number {
  const v = cpu.v.context;
  if (inRealMode(v)) return EFLAGS_IF;
  const type = peek(cpu, v, (v.get(IDTR_BASE) + vector * 8 + 5) | 0, 1) & 15;
  if (type === TASK_GATE) return PRIVILEGED_FLAGS;
  return type & TRAP_GATE ? 0 : EFLAGS_IF;
}
