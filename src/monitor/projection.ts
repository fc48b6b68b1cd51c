// V -> H and back: the state that the silicon gets so that the guest runs de-privileged, and what the guest changed in it
// by itself. `project` is a function of V, the tables and the policy; `absorb` is its inverse for what runs without an exit.

import {
  CR0_AM, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_PVI, CR4_TSD, CR4_UMIP, CR4_VME,
} from "../cpu/control-bits.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { ACCESS_P, ACCESS_V86, accessOf, baseOf, limitOf } from "../cpu/protection.ts";
import { setSegment, setUnusable } from "../cpu/segmentation.ts";
import type { Context } from "../cpu/state.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CR3, CR4, CS, DR0, DR6, DR7, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_RF, EFLAGS_SYSTEM, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM,
  GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, NMI_BLOCKED, SEGMENT_STRIDE, SHADOW, SS, SYSENTER_CS, TR,
} from "../isa/state-layout.ts";
import { TSS_LIMIT } from "./hardware-tables.ts";
import { inRealMode, type LimboCheck, roleOf, runsInV86, SEGMENTS } from "./limbo.ts";
import { IDT_PAGE, PAGE_BYTES, TSS_PAGE } from "./pool.ts";
import type { ShadowDescriptors } from "./shadow/descriptors.ts";
import { KERNEL, type Role, type ShadowPaging, USER } from "./shadow/paging.ts";

/** What the monitor's processor is set to, besides what the guest wants. */
export interface HardwarePolicy {
  readonly ring: 1 | 3;
  readonly umip: boolean;
  readonly tsd: boolean;
  readonly vme: boolean;
  /** For the guest's kernel at ring 3. */
  readonly pvi: boolean;
  /** One descriptor table for both privileges, the kernel's. */
  readonly oneTable: boolean;
}

const V86_LIMIT = 0xffff;
const DR7_GD = 1 << 13;
const ACCESS_LDT = 0x82, ACCESS_TSS = 0x8b;
const SEGMENT_AREA_WORDS = (SEGMENTS.length * SEGMENT_STRIDE) >> 2;
/** The registers of a context that a projection reads besides the segments and the flags. */
const FIRST_SEEN = GDTR_BASE.offset, SEEN_WORDS = (CPL.offset + 4 - FIRST_SEEN) >> 2;

/** Who owns VIF in H: nobody, the monitor (it mirrors V's IF), or the guest's own V86 monitor. */
const VIF_UNUSED = 0, VIF_IS_IF = 1, VIF_IS_GUESTS = 2;

export class Projection {
  readonly cpu: Cpu;
  private readonly descriptors: ShadowDescriptors;
  private readonly paging: ShadowPaging;
  private readonly limbo: LimboCheck;
  private readonly policy: HardwarePolicy;
  /** An interrupt waits for the guest's IF: with VME its STI leaves (VIP). */
  interruptWaits = false;
  private vif = VIF_UNUSED;
  /** H's segment registers after the last projection: what differs later, the guest has loaded. */
  private readonly projected = new Int32Array(SEGMENT_AREA_WORDS);
  private projectedWrites = -1;
  private segmentsStale = true;
  /** Of V, at the last projection: GDTR to CPL, the count of its segment writes, its flags; and the version of the descriptors. */
  private readonly seen = new Int32Array(SEEN_WORDS);
  private seenWrites = -1;
  private seenFlags = 0;
  private seenVersion = -1;

  constructor(cpu: Cpu, descriptors: ShadowDescriptors, paging: ShadowPaging, limbo: LimboCheck, policy: HardwarePolicy) {
    this.cpu = cpu;
    this.descriptors = descriptors;
    this.paging = paging;
    this.limbo = limbo;
    this.policy = policy;
  }

  /**
   * V is what it was at the last projection but for what instructions change all the time (IF, shadows): these go to H, and the rest
   * is there. False: `project` is needed. Leaves H as the active context.
   */
  renew(): boolean {
    const { cpu, seen, descriptors, limbo } = this;
    const v = cpu.v.context, h = cpu.h.context;
    if (this.segmentsStale || limbo.changed || h.segmentWrites !== this.projectedWrites) return false;
    if (v.segmentWrites !== this.seenWrites || descriptors.version !== this.seenVersion) return false;
    if ((v.get(EFLAGS_SYSTEM) ^ this.seenFlags) & (EFLAGS_IOPL | EFLAGS_VM)) return false;
    const { i32 } = cpu.state;
    const word = (v.base + FIRST_SEEN) >> 2;
    for (let i = 0; i < SEEN_WORDS; i++) if (i32[word + i] !== seen[i]) return false;
    if (h.get(CR3) !== this.paging.root(roleOf(v), (v.get(CR0) & CR0_PG) !== 0)) return false;
    this.projectMoment(v, h, runsInV86(v));
    cpu.switchContext("H");
    return true;
  }

  /** V is what it was at the last projection but for IF, RF and the interrupt shadow. Leaves H as the active context. */
  resume(): void {
    const v = this.cpu.v.context;
    this.projectMoment(v, this.cpu.h.context, runsInV86(v));
    this.cpu.switchContext("H");
  }

  private see(v: Context): void {
    const word = (v.base + FIRST_SEEN) >> 2;
    for (let i = 0; i < SEEN_WORDS; i++) this.seen[i] = this.cpu.state.i32[word + i]!;
    this.seenWrites = v.segmentWrites;
    this.seenVersion = this.descriptors.version;
    this.seenFlags = v.get(EFLAGS_SYSTEM);
  }

  private projectMoment(v: Context, h: Context, v86: boolean): void {
    h.set(EFLAGS_SYSTEM, this.systemFlags(v, v86));
    h.set(SHADOW, v.get(SHADOW));
    h.set(NMI_BLOCKED, v.get(NMI_BLOCKED));
  }

  /** V -> H. H can hold V (LimboCheck). Leaves H as the active context. */
  project(): void {
    const { cpu, policy, paging, descriptors } = this;
    const v = cpu.v.context, h = cpu.h.context;
    const v86 = runsInV86(v), role = roleOf(v);
    this.vif = this.vifOwner(v, v86);
    this.projectMoment(v, h, v86);
    const cr0 = v.get(CR0), cr4 = v.get(CR4);
    const user = role === USER;
    h.set(CPL, v86 || user ? 3 : policy.ring);
    h.set(CR0, CR0_PE | CR0_PG | CR0_WP | CR0_ET | CR0_NE | (cr0 & (CR0_MP | CR0_EM | CR0_TS)) | (user ? cr0 & CR0_AM : 0));
    h.set(
      CR4,
      (cr4 & (CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT)) | (user ? cr4 & (CR4_TSD | CR4_UMIP) : 0) | (policy.umip ? CR4_UMIP : 0) |
        (policy.tsd ? CR4_TSD : 0) | (this.vif === VIF_UNUSED ? 0 : v86 ? CR4_VME : CR4_PVI),
    );
    const root = paging.root(role, (cr0 & CR0_PG) !== 0);
    if (h.get(CR3) !== root) {
      h.set(CR3, root);
      cpu.h.tlb.flushAll();
    }
    const window = paging.windowBase;
    h.set(GDTR_BASE, window + descriptors.gdtPage(this.tableOf(role)) * PAGE_BYTES);
    h.set(GDTR_LIMIT, 0xffff);
    h.set(IDTR_BASE, window + IDT_PAGE * PAGE_BYTES);
    h.set(IDTR_LIMIT, 0x7ff);
    h.set(SYSENTER_CS, descriptors.codeSlot * 8);
    for (let i = 0; i < 4; i++) h.setAt(DR0, i, v.getAt(DR0, i));
    h.set(DR6, v.get(DR6));
    h.set(DR7, v.get(DR7) & ~DR7_GD);
    if (this.segmentsStale || this.limbo.changed) this.projectSegments(v, h, v86, role, window);
    this.see(v);
    cpu.switchContext("H");
  }

  private tableOf(role: Role): Role {
    return this.policy.oneTable ? KERNEL : role;
  }

  /** H's segments do not follow from V's any more. */
  forgetSegments(): void {
    this.segmentsStale = true;
  }

  private vifOwner(v: Context, v86: boolean): number {
    if (!v86) return this.policy.pvi && v.get(CPL) === 0 ? VIF_IS_IF : VIF_UNUSED;
    // Translated code works on V's flags itself.
    if (inRealMode(v)) return this.policy.vme && !this.cpu.translating ? VIF_IS_IF : VIF_UNUSED;
    const guests = (v.get(CR4) & CR4_VME) !== 0 && (v.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) !== EFLAGS_IOPL;
    return guests ? VIF_IS_GUESTS : VIF_UNUSED;
  }

  private systemFlags(v: Context, v86: boolean): number {
    const flags = v.get(EFLAGS_SYSTEM);
    const virtual = this.vif === VIF_IS_IF
      ? (flags & EFLAGS_IF ? EFLAGS_VIF : 0) | (this.interruptWaits ? EFLAGS_VIP : 0)
      : flags & (EFLAGS_VIF | EFLAGS_VIP);
    return EFLAGS_IF | (flags & EFLAGS_RF) | (v86 ? EFLAGS_VM : 0) | virtual;
  }

  private projectSegments(v: Context, h: Context, v86: boolean, role: Role, window: number): void {
    const { descriptors } = this;
    setSegment(h, TR, descriptors.tssSlot * 8, window + TSS_PAGE * PAGE_BYTES, TSS_LIMIT, ACCESS_TSS);
    if (descriptors.ldtLimit < 0) setUnusable(h, LDTR, 0);
    else setSegment(h, LDTR, descriptors.ldtSlot * 8, window + descriptors.ldtPage(this.tableOf(role)) * PAGE_BYTES, descriptors.ldtLimit, ACCESS_LDT);
    for (const index of SEGMENTS) this.projectSegment(v, h, index, v86, role);
    this.remember();
    this.segmentsStale = false;
    this.limbo.changed = false;
  }

  private projectSegment(v: Context, h: Context, index: number, v86: boolean, role: Role): void {
    const { descriptors } = this;
    const selector = v.selector(index);
    if (v86) {
      setSegment(h, index, selector, selector << 4, V86_LIMIT, ACCESS_V86);
    } else if (v.segmentAccess(index) & ACCESS_UNUSABLE) {
      setUnusable(h, index, selector);
    } else {
      descriptors.findShadow(this.tableOf(role), selector);
      const { low, high } = descriptors;
      const isPrivileged = (index === CS || index === SS) && role === KERNEL;
      setSegment(h, index, isPrivileged ? (selector & 0xfffc) | this.policy.ring : selector, baseOf(low, high), limitOf(low, high), accessOf(high) | ACCESS_P);
    }
  }

  private remember(): void {
    const word = this.cpu.h.context.base >> 2;
    this.projected.set(this.cpu.state.i32.subarray(word, word + SEGMENT_AREA_WORDS));
    this.projectedWrites = this.cpu.h.context.segmentWrites;
  }

  /**
   * H -> V after the guest ran: segment registers that it loaded by itself, the ring it moved to unseen, VIF, RF, the
   * interrupt shadow, DR6. True: its ring is another one, so that H must be projected anew.
   */
  absorb(): boolean {
    const { cpu } = this;
    const v = cpu.v.context, h = cpu.h.context;
    const mine = h.get(EFLAGS_SYSTEM);
    let flags = (v.get(EFLAGS_SYSTEM) & ~EFLAGS_RF) | (mine & EFLAGS_RF);
    if (this.vif === VIF_IS_IF) flags = mine & EFLAGS_VIF ? flags | EFLAGS_IF : flags & ~EFLAGS_IF;
    else if (this.vif === VIF_IS_GUESTS) flags = (flags & ~EFLAGS_VIF) | (mine & EFLAGS_VIF);
    v.set(EFLAGS_SYSTEM, flags);
    v.set(SHADOW, h.get(SHADOW));
    v.set(DR6, h.get(DR6));
    v.set(NMI_BLOCKED, h.get(NMI_BLOCKED));
    if (h.segmentWrites === this.projectedWrites) return false;
    const { i32 } = cpu.state;
    const word = h.base >> 2;
    for (let i = 0; i < SEGMENT_AREA_WORDS; i++) if (i32[word + i] !== this.projected[i]) return this.absorbSegments(v, h);
    return false;
  }

  private absorbSegments(v: Context, h: Context): boolean {
    const { descriptors, policy } = this;
    const before = v.get(CPL);
    const v86 = runsInV86(v);
    // V may come back to what it was when it was projected, and H would not.
    this.segmentsStale = true;
    // At ring 1 the silicon's CPL says where the guest is; at ring 3 it says nothing.
    if (!v86 && policy.ring === 1) v.set(CPL, h.get(CPL) === 3 ? 3 : 0);
    const cpl = v.get(CPL);
    const words = SEGMENT_STRIDE >> 2;
    const { i32 } = this.cpu.state;
    SEGMENTS.forEach((index, nth) => {
      let changed = false;
      for (let i = 0; i < words; i++) if (i32[(h.base >> 2) + nth * words + i] !== this.projected[nth * words + i]) changed = true;
      if (!changed) return;
      const selector = h.selector(index);
      if (v86) setSegment(v, index, selector, selector << 4, V86_LIMIT, v.segmentAccess(index));
      else if (h.segmentAccess(index) & ACCESS_UNUSABLE || !descriptors.findGuest(selector)) setUnusable(v, index, selector);
      else {
        const isPrivileged = index === CS || (index === SS && cpl === 0 && (selector & 3) === policy.ring);
        const { low, high } = descriptors;
        setSegment(v, index, isPrivileged ? (selector & 0xfffc) | cpl : selector, baseOf(low, high), limitOf(low, high), accessOf(high));
      }
    });
    this.remember();
    return cpl !== before;
  }
}
