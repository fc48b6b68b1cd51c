// What the monitor wants to know of the instruction that left, found out once for each row of the opcode map.

import { sensitivityNote } from "../isa/sensitivity.ts";
import type { Row } from "../isa/row.ts";
import { ACTIONS, type ActionName } from "../protocol/trap-record.ts";

/** What it writes of IF and IOPL whatever was there before: nothing, IF, or what the guest's privilege permits. */
export type WrittenFlags = "none" | "interrupt" | "permitted";

export interface RowFacts {
  /** What doing it for the guest is called in the record: its number. */
  readonly action: number;
  readonly writes: WrittenFlags;
  /** It may go to another privilege. */
  readonly transfer: boolean;
  /** Where it neither faults nor does anything to the machine around it, it changes general registers, memory, EIP, status flags and IF alone. */
  readonly stays: boolean;
  /** It loads a selector from memory or a register. */
  readonly loadsSelector: boolean;
  /** Operands of port and control instructions: AL, an immediate byte, a debug register. */
  readonly isByte: boolean;
  readonly hasImmediate: boolean;
  readonly isDebugRegister: boolean;
  /** MOV to or from a control or debug register: no other instruction of control registers names one. */
  readonly namesControl: boolean;
}

const NAMED: Readonly<Record<string, ActionName>> = {
  IN: "port-in", OUT: "port-out", INS: "port-block", OUTS: "port-block", LGDT: "table", LIDT: "table", LLDT: "table", LTR: "table",
  RDMSR: "msr", WRMSR: "msr", HLT: "halt", LMSW: "control", CLTS: "control",
};
const WRITES: Readonly<Record<string, WrittenFlags>> = { CLI: "interrupt", STI: "interrupt", SYSENTER: "interrupt", POPF: "permitted", IRET: "permitted" };
const TRANSFERS: ReadonlySet<string> = new Set(["IRET", "SYSENTER", "SYSEXIT", "RETF", "CALL", "JMP"]);
const STAYS: ReadonlySet<string> = new Set([
  "CLI", "STI", "IN", "OUT", "CPUID", "RDTSC", "RDMSR", "SGDT", "SIDT", "SLDT", "STR", "SMSW", "PUSHF", "LAR", "LSL", "VERR", "VERW",
]);
const LOADS: ReadonlySet<string> = new Set(["IRET", "RETF", "POP", "LDS", "LES", "LSS", "LFS", "LGS", "CALL", "JMP", "MOV"]);
const NEAR: ReadonlySet<string> = new Set(["RET", "JMP", "CALL"]);
const FAR_TARGETS: ReadonlySet<string> = new Set(["Ap", "Mp"]);

const known: (RowFacts | undefined)[] = [];

export function factsOf(row: Row): RowFacts {
  return (known[row.index] ??= find(row));
}

function find(row: Row): RowFacts {
  const { mnemonic, operands } = row;
  const isControl = mnemonic === "MOV" && operands.some((code) => code === "Cd" || code === "Dd");
  const isNear = (NEAR.has(mnemonic) && !FAR_TARGETS.has(operands[0] ?? "")) || operands.some((code) => code === "Jb" || code === "Jz");
  const isPlain = row.sensitivity === undefined && (row.ends !== true || isNear);
  const reads = sensitivityNote(row) !== null && (mnemonic === "MOV" ? operands[0] === "Rd" || operands[1] === "Sw" : STAYS.has(mnemonic));
  return {
    action: ACTIONS[isControl ? "control" : NAMED[mnemonic] ?? "emulate"], writes: WRITES[mnemonic] ?? "none", transfer: TRANSFERS.has(mnemonic), stays: isPlain || reads,
    isByte: operands.includes("AL"), hasImmediate: operands.includes("Ib"), isDebugRegister: operands.includes("Dd"), namesControl: isControl,
    loadsSelector: LOADS.has(mnemonic) && (mnemonic !== "POP" && mnemonic !== "MOV" || row.sensitivity !== undefined),
  };
}
