// T5, the accelerator (Gregory Alexander on the plex86 list, 2003): emulator and direct execution alternate. The guest's user code
// runs on H as it is, when the state is friendly; whatever leaves goes back to the emulator, "please rerun it and do the right
// thing". The kernel never runs on H, so nothing of it can leak; user code that looks at the processor (SGDT, CPUID ...) can.

import type { StopReason } from "../../cpu/core.ts";
import { getEflags } from "../../cpu/eflags.ts";
import {
  CPL, CR0, CS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM,
} from "../../isa/state-layout.ts";
import { Deprivileged } from "../deprivileged.ts";
import { SEGMENTS } from "../limbo.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const CR0_PE = 1;
const ACCESS_CODE32 = 1 << 14;
const TABLE_INDICATOR = 4;

class Hybrid extends Deprivileged {
  /** Why the emulator had to go on, by cause: once for each stretch that it lasts. */
  private readonly refusals = new Map<string, number>();
  private lastCause: string | null = null;
  private switches = 0;

  constructor(monitor: Monitor) {
    super(monitor, 1);
  }

  override enter(left: number): StopReason | null {
    const { monitor } = this;
    if (!monitor.emulating) {
      if (this.isFriendly()) {
        const ended = super.enter(left);
        if (ended === null) this.switches++;
        return ended;
      }
    }
    return monitor.emulate(left, this.isFriendly, true);
  }

  private readonly isFriendly = (): boolean => {
    const cause = this.unfriendly();
    if (cause !== null && cause !== this.lastCause) this.refusals.set(cause, (this.refusals.get(cause) ?? 0) + 1);
    this.lastCause = cause;
    return cause === null;
  };

  /** Why V cannot run on H, or null where it can. */
  private unfriendly(): string | null {
    const v = this.cpu.v.context;
    if (v.get(CPL) !== 3) return "CPL";
    if ((v.get(CR0) & CR0_PE) === 0) return "CR0";
    const flags = getEflags(this.cpu.state, v);
    if (flags & EFLAGS_VM) return "VM";
    if ((flags & EFLAGS_IF) === 0) return "IF";
    if (flags & (EFLAGS_TF | EFLAGS_NT | EFLAGS_RF)) return "EFLAGS";
    if (flags & EFLAGS_IOPL) return "IOPL";
    if ((v.segmentAccess(CS) & ACCESS_CODE32) === 0) return "16-bit code";
    for (const index of SEGMENTS) if (v.selector(index) & TABLE_INDICATOR) return "LDT";
    return null;
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, switches: this.switches, ...Object.fromEntries([...this.refusals].map(([cause, count]) => [`refused: ${cause}`, count])) };
  }
}

export const hybrid: TechniqueDefinition = { id: "hybrid", create: (monitor) => new Hybrid(monitor) };
