// A PC of 1 MB with nothing at its ports, for programs that run interpreted and translated side by side.
import type { TranslationOptions } from "../../src/jit/code-cache.ts";
import { Machine } from "../../src/machine/machine.ts";

/** Code is translated after it has run three times, at once, and made again soon. */
const EAGER: TranslationOptions = { threshold: 3, promotion: 8, batch: 1, patience: 0 };

export function eagerMachine(translated: boolean): Machine {
  return new Machine({ memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: translated && EAGER });
}
