// INT n, INT3, INTO, INT1. SDM Vol. 2, INT n/INTO/INT3/INT1, "Operation".

import { CR4, EFLAGS_IOPL, EFLAGS_SYSTEM } from "../../isa/state-layout.ts";
import { EVENT_INT1, EVENT_SOFTWARE, EVENT_SOFTWARE_EXCEPTION, type EventKind, dispatch } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import { CR4_VME } from "../control-bits.ts";
import { BP, DB, GP, OF, type Processor } from "../processor.ts";
import { inV86 } from "../segmentation.ts";
import { deliverRedirected, isRedirected } from "../v86.ts";

/** A fault of the delivery is the INT instruction's own. */
function event(p: Processor, vector: number, kind: EventKind): void {
  if (!dispatch(p, vector, kind, false, 0)) p.raiseNoError(FAULT_IS_EXIT - 1);
}

export function softwareInterrupt(p: Processor, vector: number): void {
  const { context } = p;
  if (inV86(context)) {
    if (context.get(CR4) & CR4_VME && isRedirected(p, vector)) {
      deliverRedirected(p, vector);
      return;
    }
    if ((context.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) !== EFLAGS_IOPL) {
      p.raise(GP, 0);
      return;
    }
  }
  event(p, vector, EVENT_SOFTWARE);
}

/** CC alone: neither IOPL nor the redirection map concern it. */
export function breakpointTrap(p: Processor): void {
  event(p, BP, EVENT_SOFTWARE_EXCEPTION);
}

export function overflowTrap(p: Processor): void {
  event(p, OF, EVENT_SOFTWARE_EXCEPTION);
}

/** INT1 counts as a hardware exception: no DPL check, EXT set. */
export function icebp(p: Processor): void {
  event(p, DB, EVENT_INT1);
}
