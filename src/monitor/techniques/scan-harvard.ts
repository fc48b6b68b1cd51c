// Scan before execute on hypothetical hardware: a processor that fetches through a page directory of its own, so that the copies
// need no trick with TLBs. No x86 has it (nested paging with execute-only pages comes close); it shows what the trick costs.

import type { StopReason } from "../../cpu/core.ts";
import { CR0 } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import type { FillRights } from "../deprivileged.ts";
import { roleOf } from "../limbo.ts";
import { AddressSpace, PTE_U } from "../shadow/address-space.ts";
import { KERNEL, type Role, USER } from "../shadow/paging.ts";
import { Scan } from "./scan.ts";
import { UNSCANNED } from "./scanned-page.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const ERROR_FETCH = 0x10;
const CR0_PG = 0x8000_0000 | 0;

class HarvardScan extends Scan {
  /** What fetches see: unpaged, the guest's kernel, its user code. */
  private readonly unpaged: AddressSpace;
  private readonly kernel: AddressSpace;
  private readonly user: AddressSpace;
  /** The fault under way is a fetch. */
  private fetching = false;

  constructor(monitor: Monitor) {
    super(monitor);
    this.unpaged = new AddressSpace(this.pool);
    this.kernel = new AddressSpace(this.pool);
    this.user = new AddressSpace(this.pool);
  }

  private get spaces(): readonly AddressSpace[] {
    return [this.unpaged, this.kernel, this.user];
  }

  private spaceOf(role: Role, paged: boolean): AddressSpace {
    if (!paged) return this.unpaged;
    return role === USER ? this.user : this.kernel;
  }

  override detach(): void {
    this.cpu.codeRoot = 0;
    super.detach();
  }

  override enter(left: number): StopReason | null {
    const v = this.cpu.v.context;
    const ended = super.enter(left);
    if (ended !== null) return ended;
    const { root } = this.spaceOf(roleOf(v), (v.get(CR0) & CR0_PG) !== 0);
    if (this.cpu.codeRoot !== root) {
      this.cpu.codeRoot = root;
      this.cpu.h.tlb.flushAll();
    }
    return null;
  }

  // --- the two views

  protected override covered(physicalPage: number): void {
    this.paging.protect(physicalPage);
  }

  protected override dropCopies(): void {
    for (const space of this.spaces) space.clear();
    super.dropCopies();
  }

  override flushed(linear: number | null): void {
    for (const space of this.spaces) {
      if (linear === null) space.clear();
      else space.unmap(linear);
    }
    super.flushed(linear);
  }

  override mappingChanged(): void {
    for (const space of this.spaces) space.clear();
    super.mappingChanged();
  }

  protected override pageFault(linear: number, error: number): ActionName {
    this.fetching = (error & ERROR_FETCH) !== 0;
    return super.pageFault(linear, error);
  }

  protected override fill(linear: number, physicalPage: number, as: FillRights): ActionName {
    const role = as.paged ? roleOf(this.cpu.v.context) : KERNEL;
    if (!this.fetching) {
      this.paging.fill(role, as.paged, linear, physicalPage, as.writable && this.isWritable(physicalPage), true, as.large);
      return "shadow-fill";
    }
    const page = this.pageOf(physicalPage), offset = this.linear & 0xfff;
    if (linear === this.linear && page.kind[offset] === UNSCANNED && !this.isHostile(page)) this.scan(page, offset);
    const copy = this.pool.physicalPage(page.copy);
    const space = this.spaceOf(role, as.paged);
    if (!space.map(linear, copy, PTE_U, as.large)) {
      this.dropCopies();
      this.monitor.stale = true;
    }
    return "shadow-fill";
  }
}

export const scan: TechniqueDefinition = {
  id: "scan",
  create: (monitor) => (monitor.set["scan-views"] === "harvard" ? new HarvardScan(monitor) : new Scan(monitor)),
};
