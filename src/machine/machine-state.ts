// What two machines that run the same guest have in common, or not: the registers of the guest's own processor V, and RAM.

import { getEflags } from "../cpu/eflags.ts";
import {
  ACTIVITY, CPL, CR0, CR2, CR3, CR4, CS, DR0, DR6, DR7, EFER, EFLAGS_RF, type Field, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, NMI_BLOCKED,
  SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, X87_BASE, XMM_BASE,
} from "../isa/state-layout.ts";
import { ACCESS_DB } from "../cpu/protection.ts";
import type { Machine } from "./machine.ts";

export interface Difference {
  /** A register, or "memory ADDRESS" of the first dword that differs. */
  readonly what: string;
  readonly a: number | string;
  readonly b: number | string;
}

export interface InstructionAt {
  readonly cs: number;
  readonly eip: number;
  readonly linear: number;
  readonly code32: boolean;
  /** Up to 15 bytes, those of the instruction first. */
  readonly bytes: Uint8Array;
}

const GENERAL = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"] as const;
const SEGMENTS = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"] as const;
const SEGMENT_PARTS: readonly (readonly [name: string, offset: number])[] = [["", SEG_SELECTOR], [" base", SEG_BASE], [" limit", SEG_LIMIT], [" access", SEG_ACCESS]];
const SYSTEM: readonly (readonly [name: string, field: Field])[] = [
  ["CPL", CPL], ["CR0", CR0], ["CR2", CR2], ["CR3", CR3], ["CR4", CR4], ["GDTR base", GDTR_BASE], ["GDTR limit", GDTR_LIMIT], ["IDTR base", IDTR_BASE],
  ["IDTR limit", IDTR_LIMIT], ["DR6", DR6], ["DR7", DR7], ["EFER", EFER], ["SYSENTER_CS", SYSENTER_CS], ["SYSENTER_ESP", SYSENTER_ESP],
  ["SYSENTER_EIP", SYSENTER_EIP], ["activity", ACTIVITY], ["NMI blocked", NMI_BLOCKED],
];
/** An access byte's accessed bit may be set in the table by whoever loads it first. */
const ACCESSED = 1;
const FLOATING_WORDS = (XMM_BASE + 8 * 16 - X87_BASE) >> 2;

/** What differs in the processors that the two guests believe in. */
export function registerDifferences(x: Machine, y: Machine): Difference[] {
  const found: Difference[] = [];
  const compare = (what: string, a: number, b: number): void => {
    if (a !== b) found.push({ what, a: a >>> 0, b: b >>> 0 });
  };
  const v = x.cpu.v.context, w = y.cpu.v.context;
  GENERAL.forEach((name, number) => compare(name, x.cpu.state.gpr(number), y.cpu.state.gpr(number)));
  compare("EIP", x.cpu.state.eip, y.cpu.state.eip);
  compare("EFLAGS", getEflags(x.cpu.state, v) & ~EFLAGS_RF, getEflags(y.cpu.state, w) & ~EFLAGS_RF);
  for (const [name, field] of SYSTEM) compare(name, v.get(field), w.get(field));
  for (let i = 0; i < 4; i++) compare(`DR${i}`, v.getAt(DR0, i), w.getAt(DR0, i));
  SEGMENTS.forEach((name, number) => {
    for (const [part, offset] of SEGMENT_PARTS) {
      const mask = offset === SEG_ACCESS ? ~ACCESSED : offset === SEG_SELECTOR ? 0xffff : -1;
      compare(`${name}${part}`, segmentWord(x, number, offset) & mask, segmentWord(y, number, offset) & mask);
    }
  });
  for (let word = 0; word < FLOATING_WORDS; word++) {
    const at = (X87_BASE >> 2) + word;
    if (x.cpu.state.i32[at] === y.cpu.state.i32[at]) continue;
    compare("x87, MMX or SSE state", x.cpu.state.i32[at]!, y.cpu.state.i32[at]!);
    break;
  }
  return found;
}

function segmentWord({ cpu }: Machine, number: number, offset: number): number {
  return cpu.state.i32[(cpu.v.context.base + number * SEGMENT_STRIDE + offset) >> 2]!;
}

/** The first dword of RAM that differs in what the two guests made of it. */
export function memoryDifference(x: Machine, y: Machine): Difference | null {
  let found: Difference | null = null;
  x.supervisor.unplanted(() => y.supervisor.unplanted(() => void (found = firstDifference(x, y))));
  return found;
}

function firstDifference(x: Machine, y: Machine): Difference | null {
  const a = new Int32Array(x.map.buffer, x.map.ram, x.map.ramBytes >> 2), b = new Int32Array(y.map.buffer, y.map.ram, y.map.ramBytes >> 2);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return { what: `memory ${(i * 4).toString(16).padStart(8, "0")}`, a: a[i]! >>> 0, b: b[i]! >>> 0 };
  }
  return null;
}

/** The instruction that the guest is about to execute. */
export function instructionAt({ cpu, supervisor }: Machine): InstructionAt {
  const v = cpu.v.context;
  const eip = cpu.state.eip >>> 0;
  const linear = (v.segmentBase(CS) + eip) >>> 0;
  return { cs: v.selector(CS), eip, linear, code32: (v.segmentAccess(CS) & ACCESS_DB) !== 0, bytes: supervisor.fetchCode(linear | 0).slice(0, 15) };
}
