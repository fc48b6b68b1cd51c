// Frames and structures near a page boundary, as the interpreter and the translator reach them: over the boundary, into a page that is not
// there or may not be written, and with the register moved on in between.

import { expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { createPrng } from "../../test/support/prng.ts";
import type { Machine } from "../machine/machine.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";

const CODE = 0x1000, EDGE = 0x6000, ABOVE = 0x9000;
const PROGRAMS = process.env["TRAPSCOPE_LONG"] ? 400 : 24;

/** By EBX, EBP or ESP; they and EAX, EDX change by what is known and what is not. */
function program(random: (below: number) => number): number[] {
  const code: number[] = [];
  const operand = (opcode: readonly number[], reg: number) => {
    const base = [3, 5, 4][random(3)]!;
    code.push(...opcode, 0x40 | (reg << 3) | base, ...(base === 4 ? [0x24] : []), (random(20) - 10) * (random(4) === 0 ? 1 : 4));
  };
  for (let n = 0; n < 10; n++) {
    switch (random(12)) {
      case 0: case 1: operand([0x8b], [0, 2][random(2)]!); break;
      case 2: case 3: operand([0x89], [0, 1, 2][random(3)]!); break;
      case 4: operand([0x01], 0); break;
      case 5: operand([0x0f, 0xb6], 0); break;
      case 6: code.push(0x50 + [0, 2, 3][random(3)]!); break;
      case 7: code.push(0x58 + [0, 2][random(2)]!); break;
      case 8: code.push(0x83, [0xc3, 0xeb, 0xc4, 0xec, 0xc5][random(5)]!, (random(9) - 4) * 4); break;
      case 9: operand([0xff], 6); break; // push [m]
      case 10: operand([0x8f], 0); break; // pop [m]
      default: code.push(...[[0x8d, 0x5b, 4], [0x43], [0x4b], [0x8d, 0x5c, 0x24, 8], [0x87, 0xdd]][random(5)]!);
    }
  }
  // Back to where it began: mov esp, edi; mov ebx, esi; mov ebp, esi; dec ecx; jnz; hlt
  code.push(0x89, 0xfc, 0x89, 0xf3, 0x89, 0xf5, 0x49, 0x0f, 0x85);
  return [...code, ...[0, 8, 16, 24].map((shift) => (-(code.length + 4) >> shift) & 0xff), 0xf4];
}

function start(machine: Machine, seed: number): void {
  const { below: random } = createPrng(seed);
  machine.reset();
  machine.physical.writeBytes(CODE, Uint8Array.from(program(random)));
  machine.physical.writeBytes(0x8000, Uint8Array.of(0xf4));
  machine.physical.writeBytes(0x3000 + 14 * 8, Uint8Array.of(0, 0x80, 8, 0, 0, 0x8e, 0, 0));
  machine.physical.writeBytes(0x3000 + 8 * 8, Uint8Array.of(0, 0x80, 8, 0, 0, 0x8e, 0, 0));
  machine.physical.writeBytes(0x7008, Uint8Array.of(0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0));
  machine.physical.writeBytes(0x1_0000, Uint8Array.of(3, 0x10, 1, 0));
  // The page below the edge is there; the one above it is elsewhere, is not there, or may be read alone.
  const above = [3, 3, 3, 1, 0][random(5)]!;
  const entry = (page: number, to: number, bits: number) => machine.physical.writeBytes(0x1_1000 + page * 4, Uint8Array.of(bits, (to << 4) & 0xff, to >> 4, 0));
  for (let page = 0; page < 256; page++) entry(page, page, 3);
  entry(EDGE >> 12, ABOVE >> 12, above);
  for (let n = 0; n < 0x100; n++) for (const at of [EDGE - 0x100, ABOVE]) machine.physical.writeBytes(at + n, Uint8Array.of((n * 73) ^ seed ^ (at >> 12)));
  const data = { selector: 16, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  const at = EDGE + (random(30) - (above === 3 ? 15 : 28)) * 4 + (random(5) === 0 ? 1 : 0), esp = EDGE - (above === 3 ? random(20) : 20) * 4 - 40;
  setGuestRegisters(machine, {
    eip: CODE, esp, cpl: 0, cr0: 0x8001_0011, cr3: 0x1_0000, eax: 1, ecx: 60, edx: 2, ebx: at, ebp: at, esi: at, edi: esp, cs: { ...data, selector: 8, access: 0xc09b }, ss: data, ds: data, es: data,
    idtr: { base: 0x3000, limit: 0x7ff }, gdtr: { base: 0x7000, limit: 0x17 },
  });
}

function shown({ cpu: { state }, core, physical }: Machine) {
  const memory = [EDGE - 0x100, EDGE, ABOVE].flatMap((at) => {
    const bytes = new Uint8Array(0x100);
    physical.readBytes(at, bytes);
    return [...bytes];
  });
  return { retired: core.retired(), eip: state.eip, gpr: Array.from({ length: 8 }, (_, n) => state.gpr(n)), memory };
}

it(`${PROGRAMS} programs near a page boundary are the same translated`, () => {
  const interpreted = eagerMachine(false), made = eagerMachine(true);
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    for (const machine of [interpreted, made]) start(machine, seed);
    for (let n = 0; n < 24; n++) {
      const results = [interpreted, made].map((machine) => machine.run(n < 8 ? 100 : 41));
      expect(results[1], `program ${seed}, run ${n}`).toBe(results[0]);
      expect(shown(made), `program ${seed}, run ${n}`).toEqual(shown(interpreted));
      if (results[0] === "halted") break;
    }
  }
  expect(made.translations!.counters.regions).toBeGreaterThan(PROGRAMS / 2);
});
