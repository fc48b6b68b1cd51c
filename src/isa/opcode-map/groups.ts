// Opcodes that ModRM.reg extends. SDM Vol. 2, Appendix A, Table A-6.

import type { RowOptions, Semantics } from "../row.ts";
import * as binary from "../semantics/binary-arithmetic.ts";
import * as bit from "../semantics/bit-byte.ts";
import * as control from "../semantics/control-transfer.ts";
import * as data from "../semantics/data-transfer.ts";
import * as logical from "../semantics/logical.ts";
import * as rotate from "../semantics/shift-rotate.ts";
import * as system from "../semantics/system.ts";
import { sensitive } from "../sensitivity.ts";
import { row, type UnnumberedRow } from "./row-builder.ts";

const readsOnly = { readsOnly: true } as const;
const branch = { ends: true, readsOnly: true } as const;
const lock = { lock: true } as const;
const hint = { readsOnly: true, feature: "hints" } as const;
const privileged = { privileged: true, ends: true } as const;

const GROUP_1: readonly (readonly [string, Semantics])[] = [
  ["ADD", binary.add], ["OR", logical.or], ["ADC", binary.adc], ["SBB", binary.sbb],
  ["AND", logical.and], ["SUB", binary.sub], ["XOR", logical.xor], ["CMP", binary.cmp],
];

/** 82 repeats 80. */
const group1 = GROUP_1.flatMap(([mnemonic, semantics], n) => {
  const options: RowOptions = mnemonic === "CMP" ? readsOnly : lock;
  return [
    row(`80 /${n}`, mnemonic, "Eb Ib", semantics, options),
    row(`81 /${n}`, mnemonic, "Ev Iz", semantics, options),
    row(`82 /${n}`, mnemonic, "Eb Ib", semantics, options),
    row(`83 /${n}`, mnemonic, "Ev Ibs", semantics, options),
  ];
});

/** /6 repeats /4. */
const GROUP_2: readonly (readonly [string, Semantics])[] = [
  ["ROL", rotate.rol], ["ROR", rotate.ror], ["RCL", rotate.rcl], ["RCR", rotate.rcr],
  ["SHL", rotate.shl], ["SHR", rotate.shr], ["SHL", rotate.shl], ["SAR", rotate.sar],
];

const group2 = GROUP_2.flatMap(([mnemonic, semantics], n) => [
  row(`C0 /${n}`, mnemonic, "Eb Ib", semantics),
  row(`C1 /${n}`, mnemonic, "Ev Ib", semantics),
  row(`D0 /${n}`, mnemonic, "Eb 1", semantics),
  row(`D1 /${n}`, mnemonic, "Ev 1", semantics),
  row(`D2 /${n}`, mnemonic, "Eb CL", semantics),
  row(`D3 /${n}`, mnemonic, "Ev CL", semantics),
]);

export const GROUP_ROWS: readonly UnnumberedRow[] = [
  ...group1,
  row("8F /0", "POP", "Ev", data.pop),
  ...group2,
  row("C6 /0", "MOV", "Eb Ib", data.mov),
  row("C7 /0", "MOV", "Ev Iz", data.mov),

  // Group 3; /1 repeats /0.
  row("F6 /0", "TEST", "Eb Ib", logical.test, readsOnly),
  row("F6 /1", "TEST", "Eb Ib", logical.test, readsOnly),
  row("F6 /2", "NOT", "Eb", logical.not, lock),
  row("F6 /3", "NEG", "Eb", binary.neg, lock),
  row("F6 /4", "MUL", "Eb", binary.mul, readsOnly),
  row("F6 /5", "IMUL", "Eb", binary.imul, readsOnly),
  row("F6 /6", "DIV", "Eb", binary.div, readsOnly),
  row("F6 /7", "IDIV", "Eb", binary.idiv, readsOnly),
  row("F7 /0", "TEST", "Ev Iz", logical.test, readsOnly),
  row("F7 /1", "TEST", "Ev Iz", logical.test, readsOnly),
  row("F7 /2", "NOT", "Ev", logical.not, lock),
  row("F7 /3", "NEG", "Ev", binary.neg, lock),
  row("F7 /4", "MUL", "Ev", binary.mul, readsOnly),
  row("F7 /5", "IMUL", "Ev", binary.imul, readsOnly),
  row("F7 /6", "DIV", "Ev", binary.div, readsOnly),
  row("F7 /7", "IDIV", "Ev", binary.idiv, readsOnly),

  // Groups 4 and 5.
  row("FE /0", "INC", "Eb", binary.inc, lock),
  row("FE /1", "DEC", "Eb", binary.dec, lock),
  row("FF /0", "INC", "Ev", binary.inc, lock),
  row("FF /1", "DEC", "Ev", binary.dec, lock),
  row("FF /2", "CALL", "Ev", control.callIndirect, branch),
  row("FF /3 mem", "CALL", "Mp", control.callFarMemory, { ...branch, ...sensitive("CALL far") }),
  row("FF /4", "JMP", "Ev", control.jmpIndirect, branch),
  row("FF /5 mem", "JMP", "Mp", control.jmpFarMemory, { ...branch, ...sensitive("JMP far") }),
  row("FF /6", "PUSH", "Ev", data.push, readsOnly),

  // Group 6. Descriptor-table registers go to memory as words whatever the operand size.
  row("0F00 /0 mem", "SLDT", "Mw", system.sldt, { protectedOnly: true, ...sensitive("SLDT") }),
  row("0F00 /0 reg", "SLDT", "Ev", system.sldt, { protectedOnly: true, ...sensitive("SLDT") }),
  row("0F00 /1 mem", "STR", "Mw", system.str, { protectedOnly: true, ...sensitive("STR") }),
  row("0F00 /1 reg", "STR", "Ev", system.str, { protectedOnly: true, ...sensitive("STR") }),
  row("0F00 /2", "LLDT", "Ew", system.lldt, { readsOnly: true, protectedOnly: true, privileged: true, ...sensitive("LLDT") }),
  row("0F00 /3", "LTR", "Ew", system.ltr, { readsOnly: true, protectedOnly: true, privileged: true, ...sensitive("LTR") }),
  row("0F00 /4", "VERR", "Ew", system.verr, { readsOnly: true, protectedOnly: true, ...sensitive("VERR") }),
  row("0F00 /5", "VERW", "Ew", system.verw, { readsOnly: true, protectedOnly: true, ...sensitive("VERW") }),

  // Group 7.
  row("0F01 /0 mem", "SGDT", "Ms", system.sgdt, sensitive("SGDT")),
  row("0F01 /1 mem", "SIDT", "Ms", system.sidt, sensitive("SIDT")),
  row("0F01 /2 mem", "LGDT", "Ms", system.lgdt, { ...privileged, readsOnly: true, ...sensitive("LGDT") }),
  row("0F01 /3 mem", "LIDT", "Ms", system.lidt, { ...privileged, readsOnly: true, ...sensitive("LIDT") }),
  row("0F01 C8", "MONITOR", "", system.monitor, { feature: "monitor", ...sensitive("MONITOR") }),
  row("0F01 C9", "MWAIT", "", system.mwait, { ends: true, feature: "monitor", ...sensitive("MWAIT") }),
  row("0F01 /4 mem", "SMSW", "Mw", system.smsw, sensitive("SMSW")),
  row("0F01 /4 reg", "SMSW", "Ev", system.smsw, sensitive("SMSW")),
  row("0F01 /6", "LMSW", "Ew", system.lmsw, { ...privileged, readsOnly: true, ...sensitive("LMSW") }),
  row("0F01 /7 mem", "INVLPG", "Mb", system.invlpg, { ...privileged, readsOnly: true, ...sensitive("INVLPG") }),

  // Group 8.
  row("0FBA /4", "BT", "Ev Ib", bit.btImmediate, readsOnly),
  row("0FBA /5", "BTS", "Ev Ib", bit.btsImmediate, lock),
  row("0FBA /6", "BTR", "Ev Ib", bit.btrImmediate, lock),
  row("0FBA /7", "BTC", "Ev Ib", bit.btcImmediate, lock),

  // Group 9.
  row("0FC7 /1 mem", "CMPXCHG8B", "Mq", data.cmpxchg8b, { lock: true, feature: "cx8" }),

  // Group 16: hints. A processor without the cache hint, and every register form, does nothing.
  ...["PREFETCHNTA", "PREFETCHT0", "PREFETCHT1", "PREFETCHT2"].flatMap((name, n) => [
    row(`0F18 /${n} mem`, name, "Mb", data.nop, hint),
    row(`0F18 /${n} reg`, "NOP", "Ev", data.nop, hint),
  ]),
  ...[4, 5, 6, 7].map((n) => row(`0F18 /${n}`, "NOP", "Ev", data.nop, hint)),
];
