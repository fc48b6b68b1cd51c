// T8, hardware assist (Intel VT-x, 2005; EPT 2008; unrestricted guest 2010): the guest runs in its own rings, in VMX non-root
// operation, and the processor itself leaves for what the control block names. H holds what V is, but for the bits of CR0 and
// CR4 that the host owns. Guest-physical memory goes through extended page tables.

import type { StopReason } from "../../cpu/core.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import { CR0_NE } from "../../cpu/control-bits.ts";
import { ExtendedPaging } from "../../cpu/ept.ts";
import { deliverAgain } from "../../cpu/exceptions.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP } from "../../cpu/msr-file.ts";
import type { PhysicalSpace } from "../../cpu/physical-space.ts";
import { MF } from "../../cpu/processor.ts";
import type { Context } from "../../cpu/state.ts";
import {
  ControlBlock, EXIT_EPT_MISCONFIGURATION, EXIT_EPT_VIOLATION, EXIT_INTERRUPT_WINDOW, EXIT_TRIPLE_FAULT,
} from "../../cpu/vmx-controls.ts";
import { ACTIVITY, CONTEXT_BYTES, CR0, CR2, CR4 } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { MonitorPool } from "../pool.ts";
import { EptTables } from "../shadow/ept-tables.ts";
import type { Monitor, Technique, TechniqueDefinition } from "./technique.ts";

const SHUT_DOWN = 2;

class HardwareAssist implements Technique {
  readonly deliversNatively = true;
  readonly emulatesNext = false;
  private readonly monitor: Monitor;
  private readonly cpu: Cpu;
  private readonly block = new ControlBlock();
  private readonly tables: EptTables;
  private readonly memory: ExtendedPaging;
  private readonly bareMemory: PhysicalSpace;
  /** The guest flushed its TLB in non-root operation: V's holds what it may have changed. */
  private guestFlushed = false;
  private flushing = false;

  constructor(monitor: Monitor) {
    const { cpu } = monitor;
    const { base, bytes, firstPage } = monitor.parts.pool;
    this.monitor = monitor;
    this.cpu = cpu;
    this.bareMemory = cpu.h.physical;
    this.tables = new EptTables(new MonitorPool(cpu.state, base, bytes, firstPage), cpu.v.physical);
    this.memory = new ExtendedPaging(cpu, cpu.h.physical, cpu.v.physical);
    this.memory.root = this.tables.root;
    for (const msr of [MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP]) this.block.passedMsrs.add(msr);
  }

  attach(): void {
    const { h } = this.cpu;
    h.physical = this.memory;
    h.tlb.prepare();
    h.tlb.flushAll();
    h.tlb.onFlush.push(this.onGuestFlush);
  }

  detach(): void {
    const { h } = this.cpu;
    h.tlb.onFlush.splice(h.tlb.onFlush.indexOf(this.onGuestFlush), 1);
    h.tlb.flushAll();
    h.physical = this.bareMemory;
  }

  private readonly onGuestFlush = (): void => {
    if (!this.flushing) this.guestFlushed = true;
  };

  // --- VM entry and exit

  enter(): StopReason | null {
    const { block, cpu, monitor } = this;
    const v = cpu.v.context, h = cpu.h.context;
    this.copy(v, h);
    const cr0 = v.get(CR0);
    // IA32_VMX_CR0_FIXED0: NE is 1 in VMX operation; a guest without it has its FPU errors led to IRQ 13 by the monitor.
    block.cr0Mask = CR0_NE;
    block.cr0Shadow = cr0;
    h.set(CR0, cr0 | CR0_NE);
    block.exceptionBitmap = cr0 & CR0_NE ? 0 : 1 << MF;
    block.cr4Mask = ~cpu.v.cr4Mask;
    block.cr4Shadow = v.get(CR4);
    block.interruptWindowExiting = monitor.interrupts.parked;
    block.tscOffset = cpu.hooks.readTimestamp(false) - cpu.hooks.readTimestamp(true);
    cpu.nonRoot = block;
    cpu.switchContext("H");
    monitor.stale = false;
    return null;
  }

  absorb(): boolean {
    const { block, cpu, monitor } = this;
    const v = cpu.v.context, h = cpu.h.context;
    cpu.nonRoot = null;
    this.copy(h, v);
    v.set(CR0, (h.get(CR0) & ~block.cr0Mask) | (block.cr0Shadow & block.cr0Mask));
    cpu.switchContext("V");
    if (this.guestFlushed) {
      this.guestFlushed = false;
      this.whileFlushing(() => cpu.v.tlb.flushAll());
    }
    monitor.parts.probes.truth.adopt();
    return true;
  }

  private copy(from: Context, to: Context): void {
    this.cpu.state.i32.copyWithin(to.base >> 2, from.base >> 2, (from.base + CONTEXT_BYTES) >> 2);
    to.overwritten();
  }

  // --- exits

  react(exit: CpuExit): ActionName {
    const { cpu, monitor } = this;
    const v = cpu.v.context;
    switch (exit.vmxReason) {
      case EXIT_INTERRUPT_WINDOW: {
        const delivered = monitor.interrupts.handle();
        if (delivered) monitor.recorder.vector = monitor.interrupts.vector;
        return delivered ? "deliver-irq" : "resume";
      }
      case EXIT_TRIPLE_FAULT:
        v.set(ACTIVITY, SHUT_DOWN);
        return "end";
      case EXIT_EPT_VIOLATION: case EXIT_EPT_MISCONFIGURATION:
        v.set(CR2, exit.cr2);
        this.finish(exit);
        return "mmio";
      default:
        return this.finish(exit);
    }
  }

  /** Does on V what left: the delivery of an event that was cut off, or the instruction. */
  private finish(exit: CpuExit): "emulate" {
    if (!exit.cutOff) return this.monitor.step();
    deliverAgain(this.cpu, exit.cutOff);
    return "emulate";
  }

  around(step: () => void): void {
    step();
  }

  // --- memory

  private whileFlushing(flush: () => void): void {
    const nested = this.flushing;
    this.flushing = true;
    flush();
    this.flushing = nested;
  }

  /** V did for the guest what flushes: so does the TLB of the processor that runs it. */
  flushed(linear: number | null): void {
    if (this.flushing) return;
    const { tlb } = this.cpu.h;
    this.whileFlushing(() => (linear === null ? tlb.flushAll() : tlb.flushPage(linear)));
  }

  written(): void {}

  mappingChanged(): void {
    this.tables.build();
    this.whileFlushing(() => this.cpu.h.tlb.flushAll());
  }

  guestChanged(): void {
    this.whileFlushing(() => this.cpu.h.tlb.flushAll());
  }
}

export const vtx: TechniqueDefinition = { id: "vtx", create: (monitor) => new HardwareAssist(monitor) };
