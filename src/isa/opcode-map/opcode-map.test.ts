import { describe, expect, it } from "vitest";
import { createDecoded, createDecoder } from "../decoder.ts";
import { SENSITIVITY, sensitivityNote } from "../sensitivity.ts";
import { hex } from "./row-builder.ts";
import { ROWS } from "./index.ts";

const decoder = createDecoder(ROWS);
const decoded = createDecoded();

/** Mnemonic at an opcode with a ModRM byte (which opcodes without one take as operand bytes), or null. */
function instructionAt(opcode: readonly number[], modrm: number): string | null {
  const bytes = Uint8Array.from([...opcode, modrm, ...new Array<number>(12).fill(0)]);
  decoder.decodeBytes(bytes, 0, bytes.length, true, decoded);
  return decoded.row?.mnemonic ?? null;
}

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

type Form = "mem" | "reg";
interface Undefined {
  /** "8F" or "0F00": opcodes, and which ModRM.reg and forms; all if absent. */
  readonly opcodes: readonly string[];
  readonly reg?: readonly number[];
  readonly form?: Form;
  readonly why: string;
}

/** Everything that is no instruction of this processor, with the reason. */
const UNDEFINED: readonly Undefined[] = [
  { opcodes: ["62", "8D", "C4", "C5"], form: "reg", why: "needs a memory operand; the register forms became EVEX and VEX prefixes in 64-bit processors" },
  { opcodes: ["0FB2", "0FB4", "0FB5"], form: "reg", why: "a far pointer is in memory" },
  { opcodes: ["8C"], reg: [6, 7], why: "there are six segment registers" },
  { opcodes: ["8E"], reg: [6, 7], why: "there are six segment registers" },
  { opcodes: ["8E"], reg: [1], why: "CS is loaded by far transfers alone" },
  { opcodes: ["8F", "C6", "C7"], reg: [1, 2, 3, 4, 5, 6, 7], why: "groups 1A and 11 have /0 alone (XOP, XABORT, XBEGIN came later)" },
  { opcodes: ["FE"], reg: [2, 3, 4, 5, 6, 7], why: "group 4 has INC and DEC" },
  { opcodes: ["FF"], reg: [7], why: "group 5 ends with PUSH" },
  { opcodes: ["FF"], reg: [3, 5], form: "reg", why: "a far pointer is in memory" },
  { opcodes: ["0F00"], reg: [6, 7], why: "group 6 ends with VERW" },
  { opcodes: ["0F01"], reg: [0, 2, 3, 7], form: "reg", why: "tables and pages are named by memory operands (VMCALL, XGETBV, SWAPGS, RDTSCP came later)" },
  { opcodes: ["0F01"], reg: [5], why: "reserved" },
  { opcodes: ["0F04", "0F0A", "0F0C", "0F25", "0F27", "0F36", "0FA6", "0FA7"], why: "reserved (0F04 LOADALL of the 286, 0FA6/A7 XBTS/IBTS of early 386 steppings)" },
  { opcodes: ["0F05", "0F07"], why: "SYSCALL and SYSRET: not of this processor" },
  { opcodes: ["0F0E", "0F0F"], why: "3DNow!: not of this vendor" },
  { opcodes: ["0F20", "0F22"], reg: [1, 5, 6, 7], why: "there are CR0 and CR2 to CR4" },
  { opcodes: ["0F37"], why: "GETSEC: Safer Mode Extensions" },
  { opcodes: ["0F39", "0F3B", "0F3C", "0F3D", "0F3E", "0F3F"], why: "reserved for three-byte opcodes" },
  { opcodes: ["0F38", "0F3A"], why: "escapes of SSSE3 and later" },
  { opcodes: ["0F78", "0F79"], why: "VMREAD and VMWRITE" },
  { opcodes: ["0FAA"], why: "RSM: undefined outside system management mode" },
  { opcodes: ["0FB8"], why: "JMPE of the Itanium; POPCNT came later" },
  { opcodes: ["0FBA"], reg: [0, 1, 2, 3], why: "group 8 begins at /4" },
  { opcodes: ["0FC7"], reg: [0, 2, 3, 4, 5, 6, 7], why: "group 9 has CMPXCHG8B (VMPTRLD, RDRAND, XSAVEC came later)" },
  { opcodes: ["0FC7"], reg: [1], form: "reg", why: "CMPXCHG8B has a memory operand" },
];

/** Opcodes that belong to the x87, MMX and SSE, whose maps have tests of their own. */
function isOfAnotherUnit(opcode: string): boolean {
  const second = Number.parseInt(opcode.slice(2), 16);
  if (!opcode.startsWith("0F")) return /^D[89A-F]$/.test(opcode);
  return (
    (second >= 0x10 && second <= 0x17) || (second >= 0x28 && second <= 0x2f) || (second >= 0x50 && second <= 0x7f && second !== 0x78 && second !== 0x79) ||
    second === 0xae || (second >= 0xc2 && second <= 0xc6) || (second >= 0xd0 && second <= 0xfe)
  );
}

function undefinedBecause(opcode: string, reg: number, form: Form): string | undefined {
  return UNDEFINED.find((u) => u.opcodes.includes(opcode) && (u.reg?.includes(reg) ?? true) && (u.form === undefined || u.form === form))?.why;
}

describe("opcode map", () => {
  it("has every opcode, ModRM.reg and form as a row or as known to be undefined, and none as both", () => {
    const wrong: string[] = [];
    let rows = 0;
    const opcodes = [
      ...Array.from({ length: 256 }, (_, n) => [n]).filter(([n]) => n !== 0x0f && !PREFIXES.includes(n as number)),
      ...Array.from({ length: 256 }, (_, n) => [0x0f, n]),
    ];
    for (const bytes of opcodes) {
      const opcode = bytes.map(hex).join("");
      if (isOfAnotherUnit(opcode)) continue;
      for (let reg = 0; reg < 8; reg++)
        for (const form of ["mem", "reg"] as const) {
          const name = instructionAt(bytes, (form === "reg" ? 0xc0 : 0) | (reg << 3) | 1);
          const why = undefinedBecause(opcode, reg, form);
          if ((name === null) === (why === undefined)) wrong.push(`${opcode} /${reg} ${form}: ${name ?? "no row"}, ${why ?? "no reason"}`);
          if (name) rows++;
        }
    }
    expect(wrong).toEqual([]);
    expect(rows).toBeGreaterThan(4000);
  });

  it("numbers the rows by position", () => {
    expect(ROWS.map((row) => row.index)).toEqual(ROWS.map((_, index) => index));
  });

  it("states no opcode twice", () => {
    const seen = new Map<string, number>();
    for (const row of ROWS) seen.set(row.opcode, (seen.get(row.opcode) ?? 0) + 1);
    expect([...seen].filter(([, count]) => count > 1)).toEqual([]);
  });

  it("shares one meaning between forms that differ in operands alone", () => {
    const byMnemonic = (name: string) => new Set(ROWS.filter((row) => row.mnemonic === name).map((row) => row.semantics));
    for (const name of ["ADD", "ADC", "SUB", "SBB", "AND", "OR", "XOR", "CMP", "TEST", "INC", "DEC", "SHL", "RCR", "XCHG", "JZ", "JNLE", "MOVZX"])
      expect(byMnemonic(name).size, name).toBe(1);
  });
});

describe("row options", () => {
  const mnemonics = (test: (row: (typeof ROWS)[number]) => boolean) => [...new Set(ROWS.filter(test).map((row) => row.mnemonic))].sort();

  it("LOCK is for the read-modify-write instructions that SDM Vol. 2, LOCK, lists", () => {
    expect(mnemonics((row) => row.lock === true)).toEqual(
      "ADC ADD AND BTC BTR BTS CMPXCHG CMPXCHG8B DEC INC NEG NOT OR SBB SUB XADD XCHG XOR".split(" "),
    );
    for (const row of ROWS) if (row.lock) expect(row.operands[0], row.opcode).toMatch(/^[EM]/);
  });

  it("privileged instructions are those of SDM Vol. 3, Privileged Instructions", () => {
    expect(mnemonics((row) => row.privileged === true)).toEqual(
      "CLTS HLT INVD INVLPG LGDT LIDT LLDT LMSW LTR MOV RDMSR SYSEXIT WBINVD WRMSR".split(" "),
    );
    expect(ROWS.filter((row) => row.privileged && row.mnemonic === "MOV").map((row) => row.opcode)).toEqual(["0F20", "0F21", "0F22", "0F23"]);
  });

  it("protected mode is needed where the manual says so", () => {
    expect(mnemonics((row) => row.protectedOnly === true)).toEqual("ARPL LAR LLDT LSL LTR SLDT STR VERR VERW".split(" "));
  });

  it("REP acts on the string instructions, and compares with CMPS and SCAS", () => {
    expect(mnemonics((row) => row.string === "rep")).toEqual(["INS", "LODS", "MOVS", "OUTS", "STOS"]);
    expect(mnemonics((row) => row.string === "repe")).toEqual(["CMPS", "SCAS"]);
  });

  it("what changes EIP, the mode or the interrupt flag, or talks to devices, ends a block", () => {
    const ends = new Set(mnemonics((row) => row.ends === true));
    for (const name of "JMP CALL RET RETF IRET INT INT3 INTO INT1 LOOP JCXZ JZ HLT CLI STI POPF IN OUT INS OUTS LGDT LIDT LMSW INVLPG WRMSR SYSENTER SYSEXIT LSS".split(" "))
      expect(ends.has(name), name).toBe(true);
    for (const row of ROWS) if (row.operands.some((code) => code === "Jb" || code === "Jz")) expect(row.ends, row.opcode).toBe(true);
    for (const opcode of ["8E /2", "17", "0F22", "0F23"]) expect(ROWS.find((row) => row.opcode === opcode)?.ends, opcode).toBe(true);
  });
});

describe("sensitivity", () => {
  /** virtualization.md's table, as mnemonics; MOV and PUSH forms are looked at apart. */
  const SENSITIVE =
    "PUSHF POPF IRET CLI STI SGDT SIDT SLDT STR SMSW LMSW CLTS LGDT LIDT LLDT LTR LAR LSL VERR VERW ARPL LDS LES LSS LFS LGS RETF INT INT3 INTO BOUND " +
    "INT1 IN OUT INS OUTS HLT INVLPG INVD WBINVD RDMSR WRMSR RDTSC RDPMC CPUID SYSENTER SYSEXIT MONITOR MWAIT FNSTENV FNSAVE FXSAVE";

  it("is stated for every row of a sensitive mnemonic", () => {
    for (const name of SENSITIVE.split(" ")) {
      const rows = ROWS.filter((row) => row.mnemonic === name);
      expect(rows.length, name).toBeGreaterThan(0);
      for (const row of rows) expect(sensitivityNote(row), row.opcode).not.toBeNull();
    }
  });
  it("is stated for the segment, control, debug and far forms of common mnemonics, and for no other form", () => {
    const sensitive = ["ES", "CS", "SS", "DS", "FS", "GS", "Sw", "Cd", "Dd", "Td", "Ap", "Mp"];
    for (const row of ROWS.filter((r) => ["MOV", "PUSH", "POP", "CALL", "JMP"].includes(r.mnemonic)))
      expect(row.sensitivity !== undefined, `${row.opcode} ${row.mnemonic}`).toBe(row.operands.some((code) => sensitive.includes(code)));
  });
  it("calls exactly the privileged rows privileged, apart from the registers that no longer exist", () => {
    for (const row of ROWS) if (row.mnemonic !== "MOV" || !row.operands.includes("Td"))
      expect(row.sensitivity?.class === "privileged", row.opcode).toBe(row.privileged === true);
  });
  it("uses every note and states each in full sentences", () => {
    const used = new Set(ROWS.map((row) => row.sensitivity));
    for (const [key, note] of Object.entries(SENSITIVITY)) {
      expect(used.has(note), key).toBe(true);
      for (const text of [note.why, note.guestSees]) expect(text, key).toMatch(/^[A-Z].*\.$/s);
      expect(note.manual, key).toMatch(/^Vol\. [123][A-D]?, /);
    }
  });
  it("lists what executes silently: the holes, softened by UMIP for exactly five", () => {
    const notes = Object.entries(SENSITIVITY) as [string, (typeof SENSITIVITY)[keyof typeof SENSITIVITY]][];
    expect(notes.filter(([, n]) => n.deprivileged === "silent").map(([key]) => key).sort()).toEqual(
      ["ARPL", "CPUID", "FNSAVE", "FNSTENV", "FXSAVE", "LAR", "LSL", "MOV r,Sreg", "POPF", "PUSH Sreg", "PUSHF", "RDTSC", "SGDT", "SIDT", "SLDT", "SMSW", "STR", "VERR", "VERW"],
    );
    expect(notes.filter(([, n]) => "switches" in n && "UMIP" in n.switches).map(([key]) => key).sort()).toEqual(["SGDT", "SIDT", "SLDT", "SMSW", "STR"]);
  });
});
