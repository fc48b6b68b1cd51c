// PUSHF, POPF, CLI and STI as generated code does them itself: at the privilege where nothing is denied, outside virtual-8086 mode, and
// where nothing waits for the window that they open. All else is the helper's (cpu/helpers/flags.ts).

import type { HelperName, Width } from "../isa/builder.ts";
import {
  CPL, EFLAGS_AC, EFLAGS_DF, EFLAGS_FIXED, EFLAGS_ID, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_STATUS, EFLAGS_SYSTEM, EFLAGS_TF,
  EFLAGS_VM, ESP, SHADOW, SS, WINDOW,
} from "../isa/state-layout.ts";
import type { WasmBuilder } from "./backend.ts";
import { constant, type Expression } from "./function-emitter.ts";

/** `slow`: only the helper can do it. */
export interface FlagInstruction {
  readonly slow: Expression;
  readonly act: () => void;
}

const SHADOW_STI = 1;
/** What POPF may change besides the status flags, DF and IF. */
const RARE = EFLAGS_TF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;

/** Null for other helpers. `argument`: the helper's, where it is known. */
export function flagInstruction(b: WasmBuilder, name: HelperName, argument: Expression | undefined, stackSize: Width): FlagInstruction | null {
  switch (name) {
    case "pushFlags": return pushFlags(b, argument!.value as Width, stackSize);
    case "popFlags": return popFlags(b, argument!.value as Width, stackSize);
    case "clearInterruptFlag": return { slow: b.get(CPL), act: () => b.set(EFLAGS_SYSTEM, b.and(b.get(EFLAGS_SYSTEM), constant(~EFLAGS_IF))) };
    case "setInterruptFlag": return { slow: b.let(b.or(b.get(CPL), b.get(WINDOW))), act: () => setInterruptFlag(b) };
    default: return null;
  }
}

/** Interrupts stay off for one more instruction if they were. */
function setInterruptFlag(b: WasmBuilder): void {
  const system = b.get(EFLAGS_SYSTEM);
  b.set(SHADOW, b.or(b.get(SHADOW), b.select(b.and(system, constant(EFLAGS_IF)), constant(0), constant(SHADOW_STI))));
  b.set(EFLAGS_SYSTEM, b.or(system, constant(EFLAGS_IF)));
}

function eflags(b: WasmBuilder, system: Expression): Expression {
  return b.let(b.or(b.or(b.statusFlags(), constant(EFLAGS_FIXED)), b.or(b.get(EFLAGS_SHARED), system)));
}

function pushFlags(b: WasmBuilder, size: Width, stackSize: Width): FlagInstruction {
  const system = b.get(EFLAGS_SYSTEM);
  return {
    slow: b.and(system, constant(EFLAGS_VM)),
    act: () => {
      const top = b.let(b.zeroExtend(b.sub(b.gpr(ESP, stackSize), constant(size)), stackSize));
      b.store(SS, top, size, b.and(eflags(b, system), constant(~EFLAGS_RF)));
      b.setGpr(ESP, stackSize, top);
    },
  };
}

function popFlags(b: WasmBuilder, size: Width, stackSize: Width): FlagInstruction {
  const system = b.get(EFLAGS_SYSTEM);
  const pointer = b.let(b.gpr(ESP, stackSize));
  const image = b.let(b.and(b.load(SS, pointer, size), constant(~EFLAGS_RF)));
  const changed = b.let(b.and(b.xor(image, b.or(b.get(EFLAGS_SHARED), system)), constant(size === 2 ? 0xffff : -1)));
  // Whether IF changes is a matter of privilege; set, it may let in what waits.
  const interruptFlag = b.select(b.or(b.get(CPL), b.and(b.get(WINDOW), b.ne(b.and(image, constant(EFLAGS_IF)), constant(0)))), constant(EFLAGS_IF), constant(0));
  return {
    slow: b.let(b.or(b.and(changed, b.or(constant(RARE), interruptFlag)), b.and(system, constant(EFLAGS_VM)))),
    act: () => {
      b.set(EFLAGS_SHARED, b.xor(b.get(EFLAGS_SHARED), b.and(changed, constant(EFLAGS_DF))));
      b.set(EFLAGS_SYSTEM, b.xor(system, b.and(changed, constant(EFLAGS_IF))));
      b.setStatusFlags(b.and(image, constant(EFLAGS_STATUS)));
      b.setGpr(ESP, stackSize, b.add(pointer, constant(size)));
    },
  };
}
