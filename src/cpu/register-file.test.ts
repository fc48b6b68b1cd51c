import { beforeEach, expect, it } from "vitest";
import { type BareCpu, CODE3, DATA3, protectedCpu } from "../../test/support/bare-cpu.ts";
import { FTOP, MODE_PROTECTED, MODE_USER, MODE_V86, X87_BASE } from "../isa/state-layout.ts";
import { load } from "./linear-memory.ts";
import { readRegisters, writeRegisters } from "./register-file.ts";

let b: BareCpu;
beforeEach(() => {
  b = protectedCpu();
});

it("reads what it wrote, every register", () => {
  const segment = (i: number): { selector: number; base: number; limit: number; access: number } => ({
    selector: i * 8, base: (0x8000_0000 + i * 0x1_0000) >>> 0, limit: 0xffff_f000 + i, access: 0xc093,
  });
  const before = readRegisters(b.cpu);
  const written = {
    eax: 1, ecx: 2, edx: 3, ebx: 4, esp: 0xffff_fff0, ebp: 6, esi: 7, edi: 8, eip: 0xc000_0000, eflags: 0x24_4ed7,
    es: segment(1), cs: segment(2), ss: segment(3), ds: segment(4), fs: segment(5), gs: segment(6),
    ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 }, tr: { selector: 0x50, base: 0x9000, limit: 0x67, access: 0x8b },
    gdtr: { base: 0xfff0_0000, limit: 0x77 }, idtr: { base: 0x100, limit: 0x7ff },
    cr0: 0x11, cr2: 0xdead_0000, cr3: 0x5000, cr4: 0x10, dr0: 1, dr1: 2, dr2: 3, dr3: 0xffff_ffff, dr6: 0xffff_0ff1, dr7: 0x400,
    cpl: 0, activity: 1, interruptShadow: 2, nmiBlocked: 1,
    msr: { 0x10: 2 ** 40 + 5, 0x174: 8, 0x175: 0xc000_0000, 0x176: 0xc100_0000, 0xc000_0080: 0x800 },
    x87: {
      control: 0x37f, status: 0x3801, tag: 0x1234, opcode: 0x7ff, instructionOffset: 0x8000_0000, instructionSelector: 8, operandOffset: 9,
      operandSelector: 16, registers: Uint8Array.from({ length: 80 }, (_, i) => i),
    },
    mxcsr: 0x1f80, xmm: Uint8Array.from({ length: 128 }, (_, i) => 255 - i),
  };
  expect(Object.keys(before).sort()).toEqual(Object.keys(written).sort());
  writeRegisters(b.cpu, written);
  expect(readRegisters(b.cpu)).toEqual(written);
  // TOP is 7: ST(0) is the physical register 7.
  expect([b.cpu.state.read(FTOP), b.cpu.state.u8[X87_BASE + 7 * 16 + 9], b.cpu.state.u8[X87_BASE]]).toEqual([7, 9, 10]);
});

it("leaves alone what is not named", () => {
  const before = readRegisters(b.cpu);
  writeRegisters(b.cpu, { ebx: 7 });
  expect(readRegisters(b.cpu)).toEqual({ ...before, ebx: 7 });
});

it("derives the privilege and the mode", () => {
  const flat = { base: 0, limit: 0xffff_ffff };
  writeRegisters(b.cpu, { cs: { selector: CODE3, ...flat, access: 0xc0fb }, ss: { selector: DATA3, ...flat, access: 0xc0f3 } });
  expect([b.cpu.context.cpl, b.cpu.context.mode & (MODE_USER | MODE_PROTECTED)]).toEqual([3, MODE_USER | MODE_PROTECTED]);
  writeRegisters(b.cpu, { cs: { selector: 0x1000, base: 0x1_0000, limit: 0xffff, access: 0xf3 }, eflags: 0x2_0002 });
  expect([b.cpu.context.cpl, b.cpu.context.mode & MODE_V86]).toEqual([3, MODE_V86]);
  writeRegisters(b.cpu, { eflags: 2, cr0: 0x10 });
  expect([b.cpu.context.cpl, b.cpu.context.mode & (MODE_PROTECTED | MODE_V86)]).toEqual([0, 0]);
});

it("takes new paging registers at once, PAE pointers included", () => {
  b.w32(0x10_0000, 0x10_1000 | 1);
  b.w32(0x10_1000, 0x20_0083, 0);
  b.w32(0x20_1234, 0x77);
  load(b.cpu, 0x1234, 4, false);
  writeRegisters(b.cpu, { cr0: 0x8000_0011, cr3: 0x10_0000, cr4: 0x20 });
  expect(load(b.cpu, 0x1234, 4, false)).toBe(0x77);
});
