// MOV DRn. SDM Vol. 3B, "Debug Registers".

import { CR4, DR0, DR6, DR7 } from "../../isa/state-layout.ts";
import { DR6_BD, DR6_FIXED, DR6_WRITABLE, DR7_FIXED, DR7_GD, DR7_WRITABLE, setDebugStatus } from "../debug.ts";
import { updateMode } from "../mode.ts";
import { CR4_DE } from "../control-bits.ts";
import { DB, type Processor, UD } from "../processor.ts";

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE reserves them. -1: a fault is raised. */
function resolve(p: Processor, n: number): number {
  const alias = n === 4 || n === 5;
  if (n > 7 || (alias && p.context.get(CR4) & CR4_DE)) {
    p.raiseNoError(UD);
    return -1;
  }
  if (p.context.get(DR7) & DR7_GD) {
    setDebugStatus(p, DR6_BD);
    p.raiseNoError(DB);
    return -1;
  }
  return alias ? n + 2 : n;
}

export function readDebug(p: Processor, n: number): number {
  const { context: c } = p;
  const register = resolve(p, n);
  if (register < 0) return 0;
  if (register < 4) return c.getAt(DR0, register);
  return register === 6 ? c.get(DR6) | DR6_FIXED : c.get(DR7) | DR7_FIXED;
}

export function writeDebug(p: Processor, n: number, value: number): void {
  const { context: c } = p;
  const register = resolve(p, n);
  if (register < 0) return;
  if (register < 4) c.setAt(DR0, register, value);
  else if (register === 6) c.set(DR6, (value & DR6_WRITABLE) | DR6_FIXED);
  else c.set(DR7, (value & DR7_WRITABLE) | DR7_FIXED);
  updateMode(p);
}
