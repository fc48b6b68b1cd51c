// Disagreements in which the manual is on our side, or leaves the choice, by what can be seen of them. docs/quirks.md lists them in words.

import { CS } from "../../src/isa/state-layout.ts";
import { DESCRIPTORS } from "./layout.ts";
import type { Difference } from "./lockstep.ts";
import type { RegisterName } from "./processor-view.ts";
import { breaksSegment, isLockInvalid, isMisaligned } from "./segment-model.ts";

interface Explanation {
  readonly name: string;
  /** QEMU takes over our general registers, flags or frame, and the program goes on. */
  readonly continues?: true;
  applies(d: Difference): boolean;
}

/** Faults of a segment check, and what their delivery may end in. */
const SEGMENT_FAULTS: ReadonlySet<number> = new Set([8, 10, 11, 12, 13]);
const TRANSFERS = /^(call|jmp|int|iret)/;
const READ_MODIFY_WRITE = /^(lock )?(add|adc|sub|sbb|and|or|xor|inc|dec|neg|not|xchg|xadd|cmpxchg|cmpxchg8b|bts|btr|btc|shl|shr|sar|rol|ror|rcl|rcr) /;
const STATUS = 0x8d5, UNDEFINED_FLAGS = /^(lock )?(shl|shr|sar|rcl|rcr|rol|ror|shld|shrd|and|or|xor|test|aaa|aas|aad|aam|daa|das|mul|imul|div|idiv|bsf|bsr|bt)/;
const GENERAL: ReadonlySet<string> = new Set(["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]);

/** Only general registers differ, and those in the bits of `mask` alone. */
function differsIn({ fields, ours, qemu }: Difference, mask: number): boolean {
  return fields.every((name) => GENERAL.has(name) && ((ours[name as RegisterName] ^ qemu[name as RegisterName]) & ~mask) === 0);
}

/** Two words of SystemView that differ within `mask`. */
function differsOnlyIn({ systems }: Difference, name: string, mask: number): boolean {
  const [ours, qemu] = systems!.map((view) => Number.parseInt(view.get(name)!, 16));
  return ((ours! ^ qemu!) & ~mask) === 0;
}

const CR4_BITS = 0x7ff;
const CR0_BITS = 0xe005_003f, CR0_PE = 1, CR0_PG = 0x8000_0000, CR0_NW = 0x2000_0000, CR0_CD = 0x4000_0000;
const GRANULAR = 0x8000;
const GENERAL_BY_NUMBER = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;

/** MOV to CR0 of a value that the manual refuses or cuts. */
function isOddCr0({ bytes, before }: Difference): boolean {
  const at = bytes.findIndex((byte, n) => byte === 0x0f && bytes[n + 1] === 0x22);
  const value = before[GENERAL_BY_NUMBER[bytes[at + 2]! & 7]!];
  return (value & ~CR0_BITS) !== 0 || ((value & CR0_PG) !== 0 && (value & CR0_PE) === 0) || ((value & CR0_NW) !== 0 && (value & CR0_CD) === 0);
}

/** Whether an offset is beyond a code segment of the GDT as programs begin with it. */
function isBeyondLimit(selector: number, offset: number): boolean {
  const entry = selector & 4 ? null : DESCRIPTORS[selector >> 3];
  if (!entry || !("base" in entry)) return false;
  return offset > (entry.access & GRANULAR ? entry.limit * 4096 + 4095 : entry.limit);
}

export const EXPLANATIONS: readonly Explanation[] = [
  {
    name: "LAR: bits 16-19 of the result are undefined",
    continues: true,
    applies: (d) => d.text.startsWith("lar") && differsIn(d, 0xf_0000),
  },
  {
    name: "task switch to a 286 TSS: the upper halves of the registers are undefined",
    continues: true,
    applies: (d) => differsIn({ ...d, fields: d.fields.filter((name) => name !== "eflags") }, 0xffff_0000) && d.fields.length >= 3 &&
      ((d.ours.eflags ^ d.qemu.eflags) & 0xffff) === 0 && (d.qemu.cr0 & 8) !== 0,
  },
  {
    name: "flags that the manual leaves undefined",
    continues: true,
    applies: (d) => d.fields.length === 1 && d.fields[0] === "eflags" && ((d.ours.eflags ^ d.qemu.eflags) & ~STATUS) === 0 && UNDEFINED_FLAGS.test(d.text),
  },
  {
    name: "the frame of a fault behind the commit point of a task switch holds the new task's EIP and flags",
    continues: true,
    applies: (d) => d.fields[0] === "frame" && [8, 10, 11, 12, 13].includes(d.exception) && (d.ours.cr0 & 8) !== 0 && TRANSFERS.test(d.text),
  },
  {
    name: "flags that the manual leaves undefined, in the frame of a trap",
    continues: true,
    applies: (d) => d.fields[0] === "frame" && d.exception === 1 && UNDEFINED_FLAGS.test(d.text),
  },
  {
    name: "an access that reads and will write is a write for every page that it touches",
    applies: (d) => d.exception === 14 && d.fields.every((name) => name === "cr2" || name === "frame") && READ_MODIFY_WRITE.test(d.text),
  },
  {
    name: "CMPS reads DS:(E)SI first",
    applies: (d) => d.text.includes("cmps") && (d.exception === 14 || d.exception === 8),
  },
  {
    name: "a reserved bit faults with P set in the error code",
    applies: (d) => d.fields[0] === "frame" && d.exception === 14 && (d.frames![1][0]! & 9) === 8,
  },
  {
    name: "STI holds interrupts back, not the trap of a single step",
    applies: (d) => (d.before.eflags & 0x100) !== 0 && d.exception >= 0 && d.text === "sti",
  },
  {
    name: "what the manual calls no instruction is an invalid opcode",
    applies: (d) => d.text === "(bad)",
  },
  {
    name: "RETF and IRET pop around the end of a 16-bit stack",
    applies: (d) => /^(retf|iret)/.test(d.text) && (d.before.esp & 0xffff) >= 0xfff0,
  },
  {
    name: "ENTER with a 16-bit stack makes its frame within 64 KB",
    continues: true,
    applies: (d) => d.text.startsWith("enter") && differsIn(d, 0xffff_0000),
  },
  {
    name: "a TSS in the LDT is a general protection fault for JMP and CALL",
    applies: (d) => /^(jmp|call) far/.test(d.text) && d.exception === 13,
  },
  {
    name: "a frame on the user's own stack is written with the user's rights",
    applies: (d) => d.fields[0] === "frame" && d.exception === 14 && ((d.frames![0][0]! ^ d.frames![1][0]!) & 4) !== 0,
  },
  {
    name: "a call gate to conforming code leaves the CPL in CS",
    applies: (d) => d.text.startsWith("call far") && d.fields.length === 1 && d.fields[0] === "cs" && ((d.ours.cs ^ d.qemu.cs) & ~3) === 0 && (d.ours.cs & 3) === (d.before.cs & 3),
  },
  {
    name: "an interrupt of a V86 task must lead to ring 0",
    applies: (d) => (d.before.eflags & 0x2_0000) !== 0 && (d.qemu.cs & 3) === 1,
  },
  {
    // SDM Vol. 2, IRET, RETURN-TO-VIRTUAL-8086-MODE.
    name: "IRETD to a V86 task beyond 64 KB is a general protection fault",
    applies: (d) => d.text === "iretd" && SEGMENT_FAULTS.has(d.exception) && (d.before.cs & 3) === 0 && d.top.length === 12 && (d.top[10]! & 2) !== 0 && (d.top[2]! | d.top[3]!) !== 0,
  },
  {
    // SDM Vol. 2, IRET and RET: #SS(selector).
    name: "an outer stack that is not present is a stack fault",
    applies: (d) => d.exception === 12 && /^(iret|retf)/.test(d.text) && d.qemu.eip !== d.ours.eip,
  },
  {
    // SDM Vol. 2, IRET: RETURN-TO-VIRTUAL-8086-MODE wants CPL 0.
    name: "IRETD outside ring 0 takes VM for nothing",
    applies: (d) => d.text === "iretd" && (d.before.cs & 3) !== 0 && d.top.length === 12 && (d.top[10]! & 2) !== 0 && (d.qemu.eflags & 0x2_0000) !== 0,
  },
  {
    // SDM Vol. 2, IRET and RET: #GP(0) if the target is beyond the limit of the new CS.
    name: "QEMU lets IRET and RETF return beyond the limit of CS",
    applies: (d) => /^(iretd?|retf)/.test(d.text) && SEGMENT_FAULTS.has(d.exception) && d.top.length === 12 && isBeyondLimit(d.qemu.cs, d.qemu.eip),
  },
  {
    name: "IRETD of ring 0 loads VIF and VIP",
    continues: true,
    applies: (d) => d.text === "iretd" && d.fields.length === 1 && d.fields[0] === "eflags" && ((d.ours.eflags ^ d.qemu.eflags) & ~0x18_0000) === 0,
  },
  {
    name: "reserved bits of CR0 are 0, and PG without PE faults",
    applies: (d) => /^mov cr0/.test(d.text) && isOddCr0(d),
  },
  {
    name: "reserved bits of CR4 fault",
    applies: (d) => d.exception === 13 && /^mov cr4/.test(d.text) && (d.before[GENERAL_BY_NUMBER[d.bytes[d.bytes.indexOf(0x22) + 1]! & 7]!] & ~CR4_BITS) !== 0,
  },
  {
    name: "PUSHA begins with EAX",
    applies: (d) => d.text.startsWith("pusha") && d.exception === 14 && d.fields.every((name) => name === "cr2"),
  },
  {
    name: "a switch to the current task's own TSS loads what it has just saved",
    applies: (d) => (d.exception >= 0 || TRANSFERS.test(d.text)) && d.ours.cs === d.before.cs && (d.ours.eip - d.before.eip) >>> 0 <= 15 &&
      (d.exception < 0 ? ((d.ours.eflags ^ d.before.eflags) & ~0x4000) === 0 : d.ours.eip === d.before.eip) && (d.ours.cr0 & 8) !== 0,
  },
  {
    name: "a fault behind the commit point of a task switch: how much of the new task is loaded by then",
    applies: (d) => [8, 10, 11, 12, 13].includes(d.exception) && TRANSFERS.test(d.text) && (d.ours.cr0 & d.qemu.cr0 & 8) !== 0 &&
      ((d.before.cr0 & 8) === 0 || (d.text.startsWith("iret") && (d.before.eflags & 0x4000) !== 0)),
  },
  {
    name: "F6 /1 and F7 /1 are TEST, as silicon has them",
    applies: (d) => d.text.startsWith("test ") && d.exception < 0 && d.bytes.some((byte, n) => (byte & 0xfe) === 0xf6 && (d.bytes[n + 1]! & 0x38) === 8) && d.qemu.eip !== d.ours.eip,
  },
  {
    // SDM Vol. 3B, "Instruction-Breakpoint Exception Condition".
    name: "RF that IRETD loads holds back the breakpoint at the instruction it returns to",
    applies: (d) => d.text.startsWith("iret") && d.exception < 0 && (d.ours.eflags & 0x1_0000) !== 0 && d.qemu.eip !== d.ours.eip,
  },
  {
    name: "INT1 is an instruction",
    applies: (d) => d.text === "int1",
  },
  {
    name: "a port where nothing is",
    continues: true,
    applies: (d) => d.text.startsWith("in ") && d.fields.length === 1 && d.fields[0] === "eax",
  },
  {
    name: "QEMU checks neither limits nor types of segments in memory accesses",
    applies: (d) => SEGMENT_FAULTS.has(d.exception) && breaksSegment(d.bytes, d.code32, d.before, d.segments, d.ours),
  },
  {
    // SDM Vol. 2, JMP, Jcc and CALL: #GP(0) if the target is beyond the limit of CS.
    name: "QEMU lets a near branch leave the limit of CS",
    applies: (d) => d.exception === 13 && /^(j|loop|call)[a-z]* 0x/.test(d.text) && Number.parseInt(d.text.split(" 0x")[1]!, 16) > d.segments[CS]!.limit,
  },
  {
    name: "QEMU has no alignment check",
    applies: (d) => (d.exception === 17 || SEGMENT_FAULTS.has(d.exception)) && isMisaligned(d.text, d.bytes, d.code32, d.before, d.segments, d.ours),
  },
  {
    name: "MOV to and from a control register that there is not is an invalid opcode at every level of privilege",
    applies: (d) => d.exception === 6 && d.bytes.some((byte, i) => byte === 0x0f && (d.bytes[i + 1]! & 0xfd) === 0x20),
  },
  {
    name: "a return to an outer ring makes null selectors in FS and GS 0",
    applies: (d) => /^(iret|retf)/.test(d.text) && d.fields.every((name) => (name === "fs" || name === "gs") && d.ours[name] === 0 && d.qemu[name] < 4),
  },
  {
    name: "LTR of a null selector faults",
    applies: (d) => d.exception >= 0 && d.text.startsWith("ltr"),
  },
  {
    name: "a task switch ends the single step of the task before it",
    applies: (d) => (d.before.eflags & 0x100) !== 0 && (d.ours.cr0 & 8) !== 0 && TRANSFERS.test(d.text),
  },
  {
    name: "LOCK without a destination in memory that may have it is an invalid opcode",
    applies: (d) => (d.exception === 6 || SEGMENT_FAULTS.has(d.exception)) && d.text.startsWith("lock ") && isLockInvalid(d.bytes, d.code32),
  },
  {
    name: "GD makes an access to a debug register a fault",
    applies: (d) => d.exception >= 0 && (d.before.cs & 3) === 0 && /\bdr[0-7]/.test(d.text) && (d.exception === 1 || d.qemu.eip !== d.ours.eip),
  },
  {
    // SDM Vol. 2, CMPS and SCAS: the flags before the instruction are restored.
    name: "a repeated comparison that faults half-way leaves the flags",
    continues: true,
    applies: (d) => [8, 10, 11, 12, 13, 14, 17].includes(d.exception) && /^rep.*(cmps|scas)/.test(d.text) && d.fields.length === 1 && ((d.fields[0] === "eflags" && ((d.ours.eflags ^ d.qemu.eflags) & ~STATUS) === 0) || d.fields[0] === "frame"),
  },
  {
    name: "QEMU knows no empty x87 registers",
    applies: (d) => d.x87 === true || (/^fu?comip? /.test(d.text) && d.fields.length === 1 && d.fields[0] === "eflags"),
  },
  {
    name: "accessed and dirty bits that a program reads from its page tables: QEMU sets them in pointers of PAE",
    continues: true,
    applies: (d) => d.fields.length > 0 && (d.ours.cr0 & CR0_PG) !== 0 && differsIn(d, 0x60),
  },
  {
    name: "the TLB may have what the page tables have lost",
    applies: (d) => d.exception !== 14 && d.remapped === true && (d.fields[0] === "shutdown" || d.qemu.cr2 !== d.before.cr2),
  },
  {
    // LE: 80386 Programmer's Reference Manual, "Debug Control Register". The rest: SDM Vol. 3B, "Debug Control Register (DR7)".
    name: "DR7: a task switch clears LE, a debug exception GD, and reserved bits are 0",
    continues: true,
    applies: (d) => d.fields.length === 1 && d.fields[0] === "dr7" && differsOnlyIn(d, "dr7", 0xf900),
  },
  {
    name: "LSS opens no shadow: the trap of a single step comes after it",
    applies: (d) => d.exception === 1 && d.text.startsWith("lss "),
  },
];

export function explain(d: Difference): Explanation | null {
  return EXPLANATIONS.find((explanation) => explanation.applies(d)) ?? null;
}
