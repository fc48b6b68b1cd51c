// What loads of data segment registers, VERW, SYSENTER and SYSEXIT do, as the interpreter and generated code run them, round after round.
// SDM Vol. 3A, "Segment Descriptors", "Privilege Level Checking When Accessing Data Segments"; Vol. 2, VERW, SYSENTER and SYSEXIT, "Operation".

import { describe, expect, it } from "vitest";
import { eagerMachine } from "../../test/support/eager-machine.ts";
import { ACCESS_UNUSABLE, CPL, CS, DS, EFLAGS_SYSTEM, ES, FS, GS, SS, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP } from "../isa/state-layout.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import type { Machine } from "../machine/machine.ts";

const GDT = 0x1000, PROGRAM = 0x3000, ENTRY = 0x3800, STACK = 0xf000, ROUNDS = 30;
/** By selector: the descriptor's two dwords. */
const DESCRIPTORS: Readonly<Record<number, readonly [number, number]>> = {
  0x08: [0x0000_ffff, 0x00cf_9b00], 0x10: [0x0000_ffff, 0x00cf_9300], 0x18: [0x0000_ffff, 0x00cf_fb00], 0x20: [0x0000_ffff, 0x00cf_f300],
  // A present byte-granular data segment of 0x1234 + 1 bytes at 0x9abc5678, 16 bits; the same not yet accessed; not present; read-only, DPL 3.
  0x28: [0x5678_1234, 0x9a00_93bc], 0x30: [0x5678_1234, 0x9a00_92bc], 0x38: [0x5678_1234, 0x9a00_13bc], 0x40: [0x0000_0001, 0x0040_f100],
};

function begin(machine: Machine, code: readonly number[], cpl: 0 | 3 = 0): void {
  machine.reset();
  const gdt = new DataView(new ArrayBuffer(0x48));
  for (const [selector, words] of Object.entries(DESCRIPTORS)) words.forEach((word, n) => gdt.setUint32(Number(selector) + n * 4, word, true));
  machine.physical.writeBytes(GDT, new Uint8Array(gdt.buffer));
  machine.physical.writeBytes(PROGRAM, Uint8Array.from(code));
  // An entry of SYSENTER that returns at once to EDX and ECX: sysexit.
  machine.physical.writeBytes(ENTRY, Uint8Array.from([0x90, 0x0f, 0x35]));
  const flat = (selector: number, access: number) => ({ selector: selector | cpl, base: 0, limit: 0xffff_ffff, access });
  const data = cpl === 3 ? flat(0x20, 0xc0f3) : flat(0x10, 0xc093);
  setGuestRegisters(machine, {
    eip: PROGRAM, esp: STACK, eflags: 2, cpl, cr0: 0x31, cs: cpl === 3 ? flat(0x18, 0xc0fb) : flat(0x08, 0xc09b), ss: data, ds: data, es: data, fs: data, gs: data,
    gdtr: { base: GDT, limit: 0x47 }, idtr: { base: 0, limit: 0 }, tr: { selector: 0, base: 0, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
}

/** Long enough for the code to be translated, and to run then. */
function goRound(machine: Machine, instructions: number): void {
  for (let n = 0; n < 3; n++) machine.run(ROUNDS * instructions);
}

const segment = (machine: Machine, register: number) => {
  const { context } = machine.cpu;
  return [context.selector(register), context.segmentBase(register) >>> 0, context.segmentLimit(register), context.segmentAccess(register)];
};

describe.each([["interpreted", false], ["translated", true]] as const)("%s", (_name, jit) => {
  const machine = eagerMachine(jit);

  // mov eax, selector; mov sreg, ax; push sreg; pop ebx; jmp back
  const load = (register: number, selector: number) => {
    const push = register === DS ? [0x1e, 0x90] : register === ES ? [0x06, 0x90] : register === FS ? [0x0f, 0xa0] : [0x0f, 0xa8];
    return [0xb8, selector & 0xff, selector >> 8, 0, 0, 0x8e, 0xc0 | (register << 3), ...push, 0x5b, 0xeb, -12 & 0xff];
  };
  const INSTRUCTIONS = (register: number) => (register === DS || register === ES ? 6 : 5);

  it.each([
    ["FS", FS, 0x28, [0x28, 0x9abc_5678, 0x1234, 0x93]], ["GS", GS, 0x43, [0x43, 0, 0x1, 0x40f1]], ["FS, null", FS, 3, [3, 0, 0, ACCESS_UNUSABLE]],
    ["DS", DS, 0x10, [0x10, 0, 0xffff_ffff, 0xc093]], ["ES", ES, 0x23, [0x23, 0, 0xffff_ffff, 0xc0f3]], ["DS, no longer flat", DS, 0x28, [0x28, 0x9abc_5678, 0x1234, 0x93]],
  ] as const)("MOV to %s", (_what, register, selector, expected) => {
    begin(machine, load(register, selector));
    goRound(machine, INSTRUCTIONS(register));
    expect([segment(machine, register), machine.cpu.state.gpr(3), machine.cpu.state.gpr(4), machine.cpu.state.eip]).toEqual([expected, selector, STACK, PROGRAM]);
  });

  it("a descriptor that changes is seen by the next load", () => {
    begin(machine, load(FS, 0x28));
    goRound(machine, 5);
    for (let round = 0; round < ROUNDS; round++) {
      machine.physical.writeBytes(GDT + 0x28, Uint8Array.from([round, 0]));
      machine.run(5);
      expect(segment(machine, FS)[2]).toBe(round);
    }
  });

  it("the first load marks the descriptor as accessed", () => {
    begin(machine, load(FS, 0x10));
    goRound(machine, 5);
    machine.physical.writeBytes(PROGRAM + 1, Uint8Array.from([0x30]));
    machine.run(5);
    expect([segment(machine, FS)[3], machine.cpu.state.u8[machine.map.ram + GDT + 0x35]]).toEqual([0x93, 0x93]);
  });

  it.each([["a segment that is not present", 0x38, 11, 0x38], ["beyond the table", 0x48, 13, 0x48], ["code that cannot be read through the LDT", 0x0c, 13, 0x0c]])("%s faults", (_what, selector, vector, errorCode) => {
    begin(machine, load(FS, 0x10));
    goRound(machine, 5);
    machine.physical.writeBytes(PROGRAM + 1, Uint8Array.from([selector]));
    machine.core.stopAtException = true;
    machine.run(5);
    machine.core.stopAtException = false;
    expect(machine.core.exception).toEqual({ vector, errorCode });
  });

  it("CPL 3 may not load what DPL 0 guards", () => {
    begin(machine, load(FS, 0x23), 3);
    goRound(machine, 5);
    expect(segment(machine, FS)).toEqual([0x23, 0, 0xffff_ffff, 0xc0f3]);
    machine.physical.writeBytes(PROGRAM + 1, Uint8Array.from([0x10]));
    machine.core.stopAtException = true;
    machine.run(5);
    machine.core.stopAtException = false;
    expect(machine.core.exception).toEqual({ vector: 13, errorCode: 0x10 });
  });

  // mov eax, selector; stc; verw ax; pushf; pop ebx; jmp back
  const verify = (selector: number) => [0xb8, selector, 0, 0, 0, 0xf9, 0x0f, 0x00, 0xe8, 0x9c, 0x5b, 0xeb, -13 & 0xff];

  it.each([
    ["a writable segment", 0x10, 0, 0x43], ["a writable segment of CPL 3", 0x23, 3, 0x43], ["one that is not present", 0x38, 0, 0x43], ["a read-only segment", 0x40, 0, 3],
    ["code", 0x08, 0, 3], ["null", 0, 0, 3], ["a requested privilege that is too low", 0x13, 0, 3], ["a privilege that is too low", 0x10, 3, 3], ["beyond the table", 0x48, 0, 3],
    ["a table that is not there", 0x14, 0, 3],
  ] as const)("VERW of %s", (_what, selector, cpl, flags) => {
    begin(machine, verify(selector), cpl);
    goRound(machine, 6);
    expect([machine.cpu.state.gpr(3), machine.cpu.state.gpr(4), machine.cpu.state.eip]).toEqual([flags, STACK, PROGRAM]);
  });

  it("VERW sees a descriptor that changes", () => {
    begin(machine, verify(0x10));
    goRound(machine, 6);
    for (let round = 0; round < ROUNDS; round++) {
      machine.physical.writeBytes(GDT + 0x15, Uint8Array.from([round & 1 ? 0x91 : 0x93]));
      machine.run(6);
      expect(machine.cpu.state.gpr(3)).toBe(round & 1 ? 3 : 0x43);
    }
  });

  it("SYSENTER and SYSEXIT go to flat segments and come back", () => {
    // mov ecx, esp; mov edx, back; sysenter; back: jmp to the start
    begin(machine, [0x89, 0xe1, 0xba, PROGRAM + 9, PROGRAM >> 8, 0, 0, 0x0f, 0x34, 0xeb, -11 & 0xff], 3);
    const { context, state } = machine.cpu;
    context.set(SYSENTER_CS, 0x08);
    context.set(SYSENTER_EIP, ENTRY);
    context.set(SYSENTER_ESP, 0x5000);
    for (let round = 0; round < ROUNDS; round++) {
      context.set(EFLAGS_SYSTEM, 0x200);
      machine.run(4);
      expect([state.eip, state.gpr(4), context.get(CPL), context.get(EFLAGS_SYSTEM), segment(machine, CS), segment(machine, SS)])
        .toEqual([ENTRY + 1, 0x5000, 0, 0, [0x08, 0, 0xffff_ffff, 0xc09b], [0x10, 0, 0xffff_ffff, 0xc093]]);
      machine.run(1);
      expect([state.eip, state.gpr(4), context.get(CPL), segment(machine, CS), segment(machine, SS)])
        .toEqual([PROGRAM + 9, STACK, 3, [0x1b, 0, 0xffff_ffff, 0xc0fb], [0x23, 0, 0xffff_ffff, 0xc0f3]]);
      machine.run(1);
    }
  });

  it("are all in regions", () => {
    if (jit) expect(machine.translations!.counters.regions).toBeGreaterThan(20);
  });
});
