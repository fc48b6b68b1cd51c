// What the processor sees behind its address pins. The board implements it, once per context:
// H's space is the guest's RAM followed by the monitor's pages, V's is the guest's alone.

import type { CpuState } from "./state.ts";

export interface PhysicalSpace {
  /** ANDed with every physical address: bit 20 is clear while gate A20 is closed. Flush the TLB after a change. */
  readonly a20Mask: number;
  /** Wasm address of a 4 KB page of RAM or ROM; 0 where accesses go to a device or to nothing. */
  hostPage(physicalPage: number): number;
  /** ROM: reads are plain, writes go to `write`. */
  isReadOnly(physicalPage: number): boolean;
  /** Where addresses of this space go through tables: the page that they lead to. */
  behind?(physicalPage: number): number;
  /** Access that is not plain memory; stays inside one page; unsigned. */
  read(physical: number, width: 1 | 2 | 4): number;
  write(physical: number, width: 1 | 2 | 4, value: number): void;
}

/** A dword of a paging structure or of anything else that the processor reads by physical address. */
export function readPhysical32(state: CpuState, space: PhysicalSpace, physical: number): number {
  const address = physical & space.a20Mask;
  const host = space.hostPage(address >>> 12);
  return host !== 0 ? state.i32[(host + (address & 0xfff)) >> 2] : space.read(address >>> 0, 4) | 0;
}
