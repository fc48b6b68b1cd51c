// What bare metal would hold: the flags, the ring and the selectors that the guest's own history leads to. V follows what
// the monitor saw; the truth follows what the guest did. They differ from the first write that got lost.

import type { Cpu } from "../../cpu/cpu.ts";
import { getEflags } from "../../cpu/eflags.ts";
import {
  CPL, CR0, CS, DS, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_SYSTEM, EFLAGS_VM, ES, FS, GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, LDTR, SS, TR,
} from "../../isa/state-layout.ts";
import type { TruthSnapshot } from "../../protocol/register-view.ts";

/** EFLAGS bits that a de-privileged guest cannot change by itself. */
export const PRIVILEGED_FLAGS = EFLAGS_IF | EFLAGS_IOPL;
const CR0_PE = 1;
const DATA_SEGMENTS = [ES, DS, FS, GS] as const;
const AS_V = -1;

export interface TruthState {
  readonly flags: number;
  readonly cpl: number;
  readonly selectors: Int32Array;
}

export class Truth {
  private readonly cpu: Cpu;
  /** IF and IOPL. */
  flags = 0;
  cpl = 0;
  /** Selectors that bare metal would hold instead of V's; AS_V where it would not. */
  private readonly selectors = new Int32Array(6).fill(AS_V);
  // V as the truth last saw it.
  private vFlags = 0;
  private vCpl = 0;
  private readonly vSelectors = new Int32Array(6);
  private vWrites = -1;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.adopt();
  }

  /** V is right: at the start, and when a monitor attaches. */
  adopt(): void {
    this.look();
    this.flags = this.vFlags;
    this.cpl = this.vCpl;
    this.selectors.fill(AS_V);
  }

  /** What differs from V, to be put back behind `adopt`. */
  save(): TruthState {
    return { flags: this.flags, cpl: this.cpl, selectors: this.selectors.slice() };
  }

  restore({ flags, cpl, selectors }: TruthState): void {
    this.flags = flags;
    this.cpl = cpl;
    this.selectors.set(selectors);
  }

  /** Takes note of V as it is, before the monitor changes it. */
  look(): void {
    const v = this.cpu.v.context;
    this.vFlags = v.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS;
    this.vCpl = v.get(CPL);
    if (v.segmentWrites === this.vWrites) return;
    this.vWrites = v.segmentWrites;
    for (let i = 0; i < 6; i++) this.vSelectors[i] = v.selector(i);
  }

  /**
   * After the monitor changed V for the guest: what changed there is what bare metal would have changed; so is what the
   * event writes whatever it was before: `flags` of PRIVILEGED_FLAGS, and with `transfer` CS, SS and the ring.
   */
  follow(flags: number, transfer: boolean): void {
    const v = this.cpu.v.context;
    const now = v.get(EFLAGS_SYSTEM) & PRIVILEGED_FLAGS, cpl = v.get(CPL);
    const written = (now ^ this.vFlags) | flags;
    this.flags = (this.flags & ~written) | (now & written);
    if (transfer || cpl !== this.vCpl) this.cpl = cpl;
    if (transfer) this.selectors[CS] = this.selectors[SS] = AS_V;
    if (v.segmentWrites !== this.vWrites) for (let i = 0; i < 6; i++) if (v.selector(i) !== this.vSelectors[i]) this.selectors[i] = AS_V;
    this.look();
  }

  /** Bare metal would have returned to an outer ring here, with another stack and without the inner ring's data segments. */
  returnedOutward(cpl: number, stackSelector: number, belongsInside: (selector: number) => boolean): void {
    this.cpl = cpl;
    this.selectors[SS] = stackSelector;
    for (const index of DATA_SEGMENTS) if (belongsInside(this.cpu.context.selector(index))) this.selectors[index] = 0;
  }

  /** V, as it was looked at, takes interrupts where bare metal would not, or does not where it would. */
  get interruptFlagDiffers(): boolean {
    return ((this.vFlags ^ this.flags) & EFLAGS_IF) !== 0;
  }

  /** The guest loaded a segment register by itself. */
  loaded(index: number): void {
    this.selectors[index] = AS_V;
  }

  /** Selector of a segment register on bare metal; `present` is what the silicon holds. */
  selector(index: number, present: number): number {
    const other = this.selectors[index]!;
    if (other !== AS_V) return other;
    const v = this.cpu.v.context;
    const protectedMode = v.get(CR0) & CR0_PE && !(v.get(EFLAGS_SYSTEM) & EFLAGS_VM);
    return protectedMode && (index === CS || index === SS) && (present & 0xfffc) !== 0 ? (present & 0xfffc) | this.cpl : present;
  }

  /** EFLAGS on bare metal: shared bits as they are, privileged ones as they should be. */
  eflags(): number {
    return (getEflags(this.cpu.state, this.cpu.v.context) & ~PRIVILEGED_FLAGS) | this.flags;
  }

  snapshot(): TruthSnapshot {
    const v = this.cpu.v.context;
    const selectors = [];
    for (let i = 0; i < 6; i++) selectors.push(this.selector(i, v.selector(i)));
    return {
      eflags: this.eflags(),
      cpl: this.cpl,
      cr0: v.get(CR0),
      selectors: [...selectors, v.selector(LDTR), v.selector(TR)],
      gdtr: { base: v.get(GDTR_BASE), limit: v.get(GDTR_LIMIT) & 0xffff },
      idtr: { base: v.get(IDTR_BASE), limit: v.get(IDTR_LIMIT) & 0xffff },
    };
  }
}
