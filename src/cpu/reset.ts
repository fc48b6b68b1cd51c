// Power-up state. SDM Vol. 3A, "Processor State After Reset".

import {
  CR0, CS, CONTEXT_BYTES, DR6, DR7, DS, EDX, EFLAGS_SHARED, EIP, ES, FCW, FLAG_CARRIES, FLAG_RESULT, FS, FTW, GDTR_LIMIT, GS, IDTR_LIMIT,
  LDTR, MXCSR, SS, STATE_BASE, STATE_BYTES, TR,
} from "../isa/state-layout.ts";
import { DR6_FIXED, DR7_FIXED } from "./debug.ts";
import { setEflags, EFLAGS_ALL } from "./eflags.ts";
import { updateMode } from "./mode.ts";
import { CR0_CD, CR0_ET, CR0_NW } from "./control-bits.ts";
import type { ContextUnit, Processor } from "./processor.ts";
import { ACCESS_P, ACCESS_REAL, SYS_LDT, SYS_TSS32_BUSY } from "./protection.ts";
import { setSegment } from "./segmentation.ts";

/** The active context becomes V; both contexts have their power-up values. */
export function resetProcessor(p: Processor): void {
  const { state } = p;
  state.u8.fill(0, STATE_BASE, STATE_BASE + STATE_BYTES);
  state.setGpr(EDX, p.model.signature);
  state.write(EIP, 0xfff0);
  state.write(EFLAGS_SHARED, 0);
  state.write(FLAG_RESULT, 1);
  state.write(FLAG_CARRIES, 0);
  state.write(FCW, 0x40);
  state.write(FTW, 0x5555);
  state.write(MXCSR, 0x1f80);
  for (const unit of [p.h, p.v]) resetContext(p, unit);
  setEflags(state, p.v.context, 0, EFLAGS_ALL);
  p.timestampOffset = 0n;
  p.shownTicks = 0;
  p.msrs.reset();
  p.pendingDebug = 0;
  p.stepping = false;
  p.keepResumeFlag = false;
  p.exit.clear();
  p.context = p.v.context;
  p.tlb = p.v.tlb;
  p.physical = p.v.physical;
  updateMode(p);
}

function resetContext(p: Processor, unit: ContextUnit): void {
  const c = unit.context;
  p.state.u8.fill(0, c.base, c.base + CONTEXT_BYTES);
  c.overwritten();
  for (const i of [ES, SS, DS, FS, GS]) setSegment(c, i, 0, 0, 0xffff, ACCESS_REAL);
  setSegment(c, CS, 0xf000, 0xffff_0000 | 0, 0xffff, ACCESS_REAL);
  setSegment(c, LDTR, 0, 0, 0xffff, ACCESS_P | SYS_LDT);
  setSegment(c, TR, 0, 0, 0xffff, ACCESS_P | SYS_TSS32_BUSY);
  c.set(GDTR_LIMIT, 0xffff);
  c.set(IDTR_LIMIT, 0xffff);
  c.set(CR0, CR0_CD | CR0_NW | CR0_ET);
  c.set(DR6, DR6_FIXED);
  c.set(DR7, DR7_FIXED);
  unit.tlb.flushAll();
}
