// Which rows run on silicon in user mode, and which flags the manual leaves undefined after them.

import type { Row } from "../../../src/isa/row.ts";
import {
  EFLAGS_AF, EFLAGS_CF, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF, EFLAGS_STATUS, EFLAGS_ZF,
} from "../../../src/isa/state-layout.ts";

/** Not run natively, by mnemonic: what they show or do is the host's, not the instruction's. */
export const NOT_ON_SILICON: Readonly<Record<string, string>> = {
  CPUID: "answers for the host",
  INT1: "intercepted by hypervisors, which report another EIP",
  RDTSC: "shows the host's time",
  SGDT: "answered by the host's kernel (UMIP)",
  SIDT: "answered by the host's kernel (UMIP)",
  SLDT: "answered by the host's kernel (UMIP)",
  STR: "answered by the host's kernel (UMIP)",
  SMSW: "answered by the host's kernel (UMIP)",
  SYSENTER: "leaves the process",
  SYSEXIT: "undefined under a 64-bit kernel on AMD processors",
};

/** x87 instructions that have done nothing since the 80387. */
const IDLE_X87: ReadonlySet<string> = new Set(["FNENI", "FNDISI", "FNSETPM"]);

/** Integer rows and what does nothing: x87, MMX and SSE have state of their own. */
export function runsOnSilicon(row: Row): boolean {
  if (/^D[89A-F]/.test(row.opcode)) return IDLE_X87.has(row.mnemonic);
  switch (row.feature) {
    case "fpu": case "mmx": case "sse": case "sse2": case "sse3": case "fxsr": case "clflush": case "monitor": return false;
    default: return NOT_ON_SILICON[row.mnemonic] === undefined;
  }
}

const FLOAT_FEATURES: ReadonlySet<Row["feature"]> = new Set<Row["feature"]>(["mmx", "sse", "sse2", "sse3", "fxsr"]);

/** Rows that work on x87, MMX or SSE state. */
export function knowsFloat(row: Row): boolean {
  return /^(9B$|D[89A-F])/.test(row.opcode) || FLOAT_FEATURES.has(row.feature);
}

interface UndefinedFlags {
  readonly mnemonics: readonly string[];
  readonly flags: number;
  /** SDM Vol. 2, "Flags Affected" of the instruction. */
  readonly why: string;
}

/** The manual's words; processors differ here. */
export const UNDEFINED_FLAGS: readonly UndefinedFlags[] = [
  { mnemonics: ["AAA", "AAS"], flags: EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF, why: "OF, SF, ZF and PF are undefined" },
  { mnemonics: ["AAD"], flags: EFLAGS_OF | EFLAGS_AF | EFLAGS_CF, why: "OF, AF and CF are undefined" },
  { mnemonics: ["SHL"], flags: EFLAGS_AF, why: "AF is undefined for a nonzero count" },
  { mnemonics: ["MUL", "IMUL"], flags: EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF, why: "SF, ZF, AF and PF are undefined" },
  { mnemonics: ["DIV", "IDIV"], flags: EFLAGS_STATUS, why: "all six are undefined" },
  { mnemonics: ["AND", "OR", "XOR", "TEST"], flags: EFLAGS_AF, why: "AF is undefined" },
  { mnemonics: ["BSF", "BSR"], flags: EFLAGS_STATUS & ~EFLAGS_ZF, why: "all but ZF are undefined" },
  { mnemonics: ["BT", "BTS", "BTR", "BTC"], flags: EFLAGS_OF | EFLAGS_SF | EFLAGS_AF | EFLAGS_PF, why: "OF, SF, AF and PF are undefined" },
  { mnemonics: ["SHLD", "SHRD"], flags: EFLAGS_AF | EFLAGS_OF, why: "AF is undefined, OF for counts above 1" },
];

const BY_MNEMONIC = new Map(UNDEFINED_FLAGS.flatMap(({ mnemonics, flags }) => mnemonics.map((mnemonic) => [mnemonic, flags] as const)));

export function undefinedFlags(row: Row): number {
  return BY_MNEMONIC.get(row.mnemonic) ?? 0;
}
