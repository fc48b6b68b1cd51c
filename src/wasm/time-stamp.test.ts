// RDTSC as the interpreter and generated code run it. With the virtual clock the counter has ten ticks for each instruction that has
// retired before (docs/decisions/0005). SDM Vol. 2, RDTSC, "Operation".

import { expect, it, describe } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { CR4 } from "../isa/state-layout.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { GDT_AT, surroundings } from "../../test/support/trap-guest.ts";

const PROGRAM = 0x4000, CR4_TSD = 4;
// rdtsc; add esi, 1; mov ecx, edx; jmp back
const LOOP = [0x0f, 0x31, 0x83, 0xc6, 1, 0x89, 0xd1, 0xeb, -9 & 0xff], LOOP_INSTRUCTIONS = 4;

describe.each([["interpreted", false], ["translated", true]] as const)("%s", (_name, jit) => {
  const machine = eagerMachine(jit);

  function begin(cpl: 0 | 3): void {
    machine.reset();
    for (const [address, bytes] of surroundings("pm32")) machine.physical.writeBytes(address, bytes);
    machine.physical.writeBytes(PROGRAM, Uint8Array.from(LOOP));
    const dpl = cpl << 5, data = { selector: 0x10 | cpl, base: 0, limit: 0xffff_ffff, access: 0xc093 | dpl };
    setGuestRegisters(machine, {
      eip: PROGRAM, esp: 0xf000, eflags: 2, cpl, cr0: 0x31, cs: { selector: 8 | cpl, base: 0, limit: 0xffff_ffff, access: 0xc09b | dpl }, ss: data, ds: data, es: data, fs: data, gs: data,
      gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: 0, limit: 0 }, tr: { selector: 0, base: 0, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
    });
    for (const register of [0, 1, 2, 6]) machine.cpu.state.setGpr(register, 0);
  }

  it("counts what has retired before it, however long the runs are", () => {
    begin(0);
    const before = machine.core.retired();
    for (let run = 0, ran = 0; run < 200; run++) {
      const length = 1 + ((run * 7) % 23);
      expect(machine.run(length)).toBe("budget");
      ran += length;
      const rounds = Math.ceil(ran / LOOP_INSTRUCTIONS), last = (rounds - 1) * LOOP_INSTRUCTIONS;
      expect([machine.cpu.state.gpr(0) >>> 0, machine.cpu.state.gpr(2)], `run ${run}`).toEqual([(before + last) * 10, 0]);
    }
    if (jit) expect(machine.translations!.counters.instructions).toBeGreaterThanOrEqual(LOOP_INSTRUCTIONS);
  });

  it("is not for CPL 3 while CR4.TSD is set", () => {
    begin(3);
    machine.run(40 * LOOP_INSTRUCTIONS);
    machine.cpu.context.set(CR4, CR4_TSD);
    machine.core.stopAtException = true;
    machine.run(1);
    machine.core.stopAtException = false;
    expect([machine.core.exception, machine.cpu.state.gpr(6)]).toEqual([{ vector: 13, errorCode: 0 }, 40]);
  });
});
