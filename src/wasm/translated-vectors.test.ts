// Comparisons of real numbers and what follows from them, in code that has been translated. SDM Vol. 2, COMISD, "Operation"; SETcc, condition codes.

import { expect, it } from "vitest";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { Machine } from "../machine/machine.ts";

const PROGRAM = 0x3000, X = 0x5000, Y = 0x5008, ANSWERS = 0x6000, ROUNDS = 40, CR4_OSFXSR = 0x200;

const machine = new Machine({
  memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: { threshold: 2, promotion: 8, batch: 1, patience: 0 },
});

const word = (n: number) => [0, 8, 16, 24].map((shift) => (n >>> shift) & 0xff);
/** movsd xmm0, [X]; comisd xmm0, [Y] or ucomisd; setcc [ANSWERS + cc] of all sixteen; jmp back */
function code(comparison: number): number[] {
  const body = [0xf2, 0x0f, 0x10, 0x05, ...word(X), 0x66, 0x0f, comparison, 0x05, ...word(Y)];
  for (let condition = 0; condition < 16; condition++) body.push(0x0f, 0x90 | condition, 0x05, ...word(ANSWERS + condition));
  return [...body, 0xe9, ...word(-(body.length + 5))];
}
const INSTRUCTIONS = 19;

/** O NO B NB Z NZ BE NBE S NS P NP L NL LE NLE, where OF and SF are 0. */
function answers(zf: number, pf: number, cf: number): number[] {
  return [0, cf, zf, cf | zf, 0, pf, 0, zf].flatMap((holds) => [holds, 1 - holds]);
}

const DENORMAL = 2 ** -1074;
it.each([
  [1, 2, answers(0, 0, 1)], [2, 1, answers(0, 0, 0)], [-1.5, -1.5, answers(1, 0, 0)], [0, -0, answers(1, 0, 0)], [-0, 3, answers(0, 0, 1)],
  [NaN, 1, answers(1, 1, 1)], [1, NaN, answers(1, 1, 1)], [-Infinity, 1, answers(0, 0, 1)], [Infinity, Infinity, answers(1, 0, 0)],
  [DENORMAL, 0, answers(0, 0, 0)], [DENORMAL, 2 * DENORMAL, answers(0, 0, 1)],
])("%d against %d", (x, y, expected) => {
  for (const comparison of [0x2e, 0x2f]) {
    machine.reset();
    const numbers = new Float64Array([x, y]);
    machine.physical.writeBytes(X, new Uint8Array(numbers.buffer));
    machine.physical.writeBytes(PROGRAM, Uint8Array.from(code(comparison)));
    const data = { selector: 0x10, base: 0, limit: 0xffff_ffff, access: 0xc093 };
    setGuestRegisters(machine, {
      eip: PROGRAM, esp: 0x2000, eflags: 2, cpl: 0, cr0: 0x31, cr4: CR4_OSFXSR, cs: { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc09b }, ss: data, ds: data, es: data,
      fs: data, gs: data, gdtr: { base: 0, limit: 0 }, idtr: { base: 0, limit: 0 }, tr: { selector: 0, base: 0, limit: 103, access: 0x8b },
      ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
    });
    // What the first rounds leave must come from code that has been translated, and where the comparison leaves again and again, from code that calls.
    for (const rounds of [4, ROUNDS, ROUNDS]) {
      machine.physical.writeBytes(ANSWERS, new Uint8Array(16).fill(7));
      machine.run(INSTRUCTIONS * rounds);
      const at = machine.map.ram + ANSWERS;
      expect([...machine.cpu.state.u8.subarray(at, at + 16)]).toEqual(expected);
      expect(machine.cpu.state.eip).toBe(PROGRAM);
    }
    expect(machine.translations!.counters.instructions).toBeGreaterThan(0);
  }
});
