// The x87 notes the selectors of CS and of the operand's segment with each instruction; FNSTENV, FNSAVE and FXSAVE show them. In a kernel
// that really runs in ring 1 or 3 they carry that ring: a hole like MOV r,CS, which nothing closes but what steps the instruction.
import { describe, expect, it } from "vitest";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { dword, flatGuest } from "../support/flat-guest.ts";
import { countsOf } from "../support/guest-run.ts";

const ENVIRONMENT = 0x3000, STATE = 0x3100, FAST = 0x3200;
/** fld dword [esp]; fnstenv [ENVIRONMENT]; fxsave [FAST]; fnsave [STATE]; cli; hlt */
const PROGRAM = [0xd9, 0x04, 0x24, 0xd9, 0x35, ...dword(ENVIRONMENT), 0x0f, 0xae, 0x05, ...dword(FAST), 0xdd, 0x35, ...dword(STATE), 0xfa, 0xf4];
/** SDM Vol. 1, figure 8-9: FCS is the fifth dword, FDS the seventh; Vol. 2, FXSAVE: at 12 and 20. */
const CS_AT = [ENVIRONMENT + 16, STATE + 16, FAST + 12], DS_AT = [ENVIRONMENT + 24, STATE + 24, FAST + 20];

function run(technique: TechniqueId, ring: 1 | 3) {
  const machine = flatGuest(PROGRAM, technique, ring, {}, { cr0: 0x31, cr4: 0x200 });
  expect(machine.run(1000)).toBe("halted");
  const word = (at: number): number => new DataView(machine.map.buffer).getUint16(machine.map.ram + at, true);
  return { code: CS_AT.map(word), data: DS_AT.map(word), leaks: countsOf(machine).leaks.byInstruction };
}

describe("the selectors that the x87 saves", () => {
  it.each([["emulate", 1], ["int3", 1], ["scan", 3], ["translate", 1], ["vtx", 1]] as const)("are the guest's own under %s", (technique, ring) => {
    expect(run(technique, ring)).toEqual({ code: [8, 8, 8], data: [0x10, 0x10, 0x10], leaks: {} });
  });

  it.each([1, 3] as const)("show ring %i under trap, and each of the three leaks", (ring) => {
    expect(run("trap", ring)).toEqual({
      code: Array(3).fill(8 | ring), data: Array(3).fill(0x10 | ring), leaks: { FNSTENV: 1, FXSAVE: 1, FNSAVE: 1 },
    });
  });
});
