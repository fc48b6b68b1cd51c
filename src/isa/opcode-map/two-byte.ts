// Two-byte opcode map (0F xx), integer and system part. SDM Vol. 2, Appendix A, Table A-3. Groups are in groups.ts.

import * as binary from "../semantics/binary-arithmetic.ts";
import * as bit from "../semantics/bit-byte.ts";
import * as control from "../semantics/control-transfer.ts";
import * as data from "../semantics/data-transfer.ts";
import * as segment from "../semantics/segment-register.ts";
import * as rotate from "../semantics/shift-rotate.ts";
import * as system from "../semantics/system.ts";
import { sensitive } from "../sensitivity.ts";
import { CONDITION_NAMES, hex, row, type UnnumberedRow } from "./row-builder.ts";

const readsOnly = { readsOnly: true } as const;
const branch = { ends: true, readsOnly: true } as const;
const lock = { lock: true } as const;
const hint = { readsOnly: true, feature: "hints" } as const;
const privileged = { privileged: true, ends: true } as const;

export const TWO_BYTE_ROWS: readonly UnnumberedRow[] = [
  row("0F02", "LAR", "Gv Ew", system.lar, { protectedOnly: true, ...sensitive("LAR") }),
  row("0F03", "LSL", "Gv Ew", system.lsl, { protectedOnly: true, ...sensitive("LSL") }),
  row("0F06", "CLTS", "", system.clts, { ...privileged, ...sensitive("CLTS") }),
  row("0F08", "INVD", "", system.invalidateCaches, { ...privileged, ...sensitive("INVD") }),
  row("0F09", "WBINVD", "", system.invalidateCaches, { ...privileged, ...sensitive("WBINVD") }),
  row("0F0B", "UD2", "", system.undefinedOpcode, branch),
  // Hints of later processors, which this one executes as no operation.
  row("0F0D", "NOP", "Ev", data.nop, hint),
  ...[0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].map((byte) => row(`0F${hex(byte)}`, "NOP", "Ev", data.nop, hint)),

  // MOV to and from the control and debug registers moves 32 bits whatever the operand size, and ignores ModRM.mod.
  row("0F20", "MOV", "Rd Cd", system.moveFromControl, { privileged: true, fixedOperandSize: 4, ...sensitive("MOV CR") }),
  row("0F21", "MOV", "Rd Dd", system.moveFromDebug, { privileged: true, fixedOperandSize: 4, ...sensitive("MOV DR") }),
  row("0F22", "MOV", "Cd Rd", system.moveToControl, { ...privileged, fixedOperandSize: 4, ...sensitive("MOV CR") }),
  row("0F23", "MOV", "Dd Rd", system.moveToDebug, { ...privileged, fixedOperandSize: 4, ...sensitive("MOV DR") }),
  // The test registers ended with the 486.
  row("0F24", "MOV", "Rd Td", system.undefinedOpcode, { fixedOperandSize: 4, ...sensitive("MOV TR") }),
  row("0F26", "MOV", "Td Rd", system.undefinedOpcode, { fixedOperandSize: 4, ...sensitive("MOV TR") }),

  row("0F30", "WRMSR", "", system.wrmsr, { ...privileged, feature: "msr", ...sensitive("WRMSR") }),
  row("0F31", "RDTSC", "", system.rdtsc, { ends: true, feature: "tsc", ...sensitive("RDTSC") }),
  row("0F32", "RDMSR", "", system.rdmsr, { ...privileged, feature: "msr", ...sensitive("RDMSR") }),
  row("0F33", "RDPMC", "", system.rdpmc, { feature: "rdpmc", ...sensitive("RDPMC") }),
  row("0F34", "SYSENTER", "", system.sysenter, { ends: true, feature: "sep", ...sensitive("SYSENTER") }),
  row("0F35", "SYSEXIT", "", system.sysexit, { ...privileged, feature: "sep", ...sensitive("SYSEXIT") }),

  ...CONDITION_NAMES.map((name, cc) => row(`0F${hex(0x40 + cc)}`, `CMOV${name}`, "Gv Ev", data.cmov[cc], { feature: "cmov" })),
  ...CONDITION_NAMES.map((name, cc) => row(`0F${hex(0x80 + cc)}`, `J${name}`, "Jz", control.jcc[cc], branch)),
  ...CONDITION_NAMES.map((name, cc) => row(`0F${hex(0x90 + cc)}`, `SET${name}`, "Eb", bit.setcc[cc])),

  row("0FA0", "PUSH", "FS", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("0FA1", "POP", "FS", segment.popSegment, sensitive("POP Sreg")),
  row("0FA2", "CPUID", "", system.cpuid, sensitive("CPUID")),
  row("0FA3", "BT", "Ev Gv", bit.bt, readsOnly),
  row("0FA4", "SHLD", "Ev Gv Ib", rotate.shld),
  row("0FA5", "SHLD", "Ev Gv CL", rotate.shld),
  row("0FA8", "PUSH", "GS", segment.pushSegment, { readsOnly: true, ...sensitive("PUSH Sreg") }),
  row("0FA9", "POP", "GS", segment.popSegment, sensitive("POP Sreg")),
  row("0FAB", "BTS", "Ev Gv", bit.bts, lock),
  row("0FAC", "SHRD", "Ev Gv Ib", rotate.shrd),
  row("0FAD", "SHRD", "Ev Gv CL", rotate.shrd),
  row("0FAF", "IMUL", "Gv Ev", binary.imulTruncated),
  row("0FB0", "CMPXCHG", "Eb Gb", data.cmpxchg, lock),
  row("0FB1", "CMPXCHG", "Ev Gv", data.cmpxchg, lock),
  row("0FB2", "LSS", "Gv Mp", segment.lss, { ends: true, ...sensitive("LSS") }),
  row("0FB3", "BTR", "Ev Gv", bit.btr, lock),
  row("0FB4", "LFS", "Gv Mp", segment.lfs, sensitive("LFS")),
  row("0FB5", "LGS", "Gv Mp", segment.lgs, sensitive("LGS")),
  row("0FB6", "MOVZX", "Gv Eb", data.movzx),
  row("0FB7", "MOVZX", "Gv Ew", data.movzx),
  row("0FB9", "UD1", "Gv Ev", system.undefinedOpcode, branch),
  row("0FBB", "BTC", "Ev Gv", bit.btc, lock),
  row("0FBC", "BSF", "Gv Ev", bit.bsf),
  row("0FBD", "BSR", "Gv Ev", bit.bsr),
  row("0FBE", "MOVSX", "Gv Eb", data.movsx),
  row("0FBF", "MOVSX", "Gv Ew", data.movsx),
  row("0FC0", "XADD", "Eb Gb", data.xadd, lock),
  row("0FC1", "XADD", "Ev Gv", data.xadd, lock),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((r) => row(`0F${hex(0xc8 + r)}`, "BSWAP", "Zv", data.bswap)),
  row("0FFF", "UD0", "Gv Ev", system.undefinedOpcode, branch),
];
