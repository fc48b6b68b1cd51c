// Whether an x87, MMX or SSE instruction may run. SDM Vol. 3A, "Interrupt 7—Device Not Available", "Interrupt 16—x87 FPU Floating-Point Error".
//
// Not implemented: with CR0.NE clear the processor does not stand still until the interrupt of FERR# comes, and IGNNE# is always asserted.

import { CR0, CR4, FSW } from "../../isa/state-layout.ts";
import { CR0_EM, CR0_MP, CR0_NE, CR0_TS, CR4_OSFXSR } from "../control-bits.ts";
import { MF, NM, type Processor, UD } from "../processor.ts";

export const FPU_NO_WAIT = 1, FPU_WAIT = 2;
/** Error summary: an unmasked exception is pending. */
const FSW_ES = 0x80;

export function fpuCheck(p: Processor, kind: number): void {
  const cr0 = p.context.get(CR0);
  const unavailable = kind === FPU_WAIT ? (cr0 & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS) : (cr0 & (CR0_EM | CR0_TS)) !== 0;
  if (unavailable) p.raiseNoError(NM);
  else if (kind !== FPU_NO_WAIT) checkPending(p, cr0);
}

function checkPending(p: Processor, cr0: number): void {
  if ((p.state.read(FSW) & FSW_ES) === 0) return;
  if (cr0 & CR0_NE) p.raiseNoError(MF);
  else p.hooks.floatingPointError();
}

/** `kind` 0: an instruction on XMM registers; 1: one on MMX registers; 2: on both. */
export function sseCheck(p: Processor, kind: number): void {
  const cr0 = p.context.get(CR0);
  if (cr0 & CR0_EM || (kind !== 1 && (p.context.get(CR4) & CR4_OSFXSR) === 0)) p.raiseNoError(UD);
  else if (cr0 & CR0_TS) p.raiseNoError(NM);
  else if (kind !== 0) checkPending(p, cr0);
}
