// A table that is looked up by bytes, as the interpreter and the translator read and write it: over page boundaries, into a page that is
// not there, and into the code itself.

import { expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import type { Machine } from "../machine/machine.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";

const CODE = 0x1000, BYTES = 0x5000, TABLE = 0x2ffa, STACK = 0xf000;

function run(jit: boolean, code: readonly number[], prepare: (machine: Machine) => void, cr0 = 0x11, edi = TABLE) {
  const machine = eagerMachine(jit);
  machine.reset();
  for (let n = 0; n < 1024; n++) machine.physical.writeBytes(TABLE + n, Uint8Array.of((n * 37) ^ (n >> 3)));
  for (let n = 0; n < 256; n++) machine.physical.writeBytes(BYTES + n, Uint8Array.of(n * 151 + 7));
  machine.physical.writeBytes(CODE, Uint8Array.from(code));
  // Handler of #PF at 8000: hlt. IDT at 6000, GDT at 7000, page directory at 10000, table at 11000.
  machine.physical.writeBytes(0x8000, Uint8Array.of(0xf4));
  machine.physical.writeBytes(0x6000 + 14 * 8, Uint8Array.of(0, 0x80, 8, 0, 0, 0x8e, 0, 0));
  machine.physical.writeBytes(0x7008, Uint8Array.of(0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0));
  machine.physical.writeBytes(0x1_0000, Uint8Array.of(3, 0x10, 1, 0));
  for (let page = 0; page < 256; page++) machine.physical.writeBytes(0x1_1000 + page * 4, Uint8Array.of(3, (page << 4) & 0xff, page >> 4, 0));
  prepare(machine);
  const data = { selector: 16, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: CODE, esp: STACK, cpl: 0, cr0, cr3: 0x1_0000, esi: BYTES, edi, eax: 1, edx: 0, ebx: 0, cs: { ...data, selector: 8, access: 0xc09b }, ss: data, ds: data, es: data,
    idtr: { base: 0x6000, limit: 0x7ff }, gdtr: { base: 0x7000, limit: 0x17 },
  });
  for (let n = 0; n < 400; n++) if (machine.run(50) === "halted") break;
  const { state } = machine.cpu;
  const memory = new Uint8Array(0x3000);
  machine.physical.readBytes(TABLE & ~0xfff, memory);
  return { registers: Array.from({ length: 8 }, (_, n) => state.gpr(n)), retired: machine.core.retired(), memory: [...memory].reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 0) };
}

// l: movzx ecx, byte [esi+edx]; xor cl, al; movzx ecx, cl; add eax, [ecx*4+TABLE]; rol eax, 5; inc dl; jmp l
const READS = [0x0f, 0xb6, 0x0c, 0x16, 0x30, 0xc1, 0x0f, 0xb6, 0xc9, 0x03, 0x04, 0x8d, ...word(TABLE), 0xc1, 0xc0, 5, 0xfe, 0xc2, 0xeb, -23 & 0xff];
// ... add [edi+ecx*4], eax in place of the addition
const WRITES = [0x0f, 0xb6, 0x0c, 0x16, 0x30, 0xc1, 0x0f, 0xb6, 0xc9, 0x01, 0x04, 0x8f, 0x40, 0xfe, 0xc2, 0xeb, -17 & 0xff];

function word(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff);
}

it.each([["reads", READS], ["writes", WRITES]])("%s across two pages", (_name, code) => {
  const interpreted = run(false, code, () => {});
  expect(run(true, code, () => {})).toEqual(interpreted);
  expect(interpreted.retired).toBe(20_000);
});

it.each([["reads", READS], ["writes", WRITES]])("%s that meet a page that is not there", (_name, code) => {
  // The second page of the table, from a byte on that comes late.
  const prepare = (machine: Machine) => {
    for (let n = 0; n < 256; n++) machine.physical.writeBytes(BYTES + n, Uint8Array.of(0));
    machine.physical.writeBytes(0x1_1000 + 3 * 4, Uint8Array.of(0, 0, 0, 0));
  };
  const still = code.map((byte, n) => (n === 4 || n === 5 ? 0x90 : byte));
  const late = (machine: Machine) => {
    prepare(machine);
    machine.physical.writeBytes(BYTES + 200, Uint8Array.of(9));
  };
  const interpreted = run(false, still, late, 0x8000_0011);
  expect(run(true, still, late, 0x8000_0011)).toEqual(interpreted);
  expect(interpreted.retired).toBeLessThan(2000);
  expect(interpreted.registers[4]).toBe(STACK - 16);
});

it("writes that change the code that makes them", () => {
  // add byte [edi+ecx*4], 1 in place of the addition to the table, which is the page of the code; once it is the byte of INC DL.
  const code = [...WRITES.slice(0, 4), 0x90, 0x90, ...WRITES.slice(6, 9), 0x80, 0x04, 0x8f, 1, 0x40, 0xfe, 0xc2, 0xeb, -18 & 0xff];
  const enter = (jit: boolean) => run(jit, code, (machine) => {
    for (let n = 0; n < 256; n++) machine.physical.writeBytes(BYTES + n, Uint8Array.of(n === 99 ? 3 : 0xf0));
  }, 0x11, CODE + 3);
  const interpreted = enter(false);
  expect(enter(true)).toEqual(interpreted);
  // INC DL (fe c2) has become INC BL, INC AH ... INC DH.
  expect(interpreted.registers[2]).toBeGreaterThan(0xff);
});
