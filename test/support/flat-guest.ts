// The smallest guest of 32 bits: ring 0, flat segments, no paging, and a program of some bytes. It ends by CLI, HLT.
import { type RegisterPart, setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine, type MachineOptions } from "../../src/machine/machine.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";

/** Physical, and linear, address of the program's first byte. */
export const CODE = 0x1000;
const GDT = 0x2000, STACK = 0x8000;
const FLAT_CODE = [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0], FLAT_DATA = [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0];
const CODE_SELECTOR = 8, DATA_SELECTOR = 0x10;

/** The four bytes of an immediate or address, as code has them. */
export function dword(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

/** A machine of 2 MB that stands before the program's first instruction. */
export function flatGuest(program: readonly number[], technique: TechniqueId, ring: Ring, options: Partial<MachineOptions> = {}, registers: RegisterPart = {}): Machine {
  const machine = new Machine({ memoryBytes: 2 << 20, technique, ring, set: {}, clock: "virtual", drives: {}, checks: true, ...options });
  machine.physical.writeBytes(CODE, Uint8Array.from(program));
  machine.physical.writeBytes(GDT + 8, Uint8Array.from([...FLAT_CODE, ...FLAT_DATA]));
  const segment = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
  const data = segment(DATA_SELECTOR, 0xc093);
  setGuestRegisters(machine, {
    cr0: 0x11, eip: CODE, esp: STACK, cs: segment(CODE_SELECTOR, 0xc09b), ds: data, es: data, ss: data, fs: data, gs: data,
    gdtr: { base: GDT, limit: 0x17 }, eflags: 2, ...registers,
  });
  return machine;
}
