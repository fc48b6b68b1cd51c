// T7, paravirtualization (Xen, 2003; lguest): the guest's kernel is ported. It runs in ring 1, asks the monitor by INT 82h, and
// keeps its interrupt flag in a page that both share: CLI is a store. System calls go from ring 3 to ring 1 through a trap gate,
// without the monitor. A kernel that traps in any other way was not ported, and is refused. The calls: docs/hypercalls.md.
//
// Not implemented: a network; 16-bit code is the loader's, and emulated.

import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { clearTaskSwitched, writeControl } from "../../cpu/helpers/control-registers.ts";
import { loadTask } from "../../cpu/helpers/descriptor-tables.ts";
import { interruptReturn } from "../../cpu/helpers/interrupt-return.ts";
import { CR0_TS } from "../../cpu/control-bits.ts";
import { BP, GP, GUEST_FAULT, OF, PF } from "../../cpu/processor.ts";
import {
  ACTIVITY, CPL, CR0, CR2, CS, EAX, EBX, ECX, EDX, EFLAGS_IF, EFLAGS_SYSTEM, ESP, GDTR_BASE, IDTR_BASE, IDTR_LIMIT, SS, TR,
} from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { Deprivileged } from "../deprivileged.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const HYPERCALL_VECTOR = 0x82;
const HALTED = 1;
const CR0_PE = 1;
const ACCESS_CODE32 = 1 << 14;
/** Gate: present, DPL 3, 32-bit trap gate. */
const DIRECT_GATE = 0xef00, GATE_BITS = 0xff00;
const ESP0 = 4, SS0 = 8;
/** The shared page. */
const SHARED_IF = 0, SHARED_PENDING = 4, SHARED_CR2 = 8;
const EXIT_PORT = 0xf4, MARK_PORT = 0xe8, DEBUG_CONSOLE = 0xe9;
const PIT_CHANNEL0 = 0x40, PIT_CONTROL = 0x43, RATE_GENERATOR = 0x34;
/** Both controllers: vectors 20h and 28h, cascade on line 2, automatic end of interrupt; only the timer open. */
const CONTROLLERS: readonly (readonly [number, number])[] = [
  [0x20, 0x11], [0xa0, 0x11], [0x21, 0x20], [0xa1, 0x28], [0x21, 4], [0xa1, 2], [0x21, 3], [0xa1, 3], [0x21, 0xfe], [0xa1, 0xff],
];
const MMU_ENTRY = 8, BLOCK_ENTRY = 16;
/** Calls of plex86's HAL (docs/lite.md), whose disks these are. */
const HAL_DISK_INFO = 5, HAL_DISK_WRITE = 6, HAL_DISK_READ = 7;

class Paravirt extends Deprivileged {
  private taken = false;
  /** Host address of the shared page, 0 before it is registered. */
  private shared = 0;
  private readonly calls: readonly ((a: number, b: number, c: number) => number)[];
  private hypercalls = 0;

  constructor(monitor: Monitor) {
    super(monitor, 1, { oneTable: true });
    this.calls = [
      (page) => this.register(page),
      (base, limit) => this.setTrapTable(base, limit),
      (selector, low, high) => this.setDescriptor(selector, low, high),
      (pointer) => this.switchStack(pointer),
      () => this.returnFromInterrupt(),
      (list, count) => this.updateTables(list, count),
      (value) => (writeControl(this.cpu, 3, value), 0),
      (linear) => (this.cpu.tlb.flushPage(linear), 0),
      (set) => this.setTaskSwitched(set !== 0),
      () => (this.cpu.v.context.set(ACTIVITY, HALTED), 0),
      (divisor) => this.startTimer(divisor),
      (from, count) => this.write(from, count),
      () => 0,
      (selector) => (loadTask(this.cpu, selector), this.switchStack(this.guestDword(this.taskState + ESP0))),
      (status) => this.port(EXIT_PORT, status),
      (phase) => this.port(MARK_PORT, phase),
      (list, count) => this.moveSectors(list, count),
      (area) => monitor.parts.hal(HAL_DISK_INFO, area >>> 0, 0, 0)!,
    ];
  }

  // --- towards H

  override enter(left: number): StopReason | null {
    const { cpu, monitor } = this;
    const v = cpu.v.context;
    if (!this.taken) {
      if (!this.isLoaded()) return monitor.emulate(left, this.loaded, true);
      this.taken = true;
    }
    if (this.shared !== 0) {
      const { view } = cpu.state;
      view.setInt32(this.shared + SHARED_IF, v.get(EFLAGS_SYSTEM) & EFLAGS_IF ? 1 : 0, true);
      view.setInt32(this.shared + SHARED_PENDING, monitor.interrupts.parked ? 1 : 0, true);
      view.setInt32(this.shared + SHARED_CR2, v.get(CR2), true);
      cpu.state.touched(this.shared);
    }
    return super.enter(left);
  }

  private isLoaded(): boolean {
    const v = this.cpu.v.context;
    return (v.get(CR0) & CR0_PE) !== 0 && v.get(CPL) === 0 && (v.segmentAccess(CS) & ACCESS_CODE32) !== 0;
  }
  private readonly loaded = (): boolean => this.isLoaded();

  override absorb(): boolean {
    const moved = super.absorb();
    const { cpu, shared } = this;
    const v = cpu.v.context;
    if (shared !== 0) {
      const open = cpu.state.view.getInt32(shared + SHARED_IF, true) !== 0;
      v.set(EFLAGS_SYSTEM, (v.get(EFLAGS_SYSTEM) & ~EFLAGS_IF) | (open ? EFLAGS_IF : 0));
      this.monitor.parts.probes.truth.adopt();
    }
    return moved;
  }

  // --- exits

  override react(exit: CpuExit): ActionName {
    const { cpu, monitor } = this;
    const { instruction } = monitor.recorder;
    if (cpu.v.context.get(CPL) !== 0 || (exit.kind === "exception" && (exit.vector === PF || exit.vector === BP || exit.vector === OF))) return super.react(exit);
    if (instruction?.row?.mnemonic === "INT" && (instruction.immediate & 0xff) === HYPERCALL_VECTOR) return this.hypercall(instruction.length);
    if (exit.kind === "exception" && exit.vector === GP) {
      monitor.refuse(`NOT_PORTED: this technique needs a ported kernel, and this one executes ${instruction?.row?.mnemonic ?? "an instruction that faults"}`);
      return "refuse";
    }
    return super.react(exit);
  }

  private hypercall(length: number): ActionName {
    const { cpu, monitor } = this;
    const { state } = cpu;
    const number = state.gpr(EAX), call = this.calls[number];
    this.hypercalls++;
    monitor.stale = true;
    if (!call) {
      monitor.refuse(`there is no hypercall ${number}`);
      return "refuse";
    }
    state.eip = (state.eip + length) | 0;
    try {
      const result = call(state.gpr(EBX), state.gpr(ECX), state.gpr(EDX));
      state.setGpr(EAX, result);
    } catch (signal) {
      if (signal !== GUEST_FAULT) throw signal;
      // What the call asked for is the guest's own fault.
      cpu.deliverFault();
    }
    return "emulate";
  }

  // --- the calls. V is the active context.

  private host(linear: number): number {
    const physical = this.cpu.peekPhysical(linear);
    const page = physical < 0 ? 0 : this.cpu.v.physical.hostPage(physical >>> 12);
    return page === 0 ? 0 : page + (physical & 0xfff);
  }

  private guestDword(linear: number): number {
    const host = this.host(linear);
    return host === 0 ? 0 : this.cpu.state.view.getInt32(host, true);
  }

  private register(page: number): number {
    const host = this.host(page);
    if (host === 0 || (page & 0xfff) !== 0) return -1;
    this.shared = host;
    return 0;
  }

  /** An IDT as the processor would read it. 32-bit trap gates of DPL 3 are direct. */
  private setTrapTable(base: number, limit: number): number {
    const v = this.cpu.v.context;
    v.set(IDTR_BASE, base);
    v.set(IDTR_LIMIT, limit & 0xffff);
    for (let vector = 0; vector * 8 + 7 <= (limit & 0xffff); vector++) {
      const low = this.guestDword(base + vector * 8), high = this.guestDword(base + vector * 8 + 4);
      if ((high & GATE_BITS) === DIRECT_GATE) this.tables.setDirectGate(vector, (low & ~0x3_0000) | 0x1_0000, high);
    }
    return 0;
  }

  private setDescriptor(selector: number, low: number, high: number): number {
    const at = this.host((this.cpu.v.context.get(GDTR_BASE) + (selector & 0xfff8)) | 0);
    if (at === 0) return -1;
    this.cpu.state.view.setInt32(at, low, true);
    this.cpu.state.view.setInt32(at + 4, high, true);
    this.cpu.state.touched(at);
    const physical = this.cpu.peekPhysical((this.cpu.v.context.get(GDTR_BASE) + (selector & 0xfff8)) | 0);
    this.written(physical, 8);
    return 0;
  }

  private get taskState(): number {
    return this.cpu.v.context.segmentBase(TR);
  }

  /** The stack for entries from ring 3: in the guest's TSS for the monitor, in the processor's for direct gates. */
  private switchStack(pointer: number): number {
    const host = this.host((this.taskState + ESP0) | 0);
    if (host === 0) return -1;
    this.cpu.state.view.setInt32(host, pointer, true);
    this.cpu.state.touched(host);
    this.tables.setRing1Stack((this.guestDword(this.taskState + SS0) & 0xfffc) | 1, pointer);
    return 0;
  }

  /** EAX, then the frame of IRET. */
  private returnFromInterrupt(): number {
    const { cpu } = this;
    const { state } = cpu;
    const pointer = state.gpr(ESP);
    const accumulator = this.guestDword((cpu.v.context.segmentBase(SS) + pointer) | 0);
    state.setGpr(ESP, (pointer + 4) | 0);
    interruptReturn(cpu, 4);
    return accumulator;
  }

  private updateTables(list: number, count: number): number {
    const { cpu } = this;
    for (let i = 0; i < count; i++) {
      if (this.host((list + i * MMU_ENTRY) | 0) === 0) return i;
      const physical = this.guestDword((list + i * MMU_ENTRY) | 0) >>> 0, page = cpu.v.physical.hostPage(physical >>> 12);
      if (page === 0 || cpu.v.physical.isReadOnly(physical >>> 12)) return i;
      cpu.state.view.setInt32(page + (physical & 0xffc), this.guestDword((list + i * MMU_ENTRY + 4) | 0), true);
      cpu.state.touched(page);
    }
    cpu.tlb.flushAll();
    return count;
  }

  /** Each entry moves a sector between a disk and physical memory. */
  private moveSectors(list: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const entry = list + i * BLOCK_ENTRY;
      if (this.host(entry | 0) === 0) return i;
      const word = (nth: number): number => this.guestDword((entry + nth * 4) | 0) >>> 0;
      if (this.monitor.parts.hal(word(0) !== 0 ? HAL_DISK_WRITE : HAL_DISK_READ, word(3), word(2), word(1)) !== 1) return i;
    }
    return count;
  }

  private setTaskSwitched(set: boolean): number {
    if (set) this.cpu.v.context.set(CR0, this.cpu.v.context.get(CR0) | CR0_TS);
    else clearTaskSwitched(this.cpu);
    return 0;
  }

  private startTimer(divisor: number): number {
    for (const [port, value] of CONTROLLERS) this.port(port, value);
    this.port(PIT_CONTROL, RATE_GENERATOR);
    this.port(PIT_CHANNEL0, divisor & 0xff);
    return this.port(PIT_CHANNEL0, (divisor >>> 8) & 0xff);
  }

  private write(from: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const host = this.host((from + i) | 0);
      if (host === 0) return i;
      this.port(DEBUG_CONSOLE, this.cpu.state.u8[host]!);
    }
    return count;
  }

  private port(port: number, value: number): number {
    this.cpu.hooks.ports.write(port, 1, value & 0xff);
    return 0;
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, hypercalls: this.hypercalls };
  }
}

export const paravirt: TechniqueDefinition = { id: "paravirt", create: (monitor) => new Paravirt(monitor) };
