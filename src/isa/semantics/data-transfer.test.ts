import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { EFLAGS_CF as CF, EFLAGS_ZF as ZF } from "../state-layout.ts";

const PAGE_FAULT = { vector: 14, errorCode: 2 };
const faultFrom = (first: number) => (linear: number) => (linear >= first ? PAGE_FAULT : null);
const STACK_FAULT = { vector: 12, errorCode: 0 };

describe("PUSH and POP", () => {
  it("push the operand size and move the pointer of the stack's width", () => {
    const dword = run({ code: "50", eax: 0x12345678, esp: 0x8000 });
    expect(dword).toMatchObject({ esp: 0x7ffc });
    expect(dword.dword(0x7ffc)).toBe(0x12345678);
    const word = run({ code: "66 50", eax: 0x12345678, esp: 0x8000 });
    expect(word).toMatchObject({ esp: 0x7ffe });
    expect(word.dword(0x7ffe)).toBe(0x5678);
  });
  it("use SP alone with a 16-bit stack, whatever the code, and wrap at 64 KB", () => {
    const got = run({ code: "50", stack: 16, eax: 0x12345678, esp: 0xabcd0002, segments: { ss: { limit: 0xffffffff } } });
    expect(got).toMatchObject({ esp: 0xabcdfffe });
    expect(got.dword(0xfffe)).toBe(0x12345678);
    const back = run({ code: "58", stack: 16, esp: 0xabcdfffe, memory: { 0xfffe: [1, 2, 3, 4] }, segments: { ss: { limit: 0xffffffff } } });
    expect(back).toMatchObject({ esp: 0xabcd0002, eax: 0x04030201 });
  });
  it("PUSH ESP stores the old pointer, POP ESP loads the popped value", () => {
    expect(run({ code: "54", esp: 0x8000 }).dword(0x7ffc)).toBe(0x8000);
    expect(run({ code: "5C", esp: 0x8000, memory: { 0x8000: [0x78, 0x56, 0x34, 0x12] } }).esp).toBe(0x12345678);
    expect(run({ code: "66 5C", esp: 0xfff8000, memory: { 0xfff8000: [0x78, 0x56] } }).esp).toBe(0xfff5678);
  });
  it("PUSH [ESP] reads with the old pointer, POP [ESP] writes with the new one", () => {
    expect(run({ code: "FF 34 24", esp: 0x8000, memory: { 0x8000: [9] } }).dword(0x7ffc)).toBe(9);
    const pop = run({ code: "8F 04 24", esp: 0x8000, memory: { 0x8000: [9, 0, 0, 0] } });
    expect(pop).toMatchObject({ esp: 0x8004 });
    expect(pop.dword(0x8004)).toBe(9);
    const far = run({ code: "8F 44 24 08", esp: 0x8000, memory: { 0x8000: [9, 0, 0, 0] } });
    expect(far.dword(0x800c)).toBe(9);
  });
  it("POP to memory leaves ESP when the destination faults", () => {
    const got = run({ code: "8F 04 24", esp: 0x8ffc, faultAt: faultFrom(0x9000) });
    expect(got).toMatchObject({ fault: PAGE_FAULT, esp: 0x8ffc, eip: 0x1000 });
  });
  it("leave ESP when the stack faults, beyond the limit with #SS(0)", () => {
    expect(run({ code: "50", esp: 0x2000, faultAt: () => PAGE_FAULT })).toMatchObject({ fault: PAGE_FAULT, esp: 0x2000 });
    expect(run({ code: "50", esp: 0x2000, segments: { ss: { limit: 0xfff } } })).toMatchObject({ fault: STACK_FAULT, esp: 0x2000 });
    // A dword across the end of a 64 KB stack segment.
    expect(run({ bits: 16, code: "66 50", esp: 1 })).toMatchObject({ fault: STACK_FAULT, esp: 1 });
  });
  it("sign-extend immediates to the operand size", () => {
    expect(run({ code: "6A FE", esp: 0x8000 }).dword(0x7ffc)).toBe(0xfffffffe);
    expect(run({ code: "66 6A FE", esp: 0x8000 })).toMatchObject({ esp: 0x7ffe });
    expect(run({ code: "68 04 03 02 01", esp: 0x8000 }).dword(0x7ffc)).toBe(0x01020304);
  });
});

describe("PUSHA and POPA", () => {
  const registers = { eax: 1, ecx: 2, edx: 3, ebx: 4, ebp: 6, esi: 7, edi: 8 };
  it("push EAX ECX EDX EBX old-ESP EBP ESI EDI", () => {
    const got = run({ code: "60", ...registers, esp: 0x8000 });
    expect(got.esp).toBe(0x7fe0);
    expect([7, 6, 5, 4, 3, 2, 1, 0].map((n) => got.dword(0x7fe0 + 4 * n))).toEqual([1, 2, 3, 4, 0x8000, 6, 7, 8]);
  });
  it("pop all but ESP", () => {
    const words = [8, 7, 6, 0xdead, 4, 3, 2, 1].flatMap((n) => [n & 0xff, n >> 8]);
    const got = run({ bits: 16, code: "61", esp: 0xffff7000, eax: 0xaaaa0000, memory: { 0x7000: words } });
    expect(got).toMatchObject({ eax: 0xaaaa0001, ecx: 2, edx: 3, ebx: 4, esp: 0xffff7010, ebp: 6, esi: 7, edi: 8 });
  });
  it("wrap within a 16-bit stack", () => {
    const got = run({ bits: 16, code: "60", ...registers, esp: 4 });
    expect(got.esp).toBe(0xfff4);
    expect([got.word(2), got.word(0), got.word(0xfffe), got.word(0xfff4)]).toEqual([1, 2, 3, 8]);
  });
  it("leave ESP when a place cannot be written, with what was pushed before below it", () => {
    const got = run({ code: "60", ...registers, esp: 0x8010, faultAt: (linear) => (linear < 0x8000 ? PAGE_FAULT : null) });
    expect(got).toMatchObject({ fault: PAGE_FAULT, esp: 0x8010 });
    expect([got.dword(0x800c), got.dword(0x8000)]).toEqual([1, 4]);
  });
  it("change no register when a place in the middle cannot be read", () => {
    const got = run({ code: "61", ...registers, esp: 0x7ff0, memory: { 0x7ff0: new Array<number>(16).fill(0xee) }, faultAt: faultFrom(0x8000) });
    expect(got).toMatchObject({ fault: PAGE_FAULT, ...registers, esp: 0x7ff0 });
  });
});

describe("moves", () => {
  it("store a selector as a word in memory and as a whole register", () => {
    const segments = { gs: { selector: 0xabcd } };
    const memory = run({ code: "8C 2B", ebx: 0x3000, segments, memory: { 0x3000: [1, 1, 1, 1] } });
    expect(memory.dword(0x3000)).toBe(0x0101abcd);
    expect(run({ code: "8C E8", eax: 0xffffffff, segments }).eax).toBe(0xabcd);
    expect(run({ code: "66 8C E8", eax: 0xffffffff, segments }).eax).toBe(0xffffabcd);
  });
  it("use the absolute offset and its segment override", () => {
    const segments = { fs: { base: 0x40000 } };
    expect(run({ code: "64 A1 10 00 00 00", segments, memory: { 0x40010: [4, 3, 2, 1] } }).eax).toBe(0x01020304);
    expect(run({ code: "64 67 A2 FF FF", eax: 0x55, segments }).byte(0x4ffff)).toBe(0x55);
  });
  it("wrap an effective address to 16 bits", () => {
    // mov al,[bx+si+7Fh]
    expect(run({ bits: 16, code: "8A 40 7F", ebx: 0xfff0, esi: 0x20, memory: { 0x8f: [0x77] } }).eax).toBe(0x77);
  });
  it("LEA computes the address and faults nowhere", () => {
    expect(run({ code: "8D 44 88 FF", eax: 0x10, ecx: 4, faultAt: () => PAGE_FAULT })).toMatchObject({ fault: null, eax: 0x1f });
    expect(run({ code: "66 8D 44 88 FF", eax: 0xffff0010, ecx: 4 }).eax).toBe(0xffff001f);
    expect(run({ code: "67 8D 40 10", eax: 0, ebx: 0xfffff, esi: 1 }).eax).toBe(0x10);
  });
  it("XCHG swaps, in memory in one read and one write", () => {
    expect(run({ code: "86 E0", eax: 0x1234 }).eax).toBe(0x3412);
    const got = run({ code: "87 00", eax: 0x3000, memory: { 0x3000: [1, 2, 3, 4] } });
    expect(got.eax).toBe(0x04030201);
    expect(got.dword(0x3000)).toBe(0x3000);
    expect(run({ code: "66 91", eax: 0x11112222, ecx: 0x33334444 })).toMatchObject({ eax: 0x11114444, ecx: 0x33332222 });
  });
  it("extend", () => {
    expect(run({ code: "0F B6 C4", eax: 0xffff8100 }).eax).toBe(0x81);
    expect(run({ code: "0F BE C4", eax: 0xffff8100 }).eax).toBe(0xffffff81);
    expect(run({ code: "66 0F BE C4", eax: 0x12348100 }).eax).toBe(0x1234ff81);
    expect(run({ code: "0F BF 03", ebx: 0x3000, memory: { 0x3000: [0, 0x80, 0xff] } }).eax).toBe(0xffff8000);
    expect(run({ code: "98", eax: 0x8000 }).eax).toBe(0xffff8000);
    expect(run({ code: "66 98", eax: 0xaaaaff80 }).eax).toBe(0xaaaaff80);
    expect(run({ code: "66 98", eax: 0xaaaa0080 }).eax).toBe(0xaaaaff80);
    expect(run({ code: "99", eax: 0x80000000, edx: 5 }).edx).toBe(0xffffffff);
    expect(run({ code: "66 99", eax: 0x8000, edx: 0x50005 }).edx).toBe(0x5ffff);
    expect(run({ code: "66 99", eax: 0x80000000, edx: 0x50005 }).edx).toBe(0x50000);
  });
  it("CMOVcc reads its source even when it moves nothing", () => {
    expect(run({ code: "0F 44 03", ebx: 0x3000, eax: 7, flags: ZF, memory: { 0x3000: [9] } }).eax).toBe(9);
    expect(run({ code: "0F 44 03", ebx: 0x3000, eax: 7, flags: CF, memory: { 0x3000: [9] } }).eax).toBe(7);
    expect(run({ code: "0F 44 03", ebx: 0x3000, eax: 7, flags: CF, faultAt: () => PAGE_FAULT }).fault).toEqual(PAGE_FAULT);
  });
  it("XLAT indexes by AL, in DS or the overriding segment", () => {
    const segments = { es: { base: 0x10000 } };
    const memory = { 0x30ff: [0xaa], 0x130ff: [0xbb] };
    expect(run({ code: "D7", eax: 0x123ff, ebx: 0x3000, memory, segments }).eax).toBe(0x123aa);
    expect(run({ code: "26 D7", eax: 0x123ff, ebx: 0x3000, memory, segments }).eax).toBe(0x123bb);
    expect(run({ bits: 16, code: "D7", eax: 0x20, ebx: 0xfff0, memory: { 0x10: [0xcc] } }).eax).toBe(0xcc);
  });
  it("hints and NOP do not touch their operand", () => {
    for (const code of ["0F 1F 00", "0F 18 08", "0F 0D 00", "F3 0F 1E FA", "90", "0F 1F 84 00 00 00 00 00"])
      expect(run({ code, faultAt: () => PAGE_FAULT, flags: CF })).toMatchObject({ fault: null, eax: 0, flags: CF });
  });
});
