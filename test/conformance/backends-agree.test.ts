// The interpreter against the plain evaluating back-end on random programs of integer instructions, or of MMX and SSE ones, bit for bit:
// registers, status flags, memory, faults with their error codes and CR2, in blocks and instruction by instruction.
// TRAPSCOPE_AGREEMENT_PROGRAMS sets the number of programs, TRAPSCOPE_AGREEMENT_SEED the first seed.

import { describe, expect, it } from "vitest";
import { InterpreterMachine } from "../support/interpreter-run.ts";
import { isPacked, isPlainInteger, listProgram, randomProgram, type RandomProgram, shrinkProgram } from "../support/random-programs.ts";
import { runOnEvaluator, type RunResult } from "../support/reference-run.ts";

const PROGRAMS = Number(process.env["TRAPSCOPE_AGREEMENT_PROGRAMS"] ?? 450);
const FIRST_SEED = Number(process.env["TRAPSCOPE_AGREEMENT_SEED"] ?? 1);
const MAX_STEPS = 400;

/** What differs, in words; empty if nothing does. */
function difference(expected: RunResult, actual: RunResult): string {
  const lines: string[] = [];
  const note = (what: string, left: unknown, right: unknown) => lines.push(`${what}: evaluator ${left}, interpreter ${right}`);
  const hex = (value: number) => (value >>> 0).toString(16);
  expected.registers.forEach((value, n) => {
    if (value !== actual.registers[n]) note(`register ${n}`, hex(value), hex(actual.registers[n] as number));
  });
  if (expected.eip !== actual.eip) note("EIP", hex(expected.eip), hex(actual.eip));
  if (expected.eflags !== actual.eflags) note("EFLAGS", hex(expected.eflags), hex(actual.eflags));
  const faults = [JSON.stringify(expected.faults), JSON.stringify(actual.faults)];
  if (faults[0] !== faults[1]) note("faults", faults[0], faults[1]);
  if (Buffer.compare(expected.memory, actual.memory) !== 0) {
    const at = expected.memory.findIndex((byte, n) => byte !== actual.memory[n]);
    note(`memory at ${at.toString(16)}`, expected.memory[at], actual.memory[at]);
  }
  if (Buffer.compare(expected.packed, actual.packed) !== 0) {
    const at = expected.packed.findIndex((byte, n) => byte !== actual.packed[n]);
    note(`x87 and SSE state at ${at.toString(16)}`, Buffer.from(expected.packed.subarray(at, at + 16)).toString("hex"), Buffer.from(actual.packed.subarray(at, at + 16)).toString("hex"));
  }
  return lines.join("\n");
}

describe("interpreter and evaluator agree", () => {
  const machine = new InterpreterMachine();
  const compare = (program: RandomProgram, slice: number) => {
    const expected = runOnEvaluator(program, MAX_STEPS);
    try {
      return difference(expected, machine.run(program, expected.steps, slice));
    } catch (error) {
      return `interpreter: ${error}`;
    }
  };

  for (const [name, slice, rows] of [
    ["in blocks", 1 << 20, isPlainInteger], ["in short runs", 3, isPlainInteger], ["instruction by instruction", 1, isPlainInteger],
    ["on MMX and SSE in blocks", 1 << 20, isPacked], ["on MMX and SSE instruction by instruction", 1, isPacked],
  ] as const) {
    it(name, () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + PROGRAMS / 3; seed++) {
        const program = randomProgram(seed, { count: 60, code32: seed % 3 !== 0, rows });
        if (compare(program, slice) === "") continue;
        const small = shrinkProgram(program, (candidate) => compare(candidate, slice) !== "");
        expect.fail(`${listProgram(small)}\n${compare(small, slice)}`);
      }
    });
  }
});
