// What the silicon cannot hold: states of the guest without a selector that would load them. Real mode between MOV CR0 and
// the far jump, segment limits that protected mode left behind ("unreal mode"), descriptors that the guest has overwritten.
// Such code runs on the guest's own processor V until the state is one that H can hold: "limbo".

import type { Context } from "../cpu/state.ts";
import { accessOf, baseOf, limitOf } from "../cpu/protection.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CS, DS, EFLAGS_SYSTEM, EFLAGS_VM, ES, FS, GS, SS,
} from "../isa/state-layout.ts";
import type { ShadowDescriptors } from "./shadow/descriptors.ts";
import { KERNEL, type Role, USER } from "./shadow/paging.ts";

export const SEGMENTS = [ES, CS, SS, DS, FS, GS] as const;
const V86_LIMIT = 0xffff;
const CR0_PE = 1;
const ACCESSED = 1;
/** Present, data, expand-up, writable, 16-bit: what real mode and V86 segments are. DPL and the accessed bit do not matter there. */
const PLAIN_MASK = 0x409e, PLAIN = 0x92;

/** Real mode or V86 as the guest sees it: the silicon runs it in V86. */
export function runsInV86(v: Context): boolean {
  return (v.get(CR0) & CR0_PE) === 0 || (v.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
}

export function inRealMode(v: Context): boolean {
  return (v.get(CR0) & CR0_PE) === 0;
}

/** The guest's privilege as the shadows distinguish it. Real mode is ring 0. */
export function roleOf(v: Context): Role {
  return v.get(CPL) === 3 ? USER : KERNEL;
}

/** Finds out whether H can hold V's segments; asks again only when something has changed. */
export class LimboCheck {
  private readonly descriptors: ShadowDescriptors;
  /** Context.segmentWrites of what was looked at last. */
  private seen = -1;
  private version = -1;
  private shape = -1;
  private answer: string | null = null;
  /** Segments, tables or mode have changed since this was set to false. */
  changed = true;

  constructor(descriptors: ShadowDescriptors) {
    this.descriptors = descriptors;
  }

  /** Why H cannot hold V, or null where it can. */
  reason(v: Context): string | null {
    const v86 = runsInV86(v);
    const shape = (v86 ? 2 : 0) | roleOf(v);
    if (shape === this.shape && v.segmentWrites === this.seen && (v86 || this.version === this.descriptors.version)) return this.answer;
    this.seen = v.segmentWrites;
    this.changed = true;
    this.shape = shape;
    this.version = this.descriptors.version;
    this.answer = v86 ? reasonInV86(v) : this.reasonInProtectedMode(v);
    return this.answer;
  }

  private reasonInProtectedMode(v: Context): string | null {
    const { descriptors } = this;
    const role = roleOf(v);
    for (const index of SEGMENTS) {
      const access = v.segmentAccess(index);
      if (access & ACCESS_UNUSABLE) continue;
      const selector = v.selector(index);
      if (
        !descriptors.findGuest(selector) || baseOf(descriptors.low, descriptors.high) !== v.segmentBase(index) ||
        limitOf(descriptors.low, descriptors.high) !== v.segmentLimit(index) || ((accessOf(descriptors.high) ^ access) & ~ACCESSED) !== 0
      ) return "a segment register whose descriptor the guest's table no longer holds";
      descriptors.findShadow(role, selector);
      if ((accessOf(descriptors.high) & 0x80) === 0 && index !== CS) return "a segment that cannot be loaded outside ring 0";
    }
    return null;
  }
}

/** Why V86 mode cannot hold V in real mode, or null. */
export function reasonInV86(v: Context): string | null {
  for (const index of SEGMENTS) {
    if (v.segmentBase(index) !== v.selector(index) << 4) return "a real-mode segment whose base is not its selector times 16";
    if (v.segmentLimit(index) !== V86_LIMIT) return "a real-mode segment whose limit is not 64 KB";
    if ((v.segmentAccess(index) & PLAIN_MASK) !== PLAIN) return "a real-mode segment that protected mode left with other rights";
  }
  return null;
}
