// Random x87 programs in a loop, as the interpreter and the translator run them, in short runs, so that they end and begin anywhere:
// stacks that overflow, run empty or move from one round to the next; masked and unmasked exceptions; operands in a page that comes and goes.

import { describe, expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { createPrng } from "../../test/support/prng.ts";
import { FCW, FSW, FTOP, FTW, FIP, FOP, FDP, X87_BASE } from "../isa/state-layout.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import type { Machine } from "../machine/machine.ts";

const CODE = 0x1000, DATA = 0x5000, STACK = 0xf000;
const PROGRAMS = process.env["TRAPSCOPE_LONG"] ? 400 : 12;

/** Encodings; x stands for a register of the stack, [] for a place in memory behind ESI. */
const STACKED = [0xd8c0, 0xd8c8, 0xd8e0, 0xd8e8, 0xd8f0, 0xd8f8, 0xdcc0, 0xdcc8, 0xdce0, 0xdce8, 0xdcf0, 0xdcf8, 0xdec0, 0xdec8, 0xdee0, 0xdee8, 0xdef0, 0xdef8, 0xd9c0, 0xd9c8, 0xddd0, 0xddd8, 0xdbf0, 0xdff0,
  0xdbe8, 0xdfe8, 0xd8d0, 0xd8d8, 0xdde0, 0xdde8, 0xdac0, 0xdbc8, 0xddc0, 0xdfc0, 0xd9d8];
const PLAIN = [0xd9e0, 0xd9e1, 0xd9e4, 0xd9e5, 0xd9e8, 0xd9e9, 0xd9eb, 0xd9ee, 0xd9fa, 0xd9fc, 0xd9fe, 0xd9f2, 0xd9fb, 0xd9f3, 0xd9f0, 0xd9f1, 0xded9, 0xdae9, 0xd9f6, 0xd9f7, 0xd9d0, 0xdfe0, 0x9b90];
/** opcode, /digit */
const MEMORY = [[0xd8, 0], [0xd8, 1], [0xd8, 4], [0xd8, 6], [0xdc, 0], [0xdc, 1], [0xdc, 5], [0xdc, 7], [0xda, 1], [0xda, 4], [0xde, 0], [0xd9, 0], [0xd9, 2], [0xd9, 3], [0xdd, 0], [0xdd, 2], [0xdd, 3], [0xdb, 0], [0xdb, 2], [0xdb, 3],
  [0xdf, 0], [0xdf, 3], [0xdf, 5], [0xdf, 7], [0xdb, 5], [0xdb, 7], [0xd8, 2], [0xdc, 3], [0xda, 3], [0xd9, 5], [0xd9, 7], [0xdd, 7]] as const;

function program(random: (below: number) => number): number[] {
  const code: number[] = [];
  const length = 4 + random(12);
  for (let n = 0; n < length; n++) {
    const kind = random(10);
    if (kind < 5) {
      const opcode = STACKED[random(STACKED.length)]! + random(random(4) === 0 ? 8 : 3);
      code.push(opcode >> 8, opcode & 0xff);
    } else if (kind < 6) {
      const opcode = PLAIN[random(PLAIN.length)]!;
      code.push(opcode >> 8, opcode & 0xff);
    } else if (kind < 9) {
      const [opcode, digit] = MEMORY[random(MEMORY.length)]!;
      code.push(opcode, 0x46 | (digit << 3), random(16) * 8 - 64);
    } else code.push(...[[0x40], [0x01, 0xc3], [0x85, 0xdb], [0x74, 0], [0x93]][random(5)]!);
  }
  // A loop by ECX: dec ecx; jnz
  code.push(0x49, 0x0f, 0x85, ...[0, 8, 16, 24].map((shift) => (-(code.length + 7) >> shift) & 0xff));
  return [...code, 0xf4];
}

function start(machine: Machine, seed: number): void {
  const { below: random } = createPrng(seed);
  machine.reset();
  machine.physical.writeBytes(CODE, Uint8Array.from(program(random)));
  for (let n = 0; n < 32; n++) {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat64(0, [1, -2.5, 0, 1e300, 1e-310, Infinity, NaN, 0.75, 3e9, -1e-40, 123456.789, -0][random(12)]!, true);
    machine.physical.writeBytes(DATA - 128 + n * 8, new Uint8Array(bytes.buffer));
  }
  for (const [at, bytes] of [[0x8000, [0xf4]], [0x7008, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]]] as const) machine.physical.writeBytes(at, Uint8Array.from(bytes));
  for (const vector of [6, 7, 14, 16]) machine.physical.writeBytes(0x6000 + vector * 8, Uint8Array.of(0, 0x80, 8, 0, 0, 0x8e, 0, 0));
  const data = { selector: 16, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: CODE, esp: STACK, cpl: 0, cr0: 0x31, esi: DATA, eax: 1, ebx: 2, ecx: 60, cs: { ...data, selector: 8, access: 0xc09b }, ss: data, ds: data, es: data,
    idtr: { base: 0x6000, limit: 0x7ff }, gdtr: { base: 0x7000, limit: 0x17 },
  });
  const { i32 } = machine.cpu.state;
  // Mostly masked, nearest, 64 bits; some registers in use.
  i32[FCW.offset >> 2] = [0x37f, 0x37f, 0x37f, 0x27f, 0xf7f, 0x7f, 0x340 | random(64)][random(7)]!;
  i32[FTOP.offset >> 2] = random(8);
  i32[FTW.offset >> 2] = [0xffff, 0, 0xff00, 0x0fff][random(4)]!;
  for (let n = 0; n < 8; n++) {
    i32[(X87_BASE >> 2) + n * 4 + 1] = 0x8000_0000 | random(1 << 30);
    i32[(X87_BASE >> 2) + n * 4 + 2] = 0x3ff0 + random(32) + random(2) * 0x8000;
  }
}

function shown({ cpu: { state }, core, physical }: Machine) {
  const memory = new Uint8Array(256);
  physical.readBytes(DATA - 128, memory);
  return {
    retired: core.retired(), eip: state.eip, gpr: Array.from({ length: 8 }, (_, n) => state.gpr(n)),
    x87: [FCW, FSW, FTOP, FTW, FIP, FOP, FDP].map((field) => `${field.name} ${state.i32[field.offset >> 2]!.toString(16)}`),
    registers: Array.from({ length: 8 }, (_, n) => [0, 1, 2].map((part) => (state.i32[(X87_BASE >> 2) + n * 4 + part]! >>> 0).toString(16)).join(" ")), memory: [...memory],
  };
}

describe("x87 programs", () => {
  it(`${PROGRAMS} of them are the same translated`, () => {
    const interpreted = eagerMachine(false), made = eagerMachine(true);
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      for (const machine of [interpreted, made]) start(machine, seed);
      const { below: random } = createPrng(seed + 1000);
      for (let n = 0; n < 60; n++) {
        const steps = n < 20 ? 40 : 1 + random(50);
        const results = [interpreted.run(steps), made.run(steps)];
        expect(results[1], `program ${seed}, run ${n}`).toBe(results[0]);
        expect(shown(made), `program ${seed}, run ${n}`).toEqual(shown(interpreted));
        if (results[0] === "halted") break;
      }
    }
    expect(made.translations!.counters.regions).toBeGreaterThan(PROGRAMS / 2);
  });
});
