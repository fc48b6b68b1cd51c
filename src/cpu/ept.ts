// Extended page tables: guest-physical addresses through a second set of tables, while the guest walks its own.
// SDM Vol. 3C, "The Extended Page Table Mechanism (EPT)": four levels, 4 KB pages, read, write and execute rights.
//
// Not implemented: 2 MB and 1 GB pages, memory types, accessed and dirty flags, execute-only pages.

import { CR2 } from "../isa/state-layout.ts";
import { recordExit } from "./exceptions.ts";
import { FAULT_IS_EXIT } from "./exit.ts";
import { type PhysicalSpace, readPhysical32 } from "./physical-space.ts";
import type { Processor } from "./processor.ts";
import { EXIT_EPT_MISCONFIGURATION, EXIT_EPT_VIOLATION } from "./vmx-controls.ts";

export const EPT_READ = 1, EPT_WRITE = 2, EPT_EXECUTE = 4;
const RIGHTS = EPT_READ | EPT_WRITE | EPT_EXECUTE;

/** Guest-physical memory as the processor reaches it in non-root operation. */
export class ExtendedPaging implements PhysicalSpace {
  /** Host-physical address of the top table. */
  root = 0;
  private readonly p: Processor;
  private readonly host: PhysicalSpace;
  private readonly guest: PhysicalSpace;

  /** `host`: what the tables and their entries name. `guest`: whose A20 gate stands before it. */
  constructor(p: Processor, host: PhysicalSpace, guest: PhysicalSpace) {
    this.p = p;
    this.host = host;
    this.guest = guest;
  }

  get a20Mask(): number {
    return this.guest.a20Mask;
  }

  /** The last entry of the walk: its rights are those of all levels. 0: not present. */
  private walk(page: number): number {
    let entry = this.root | RIGHTS;
    let rights = RIGHTS;
    // Guest-physical addresses have 32 bits: the top two levels use one and four entries.
    for (const index of [0, page >>> 18, (page >>> 9) & 0x1ff, page & 0x1ff]) {
      entry = readPhysical32(this.p.state, this.host, (entry & 0xffff_f000) | (index << 3));
      rights &= entry;
      if ((rights & RIGHTS) === 0) return 0;
    }
    return (entry & 0xffff_f000) | (rights & RIGHTS);
  }

  hostPage(page: number): number {
    const entry = this.walk(page);
    return entry & EPT_READ ? this.host.hostPage(entry >>> 12) : 0;
  }

  behind(page: number): number {
    return this.walk(page) >>> 12;
  }

  isReadOnly(page: number): boolean {
    return (this.walk(page) & EPT_WRITE) === 0;
  }

  /** What the tables do not map leaves. */
  read(physical: number): number {
    this.violation(physical, EPT_READ);
    return 0;
  }

  write(physical: number): void {
    this.violation(physical, EPT_WRITE);
  }

  private violation(physical: number, access: number): void {
    const { p } = this;
    if (p.exit.pending) return;
    const rights = this.walk(physical >>> 12) & RIGHTS;
    const misconfigured = (rights & (EPT_READ | EPT_WRITE)) === EPT_WRITE;
    recordExit(p, "vmx", 0, p.state.eip, misconfigured ? EXIT_EPT_MISCONFIGURATION : EXIT_EPT_VIOLATION);
    p.exit.guestPhysical = physical;
    p.exit.qualification = access | (rights << 3);
    // The walk of the guest's tables that meets no memory must not look like a page fault of the guest.
    p.exit.cr2 = p.context.get(CR2);
    p.raiseNoError(FAULT_IS_EXIT - 1);
  }
}
