// Gates of the silicon's IDT that are known to lead into ring 0, where a monitor is: an event through one of them leaves. The
// processor would read gate and descriptor each time; here their bytes are compared with what was read last, where the same TLB had them.
// SDM Vol. 3A, "Exception- or Interrupt-Handler Procedures".

import { CPL, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT } from "../isa/state-layout.ts";
import { KnownGate } from "./known-gate.ts";
import { translate } from "./linear-memory.ts";
import type { Processor } from "./processor.ts";
import { dplOf, accessOf } from "./protection.ts";

const TABLE_INDICATOR = 4;

/** Whether an event of H with this vector leaves; false: it is not known. `software`: of an INT instruction, which the gate's DPL must allow. */
export function isExitGate(p: Processor, vector: number, software: boolean): boolean {
  const known = p.exitGates[vector];
  if (known === undefined) return false;
  const { tlb, context: c, state: { i32 } } = p;
  return known.flushes === tlb.flushes && known.idtBase === c.get(IDTR_BASE) && known.idtLimit === c.get(IDTR_LIMIT) &&
    known.gdtBase === c.get(GDTR_BASE) && known.gdtLimit === c.get(GDTR_LIMIT) &&
    known.gateLow === i32[known.gate] && known.gateHigh === i32[known.gate + 1] && known.codeLow === i32[known.code] && known.codeHigh === i32[known.code + 1] &&
    !(software && dplOf(accessOf(known.gateHigh)) < c.get(CPL));
}

/** An event of H with this vector has left through its gate. `selector`: of the handler's code. */
export function noteExitGate(p: Processor, vector: number, selector: number): void {
  if (selector & TABLE_INDICATOR) return;
  const { context: c, state: { i32 } } = p;
  const idtBase = c.get(IDTR_BASE), gdtBase = c.get(GDTR_BASE);
  const gate = wordAt(p, (idtBase + vector * 8) | 0), code = wordAt(p, (gdtBase + (selector & 0xfff8)) | 0);
  if (gate < 0 || code < 0) return;
  const known = (p.exitGates[vector] ??= new KnownGate());
  known.flushes = p.tlb.flushes;
  known.idtBase = idtBase;
  known.idtLimit = c.get(IDTR_LIMIT);
  known.gdtBase = gdtBase;
  known.gdtLimit = c.get(GDTR_LIMIT);
  known.gate = gate;
  known.code = code;
  known.gateLow = i32[gate]!;
  known.gateHigh = i32[gate + 1]!;
  known.codeLow = i32[code]!;
  known.codeHigh = i32[code + 1]!;
}

/** The word of the host's memory that holds 8 aligned bytes; -1 where they are not plain memory. */
function wordAt(p: Processor, linear: number): number {
  if (linear & 7) return -1;
  const physical = translate(p, linear, false, false);
  const host = physical < 0 ? 0 : p.physical.hostPage(physical >>> 12);
  return host === 0 ? -1 : (host + (physical & 0xfff)) >> 2;
}
