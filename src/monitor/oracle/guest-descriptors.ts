// What LAR, LSL, VERR, VERW and loads of segment registers do on bare metal: the manual's tables over the guest's own
// descriptors. SDM Vol. 2, the instructions' "Operation". Written a second time beside the processor's: it is the judge.

import type { Cpu } from "../../cpu/cpu.ts";
import { ACCESS_UNUSABLE, GDTR_BASE, GDTR_LIMIT, LDTR, SS } from "../../isa/state-layout.ts";
import { peek } from "./peek.ts";

const GENERAL_PROTECTION = 13, NOT_PRESENT = 11, STACK_FAULT = 12;
/** System types that LSL and LAR know: TSS and LDT; LAR also call gates and task gates. */
const LIMIT_TYPES: readonly number[] = [1, 2, 3, 9, 11];
const RIGHTS_TYPES: readonly number[] = [...LIMIT_TYPES, 4, 5, 12];

export class GuestDescriptors {
  private readonly cpu: Cpu;
  private low = 0;
  private high = 0;
  /** Ring of the guest's kernel: a selector of its own that the kernel read from CS or SS carries this RPL. */
  ring: 1 | 3 = 1;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Reads the selector's descriptor; false where the guest's table has none. */
  private find(selector: number): boolean {
    const v = this.cpu.v.context;
    let base: number, limit: number;
    if (selector & 4) {
      if (v.segmentAccess(LDTR) & ACCESS_UNUSABLE) return false;
      base = v.segmentBase(LDTR);
      limit = v.segmentLimit(LDTR);
    } else {
      base = v.get(GDTR_BASE);
      limit = v.get(GDTR_LIMIT) & 0xffff;
    }
    if ((selector & 0xfffc) === 0 || (selector | 7) > limit) return false;
    this.low = peek(this.cpu, v, (base + (selector & 0xfff8)) | 0, 4);
    this.high = peek(this.cpu, v, (base + (selector & 0xfff8) + 4) | 0, 4);
    return true;
  }

  private get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  private get isSegment(): boolean {
    return (this.high & 0x1000) !== 0;
  }
  private get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }

  /** RPL of a selector in the hands of code at `cpl`: where the kernel's real ring leaked into it, it stands for 0. */
  rpl(selector: number, cpl: number): number {
    const rpl = selector & 3;
    return cpl === 0 && rpl === this.ring && this.find(selector) && this.dpl === 0 ? 0 : rpl;
  }

  /** The descriptor may be seen by LAR, LSL, VERR, VERW. */
  private isVisible(selector: number, cpl: number): boolean {
    const rpl = this.rpl(selector, cpl);
    return this.find(selector) && (this.isConforming || (cpl <= this.dpl && rpl <= this.dpl));
  }

  private isOf(systemTypes: readonly number[]): boolean {
    return this.isSegment || systemTypes.includes((this.high >>> 8) & 15);
  }

  /** The result of LAR, or -1 where ZF becomes 0. Bits 16-19 are undefined and read as 0. */
  accessRights(selector: number, cpl: number): number {
    return this.isVisible(selector, cpl) && this.isOf(RIGHTS_TYPES) ? this.high & 0x00f0_ff00 : -1;
  }

  /** The result of LSL as an unsigned number, or -1. */
  limit(selector: number, cpl: number): number {
    if (!this.isVisible(selector, cpl) || !this.isOf(LIMIT_TYPES)) return -1;
    const raw = (this.low & 0xffff) | (this.high & 0xf_0000);
    return this.high & 0x80_0000 ? raw * 4096 + 4095 : raw;
  }

  /** VERR. Code counts if it is readable. */
  isReadable(selector: number, cpl: number): boolean {
    return this.isVisible(selector, cpl) && this.isSegment && (this.high & 0x0a00) !== 0x0800;
  }

  /** VERW. */
  isWritable(selector: number, cpl: number): boolean {
    return this.isVisible(selector, cpl) && (this.high & 0x1a00) === 0x1200;
  }

  /** A segment that a return to ring `cpl` takes away. */
  isInside(selector: number, cpl: number): boolean {
    return this.find(selector) && !this.isConforming && this.dpl < cpl;
  }

  /** Vector that loading a data or stack segment register raises, or 0. */
  faultOfLoad(index: number, selector: number, cpl: number): number {
    const rpl = this.rpl(selector, cpl);
    if ((selector & 0xfffc) === 0) return index === SS ? GENERAL_PROTECTION : 0;
    if (!this.find(selector) || !this.isSegment) return GENERAL_PROTECTION;
    const readable = (this.high & 0x0a00) !== 0x0800, writableData = (this.high & 0x0a00) === 0x0200;
    if (index === SS) {
      if (rpl !== cpl || this.dpl !== cpl || !writableData) return GENERAL_PROTECTION;
    } else if (!readable || (!this.isConforming && (rpl > this.dpl || cpl > this.dpl))) {
      return GENERAL_PROTECTION;
    }
    return this.high & 0x8000 ? 0 : index === SS ? STACK_FAULT : NOT_PRESENT;
  }

  /** Vector that a far jump or call within the ring raises for its code segment, or 0. */
  faultOfTransfer(selector: number, cpl: number): number {
    if (!this.find(selector) || (this.high & 0x1800) !== 0x1800) return GENERAL_PROTECTION;
    if (this.isConforming ? this.dpl > cpl : this.dpl !== cpl) return GENERAL_PROTECTION;
    return this.high & 0x8000 ? 0 : NOT_PRESENT;
  }
}
