// T8, hardware assist (Intel VT-x, 2005; EPT 2008; unrestricted guest 2010): the guest runs in its own rings. Guest-physical memory goes
// through extended page tables, and real mode runs as it is. Without EPT: vtx-shadow.ts.
//
// Not implemented: the parts between the two, with EPT and without an unrestricted guest (2008 to 2010): real mode would need an identity page
// table of the monitor's in the guest's own memory, and shows no exit that vtx-shadow.ts does not.

import type { StopReason } from "../../cpu/core.ts";
import { CR0_NE } from "../../cpu/control-bits.ts";
import { ExtendedPaging } from "../../cpu/ept.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import type { PhysicalSpace } from "../../cpu/physical-space.ts";
import { MF } from "../../cpu/processor.ts";
import { EXIT_EPT_MISCONFIGURATION, EXIT_EPT_VIOLATION } from "../../cpu/vmx-controls.ts";
import { CR0, CR2, CR4 } from "../../isa/state-layout.ts";
import { shadowModeOf } from "../../protocol/technique.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { MonitorPool } from "../pool.ts";
import { EptTables } from "../shadow/ept-tables.ts";
import { NonRoot } from "./non-root.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";
import { ShadowAssist } from "./vtx-shadow.ts";

class HardwareAssist extends NonRoot {
  private readonly tables: EptTables;
  private readonly memory: ExtendedPaging;
  private readonly bareMemory: PhysicalSpace;
  /** The guest flushed its TLB in non-root operation: V's holds what it may have changed. */
  private guestFlushed = false;
  private flushing = false;

  constructor(monitor: Monitor) {
    super(monitor);
    const { cpu } = monitor;
    const { base, bytes, firstPage } = monitor.parts.pool;
    this.bareMemory = cpu.h.physical;
    this.tables = new EptTables(new MonitorPool(cpu.state, base, bytes, firstPage), cpu.v.physical);
    this.memory = new ExtendedPaging(cpu, cpu.h.physical, cpu.v.physical);
    this.memory.root = this.tables.root;
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
    const { block, cpu } = this;
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
    return this.launch();
  }

  override absorb(): boolean {
    const again = super.absorb();
    if (this.guestFlushed) {
      this.guestFlushed = false;
      this.whileFlushing(() => this.cpu.v.tlb.flushAll());
    }
    return again;
  }

  override react(exit: CpuExit): ActionName {
    if (exit.vmxReason !== EXIT_EPT_VIOLATION && exit.vmxReason !== EXIT_EPT_MISCONFIGURATION) return super.react(exit);
    this.cpu.v.context.set(CR2, exit.cr2);
    this.finish(exit);
    return "mmio";
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

export const vtx: TechniqueDefinition = {
  id: "vtx",
  create: (monitor) => (shadowModeOf(monitor.id, monitor.set) === "ept" ? new HardwareAssist(monitor) : new ShadowAssist(monitor)),
};
