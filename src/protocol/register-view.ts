// How the page reads the processor: straight from the shared state (isa/state-layout.ts), no message.
// V is what the guest believes, H what the silicon holds while a monitor is attached, O what bare metal would hold.
// While the machine runs a snapshot may mix two instants; paused, it is exact.

import {
  ACTIVITY, CONTEXT_H, CONTEXT_V, CPL, CR0, CR2, CR3, CR4, DR0, DR6, DR7, EFLAGS_AF, EFLAGS_CF, EFLAGS_FIXED, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF,
  EFLAGS_SHARED, EFLAGS_SYSTEM, EFLAGS_ZF, EIP, FLAG_CARRIES, FLAG_RESULT, GDTR_BASE, GDTR_LIMIT, GPR_BASE, IDTR_BASE, IDTR_LIMIT,
  SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SHADOW,
} from "../isa/state-layout.ts";
import type { Field } from "../isa/state-layout.ts";

export const GPR_NAMES = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"] as const;
export const SEGMENT_NAMES = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"] as const;

/** EFLAGS by name, from the highest bit down. `bits` > 1: a field. */
export const EFLAGS_BITS: readonly { readonly name: string; readonly shift: number; readonly bits: number; readonly title: string }[] = [
  { name: "ID", shift: 21, bits: 1, title: "CPUID available" },
  { name: "VIP", shift: 20, bits: 1, title: "virtual interrupt pending" },
  { name: "VIF", shift: 19, bits: 1, title: "virtual interrupt flag" },
  { name: "AC", shift: 18, bits: 1, title: "alignment check" },
  { name: "VM", shift: 17, bits: 1, title: "virtual-8086 mode" },
  { name: "RF", shift: 16, bits: 1, title: "resume" },
  { name: "NT", shift: 14, bits: 1, title: "nested task" },
  { name: "IOPL", shift: 12, bits: 2, title: "I/O privilege level" },
  { name: "OF", shift: 11, bits: 1, title: "overflow" },
  { name: "DF", shift: 10, bits: 1, title: "direction" },
  { name: "IF", shift: 9, bits: 1, title: "interrupts enabled" },
  { name: "TF", shift: 8, bits: 1, title: "single-step trap" },
  { name: "SF", shift: 7, bits: 1, title: "sign" },
  { name: "ZF", shift: 6, bits: 1, title: "zero" },
  { name: "AF", shift: 4, bits: 1, title: "auxiliary carry" },
  { name: "PF", shift: 2, bits: 1, title: "parity" },
  { name: "CF", shift: 0, bits: 1, title: "carry" },
];

export const CR0_BITS: readonly (readonly [string, number])[] = [
  ["PG", 31], ["CD", 30], ["NW", 29], ["AM", 18], ["WP", 16], ["NE", 5], ["ET", 4], ["TS", 3], ["EM", 2], ["MP", 1], ["PE", 0],
];
export const CR4_BITS: readonly (readonly [string, number])[] = [
  ["UMIP", 11], ["OSXMMEXCPT", 10], ["OSFXSR", 9], ["PCE", 8], ["PGE", 7], ["MCE", 6], ["PAE", 5], ["PSE", 4], ["DE", 3], ["TSD", 2],
  ["PVI", 1], ["VME", 0],
];

export interface SegmentValue {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  /** Bits 8-23 of a descriptor's high dword; bit 16: unusable. */
  readonly access: number;
}

export interface TableValue {
  readonly base: number;
  readonly limit: number;
}

/** What belongs to one view of the processor. */
export interface ContextSnapshot {
  readonly eflags: number;
  readonly cpl: number;
  readonly segments: readonly SegmentValue[];
  readonly gdtr: TableValue;
  readonly idtr: TableValue;
  readonly cr0: number;
  readonly cr2: number;
  readonly cr3: number;
  readonly cr4: number;
  /** DR0-DR3, DR6, DR7. */
  readonly dr: readonly number[];
  /** 0 running, 1 halted, 2 shut down. */
  readonly activity: number;
  /** The next instruction is in the shadow of STI or MOV SS. */
  readonly interruptShadow: boolean;
}

export interface RegisterSnapshot {
  readonly gpr: readonly number[];
  readonly eip: number;
  readonly virtual: ContextSnapshot;
  /** Null while no monitor is attached: then the guest owns the processor. */
  readonly hardware: ContextSnapshot | null;
  /** What bare metal would hold where it differs from both, or null. */
  readonly truth: TruthSnapshot | null;
}

/** The truth record of the leak probes, in shared memory: words present, eflags, cpl, cr0, 8 selectors, GDTR and IDTR base and limit. */
export const TRUTH_BYTES = 64;
export interface TruthSnapshot {
  readonly eflags: number;
  readonly cpl: number;
  readonly cr0: number;
  readonly selectors: readonly number[];
  readonly gdtr: TableValue;
  readonly idtr: TableValue;
}

/** Bytes around the next instruction, put there when the machine stops: words linear, EIP, count, code32; then the bytes. */
export const CODE_WINDOW_BYTES = 80;
export interface CodeWindow {
  readonly linear: number;
  readonly eip: number;
  readonly code32: boolean;
  readonly bytes: Uint8Array;
}

/** Reads the processor state. The state is at its own absolute addresses in the buffer (isa/state-layout.ts). */
export class RegisterReader {
  private readonly view: DataView;
  private readonly truthBase: number;
  private readonly codeBase: number;

  constructor(buffer: ArrayBufferLike, truthBase: number, codeBase: number) {
    this.view = new DataView(buffer);
    this.truthBase = truthBase;
    this.codeBase = codeBase;
  }

  private word(address: number): number {
    return this.view.getUint32(address, true);
  }

  private field(field: Field, context: number): number {
    return this.word(field.context ? context + field.offset : field.offset);
  }

  read(attached: boolean): RegisterSnapshot {
    return {
      gpr: GPR_NAMES.map((_, index) => this.word(GPR_BASE + index * 4)),
      eip: this.word(EIP.offset),
      virtual: this.context(CONTEXT_V),
      hardware: attached ? this.context(CONTEXT_H) : null,
      truth: this.truth(),
    };
  }

  private context(at: number): ContextSnapshot {
    const get = (field: Field): number => this.field(field, at);
    return {
      eflags: (this.statusFlags() | get(EFLAGS_SHARED) | get(EFLAGS_SYSTEM) | EFLAGS_FIXED) >>> 0,
      cpl: get(CPL),
      segments: SEGMENT_NAMES.map((_, index) => {
        const segment = at + index * SEGMENT_STRIDE;
        return {
          selector: this.word(segment + SEG_SELECTOR) & 0xffff, base: this.word(segment + SEG_BASE),
          limit: this.word(segment + SEG_LIMIT), access: this.word(segment + SEG_ACCESS),
        };
      }),
      gdtr: { base: get(GDTR_BASE), limit: get(GDTR_LIMIT) & 0xffff },
      idtr: { base: get(IDTR_BASE), limit: get(IDTR_LIMIT) & 0xffff },
      cr0: get(CR0), cr2: get(CR2), cr3: get(CR3), cr4: get(CR4),
      dr: [0, 4, 8, 12].map((offset) => this.word(at + DR0.offset + offset)).concat(get(DR6), get(DR7)),
      activity: get(ACTIVITY),
      interruptShadow: get(SHADOW) !== 0,
    };
  }

  /** CF PF AF ZF SF OF from their lazy form (isa/state-layout.ts, FLAG_RESULT). */
  private statusFlags(): number {
    const result = this.word(FLAG_RESULT.offset) | 0;
    const carries = this.word(FLAG_CARRIES.offset);
    let parity = (result ^ (carries >>> 8)) & 0xff;
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return (carries >>> 31 ? EFLAGS_CF : 0) | (parity & 1 ? 0 : EFLAGS_PF) | (carries & 8 ? EFLAGS_AF : 0) | (result === 0 ? EFLAGS_ZF : 0)
      | ((result >>> 31) ^ (carries & 1) ? EFLAGS_SF : 0) | ((carries ^ (carries << 1)) >>> 31 ? EFLAGS_OF : 0);
  }

  private truth(): TruthSnapshot | null {
    const at = this.truthBase;
    if (this.word(at) === 0) return null;
    return {
      eflags: this.word(at + 4), cpl: this.word(at + 8), cr0: this.word(at + 12),
      selectors: SEGMENT_NAMES.map((_, index) => this.view.getUint16(at + 16 + index * 2, true)),
      gdtr: { base: this.word(at + 32), limit: this.word(at + 36) },
      idtr: { base: this.word(at + 40), limit: this.word(at + 44) },
    };
  }

  /** The code at the stopped machine's EIP, or null when it could not be fetched. */
  code(): CodeWindow | null {
    const at = this.codeBase;
    const count = this.word(at + 8);
    if (count === 0) return null;
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.view.getUint8(at + 16 + i);
    return { linear: this.word(at), eip: this.word(at + 4), code32: this.word(at + 12) !== 0, bytes };
  }
}

/** Writes the truth record; null: there is none to show. */
export function writeTruth(view: DataView, at: number, truth: TruthSnapshot | null): void {
  view.setUint32(at, 0, true);
  if (!truth) return;
  view.setUint32(at + 4, truth.eflags, true);
  view.setUint32(at + 8, truth.cpl, true);
  view.setUint32(at + 12, truth.cr0, true);
  for (let i = 0; i < SEGMENT_NAMES.length; i++) view.setUint16(at + 16 + i * 2, truth.selectors[i], true);
  view.setUint32(at + 32, truth.gdtr.base, true);
  view.setUint32(at + 36, truth.gdtr.limit, true);
  view.setUint32(at + 40, truth.idtr.base, true);
  view.setUint32(at + 44, truth.idtr.limit, true);
  view.setUint32(at, 1, true);
}

/** Writes the code window; at most 64 bytes of `bytes` are kept, none means that the code could not be fetched. */
export function writeCodeWindow(view: DataView, at: number, window: CodeWindow): void {
  const count = Math.min(window.bytes.length, CODE_WINDOW_BYTES - 16);
  view.setUint32(at, window.linear, true);
  view.setUint32(at + 4, window.eip, true);
  view.setUint32(at + 8, count, true);
  view.setUint32(at + 12, window.code32 ? 1 : 0, true);
  for (let i = 0; i < count; i++) view.setUint8(at + 16 + i, window.bytes[i]);
}
