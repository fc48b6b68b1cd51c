import { beforeEach, describe, expect, it } from "vitest";
import {
  BareCpu, CODE0, CODE1, CODE16, CODE2, CODE3, CONFORMING0, DATA0, DATA1, DATA3, FREE, GDT, STACK0, STACK1, STACK3, TSS, enterRing, protectedCpu,
} from "../../../test/support/bare-cpu.ts";
import { ACCESS_UNUSABLE, CS, DS, EFLAGS_SYSTEM, EFLAGS_VM, ES, FS, GS, MODE_CODE32, SS } from "../../isa/state-layout.ts";
import { setSegment, setUnusable } from "../segmentation.ts";

let b: BareCpu;
const EIP = 0x5000_0000, TARGET = 0x8765_4321 | 0;
const esp = (): number => b.cpu.state.gpr(4);
const cs = (): number => b.cpu.context.selector(CS);
const stack32 = (count: number): number[] => Array.from({ length: count }, (_, i) => b.r32(esp() + i * 4));
const free = (access: number, limit = 0xf_ffff): void => b.descriptor(GDT, FREE >> 3, 0, limit, access);
const gate = (selector: number, access: number, parameters = 0): void => b.gate(GDT, FREE >> 3, selector, TARGET, access, parameters);

function jump(selector: number, offset = TARGET, size = 4): string {
  b.call("farJump", selector, offset, size);
  return b.fault();
}
function call(selector: number, offset = TARGET, size = 4): string {
  b.call("farCall", selector, offset, size);
  return b.fault();
}
/** Lays out a stack and returns. */
function ret(items: readonly number[], size = 4, popBytes = 0): string {
  items.forEach((value, i) => (size === 4 ? b.w32(esp() + i * 4, value) : b.w16(esp() + i * 2, value)));
  b.call("farReturn", size, popBytes);
  return b.fault();
}

beforeEach(() => {
  b = protectedCpu();
});

describe("without protection", () => {
  it("real-mode JMP, CALL and RETF", () => {
    b = new BareCpu();
    setSegment(b.cpu.context, SS, 0x2000, 0x2_0000, 0xffff, 0x93);
    b.cpu.state.setGpr(4, 0x100);
    expect(jump(0x1234, 0x5678, 2)).toBe("");
    expect([cs(), b.cpu.context.segmentBase(CS), b.cpu.state.eip]).toEqual([0x1234, 0x1_2340, 0x5678]);
    expect(call(0x4321, 0x11, 2)).toBe("");
    expect([b.r16(0x2_00fc), b.r16(0x2_00fe), esp()]).toEqual([0x5678, 0x1234, 0xfc]);
    b.call("farReturn", 2, 6);
    expect([cs(), b.cpu.state.eip, esp()]).toEqual([0x1234, 0x5678, 0x106]);
    expect(call(0x4321, 0x1_0000, 4)).toBe("#13(0)");
    expect([esp(), jump(1, 0x1_0000, 4)]).toEqual([0x106, "#13(0)"]);
    expect(call(0x4321, 0x77, 4)).toBe("");
    expect([b.r32(0x2_00fe), b.r32(0x2_0102), esp()]).toEqual([0x5678, 0x1234, 0xfe]);
  });

  it("V86 keeps its limits", () => {
    b.cpu.context.set(EFLAGS_SYSTEM, EFLAGS_VM);
    expect(jump(0xb800, 0x10, 2)).toBe("");
    expect([b.cpu.context.segmentBase(CS), b.cpu.context.segmentLimit(CS), b.cpu.context.segmentAccess(CS)]).toEqual([0xb_8000, 0xffff, 0xf3]);
  });
});

describe("direct transfers", () => {
  it("go to code of the same ring and change the code size", () => {
    expect(jump(CODE16, 0x1234)).toBe("");
    expect([cs(), b.cpu.state.eip, b.cpu.context.mode & MODE_CODE32]).toEqual([CODE16, 0x1234, 0]);
  });

  it("CALL pushes CS and EIP in the operand size", () => {
    expect(call(CODE0)).toBe("");
    expect(stack32(2)).toEqual([EIP, CODE0]);
    b.cpu.state.setGpr(4, STACK0);
    b.cpu.state.eip = 0x1111_2222;
    expect(call(CODE0, 0x10, 2)).toBe("");
    expect([b.r16(STACK0 - 4), b.r16(STACK0 - 2), esp()]).toEqual([0x2222, CODE0, STACK0 - 4]);
  });

  it.each([
    ["null", 0, 0, 0, "#13(0)"],
    ["null with RPL", 3, 0, 3, "#13(0)"],
    ["beyond the table", 0x200, 0, 0, "#13(200)"],
    ["data", DATA0, 0, 0, "#13(10)"],
    ["RPL > CPL", CODE0 | 1, 0, 0, "#13(8)"],
    ["RPL < CPL: takes the CPL", CODE3 & ~3, 0, 3, ""],
    ["an inner ring", CODE0, 0, 3, "#13(8)"],
    ["an outer ring", CODE3, 0, 0, "#13(18)"],
    ["conforming code of an inner ring", CONFORMING0 | 3, 0, 3, ""],
    ["conforming code of an outer ring", FREE, 0xc0fe, 0, "#13(70)"],
    ["not present", FREE, 0xc01a, 0, "#11(70)"],
    ["an LDT descriptor", FREE, 0x82, 0, "#13(70)"],
    ["an interrupt gate", FREE, 0x8e, 0, "#13(70)"],
    ["a busy TSS", FREE, 0x8b, 0, "#13(70)"],
    ["a right one", FREE, 0xc09a, 0, ""],
  ] as const)("%s", (_name, selector, access, cpl, expected) => {
    for (const transfer of [jump, call]) {
      b = protectedCpu();
      enterRing(b, cpl);
      free(access);
      expect(transfer(selector)).toBe(expected);
      expect(b.cpu.context.cpl).toBe(cpl);
      expect(cs()).toBe(expected === "" ? (selector & ~3) | cpl : cpl === 3 ? CODE3 : CODE0);
    }
  });

  it("fault with the offset beyond the limit and leave the stack alone", () => {
    expect(jump(CODE16, 0x1_0000)).toBe("#13(0)");
    expect(call(CODE16, 0x1_0000)).toBe("#13(0)");
    expect(esp()).toBe(STACK0);
  });

  it("mark the code as accessed", () => {
    free(0xc09a);
    jump(FREE);
    expect(b.r8(GDT + FREE + 5)).toBe(0x9b);
    expect(b.cpu.context.segmentAccess(CS)).toBe(0xc09b);
  });

  it("CALL without room is #SS(0)", () => {
    setSegment(b.cpu.context, SS, DATA0, 0, 0x1_0000, 0xc093);
    b.cpu.state.setGpr(4, 4);
    expect(call(CODE0)).toBe("#12(0)");
  });
});

describe("call gates", () => {
  it("same ring: the gate's offset, nothing of the operand's", () => {
    gate(CODE0, 0x8c);
    expect(call(FREE, 0x55)).toBe("");
    expect([cs(), b.cpu.state.eip, stack32(2)]).toEqual([CODE0, TARGET, [EIP, CODE0]]);
    expect(jump(FREE)).toBe("");
    expect(b.cpu.state.eip).toBe(TARGET);
  });

  it("to ring 0: switches stacks and copies the parameters", () => {
    enterRing(b, 3);
    gate(CODE0 | 3, 0xec, 3);
    b.w32(STACK3, 11, 22, 33);
    expect(call(FREE | 3)).toBe("");
    expect(stack32(7)).toEqual([EIP, CODE3, 11, 22, 33, STACK3, DATA3]);
    expect([esp(), cs(), b.cpu.context.selector(SS), b.cpu.context.cpl]).toEqual([STACK0 - 28, CODE0, DATA0, 0]);
  });

  it("16 bits: words, and the low half of the offset", () => {
    enterRing(b, 3);
    gate(CODE1, 0xe4, 2);
    b.w16(STACK3, 0x1111, 0x2222);
    expect(call(FREE)).toBe("");
    expect(Array.from({ length: 6 }, (_, i) => b.r16(esp() + i * 2))).toEqual([EIP & 0xffff, CODE3, 0x1111, 0x2222, STACK3 & 0xffff, DATA3]);
    expect([esp(), cs(), b.cpu.state.eip, b.cpu.context.cpl]).toEqual([STACK1 - 12, CODE1, 0x4321, 1]);
  });

  it("conforming target: no switch", () => {
    enterRing(b, 3);
    gate(CONFORMING0, 0xec, 3);
    expect(call(FREE)).toBe("");
    expect([esp(), cs(), b.cpu.context.cpl]).toEqual([STACK3 - 8, CONFORMING0 | 3, 3]);
  });

  it.each([
    // gate access, selector used, target, CPL, fault of CALL, fault of JMP
    ["gate DPL < CPL", 0x8c, FREE, CODE3, 3, "#13(70)", "#13(70)"],
    ["gate DPL < RPL", 0xac, FREE | 2, CODE0, 0, "#13(70)", "#13(70)"],
    ["gate not present", 0x6c, FREE, CODE3, 3, "#11(70)", "#11(70)"],
    ["null target", 0xec, FREE, 3, 3, "#13(0)", "#13(0)"],
    ["target beyond the table", 0xec, FREE, 0x200, 3, "#13(200)", "#13(200)"],
    ["target is data", 0xec, FREE, DATA0, 3, "#13(10)", "#13(10)"],
    ["target in an outer ring", 0xec, FREE, CODE3, 0, "#13(18)", "#13(18)"],
    ["target in an inner ring: CALL alone", 0xec, FREE, CODE0, 3, "", "#13(8)"],
    ["RPL of the target does not matter", 0xec, FREE, CODE0 | 3, 0, "", ""],
  ] as const)("%s", (_name, access, selector, target, cpl, onCall, onJump) => {
    enterRing(b, cpl);
    gate(target, access);
    expect(jump(selector)).toBe(onJump);
    enterRing(b, cpl);
    expect(call(selector)).toBe(onCall);
  });

  it("target not present is #NP with its selector", () => {
    b.descriptor(GDT, 20, 0, 0xf_ffff, 0xc01a);
    gate(20 * 8, 0x8c);
    expect(call(FREE)).toBe(`#11(${(20 * 8).toString(16)})`);
  });

  it("a bad inner stack is #TS, one without room #SS with its selector", () => {
    enterRing(b, 3);
    gate(CODE0, 0xec);
    b.w32(TSS + 8, DATA3);
    expect(call(FREE)).toBe("#10(20)");
    b.descriptor(GDT, 20, 0, 0xf, 0x4093);
    b.w32(TSS + 4, 0xc, 20 * 8);
    expect(call(FREE)).toBe(`#12(${(20 * 8).toString(16)})`);
    expect([esp(), cs()]).toEqual([STACK3, CODE3]);
  });

  it("parameters beyond the caller's stack are #SS(0)", () => {
    enterRing(b, 3);
    gate(CODE0, 0xec, 2);
    setSegment(b.cpu.context, SS, DATA3, 0, STACK3 + 3, 0x40f3);
    expect(call(FREE)).toBe("#12(0)");
  });
});

describe("RETF", () => {
  it("same ring", () => {
    expect(ret([TARGET, CODE0], 4, 8)).toBe("");
    expect([cs(), b.cpu.state.eip, esp()]).toEqual([CODE0, TARGET, STACK0 + 16]);
    expect(ret([0x1234, CODE16], 2)).toBe("");
    expect([cs(), b.cpu.state.eip]).toEqual([CODE16, 0x1234]);
  });

  it("to an outer ring: SS:ESP from the stack after the parameters, both stacks released", () => {
    expect(ret([TARGET, CODE3, 1, 2, STACK3, DATA3], 4, 8)).toBe("");
    const c = b.cpu.context;
    expect([cs(), b.cpu.state.eip, c.cpl, c.selector(SS), esp()]).toEqual([CODE3, TARGET, 3, DATA3, STACK3 + 8]);
    // DS and ES held ring 0 data; FS and GS held ring 3 data.
    expect([c.selector(DS), c.segmentAccess(DS), c.segmentAccess(ES)]).toEqual([0, ACCESS_UNUSABLE, ACCESS_UNUSABLE]);
    expect([c.selector(FS), c.selector(GS)]).toEqual([DATA3, DATA3]);
  });

  it("keeps conforming code in data registers, and makes null selectors 0", () => {
    setSegment(b.cpu.context, DS, CONFORMING0, 0, 0xffff_ffff, 0xc09f);
    setUnusable(b.cpu.context, ES, 2);
    expect(ret([TARGET, CODE3, STACK3, DATA3])).toBe("");
    expect([b.cpu.context.selector(DS), b.cpu.context.selector(ES)]).toEqual([CONFORMING0, 0]);
  });

  it("leaves the upper half of ESP of an inner 32-bit stack in an outer 16-bit one", () => {
    b.descriptor(GDT, 20, 0, 0xffff, 0xf3);
    b.cpu.state.setGpr(4, 0x7_0100);
    expect(ret([TARGET, CODE3, 0x1_2345_6789 | 0, (20 * 8) | 3])).toBe("");
    expect(esp() >>> 0).toBe(0x7_6789);
  });

  it.each([
    ["null", [TARGET, 0], "#13(0)"],
    ["beyond the table", [TARGET, 0x200], "#13(200)"],
    ["data", [TARGET, DATA0], "#13(10)"],
    ["an inner ring", [TARGET, CODE0], "#13(8)", 3],
    ["DPL other than RPL", [TARGET, CODE0 | 3], "#13(8)"],
    ["offset beyond the limit", [0x1_0000, CODE16], "#13(0)"],
    ["null SS", [TARGET, CODE3, STACK3, 3], "#13(0)"],
    ["SS beyond the table", [TARGET, CODE3, STACK3, 0x203], "#13(200)"],
    ["RPL of SS other than that of CS", [TARGET, CODE3, STACK3, DATA3 & ~3], "#13(20)"],
    ["DPL of SS other than RPL of CS", [TARGET, CODE3, STACK3, DATA0 | 3], "#13(10)"],
    ["SS is code", [TARGET, CODE3, STACK3, CODE3], "#13(18)"],
    ["conforming code returns to RPL", [TARGET, CONFORMING0 | 2, STACK3, DATA1], "#13(30)"],
  ] as const)("%s", (_name, items, expected, cpl: 0 | 3 = 0) => {
    enterRing(b, cpl);
    const before = esp();
    expect(ret(items)).toBe(expected);
    expect([esp(), b.cpu.context.cpl]).toEqual([before, cpl]);
  });

  it("not present: #NP for code, #SS for the stack", () => {
    free(0xc07a);
    expect(ret([TARGET, FREE | 3, STACK3, DATA3])).toBe("#11(70)");
    free(0xc073);
    expect(ret([TARGET, CODE3, STACK3, FREE | 3])).toBe("#12(70)");
  });

  it("beyond the stack is #SS(0)", () => {
    setSegment(b.cpu.context, SS, DATA0, 0, STACK0 + 5, 0x4093);
    expect(ret([TARGET, CODE0])).toBe("#12(0)");
  });
});

it("ring 1 calls ring 0 and returns to ring 1", () => {
  enterRing(b, 1);
  gate(CODE0, 0xac, 1);
  b.w32(STACK1, 99);
  expect(call(FREE | 1)).toBe("");
  b.call("farReturn", 4, 4);
  expect([b.fault(), cs(), b.cpu.context.selector(SS), esp(), b.cpu.context.cpl, b.cpu.state.eip]).toEqual(["", CODE1, DATA1, STACK1 + 4, 1, EIP]);
  expect(jump(CODE2)).toBe("#13(48)");
});
