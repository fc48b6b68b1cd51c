// The model-specific registers that are memory and nothing more, by processor model: reset values, reserved bits, checks.
// SDM Vol. 4, "MSRs in the Pentium 4 and Intel Xeon Processors", "... P6 Family Processors", "... Pentium Processors".
//
// Caches are not modelled, so memory types change nothing; their registers keep what is written.
// Not implemented: performance counters, thermal control, machine checks (the banks never fill), microcode updates
// (the trigger takes an address and no update is loaded).

import type { CpuModel } from "./models.ts";

export const MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1b, MSR_BIOS_UPDT_TRIG = 0x79, MSR_BIOS_SIGN_ID = 0x8b;
export const MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176;
export const MSR_MISC_ENABLE = 0x1a0, MSR_MTRRCAP = 0xfe, MSR_MTRR_PHYSBASE0 = 0x200, MSR_MTRR_DEF_TYPE = 0x2ff, MSR_PAT = 0x277;
export const MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MC0_CTL = 0x400, MSR_EFER = 0xc000_0080 | 0;
const MSR_P5_MC_ADDR = 0, MSR_P5_MC_TYPE = 1, MSR_EBL_CR_POWERON = 0x2a, MSR_EBC_SOFT_POWERON = 0x2b, MSR_EBC_FREQUENCY_ID = 0x2c;
const FIXED_RANGES = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
const VARIABLE_RANGES = 8;
/** Eight variable ranges, fixed ranges, write-combining. */
const MTRRCAP = 0x508;
/** UC WC WT WP WB; PAT knows UC- (7) as well. */
const MTRR_TYPES = 0b111_0011, PAT_TYPES = MTRR_TYPES | 0x80;
export const MISC_LIMIT_CPUID = 1 << 22;
export const MSR_DEBUGCTL = 0x1d9, DEBUGCTL_LBR = 1, DEBUGCTL_BTF = 2;
/** P6: LBR, BTF, the breakpoint pins, TR. Pentium 4: LBR, BTF, TR, and four bits of the branch trace store, which it says it has not. */
const P6_DEBUGCTL = 0x7f, P4_DEBUGCTL = 7, P4_TRACE_STORE = 0x78;
/** Last branch records. The Pentium 4's: the newest's number, sixteen pairs of linear addresses, the pair before the last event. */
export const P4_TOP = 0x1da, P4_FROM = 0x680, P4_TO = 0x6c0, P4_PAIRS = 16, P4_EVENT_FROM = 0x1d7, P4_EVENT_TO = 0x1d8;
/** The P6's: a pair of offsets in the code segment, and the pair before the last event. */
export const P6_FROM = 0x1db, P6_TO = 0x1dc, P6_EVENT_FROM = 0x1dd, P6_EVENT_TO = 0x1de;

/** One register that keeps what is written. A write with a bit outside `writable` and `ignored` faults. */
interface Definition {
  readonly reset: readonly [low: number, high: number];
  readonly writable: readonly [low: number, high: number];
  readonly ignored?: readonly [low: number, high: number];
  readonly accepts?: (low: number, high: number) => boolean;
}

const ALL = [-1, -1] as const, NONE = [0, 0] as const;
const fixed = (low: number, high = 0): Definition => ({ reset: [low, high], writable: NONE });
const readOnly = (low: number, high = 0): Definition => ({ ...fixed(low, high), accepts: () => false });

/** Whether each of the eight bytes is a memory type of `types` (a bit a type). */
function allTypes(types: number): (low: number, high: number) => boolean {
  const valid = (word: number): boolean => {
    for (let shift = 0; shift < 32; shift += 8) {
      const type = (word >>> shift) & 0xff;
      if (type > 7 || ((types >> type) & 1) === 0) return false;
    }
    return true;
  };
  return (low, high) => valid(low) && valid(high);
}
const lowType = (low: number): boolean => (low & 0xff) <= 7 && ((MTRR_TYPES >> (low & 0xff)) & 1) !== 0;

function mtrrs(into: Map<number, Definition>, physicalHigh: number): void {
  into.set(MSR_MTRRCAP, readOnly(MTRRCAP));
  for (let n = 0; n < VARIABLE_RANGES; n++) {
    into.set(MSR_MTRR_PHYSBASE0 + 2 * n, { reset: NONE, writable: [0xffff_f0ff | 0, physicalHigh], accepts: lowType });
    into.set(MSR_MTRR_PHYSBASE0 + 2 * n + 1, { reset: NONE, writable: [0xffff_f800 | 0, physicalHigh] });
  }
  for (const index of FIXED_RANGES) into.set(index, { reset: NONE, writable: ALL, accepts: allTypes(MTRR_TYPES) });
  into.set(MSR_MTRR_DEF_TYPE, { reset: NONE, writable: [0xcff, 0], accepts: lowType });
}

/** Banks that never see an error: their status can only be cleared. */
function machineCheck(into: Map<number, Definition>, banks: number): void {
  into.set(MSR_MCG_CAP, readOnly(banks));
  into.set(MSR_MCG_STATUS, { reset: NONE, writable: [7, 0] });
  for (let bank = 0; bank < banks; bank++) {
    const first = MSR_MC0_CTL + bank * 4;
    into.set(first, { reset: NONE, writable: ALL });
    for (let n = 1; n < 4; n++) into.set(first + n, fixed(0));
  }
}

function definitions(model: CpuModel): Map<number, Definition> {
  const all = new Map<number, Definition>();
  if (!model.features.has("msr")) return all;
  if (!model.features.has("mca")) {
    all.set(MSR_P5_MC_ADDR, fixed(0));
    all.set(MSR_P5_MC_TYPE, fixed(0));
    return all;
  }
  all.set(MSR_PLATFORM_ID, readOnly(0));
  all.set(MSR_BIOS_SIGN_ID, { reset: NONE, writable: ALL });
  if (model.features.has("mtrr")) mtrrs(all, (1 << (model.physicalAddressBits - 32)) - 1);
  if (model.features.has("pat")) all.set(MSR_PAT, { reset: [0x0007_0406, 0x0007_0406], writable: ALL, accepts: allTypes(PAT_TYPES) });
  if (model.name === "pentium4") {
    machineCheck(all, 4);
    all.set(MSR_DEBUGCTL, { reset: NONE, writable: [P4_DEBUGCTL, 0], ignored: [P4_TRACE_STORE, 0] });
    for (const index of [P4_TOP, P4_EVENT_FROM, P4_EVENT_TO]) all.set(index, readOnly(0));
    for (let n = 0; n < P4_PAIRS; n++) for (const first of [P4_FROM, P4_TO]) all.set(first + n, { reset: NONE, writable: [-1, 0] });
    all.set(MSR_EBL_CR_POWERON, fixed(0));
    all.set(MSR_EBC_SOFT_POWERON, fixed(0));
    // 5 times 200 MHz.
    all.set(MSR_EBC_FREQUENCY_ID, readOnly(0x0502_0000));
    // Fast strings and MONITOR are on; no performance monitoring, no BTS, no PEBS. Thermal monitors and the NX switch stay as they are.
    all.set(MSR_MISC_ENABLE, { reset: [0x0004_1801, 0], writable: [0x01c8_0755, 0], ignored: [0x0004_3888, 4] });
  } else {
    machineCheck(all, 5);
    all.set(MSR_DEBUGCTL, { reset: NONE, writable: [P6_DEBUGCTL, 0] });
    for (const index of [P6_FROM, P6_TO, P6_EVENT_FROM, P6_EVENT_TO]) all.set(index, readOnly(0));
    all.set(MSR_EBL_CR_POWERON, { reset: NONE, writable: ALL });
  }
  return all;
}

/** The registers of one processor that are memory and nothing more. */
export class MsrFile {
  private readonly defined: ReadonlyMap<number, Definition>;
  private readonly values = new Map<number, readonly [low: number, high: number]>();
  /** DEBUGCTL, which is looked at all the time. */
  debugControl = 0;

  constructor(model: CpuModel) {
    this.defined = definitions(model);
  }

  reset(): void {
    this.load([]);
  }

  get(index: number): readonly [low: number, high: number] | null {
    return this.values.get(index) ?? this.defined.get(index)?.reset ?? null;
  }

  /** False: no such register, or it does not take this value. */
  set(index: number, low: number, high: number): boolean {
    const definition = this.defined.get(index), present = this.get(index);
    if (!definition || !present) return false;
    const { writable, ignored = NONE, accepts } = definition;
    if (low & ~(writable[0] | ignored[0]) || high & ~(writable[1] | ignored[1]) || accepts?.(low, high) === false) return false;
    this.values.set(index, [(present[0] & ~writable[0]) | (low & writable[0]), (present[1] & ~writable[1]) | (high & writable[1])]);
    if (index === MSR_DEBUGCTL) this.debugControl = this.get(index)![0];
    return true;
  }

  /** What the processor itself writes. */
  put(index: number, value: number): void {
    if (!this.defined.has(index)) return;
    this.values.set(index, [value, 0]);
    if (index === MSR_DEBUGCTL) this.debugControl = value;
  }

  /** Everything that was written since reset, and the way back. */
  save(): [index: number, low: number, high: number][] {
    return [...this.values].map(([index, [low, high]]) => [index, low, high]);
  }

  load(saved: readonly (readonly [index: number, low: number, high: number])[]): void {
    this.values.clear();
    for (const [index, low, high] of saved) this.values.set(index, [low, high]);
    this.debugControl = this.get(MSR_DEBUGCTL)?.[0] ?? 0;
  }
}
