// Where the silicon that judges (an AMD Zen under a 64-bit kernel) and the manual that we follow part, or the manual leaves room.
// Each entry explains one kind of difference, as narrowly as can be said; anything else is a mistake of ours.

import type { Row } from "../../../src/isa/row.ts";
import { CS, ECX, EFLAGS_AC, EFLAGS_STATUS, ESP } from "../../../src/isa/state-layout.ts";
import { type Case, COMPLETED, difference, type Outcome } from "./case.ts";
import { MXCSR_AT } from "./float-state.ts";
import { localSelector } from "./sandbox.ts";
import { knowsFloat } from "./silicon-rows.ts";

interface Deviation {
  readonly name: string;
  /** What the silicon does, and what we do by the manual. */
  readonly why: string;
  explains(row: Row, c: Case, silicon: Outcome, ours: Outcome): boolean;
}

const DEBUG = 1, UNDEFINED = 6, STACK_FAULT = 12, PROTECTION = 13, PAGE_FAULT = 14, ALIGNMENT = 17;
const OPERAND_SIZE = 0x66, ADDRESS_SIZE = 0x67, LOCK = 0xf0, REPNE = 0xf2, REP = 0xf3;
const isMemoryFault = (o: Outcome) => o.vector === PAGE_FAULT || ((o.vector === STACK_FAULT || o.vector === PROTECTION) && o.error === 0);
const isOperandFault = (o: Outcome) => isMemoryFault(o) || o.vector === ALIGNMENT;
const isFault = (o: Outcome) => o.vector !== COMPLETED && o.vector !== DEBUG;
const prefixes = (c: Case) => c.code.slice(0, c.code.findIndex((byte) => ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, OPERAND_SIZE, ADDRESS_SIZE, LOCK, REPNE, REP].includes(byte)));
const is16 = (c: Case, prefix: number) => (c.selectors[CS] === localSelector("code16")) !== prefixes(c).includes(prefix);
const isRepeated = (c: Case) => prefixes(c).some((byte) => byte === REP || byte === REPNE);
const isFar = (row: Row) => row.operands.includes("Ap") || row.operands.includes("Mp");

/** The byte of silicon's memory where it alone differs from ours, or -1. */
function singleChange(silicon: Outcome, ours: Outcome): number {
  if (difference({ ...silicon, changes: [] }, { ...ours, changes: [] }, 0) !== "") return -1;
  const flat = (o: Outcome) => new Map(o.changes.flatMap(({ address, bytes }) => bytes.map((byte, n) => [address + n, byte] as const)));
  const mine = flat(ours), theirs = flat(silicon);
  const differing = [...new Set([...mine.keys(), ...theirs.keys()])].filter((at) => mine.get(at) !== theirs.get(at));
  // Where memory held it before, it is no change.
  return differing.length === 1 ? theirs.get(differing[0] as number) ?? 2 : -1;
}

/** MXCSR bit 17. */
function hasMisalignedMode(o: Outcome): boolean {
  return o.float !== null && ((o.float[MXCSR_AT + 2] as number) & 2) !== 0;
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    name: "alignment before page", why: "#AC comes before #PF; Vol. 3, Table 6-2 ranks the page fault first",
    explains: (_row, c, silicon, ours) => (c.eflags & EFLAGS_AC) !== 0 && silicon.vector === ALIGNMENT && ours.vector === PAGE_FAULT,
  },
  {
    name: "wrap at 4 GB", why: "an access across the end of a 4 GB segment is #GP or #SS; Vol. 3, section 5.3 leaves it to the processor",
    explains: (_row, _c, silicon, ours) => isMemoryFault(silicon) && silicon.vector !== PAGE_FAULT && ours.vector === PAGE_FAULT && ours.cr2 >>> 0 >= 0xffff_ff00,
  },
  {
    name: "double shift beyond 16", why: "SHLD and SHRD of a word by more than 16: result and flags are undefined",
    explains: (row, c, silicon, ours) => {
      const count = (row.operands[2] === "CL" ? (c.registers[ECX] as number) : (c.code[c.code.length - 1] as number)) & 31;
      return /^SH[LR]D$/.test(row.mnemonic) && is16(c, OPERAND_SIZE) && count > 16 && !isFault(silicon) && !isFault(ours);
    },
  },
  {
    name: "order of string operands", why: "CMPS reads ES:(E)DI first; where both operands fault, the manual does not say which comes first",
    explains: (row, _c, silicon, ours) => row.mnemonic === "CMPS" && isOperandFault(silicon) && isOperandFault(ours),
  },
  {
    name: "flags of an interrupted comparison", why: "a fault in REPE CMPS or SCAS leaves the flags of the last comparison; Vol. 2, REP asks for those before the instruction",
    explains: (row, c, silicon, ours) => row.string === "repe" && isRepeated(c) && isFault(silicon) && difference(silicon, ours, EFLAGS_STATUS) === "",
  },
  {
    name: "registers of an interrupted POPA", why: "registers popped before a fault stay popped; ESP does not, so that a restart repeats it all",
    explains: (row, _c, silicon, ours) => row.mnemonic === "POPA" && isFault(silicon) && silicon.registers[ESP] === ours.registers[ESP] &&
      difference({ ...silicon, registers: ours.registers }, ours, 0) === "",
  },
  {
    name: "port permission with a count of 0", why: "REP INS and OUTS ask for permission even if there is nothing to transfer",
    explains: (row, c, silicon, ours) => {
      const count = (c.registers[ECX] as number) & (is16(c, ADDRESS_SIZE) ? 0xffff : -1);
      return /^(INS|OUTS)$/.test(row.mnemonic) && isRepeated(c) && count === 0 && silicon.vector === PROTECTION && !isFault(ours);
    },
  },
  {
    name: "far CALL pushes first", why: "the return address is pushed word by word, and before the target is compared with the limit; Vol. 2, CALL compares first",
    explains: (row, _c, silicon, ours) => row.mnemonic === "CALL" && isFar(row) && isOperandFault(ours) &&
      (ours.vector === PROTECTION ? isOperandFault(silicon) : difference({ ...silicon, changes: [] }, ours, 0) === ""),
  },
  {
    name: "stack before target", why: "near CALL finds its stack unusable before its target beyond the limit; Vol. 2, CALL has the reverse",
    explains: (row, _c, silicon, ours) => row.mnemonic === "CALL" && !isFar(row) && ours.vector === PROTECTION && ours.error === 0 && isOperandFault(silicon),
  },
  {
    name: "order of far returns", why: "RETF and IRET read the selector and flags before the offset, and more than they need",
    explains: (row, _c, silicon, ours) => /^(RETF|IRET)$/.test(row.mnemonic) && isOperandFault(silicon) && (isOperandFault(ours) || ours.vector === PROTECTION),
  },
  {
    name: "alignment of ENTER's new stack top", why: "the check that the new top can be written also asks for alignment; Vol. 2, ENTER speaks of page faults alone",
    explains: (row, c, silicon) => row.mnemonic === "ENTER" && (c.eflags & EFLAGS_AC) !== 0 && silicon.vector === ALIGNMENT,
  },
  {
    name: "pushes of an interrupted ENTER", why: "what was pushed before a fault stays in memory below the stack, which did not move",
    explains: (row, _c, silicon, ours) => row.mnemonic === "ENTER" && isFault(silicon) && difference({ ...silicon, changes: [] }, { ...ours, changes: [] }, 0) === "",
  },
  {
    name: "length of undefined opcodes", why: "UD0, UD1 and MOV to test registers are undefined before their ModRM byte is fetched",
    explains: (row, _c, silicon, ours) => (/^UD[01]$/.test(row.mnemonic) || row.operands.includes("Td")) && silicon.vector === UNDEFINED && isMemoryFault(ours),
  },
  {
    name: "repeated LOOPE", why: "F3 makes LOOPE and F2 makes LOOPNE of both; Vol. 2, chapter 2 reserves the prefixes there",
    explains: (row, c, silicon, ours) => /^LOOPN?E$/.test(row.mnemonic) && isRepeated(c) && !isFault(silicon) && !isFault(ours),
  },
  {
    name: "misaligned beyond the limit of SS", why: "the alignment of 16 bytes is judged before the limit: #GP(0) where #SS(0) would be as right",
    explains: (row, _c, silicon, ours) => knowsFloat(row) && silicon.vector === PROTECTION && ours.vector === STACK_FAULT && silicon.error === 0 && ours.error === 0,
  },
  {
    name: "alignment of masked stores", why: "MASKMOVQ and MASKMOVDQU ask for alignment; Vol. 2 speaks of bytes, and of no #AC for MASKMOVDQU",
    explains: (row, c, silicon) => row.mnemonic.startsWith("MASKMOV") && (c.eflags & EFLAGS_AC) !== 0 && silicon.vector === ALIGNMENT,
  },
  {
    name: "MMX state of a MASKMOVQ that faults", why: "the registers are MMX ones already; Vol. 3 has a fault leave no trace",
    explains: (row, _c, silicon, ours) => row.mnemonic === "MASKMOVQ" && isOperandFault(silicon) && difference(silicon, { ...ours, float: silicon.float }, 0) === "",
  },
  {
    name: "areas of many bytes", why: "10 bytes, masked ones, an environment or all registers meet their last bytes or pages first, or wrap at 64 KB within; the manual leaves the order open",
    explains: (row, _c, silicon, ours) => (/^(FX?N?SAVE|FX?RSTOR|FLDENV|FNSTENV|MASKMOV.*)$/.test(row.mnemonic) || row.operands.includes("Mt")) && isOperandFault(silicon) && isOperandFault(ours),
  },
  {
    name: "the host's MXCSR_MASK", why: "AMD processors have a bit 17 in MXCSR, which FXSAVE tells and FXRSTOR and LDMXCSR load",
    explains: (row, _c, silicon, ours) => row.mnemonic === "FXSAVE" ? singleChange(silicon, ours) === 2 : ours.vector === PROTECTION && !isFault(silicon) && hasMisalignedMode(silicon),
  },
  {
    name: "MASKMOV with an empty mask", why: "the page is asked for although nothing is written; Vol. 2 leaves it to the processor",
    explains: (row, _c, silicon, ours) => row.mnemonic.startsWith("MASKMOV") && isOperandFault(silicon) && !isFault(ours) && ours.changes.length === 0,
  },
  {
    name: "the host's own instructions", why: "0F 0D with a register is undefined on AMD processors, LOCK MOV CR0 is their MOV CR8, and they let LOCK VERW pass",
    explains: (row, c) => row.opcode === "0F0D" || (/^(0F2[02]|0F00 .5)$/.test(row.opcode) && prefixes(c).includes(LOCK)),
  },
];

/** The deviation that explains a difference, or null. */
export function deviationOf(row: Row, c: Case, silicon: Outcome, ours: Outcome): Deviation | null {
  return DEVIATIONS.find((deviation) => deviation.explains(row, c, silicon, ours)) ?? null;
}
