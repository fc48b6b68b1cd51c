// A guest that retires no instruction must not keep its host: the page could not be paused, nor the command line be timed out.

import { describe, expect, it } from "vitest";
import { setGuestRegisters } from "./guest-registers.ts";
import { Machine } from "./machine.ts";

const REAL = { selector: 0, base: 0, limit: 0xffff, access: 0x93 };
const FLAT = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });

function bare(technique: "emulate" | "trap"): Machine {
  return new Machine({ memoryBytes: 1 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: {} });
}

describe.each(["emulate", "trap"] as const)("a guest that retires nothing under %s", (technique) => {
  it("comes back from a handler that faults into itself, and time passes", () => {
    const m = bare(technique);
    m.physical.writeBytes(6 * 4, Uint8Array.of(0, 0x10, 0, 0)); // #UD: 0000:1000
    m.physical.writeBytes(0x1000, Uint8Array.of(0x0f, 0x0b)); // ud2
    setGuestRegisters(m, { cs: REAL, ss: REAL, ds: REAL, eip: 0x1000, esp: 0x8000, eflags: 2 });
    const before = m.clock.nowNs();
    expect([m.run(1000), m.core.retired()]).toEqual(["budget", 0]);
    expect(m.clock.nowNs()).toBeGreaterThan(before);
    expect(m.run(1000)).toBe("budget");
    expect(m.cpu.state.eip).toBe(0x1000);
  });
});

describe("a repetition that a monitor steps", () => {
  it("lets the host look around and goes on", () => {
    const m = bare("trap");
    m.physical.writeBytes(0x800, Uint8Array.from(Buffer.from("0000000000000000ffff0000009bcf00ffff00000093cf00", "hex")));
    m.physical.writeBytes(0x1000, Uint8Array.of(0xf3, 0x6c, 0xf4)); // rep insb / hlt
    setGuestRegisters(m, {
      cr0: 0x11, cs: FLAT(8, 0xc09b), ds: FLAT(16, 0xc093), ss: FLAT(16, 0xc093), es: FLAT(16, 0xc093), eip: 0x1000, esp: 0x9000, ecx: 0x8_0000, edi: 0x2000,
      edx: 0x99, eflags: 2, gdtr: { base: 0x800, limit: 0x17 },
    });
    expect([m.run(1), m.core.retired()]).toEqual(["budget", 0]);
    const left = m.cpu.state.gpr(1);
    expect(left > 0 && left < 0x8_0000).toBe(true);
    for (let n = 0; n < 8 && m.core.retired() === 0; n++) m.run(1);
    expect([m.core.retired(), m.cpu.state.gpr(1), m.cpu.state.gpr(7), m.memory.read(0x8_1fff, 1)[0]]).toEqual([1, 0, 0x8_2000, 0xff]);
  });
});

describe("a repetition over gigabytes", () => {
  it("lets the host look around, and a step goes on to its end", () => {
    const m = bare("emulate");
    m.physical.writeBytes(0x1000, Uint8Array.of(0xf3, 0xad, 0xf4)); // rep lodsd / hlt
    setGuestRegisters(m, {
      cr0: 0x11, cs: FLAT(8, 0xc09b), ds: FLAT(16, 0xc093), ss: FLAT(16, 0xc093), es: FLAT(16, 0xc093), eip: 0x1000, ecx: 0x10_0000, esi: 0xf000_0000, eflags: 2,
    });
    expect([m.run(1), m.core.retired()]).toEqual(["budget", 0]);
    const left = m.cpu.state.gpr(1);
    expect(left > 0 && left < 0x10_0000).toBe(true);
    expect([m.step(), m.core.retired(), m.cpu.state.gpr(1), m.cpu.state.eip]).toEqual(["budget", 1, 0, 0x1002]);
  });
});
