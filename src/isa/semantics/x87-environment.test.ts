// Layouts: SDM Vol. 1, Figures 8-9 to 8-12; Vol. 2, FXSAVE, Table 3-43. Values marked silicon were measured on a Zen processor.

import { describe, expect, it } from "vitest";
import { type Outcome, run, type Setup } from "../../../test/support/one-instruction.ts";
import {
  CR0, EFLAGS_SYSTEM, EFLAGS_VM, FCS, FCW, FDP, FDS, type Field, FIP, FOP, FSW, FTOP, FTW, MXCSR, X87_BASE, XMM_BASE,
} from "../state-layout.ts";

const AT = 0x3000;
type Fields = readonly (readonly [Field, number])[];

/** A word of the state area that has no name of its own. */
const at = (address: number): Field => ({ name: "", offset: address, context: false });
const register = (physical: number, low: number, high: number, se: number): Fields => {
  const base = X87_BASE + physical * 16;
  return [[at(base), low], [at(base + 4), high], [at(base + 8), se]];
};
const MODES = { protected: [[CR0, 1]], real: [[CR0, 0]], v86: [[CR0, 1], [EFLAGS_SYSTEM, EFLAGS_VM]] } as const satisfies Record<string, Fields>;
const POINTERS: Fields = [[FIP, 0x23456], [FCS, 0x1234], [FOP, 0x6f1], [FDP, 0xabcde], [FDS, 0x5678]];
/** TOP = 6: ST(0) = 1 in R6, ST(1) = 0 in R7, ST(2) = infinity in R0, ST(3) = denormal in R1, the rest empty. */
const STACK: Fields = [
  [FCW, 0x37e], [FSW, 0xc1a1], [FTOP, 6], [FTW, 0x0ff0], ...register(6, 0, 0x8000_0000, 0x3fff), ...register(7, 0, 0, 0x8000),
  ...register(0, 0, 0x8000_0000, 0x7fff), ...register(1, 5, 0, 0),
];
const TAGS = 0b01_00_11_11_11_11_10_10;

function store(code: string, mode: keyof typeof MODES, more: Partial<Setup> = {}): Outcome {
  return run({ code, ebx: AT, fields: [...MODES[mode], ...POINTERS, ...STACK], ...more });
}
const words = (got: Outcome, count: number) => Array.from({ length: count }, (_, n) => got.word(AT + n * 2));
const dwords = (got: Outcome, count: number) => Array.from({ length: count }, (_, n) => got.dword(AT + n * 4));
const bytesOf = (values: readonly number[], width: number) => values.flatMap((value) => Array.from({ length: width }, (_, n) => (value >>> (8 * n)) & 0xff));

describe("FNSTENV", () => {
  it("stores the protected-mode formats", () => {
    expect(dwords(store("D9 33", "protected"), 7)).toEqual(
      [0xffff_037e, 0xffff_f1a1, 0xffff_0000 | TAGS, 0x23456, 0x06f1_1234, 0xabcde, 0xffff_5678].map((value) => value >>> 0),
    );
    expect(words(store("66 D9 33", "protected"), 7)).toEqual([0x37e, 0xf1a1, TAGS, 0x3456, 0x1234, 0xbcde, 0x5678]);
  });
  // Linear: 12340h + 23456h = 35796h, 56780h + ABCDEh = 10245Eh.
  it.each(["real", "v86"] as const)("stores the real-address formats: %s", (mode) => {
    expect(dwords(store("D9 33", mode), 7)).toEqual(
      [0xffff_037e, 0xffff_f1a1, 0xffff_0000 | TAGS, 0xffff_5796, 0x36f1, 0xffff_245e, 0x10_000].map((value) => value >>> 0),
    );
    expect(words(store("66 D9 33", mode), 7)).toEqual([0x37e, 0xf1a1, TAGS, 0x5796, 0x36f1, 0x245e, 0]);
  });
  it("masks every exception afterwards, so that none is pending (silicon)", () => {
    const got = store("D9 33", "protected");
    expect([got.field(FCW), got.field(FSW), got.field(FTOP)]).toEqual([0x37f, 0x4121, 6]);
  });
  it("stores and changes nothing where a byte cannot be written", () => {
    const got = store("D9 33", "protected", { faultAt: (linear, bytes, write) => (write && linear + bytes > AT + 27 ? { vector: 14, errorCode: 2 } : null) });
    expect(got).toMatchObject({ fault: { vector: 14 }, writes: [] });
    expect(got.field(FCW)).toBe(0x37e);
  });
});

describe("FLDENV", () => {
  // Silicon: what FNSTENV stores afterwards.
  it.each([
    [0x37f, 0x80ff, 0x37f, 0x7f], [0x37e, 1, 0x37e, 0x8081], [0x37e, 0x8080, 0x37e, 0], [0, 0x7f, 0x40, 0x80ff], [0xffff, 0, 0x1f7f, 0],
  ])("control %# and status decide what is pending", (control, status, controlAfter, statusAfter) => {
    const image = bytesOf([control, status, 0x1b1b, 0x1234_5678, 0x07ab_1234, 0xabcd_ef01, 0xffff_5678], 4);
    const got = run({ code: "D9 23", ebx: AT, memory: { [AT]: image } });
    expect([FCW, FSW, FTOP, FIP, FCS, FOP, FDP, FDS].map((field) => got.field(field))).toEqual(
      [controlAfter, statusAfter, 0, 0x1234_5678, 0x1234, 0x7ab, 0xabcd_ef01, 0x5678],
    );
    expect(got.field(FTW)).toBe(0x0303);
  });
  it("reads the real-address formats as linear addresses", () => {
    const load = (code: string, values: readonly number[], width: number) =>
      run({ code, ebx: AT, memory: { [AT]: bytesOf(values, width) }, fields: [...MODES.real, [FCS, 9], [FDS, 9]] });
    const pointers = (got: Outcome) => [FIP, FCS, FOP, FDP, FDS].map((field) => got.field(field));
    expect(pointers(load("D9 23", [0x37f, 0x3800, 0xffff, 0x5796, 0x0123_46f1, 0x245e, 0x0321_0000], 4))).toEqual([0x1234_5796, 0, 0x6f1, 0x3210_245e, 0]);
    const got = load("66 D9 23", [0x37f, 0x3800, 0xffff, 0x5796, 0x36f1, 0x245e, 0x1000], 2);
    expect(pointers(got)).toEqual([0x3_5796, 0, 0x6f1, 0x1_245e, 0]);
    expect([got.field(FTOP), got.field(FTW)]).toEqual([7, 0xffff]);
  });
  it("changes nothing where the last byte cannot be read", () => {
    const got = run({ code: "D9 23", ebx: AT, fields: STACK, faultAt: (linear, bytes) => (linear + bytes === AT + 28 ? { vector: 14, errorCode: 0 } : null) });
    expect(got.fault).toEqual({ vector: 14, errorCode: 0 });
    expect([got.field(FCW), got.field(FTW), got.field(FTOP)]).toEqual([0x37e, 0x0ff0, 6]);
  });
});

describe("FNSAVE and FRSTOR", () => {
  it.each([["DD 33", 28], ["66 DD 33", 14]])("%s stores the registers from the stack's top on and initializes", (code, environment) => {
    const got = store(code, "protected");
    const st = (n: number) => [got.dword(AT + environment + n * 10), got.dword(AT + environment + n * 10 + 4), got.word(AT + environment + n * 10 + 8)];
    expect([st(0), st(1), st(2), st(3)]).toEqual([[0, 0x8000_0000, 0x3fff], [0, 0, 0x8000], [0, 0x8000_0000, 0x7fff], [5, 0, 0]]);
    expect([FCW, FSW, FTOP, FTW, FIP, FCS, FOP, FDP, FDS].map((field) => got.field(field))).toEqual([0x37f, 0, 0, 0xffff, 0, 0, 0, 0, 0]);
  });
  it("FRSTOR brings back what FNSAVE stored", () => {
    for (const [save, restore] of [["DD 33", "DD 23"], ["66 DD 33", "66 DD 23"]] as const) {
      const saved = store(save, "protected");
      const got = run({ code: restore, ebx: AT, memory: { [AT]: Array.from({ length: 108 }, (_, n) => saved.byte(AT + n)) } });
      const narrow = save !== "DD 33";
      expect([FCW, FSW, FTOP, FCS, FDS].map((field) => got.field(field))).toEqual([0x37e, 0xc1a1, 6, 0x1234, 0x5678]);
      expect([FIP, FDP].map((field) => got.field(field))).toEqual(narrow ? [0x3456, 0xbcde] : [0x23456, 0xabcde]);
      expect(got.field(FTW)).toBe(0x0ff0);
      for (const [field, value] of STACK.slice(4)) expect(got.field(field)).toBe(value);
    }
  });
  it("FNSAVE proves 94 or 108 bytes before the first", () => {
    for (const [code, size] of [["DD 33", 108], ["66 DD 33", 94]] as const) {
      const probes: number[] = [];
      store(code, "protected", { faultAt: (_linear, bytes, write) => (write && probes.push(bytes), null) });
      expect(probes[0]).toBe(size);
    }
  });
});

describe("FXSAVE and FXRSTOR", () => {
  const xmm: Fields = Array.from({ length: 32 }, (_, n) => [at(XMM_BASE + n * 4), 0x0101_0101 * n]);
  const save = () => run({ code: "0F AE 03", ebx: AT, fields: [...POINTERS, ...STACK, [MXCSR, 0x1f80], ...xmm] });

  it("stores the layout of the manual", () => {
    const got = save();
    expect(words(got, 4)).toEqual([0x37e, 0xf1a1, 0b1100_0011, 0x6f1]);
    expect([8, 12, 16, 20, 24, 28].map((offset) => got.dword(AT + offset))).toEqual([0x23456, 0x1234, 0xabcde, 0x5678, 0x1f80, 0xffff]);
    expect([0, 4, 8, 12].map((offset) => got.dword(AT + 32 + offset))).toEqual([0, 0x8000_0000, 0x3fff, 0]);
    expect(got.dword(AT + 32 + 48)).toBe(5);
    expect([0, 31].map((n) => got.dword(AT + 160 + n * 4))).toEqual([0, 0x1f1f_1f1f]);
    expect(got.writes).not.toContain(AT + 288);
    expect([got.field(FCW), got.field(FTW)]).toEqual([0x37e, 0x0ff0]);
  });
  it("FXRSTOR brings it back", () => {
    const saved = save();
    const got = run({ code: "0F AE 0B", ebx: AT, memory: { [AT]: Array.from({ length: 512 }, (_, n) => saved.byte(AT + n)) } });
    for (const [field, value] of [...POINTERS, ...STACK, ...xmm]) expect(got.field(field), field.name).toBe(value);
    expect(got.field(MXCSR)).toBe(0x1f80);
  });
  it("need an area aligned to 16 bytes, by its linear address", () => {
    for (const code of ["0F AE 03", "0F AE 0B"]) {
      expect(run({ code, ebx: AT + 8 }).fault).toEqual({ vector: 13, errorCode: 0 });
      expect(run({ code, ebx: AT + 8, segments: { ds: { base: 8 } } }).fault).toBeNull();
    }
  });
  it("FXRSTOR refuses MXCSR bits that do not exist, with nothing changed", () => {
    const got = run({ code: "0F AE 0B", ebx: AT, fields: STACK, memory: { [AT + 24]: [0, 0, 1, 0] } });
    expect(got.fault).toEqual({ vector: 13, errorCode: 0 });
    expect(got.field(FCW)).toBe(0x37e);
  });
});

describe("pointers to the last instruction", () => {
  const pointers = (got: Outcome) => [FIP, FCS, FOP, FDP, FDS].map((field) => got.field(field));
  const segments = { cs: { selector: 0x1b }, ds: { selector: 0x23 }, es: { selector: 0x2b } };

  it("name the instruction without its length, its opcode and its memory operand", () => {
    expect(pointers(run({ code: "26 DC 43 10", ebx: AT, segments }))).toEqual([0x1000, 0x1b, 0x443, AT + 0x10, 0x2b]);
    expect(pointers(run({ code: "DE F9", segments, fields: POINTERS }))).toEqual([0x1000, 0x1b, 0x6f9, 0xabcde, 0x5678]);
  });
  it("are left alone by control instructions and by one that faults", () => {
    const before = POINTERS.map(([, value]) => value);
    for (const code of ["D9 3B", "DD 3B", "DF E0", "DB E2"]) expect(pointers(run({ code, ebx: AT, segments, fields: POINTERS })), code).toEqual(before);
    const faultAt = () => ({ vector: 14, errorCode: 0 });
    for (const code of ["DD 03", "DB 2B", "DD 1B", "DF 3B"]) expect(pointers(run({ code, ebx: AT, segments, fields: [...POINTERS, ...STACK.slice(1), [FCW, 0x37f], [FSW, 0]], faultAt })), code).toEqual(before);
  });
});

