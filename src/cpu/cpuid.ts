// What CPUID tells: a P6-class processor that reports what works and nothing else.
// SDM Vol. 2, CPUID, "Information Returned by CPUID Instruction".

import { EAX, EBX, ECX, EDX } from "../isa/state-layout.ts";
import { CR4_DE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_PAE, CR4_PCE, CR4_PGE, CR4_PSE, CR4_PVI, CR4_TSD, CR4_VME } from "./control-bits.ts";
import type { CpuState } from "./state.ts";

/** Family 6, model 5, stepping 2. */
export const SIGNATURE = 0x652;
const BRAND = "trapscope P6-class virtual processor";
const MAX_LEAF = 2, MAX_EXTENDED = 0x8000_0008;

/** Bits of leaf 1 EDX. */
export const FEATURE_BITS = {
  fpu: 0, vme: 1, de: 2, pse: 3, tsc: 4, msr: 5, pae: 6, cx8: 8, sep: 11, pge: 13, cmov: 15, clflush: 19, mmx: 23, fxsr: 24, sse: 25, sse2: 26,
} as const;
export type Feature = keyof typeof FEATURE_BITS;

export const DEFAULT_FEATURES: readonly Feature[] = ["fpu", "vme", "de", "pse", "tsc", "msr", "pae", "cx8", "sep", "pge", "cmov"];

/** CR4 bits that come with the features. */
export function cr4Offered(features: ReadonlySet<Feature>): number {
  let mask = CR4_PCE;
  if (features.has("vme")) mask |= CR4_VME | CR4_PVI;
  if (features.has("tsc")) mask |= CR4_TSD;
  if (features.has("de")) mask |= CR4_DE;
  if (features.has("pse")) mask |= CR4_PSE;
  if (features.has("pae")) mask |= CR4_PAE;
  if (features.has("pge")) mask |= CR4_PGE;
  if (features.has("fxsr")) mask |= CR4_OSFXSR;
  if (features.has("sse")) mask |= CR4_OSXMMEXCPT;
  return mask;
}

export function featureBits(features: ReadonlySet<Feature>): number {
  let bits = 0;
  for (const feature of features) bits |= 1 << FEATURE_BITS[feature];
  return bits;
}

/** Four characters as a register holds them. */
function text(s: string, at: number): number {
  let word = 0;
  for (let i = 3; i >= 0; i--) word = (word << 8) | (at + i < s.length ? s.charCodeAt(at + i) : 0);
  return word;
}

/** CPUID: EAX selects, EAX EBX ECX EDX answer. */
export function executeCpuid(state: CpuState, features: ReadonlySet<Feature>): void {
  const answer = (eax: number, ebx: number, ecx: number, edx: number): void => {
    state.setGpr(EAX, eax);
    state.setGpr(EBX, ebx);
    state.setGpr(ECX, ecx);
    state.setGpr(EDX, edx);
  };
  const asked = state.gpr(EAX) >>> 0;
  // Beyond the last leaf the processor answers as for the last basic one.
  const known = asked <= MAX_LEAF || (asked >= 0x8000_0000 && asked <= MAX_EXTENDED);
  const leaf = known ? asked : MAX_LEAF;
  switch (leaf) {
    case 0:
      answer(MAX_LEAF, text("Genu", 0), text("ntel", 0), text("ineI", 0));
      return;
    case 1:
      // EBX: CLFLUSH line of 8 x 8 bytes, where CLFLUSH exists.
      answer(SIGNATURE, features.has("clflush") ? 8 << 8 : 0, 0, featureBits(features));
      return;
    case 2:
      // Descriptors of a P6: 4 KB and 4 MB TLBs, 16 KB L1 caches, 512 KB L2.
      answer(0x0302_0101, 0, 0, 0x0c04_0843);
      return;
    case 0x8000_0000:
      answer(MAX_EXTENDED | 0, 0, 0, 0);
      return;
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const at = (leaf - 0x8000_0002) * 16;
      answer(text(BRAND, at), text(BRAND, at + 4), text(BRAND, at + 8), text(BRAND, at + 12));
      return;
    }
    case 0x8000_0008:
      // 32 physical and 32 linear address bits.
      answer(0x2020, 0, 0, 0);
      return;
    default:
      answer(0, 0, 0, 0);
  }
}
