// What exit-gates.ts remembers of one gate.

/** Where a gate was, and what it said. */
export class KnownGate {
  flushes = -1;
  idtBase = 0;
  idtLimit = 0;
  gdtBase = 0;
  gdtLimit = 0;
  /** Words of the host's memory: the gate's first, and its code descriptor's. */
  gate = 0;
  code = 0;
  gateLow = 0;
  gateHigh = 0;
  codeLow = 0;
  codeHigh = 0;
}
