import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { CR0, FCW, type Field, FSW, FTOP, FTW } from "../state-layout.ts";

const TASK_SWITCHED: readonly [Field, number] = [CR0, 9];

describe("x87 control", () => {
  it.each([
    ["FNINIT", "DB E3"], ["FNCLEX", "DB E2"], ["FNSTSW", "DF E0"], ["FNSTCW", "D9 3B"], ["FNSTENV", "D9 33"], ["FNSAVE", "DD 33"],
  ])("%s needs the device alone", (_name, code) => {
    expect(run({ code, ebx: 0x3000, fields: [[FSW, 0x8081], [FCW, 0x37e]] }).calls).toEqual([]);
    expect(run({ code, ebx: 0x3000, fields: [TASK_SWITCHED] }).calls).toEqual([["fpuCheck", 1]]);
  });
  it.each([
    ["FLDCW", "D9 2B"], ["FLDENV", "D9 23"], ["FRSTOR", "DD 23"], ["FNOP", "D9 D0"], ["FINCSTP", "D9 F7"], ["FLD1", "D9 E8"], ["FADD", "D8 C1"], ["FXAM", "D9 E5"],
  ])("%s waits for pending exceptions too", (_name, code) => {
    expect(run({ code, ebx: 0x3000 }).calls).toEqual([]);
    expect(run({ code, ebx: 0x3000, fields: [[FSW, 0x8081], [FCW, 0x37e]] }).calls).toEqual([["fpuCheck", 0]]);
    expect(run({ code, ebx: 0x3000, fields: [TASK_SWITCHED] }).calls).toEqual([["fpuCheck", 0]]);
  });
  it("FNINIT sets the initial state", () => {
    const got = run({ code: "DB E3", fields: [[FCW, 0], [FSW, 0xc7ff], [FTOP, 5], [FTW, 0]] });
    expect([FCW, FSW, FTOP, FTW].map((field) => got.field(field))).toEqual([0x37f, 0, 0, 0xffff]);
  });
  it("FNSTSW puts TOP at bits 11-13", () => {
    expect(run({ code: "DF E0", eax: 0xffffffff, fields: [[FSW, 0x4101], [FTOP, 7]] }).eax).toBe(0xffff7901);
    expect(run({ code: "DD 3B", ebx: 0x3000, fields: [[FSW, 0x41], [FTOP, 2]] }).dword(0x3000)).toBe(0x1041);
  });
  it("FNCLEX clears exceptions, stack fault, summary and busy", () => {
    expect(run({ code: "DB E2", fields: [[FSW, 0xc7ff]] }).field(FSW)).toBe(0x4700);
  });
  it("FLDCW keeps the bits that exist and raises the summary for what it unmasks", () => {
    const load = (word: number, status: number) =>
      run({ code: "D9 2B", ebx: 0x3000, memory: { 0x3000: [word & 0xff, word >> 8] }, fields: [[FSW, status]] });
    expect(load(0xffff, 0).field(FCW)).toBe(0x1f7f);
    expect(load(0, 0).field(FCW)).toBe(0x40);
    expect(load(0x37e, 0x4101).field(FSW)).toBe(0xc181);
    expect(load(0x37f, 0xc181).field(FSW)).toBe(0x4101);
  });
  it("FNSTCW stores the control word, WAIT only checks", () => {
    expect(run({ code: "D9 3B", ebx: 0x3000, fields: [[FCW, 0x37f]] }).word(0x3000)).toBe(0x37f);
    expect(run({ code: "9B" }).calls).toEqual([["fpuCheck", 2]]);
  });
});
