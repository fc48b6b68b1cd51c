// The processors that the machine can have. Each has what it reports and lacks the rest: its opcode rows, CR4 bits, MSRs and CPUID leaves.
// SDM Vol. 2, CPUID; Vol. 4, MSR tables; Intel AP-485, "Intel Processor Identification and the CPUID Instruction".
//
// Not implemented: hyper-threading, thermal and performance monitoring, the debug store, SpeedStep, processor serial numbers, the test registers of the 486.
// CPUID and MISC_ENABLE say so.

import type { Row } from "../isa/row.ts";
import {
  CR4_DE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_PAE, CR4_PCE, CR4_PGE, CR4_PSE, CR4_PVI, CR4_TSD, CR4_VME,
} from "./control-bits.ts";

/** Where CPUID shows a feature: leaf 1 EDX and ECX, leaf 80000001h EDX; null: known by the model alone. */
const FEATURE_BITS = {
  fpu: ["edx", 0], vme: ["edx", 1], de: ["edx", 2], pse: ["edx", 3], tsc: ["edx", 4], msr: ["edx", 5], pae: ["edx", 6], mce: ["edx", 7], cx8: ["edx", 8],
  apic: ["edx", 9], sep: ["edx", 11], mtrr: ["edx", 12], pge: ["edx", 13], mca: ["edx", 14], cmov: ["edx", 15], pat: ["edx", 16], pse36: ["edx", 17],
  clflush: ["edx", 19], mmx: ["edx", 23], fxsr: ["edx", 24], sse: ["edx", 25], sse2: ["edx", 26], ss: ["edx", 27],
  sse3: ["ecx", 0], monitor: ["ecx", 3], nx: ["extended", 20],
  rdpmc: null, hints: null,
} as const satisfies Record<string, readonly ["edx" | "ecx" | "extended", number] | null>;
export type Feature = keyof typeof FEATURE_BITS;
export type FeatureWord = "edx" | "ecx" | "extended";

export const CPU_MODELS = ["486", "pentium", "pentium3", "pentium4"] as const;
export type CpuModelName = (typeof CPU_MODELS)[number];
export const DEFAULT_CPU_MODEL: CpuModelName = "pentium4";

/** EAX EBX ECX EDX. */
export type CpuidAnswer = readonly [number, number, number, number];

export interface CpuModel {
  readonly name: CpuModelName;
  /** In words, for people. */
  readonly title: string;
  /** Family, model and stepping as CPUID and the reset value of EDX have them. */
  readonly signature: number;
  readonly features: ReadonlySet<Feature>;
  readonly physicalAddressBits: 32 | 36;
  /** Largest basic leaf of CPUID. */
  readonly maximumLeaf: number;
  /** Leaf 1 EBX bits 0-7. */
  readonly brandIndex: number;
  /** Leaf 2: caches and TLBs. */
  readonly descriptors: CpuidAnswer;
  /** Leaf 4 by sub-leaf; absent: none. */
  readonly caches: readonly CpuidAnswer[];
  /** Leaves 80000000h to 80000008h exist where there is a brand string. */
  readonly brand: string | null;
  readonly performanceCounters: number;
}

const NO_LEAF: CpuidAnswer = [0, 0, 0, 0];
const I486: readonly Feature[] = ["fpu", "vme"];
const PENTIUM: readonly Feature[] = [...I486, "de", "pse", "tsc", "msr", "mce", "cx8"];
const PENTIUM3: readonly Feature[] = [
  ...PENTIUM, "pae", "apic", "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "mmx", "fxsr", "sse", "rdpmc", "hints",
];
const PENTIUM4: readonly Feature[] = [...PENTIUM3, "clflush", "sse2", "ss", "sse3", "monitor", "nx"];

const MODELS: Readonly<Record<CpuModelName, CpuModel>> = {
  "486": {
    name: "486", title: "Intel DX4", signature: 0x480, features: new Set(I486), physicalAddressBits: 32, maximumLeaf: 1, brandIndex: 0,
    descriptors: NO_LEAF, caches: [], brand: null, performanceCounters: 0,
  },
  pentium: {
    name: "pentium", title: "Intel Pentium (P54C)", signature: 0x52c, features: new Set(PENTIUM), physicalAddressBits: 32, maximumLeaf: 1, brandIndex: 0,
    descriptors: NO_LEAF, caches: [], brand: null, performanceCounters: 0,
  },
  pentium3: {
    name: "pentium3", title: "Intel Pentium III (Coppermine)", signature: 0x68a, features: new Set(PENTIUM3), physicalAddressBits: 36, maximumLeaf: 2,
    brandIndex: 2,
    // 4 KB and 4 MB TLBs, 16 KB of first-level cache each, 256 KB behind them.
    descriptors: [0x0302_0101, 0, 0, 0x0c04_0882], caches: [], brand: null, performanceCounters: 2,
  },
  pentium4: {
    name: "pentium4", title: "Intel Pentium 4 (Prescott)", signature: 0xf41, features: new Set(PENTIUM4), physicalAddressBits: 36, maximumLeaf: 5,
    brandIndex: 0,
    // 64-entry TLBs, 16 KB of data cache, a trace cache of 12 K micro-operations, 1 MB behind them.
    descriptors: [0x605b_5001, 0, 0, 0x007c_7040],
    // Type and level, ways and line, sets: 8 ways of 64 bytes each, the second level in sectors of two lines.
    caches: [[0x121, 0x01c0_003f, 31, 0], [0x143, 0x01c0_103f, 1023, 0]],
    brand: "trapscope Pentium(R) 4 CPU 1.00GHz", performanceCounters: 18,
  },
};

export function cpuModel(name: CpuModelName): CpuModel {
  return MODELS[name];
}

/** A word of feature bits. `apic`: the local APIC is there and on. */
export function featureWord(model: CpuModel, word: FeatureWord, apic: boolean): number {
  let bits = 0;
  for (const feature of model.features) {
    const place = FEATURE_BITS[feature];
    if (place === null || place[0] !== word || (feature === "apic" && !apic)) continue;
    bits |= 1 << place[1];
  }
  return bits;
}

/** The rows of the instructions that the model has; all others are undefined. A model that lacks none shares the given rows. */
export function offeredRows(rows: readonly Row[], model: CpuModel): readonly Row[] {
  const has = (row: Row) => row.feature === undefined || model.features.has(row.feature);
  return rows.every(has) ? rows : rows.filter(has);
}

const CR4_BITS: readonly (readonly [Feature, number])[] = [
  ["vme", CR4_VME | CR4_PVI], ["tsc", CR4_TSD], ["de", CR4_DE], ["pse", CR4_PSE], ["pae", CR4_PAE], ["mce", CR4_MCE], ["pge", CR4_PGE], ["rdpmc", CR4_PCE],
  ["fxsr", CR4_OSFXSR], ["sse", CR4_OSXMMEXCPT],
];

/** CR4 bits that come with the features; the others are reserved. */
export function cr4Offered(model: CpuModel): number {
  return CR4_BITS.reduce((mask, [feature, bits]) => (model.features.has(feature) ? mask | bits : mask), 0);
}
