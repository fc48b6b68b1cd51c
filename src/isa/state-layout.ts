// Bytes of the processor state in the shared memory: the one source for TypeScript, wasm and the page.
//
// Two kinds of storage (virtualization.md section 0): what every context shares (general registers, EIP, status flags,
// the EFLAGS bits that POPF changes at CPL 3, x87/SSE), and one context block per view of the privileged state:
// V, the processor the guest believes in, and H, what the silicon holds while a monitor is attached.

/** A named word. `context` fields are relative to a context block, the others are absolute addresses. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly context: boolean;
}

export const STATE_BASE = 0x1000;

/** General registers, in encoding order: EAX ECX EDX EBX ESP EBP ESI EDI. */
export const GPR_BASE = STATE_BASE;
export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;

function shared(name: string, offset: number): Field {
  return { name, offset: STATE_BASE + offset, context: false };
}

/** Address of the byte at which register `index` of `width` bytes lives (AH..BH are byte 1 of EAX..EBX). */
export function registerAddress(index: number, width: number): number {
  return width === 1 && index >= 4 ? GPR_BASE + (index - 4) * 4 + 1 : GPR_BASE + index * 4;
}

/** Always zero: the address of an absent base or index register. */
export const ZERO_ADDRESS = STATE_BASE + 0x20;

export const EIP = shared("eip", 0x24);
/**
 * Status flags, lazily: `flagResult` is the last result sign-extended from its width, `flagCarries` its carry-out vector:
 * bit 31 CF, bits 31^30 OF, bit 3 AF; bit 0 inverts SF, bits 8-15 are XORed into the byte whose parity is PF.
 * ZF = (flagResult == 0), SF = bit 31 of flagResult ^ bit 0 of flagCarries.
 */
export const FLAG_RESULT = shared("flagResult", 0x28);
export const FLAG_CARRIES = shared("flagCarries", 0x2c);
/** DF TF NT AC ID at their EFLAGS positions; nothing else. */
export const EFLAGS_SHARED = shared("eflagsShared", 0x30);
/** EIP of linear offset 0 of the page that executes: EIP of a decoded record = eipBase + its page offset. */
export const EIP_BASE = shared("eipBase", 0x34);
/** Instructions that may still retire before `run` returns. */
export const BUDGET = shared("budget", 0x38);
/** The decoded record that executes, for helpers. */
export const RECORD = shared("record", 0x3c);
/** A fault raised and not yet delivered: 0, or vector + 1; its error code; whether it has one. */
export const FAULT = shared("fault", 0x40);
export const FAULT_ERROR = shared("faultError", 0x44);
export const FAULT_HAS_ERROR = shared("faultHasError", 0x48);
/** Nonzero: the instruction did not complete and is to be resumed (a long REP between slices). */
export const SUSPENDED = shared("suspended", 0x4c);
/** Operands of the last slow memory access that returned 64 or 128 bits. */
export const SLOW_RESULT = shared("slowResult", 0x50);

/** Nonzero between MONITOR and what ends its watch: an interrupt's return, MWAIT. */
export const MONITOR_ARMED = shared("monitorArmed", 0x60);

/** Nonzero: whoever lets interrupts in tells the run loop, because something waits or somebody looks on. */
export const WINDOW = shared("window", 0x64);

/**
 * Stores of translated code beside what is watched in a page (Tlb.openBeside): the linear page | 1, 0: there is none; what is added to a linear
 * address there to get the host's; offsets [from, to) that are watched.
 */
export const BESIDE_PAGE = shared("besidePage", 0x68);
export const BESIDE_HOST = shared("besideHost", 0x6c);
export const BESIDE_FROM = shared("besideFrom", 0x70);
export const BESIDE_TO = shared("besideTo", 0x74);

/** x87: eight 16-byte slots R0-R7 (physical, not ST order): significand u64 at +0, sign and exponent u16 at +8. */
export const X87_BASE = STATE_BASE + 0x100;
export const FCW = shared("fcw", 0x180);
/** Status word without TOP, which is kept apart in `ftop`. */
export const FSW = shared("fsw", 0x184);
export const FTOP = shared("ftop", 0x188);
/** Two bits a physical register: 3 empty, anything else not; the class of the contents is found when a tag word is stored. */
export const FTW = shared("ftw", 0x18c);
export const FIP = shared("fip", 0x190);
export const FCS = shared("fcs", 0x194);
export const FDP = shared("fdp", 0x198);
export const FDS = shared("fds", 0x19c);
export const FOP = shared("fop", 0x1a0);
export const MXCSR = shared("mxcsr", 0x1a4);
export const XMM_BASE = STATE_BASE + 0x200;
export const STATE_BYTES = 0x300;

/** The two context blocks. */
export const CONTEXT_V = STATE_BASE + 0x400;
export const CONTEXT_H = STATE_BASE + 0x600;
export const CONTEXT_BYTES = 0x200;

/** PROBED_*: what becomes of each execution of a sensitive instruction. No part of the processor: a reset leaves it. */
export const PROBED = shared("probed", 0x800);
/** Generated code counts it; the probe sees it; it is no execution by the guest. */
export const PROBED_COUNTED = 0, PROBED_SEEN = 1, PROBED_IGNORED = 2;
/** Executions of sensitive instructions by row index, 32 bits each, since they were last taken away. */
export const OBSERVED_BASE = 0x2000;

function inContext(name: string, offset: number): Field {
  return { name, offset, context: true };
}

/** Segment registers in encoding order, then LDTR and TR. Each takes SEGMENT_STRIDE bytes from the block's start. */
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;
export const SEGMENT_STRIDE = 32;
/** Offsets inside a segment: selector, base, byte-granular limit, access (bits 8-23 of a descriptor's high dword, bit 16 = unusable). */
export const SEG_SELECTOR = 0, SEG_BASE = 4, SEG_LIMIT = 8, SEG_ACCESS = 12;
/**
 * SEG_FAST bit 0: expand-up and readable; bit 1: expand-up and writable; then only the limit is to be checked. Bit 2: also base 0 and limit FFFFFFFFh.
 * Bit 3: base 0, and a limit at the end of a page that is no lower than FLAT_BELOW - 1.
 */
export const SEG_FAST = 16;
export const SEG_FAST_READ = 1, SEG_FAST_WRITE = 2, SEG_FAST_FLAT = 4, SEG_FAST_CUT = 8;
/** Where a monitor's window in the last 4 MB begins: segments of a guest's kernel in ring 1 end there. */
export const FLAT_BELOW = 0xffc0_0000;
export const ACCESS_UNUSABLE = 1 << 16;

export const GDTR_BASE = inContext("gdtrBase", 0x100);
export const GDTR_LIMIT = inContext("gdtrLimit", 0x104);
export const IDTR_BASE = inContext("idtrBase", 0x108);
export const IDTR_LIMIT = inContext("idtrLimit", 0x10c);
export const CR0 = inContext("cr0", 0x110);
export const CR2 = inContext("cr2", 0x114);
export const CR3 = inContext("cr3", 0x118);
export const CR4 = inContext("cr4", 0x11c);
export const DR0 = inContext("dr0", 0x120);
export const DR6 = inContext("dr6", 0x130);
export const DR7 = inContext("dr7", 0x134);
export const CPL = inContext("cpl", 0x138);
/** IF IOPL RF VM VIF VIP at their EFLAGS positions; nothing else. */
export const EFLAGS_SYSTEM = inContext("eflagsSystem", 0x13c);
/** Interrupt shadow: bit 0 by STI, bit 1 by MOV SS / POP SS; covers the next instruction. */
export const SHADOW = inContext("interruptShadow", 0x140);
export const SYSENTER_CS = inContext("sysenterCs", 0x144);
export const SYSENTER_ESP = inContext("sysenterEsp", 0x148);
export const SYSENTER_EIP = inContext("sysenterEip", 0x14c);
/** Latched PAE page-directory-pointer entries, 4 x 8 bytes. */
export const PDPTE = inContext("pdpte", 0x150);
/** Wasm addresses of the read and write TLB tables of the present CPL. */
export const TLB_READ = inContext("tlbRead", 0x170);
export const TLB_WRITE = inContext("tlbWrite", 0x174);
/** What decoded code depends on (MODE_*). */
export const MODE = inContext("mode", 0x178);
/** Activity: 0 running, 1 halted, 2 shut down. */
export const ACTIVITY = inContext("activity", 0x17c);
/** Wasm address of the instruction TLB. */
export const TLB_CODE = inContext("tlbCode", 0x188);
/** NMI blocked until IRET. */
export const NMI_BLOCKED = inContext("nmiBlocked", 0x180);
/** IA32_EFER: NXE. */
export const EFER = inContext("efer", 0x184);

/** Bits of MODE. A block is decoded for one value of it. */
export const MODE_CODE32 = 1; // CS.D
export const MODE_STACK32 = 2; // SS.B
export const MODE_FLAT = 4; // CS DS ES SS: base 0, limit 4 GB, usable for read and write; or flat up to FLAT_BELOW, and what lies above is not in the TLB
export const MODE_PROTECTED = 8; // PE and not VM
export const MODE_V86 = 16;
export const MODE_SINGLE = 32; // blocks of one instruction (budget, TF, breakpoints)
export const MODE_HARDWARE = 64; // context H: a monitor is attached
export const MODE_USER = 128; // CPL 3
export const MODE_TRANSLATED = 256; // what a translation pass made of the code (cpu/block-cache.ts)

export const EFLAGS_CF = 1, EFLAGS_FIXED = 2, EFLAGS_PF = 4, EFLAGS_AF = 0x10, EFLAGS_ZF = 0x40, EFLAGS_SF = 0x80;
export const EFLAGS_TF = 0x100, EFLAGS_IF = 0x200, EFLAGS_DF = 0x400, EFLAGS_OF = 0x800, EFLAGS_IOPL = 0x3000, EFLAGS_NT = 0x4000;
export const EFLAGS_RF = 0x1_0000, EFLAGS_VM = 0x2_0000, EFLAGS_AC = 0x4_0000, EFLAGS_VIF = 0x8_0000, EFLAGS_VIP = 0x10_0000, EFLAGS_ID = 0x20_0000;
export const EFLAGS_STATUS = EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF;
export const EFLAGS_SHARED_MASK = EFLAGS_DF | EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;
export const EFLAGS_SYSTEM_MASK = EFLAGS_IF | EFLAGS_IOPL | EFLAGS_RF | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP;
