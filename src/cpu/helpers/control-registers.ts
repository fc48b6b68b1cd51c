// MOV CRn, LMSW, CLTS and what a change of them entails. SDM Vol. 3A, "Control Registers", "Invalidation of TLBs and Paging-Structure Caches".

import { CR0, CR2, CR3, CR4 } from "../../isa/state-layout.ts";
import { updateMode } from "../mode.ts";
import {
  CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE,
} from "../control-bits.ts";
import { loadPdptes } from "../paging.ts";
import { GP, type Processor, UD } from "../processor.ts";

const CR0_DEFINED = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
const LMSW_BITS = CR0_PE | CR0_MP | CR0_EM | CR0_TS;

export function readControl(p: Processor, n: number): number {
  const { context: c } = p;
  switch (n) {
    case 0:
      return c.get(CR0);
    case 2:
      return c.get(CR2);
    case 3:
      return c.get(CR3);
    case 4:
      return c.get(CR4);
    default:
      return p.faultNoError(UD);
  }
}

export function writeControl(p: Processor, n: number, value: number): void {
  switch (n) {
    case 0:
      writeCr0(p, value);
      return;
    case 2:
      p.context.set(CR2, value);
      return;
    case 3:
      writeCr3(p, value);
      return;
    case 4:
      writeCr4(p, value);
      return;
    default:
      p.raiseNoError(UD);
  }
}

function writeCr0(p: Processor, value: number): void {
  const { context: c } = p;
  if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) {
    p.raise(GP, 0);
    return;
  }
  const next = (value & CR0_DEFINED) | CR0_ET, changed = next ^ c.get(CR0);
  const paeWalks = next & CR0_PG && c.get(CR4) & CR4_PAE;
  if (paeWalks && changed & (CR0_PG | CR0_CD | CR0_NW) && !loadPdptes(p, c.get(CR3))) return;
  c.set(CR0, next);
  if (changed & (CR0_PG | CR0_WP | CR0_PE)) p.tlb.flushAll();
  updateMode(p);
}

function writeCr3(p: Processor, value: number): void {
  const { context: c } = p;
  if (c.get(CR0) & CR0_PG && c.get(CR4) & CR4_PAE && !loadPdptes(p, value)) return;
  c.set(CR3, value);
  if (c.get(CR4) & CR4_PGE) p.tlb.flushNonGlobal();
  else p.tlb.flushAll();
}

function writeCr4(p: Processor, value: number): void {
  const { context: c } = p;
  if (value & ~(c.isHardware ? p.h : p.v).cr4Mask) {
    p.raise(GP, 0);
    return;
  }
  const changed = value ^ c.get(CR4), paging = changed & (CR4_PAE | CR4_PSE | CR4_PGE);
  if (paging && value & CR4_PAE && c.get(CR0) & CR0_PG && !loadPdptes(p, c.get(CR3))) return;
  c.set(CR4, value);
  if (paging) p.tlb.flushAll();
}

/** LMSW sets PE and never clears it. */
export function loadMachineStatus(p: Processor, value: number): void {
  const cr0 = p.context.get(CR0);
  writeCr0(p, (cr0 & ~(LMSW_BITS & ~CR0_PE)) | (value & LMSW_BITS));
}

export function clearTaskSwitched(p: Processor): void {
  p.context.set(CR0, p.context.get(CR0) & ~CR0_TS);
}
