// Regions that go on in one another, as the interpreter runs the same code: after the same number of instructions, whatever the
// lengths of the runs, while the code behind a link changes, and while its page is mapped elsewhere.
// SDM Vol. 3A, "Self-Modifying Code"; Vol. 2, INVLPG.

import { describe, expect, it } from "vitest";
import { EFLAGS_SYSTEM } from "../isa/state-layout.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { Machine } from "../machine/machine.ts";
import { GDT_AT, surroundings } from "../../test/support/trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA } from "../../test/support/trap-model.ts";
import { createPrng } from "../../test/support/prng.ts";
import { hostChains } from "./links.ts";

const DIRECTORY = 0x2_0000, TABLE = 0x2_1000, MAIN = 0x4000, CALLED = 0x8000, OTHER = 0x9000, ENTRY = TABLE + (CALLED >> 12) * 4;
const word = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
const from = (at: number, target: number) => word(target - at);

/** Sixteen calls, and what `then` does, round after round. */
function program(then: readonly number[]): number[] {
  const head = [0xbe, 16, 0, 0, 0, 0xe8, ...from(MAIN + 10, CALLED), 0x41, 0x4e, 0x75, -9 & 0xff]; // mov esi, 16; call; inc ecx; dec esi; jnz
  const code = [...head, ...then, 0xe9];
  return [...code, ...from(MAIN + code.length + 4, MAIN)];
}

const ADDS_TO_EAX = [0x83, 0xc0, 1, 0xc3], ADDS_TO_EBX = [0x83, 0xc3, 1, 0xc3];

function machineOf(jit: boolean, main: readonly number[], called: readonly number[] = ADDS_TO_EAX, other: readonly number[] = ADDS_TO_EBX): Machine {
  const machine = new Machine({ memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: jit ? { threshold: 4, promotion: 1 << 30, batch: 1, patience: 0 } : false });
  machine.reset();
  const pages = Array.from({ length: 64 }, (_, n) => word((n << 12) | 3)).flat();
  const memory: [number, readonly number[]][] = [
    [DIRECTORY, word(TABLE | 3)], [TABLE, pages], [MAIN, main], [CALLED, called], [OTHER, other],
  ];
  for (const [at, bytes] of [...surroundings("pm32"), ...memory]) machine.physical.writeBytes(at, Uint8Array.from(bytes));
  const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: MAIN, esp: 0xf000, eflags: 2, cpl: 0, cr0: 0x8000_0031, cr3: DIRECTORY, cs: { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: 0xc09b },
    ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: 0, limit: 0 },
    tr: { selector: 0, base: 0, limit: 0, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
  for (let n = 0; n < 8; n++) if (n !== 4) machine.cpu.state.setGpr(n, 0);
  return machine;
}

function agree(main: readonly number[], called?: readonly number[], other?: readonly number[]): void {
  const random = createPrng(main.length), interpreted = machineOf(false, main, called, other), translated = machineOf(true, main, called, other);
  for (let run = 0; run < 100; run++) {
    const length = 1 + random.below(150);
    for (const machine of [interpreted, translated]) expect(machine.run(length)).toBe("budget");
    expect(registers(translated), `run ${run}`).toEqual(registers(interpreted));
  }
  expect(translated.translations!.counters.linked).toBeGreaterThan(0);
}

const registers = ({ cpu }: Machine) => [...Array.from({ length: 8 }, (_, n) => cpu.state.gpr(n)), cpu.state.eip, cpu.v.context.get(EFLAGS_SYSTEM)];

describe.runIf(hostChains())("links", () => {
  const CHANGES_CODE = [0x80, 0x05, ...word(CALLED + 2), 1]; // add byte [CALLED + 2], 1
  const MAPS_ELSEWHERE = [0x81, 0x35, ...word(ENTRY), ...word(0x1000), 0x0f, 0x01, 0x3d, ...word(CALLED)]; // xor dword [ENTRY], 1000h; invlpg [CALLED]

  it.each([["stays", [0x90]], ["changes", CHANGES_CODE], ["is mapped elsewhere", MAPS_ELSEWHERE], ["changes and is mapped elsewhere", [...CHANGES_CODE, ...MAPS_ELSEWHERE]]] as const)("code that %s", (_what, then) => {
    agree(program(then));
  });

  // dec ecx; jz to the end; call the other; ret
  const recursive = (at: number, callee: number) => [0x49, 0x74, 5, 0xe8, ...from(at + 8, callee), 0xc3];
  const DEPTH = 300;

  it.each([
    // inc eax; test al, 1; jz to the end; inc dword [esp]; ret: past the INC ECX behind the call
    ["to another place than behind the call", program([0x90]), [0x40, 0xa8, 1, 0x74, 3, 0xff, 0x04, 0x24, 0xc3], ADDS_TO_EBX],
    // inc eax; add esp, 4; jmp back behind the call
    ["by a jump", program([0x90]), [0x40, 0x83, 0xc4, 4, 0xe9, ...from(CALLED + 9, MAIN + 10)], ADDS_TO_EBX],
    // mov ecx, DEPTH; call; inc eax; jmp
    ["from deep down", [0xb9, ...word(DEPTH), 0xe8, ...from(MAIN + 10, CALLED), 0x40, 0xe9, ...from(MAIN + 16, MAIN)], recursive(CALLED, OTHER), recursive(OTHER, CALLED)],
  ] as const)("calls that return %s", (_where, main, called, other) => {
    agree(main, called, other);
  });

  it("adds what each of the two functions adds", () => {
    const translated = machineOf(true, program(MAPS_ELSEWHERE));
    // 1 + 16 * (call, add, ret, inc, dec, jnz) + xor, invlpg, jmp
    translated.run(20 * 100);
    expect([0, 3, 1].map((n) => translated.cpu.state.gpr(n))).toEqual([160, 160, 320]);
  });
});
