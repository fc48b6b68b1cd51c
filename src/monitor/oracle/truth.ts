// What bare metal would hold: the flags and the ring that the guest's own history leads to. V follows what the monitor
// saw; the truth follows what the guest did. They differ from the first write that got lost.

import type { Cpu } from "../../cpu/cpu.ts";
import { getEflags } from "../../cpu/eflags.ts";
import { CPL, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_SYSTEM } from "../../isa/state-layout.ts";

/** EFLAGS bits that a de-privileged guest cannot change by itself. */
export const PRIVILEGED_FLAGS = EFLAGS_IF | EFLAGS_IOPL;

export class Truth {
  private readonly cpu: Cpu;
  /** IF and IOPL. */
  flags = 0;
  cpl = 0;
  private vFlags = 0;
  private vCpl = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.adopt();
  }

  /** V is right: at the start, and when a monitor attaches. */
  adopt(): void {
    this.flags = this.vFlags = this.virtualFlags();
    this.cpl = this.vCpl = this.cpu.v.context.get(CPL);
  }

  /** After the monitor changed V for the guest: what changed there is what bare metal would have changed. */
  follow(): void {
    const flags = this.virtualFlags();
    const cpl = this.cpu.v.context.get(CPL);
    const changed = flags ^ this.vFlags;
    this.flags = (this.flags & ~changed) | (flags & changed);
    if (cpl !== this.vCpl) this.cpl = cpl;
    this.vFlags = flags;
    this.vCpl = cpl;
  }

  /** An instruction that sets the flags outright (IRET, an interrupt's delivery) ends every difference in `mask`. */
  settle(mask: number): void {
    this.flags = (this.flags & ~mask) | (this.virtualFlags() & mask);
    this.follow();
  }

  /** EFLAGS on bare metal: shared bits as they are, privileged ones as they should be. */
  eflags(): number {
    return (getEflags(this.cpu.state, this.cpu.v.context) & ~PRIVILEGED_FLAGS) | this.flags;
  }

  private virtualFlags(): number {
    return this.cpu.v.context.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS;
  }
}
