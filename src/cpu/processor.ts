// What all parts of the processor share: the state, the active context with its TLB and address space, the hooks to
// the board, and how a fault is signalled. The parts themselves are functions over it; class Cpu (cpu.ts) is the whole.

import { CONTEXT_H, CONTEXT_V, CPL, CR2, FAULT, FAULT_ERROR, FAULT_HAS_ERROR } from "../isa/state-layout.ts";
import { CR4_UMIP } from "./control-bits.ts";
import { CpuExit } from "./exit.ts";
import type { KnownGate } from "./known-gate.ts";
import { type CpuModel, type CpuModelName, DEFAULT_CPU_MODEL, cpuModel, cr4Offered } from "./models.ts";
import { MsrFile } from "./msr-file.ts";
import type { PhysicalSpace } from "./physical-space.ts";
import { Context, CpuState } from "./state.ts";
import { Tlb, type TlbTables } from "./tlb.ts";
import { type ControlBlock, EXIT_TASK_SWITCH } from "./vmx-controls.ts";

/** Vectors; SDM Vol. 3A, "Protected-Mode Exceptions and Interrupts". */
export const DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11, SS_FAULT = 12, GP = 13, PF = 14, MF = 16, AC = 17;

/** The I/O address space. Values are unsigned. */
export interface PortSpace {
  read(port: number, width: 1 | 2 | 4): number;
  write(port: number, width: 1 | 2 | 4, value: number): void;
  /** Fills `into` with reads of one port as REP INS does; returns the bytes transferred, a multiple of `width`, 0 where `read` must be used. */
  readBlock?(port: number, width: 1 | 2 | 4, into: Uint8Array): number;
  /** The mirror of `readBlock` for REP OUTS. */
  writeBlock?(port: number, width: 1 | 2 | 4, from: Uint8Array): number;
}

/** A debugger's watch on data, beside the guest's own debug registers. */
export interface DataWatch {
  /** Linear pages that stay out of the TLB. */
  readonly pages: readonly number[];
  /** An access to one of the watched pages. */
  note(linear: number, width: number, write: boolean): void;
}

/** What a monitor wants to be told of: accesses to bytes that are its own. */
export interface TouchWatch {
  /** Whether an access to a page that is marked (PAGE_READS_WATCHED, PAGE_IS_PRIVATE) is one of them. */
  concerns(physical: number, width: number, write: boolean): boolean;
  /** Whether bytes that the silicon takes for the rest of an instruction, of a page with PAGE_READS_WATCHED, are not all the guest's own. */
  spoils(physical: number, length: number): boolean;
  /** The instruction at EIP is about to make it. */
  note(touch: Touch): void;
}

export interface Touch {
  readonly linear: number;
  readonly physical: number;
  readonly width: number;
  readonly write: boolean;
  /** The bytes are no data, but a part of the instruction itself. */
  readonly fetched: boolean;
}

export interface CpuHooks {
  ports: PortSpace;
  /** Bytes of a page that was marked by `markCode` changed. */
  codeWritten(physical: number, length: number): void;
  /** Time-stamp counter ticks since power-on, a whole number. `hardware`: as the silicon counts, beside as the guest is told. */
  readTimestamp(hardware: boolean): number;
  /** An unmasked x87 error while CR0.NE = 0: the FERR# pin, IRQ 13 of a PC. */
  floatingPointError(): void;
  /** IA32_APIC_BASE of the local APIC, its low half; null: the board has no such register. `write`: false where a reserved bit is set. */
  readonly apicBase?: { read(): number | null; write(value: number): boolean };
  /** Something that a person should know; once per text. */
  notice(text: string): void;
}

/** One context with what belongs to it alone. */
export interface ContextUnit {
  readonly context: Context;
  readonly tlb: Tlb;
  physical: PhysicalSpace;
  /** CR4 bits that MOV CR4 accepts. */
  cr4Mask: number;
}

export interface ProcessorOptions {
  readonly memory: WebAssembly.Memory;
  readonly tables: { readonly v: TlbTables; readonly h: TlbTables };
  readonly physical: { readonly v: PhysicalSpace; readonly h: PhysicalSpace };
  readonly hooks: CpuHooks;
  readonly model?: CpuModelName;
}

const APIC_BASE_ENABLE = 0x800;
/** In FAULT: no exception. */
const NO_VECTOR = 256;

/** Bits of `codePages`: what the page holds, or what stores to it and loads from it are watched for. */
export const PAGE_HOLDS_CODE = 1, PAGE_IS_TRACED = 2, PAGE_READS_WATCHED = 4;
/** The monitor's own: the processor reads its tables there, and nobody else may come. */
export const PAGE_IS_PRIVATE = 8;

/** Unwinds a helper body after `raise`; caught at the helper's boundary. Never an Error: no stack is captured. */
export const GUEST_FAULT = Object.freeze({ signal: "guest fault" });

export class Processor {
  readonly state: CpuState;
  readonly v: ContextUnit;
  readonly h: ContextUnit;
  readonly hooks: CpuHooks;
  readonly model: CpuModel;
  readonly msrs: MsrFile;
  /** 4 MB pages above 4 GB: looked at in every page walk. */
  readonly hasPse36: boolean;
  readonly exit = new CpuExit();
  /** By vector (exit-gates.ts). */
  readonly exitGates = new Array<KnownGate | undefined>(256).fill(undefined);
  /** Exits since the start: the number that the trap log must match. */
  exitCount = 0;
  /** A monitor is attached: context H never enters CPL 0. */
  hostAttached = false;

  /** The guest runs in VMX non-root operation, under this control block. */
  nonRoot: ControlBlock | null = null;

  /** The present code runs on the silicon of a machine whose ring 0 is the monitor. */
  get deprivileged(): boolean {
    return this.hostAttached && this.context.isHardware;
  }

  /**
   * Accesses with these rights, from FLAT_BELOW on, are in no TLB: the kernel that a monitor keeps in ring 1 has flat segments that end
   * at the monitor's window, and below it nobody needs to look at a limit.
   */
  keepsWindow(user: boolean): boolean {
    return this.windowAtTop && !user && this.deprivileged;
  }
  windowAtTop = false;
  /** The instruction looks at segment limits itself, whatever the mode says. */
  mindsLimits = false;

  /** Task switches leave: into ring 0, or always in non-root operation. */
  get leavesForTasks(): boolean {
    return this.deprivileged || this.nonRoot !== null;
  }
  get taskExitReason(): number {
    return this.nonRoot !== null ? EXIT_TASK_SWITCH : -1;
  }

  /** Hypothetical hardware: the page directory that fetches of H go through, 0 where they go through CR3 as everything else. */
  codeRoot = 0;
  /** H runs what a translation pass makes of the guest's code. */
  translating = false;
  /** An interrupt waits for the guest's IF: translated code that opens it calls the monitor. */
  guestInterruptWaits = false;
  /** The record whose stores may go beside what is watched in their page (Tlb.openBeside); 0: none. */
  checkedRecord = 0;
  /** Instructions that translated code did inline. */
  inlined = 0;

  /** The active context and what belongs to it. */
  context: Context;
  tlb: Tlb;
  physical: PhysicalSpace;

  /** Nonzero for physical pages that hold decoded code or that a monitor watches. */
  readonly codePages = new Uint8Array(1 << 20);
  touchWatch: TouchWatch | null = null;
  /** The instruction was left for it, as for a fault: it is told of, and runs once more. */
  touched: Touch | null = null;
  /** The instruction that runs has been told of. */
  touchTold = false;
  /** The processor reads a table of its own: a descriptor, a gate, the task's stack pointers or its I/O map. */
  readsTable = false;
  /** Blocks of one instruction, besides what TF and breakpoints ask for. */
  singleInstruction = false;

  /** Linear pages of enabled data breakpoints and of `dataWatch`: these pages stay out of the TLB. */
  watchedPages: readonly number[] = [];
  /** To be followed by `updateMode`. */
  dataWatch: DataWatch | null = null;
  /** DR6 bits of #DB traps that wait for the end of the instruction. */
  pendingDebug = 0;
  /** TF was set when the instruction began. */
  stepping = false;
  /** While branches are watched (branch-records.ts): the instruction's place, and whether it went elsewhere. */
  branchFrom = 0;
  branched = false;
  /** CR0.AM, EFLAGS.AC and CPL 3: every data access takes the slow path. */
  alignmentCheck = false;

  /** The #DB fault that waits for delivery is an instruction breakpoint: RF stays clear in the pushed image. */
  breakpointFault = false;
  /** IRET or a task switch has just loaded RF: it holds for the next instruction. */
  keepResumeFlag = false;

  /** A task switch is past the point where its faults belong to the new task. */
  taskCommitted = false;

  /** The event that entered its handler last; INT n and external interrupts are no exceptions. */
  delivered: { readonly vector: number; readonly errorCode: number | null; readonly isException: boolean } | null = null;

  /** EXT bit of error codes: 1 while an event is delivered that no INT instruction caused. */
  external = 0;
  /** The descriptor that was read last. */
  descriptorLow = 0;
  descriptorHigh = 0;

  /** CR2 before the page fault that was raised last. */
  cr2Before = 0;
  /** Properties (PAGE_*) of the last page walk. */
  walkFlags = 0;
  /** The time-stamp counter that was read last was the silicon's, in which the monitor's own time is. */
  readSilicon = false;
  /** Ticks that WRMSR to the time-stamp counter added. */
  timestampOffset = 0n;
  /** Ticks of the monitor's that the silicon's RDTSC has shown the guest. */
  shownTicks = 0;

  constructor(options: ProcessorOptions) {
    this.state = new CpuState(options.memory);
    this.hooks = options.hooks;
    this.model = cpuModel(options.model ?? DEFAULT_CPU_MODEL);
    this.msrs = new MsrFile(this.model);
    this.hasPse36 = this.model.features.has("pse36");
    this.v = { context: new Context(this.state, CONTEXT_V), tlb: new Tlb(this.state, options.tables.v), physical: options.physical.v, cr4Mask: cr4Offered(this.model) };
    this.h = { context: new Context(this.state, CONTEXT_H), tlb: new Tlb(this.state, options.tables.h), physical: options.physical.h, cr4Mask: cr4Offered(this.model) | CR4_UMIP };
    this.context = this.v.context;
    this.tlb = this.v.tlb;
    this.physical = this.v.physical;
    this.tlb.prepare();
  }

  /** The local APIC exists and IA32_APIC_BASE has it on. */
  get localApicEnabled(): boolean {
    return ((this.hooks.apicBase?.read() ?? 0) & APIC_BASE_ENABLE) !== 0;
  }

  /** Explicit accesses are user accesses at CPL 3. */
  get user(): boolean {
    return this.context.get(CPL) === 3;
  }

  /** Records a fault for delivery after the instruction. */
  raise(vector: number, errorCode: number): void {
    this.state.write(FAULT, vector + 1);
    this.state.write(FAULT_ERROR, errorCode);
    this.state.write(FAULT_HAS_ERROR, 1);
  }

  raiseNoError(vector: number): void {
    this.state.write(FAULT, vector + 1);
    this.state.write(FAULT_ERROR, 0);
    this.state.write(FAULT_HAS_ERROR, 0);
  }

  /** PAGE_* of a page of the active context's physical space. */
  marksOf(physicalPage: number): number {
    const { codePages, physical } = this;
    const marks = codePages[physicalPage]!;
    return physical.behind === undefined ? marks : marks | (codePages[physical.behind(physicalPage)]! & PAGE_IS_PRIVATE);
  }

  /** Leaves the instruction once to tell of an access. False: it has been told of, or is of no interest. */
  leaveForTouch(linear: number, physical: number, width: number, write: boolean): boolean {
    if (this.touchTold || this.touchWatch === null || !this.touchWatch.concerns(physical, width, write)) return false;
    this.leaveFor({ linear, physical, width, write, fetched: false });
    return true;
  }

  /** The same for bytes of the instruction, which are spoilt. */
  leaveForFetch(linear: number, physical: number, width: number): boolean {
    if (this.touchTold) return false;
    this.leaveFor({ linear, physical, width, write: false, fetched: true });
    return true;
  }

  private leaveFor(touch: Touch): void {
    this.touched = touch;
    this.raiseNoError(NO_VECTOR);
  }

  raisePageFault(linear: number, errorCode: number): void {
    this.cr2Before = this.context.get(CR2);
    this.context.set(CR2, linear);
    this.raise(PF, errorCode);
  }

  /** As `raise`, from inside a helper body. */
  fault(vector: number, errorCode: number): never {
    this.raise(vector, errorCode);
    throw GUEST_FAULT;
  }

  /** A fault that names a selector. */
  selectorFault(vector: number, selector: number): never {
    this.fault(vector, (selector & 0xfffc) | this.external);
  }

  faultNoError(vector: number): never {
    this.raiseNoError(vector);
    throw GUEST_FAULT;
  }
}
