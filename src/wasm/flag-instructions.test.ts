// What PUSHF, POPF, CLI and STI do at CPL 0, where generated code does them itself, as the interpreter and the translator run them.
// SDM Vol. 2, the instructions' "Operation"; STI: "If IF = 0, maskable hardware interrupts remain inhibited on the instruction boundary
// following an execution of STI".

import { describe, expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { getEflags } from "../cpu/eflags.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { OBSERVED_BASE } from "../isa/state-layout.ts";
import type { Machine } from "../machine/machine.ts";
import { GDT_AT, surroundings, TSS_AT } from "../../test/support/trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA, TSS } from "../../test/support/trap-model.ts";
import { IDT_AT, IRQ_VECTOR, PROGRAM_AT, transferProgram } from "../../test/support/transfer-programs.ts";

const ROUNDS = 40;

function machineOf(jit: boolean): Machine {
  const machine = eagerMachine(jit);
  machine.pc.acknowledge = () => {
    machine.core.setIntr(false);
    return IRQ_VECTOR;
  };
  return machine;
}

function begin(machine: Machine, code: readonly number[]): void {
  machine.reset();
  for (const [address, bytes] of [...surroundings("pm32"), ...transferProgram(1, 0)]) machine.physical.writeBytes(address, bytes);
  machine.physical.writeBytes(PROGRAM_AT, Uint8Array.from(code));
  const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: PROGRAM_AT, esp: 0xf000, eflags: 2, cpl: 0, cr0: 0x31, cs: { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: 0xc09b },
    ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: IDT_AT, limit: 0x7ff },
    tr: { selector: TSS, base: TSS_AT, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
}

describe.each([["interpreted", false], ["translated", true]] as const)("%s", (_name, jit) => {
  const machine = machineOf(jit);

  it.each([0x202, 0x246, 0xcd7, 0x8d7, 0x402, 0x4002, 0x3002, 0x20_0002, 0x20_0646])("POPF of %i, and what PUSHF shows of it, round after round", (image) => {
    // push image; popf; pushf; pop eax; cli; loop back
    begin(machine, [0x68, image & 0xff, (image >> 8) & 0xff, (image >> 16) & 0xff, 0, 0x9d, 0x9c, 0x58, 0xfa, 0xeb, -11 & 0xff]);
    for (let round = 1; round <= ROUNDS; round++) machine.run(6);
    expect([machine.cpu.state.gpr(0), getEflags(machine.cpu.state, machine.cpu.context), machine.cpu.state.gpr(4)]).toEqual([image, image & ~0x200, 0xf000]);
  });

  it("what the log is to record is recorded after a reset, too", () => {
    const { probes, counters } = machine.supervisor;
    probes.recordObserved = true;
    begin(machine, [0x9c, 0x58, 0xeb, -4 & 0xff]);
    for (let round = 1; round <= ROUNDS; round++) machine.run(3);
    probes.recordObserved = false;
    expect(machine.cpu.state.i32.subarray(OBSERVED_BASE >> 2, (OBSERVED_BASE >> 2) + 4096).some((count) => count !== 0)).toBe(false);
    for (let round = 1; round <= ROUNDS; round++) machine.run(3);
    expect(counters.get("observed")).toBe(2 * ROUNDS);
  });

  it.each([["waits when STI runs", 2], ["comes right behind it", 3]] as const)("an interrupt that %s is taken behind the instruction after STI", (_when, before) => {
    // cli; inc ecx; sti; inc eax; inc edx; loop back: the interrupt is taken between the two
    begin(machine, [0xfa, 0x41, 0xfb, 0x40, 0x42, 0xeb, -7 & 0xff]);
    machine.cpu.state.setGpr(2, 0);
    for (let round = 1; round <= ROUNDS; round++) {
      machine.run(before);
      machine.core.setIntr(true);
      machine.run(4 - before);
      expect([machine.cpu.state.eip < PROGRAM_AT, machine.cpu.state.gpr(0), machine.cpu.state.gpr(2)]).toEqual([true, round, round - 1]);
      while (machine.cpu.state.eip < PROGRAM_AT) machine.run(1);
      expect([machine.cpu.state.eip, machine.cpu.state.gpr(0)]).toEqual([PROGRAM_AT + 4, round]);
      machine.run(2);
      expect([machine.cpu.state.eip, machine.cpu.state.gpr(2)]).toEqual([PROGRAM_AT, round]);
    }
  });

  it("an interrupt that POPF lets in comes at once", () => {
    // push 202h; cli; popf; inc eax; loop back
    begin(machine, [0x68, 2, 2, 0, 0, 0xfa, 0x9d, 0x40, 0xeb, -10 & 0xff]);
    for (let round = 1; round <= ROUNDS; round++) {
      machine.run(2);
      machine.core.setIntr(true);
      machine.run(2);
      expect([machine.cpu.state.eip < PROGRAM_AT, machine.cpu.state.gpr(0)]).toEqual([true, round - 1]);
      while (machine.cpu.state.eip < PROGRAM_AT) machine.run(1);
      expect(machine.cpu.state.eip).toBe(PROGRAM_AT + 7);
      machine.run(2);
    }
  });
});
