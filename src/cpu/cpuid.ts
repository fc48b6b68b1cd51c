// CPUID: who the processor is and what it has. SDM Vol. 2, CPUID, "Information Returned by CPUID Instruction".

import { EAX, EBX, ECX, EDX } from "../isa/state-layout.ts";
import { type CpuidAnswer, type CpuModel, featureWord } from "./models.ts";
import { MISC_LIMIT_CPUID, MSR_MISC_ENABLE } from "./msr-file.ts";
import type { Processor } from "./processor.ts";

const EXTENDED = 0x8000_0000, MAXIMUM_EXTENDED = 0x8000_0008;
/** Line of CLFLUSH and of MONITOR, in bytes. */
const CACHE_LINE = 64;
/** Largest leaf with MISC_ENABLE's limit. */
const LIMITED_LEAF = 3;
const NOTHING: CpuidAnswer = [0, 0, 0, 0];

/** Four characters as a register holds them. */
function text(s: string, at: number): number {
  let word = 0;
  for (let i = 3; i >= 0; i--) word = (word << 8) | (at + i < s.length ? s.charCodeAt(at + i) : 0);
  return word;
}

function basicLeaf(model: CpuModel, maximum: number, leaf: number, subLeaf: number, apic: boolean): CpuidAnswer {
  switch (leaf) {
    case 0:
      return [maximum, text("Genu", 0), text("ntel", 0), text("ineI", 0)];
    case 1: {
      const flushes = model.features.has("clflush") ? (CACHE_LINE / 8) << 8 : 0;
      return [model.signature, model.brandIndex | flushes, featureWord(model, "ecx", apic), featureWord(model, "edx", apic)];
    }
    case 2:
      return model.descriptors;
    case 4:
      return model.caches[subLeaf] ?? NOTHING;
    case 5:
      return [CACHE_LINE, CACHE_LINE, 0, 0];
    default:
      return NOTHING;
  }
}

function extendedLeaf(model: CpuModel, leaf: number, brand: string): CpuidAnswer {
  switch (leaf) {
    case EXTENDED:
      return [MAXIMUM_EXTENDED | 0, 0, 0, 0];
    case 0x8000_0001:
      return [0, 0, 0, featureWord(model, "extended", false)];
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const at = (leaf - 0x8000_0002) * 16;
      return [text(brand, at), text(brand, at + 4), text(brand, at + 8), text(brand, at + 12)];
    }
    case 0x8000_0006:
      // 1 MB of 8 ways, lines of 64 bytes.
      return [0, 0, 0x0400_6040, 0];
    case 0x8000_0008:
      return [model.physicalAddressBits | (32 << 8), 0, 0, 0];
    default:
      return NOTHING;
  }
}

/** EAX selects (and ECX in leaf 4); EAX EBX ECX EDX answer. Beyond its last leaf the processor answers as for the last basic one. */
export function executeCpuid(p: Processor): void {
  const { state, model } = p;
  const asked = state.gpr(EAX) >>> 0, subLeaf = state.gpr(ECX) >>> 0;
  // For operating systems that cannot bear more leaves than the first processors had.
  const limited = ((p.msrs.get(MSR_MISC_ENABLE)?.[0] ?? 0) & MISC_LIMIT_CPUID) !== 0;
  const maximum = limited ? Math.min(LIMITED_LEAF, model.maximumLeaf) : model.maximumLeaf;
  const answer = model.brand !== null && asked >= EXTENDED && asked <= MAXIMUM_EXTENDED
    ? extendedLeaf(model, asked, model.brand)
    : basicLeaf(model, maximum, Math.min(asked, maximum), subLeaf, p.localApicEnabled);
  [EAX, EBX, ECX, EDX].forEach((register, i) => state.setGpr(register, answer[i]!));
}
