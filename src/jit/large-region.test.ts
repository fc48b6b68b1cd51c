// A function that is larger than a first region: it becomes one region, which is entered where those that it replaces were, and does what
// the interpreter does.

import { expect, it } from "vitest";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { Machine } from "../machine/machine.ts";

const CODE = 0x1000, STEPS = 60;
const dword = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** A loop of 360 instructions; one step in ten stores, to a page that changes. */
function loop(): number[] {
  const code: number[] = [];
  for (let n = 0; n < STEPS; n++) {
    code.push(0x05, ...dword(n * 0x9e37_79b1)); // add eax, n
    code.push(0x85, 0xc0, 0x78, 4, 0x8d, 0x5c, 0x03, n); // test eax, eax; js +4; lea ebx, [ebx+eax+n]
    code.push(0xc1, 0xc0, 3); // rol eax, 3
    if (n % 10 === 0) code.push(0x89, 0x1e); // mov [esi], ebx
    else code.push(0x31, 0xd9); // xor ecx, ebx
  }
  code.push(0x81, 0xc6, ...dword(0x344), 0x81, 0xe6, ...dword(0x2_fffc), 0x81, 0xce, ...dword(0x1_0000)); // esi goes through pages 10h-1Fh and 30h-3Fh
  code.push(0xe9);
  return [...code, ...dword(-(code.length + 4))];
}

function machineOf(jit: boolean): Machine {
  const machine = new Machine({
    memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: jit && { threshold: 4, promotion: 20, batch: 1, patience: 0, listed: true },
  });
  machine.reset();
  machine.physical.writeBytes(CODE, Uint8Array.from(loop()));
  const flat = { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, { eip: CODE, cpl: 0, cr0: 0x11, eax: 1, ebx: 0, ecx: 0, esi: 0x1_0000, cs: { ...flat, access: 0xc09b }, ss: flat, ds: flat, es: flat });
  return machine;
}

it("a large function becomes one region, entered where others were", () => {
  const translated = machineOf(true), interpreted = machineOf(false);
  const state = ({ cpu, physical }: Machine) => [...Array.from({ length: 8 }, (_, n) => cpu.state.gpr(n)), cpu.state.eip, physical.read(0x1_0344, 4)];
  for (let run = 0; run < 20; run++) {
    for (const machine of [interpreted, translated]) expect(machine.run(60_013)).toBe("budget");
    expect(state(translated), `run ${run}`).toEqual(state(interpreted));
  }
  const heads = [...translated.translations!.listings().values()].map((text) => text.split("\n"));
  const [large, ...others] = heads.filter(([head]) => /^3\d\d instructions .*as large as it can be$/.test(head!));
  expect(others).toEqual([]);
  // What began inside it is no region any more.
  const entries = large![1]!.trim().split(" ").slice(2);
  expect(entries.length).toBeGreaterThan(4);
  for (const [, entered] of heads) if (entered !== large![1]) expect(entries).not.toContain(entered!.trim().split(" ")[2]);
});
