// All registers of the active context as plain values, to read and to set: for the library, debuggers and snapshots.

import {
  ACTIVITY, CPL, CR0, CR2, CR3, CR4, CS, DR0, DR6, DR7, DS, EFER, EFLAGS_VM, EIP, ES, FCS, FCW, FDP, FDS, FIP, FOP, FS, FSW, FTOP, FTW, GDTR_BASE,
  GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, LDTR, MXCSR, NMI_BLOCKED, SHADOW, SS, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TR, X87_BASE, XMM_BASE,
  type Field,
} from "../isa/state-layout.ts";
import { CR0_PE, CR0_PG, CR4_PAE } from "./control-bits.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "./eflags.ts";
import { updateMode } from "./mode.ts";
import { timestamp } from "./msr.ts";
import { MSR_EFER, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_TSC } from "./msr-file.ts";
import { latchPdptes } from "./paging.ts";
import type { Processor } from "./processor.ts";
import { setSegment } from "./segmentation.ts";

/** `access`: bits 8-23 of a descriptor's high dword, as VMX access rights; bit 16: unusable. `limit` in bytes. All unsigned. */
export interface SegmentState {
  selector: number;
  base: number;
  limit: number;
  access: number;
}

export interface TableState {
  base: number;
  limit: number;
}

export interface X87State {
  control: number;
  /** With TOP in bits 11-13. */
  status: number;
  /** Two bits a physical register. */
  tag: number;
  opcode: number;
  instructionOffset: number;
  instructionSelector: number;
  operandOffset: number;
  operandSelector: number;
  /** ST(0) to ST(7), 10 bytes each. */
  registers: Uint8Array;
}

export interface RegisterFile {
  eax: number; ecx: number; edx: number; ebx: number; esp: number; ebp: number; esi: number; edi: number;
  eip: number;
  eflags: number;
  es: SegmentState; cs: SegmentState; ss: SegmentState; ds: SegmentState; fs: SegmentState; gs: SegmentState;
  ldtr: SegmentState; tr: SegmentState;
  gdtr: TableState; idtr: TableState;
  cr0: number; cr2: number; cr3: number; cr4: number;
  dr0: number; dr1: number; dr2: number; dr3: number; dr6: number; dr7: number;
  cpl: number;
  /** 0 running, 1 halted, 2 shut down. */
  activity: number;
  /** Bit 0: after STI, bit 1: after MOV SS. */
  interruptShadow: number;
  nmiBlocked: number;
  /** By number; the time-stamp counter as a whole number of ticks. */
  msr: Record<number, number>;
  x87: X87State;
  mxcsr: number;
  /** XMM0 to XMM7, 16 bytes each. */
  xmm: Uint8Array;
}

const GPRS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;
const SEGMENTS = [["es", ES], ["cs", CS], ["ss", SS], ["ds", DS], ["fs", FS], ["gs", GS], ["ldtr", LDTR], ["tr", TR]] as const;
const TABLES = [["gdtr", GDTR_BASE, GDTR_LIMIT], ["idtr", IDTR_BASE, IDTR_LIMIT]] as const;
const WORDS: readonly (readonly ["cr0" | "cr2" | "cr3" | "cr4" | "dr6" | "dr7" | "cpl" | "activity" | "interruptShadow" | "nmiBlocked", Field])[] = [
  ["cr0", CR0], ["cr2", CR2], ["cr3", CR3], ["cr4", CR4], ["dr6", DR6], ["dr7", DR7], ["cpl", CPL], ["activity", ACTIVITY], ["interruptShadow", SHADOW],
  ["nmiBlocked", NMI_BLOCKED],
];
const BREAKPOINTS = ["dr0", "dr1", "dr2", "dr3"] as const;
const CONTEXT_MSRS = [[MSR_EFER >>> 0, EFER], [MSR_SYSENTER_CS, SYSENTER_CS], [MSR_SYSENTER_ESP, SYSENTER_ESP], [MSR_SYSENTER_EIP, SYSENTER_EIP]] as const;
const X87_WORDS = [
  ["control", FCW], ["tag", FTW], ["opcode", FOP], ["instructionOffset", FIP], ["instructionSelector", FCS], ["operandOffset", FDP],
  ["operandSelector", FDS],
] as const;
const TOP_SHIFT = 11, TOP_MASK = 0x3800;

export function readRegisters(p: Processor): RegisterFile {
  const { context: c, state } = p;
  const file: Partial<RegisterFile> = {};
  GPRS.forEach((name, i) => {
    file[name] = state.gpr(i) >>> 0;
  });
  file.eip = state.eip >>> 0;
  file.eflags = getEflags(state, c);
  for (const [name, i] of SEGMENTS) {
    file[name] = { selector: c.selector(i), base: c.segmentBase(i) >>> 0, limit: c.segmentLimit(i), access: c.segmentAccess(i) };
  }
  for (const [name, base, limit] of TABLES) file[name] = { base: c.get(base) >>> 0, limit: c.get(limit) };
  for (const [name, field] of WORDS) file[name] = c.get(field) >>> 0;
  BREAKPOINTS.forEach((name, i) => {
    file[name] = c.getAt(DR0, i) >>> 0;
  });
  file.msr = { [MSR_TSC]: timestamp(p) };
  for (const [number, field] of CONTEXT_MSRS) file.msr[number] = c.get(field) >>> 0;
  file.x87 = readX87(p);
  file.mxcsr = state.read(MXCSR);
  file.xmm = state.u8.slice(XMM_BASE, XMM_BASE + 128);
  return file as RegisterFile;
}

/**
 * Sets what is named and leaves the rest. No check and no fault: any state that the fields can hold. CPL follows from CS, CR0.PE and
 * EFLAGS.VM unless it is named. Translations are dropped, the PAE pointers are latched anew.
 */
export function writeRegisters(p: Processor, part: Partial<RegisterFile>): void {
  const { context: c, state } = p;
  GPRS.forEach((name, i) => {
    const value = part[name];
    if (value !== undefined) state.setGpr(i, value);
  });
  if (part.eip !== undefined) state.write(EIP, part.eip);
  if (part.eflags !== undefined) setEflags(state, c, part.eflags, EFLAGS_ALL);
  for (const [name, i] of SEGMENTS) {
    const segment = part[name];
    if (segment) setSegment(c, i, segment.selector, segment.base, segment.limit, segment.access);
  }
  for (const [name, base, limit] of TABLES) {
    const table = part[name];
    if (!table) continue;
    c.set(base, table.base);
    c.set(limit, table.limit & 0xffff);
  }
  const privilege = part.cs ?? part.cr0 ?? part.eflags;
  if (privilege !== undefined && part.cpl === undefined) {
    const cr0 = part.cr0 ?? c.get(CR0);
    c.set(CPL, (cr0 & CR0_PE) === 0 ? 0 : getEflags(state, c) & EFLAGS_VM ? 3 : c.selector(CS) & 3);
  }
  for (const [name, field] of WORDS) {
    const value = part[name];
    if (value !== undefined) c.set(field, value);
  }
  BREAKPOINTS.forEach((name, i) => {
    const value = part[name];
    if (value !== undefined) c.setAt(DR0, i, value);
  });
  writeMsrs(p, part.msr ?? {});
  if (part.x87) writeX87(p, part.x87);
  if (part.mxcsr !== undefined) state.write(MXCSR, part.mxcsr);
  if (part.xmm) state.u8.set(part.xmm.subarray(0, 128), XMM_BASE);
  if (c.get(CR0) & CR0_PG && c.get(CR4) & CR4_PAE) latchPdptes(p, c.get(CR3));
  p.tlb.flushAll();
  updateMode(p);
}

function writeMsrs(p: Processor, msr: Record<number, number>): void {
  for (const [number, field] of CONTEXT_MSRS) {
    const value = msr[number];
    if (value !== undefined) p.context.set(field, value);
  }
  const ticks = msr[MSR_TSC];
  if (ticks !== undefined) p.timestampOffset += BigInt(ticks) - BigInt(timestamp(p));
}

/** Address of ST(i). */
function stackSlot(top: number, i: number): number {
  return X87_BASE + ((top + i) & 7) * 16;
}

function readX87(p: Processor): X87State {
  const { state } = p;
  const top = state.read(FTOP) & 7;
  const registers = new Uint8Array(80);
  for (let i = 0; i < 8; i++) registers.set(state.u8.subarray(stackSlot(top, i), stackSlot(top, i) + 10), i * 10);
  const words = Object.fromEntries(X87_WORDS.map(([name, field]) => [name, state.read(field) >>> 0])) as Record<(typeof X87_WORDS)[number][0], number>;
  return { ...words, status: (state.read(FSW) & ~TOP_MASK) | (top << TOP_SHIFT), registers };
}

function writeX87(p: Processor, x87: X87State): void {
  const { state } = p;
  const top = (x87.status & TOP_MASK) >> TOP_SHIFT;
  for (const [name, field] of X87_WORDS) state.write(field, x87[name]);
  state.write(FSW, x87.status & ~TOP_MASK);
  state.write(FTOP, top);
  for (let i = 0; i < 8; i++) state.u8.set(x87.registers.subarray(i * 10, i * 10 + 10), stackSlot(top, i));
}
