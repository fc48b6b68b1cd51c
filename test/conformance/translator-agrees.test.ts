// The translator against the interpreter on random programs that run round and round: registers, status flags, memory and faults
// after the same number of instructions, whatever the lengths of the runs, and with code that changes under the translator's feet.
// TRAPSCOPE_AGREEMENT_PROGRAMS sets the number of programs, TRAPSCOPE_AGREEMENT_SEED the first seed.

import { describe, expect, it } from "vitest";
import { InterpreterMachine } from "../support/interpreter-run.ts";
import { STATE_BASE, STATE_BYTES, X87_BASE } from "../../src/isa/state-layout.ts";
import type { Row } from "../../src/isa/row.ts";
import { isPlainInteger, listProgram, randomProgram, type RandomProgram, shrinkProgram } from "../support/random-programs.ts";
import type { RunResult } from "../support/reference-run.ts";

const PROGRAMS = Number(process.env["TRAPSCOPE_AGREEMENT_PROGRAMS"] ?? 300);
const FIRST_SEED = Number(process.env["TRAPSCOPE_AGREEMENT_SEED"] ?? 1);
const STEPS = 3000;
const CR4_OSFXSR = 0x200;

/** The program with a jump back to its start behind it. */
function round(program: RandomProgram): RandomProgram {
  const memory = program.memory.slice();
  const end = program.codeAddress + program.bytes.length;
  const distance = -(program.bytes.length + (program.code32 ? 5 : 3));
  memory[end] = 0xe9;
  const view = new DataView(memory.buffer);
  if (program.code32) view.setInt32(end + 1, distance, true);
  else view.setInt16(end + 1, distance, true);
  return { ...program, memory };
}

function difference(expected: RunResult, actual: RunResult): string {
  const hex = (value: number) => (value >>> 0).toString(16);
  const lines: string[] = [];
  const note = (what: string, left: unknown, right: unknown) => {
    if (left !== right) lines.push(`${what}: interpreter ${left}, translator ${right}`);
  };
  expected.registers.forEach((value, n) => note(`register ${n}`, hex(value), hex(actual.registers[n])));
  note("EIP", hex(expected.eip), hex(actual.eip));
  note("EFLAGS", hex(expected.eflags), hex(actual.eflags));
  const firstFault = expected.faults.findIndex((fault, n) => JSON.stringify(fault) !== JSON.stringify(actual.faults[n]));
  note("number of faults", expected.faults.length, actual.faults.length);
  if (firstFault >= 0) note(`fault ${firstFault}`, JSON.stringify(expected.faults[firstFault]), JSON.stringify(actual.faults[firstFault]));
  if (Buffer.compare(expected.memory, actual.memory) !== 0) {
    const at = expected.memory.findIndex((byte, n) => byte !== actual.memory[n]);
    note(`memory at ${at.toString(16)}`, expected.memory[at], actual.memory[at]);
  }
  return lines.join("\n");
}

describe("translator and interpreter agree", () => {
  const interpreter = new InterpreterMachine();
  let translated = 0;

  for (const [name, slice, threshold] of [["at once", 1 << 20, 1], ["after some rounds", 1 << 20, 4], ["in short runs", 211, 2]] as const) {
    it(name, () => {
      const translator = new InterpreterMachine({ threshold, promotion: 8, batch: 1, patience: 0 });
      const compare = (program: RandomProgram) => {
        let expected: RunResult;
        try {
          expected = interpreter.run(round(program), STEPS, slice);
        } catch {
          return ""; // It rewrote itself into something that needs a whole machine.
        }
        try {
          return difference(expected, translator.run(round(program), STEPS, slice));
        } catch (error) {
          return `${(error as Error).stack}`;
        }
      };
      for (let seed = FIRST_SEED; seed < FIRST_SEED + PROGRAMS / 3; seed++) {
        const program = randomProgram(seed, { count: 10 + (seed % 7) * 8, code32: seed % 3 !== 0 });
        if (compare(program) === "") continue;
        const small = shrinkProgram(program, (candidate) => compare(candidate) !== "");
        expect.fail(`${listProgram(small)}\n${compare(small)}`);
      }
      translated += translator.translations!.counters.instructions;
    });
  }

  it("with x87, MMX and SSE instructions", () => {
    const translator = new InterpreterMachine({ threshold: 2, promotion: 8, batch: 1, patience: 0 });
    for (const machine of [interpreter, translator]) machine.cr4 = CR4_OSFXSR;
    const wide = (row: Row) => /^(fpu|mmx|sse)/.test(row.feature ?? "") && !row.sensitivity && row.operands[0] !== "Mp";
    const registers = ({ core }: InterpreterMachine) => Buffer.from(core.cpu.state.u8.subarray(X87_BASE, STATE_BASE + STATE_BYTES));
    const compare = (program: RandomProgram) => {
      let expected: RunResult;
      try {
        expected = interpreter.run(round(program), STEPS, 1 << 20);
      } catch {
        return ""; // As above.
      }
      const actual = translator.run(round(program), STEPS, 1 << 20);
      const at = registers(interpreter).findIndex((byte, n) => byte !== registers(translator)[n]);
      return at < 0 ? difference(expected, actual) : `state at ${(X87_BASE - STATE_BASE + at).toString(16)}`;
    };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + PROGRAMS / 3; seed++) {
      const rows = (row: Row) => (seed % 2 === 0 && isPlainInteger(row)) || wide(row);
      const program = randomProgram(seed, { count: 12 + (seed % 5) * 4, code32: true, segmentation: "flat", rows });
      if (compare(program) === "") continue;
      const small = shrinkProgram(program, (candidate) => compare(candidate) !== "");
      expect.fail(`${listProgram(small)}\n${compare(small)}`);
    }
  });

  it("translates what it runs", () => {
    expect(translated).toBeGreaterThan(PROGRAMS * 20);
  });
});
