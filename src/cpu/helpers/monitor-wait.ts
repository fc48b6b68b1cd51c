// MONITOR and MWAIT: the processor waits as in HLT. SDM Vol. 3A, section 10.10.4 "MONITOR/MWAIT Instruction", and Vol. 2.
//
// Not implemented: a write to the watched line ends the wait only by the interrupt of the device that wrote; there is no other processor.

import { ACTIVITY, MONITOR_ARMED } from "../../isa/state-layout.ts";
import type { Processor } from "../processor.ts";

const ARM = 0, HALTED = 1;

export function monitorWait(p: Processor, kind: number): void {
  if (kind === ARM) {
    p.state.write(MONITOR_ARMED, 1);
    return;
  }
  // Whatever ended the watch since MONITOR lets MWAIT through.
  if (p.state.read(MONITOR_ARMED) !== 0) p.context.set(ACTIVITY, HALTED);
  p.state.write(MONITOR_ARMED, 0);
}
