// The translator against the interpreter while interrupts and NMIs come at any instruction: programs of test/support/transfer-programs.ts,
// whose handlers add up where and with which flags they interrupted. Registers are compared after every run, memory at the end.
// TRAPSCOPE_INTERRUPT_PROGRAMS sets the number of programs, TRAPSCOPE_INTERRUPT_SEED the first seed, TRAPSCOPE_INTERRUPT_RUNS the runs of each.

import { describe, expect, it } from "vitest";
import { getEflags } from "../../src/cpu/eflags.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import { createPrng } from "../support/prng.ts";
import { GDT_AT, surroundings, TSS_AT } from "../support/trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA, TSS } from "../support/trap-model.ts";
import { DIVIDE_COUNT, IDT_AT, IRQ_COUNT, IRQ_VECTOR, NMI_COUNT, PROGRAM_AT, PROGRAM_DATA, type ProgramMemory, transferProgram } from "../support/transfer-programs.ts";

const PROGRAMS = Number(process.env["TRAPSCOPE_INTERRUPT_PROGRAMS"] ?? 3);
const FIRST_SEED = Number(process.env["TRAPSCOPE_INTERRUPT_SEED"] ?? 1);
const RUNS = Number(process.env["TRAPSCOPE_INTERRUPT_RUNS"] ?? 60);
const LONGEST = 900, MEMORY = 1 << 20;

function machineOf(jit: boolean): Machine {
  const machine = new Machine({ memoryBytes: MEMORY, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: jit ? { threshold: 6, promotion: 40, batch: 4, patience: 600 } : false });
  machine.pc.acknowledge = () => {
    machine.core.setIntr(false);
    return IRQ_VECTOR;
  };
  return machine;
}

function begin(machine: Machine, program: ProgramMemory): void {
  machine.reset();
  machine.core.setIntr(false);
  machine.physical.writeBytes(0, new Uint8Array(MEMORY));
  for (const [address, bytes] of [...surroundings("pm32"), ...program]) machine.physical.writeBytes(address, bytes);
  const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: PROGRAM_AT, esp: 0xf000, eflags: 0x202, cpl: 0, cr0: 0x31, cs: { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: 0xc09b },
    ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: IDT_AT, limit: 0x7ff },
    tr: { selector: TSS, base: TSS_AT, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
}

const state = ({ cpu }: Machine) => [...Array.from({ length: 8 }, (_, n) => cpu.state.gpr(n) >>> 0), cpu.state.eip >>> 0, getEflags(cpu.state, cpu.context) >>> 0].map((word) => word.toString(16)).join(" ");
const word = (machine: Machine, address: number) => new DataView(machine.map.buffer, machine.map.ram + address).getUint32(0, true);

describe("translator and interpreter agree under interrupts", () => {
  const engines = [machineOf(false), machineOf(true)] as const;
  const seen = { interrupts: 0, nmis: 0, divisions: 0 };

  it.each(Array.from({ length: PROGRAMS }, (_, n) => FIRST_SEED + n))("program %i", (seed) => {
    const program = transferProgram(seed, 6 + (seed % 4) * 5);
    for (const machine of engines) begin(machine, program);
    const random = createPrng(seed);
    for (let run = 0; run < RUNS; run++) {
      const length = 1 + random.below(LONGEST), event = random.below(3);
      const states = engines.map((machine) => {
        expect(machine.run(length)).toBe("budget");
        if (event === 0) machine.core.raiseNmi();
        if (event === 1) machine.core.setIntr(true);
        return state(machine);
      });
      expect(states[1], `after run ${run}`).toBe(states[0]);
    }
    const [interpreted, translated] = engines.map(({ map }) => Buffer.from(map.buffer, map.ram + PROGRAM_DATA[0], PROGRAM_DATA[1] - PROGRAM_DATA[0]));
    expect(Buffer.compare(translated!, interpreted!)).toBe(0);
    seen.interrupts += word(engines[1], IRQ_COUNT);
    seen.nmis += word(engines[1], NMI_COUNT);
    seen.divisions += word(engines[1], DIVIDE_COUNT);
  });

  it("translates, makes regions again, and is interrupted", () => {
    const { instructions, learned, invalidated } = engines[1].translations!.counters;
    expect([instructions > 1000, learned > 0, invalidated > 0]).toEqual([true, true, true]);
    expect(seen.nmis).toBeGreaterThan((PROGRAMS * RUNS) / 6);
    expect(seen.interrupts).toBeGreaterThan(0);
    expect(seen.divisions).toBeGreaterThan(0);
  });
});
