// REP MOVS and REP STOS in code that has been translated, against elements one by one. SDM Vol. 2, REP, MOVS, STOS, "Operation".

import { describe, expect, it } from "vitest";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { Machine } from "../machine/machine.ts";

const PROGRAM = 0x3000, STACK = 0x2000, FROM = 0x1_0000, TO = 0x3_0000, SPAN = 0x2_0000, ROUNDS = 8;
const ECX = 1, ESI = 6, EDI = 7;

const eager = (memoryBytes: number) => new Machine({
  memoryBytes, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: { threshold: 2, promotion: 8, batch: 1, patience: 0 },
});
const machine = eager(1 << 20);

interface Repetition {
  readonly moves: boolean;
  readonly width: 1 | 2 | 4;
  readonly count: number;
  readonly from: number;
  readonly to: number;
  readonly value: number;
  readonly backwards: boolean;
}

/** cld or std; mov esi, edi, ecx, eax; the instruction; jmp back */
function code({ moves, width, count, from, to, value, backwards }: Repetition): number[] {
  const word = (n: number) => [0, 8, 16, 24].map((shift) => (n >>> shift) & 0xff);
  const body = [
    backwards ? 0xfd : 0xfc, 0xbe, ...word(from), 0xbf, ...word(to), 0xb9, ...word(count), 0xb8, ...word(value),
    ...(width === 2 ? [0x66] : []), 0xf3, (moves ? 0xa4 : 0xaa) | (width === 1 ? 0 : 1),
  ];
  return [...body, 0xeb, -(body.length + 2) & 0xff];
}
const INSTRUCTIONS = 7;

/** One round on a copy of the memory. */
function model(memory: Uint8Array, { moves, width, count, from, to, value, backwards }: Repetition): void {
  for (let n = 0; n < count; n++) {
    const at = (backwards ? -n : n) * width;
    const element = moves ? memory.slice(from + at, from + at + width) : Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24).slice(0, width);
    memory.set(element, to + at);
  }
}

function prepare(machine: Machine, repetition: Repetition): void {
  machine.reset();
  machine.physical.writeBytes(PROGRAM, Uint8Array.from(code(repetition)));
  const data = { selector: 0x10, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: PROGRAM, esp: STACK, eflags: 2, cpl: 0, cr0: 0x31, cs: { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc09b }, ss: data, ds: data, es: data, fs: data, gs: data,
    gdtr: { base: 0, limit: 0 }, idtr: { base: 0, limit: 0 }, tr: { selector: 0, base: 0, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
}

function check(repetition: Repetition): void {
  prepare(machine, repetition);
  const begin = machine.map.ram;
  const memory = machine.cpu.state.u8.subarray(begin, begin + TO + SPAN);
  for (let n = 0; n < SPAN * 2; n++) memory[FROM + n] = (n * 31) ^ (n >> 7);
  const expected = memory.slice();
  for (let round = 0; round < ROUNDS; round++) model(expected, repetition);
  for (const rounds of [4, 1, ROUNDS - 5]) machine.run(INSTRUCTIONS * rounds);
  const distance = repetition.count * repetition.width * (repetition.backwards ? -1 : 1);
  const { state } = machine.cpu;
  expect([ECX, ESI, EDI].map((register) => state.gpr(register))).toEqual([0, repetition.from + (repetition.moves ? distance : 0), repetition.to + distance]);
  expect(state.eip).toBe(PROGRAM);
  expect(Buffer.compare(memory, expected)).toBe(0);
}

const PLAIN = { moves: true, from: FROM, to: TO, value: 0, backwards: false } as const;

describe.each([1, 2, 4] as const)("elements of %d bytes", (width) => {
  it.each([0, 1, 3, 15, 16, 17, 64, 1021, 0x1_0400 / width])("copies and fills %d of them, aligned and not", (count) => {
    for (const [from, to] of [[FROM, TO], [FROM + 0xffb, TO + 0xe02], [FROM + 1, TO + 0xfff]]) {
      check({ ...PLAIN, width, count, from, to });
      check({ ...PLAIN, moves: false, width, count, to, value: 0x7b7b_7b7b });
      check({ ...PLAIN, moves: false, width, count, to, value: 0x8192_a3b4 | 0 });
    }
  });

  it.each([-4096, -7, -1, 0, 1, 2, 3, 4, 5, 8, 60, 4096])("copies over itself, %d bytes ahead", (ahead) => {
    for (const count of [9, 100, 5000 / width]) check({ ...PLAIN, width, count, from: TO + 0x400, to: TO + 0x400 + ahead });
  });

  it("goes backwards with DF set", () => {
    check({ ...PLAIN, width, count: 700, from: FROM + 0x2000, to: TO + 0x2003, backwards: true });
    check({ ...PLAIN, moves: false, width, count: 700, to: TO + 0x2003, value: 0x1234_5678, backwards: true });
  });
});

it("copies over the code that copies", () => {
  // Onto itself, so that the program stays as it is.
  check({ ...PLAIN, width: 4, count: 64, from: PROGRAM, to: PROGRAM });
});

it("goes on where it stopped for interrupts", () => {
  const machine = eager(16 << 20), bytes = 0x42_0003, from = 0x20_0000, to = 0x90_0001;
  const memory = machine.cpu.state.u8.subarray(machine.map.ram, machine.map.ram + (16 << 20));
  for (const moves of [true, false]) {
    prepare(machine, { ...PLAIN, moves, width: 1, count: bytes, from, to, value: 0x7b });
    memory.fill(0, from);
    for (let n = 0; n < bytes; n += 509) memory[from + n] = n;
    const expected = moves ? memory.slice(from, from + bytes) : new Uint8Array(bytes).fill(0x7b);
    for (const rounds of [5, 3]) {
      memory.fill(0, to);
      machine.run(INSTRUCTIONS * rounds);
    }
    expect(machine.cpu.state.gpr(ECX)).toBe(0);
    expect(Buffer.compare(memory.subarray(to, to + bytes), expected)).toBe(0);
    expect([memory[to - 1], memory[to + bytes], machine.cpu.state.eip]).toEqual([0, 0, PROGRAM]);
  }
});

it("translates it", () => {
  check({ ...PLAIN, width: 4, count: 100 });
  expect(machine.translations!.counters.instructions).toBeGreaterThan(0);
});
