// What each sensitive instruction does on a bare processor, by CPL, IOPL, V86, CR4.VME PVI UMIP TSD and EFLAGS.VIP. Typed from
// the manual: SDM Vol. 2, "Operation" of each instruction; Vol. 3A, "Privileged Instructions", "User-Mode Instruction
// Prevention", "Virtual-8086 Mode", "Protected-Mode Virtual Interrupts".
import type { Assembler } from "./trap-guest.ts";

export interface State {
  readonly cpl: 0 | 1 | 2 | 3;
  readonly v86: boolean;
  readonly iopl: number;
  readonly vme: boolean;
  readonly pvi: boolean;
  readonly umip: boolean;
  readonly tsd: boolean;
  readonly vip: boolean;
}

export type Outcome =
  /** Completes; the flags IF, IOPL, VIF, VIP behind it, and what it pushed, where that is said. */
  | { readonly runs: true; readonly flags?: number; readonly pushed?: number }
  /** The handler of a vector, with an error code where the exception has one. */
  | { readonly vector: number; readonly error?: number }
  /** V86 with VME: the 8086 program's own handler. */
  | { readonly redirected: number };

export interface Row {
  readonly name: string;
  /** IF and VIF at the start; VIF where it means something. */
  readonly start: number;
  /** Assembles it; `code` is the selector of the segment that it runs in. */
  emit(a: Assembler, code: number): void;
  rule(s: State): Outcome;
}

export const KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, TSS = 0x28, CODE_OF = [0x08, 0x39, 0x4a, 0x1b] as const, DATA_OF = [0x10, 0x41, 0x52, 0x23] as const;
/** Ports of the I/O permission bitmap; INT n: a gate of DPL 3 with redirection bit 0, one of DPL 0 with bit 1. */
export const DENIED_PORT = 0x84, ALLOWED_PORT = 0x85, OPEN_INT = 0x80, CLOSED_INT = 0x81;
/** Scratch memory that every ring reaches; behind it a pointer to the kernel's data, a table image, bounds, and zeros. */
export const SCRATCH = 0x3000, FAR_POINTER = 0x3010, TABLE_IMAGE = 0x3018, BOUNDS = 0x3020, NULL_POINTER = 0x3028, X87_STATE = 0x3400;

export const IF = 0x200, VIF = 0x8_0000, VIP = 0x10_0000;
const SS_OVERRIDE = 0x36;
const UD = 6, GP = 13, RUNS: Outcome = { runs: true };
const gp = (error = 0): Outcome => ({ vector: GP, error });
const ud: Outcome = { vector: UD };

/** VIF stands for IF here. */
export const virtual = (s: State): boolean => (s.v86 ? s.vme && s.iopl < 3 : s.pvi && s.cpl === 3 && s.cpl > s.iopl);
/** VIF and VIP are there to be seen and set. */
export const hasVirtualFlags = (s: State): boolean => (s.v86 ? s.vme : s.pvi && s.cpl === 3);
/** EFLAGS at the start. VIF and VIP together would be an interrupt that is due: #GP before the instruction. */
export const entry = (s: State, start: number): number => (start & ~(hasVirtualFlags(s) && !s.vip ? 0 : VIF)) | (s.iopl << 12) | (s.vip ? VIP : 0);
const changed = (flags: number, bit: number, on: boolean): number => (on ? flags | bit : flags & ~bit);
const ownsIf = (s: State): boolean => (s.v86 ? s.iopl === 3 : s.cpl <= s.iopl);

/** CLI and STI. */
function interruptFlag(s: State, start: number, on: boolean): Outcome {
  if (ownsIf(s)) return { runs: true, flags: changed(entry(s, start), IF, on) };
  if (!virtual(s)) return gp();
  return on && s.vip ? gp() : { runs: true, flags: changed(entry(s, start), VIF, on) };
}

/** POPF and IRET within the ring, with an image of IOPL 0. */
function popped(s: State, start: number, on: boolean, bytes: 2 | 4): Outcome {
  const flags = entry(s, start);
  if (s.v86) {
    if (s.iopl === 3) return { runs: true, flags: changed(flags, IF, on) };
    if (!s.vme || bytes === 4) return gp();
    return on && s.vip ? gp() : { runs: true, flags: changed(flags, VIF, on) };
  }
  const withIf = s.cpl <= s.iopl ? changed(flags, IF, on) : flags;
  // At CPL 0, IRETD and no POPF also writes VIF and VIP, from an image that has them clear.
  return { runs: true, flags: s.cpl === 0 ? withIf & ~0x3000 : withIf };
}

function pushed(s: State, start: number, bytes: 2 | 4): Outcome {
  const flags = entry(s, start);
  if (s.v86 && s.iopl < 3) {
    if (!s.vme || bytes === 4) return gp();
    return { runs: true, pushed: changed((flags & ~0x3000) | 0x3000, IF, (flags & VIF) !== 0) & 0xffff };
  }
  return { runs: true, pushed: bytes === 2 ? flags & 0xffff : flags };
}

function softwareInterrupt(s: State, vector: number, dpl: number, redirected: boolean): Outcome {
  if (!s.v86) return dpl >= s.cpl ? { vector } : gp(vector * 8 + 2);
  if (s.vme && redirected) return { redirected: vector };
  if (s.iopl < 3) return gp();
  return dpl >= 3 ? { vector } : gp(vector * 8 + 2);
}

const privileged = (s: State): Outcome => (s.cpl === 0 ? RUNS : gp());
const port = (allowed: boolean) => (s: State): Outcome => ((!s.v86 && s.cpl <= s.iopl) || allowed ? RUNS : gp());
const umip = (s: State): Outcome => (s.umip && s.cpl > 0 ? gp() : RUNS);
const protectedOnly = (rule: (s: State) => Outcome) => (s: State): Outcome => (s.v86 ? ud : rule(s));
const always = (outcome: Outcome) => (): Outcome => outcome;
/** A load of a data segment register with the kernel's own selector. */
const kernelData = (s: State): Outcome => (s.v86 || s.cpl === 0 ? RUNS : gp(KERNEL_DATA));
const kernelCode = (s: State): Outcome => (s.v86 || s.cpl === 0 ? RUNS : gp(KERNEL_CODE));

const row = (name: string, emit: Row["emit"], rule: Row["rule"], start = 0): Row => ({ name, emit, rule, start });
const raw = (...bytes: number[]) => (a: Assembler): void => a.raw(...bytes);
const memory = (bytes: 2 | 4, opcode: readonly number[], reg: number, address: number) => (a: Assembler): void => a.memory(bytes, opcode, reg, address, SS_OVERRIDE);
const isV86Code = (a: Assembler): boolean => a.mode === "real";
/** With a selector in AX. */
const withAx = (selector: number, bytes: readonly number[]) => (a: Assembler): void => {
  a.ax(isV86Code(a) ? 0 : selector);
  marks(a);
  a.raw(...bytes);
};
/** Where the instruction in question begins, if not at once. */
export const marked = new WeakMap<Assembler, number>();
function marks(a: Assembler): void {
  marked.set(a, a.here);
}
function framed(words: (code: number) => readonly number[], bytes: 2 | 4, opcode: number) {
  return (a: Assembler, code: number): void => {
    // The frame ends with the place behind: each push has one length.
    const length = (a.mode === "pm32") === (bytes === 4) ? 0 : 1;
    const values = words(code);
    const behind = a.here + (values.length + 1) * (1 + length + bytes) + 1 + length;
    for (const value of [...values, behind]) a.push(bytes, value);
    marks(a);
    a.sized(bytes, opcode);
  };
}

export const ROWS: readonly Row[] = [
  row("CLI", raw(0xfa), (s) => interruptFlag(s, IF | VIF, false), IF | VIF),
  row("STI", raw(0xfb), (s) => interruptFlag(s, 0, true)),
  ...([2, 4] as const).flatMap((bytes): Row[] => [
    row(`PUSHF ${bytes}`, (a) => a.sized(bytes, 0x9c), (s) => pushed(s, IF, bytes), IF),
    row(`PUSHF ${bytes}, VIF`, (a) => a.sized(bytes, 0x9c), (s) => pushed(s, VIF, bytes), VIF),
    row(`POPF ${bytes} IF=0`, (a) => { a.push(bytes, 2); marks(a); a.sized(bytes, 0x9d); }, (s) => popped(s, IF | VIF, false, bytes), IF | VIF),
    row(`POPF ${bytes} IF=1`, (a) => { a.push(bytes, 2 | IF); marks(a); a.sized(bytes, 0x9d); }, (s) => popped(s, 0, true, bytes)),
    row(`IRET ${bytes} IF=0`, framed((code) => [2, code], bytes, 0xcf), (s) => popped(s, IF | VIF, false, bytes), IF | VIF),
    row(`IRET ${bytes} IF=1`, framed((code) => [2 | IF, code], bytes, 0xcf), (s) => popped(s, 0, true, bytes)),
    row(`RETF ${bytes}`, framed((code) => [code], bytes, 0xcb), always(RUNS)),
  ]),
  row("INT 80h", raw(0xcd, OPEN_INT), (s) => softwareInterrupt(s, OPEN_INT, 3, true), IF | VIF),
  row("INT 81h", raw(0xcd, CLOSED_INT), (s) => softwareInterrupt(s, CLOSED_INT, 0, false), IF),
  row("INT3", raw(0xcc), always({ vector: 3 })),
  row("INT1", raw(0xf1), always({ vector: 1 })),
  row("INTO", (a) => { a.raw(0xb0, 0x7f, 0x04, 0x01); marks(a); a.raw(0xce); }, always({ vector: 4 })),
  row("BOUND", memory(2, [0x62], 0, BOUNDS), always({ vector: 5 })),
  row("UD2", raw(0x0f, 0x0b), always(ud)),
  ...([["denied", DENIED_PORT, false], ["allowed", ALLOWED_PORT, true]] as const).flatMap(([word, number, allowed]): Row[] => [
    row(`IN ${word}`, raw(0xe4, number), port(allowed)),
    row(`OUT ${word}`, raw(0xe6, number), port(allowed)),
    row(`IN DX ${word}`, (a) => { a.sized(2, 0xba); a.word(number, 2); marks(a); a.raw(0xec); }, port(allowed)),
    row(`OUTS ${word}`, (a) => { a.sized(2, 0xba); a.word(number, 2); a.sized(4, 0xbe); a.word(SCRATCH, 4); marks(a); a.raw(SS_OVERRIDE, 0x6e); }, port(allowed)),
    row(`INS ${word}`, (a) => { a.sized(2, 0xba); a.word(number, 2); a.sized(4, 0xbf); a.word(SCRATCH, 4); marks(a); a.raw(0x6c); }, port(allowed)),
  ]),
  row("SGDT", memory(4, [0x0f, 0x01], 0, SCRATCH), umip),
  row("SIDT", memory(4, [0x0f, 0x01], 1, SCRATCH), umip),
  row("SMSW", memory(2, [0x0f, 0x01], 4, SCRATCH), umip),
  row("SLDT", raw(0x0f, 0x00, 0xc0), protectedOnly(umip)),
  row("STR", raw(0x0f, 0x00, 0xc8), protectedOnly(umip)),
  row("LMSW", (a) => { a.ax(1); marks(a); a.raw(0x0f, 0x01, 0xf0); }, privileged),
  row("CLTS", raw(0x0f, 0x06), privileged),
  row("LGDT", memory(4, [0x0f, 0x01], 2, TABLE_IMAGE), privileged),
  row("LIDT", memory(4, [0x0f, 0x01], 3, TABLE_IMAGE), privileged),
  row("LLDT", withAx(0, [0x0f, 0x00, 0xd0]), protectedOnly(privileged)),
  row("LTR", withAx(KERNEL_DATA, [0x0f, 0x00, 0xd8]), protectedOnly((s) => (s.cpl === 0 ? gp(KERNEL_DATA) : gp()))),
  ...([0, 2, 3, 4] as const).map((number) => row(`MOV r,CR${number}`, raw(0x0f, 0x20, 0xc0 | (number << 3)), privileged)),
  row("MOV CR2,r", raw(0x0f, 0x22, 0xd0), privileged),
  row("MOV r,DR7", raw(0x0f, 0x21, 0xf8), privileged),
  row("MOV DR0,r", raw(0x0f, 0x23, 0xc0), privileged),
  row("MOV r,TR6", raw(0x0f, 0x24, 0xf0), always(ud)),
  row("HLT", raw(0xf4), privileged),
  row("INVLPG", memory(4, [0x0f, 0x01], 7, SCRATCH), privileged),
  row("INVD", raw(0x0f, 0x08), privileged),
  row("WBINVD", raw(0x0f, 0x09), privileged),
  row("RDMSR", (a) => { a.sized(4, 0xb9); a.word(0x174, 4); marks(a); a.raw(0x0f, 0x32); }, privileged),
  row("WRMSR", (a) => { a.sized(4, 0xb9); a.word(0x175, 4); marks(a); a.raw(0x0f, 0x30); }, privileged),
  row("RDTSC", raw(0x0f, 0x31), (s) => (s.tsd && s.cpl > 0 ? gp() : RUNS)),
  row("SYSENTER", raw(0x0f, 0x34), always(gp())), // its CS MSR is 0
  row("SYSEXIT", raw(0x0f, 0x35), always(gp())),
  row("LAR", withAx(KERNEL_CODE, [0x0f, 0x02, 0xd0]), protectedOnly(always(RUNS))),
  row("LSL", withAx(KERNEL_CODE, [0x0f, 0x03, 0xd0]), protectedOnly(always(RUNS))),
  row("VERR", withAx(KERNEL_CODE, [0x0f, 0x00, 0xe0]), protectedOnly(always(RUNS))),
  row("VERW", withAx(KERNEL_DATA, [0x0f, 0x00, 0xe8]), protectedOnly(always(RUNS))),
  row("ARPL", withAx(KERNEL_DATA, [0x63, 0xc0]), protectedOnly(always(RUNS))),
  ...[0, 1, 2, 3, 4, 5].map((segment) => row(`MOV r,Sreg ${segment}`, raw(0x8c, 0xc0 | (segment << 3)), always(RUNS))),
  ...[0x06, 0x0e, 0x16, 0x1e].map((opcode) => row(`PUSH Sreg ${opcode.toString(16)}`, raw(opcode), always(RUNS))),
  ...[0xa0, 0xa8].map((opcode) => row(`PUSH Sreg 0f${opcode.toString(16)}`, raw(0x0f, opcode), always(RUNS))),
  ...[0, 2, 3, 4, 5].map((segment) => row(`MOV Sreg ${segment},kernel`, withAx(KERNEL_DATA, [0x8e, 0xc0 | (segment << 3)]), kernelData)),
  ...([[0x07], [0x17], [0x1f], [0x0f, 0xa1], [0x0f, 0xa9]] as const).map((opcode) =>
    row(`POP Sreg ${opcode.map((byte) => byte.toString(16)).join("")}`, (a) => { a.push(2, isV86Code(a) ? 0 : KERNEL_DATA); marks(a); a.sized(2, ...opcode); }, kernelData)),
  ...([["LES", [0xc4]], ["LDS", [0xc5]], ["LSS", [0x0f, 0xb2]], ["LFS", [0x0f, 0xb4]], ["LGS", [0x0f, 0xb5]]] as const).map(([name, opcode]) =>
    row(name, (a) => a.memory(2, opcode, 3, isV86Code(a) ? NULL_POINTER : FAR_POINTER, SS_OVERRIDE), kernelData)),
  row("JMP far", (a) => farDirect(a, 0xea), kernelCode),
  row("CALL far", (a) => farDirect(a, 0x9a), kernelCode),
  row("RETF 4, kernel", framed((code) => [code === 0 ? 0 : KERNEL_CODE], 4, 0xcb), (s) => (s.v86 || s.cpl === 0 ? RUNS : gp(KERNEL_CODE))),
  row("CPUID", raw(0x0f, 0xa2), always(RUNS)),
  ...([["FNSTENV", [0xd9], 6], ["FNSAVE", [0xdd], 6], ["FXSAVE", [0x0f, 0xae], 0]] as const).map(([name, opcode, reg]) => row(name, (a) => a.memory(isV86Code(a) ? 2 : 4, opcode, reg, X87_STATE, SS_OVERRIDE), always(RUNS))),
];

function farDirect(a: Assembler, opcode: number): void {
  const bytes = a.mode === "pm32" ? 4 : 2;
  const behind = a.here + 1 + bytes + 2;
  a.raw(opcode);
  a.word(behind, bytes);
  a.word(isV86Code(a) ? 0 : KERNEL_CODE, 2);
}
