// One trap as everybody who reads the log sees it: the filter, the export, the panel. Fields that do not apply are null.

import { SENSITIVITY } from "../isa/sensitivity.ts";
import type { TechniqueId } from "../protocol/technique.ts";
import type { ActionName, ModeName, TrapKind } from "../protocol/trap-record.ts";

export interface TrapFields {
  readonly seq: number;
  readonly kind: TrapKind;
  /** What the guest ran under; null where a log does not say. */
  readonly technique: TechniqueId | null;
  /** The SDM's mnemonic without size letter; "IRQ" for an exit that no instruction caused. */
  readonly instruction: string;
  /** Disassembly. */
  readonly text: string | null;
  /** The whole instruction. */
  readonly bytes: Uint8Array | null;
  readonly cs: number;
  readonly eip: number;
  readonly linear: number;
  readonly icount: number;
  readonly timeNs: number;
  readonly vcpl: number;
  readonly hcpl: number;
  readonly mode: ModeName;
  /** "#GP", "IRQ" ...; null for leaks and observations. */
  readonly reason: string | null;
  readonly vector: number | null;
  readonly error: number | null;
  readonly action: ActionName | null;
  readonly observed: number | null;
  readonly expected: number | null;
  /** What changed or was shown, in a few words. */
  readonly effect: string | null;
}

/** Instruction bytes to text. `eip` is the instruction's own, for branch targets. */
export type Disassembler = (bytes: Uint8Array, eip: number, code32: boolean) => string;

export function hexBytes(bytes: Uint8Array, separator = ""): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
}

export function hex(value: number, digits: number): string {
  return (value >>> 0).toString(16).padStart(digits, "0");
}

/** What the panel's first column says: how the instruction is related to privilege. */
export const TRAP_CLASSES = ["privileged", "sensitive", "io", "memory", "exception", "call", "interrupt", "missed"] as const;
export type TrapClass = (typeof TRAP_CLASSES)[number];

const IO_INSTRUCTIONS = new Set(["IN", "OUT", "INS", "OUTS"]);
/** Sensitive and not (always) privileged: what the x86 lets through. They trap only where a switch, a trick or a patch makes them. */
const UNPRIVILEGED: ReadonlySet<string> = new Set(
  Object.entries(SENSITIVITY).flatMap(([key, note]) => (note.deprivileged === "trap" ? [] : [key.split(" ")[0]])),
);

/** By the instruction alone, for what an instruction's privilege decides. */
function instructionClass({ instruction, text }: Pick<TrapFields, "instruction" | "text">): TrapClass {
  if (IO_INSTRUCTIONS.has(instruction)) return "io";
  // MOV is both: segment registers (sensitive) and control or debug registers (privileged).
  const privilegedMove = instruction === "MOV" && /\b[cdt]r\d/.test(text ?? "");
  return UNPRIVILEGED.has(instruction) && !privilegedMove ? "sensitive" : "privileged";
}

export function trapClass(trap: Pick<TrapFields, "kind" | "instruction" | "reason" | "text">): TrapClass {
  if (trap.kind === "leak") return "missed";
  if (trap.kind === "observed") return instructionClass(trap);
  const { reason } = trap;
  if (reason === "IRQ") return "interrupt";
  if (reason === "CALLOUT" || reason === "TCMISS") return "call";
  if (reason === "#PF") return "memory";
  if (reason === "#GP" || reason === "#UD" || reason === "#NP" || reason === "#SS" || reason?.startsWith("VMX:")) return instructionClass(trap);
  return "exception";
}

/**
 * Cycles that the exit would have cost on a Core 2: the default charges of the cost model, not a measurement.
 * A fault into the monitor and back 600; one instruction emulated 300; a shadow page table entry 900; delivery to the guest 300.
 */
export function modelledCycles(trap: Pick<TrapFields, "kind" | "action" | "reason">): number {
  if (trap.kind !== "exit") return 0;
  const enter = trap.reason === "CALLOUT" || trap.reason === "TCMISS" ? 200 : 600;
  switch (trap.action) {
    case "shadow-fill": return enter + 900;
    case "resume": case "park-irq": return enter;
    case "mmio": case "traced-write": return enter + 360;
    default: return enter + 300;
  }
}
