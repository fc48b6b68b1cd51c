import { describe, expect, it } from "vitest";
import { parseOpcode, buildDecodeTables } from "./decode-table.ts";
import { TOO_LONG } from "./decoded.ts";
import { createDecoded, createDecoder, NEEDS_MORE_BYTES } from "./decoder.ts";
import { instanceWidth, resolveOperand } from "./operand-location.ts";
import type { OperandCode } from "./operand.ts";
import { ROWS } from "./opcode-map/index.ts";
import type { Row, RowOptions } from "./row.ts";
import { CS, DS, EAX, EBP, EBX, ECX, EDI, ES, ESI, ESP, FS, GS, SS } from "./state-layout.ts";

const decoder = createDecoder(ROWS);

function decode(hex: string, code32 = true) {
  const bytes = Uint8Array.from(hex.replace(/ /g, "").match(/../g)!.map((byte) => Number.parseInt(byte, 16)));
  const into = createDecoded();
  const length = decoder.decodeBytes(bytes, 0, bytes.length, code32, into);
  return { ...into, result: length, name: into.row?.mnemonic };
}

describe("prefixes", () => {
  it("accepts them in any order and repetition", () => {
    expect(decode("66 67 2E F0 66 26 01 07")).toMatchObject({ name: "ADD", length: 8, operandSize: 2, addressSize: 2, lock: true, segment: ES });
  });
  it("lets the last segment override win", () => {
    for (const [byte, segment] of [["26", ES], ["2E", CS], ["36", SS], ["3E", DS], ["64", FS], ["65", GS]] as const)
      expect(decode(`64 65 2E ${byte} 8B 00`)).toMatchObject({ segment, segmentOverride: segment });
  });
  it("toggles the default sizes of 16-bit code the other way", () => {
    expect(decode("8B 07", false)).toMatchObject({ operandSize: 2, addressSize: 2 });
    expect(decode("66 67 8B 07", false)).toMatchObject({ operandSize: 4, addressSize: 4 });
  });
  it("reports the last of F2 and F3", () => {
    expect(decode("F2 F3 A4").rep).toBe(1);
    expect(decode("F3 F2 A4").rep).toBe(2);
  });
  it("takes F3 90 as PAUSE and 66 90 as NOP", () => {
    expect(decode("F3 90").name).toBe("PAUSE");
    expect(decode("66 90").name).toBe("NOP");
    expect(decode("F3 66 90").name).toBe("PAUSE");
  });
});

describe("instruction length", () => {
  it("is at most 15 bytes", () => {
    expect(decode(`${"66".repeat(14)} 90`).result).toBe(15);
    expect(decode(`${"66".repeat(15)} 90`).result).toBe(TOO_LONG);
    expect(decode(`${"2E".repeat(10)} 05 78563412 90`).result).toBe(15);
    expect(decode(`${"2E".repeat(11)} 05 78563412 90`).result).toBe(TOO_LONG);
    expect(decode(`${"2E".repeat(20)}`).result).toBe(TOO_LONG);
  });
  it("is open while bytes are missing, at every byte", () => {
    // lock add dword ptr fs:[eax+ecx*8+12345678h],9ABCDEF0h
    const bytes = Uint8Array.from([0x64, 0xf0, 0x81, 0x84, 0xc8, 0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a]);
    const into = createDecoded();
    for (let end = 0; end < bytes.length; end++) expect(decoder.decodeBytes(bytes, 0, end, true, into)).toBe(NEEDS_MORE_BYTES);
    expect(decoder.decodeBytes(bytes, 0, bytes.length, true, into)).toBe(13);
    expect(into).toMatchObject({ base: EAX, index: ECX, scale: 3, displacement: 0x12345678, immediate: 0x9abcdef0 | 0, lock: true, lockInvalid: false });
  });
  it("is found through a reader that gives no byte too many", () => {
    const bytes = [0x66, 0xb8, 0x34, 0x12];
    const asked: number[] = [];
    const into = createDecoded();
    const byte = (at: number) => {
      if (at >= bytes.length) throw new Error("fetched beyond the instruction");
      asked.push(at);
      return bytes[at] as number;
    };
    expect(decoder.decode({ byte }, { code32: true }, into)).toBe(4);
    expect(asked).toEqual([0, 1, 2, 3]);
    expect(decoder.decode({ byte: () => 0x66 }, { code32: true }, into)).toBe(TOO_LONG);
  });
});

describe("32-bit addressing (SDM Vol. 2 tables 2-2 and 2-3)", () => {
  it.each([
    ["8B 00", { base: EAX, index: -1, displacement: 0, segment: DS }],
    ["8B 05 44332211", { base: -1, index: -1, displacement: 0x11223344, segment: DS }],
    ["8B 45 80", { base: EBP, displacement: -128, segment: SS }],
    ["8B 85 FCFFFFFF", { base: EBP, displacement: -4, segment: SS }],
    ["8B 04 24", { base: ESP, index: -1, segment: SS }],
    ["8B 04 E4", { base: ESP, index: -1, scale: 0, segment: SS }],
    ["8B 44 8B 08", { base: EBX, index: ECX, scale: 2, displacement: 8, segment: DS }],
    ["8B 04 6B", { base: EBX, index: EBP, scale: 1, segment: DS }],
    ["8B 04 8D 00100000", { base: -1, index: ECX, scale: 2, displacement: 0x1000, segment: DS }],
    ["8B 44 8D 10", { base: EBP, index: ECX, scale: 2, displacement: 16, segment: SS }],
    ["8B 04 25 78563412", { base: -1, index: -1, displacement: 0x12345678, segment: DS }],
    ["3E 8B 45 00", { base: EBP, segment: DS }],
  ])("%s", (hex, expected) => {
    expect(decode(hex)).toMatchObject({ ...expected, length: hex.replace(/ /g, "").length / 2 });
  });
});

describe("16-bit addressing (SDM Vol. 2 table 2-1)", () => {
  it.each([
    ["8B 00", { base: EBX, index: ESI, segment: DS }],
    ["8B 01", { base: EBX, index: EDI, segment: DS }],
    ["8B 02", { base: EBP, index: ESI, segment: SS }],
    ["8B 03", { base: EBP, index: EDI, segment: SS }],
    ["8B 04", { base: -1, index: ESI, segment: DS }],
    ["8B 05", { base: -1, index: EDI, segment: DS }],
    ["8B 06 FEFF", { base: -1, index: -1, displacement: -2, segment: DS }],
    ["8B 46 FE", { base: EBP, index: -1, displacement: -2, segment: SS }],
    ["8B 07", { base: EBX, index: -1, segment: DS }],
    ["8B 86 0080", { base: EBP, displacement: -32768, segment: SS }],
  ])("%s", (hex, expected) => {
    expect(decode(hex, false)).toMatchObject({ ...expected, scale: 0, length: hex.replace(/ /g, "").length / 2 });
  });
});

describe("immediates", () => {
  it.each([
    ["83 C0 FF", { immediate: -1 }],
    ["66 83 C0 FF", { immediate: -1 }],
    ["66 81 C0 FFFF", { immediate: 0xffff }],
    ["81 C0 FFFFFFFF", { immediate: -1 }],
    ["80 C0 FF", { immediate: 0xff }],
    ["EB FE", { immediate: -2 }],
    ["E8 FBFFFFFF", { immediate: -5 }],
    ["66 E8 FCFF", { immediate: -4 }],
    ["9A 78563412 1000", { immediate: 0x12345678, immediate2: 0x10 }],
    ["66 9A 3412 1000", { immediate: 0x1234, immediate2: 0x10 }],
    ["C8 0080 FF", { immediate: 0x8000, immediate2: 0xff }],
    ["C2 FFFF", { immediate: 0xffff }],
    ["A1 00000080", { displacement: -0x80000000, segment: DS, immediate: 0 }],
    ["67 65 A2 FFFF", { displacement: 0xffff, segment: GS }],
    ["F6 00 7F", { immediate: 0x7f }],
    ["F7 00 01000000", { immediate: 1 }],
  ])("%s", (hex, expected) => {
    expect(decode(hex)).toMatchObject({ ...expected, length: hex.replace(/ /g, "").length / 2 });
  });
  it("come with TEST but not with NOT of group 3", () => {
    expect(decode("F7 D0 01 02 03 04").length).toBe(2);
    expect(decode("F7 C0 01 02 03 04").length).toBe(6);
  });
});

describe("forms that do not exist", () => {
  it.each([
    ["LEA with a register", "8D C0", 2], ["LDS with a register", "C5 C0", 2], ["CALL far with a register", "FF D8", 2], ["FF /7", "FF F8", 2],
    ["POP r/m /1", "8F C8", 2], ["MOV CS,AX", "8E C8", 2], ["MOV from segment register 6", "8C F0", 2], ["SGDT with a register", "0F 01 C0", 3],
    ["CMPXCHG8B with a register", "0F C7 C8", 3], ["0F 04", "0F 04", 2], ["BOUND with a register", "62 C0", 2],
  ])("%s", (_, hex, length) => {
    expect(decode(hex)).toMatchObject({ row: null, length });
  });
  it("but MOV to and from control registers takes any mod as a register", () => {
    expect(decode("0F 20 18")).toMatchObject({ name: "MOV", length: 3, mod: 3, reg: 3, rm: 0 });
    expect(decode("66 0F 22 44")).toMatchObject({ length: 4, mod: 3, operandSize: 4 });
  });
});

describe("LOCK", () => {
  it("needs a lockable instruction with a memory destination", () => {
    expect(decode("F0 01 00")).toMatchObject({ lock: true, lockInvalid: false });
    expect(decode("F0 01 C0").lockInvalid).toBe(true);
    expect(decode("F0 03 00").lockInvalid).toBe(true);
    expect(decode("F0 39 00").lockInvalid).toBe(true);
    expect(decode("F0 90").lockInvalid).toBe(true);
    expect(decode("F0 0F B1 08").lockInvalid).toBe(false);
    expect(decode("F0 0F BA 20 05").lockInvalid).toBe(true);
    expect(decode("F0 0F BA 28 05").lockInvalid).toBe(false);
    expect(decode("01 00").lockInvalid).toBe(false);
  });
});

describe("implicit memory", () => {
  it("of a string source takes an override, of a destination none", () => {
    expect(decode("A4").segment).toBe(DS);
    expect(decode("64 A4").segment).toBe(FS);
    expect(decode("64 AA").segment).toBe(-1);
    expect(decode("2E D7").segment).toBe(CS);
    expect(decode("6F").segment).toBe(DS);
  });
});

describe("operands", () => {
  const operand = (hex: string, position: number, code32 = true) => {
    const decoded = decode(hex, code32);
    return resolveOperand(decoded.row!.operands[position] as OperandCode, decoded);
  };
  it("are registers of the stated width", () => {
    expect(operand("88 E5", 0)).toMatchObject({ kind: "gpr", number: 5, width: 1 }); // CH
    expect(operand("66 89 E5", 1)).toMatchObject({ kind: "gpr", number: ESP, width: 2 });
    expect(operand("0F B7 C3", 1)).toMatchObject({ kind: "gpr", number: EBX, width: 2 });
    expect(operand("8E E0", 0)).toMatchObject({ kind: "segment", number: FS });
    expect(operand("53", 0)).toMatchObject({ kind: "gpr", number: EBX, width: 4 });
    expect(operand("B7 01", 0)).toMatchObject({ kind: "gpr", number: 7, width: 1 }); // BH
    expect(operand("0F 22 D8", 0)).toMatchObject({ kind: "control", number: 3, width: 4 });
    expect(operand("1F", 0)).toMatchObject({ kind: "segment", number: DS });
  });
  it("are immediates zero-extended from their width", () => {
    expect(operand("83 C0 FF", 1)).toMatchObject({ kind: "imm", width: 4, value: -1 });
    expect(operand("66 83 C0 FF", 1)).toMatchObject({ kind: "imm", width: 2, value: 0xffff });
    expect(operand("6A 80", 0, false)).toMatchObject({ kind: "imm", width: 2, value: 0xff80 });
    expect(operand("C0 E0 FF", 1)).toMatchObject({ kind: "imm", width: 1, value: 0xff });
    expect(operand("C8 3412 05", 1)).toMatchObject({ kind: "imm", width: 1, value: 5 });
    expect(operand("D1 E0", 1)).toMatchObject({ kind: "const", value: 1 });
  });
  it("are memory of the stated width", () => {
    expect(operand("C5 00", 1)).toMatchObject({ kind: "mem", width: 6 });
    expect(operand("66 C5 00", 1)).toMatchObject({ kind: "mem", width: 4 });
    expect(operand("62 00", 1)).toMatchObject({ kind: "mem", width: 8 });
    expect(operand("A3 00000000", 0)).toMatchObject({ kind: "mem", width: 4 });
    expect(operand("0F 01 10", 0)).toMatchObject({ kind: "mem", width: 6 });
    expect(operand("8D 00", 1)).toMatchObject({ kind: "mem", width: 0 });
  });
  it("are targets and far pointers", () => {
    expect(operand("EB FE", 0)).toMatchObject({ kind: "rel", value: -2, width: 4 });
    expect(operand("EA 78563412 3412", 0)).toMatchObject({ kind: "far", value: 0x12345678, selector: 0x1234, width: 6 });
  });
  it("tell byte forms", () => {
    const width = (hex: string) => instanceWidth(decode(hex).row!, 4);
    expect(width("00 C0")).toBe(1);
    expect(width("01 C0")).toBe(4);
    expect(width("0F B6 C0")).toBe(4);
    expect(width("E4 10")).toBe(1);
    expect(width("E7 10")).toBe(4);
    expect(width("AA")).toBe(1);
    expect(width("C1 E0 05")).toBe(4);
    expect(width("D2 E0")).toBe(1);
  });
});

describe("the notation of rows", () => {
  const nothing = () => {};
  const rows = (...texts: readonly (readonly [string, string, RowOptions?])[]): Row[] =>
    texts.map(([opcode, operands, options], index) => ({ opcode, mnemonic: `R${index}`, operands: (operands ? operands.split(" ") : []) as OperandCode[], semantics: nothing, index, ...options }));
  const named = (list: readonly Row[], hex: string) => {
    const bytes = Uint8Array.from(hex.match(/../g)!.map((byte) => Number.parseInt(byte, 16)));
    const into = createDecoded();
    createDecoder(list).decodeBytes(bytes, 0, bytes.length, true, into);
    return into.row?.mnemonic;
  };
  it("knows prefixes, groups, forms, ranges and exact bytes", () => {
    expect(parseOpcode("660F6F")).toMatchObject({ prefix: 1, twoByte: true, opcode: 0x6f });
    expect(parseOpcode("B8+")).toMatchObject({ opcode: 0xb8, registerInOpcode: true });
    expect(parseOpcode("D8 C0+")).toMatchObject({ second: 0xc0, secondRange: true });
    expect(() => parseOpcode("0F38")).not.toThrow();
    for (const bad of ["", "0FXX", "0F3A0F", "D8 /8", "D8 40"]) expect(() => parseOpcode(bad)).toThrow();
  });
  it("puts an exact byte before its range, that before its group", () => {
    const list = rows(["D9 /4 mem", "Md"], ["D9 /4 reg", "STi"], ["D9 E0", ""]);
    expect([named(list, "d920"), named(list, "d9e1"), named(list, "d9e0")]).toEqual(["R0", "R1", "R2"]);
  });
  it("keeps MMX and SSE forms of other prefixes apart, and lets other instructions ignore them", () => {
    const list = rows(["0F6F", "Pq Qq", { feature: "mmx" }], ["660F6F", "Vx Wx", { feature: "sse2" }], ["0F14", "Vx Wx", { feature: "sse" }], ["0FAF", "Gv Ev"]);
    expect([named(list, "0f6fc0"), named(list, "660f6fc0"), named(list, "f30f6fc0"), named(list, "f3660f6fc0")]).toEqual(["R0", "R1", undefined, undefined]);
    expect([named(list, "0f14c0"), named(list, "f20f14c0"), named(list, "f3660fafc0")]).toEqual(["R2", undefined, "R3"]);
  });
  it("refuses two rows for one encoding", () => {
    expect(() => buildDecodeTables(rows(["80 /0", "Eb Ib"], ["80 /0", "Ev Ib"]))).toThrow();
    expect(() => buildDecodeTables(rows(["90", ""], ["90", "Ev"]))).toThrow();
  });
});
