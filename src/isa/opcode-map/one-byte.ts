// One-byte opcode map. SDM Vol. 2, Appendix A, Table A-2. Groups (ModRM.reg selects) are in groups.ts, D8-DF in x87.ts.

import type { Semantics } from "../row.ts";
import * as binary from "../semantics/binary-arithmetic.ts";
import * as control from "../semantics/control-transfer.ts";
import * as data from "../semantics/data-transfer.ts";
import * as decimal from "../semantics/decimal.ts";
import * as flag from "../semantics/flag-control.ts";
import * as io from "../semantics/io.ts";
import * as logical from "../semantics/logical.ts";
import * as segment from "../semantics/segment-register.ts";
import * as string from "../semantics/string.ts";
import * as system from "../semantics/system.ts";
import { sensitive } from "../sensitivity.ts";
import { CONDITION_NAMES, hex, row, type UnnumberedRow } from "./row-builder.ts";

const ends = { ends: true } as const;
const readsOnly = { readsOnly: true } as const;
const branch = { ends: true, readsOnly: true } as const;
const lock = { lock: true } as const;

/** The six forms of a two-operand ALU instruction at 00-05, 08-0D ... 38-3D. CMP writes nothing, so it takes no LOCK. */
function aluForms(base: number, mnemonic: string, semantics: Semantics): UnnumberedRow[] {
  const options = mnemonic === "CMP" ? readsOnly : {};
  const memory = mnemonic === "CMP" ? readsOnly : lock;
  return [
    row(hex(base), mnemonic, "Eb Gb", semantics, memory),
    row(hex(base + 1), mnemonic, "Ev Gv", semantics, memory),
    row(hex(base + 2), mnemonic, "Gb Eb", semantics, options),
    row(hex(base + 3), mnemonic, "Gv Ev", semantics, options),
    row(hex(base + 4), mnemonic, "AL Ib", semantics, options),
    row(hex(base + 5), mnemonic, "eAX Iz", semantics, options),
  ];
}

const registers = [0, 1, 2, 3, 4, 5, 6, 7];

export const ONE_BYTE_ROWS: readonly UnnumberedRow[] = [
  ...aluForms(0x00, "ADD", binary.add),
  ...aluForms(0x08, "OR", logical.or),
  ...aluForms(0x10, "ADC", binary.adc),
  ...aluForms(0x18, "SBB", binary.sbb),
  ...aluForms(0x20, "AND", logical.and),
  ...aluForms(0x28, "SUB", binary.sub),
  ...aluForms(0x30, "XOR", logical.xor),
  ...aluForms(0x38, "CMP", binary.cmp),

  row("06", "PUSH", "ES", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("07", "POP", "ES", segment.popSegment, { ends: true, ...sensitive("POP Sreg") }),
  row("0E", "PUSH", "CS", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("16", "PUSH", "SS", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("17", "POP", "SS", segment.popStackSegment, { ends: true, ...sensitive("POP Sreg") }),
  row("1E", "PUSH", "DS", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("1F", "POP", "DS", segment.popSegment, { ends: true, ...sensitive("POP Sreg") }),

  row("27", "DAA", "", decimal.daa),
  row("2F", "DAS", "", decimal.das),
  row("37", "AAA", "", decimal.aaa),
  row("3F", "AAS", "", decimal.aas),

  ...registers.map((r) => row(hex(0x40 + r), "INC", "Zv", binary.inc)),
  ...registers.map((r) => row(hex(0x48 + r), "DEC", "Zv", binary.dec)),
  ...registers.map((r) => row(hex(0x50 + r), "PUSH", "Zv", data.push, readsOnly)),
  ...registers.map((r) => row(hex(0x58 + r), "POP", "Zv", data.pop)),

  row("60", "PUSHA", "", data.pushAll),
  row("61", "POPA", "", data.popAll),
  row("62", "BOUND", "Gv Ma", control.bound, { readsOnly: true, ...sensitive("BOUND") }),
  row("63", "ARPL", "Ew Gw", system.arpl, { protectedOnly: true, ...sensitive("ARPL") }),
  row("68", "PUSH", "Iz", data.push, readsOnly),
  row("69", "IMUL", "Gv Ev Iz", binary.imulTruncated),
  row("6A", "PUSH", "Ibs", data.push, readsOnly),
  row("6B", "IMUL", "Gv Ev Ibs", binary.imulTruncated),
  row("6C", "INS", "Yb DX", string.ins, { ends: true, string: "rep", ...sensitive("INS") }),
  row("6D", "INS", "Yv DX", string.ins, { ends: true, string: "rep", ...sensitive("INS") }),
  row("6E", "OUTS", "DX Xb", string.outs, { ends: true, readsOnly: true, string: "rep", ...sensitive("OUTS") }),
  row("6F", "OUTS", "DX Xv", string.outs, { ends: true, readsOnly: true, string: "rep", ...sensitive("OUTS") }),

  ...CONDITION_NAMES.map((name, cc) => row(hex(0x70 + cc), `J${name}`, "Jb", control.jcc[cc], branch)),

  row("84", "TEST", "Eb Gb", logical.test, readsOnly),
  row("85", "TEST", "Ev Gv", logical.test, readsOnly),
  row("86", "XCHG", "Eb Gb", data.xchg, lock),
  row("87", "XCHG", "Ev Gv", data.xchg, lock),
  row("88", "MOV", "Eb Gb", data.mov),
  row("89", "MOV", "Ev Gv", data.mov),
  row("8A", "MOV", "Gb Eb", data.mov),
  row("8B", "MOV", "Gv Ev", data.mov),
  // A selector goes to memory as a word whatever the operand size, but fills a whole register.
  ...[0, 1, 2, 3, 4, 5].flatMap((s) => [
    row(`8C /${s} mem`, "MOV", "Mw Sw", data.mov, sensitive("MOV r,Sreg")),
    row(`8C /${s} reg`, "MOV", "Ev Sw", data.mov, sensitive("MOV r,Sreg")),
  ]),
  row("8D", "LEA", "Gv M", data.lea),
  // CS cannot be loaded this way: /1 is undefined.
  row("8E /0", "MOV", "Sw Ew", segment.moveToSegment, { ends: true, ...sensitive("MOV Sreg") }),
  row("8E /2", "MOV", "Sw Ew", segment.moveToStackSegment, { ends: true, ...sensitive("MOV Sreg") }),
  row("8E /3", "MOV", "Sw Ew", segment.moveToSegment, { ends: true, ...sensitive("MOV Sreg") }),
  row("8E /4", "MOV", "Sw Ew", segment.moveToSegment, { ends: true, ...sensitive("MOV Sreg") }),
  row("8E /5", "MOV", "Sw Ew", segment.moveToSegment, { ends: true, ...sensitive("MOV Sreg") }),

  row("90", "NOP", "", data.nop),
  row("F390", "PAUSE", "", system.pause),
  ...registers.slice(1).map((r) => row(hex(0x90 + r), "XCHG", "Zv eAX", data.xchg)),
  row("98", "CBW", "", data.cbw),
  row("99", "CWD", "", data.cwd),
  row("9A", "CALL", "Ap", control.callFarPointer, { ...branch, ...sensitive("CALL far") }),
  row("9C", "PUSHF", "", flag.pushf, sensitive("PUSHF")),
  row("9D", "POPF", "", flag.popf, { ends: true, ...sensitive("POPF") }),
  row("9E", "SAHF", "", flag.sahf),
  row("9F", "LAHF", "", flag.lahf),

  row("A0", "MOV", "AL Ob", data.mov),
  row("A1", "MOV", "eAX Ov", data.mov),
  row("A2", "MOV", "Ob AL", data.mov),
  row("A3", "MOV", "Ov eAX", data.mov),
  row("A4", "MOVS", "Yb Xb", string.movs, { string: "rep" }),
  row("A5", "MOVS", "Yv Xv", string.movs, { string: "rep" }),
  row("A6", "CMPS", "Xb Yb", string.cmps, { string: "repe", readsOnly: true }),
  row("A7", "CMPS", "Xv Yv", string.cmps, { string: "repe", readsOnly: true }),
  row("A8", "TEST", "AL Ib", logical.test, readsOnly),
  row("A9", "TEST", "eAX Iz", logical.test, readsOnly),
  row("AA", "STOS", "Yb AL", string.stos, { string: "rep" }),
  row("AB", "STOS", "Yv eAX", string.stos, { string: "rep" }),
  row("AC", "LODS", "AL Xb", string.lods, { string: "rep" }),
  row("AD", "LODS", "eAX Xv", string.lods, { string: "rep" }),
  row("AE", "SCAS", "AL Yb", string.scas, { string: "repe", readsOnly: true }),
  row("AF", "SCAS", "eAX Yv", string.scas, { string: "repe", readsOnly: true }),

  ...registers.map((r) => row(hex(0xb0 + r), "MOV", "Zb Ib", data.mov)),
  ...registers.map((r) => row(hex(0xb8 + r), "MOV", "Zv Iv", data.mov)),

  row("C2", "RET", "Iw", control.retPop, branch),
  row("C3", "RET", "", control.ret, branch),
  row("C4", "LES", "Gv Mp", segment.les, { ends: true, ...sensitive("LES") }),
  row("C5", "LDS", "Gv Mp", segment.lds, { ends: true, ...sensitive("LDS") }),
  row("C8", "ENTER", "Iw Ib", control.enter, readsOnly),
  row("C9", "LEAVE", "", control.leave),
  row("CA", "RETF", "Iw", control.retFarPop, { ...branch, ...sensitive("RETF") }),
  row("CB", "RETF", "", control.retFar, { ...branch, ...sensitive("RETF") }),
  row("CC", "INT3", "", control.int3, { ...branch, ...sensitive("INT3") }),
  row("CD", "INT", "Ib", control.int, { ...branch, ...sensitive("INT") }),
  row("CE", "INTO", "", control.into, { ...branch, ...sensitive("INTO") }),
  row("CF", "IRET", "", control.iret, { ...branch, ...sensitive("IRET") }),

  row("D4", "AAM", "Ib", decimal.aam, readsOnly),
  row("D5", "AAD", "Ib", decimal.aad, readsOnly),
  row("D6", "SALC", "", flag.salc),
  // The table's byte is read through the segment of a string source: DS unless overridden.
  row("D7", "XLAT", "Xb", data.xlat, readsOnly),

  row("E0", "LOOPNE", "Jb", control.loopne, branch),
  row("E1", "LOOPE", "Jb", control.loope, branch),
  row("E2", "LOOP", "Jb", control.loop, branch),
  row("E3", "JCXZ", "Jb", control.jcxz, branch),
  row("E4", "IN", "AL Ib", io.input, { ends: true, ...sensitive("IN") }),
  row("E5", "IN", "eAX Ib", io.input, { ends: true, ...sensitive("IN") }),
  row("E6", "OUT", "Ib AL", io.output, { ...branch, ...sensitive("OUT") }),
  row("E7", "OUT", "Ib eAX", io.output, { ...branch, ...sensitive("OUT") }),
  row("E8", "CALL", "Jz", control.call, branch),
  row("E9", "JMP", "Jz", control.jmp, branch),
  row("EA", "JMP", "Ap", control.jmpFarPointer, { ...branch, ...sensitive("JMP far") }),
  row("EB", "JMP", "Jb", control.jmp, branch),
  row("EC", "IN", "AL DX", io.input, { ends: true, ...sensitive("IN") }),
  row("ED", "IN", "eAX DX", io.input, { ends: true, ...sensitive("IN") }),
  row("EE", "OUT", "DX AL", io.output, { ...branch, ...sensitive("OUT") }),
  row("EF", "OUT", "DX eAX", io.output, { ...branch, ...sensitive("OUT") }),

  row("F1", "INT1", "", control.int1, { ...branch, ...sensitive("INT1") }),
  row("F4", "HLT", "", system.hlt, { ends: true, privileged: true, ...sensitive("HLT") }),
  row("F5", "CMC", "", flag.cmc),
  row("F8", "CLC", "", flag.clc),
  row("F9", "STC", "", flag.stc),
  row("FA", "CLI", "", flag.cli, { ...ends, ...sensitive("CLI") }),
  row("FB", "STI", "", flag.sti, { ...ends, ...sensitive("STI") }),
  row("FC", "CLD", "", flag.cld),
  row("FD", "STD", "", flag.std),
];
