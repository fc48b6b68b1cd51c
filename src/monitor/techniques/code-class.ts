// What a monitor that reads the guest's code before it runs wants to know of an instruction: whether the silicon would execute
// it without an exit although it shows or changes what is not the guest's, and where control goes after it.

import type { Decoded } from "../../isa/decoded.ts";
import { sensitivityNote } from "../../isa/sensitivity.ts";
import { CS, SS } from "../../isa/state-layout.ts";

/** The modes whose holes differ. V86 stands for the guest's real mode, too. */
export type CodeMode = "protected" | "v86" | "v86-vme";

/** Where control goes: to the next instruction, or elsewhere. */
export type Flow = "next" | "jump" | "conditional" | "call" | "indirect" | "indirect-call" | "far" | "stop";

/** In V86 mode IOPL guards the flags and interrupts, and selectors are not checked: these stay silent. With VME also what acts on VIF. */
const SILENT_IN_V86: ReadonlySet<string> = new Set(["SGDT", "SIDT", "SMSW", "CPUID", "RDTSC"]);
const SILENT_WITH_VME: ReadonlySet<string> = new Set([...SILENT_IN_V86, "PUSHF", "POPF", "INT", "IRET"]);
const SEGMENT_CODES: readonly string[] = ["ES", "CS", "SS", "DS", "FS", "GS"];

/** Executes on the silicon without an exit, and would not do what bare metal does. */
export function isHole(d: Decoded, mode: CodeMode): boolean {
  const row = d.row!;
  const note = sensitivityNote(row);
  if (!note) return false;
  if (mode !== "protected") return (mode === "v86" ? SILENT_IN_V86 : SILENT_WITH_VME).has(row.mnemonic);
  if (note.deprivileged === "trap") return false;
  switch (row.mnemonic) {
    // Right once its operands are.
    case "ARPL": return false;
    // The monitor leaves the other selectors as the guest loaded them.
    case "PUSH": return showsRing(SEGMENT_CODES.indexOf(row.operands[0]!));
    case "MOV": return row.operands[1] !== "Sw" || showsRing(d.reg);
    default: return true;
  }
}

function showsRing(segment: number): boolean {
  return segment === CS || segment === SS;
}

export function flowOf(d: Decoded): Flow {
  const row = d.row!;
  const target = row.operands[0];
  switch (row.mnemonic) {
    case "JMP": return target === "Ap" || target === "Mp" ? "far" : target === "Ev" ? "indirect" : "jump";
    case "CALL": return target === "Ap" || target === "Mp" ? "far" : target === "Ev" ? "indirect-call" : "call";
    case "RET": return "indirect";
    case "RETF": case "IRET": case "SYSENTER": case "SYSEXIT": return "far";
    case "UD2": return "stop";
    default: return row.operands.some((code) => code === "Jb" || code === "Jz") ? "conditional" : "next";
  }
}

/** EIP of a direct branch's target, wrapped to its operand size. `eip`: of the branch. */
export function branchTarget(d: Decoded, eip: number): number {
  const target = eip + d.length + d.immediate;
  return d.operandSize === 4 ? target | 0 : target & 0xffff;
}
