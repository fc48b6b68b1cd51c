// The trap log in shared memory: a ring of 32-byte records and a ring of the sites (instructions) that they name.
//
// Record (little endian):  u32 commit = sequence + 1 | u32 icount low | u16 icount high, u8 reason, u8 flags
//   | u24 site, u8 action | f64 guest time in ns | u32 a | u32 b
// Site:  u32 linear address | u32 EIP | u16 CS selector, u8 mode, u8 length | u8[16] instruction bytes (15 used) | u16 mnemonic id, u16 0
//
// What a and b hold follows from kind and action:
//   exit with an error code, action not named below   a = error code, b = state digest before and after (`packDigest`)
//   #PF                                               a = error code, b = CR2
//   IRQ, INT                                          a = vector
//   port-in, port-out, port-block                     a = port | width << 16, b = value (port-block: elements)
//   control                                           a = register (0-7 CRn, 16-23 DRn), b = value
//   table                                             a = limit | which << 16 (0 GDTR 1 IDTR 2 LDTR 3 TR), b = base or selector
//   msr                                               a = MSR, b = low half of the value
//   leak                                              a = what the guest saw or kept, b = what bare metal would have given
//   isolation                                         a = linear address, b = 1 for a store
//   observed                                          a = b = what the guest saw

import { RingReader, ringBytes } from "../base/shared-ring.ts";

export const RECORD_BYTES = 32;
export const RECORD_SLOTS = 1 << 18;
export const SITE_BYTES = 32;
/** Twice the records: a record younger than half of this never outlives its site (monitor/trap-sites.ts). */
export const SITE_SLOTS = RECORD_SLOTS * 2;
export const MAX_INSTRUCTION_BYTES = 15;

/** Bytes of the record ring and, behind it, of the site table. */
export const TRAP_RING_BYTES = ringBytes(RECORD_SLOTS, RECORD_BYTES);
export const SITE_TABLE_BYTES = SITE_SLOTS * SITE_BYTES;

// --- kinds

export const KINDS = ["exit", "leak", "observed"] as const;
export type TrapKind = (typeof KINDS)[number];
export const KIND_EXIT = 0, KIND_LEAK = 1, KIND_OBSERVED = 2;

export const FLAG_KIND_MASK = 3;
/** The instruction was one that the monitor had planted (INT3 patch, copied page). */
export const FLAG_PATCHED = 4;
/** An exception or interrupt was delivered to the guest. */
export const FLAG_INJECTED = 8;
/** The monitor went on emulating after this instruction (real-mode limbo, hostile page). */
export const FLAG_EMULATED_RUN = 0x10;
export const FLAG_REFUSED = 0x20;
/** First record that names this site. */
export const FLAG_FIRST_AT_SITE = 0x40;

// --- reasons: 0-31 the exception of that vector, then the rest; 64 + n is Intel's basic VM exit reason n

export const REASON_COUNT = 128;
export const REASON_IRQ = 32, REASON_INT = 33, REASON_SYSENTER = 34, REASON_CALLOUT = 35, REASON_TCMISS = 36, REASON_REFUSED = 37;
/** Leaks and observations: nothing exited. */
export const REASON_NONE = 63;
export const REASON_VMX = 64;

const EXCEPTIONS: readonly (readonly [number, string])[] = [
  [0, "#DE"], [1, "#DB"], [2, "NMI"], [3, "#BP"], [4, "#OF"], [5, "#BR"], [6, "#UD"], [7, "#NM"], [8, "#DF"], [10, "#TS"],
  [11, "#NP"], [12, "#SS"], [13, "#GP"], [14, "#PF"], [16, "#MF"], [17, "#AC"], [18, "#MC"], [19, "#XM"],
];

/** SDM Vol. 3 Appendix C, "Basic Exit Reasons". */
const VMX_EXITS: readonly (readonly [number, string])[] = [
  [0, "Exception or NMI"], [1, "External interrupt"], [2, "Triple fault"], [7, "Interrupt window"], [9, "Task switch"], [10, "CPUID"],
  [12, "HLT"], [13, "INVD"], [14, "INVLPG"], [16, "RDTSC"], [18, "VMCALL"], [28, "Control-register accesses"], [29, "MOV DR"],
  [30, "I/O instruction"], [31, "RDMSR"], [32, "WRMSR"], [33, "VM-entry failure due to invalid guest state"],
  [46, "Access to GDTR or IDTR"], [47, "Access to LDTR or TR"], [48, "EPT violation"], [49, "EPT misconfiguration"], [55, "XSETBV"],
];

const REASON_NAMES: readonly string[] = (() => {
  const names = new Array<string>(REASON_COUNT).fill("");
  for (const [vector, name] of EXCEPTIONS) names[vector] = name;
  names[REASON_IRQ] = "IRQ";
  names[REASON_INT] = "INT";
  names[REASON_SYSENTER] = "SYSENTER";
  names[REASON_CALLOUT] = "CALLOUT";
  names[REASON_TCMISS] = "TCMISS";
  names[REASON_REFUSED] = "REFUSED";
  for (const [exit, name] of VMX_EXITS) names[REASON_VMX + exit] = `VMX:${name}`;
  return names;
})();

/** "#GP", "IRQ", "VMX:HLT" ...; "" for REASON_NONE and unused codes. */
export function reasonName(reason: number): string {
  return REASON_NAMES[reason] ?? "";
}

/** Every reason that has a name, in code order. */
export function allReasons(): readonly { readonly code: number; readonly name: string }[] {
  return REASON_NAMES.flatMap((name, code) => (name === "" ? [] : [{ code, name }]));
}

/** Callouts are exits of translated code that nothing forced: they are not traps. */
export function isCallout(reason: number): boolean {
  return reason === REASON_CALLOUT || reason === REASON_TCMISS;
}

/** SDM Vol. 3, "Exception and Interrupt Vectors": which exceptions push an error code. */
export function hasErrorCode(vector: number): boolean {
  return vector === 8 || (vector >= 10 && vector <= 14) || vector === 17;
}

// --- actions: what the monitor did about an exit; what kind of leak it was

export const ACTIONS = {
  /** Nothing was to be done: the guest goes on. */
  resume: 1,
  /** The monitor ran this one instruction on the guest's own state. */
  emulate: 2,
  "port-in": 3,
  "port-out": 4,
  /** A REP INS or REP OUTS, many elements at once. */
  "port-block": 5,
  control: 6,
  table: 7,
  msr: 8,
  /** The exception was the guest's own: delivered through its IDT. */
  inject: 9,
  /** A hardware interrupt, delivered to the guest. */
  "deliver-irq": 10,
  /** A hardware interrupt that waits: the guest's IF is 0. */
  "park-irq": 11,
  /** The guest's page tables allow it: the shadow page table got the entry. */
  "shadow-fill": 12,
  mmio: 13,
  /** A store to a page that the monitor watches (descriptor table, page table, code). */
  "traced-write": 14,
  halt: 15,
  refuse: 16,
  /** The guest cannot go on: triple fault, shutdown. */
  end: 17,
  callout: 18,
  /** Not an exit: the instruction ran by itself and was right. */
  native: 32,
  /**
   * Leaks: the guest read something that is not its own; a write was dropped; the wrong stack frame; a fault that should or should not
   * have come; it read a byte that the monitor had planted in its memory; it reached a page of the monitor's; it ran an instruction with a
   * planted byte in it.
   */
  "leaked-read": 33,
  "lost-write": 34,
  "wrong-frame": 35,
  "wrong-fault": 36,
  "patch-seen": 37,
  isolation: 38,
  "patch-run": 39,
} as const;
export type ActionName = keyof typeof ACTIONS;

const ACTION_NAMES: readonly string[] = (() => {
  const names = new Array<string>(256).fill("");
  for (const [name, code] of Object.entries(ACTIONS)) names[code] = name;
  return names;
})();

export function actionName(action: number): ActionName | "" {
  return (ACTION_NAMES[action] ?? "") as ActionName | "";
}

// --- the state digest of emulated instructions: 16 bits before, 16 bits after

export const DIGEST_CPL = 3, DIGEST_PE = 4, DIGEST_PG = 8, DIGEST_VM = 0x10;
/** TF IF DF IOPL NT stand at their EFLAGS positions. */
const DIGEST_EFLAGS = 0x7700;

/** What of the guest's state an instruction may change and a reader wants to see. */
export function digest(eflags: number, cpl: number, cr0: number): number {
  return (eflags & DIGEST_EFLAGS) | (cpl & 3) | (cr0 & 1 ? DIGEST_PE : 0) | (cr0 & 0x8000_0000 ? DIGEST_PG : 0) | (eflags & 0x2_0000 ? DIGEST_VM : 0);
}

export function packDigest(before: number, after: number): number {
  return ((before & 0xffff) | (after << 16)) >>> 0;
}

// --- site modes

export const SITE_MODE_VCPL = 3, SITE_MODE_HCPL_SHIFT = 2, SITE_MODE_VM = 0x10, SITE_MODE_PE = 0x20, SITE_MODE_D = 0x40;

/** Mode byte of a site: the guest's own CPL and mode, and the ring that it really ran in. */
export function packMode(vcpl: number, hcpl: number, vm: boolean, pe: boolean, d: boolean): number {
  return (vcpl & 3) | ((hcpl & 3) << SITE_MODE_HCPL_SHIFT) | (vm ? SITE_MODE_VM : 0) | (pe ? SITE_MODE_PE : 0) | (d ? SITE_MODE_D : 0);
}

export type ModeName = "real" | "v86" | "pm16" | "pm32";

export function modeName(mode: number): ModeName {
  if (!(mode & SITE_MODE_PE)) return "real";
  if (mode & SITE_MODE_VM) return "v86";
  return mode & SITE_MODE_D ? "pm32" : "pm16";
}

// --- reading

/** One decoded site. `bytes` is a view that lasts only until the next read through the same reader. */
export interface SiteView {
  linear: number;
  eip: number;
  cs: number;
  mode: number;
  /** 0: no instruction (an interrupt between two). */
  length: number;
  bytes: Uint8Array;
  mnemonicId: number;
}

/** One record with its site, as plain numbers. Reused between reads. */
export interface RawTrap extends SiteView {
  sequence: number;
  kind: number;
  reason: number;
  flags: number;
  action: number;
  icount: number;
  timeNs: number;
  a: number;
  b: number;
  site: number;
}

export function emptyRawTrap(): RawTrap {
  return {
    sequence: 0, kind: 0, reason: 0, flags: 0, action: 0, icount: 0, timeNs: 0, a: 0, b: 0, site: 0,
    linear: 0, eip: 0, cs: 0, mode: 0, length: 0, bytes: new Uint8Array(MAX_INSTRUCTION_BYTES), mnemonicId: 0,
  };
}

/** Copies the site whose words start at `word`. */
export function readSite(words: Int32Array, word: number, into: SiteView): void {
  into.linear = words[word] >>> 0;
  into.eip = words[word + 1] >>> 0;
  const shape = words[word + 2];
  into.cs = shape & 0xffff;
  into.mode = (shape >>> 16) & 0xff;
  into.length = shape >>> 24;
  for (let at = 0; at < MAX_INSTRUCTION_BYTES; at++) into.bytes[at] = words[word + 3 + (at >> 2)] >>> ((at & 3) * 8);
  into.mnemonicId = words[word + 7] & 0xffff;
}

/** Reads records while the machine writes them. */
export class TrapReader {
  private readonly ring: RingReader;
  private readonly sites: Int32Array;

  constructor(buffer: ArrayBufferLike, ringBase: number, siteBase: number) {
    this.ring = new RingReader(buffer, ringBase);
    this.sites = new Int32Array(buffer, siteBase, (this.ring.slots * 2 * SITE_BYTES) >> 2);
  }

  /** Records written since the machine was made; the next sequence number. */
  get total(): number {
    return this.ring.total;
  }

  /** The oldest record still held. */
  get oldest(): number {
    return this.ring.oldest;
  }

  /** False when the record was overwritten (or never written). */
  read(sequence: number, into: RawTrap): boolean {
    const { words, doubles } = this.ring;
    const slot = this.ring.slot(sequence);
    if (slot < 0) return false;
    const shape = words[slot + 2];
    const where = words[slot + 3];
    into.sequence = sequence;
    into.icount = (words[slot + 1] >>> 0) + (shape & 0xffff) * 0x1_0000_0000;
    into.reason = (shape >>> 16) & 0xff;
    into.flags = shape >>> 24;
    into.kind = into.flags & FLAG_KIND_MASK;
    into.site = where & 0xff_ffff;
    into.action = where >>> 24;
    into.timeNs = doubles[(slot >> 1) + 2];
    into.a = words[slot + 6] >>> 0;
    into.b = words[slot + 7] >>> 0;
    readSite(this.sites, (into.site * SITE_BYTES) >> 2, into);
    return this.ring.holds(sequence, slot);
  }
}
