// Records of code that changes again and again. SDM Vol. 3A, "Self-Modifying Code".

import { expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { GDT_AT, surroundings } from "../../test/support/trap-guest.ts";

const PROGRAM = 0x4000, ROUNDS = 300;
// jmp to the next instruction; mov eax, 0; inc dword [the immediate]; jmp back
const CODE = [0xeb, 0, 0xb8, 0, 0, 0, 0, 0xff, 0x05, PROGRAM + 3, PROGRAM >> 8, 0, 0, 0xeb, -15 & 0xff], INSTRUCTIONS = 4;

it.each([["interpreted", false], ["translated", true]] as const)("the room of code that is no more is used again, %s", (_how, jit) => {
  const machine = eagerMachine(jit);
  machine.reset();
  for (const [address, bytes] of surroundings("pm32")) machine.physical.writeBytes(address, bytes);
  machine.physical.writeBytes(PROGRAM, Uint8Array.from(CODE));
  const data = { selector: 0x10, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: PROGRAM, esp: 0xf000, eflags: 2, cpl: 0, cr0: 0x31, cs: { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc09b }, ss: data, ds: data, es: data, fs: data, gs: data,
    gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: 0, limit: 0 }, tr: { selector: 0, base: 0, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
  machine.run(ROUNDS * INSTRUCTIONS);
  const used = machine.core.blocks.usedBytes;
  machine.run(ROUNDS * INSTRUCTIONS);
  expect([machine.cpu.state.gpr(0), machine.core.blocks.usedBytes]).toEqual([2 * ROUNDS - 1, used]);
});
