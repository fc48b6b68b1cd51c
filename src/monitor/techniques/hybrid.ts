// T5, the accelerator (Gregory Alexander on the plex86 list, 2003): emulator and direct execution alternate. The guest's user code
// runs on H as it is, when the state is friendly; whatever leaves goes back to the emulator, "please rerun it and do the right
// thing". The kernel never runs on H, so nothing of it can leak; user code that looks at the processor (SGDT, CPUID ...) can.
//
// His second level runs kernel code directly, too, where a scan finds nothing in it that would leak: from the copies of scan, so
// that the first instruction that nobody has looked at, or that is not clean, leaves.

import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { BP, PF } from "../../cpu/processor.ts";
import { CPL, CR0 } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { Deprivileged, type FillRights } from "../deprivileged.ts";
import { USER } from "../shadow/paging.ts";
import { Friendliness } from "./friendliness.ts";
import { Scan } from "./scan.ts";
import { COPIED, UNSCANNED } from "./scanned-page.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const CR0_PE_PG = 0x8000_0001 | 0;

class Hybrid extends Deprivileged {
  private readonly friendliness: Friendliness;

  constructor(monitor: Monitor) {
    super(monitor, 1);
    this.friendliness = new Friendliness(monitor.cpu, () => "CPL");
  }

  override enter(left: number): StopReason | null {
    const { monitor, friendliness } = this;
    if (monitor.emulating || !friendliness.holds()) return monitor.emulate(left, friendliness.holds, true);
    const ended = super.enter(left);
    if (ended === null) friendliness.switches++;
    return ended;
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, ...this.friendliness.statistics };
  }
}

class HybridWithKernel extends Scan {
  private readonly friendliness: Friendliness;

  constructor(monitor: Monitor) {
    super(monitor);
    this.friendliness = new Friendliness(monitor.cpu, () => this.kernelLacks());
  }

  private get isKernel(): boolean {
    return this.cpu.v.context.get(CPL) !== 3;
  }

  private kernelLacks(): string | null {
    const { cpu } = this;
    if ((cpu.v.context.get(CR0) & CR0_PE_PG) !== CR0_PE_PG) return "CR0";
    cpu.useGuest();
    const physicalPage = this.codePage();
    if (physicalPage < 0 || this.resolve(physicalPage) < 0) return "no code";
    const page = this.pageOf(physicalPage), offset = this.linear & 0xfff;
    if (page.kind[offset] === UNSCANNED && !this.isHostile(page)) this.scan(page, offset);
    return page.kind[offset] === COPIED && !page.isInside(offset) ? null : "kernel code that is not clean";
  }

  override enter(left: number): StopReason | null {
    const { monitor, friendliness } = this;
    if (monitor.emulating || !friendliness.holds()) return monitor.emulate(left, friendliness.holds);
    const ended = super.enter(left);
    if (ended === null) friendliness.switches++;
    return ended;
  }

  override react(exit: CpuExit): ActionName {
    const { monitor } = this;
    if (exit.kind === "exception" && exit.vector === PF) return super.react(exit);
    if (exit.kind === "exception" && exit.vector === BP && this.isKernel && this.isUnscanned) return super.react(exit);
    monitor.stale = true;
    monitor.beginEmulation();
    return "emulate";
  }

  private get isUnscanned(): boolean {
    const physicalPage = this.codePage();
    return physicalPage >= 0 && this.pageOf(physicalPage).kind[this.linear & 0xfff] === UNSCANNED;
  }

  /** User code runs as it is, from its own pages: they are open to it. */
  protected override fill(linear: number, physicalPage: number, as: FillRights): ActionName {
    if (this.isKernel) return super.fill(linear, physicalPage, as);
    this.paging.fill(USER, as.paged, linear, physicalPage, as.writable && this.isWritable(physicalPage), true, as.large);
    return "shadow-fill";
  }

  protected override covered(physicalPage: number): void {
    this.paging.protect(physicalPage);
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, ...this.friendliness.statistics };
  }
}

export const hybrid: TechniqueDefinition = {
  id: "hybrid",
  create: (monitor) => (monitor.set.hybrid === "kernel" ? new HybridWithKernel(monitor) : new Hybrid(monitor)),
};
