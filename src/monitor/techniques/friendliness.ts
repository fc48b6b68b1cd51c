// The accelerator's predicate: may the guest, as it is now, run on the silicon by itself? And how often it may not, by cause.

import { getEflags } from "../../cpu/eflags.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import {
  CPL, CR0, CS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM,
} from "../../isa/state-layout.ts";
import { SEGMENTS } from "../limbo.ts";

const CR0_PE = 1;
const ACCESS_CODE32 = 1 << 14;
const TABLE_INDICATOR = 4;

export class Friendliness {
  private readonly cpu: Cpu;
  /** What the guest's kernel lacks, or null: asked where only its ring speaks against it. */
  private readonly kernelLacks: () => string | null;
  /** Once for each stretch that a cause lasts. */
  private readonly refusals = new Map<string, number>();
  private lastCause: string | null = null;
  /** Times that the silicon was given the guest. */
  switches = 0;

  constructor(cpu: Cpu, kernelLacks: () => string | null) {
    this.cpu = cpu;
    this.kernelLacks = kernelLacks;
  }

  readonly holds = (): boolean => {
    const cause = this.unfriendly();
    if (cause !== null && cause !== this.lastCause) this.refusals.set(cause, (this.refusals.get(cause) ?? 0) + 1);
    this.lastCause = cause;
    return cause === null;
  };

  /** Why V cannot run on H, or null where it can. */
  private unfriendly(): string | null {
    const v = this.cpu.v.context;
    const cpl = v.get(CPL);
    if (cpl !== 3 && cpl !== 0) return "CPL";
    const lacks = cpl === 0 ? this.kernelLacks() : null;
    if (lacks !== null) return lacks;
    if ((v.get(CR0) & CR0_PE) === 0) return "CR0";
    const flags = getEflags(this.cpu.state, v);
    if (flags & EFLAGS_VM) return "VM";
    if (cpl === 3 && (flags & EFLAGS_IF) === 0) return "IF";
    if (flags & (EFLAGS_TF | EFLAGS_NT | EFLAGS_RF)) return "EFLAGS";
    if (flags & EFLAGS_IOPL) return "IOPL";
    if ((v.segmentAccess(CS) & ACCESS_CODE32) === 0) return "16-bit code";
    for (const index of SEGMENTS) if (v.selector(index) & TABLE_INDICATOR) return "LDT";
    return null;
  }

  get statistics(): Readonly<Record<string, number>> {
    return { switches: this.switches, ...Object.fromEntries([...this.refusals].map(([cause, count]) => [`refused: ${cause}`, count])) };
  }
}
