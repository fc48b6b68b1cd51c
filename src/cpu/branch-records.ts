// Last branch records, and single steps from branch to branch. SDM Vol. 3B, "Last Branch, Interrupt, and Exception Recording" of processors
// based on the NetBurst microarchitecture and of the P6 family.
//
// Not implemented: trace messages, branch trace store, breakpoint pins (their bits are kept or ignored). Under a monitor nothing is recorded. A conditional
// branch to the instruction behind it counts as not taken.

import { CS, MODE, MODE_CODE32 } from "../isa/state-layout.ts";
import { createDecoded, type Decoder, MAX_LENGTH } from "../isa/decoder.ts";
import {
  DEBUGCTL_BTF, DEBUGCTL_LBR, MSR_DEBUGCTL, P4_EVENT_FROM, P4_EVENT_TO, P4_FROM, P4_PAIRS, P4_TO, P4_TOP, P6_EVENT_FROM, P6_EVENT_TO, P6_FROM, P6_TO,
} from "./msr-file.ts";
import type { Processor } from "./processor.ts";

const PAGE = 4096, NOWHERE = -1;

function recording(p: Processor): boolean {
  return (p.msrs.debugControl & DEBUGCTL_LBR) !== 0 && !p.hostAttached;
}

/** BTF: single steps trap behind branches alone. */
export function stepsByBranch(p: Processor): boolean {
  return (p.msrs.debugControl & DEBUGCTL_BTF) !== 0 && !p.hostAttached;
}

/** Each instruction is to be looked at. */
export function watchesBranches(p: Processor): boolean {
  return p.msrs.debugControl !== 0 && (recording(p) || stepsByBranch(p));
}

/** EIP as records have it: linear on the Pentium 4, an offset in the code segment on the P6. */
function place(p: Processor): number {
  return p.model.name === "pentium4" ? (p.context.segmentBase(CS) + p.state.eip) | 0 : p.state.eip;
}

function read(p: Processor, index: number): number {
  return p.msrs.get(index)?.[0] ?? 0;
}

function record(p: Processor, from: number, to: number): void {
  const { msrs } = p;
  if (p.model.name !== "pentium4") {
    msrs.put(P6_FROM, from);
    msrs.put(P6_TO, to);
    return;
  }
  const top = (read(p, P4_TOP) + 1) % P4_PAIRS;
  msrs.put(P4_TOP, top);
  msrs.put(P4_FROM + top, from);
  msrs.put(P4_TO + top, to);
}

/** Around the instructions of the run loop. */
export class BranchWatch {
  private readonly decoder: Decoder;
  private readonly decoded = createDecoded();
  private next = 0;

  constructor(decoder: Decoder) {
    this.decoder = decoder;
  }

  /** Before the instruction of this length at EIP. */
  before(p: Processor, length: number): void {
    p.branchFrom = place(p);
    p.branched = false;
    // A transfer to the next instruction is one as well.
    this.next = this.isTransfer(p) ? NOWHERE : (p.state.eip + length) >>> 0;
  }

  /** After it has completed. */
  after(p: Processor): void {
    if (p.branched || p.state.eip >>> 0 === this.next) return;
    p.branched = true;
    if (recording(p)) record(p, p.branchFrom, place(p));
  }

  private isTransfer({ context, state, tlb, physical }: Processor): boolean {
    const linear = (context.segmentBase(CS) + state.eip) >>> 0, host = physical.hostPage(tlb.code(linear >>> 12) >>> 12);
    if (host === 0) return false;
    const at = host + (linear & (PAGE - 1)), { decoded } = this;
    this.decoder.decodeBytes(state.u8, at, Math.min(at + MAX_LENGTH, host + PAGE), (context.get(MODE) & MODE_CODE32) !== 0, decoded);
    return decoded.row?.mnemonic === "JMP" || decoded.row?.mnemonic === "CALL";
  }
}

/** Before the delivery of an event: where it comes from. `own`: it is what the instruction does. */
export function eventSource(p: Processor, own: boolean): number {
  return own ? p.branchFrom : place(p);
}

/** An event has been delivered. A debug exception ends the recording and the steps before its handler begins. */
export function noteEvent(p: Processor, from: number, isDebugException: boolean): void {
  p.branched = true;
  if (isDebugException) {
    p.msrs.put(MSR_DEBUGCTL, p.msrs.debugControl & ~(DEBUGCTL_LBR | DEBUGCTL_BTF));
    return;
  }
  if (!recording(p)) return;
  const { msrs } = p;
  if (p.model.name === "pentium4") {
    const top = read(p, P4_TOP);
    msrs.put(P4_EVENT_FROM, read(p, P4_FROM + top));
    msrs.put(P4_EVENT_TO, read(p, P4_TO + top));
  } else {
    msrs.put(P6_EVENT_FROM, read(p, P6_FROM));
    msrs.put(P6_EVENT_TO, read(p, P6_TO));
  }
  record(p, from, place(p));
}
