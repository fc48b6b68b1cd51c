// SYSENTER and SYSEXIT. SDM Vol. 2, the instructions' "Operation": flat segments by decree, no descriptor is read.

import {
  CPL, CR0, CS, ECX, EDX, EFLAGS_IF, EFLAGS_RF, EFLAGS_VM, ESP, SS, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP,
} from "../../isa/state-layout.ts";
import { setEflags } from "../eflags.ts";
import { recordExit } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import { updateMode } from "../mode.ts";
import { CR0_PE } from "../control-bits.ts";
import { GP, type Processor } from "../processor.ts";
import { setSegment } from "../segmentation.ts";

/** Present, accessed, 4 GB, 32 bits; DPL in bits 5-6. */
const FLAT_CODE = 0xc09b, FLAT_DATA = 0xc093, DPL3 = 0x60;

function setFlat(p: Processor, cs: number, ss: number, cpl: 0 | 3): void {
  const dpl = cpl === 3 ? DPL3 : 0;
  setSegment(p.context, CS, cs | cpl, 0, 0xffff_ffff, FLAT_CODE | dpl);
  setSegment(p.context, SS, ss | cpl, 0, 0xffff_ffff, FLAT_DATA | dpl);
  p.context.set(CPL, cpl);
}

export function sysenter(p: Processor): void {
  const { context: c, state } = p;
  const cs = c.get(SYSENTER_CS) & 0xfffc;
  if ((c.get(CR0) & CR0_PE) === 0 || cs === 0) {
    p.raise(GP, 0);
    return;
  }
  if (p.deprivileged) {
    recordExit(p, "sysenter", 0, state.eip);
    p.raiseNoError(FAULT_IS_EXIT - 1);
    return;
  }
  setEflags(state, c, 0, EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
  setFlat(p, cs, cs + 8, 0);
  state.setGpr(ESP, c.get(SYSENTER_ESP));
  state.eip = c.get(SYSENTER_EIP);
  updateMode(p);
}

export function sysexit(p: Processor): void {
  const { context: c, state } = p;
  const cs = c.get(SYSENTER_CS) & 0xfffc;
  if ((c.get(CR0) & CR0_PE) === 0 || cs === 0 || c.get(CPL) !== 0) {
    p.raise(GP, 0);
    return;
  }
  setFlat(p, cs + 16, cs + 24, 3);
  state.setGpr(ESP, state.gpr(ECX));
  state.eip = state.gpr(EDX);
  updateMode(p);
}
