// V -> H and back: the state that the silicon gets so that the guest runs de-privileged, and what the guest changed in it
// by itself. `project` is a pure function of V and the policy; `absorb` is its inverse for what runs without an exit.

import { CR0_AM, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_OSFXSR, CR4_TSD, CR4_UMIP, CR4_VME } from "../cpu/control-bits.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { setSegment, setUnusable } from "../cpu/segmentation.ts";
import type { Context } from "../cpu/state.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CR3, CR4, CS, DR0, DR6, DR7, DS, EFLAGS_IF, EFLAGS_RF, EFLAGS_SYSTEM, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, ES,
  FS, GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, LDTR, SS, SYSENTER_CS, TR,
} from "../isa/state-layout.ts";
import { IDT_PAGE, PAGE_BYTES, TSS_PAGE } from "./pool.ts";
import type { ShadowDescriptors } from "./shadow/descriptors.ts";
import { KERNEL, type Role, type ShadowPaging, USER } from "./shadow/paging.ts";

/** What the monitor's processor is set to, besides what the guest wants. */
export interface HardwarePolicy {
  readonly ring: 1 | 3;
  readonly umip: boolean;
  readonly tsd: boolean;
  readonly vme: boolean;
}

const ALL = [ES, CS, SS, DS, FS, GS] as const;
const V86_LIMIT = 0xffff;
const DR7_GD = 1 << 13;
const ACCESS_V86 = 0xf3;
const LDT_ACCESS = 0x82, TSS_ACCESS = 0x8b;
const ACCESSED = 1;
export const TSS_LIMIT = 0x68 + 32 + 0x2000;

/** Real mode or V86 as the guest sees it: the silicon runs it in V86. */
export function runsInV86(v: Context): boolean {
  return (v.get(CR0) & CR0_PE) === 0 || (v.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0;
}

export function roleOf(v: Context): Role {
  return v.get(CPL) === 3 ? USER : KERNEL;
}

/** Why the silicon cannot hold V's state, or null where it can. What it cannot hold is emulated until it can ("limbo"). */
export function limboReason(v: Context, descriptors: ShadowDescriptors): string | null {
  if (runsInV86(v)) {
    for (const index of ALL) {
      if (v.segmentBase(index) !== v.selector(index) << 4) return "a real-mode segment whose base is not its selector times 16";
      if (v.segmentLimit(index) !== V86_LIMIT) return "a real-mode segment whose limit is not 64 KB";
    }
    return null;
  }
  const role = roleOf(v);
  for (const index of ALL) {
    const access = v.segmentAccess(index);
    const selector = v.selector(index);
    if (access & ACCESS_UNUSABLE) continue;
    const own = descriptors.guestHidden(selector);
    if (!own || own.base !== v.segmentBase(index) || own.limit !== v.segmentLimit(index) || ((own.access ^ access) & ~ACCESSED & 0xf0ff) !== 0) {
      return "a segment register whose descriptor the guest's table no longer holds";
    }
    const shadow = descriptors.shadowHidden(role, selector);
    if ((shadow.access & 0x80) === 0 && !(index === CS && role === KERNEL)) return "a segment that cannot be loaded outside ring 0";
  }
  return null;
}

export class Projection {
  private readonly cpu: Cpu;
  private readonly descriptors: ShadowDescriptors;
  private readonly paging: ShadowPaging;
  private readonly policy: HardwarePolicy;
  /** An interrupt waits for the guest's IF: with VME, its STI leaves (VIP). */
  interruptWaits = false;
  /** Selector and access of H's segments after the last projection: what differs later, the guest has loaded. */
  private readonly projected = new Int32Array(6 * 4);

  constructor(cpu: Cpu, descriptors: ShadowDescriptors, paging: ShadowPaging, policy: HardwarePolicy) {
    this.cpu = cpu;
    this.descriptors = descriptors;
    this.paging = paging;
    this.policy = policy;
  }

  /** V -> H. V is representable (`limboReason` is null). Leaves H as the active context. */
  project(): void {
    const { cpu, policy, paging, descriptors } = this;
    const v = cpu.v.context, h = cpu.h.context;
    const v86 = runsInV86(v);
    const role = v86 && (v.get(CR0) & CR0_PE) === 0 ? KERNEL : roleOf(v);
    const window = paging.windowBase;
    const flags = v.get(EFLAGS_SYSTEM);
    const vme = policy.vme && v86;
    h.set(EFLAGS_SYSTEM, EFLAGS_IF | (flags & EFLAGS_RF) | (v86 ? EFLAGS_VM : 0) | (vme && flags & EFLAGS_IF ? EFLAGS_VIF : 0) | (vme && this.interruptWaits ? EFLAGS_VIP : 0));
    h.set(CPL, v86 || role === USER ? 3 : policy.ring);
    const cr0 = v.get(CR0);
    h.set(CR0, CR0_PE | CR0_PG | CR0_WP | CR0_ET | CR0_NE | (cr0 & (CR0_MP | CR0_EM | CR0_TS)) | (role === USER ? cr0 & CR0_AM : 0));
    const cr4 = v.get(CR4);
    h.set(CR4, (cr4 & (CR4_DE | CR4_OSFXSR)) | (policy.umip ? CR4_UMIP : 0) | (policy.tsd ? CR4_TSD : 0) | (vme ? CR4_VME : 0));
    const root = paging.root(role);
    if (h.get(CR3) !== root) {
      h.set(CR3, root);
      cpu.h.tlb.flushAll();
    }
    h.set(GDTR_BASE, window + descriptors.gdtPage(role) * PAGE_BYTES);
    h.set(GDTR_LIMIT, 0xffff);
    h.set(IDTR_BASE, window + IDT_PAGE * PAGE_BYTES);
    h.set(IDTR_LIMIT, 0x7ff);
    h.set(SYSENTER_CS, descriptors.codeSlot * 8);
    setSegment(h, TR, descriptors.tssSlot * 8, window + TSS_PAGE * PAGE_BYTES, TSS_LIMIT, TSS_ACCESS);
    if (v.segmentAccess(LDTR) & ACCESS_UNUSABLE || descriptors.ldtLimit < 0) setUnusable(h, LDTR, 0);
    else setSegment(h, LDTR, (descriptors.tssSlot - 1) * 8, window + descriptors.ldtPage(role) * PAGE_BYTES, descriptors.ldtLimit, LDT_ACCESS);
    for (let i = 0; i < 4; i++) h.setAt(DR0, i, v.getAt(DR0, i));
    h.set(DR6, v.get(DR6));
    h.set(DR7, v.get(DR7) & ~DR7_GD);
    for (const index of ALL) this.projectSegment(v, h, index, v86, role);
    this.remember(h);
    cpu.switchContext("H");
  }

  private projectSegment(v: Context, h: Context, index: number, v86: boolean, role: Role): void {
    const selector = v.selector(index);
    if (v86) {
      setSegment(h, index, selector, selector << 4, V86_LIMIT, ACCESS_V86);
      return;
    }
    if (v.segmentAccess(index) & ACCESS_UNUSABLE) {
      setUnusable(h, index, selector);
      return;
    }
    const { base, limit, access } = this.descriptors.shadowHidden(role, selector);
    const isPrivileged = (index === CS || index === SS) && role === KERNEL;
    setSegment(h, index, isPrivileged ? (selector & 0xfffc) | this.policy.ring : selector, base, limit, access | 0x80);
  }

  private remember(h: Context): void {
    for (const index of ALL) {
      this.projected[index * 4] = h.selector(index);
      this.projected[index * 4 + 1] = h.segmentBase(index);
      this.projected[index * 4 + 2] = h.segmentLimit(index);
      this.projected[index * 4 + 3] = h.segmentAccess(index);
    }
  }

  /** H -> V: segment registers that the guest loaded by itself, the ring it moved to unseen, VIF, RF. */
  absorb(): void {
    const { cpu, policy, descriptors } = this;
    const v = cpu.v.context, h = cpu.h.context;
    const v86 = runsInV86(v);
    let flags = v.get(EFLAGS_SYSTEM) & ~EFLAGS_RF;
    flags |= h.get(EFLAGS_SYSTEM) & EFLAGS_RF;
    if (policy.vme && v86) flags = h.get(EFLAGS_SYSTEM) & EFLAGS_VIF ? flags | EFLAGS_IF : flags & ~EFLAGS_IF;
    v.set(EFLAGS_SYSTEM, flags);
    for (const index of ALL) {
      const at = index * 4;
      if (
        this.projected[at] === h.selector(index) && this.projected[at + 1] === h.segmentBase(index) &&
        this.projected[at + 2]! >>> 0 === h.segmentLimit(index) && this.projected[at + 3] === h.segmentAccess(index)
      ) continue;
      const selector = h.selector(index);
      if (v86) setSegment(v, index, selector, selector << 4, V86_LIMIT, v.segmentAccess(index));
      else if (index === CS) this.absorbCode(v, h, selector);
      else {
        const own = h.segmentAccess(index) & ACCESS_UNUSABLE ? null : descriptors.guestHidden(selector);
        const virtual = index === SS && v.get(CPL) === 0 && (selector & 3) === policy.ring ? selector & 0xfffc : selector;
        if (own) setSegment(v, index, virtual, own.base, own.limit, own.access);
        else setUnusable(v, index, selector);
      }
    }
    this.remember(h);
  }

  /** A far transfer that did not leave. At ring 1 the silicon's CPL says where the guest is; at ring 3 it says nothing. */
  private absorbCode(v: Context, h: Context, selector: number): void {
    const { policy, descriptors } = this;
    const cpl = policy.ring === 1 ? (h.get(CPL) === 3 ? 3 : 0) : v.get(CPL);
    v.set(CPL, cpl);
    const own = descriptors.guestHidden(selector);
    if (own) setSegment(v, CS, (selector & 0xfffc) | cpl, own.base, own.limit, own.access);
  }
}

