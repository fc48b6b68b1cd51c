import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { EFLAGS_CF as CF, EFLAGS_OF as OF, EFLAGS_ZF as ZF } from "../state-layout.ts";

const PAGE_FAULT = { vector: 14, errorCode: 2 };
const GENERAL_PROTECTION = { vector: 13, errorCode: 0 };
const limited = { cs: { limit: 0x1fff } };

describe("jumps", () => {
  it("are relative to the next instruction", () => {
    expect(run({ code: "EB FE", eip: 0x1000 }).eip).toBe(0x1000);
    expect(run({ code: "E9 00 10 00 00", eip: 0x1000 }).eip).toBe(0x2005);
    expect(run({ code: "0F 84 10 00 00 00", flags: ZF }).eip).toBe(0x1016);
    expect(run({ code: "74 10", flags: 0 }).eip).toBe(0x1002);
  });
  it("truncate EIP with a 16-bit operand size", () => {
    expect(run({ bits: 16, code: "EB 10", eip: 0xfff8 }).eip).toBe(0xa);
    expect(run({ code: "66 EB 00", eip: 0x12345 }).eip).toBe(0x2348);
    expect(run({ code: "66 FF E0", eax: 0x12345678 }).eip).toBe(0x5678);
    expect(run({ code: "FF E0", eax: 0x12345678 }).eip).toBe(0x12345678);
  });
  it("fault beyond the limit, when taken", () => {
    expect(run({ code: "E9 00 10 00 00", eip: 0x1000, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION, eip: 0x1000 });
    expect(run({ code: "0F 84 00 10 00 00", eip: 0x1000, flags: 0, segments: limited })).toMatchObject({ fault: null, eip: 0x1006 });
    expect(run({ code: "FF E0", eax: 0x2000, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION });
    expect(run({ code: "FF E0", eax: 0x1fff, segments: limited })).toMatchObject({ fault: null });
  });
});

describe("LOOP and JCXZ", () => {
  it("count by the address size", () => {
    expect(run({ code: "E2 10", ecx: 1 })).toMatchObject({ ecx: 0, eip: 0x1002 });
    expect(run({ code: "E2 10", ecx: 0 })).toMatchObject({ ecx: 0xffffffff, eip: 0x1012 });
    expect(run({ code: "67 E2 10", ecx: 0x50001 })).toMatchObject({ ecx: 0x50000, eip: 0x1003 });
    expect(run({ code: "67 E2 10", ecx: 0x50000 })).toMatchObject({ ecx: 0x5ffff, eip: 0x1013 });
    expect(run({ code: "67 E3 10", ecx: 0x50000 })).toMatchObject({ ecx: 0x50000, eip: 0x1013 });
    expect(run({ code: "E3 10", ecx: 0x50000 })).toMatchObject({ eip: 0x1002 });
  });
  it("LOOPE and LOOPNE look at ZF and change no flag", () => {
    expect(run({ code: "E1 10", ecx: 5, flags: ZF })).toMatchObject({ ecx: 4, eip: 0x1012, flags: ZF });
    expect(run({ code: "E1 10", ecx: 5, flags: CF })).toMatchObject({ ecx: 4, eip: 0x1002, flags: CF });
    expect(run({ code: "E0 10", ecx: 5, flags: ZF })).toMatchObject({ ecx: 4, eip: 0x1002 });
    expect(run({ code: "E0 10", ecx: 5, flags: 0 })).toMatchObject({ ecx: 4, eip: 0x1012 });
    expect(run({ code: "E0 10", ecx: 1, flags: 0 })).toMatchObject({ ecx: 0, eip: 0x1002 });
  });
  it("keep the count when the target is beyond the limit", () => {
    const beyond = { code: "E2 7F", eip: 0x1f90, segments: limited };
    expect(run({ ...beyond, ecx: 2 })).toMatchObject({ fault: GENERAL_PROTECTION, ecx: 2, eip: 0x1f90 });
    expect(run({ ...beyond, ecx: 1 })).toMatchObject({ fault: null, ecx: 0 });
  });
});

describe("CALL and RET", () => {
  it("push the next EIP of the operand size and come back", () => {
    const call = run({ code: "E8 FB 0F 00 00", esp: 0x8000 });
    expect(call).toMatchObject({ eip: 0x2000, esp: 0x7ffc });
    expect(call.dword(0x7ffc)).toBe(0x1005);
    const word = run({ bits: 16, code: "E8 FD 0F", esp: 0x8000 });
    expect(word).toMatchObject({ eip: 0x2000, esp: 0x7ffe });
    expect(word.word(0x7ffe)).toBe(0x1003);
    expect(run({ code: "C3", esp: 0x7ffc, memory: { 0x7ffc: [0x05, 0x10, 0, 0] } })).toMatchObject({ eip: 0x1005, esp: 0x8000 });
    expect(run({ code: "66 C3", esp: 0x7ffc, memory: { 0x7ffc: [0x05, 0x10, 9, 9] } })).toMatchObject({ eip: 0x1005, esp: 0x7ffe });
  });
  it("RET n releases n bytes more, without sign, within a 16-bit stack", () => {
    expect(run({ code: "C2 00 80", esp: 0x7ffc, memory: { 0x7ffc: [0, 0x20, 0, 0] } })).toMatchObject({ eip: 0x2000, esp: 0x10000 });
    expect(run({ bits: 16, code: "C2 08 00", esp: 0xaaaafff8, memory: { 0xfff8: [0, 0x20] } })).toMatchObject({ eip: 0x2000, esp: 0xaaaa0002 });
  });
  it("CALL through ESP uses the pointer from before the push", () => {
    const got = run({ code: "FF 14 24", esp: 0x8000, memory: { 0x8000: [0, 0x30, 0, 0] } });
    expect(got).toMatchObject({ eip: 0x3000, esp: 0x7ffc });
    expect(got.dword(0x7ffc)).toBe(0x1003);
    expect(run({ code: "FF D4", esp: 0x8000 }).eip).toBe(0x8000);
  });
  it("commit nothing when the stack or the target faults", () => {
    const stuck = { esp: 0x8000, eip: 0x1000 };
    expect(run({ code: "E8 FB 0F 00 00", esp: 0x8000, faultAt: () => PAGE_FAULT })).toMatchObject({ fault: PAGE_FAULT, ...stuck });
    expect(run({ code: "E8 FB 0F 00 00", esp: 0x8000, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION, ...stuck });
    expect(run({ code: "FF D0", esp: 0x8000, eax: 0x2000, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION, ...stuck });
    expect(run({ code: "C3", esp: 0x8000, memory: { 0x8000: [0, 0x20, 0, 0] }, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION, ...stuck });
    expect(run({ code: "C2 04 00", esp: 0x8000, memory: { 0x8000: [0, 0x20, 0, 0] }, segments: limited })).toMatchObject({ fault: GENERAL_PROTECTION, ...stuck });
  });
});

describe("far transfers and interrupts", () => {
  it("hand selector, offset and operand size on", () => {
    expect(run({ code: "EA 78 56 34 12 08 00" }).calls).toEqual([["farJump", 8, 0x12345678, 4]]);
    expect(run({ bits: 16, code: "9A 34 12 00 F0" }).calls).toEqual([["farCall", 0xf000, 0x1234, 2]]);
    const memory = { 0x3000: [1, 2, 3, 4, 5, 6] };
    expect(run({ code: "FF 2B", ebx: 0x3000, memory }).calls).toEqual([["farJump", 0x0605, 0x04030201, 4]]);
    expect(run({ code: "66 FF 1B", ebx: 0x3000, memory }).calls).toEqual([["farCall", 0x0403, 0x0201, 2]]);
    expect(run({ code: "CB" }).calls).toEqual([["farReturn", 4, 0]]);
    expect(run({ code: "66 CA 00 80" }).calls).toEqual([["farReturn", 2, 0x8000]]);
    expect(run({ code: "66 CF" }).calls).toEqual([["interruptReturn", 2]]);
    expect(run({ code: "CD 80" }).calls).toEqual([["softwareInterrupt", 0x80]]);
    expect(run({ code: "CC" }).calls).toEqual([["breakpointTrap"]]);
    expect(run({ code: "F1" }).calls).toEqual([["icebp"]]);
    expect(run({ code: "C8 10 00 03" }).calls).toEqual([["enter", 4, 0x10, 3]]);
  });
  it("reads the selector of a far pointer behind a wrapped offset", () => {
    const got = run({ bits: 16, code: "FF 2E FE FF", memory: { 0xfffe: [0x34, 0x12], 0: [0, 0xf0] } });
    expect(got.calls).toEqual([["farJump", 0xf000, 0x1234, 2]]);
  });
  it("INTO traps on overflow alone", () => {
    expect(run({ code: "CE", flags: CF | ZF })).toMatchObject({ calls: [], eip: 0x1001 });
    expect(run({ code: "CE", flags: OF }).calls).toEqual([["overflowTrap"]]);
  });
});

describe("BOUND", () => {
  const bounds = { 0x3000: [0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0] };
  it("takes signed inclusive bounds", () => {
    for (const [index, vector] of [[0xfffffffd, 5], [0xfffffffe, null], [0, null], [5, null], [6, 5], [0x80000000, 5]] as const)
      expect(run({ code: "62 03", eax: index, ebx: 0x3000, memory: bounds }).fault).toEqual(vector === null ? null : { vector, errorCode: null });
  });
  it("takes words with a 16-bit operand size", () => {
    const memory = { 0x3000: [0xfe, 0xff, 5, 0] };
    expect(run({ code: "66 62 03", eax: 0x1fffe, ebx: 0x3000, memory }).fault).toBeNull();
    expect(run({ code: "66 62 03", eax: 0x10006, ebx: 0x3000, memory }).fault).toEqual({ vector: 5, errorCode: null });
  });
});

describe("LEAVE", () => {
  it("restores ESP from EBP and pops EBP", () => {
    expect(run({ code: "C9", ebp: 0x8000, esp: 0x7000, memory: { 0x8000: [4, 3, 2, 1] } })).toMatchObject({ esp: 0x8004, ebp: 0x01020304 });
    expect(run({ code: "66 C9", ebp: 0x8000, esp: 0x7000, memory: { 0x8000: [4, 3] } })).toMatchObject({ esp: 0x8002, ebp: 0x0304 });
    const small = run({ code: "C9", stack: 16, ebp: 0xaaaafffe, esp: 0xbbbb0000, memory: { 0xfffe: [4, 3, 2, 1] }, segments: { ss: { limit: 0xffffffff } } });
    expect(small).toMatchObject({ esp: 0xbbbb0002, ebp: 0x01020304 });
  });
  it("changes neither when the stack faults", () => {
    expect(run({ code: "C9", ebp: 0x8000, esp: 0x7000, faultAt: () => PAGE_FAULT })).toMatchObject({ fault: PAGE_FAULT, esp: 0x7000, ebp: 0x8000 });
  });
});
