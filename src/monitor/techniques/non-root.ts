// What the two kinds of hardware assist share: the guest runs in its own rings, in VMX non-root operation, and the processor itself
// leaves for what the control block names. H holds what V is, but for the bits of CR0 and CR4 that the host owns.

import type { StopReason } from "../../cpu/core.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import { deliverAgain } from "../../cpu/exceptions.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP } from "../../cpu/msr-file.ts";
import type { Context } from "../../cpu/state.ts";
import { ControlBlock, EXIT_INTERRUPT_WINDOW, EXIT_TRIPLE_FAULT } from "../../cpu/vmx-controls.ts";
import { ACTIVITY, CONTEXT_BYTES, CR0, CR4 } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import type { Monitor, Technique } from "./technique.ts";

const SHUT_DOWN = 2;

export abstract class NonRoot implements Technique {
  readonly deliversNatively = true;
  readonly emulatesNext = false;
  protected readonly monitor: Monitor;
  protected readonly cpu: Cpu;
  protected readonly block = new ControlBlock();

  constructor(monitor: Monitor) {
    this.monitor = monitor;
    this.cpu = monitor.cpu;
    for (const msr of [MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP]) this.block.passedMsrs.add(msr);
  }

  abstract attach(): void;
  abstract detach(): void;
  abstract enter(left: number): StopReason | null;
  abstract flushed(linear: number | null): void;
  abstract written(physical: number, length: number): void;
  abstract mappingChanged(): void;
  abstract guestChanged(): void;

  /** H is what `enter` made of V: VM entry. */
  protected launch(): null {
    const { block, cpu, monitor } = this;
    block.interruptWindowExiting = monitor.interrupts.parked;
    block.tscOffset = cpu.hooks.readTimestamp(false) - cpu.hooks.readTimestamp(true);
    cpu.nonRoot = block;
    monitor.parts.probes.enterNonRoot(true);
    cpu.switchContext("H");
    monitor.stale = false;
    return null;
  }

  absorb(): boolean {
    const { block, cpu, monitor } = this;
    const v = cpu.v.context, h = cpu.h.context;
    cpu.nonRoot = null;
    monitor.parts.probes.enterNonRoot(false);
    this.takeBack(v, h);
    v.set(CR0, (h.get(CR0) & ~block.cr0Mask) | (block.cr0Shadow & block.cr0Mask));
    v.set(CR4, (h.get(CR4) & ~block.cr4Mask) | (block.cr4Shadow & block.cr4Mask));
    cpu.switchContext("V");
    monitor.parts.probes.truth.adopt();
    return true;
  }

  /** V takes over what H holds; CR0 and CR4 are seen to. */
  protected takeBack(v: Context, h: Context): void {
    this.copy(h, v);
  }

  protected copy(from: Context, to: Context): void {
    this.cpu.state.i32.copyWithin(to.base >> 2, from.base >> 2, (from.base + CONTEXT_BYTES) >> 2);
    to.overwritten();
  }

  react(exit: CpuExit): ActionName {
    const { cpu, monitor } = this;
    switch (exit.vmxReason) {
      case EXIT_INTERRUPT_WINDOW: {
        const delivered = monitor.interrupts.handle();
        if (delivered) monitor.recorder.vector = monitor.interrupts.vector;
        return delivered ? "deliver-irq" : "resume";
      }
      case EXIT_TRIPLE_FAULT:
        cpu.v.context.set(ACTIVITY, SHUT_DOWN);
        return "end";
      default:
        return this.finish(exit);
    }
  }

  /** Does on V what left: the delivery of an event that was cut off, or the instruction. */
  protected finish(exit: CpuExit): "emulate" {
    if (!exit.cutOff) return this.monitor.step();
    deliverAgain(this.cpu, exit.cutOff);
    return "emulate";
  }

  around(step: () => void): void {
    step();
  }
}
