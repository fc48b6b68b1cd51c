// Where everything of a program lies, physical and (before a program changes its page tables) linear alike.

export const STUB = 0x600, TABLES_AT = 0x500;
export const GDT = 0x1000, LDT = 0x1800, IDT = 0x2000;
export const TSS_MAIN = 0x3000, TSS_OTHER = 0x3400, TSS_16 = 0x3600, TSS_V86 = 0x3800, TSS_LIMIT = 0x2ff;
/** Page directory and table; in PAE mode pointers, directory and table. */
export const PAGE_TABLES = 0x4000;
export const SLOTS = 0x8000, SLOT_BYTES = 64, SLOT_COUNT = 96;
export const HANDLERS = 0xa000, HANDLER_BYTES = 16, TASKS = 0xb000;
export const STACKS = [0xd000, 0xd800, 0xe000, 0xf000] as const;
export const DATA = 0x1_0000, DATA_PAGES = 8, SPARE = 0x1_8000, SPARE_END = 0x2_0000;
/** What a program starts from and what is compared at its end: all that segments of the 8086 reach. */
export const COMPARED_BYTES = 0x2_8000;
export const END_OF_TABLES = 0x2800;

export function slotAt(index: number): number {
  return SLOTS + index * SLOT_BYTES;
}

/** Descriptor: `access` as the type byte with flags G, D/B in bits 15 and 14. */
interface Descriptor {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
}

const FLAT = 0xf_ffff;
const code = (dpl: number, extra = 0): Descriptor => ({ base: 0, limit: FLAT, access: 0xc09b | (dpl << 5) | extra });
const data = (dpl: number, extra = 0): Descriptor => ({ base: 0, limit: FLAT, access: 0xc093 | (dpl << 5) | extra });

/** The GDT by slot; gates are [selector, offset, access, parameters]. */
export const DESCRIPTORS: readonly (Descriptor | readonly [selector: number, offset: number, access: number, parameters?: number] | null)[] = [
  null,
  code(0), data(0), code(3), data(3), code(1), data(1), code(2), data(2), // 1-8
  code(0, 4), code(3, 4), // 9, 10: conforming
  { base: 0, limit: 0xffff, access: 0x9b }, { base: 0, limit: 0xffff, access: 0x93 }, // 11, 12: 16 bits, ring 0
  { base: 0, limit: 0xffff, access: 0xfb }, { base: 0, limit: 0xffff, access: 0xf3 }, // 13, 14: 16 bits, ring 3
  { base: 0, limit: 0x10, access: 0xc0f7 }, { base: 0, limit: 0x8fff, access: 0xf7 }, // 15, 16: expand-down
  data(3, 0), { base: 0, limit: FLAT, access: 0xc0f1 }, { base: 0, limit: FLAT, access: 0xc0f9 }, // 17; 18: read-only; 19: execute-only
  { base: 0, limit: FLAT, access: 0xc073 }, { base: 0, limit: FLAT, access: 0xc07b }, // 20, 21: absent
  { base: DATA, limit: 0xfff, access: 0x40f3 }, { base: DATA - 0x1000, limit: 0x2345, access: 0x40f2 }, // 22, 23: small; the second never accessed
  { base: TSS_MAIN, limit: TSS_LIMIT, access: 0x89 }, { base: TSS_OTHER, limit: 0x67, access: 0xe9 }, { base: TSS_16, limit: 0x2b, access: 0xe1 }, // 24-26
  { base: TSS_V86, limit: 0x67, access: 0x89 }, { base: TSS_OTHER, limit: 0x66, access: 0xe9 }, // 27; 28: too short
  { base: LDT, limit: 0x7f, access: 0xe2 }, { base: LDT, limit: 0x7f, access: 0x62 }, // 29; 30: absent
  [0x08, 0, 0xec, 2], [0x58, 0, 0xe4, 1], [0x48, 0, 0xec, 0], [0x08, 0, 0x6c, 0], [0x10, 0, 0xec, 0], // 31-35: call gates; 34 absent, 35 to data
  [0xc8, 0, 0xe5], [0xd0, 0, 0xe5], [0xe0, 0, 0xe5], // 36-38: task gates
  [0x28, 0, 0xec, 1], // 39: call gate to ring 1
  { base: 0xffff_f000, limit: 0x1_ffff, access: 0xc0f3 }, // 40: wraps around the top
  { base: 0, limit: 0, access: 0xe0 }, // 41: a type that there is not
  { base: 0, limit: 0x8fff, access: 0x40fb }, { base: 0, limit: 0xdfff, access: 0x4093 }, // 42: code with a limit; 43: a stack with one
];
export const SELECTOR = { code0: 0x08, data0: 0x10, code3: 0x1b, data3: 0x23, code16: 0x58, data16: 0x60, user16: 0x6b, userData16: 0x73, tss: 0xc0, ldt: 0xe8 } as const;

export function putDescriptor(view: DataView, at: number, entry: (typeof DESCRIPTORS)[number], gateOffset: number): void {
  if (entry === null) return;
  if ("base" in entry) {
    const { base, limit, access } = entry;
    view.setUint32(at, ((limit & 0xffff) | (base << 16)) >>> 0, true);
    view.setUint32(at + 4, (((base >>> 16) & 0xff) | ((access & 0xf0ff) << 8) | (limit & 0xf_0000) | (base & 0xff00_0000)) >>> 0, true);
    return;
  }
  const [selector, offset, access, parameters = 0] = entry;
  const target = offset || gateOffset;
  view.setUint32(at, ((target & 0xffff) | (selector << 16)) >>> 0, true);
  view.setUint32(at + 4, ((target & 0xffff_0000) | (access << 8) | parameters) >>> 0, true);
}
