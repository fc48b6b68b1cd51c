import { describe, expect, it } from "vitest";
import type { TechniqueId } from "../protocol/technique.ts";
import { setGuestRegisters } from "./guest-registers.ts";
import { Machine } from "./machine.ts";

const CODE = 0x1000, DATA = 0x3000;
const segment = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** Flat 32-bit protected mode in ring 0; under a monitor with a GDT in memory that says the same. */
function flat(code: string, technique: TechniqueId = "emulate"): Machine {
  const m = new Machine({ memoryBytes: 1 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: {} });
  m.physical.writeBytes(0x800, hex("0000000000000000 ffff0000009bcf00 ffff00000093cf00"));
  m.physical.writeBytes(CODE, hex(code));
  setGuestRegisters(m, {
    cr0: 0x11, cs: segment(8, 0xc09b), ss: segment(16, 0xc093), ds: segment(16, 0xc093), es: segment(16, 0xc093), eip: CODE, esp: 0x9000, eflags: 2,
    gdtr: { base: 0x800, limit: 0x17 }, idtr: { base: 0, limit: 0 },
  });
  return m;
}

describe.each(["emulate", "trap"] as const)("breakpoints under %s", (technique) => {
  // 1000: inc eax / inc eax / 1002: dec ecx / jnz 1000 / 1005: hlt
  const LOOP = "40 40 49 75fb f4";

  it("stop before the instruction, each time it comes by, and leave memory alone", () => {
    const m = flat(LOOP, technique);
    setGuestRegisters(m, { eax: 0, ecx: 3 });
    const id = m.breakpoints.add({ kind: "execute", linear: CODE + 2 });
    for (let round = 1; round <= 3; round++) {
      expect([m.run(1000), m.cpu.state.eip, m.cpu.state.gpr(0), m.breakpoints.hit?.id]).toEqual(["breakpoint", CODE + 2, round * 2, id]);
    }
    expect(Buffer.from(m.memory.read(CODE, 6)).toString("hex")).toBe("40404975fbf4");
    expect([m.run(1000), m.core.retired()]).toEqual(["halted", 13]);
  });

  it("pass by where the run begins, and are gone when removed", () => {
    const m = flat(LOOP, technique);
    setGuestRegisters(m, { ecx: 3 });
    const id = m.breakpoints.add({ kind: "execute", linear: CODE });
    m.breakpoints.pass(CODE);
    expect([m.run(1000), m.core.retired()]).toEqual(["breakpoint", 4]);
    m.breakpoints.remove(id);
    expect([m.run(1000), m.core.retired()]).toEqual(["halted", 13]);
  });

  it("are seen in code that has run before", () => {
    const m = flat(LOOP, technique);
    setGuestRegisters(m, { ecx: 1000 });
    expect(m.run(100)).toBe("budget");
    m.breakpoints.add({ kind: "execute", linear: CODE + 3 });
    expect([m.run(100), m.core.retired()]).toEqual(["breakpoint", 103]);
  });

  it("lie in another page than the code that jumps there", () => {
    const m = flat(`49 0f84 ${"f9 0f 00 00"} ebf7`, technique); // dec ecx / jz 2000 / jmp 1000
    m.physical.writeBytes(0x2000, hex("90 f4"));
    setGuestRegisters(m, { ecx: 50 });
    m.breakpoints.add({ kind: "execute", linear: 0x2000 });
    expect([m.run(1000), m.cpu.state.eip, m.core.retired()]).toEqual(["breakpoint", 0x2000, 149]);
  });

  it("on data stop behind the access that they name, to the byte", () => {
    // mov al,[3004] / mov [3004],eax / mov [3007],ah / inc byte [3003] / hlt
    const code = "a004300000 a304300000 882507300000 fe0503300000 f4";
    const stops = (access: "read" | "write" | "access", linear: number, bytes: number): number[] => {
      const m = flat(code, technique);
      m.breakpoints.add({ kind: "data", access, linear, bytes });
      const at: number[] = [];
      while (m.run(1000) === "breakpoint") at.push(m.cpu.state.eip - CODE);
      return at;
    };
    expect(stops("read", DATA + 4, 4)).toEqual([5]);
    expect(stops("write", DATA + 4, 4)).toEqual([10, 16]);
    expect(stops("access", DATA + 4, 1)).toEqual([5, 10]);
    expect(stops("write", DATA + 7, 1)).toEqual([10, 16]);
    expect(stops("access", DATA + 3, 1)).toEqual([22]);
    expect(stops("access", DATA + 8, 4)).toEqual([]);
  });

  it("see instructions that the guest's own debug registers and flags cannot tell apart", () => {
    const m = flat(LOOP, technique);
    setGuestRegisters(m, { ecx: 1 });
    const seen: number[] = [];
    m.breakpoints.setTracer({ covers: () => true, before: (linear) => { seen.push(linear - CODE); return true; } });
    expect([m.run(1000), seen]).toEqual(["halted", [0, 1, 2, 3, 5]]);
  });
});

describe("memory as a debugger sees it", () => {
  it("stops at what is not mapped, and writes all or nothing", () => {
    const m = flat("90");
    expect(m.memory.read(0x10_0000 - 4, 8).length).toBe(4);
    expect(m.memory.write(0x10_0000 - 2, hex("01020304"))).toBe(false);
    expect(Buffer.from(m.memory.read(0xf_fffe, 2)).toString("hex")).toBe("0000");
    expect(m.memory.write(0xf_fffe, hex("0102"))).toBe(true);
    expect(m.memory.readPhysical(0xf_fffe, 2)).toEqual(hex("0102"));
  });

  it("goes through the guest's paging without marking its tables", () => {
    const m = flat("90");
    const words = (at: number, ...values: number[]) => values.forEach((value, n) => m.memory.writePhysical(at + n * 4, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)));
    words(0x4000, 0x5003); // directory: one table
    words(0x5000, 0x0003, 0x7003, 0); // page 1 lies at 7000h, page 2 is absent
    setGuestRegisters(m, { cr3: 0x4000, cr0: 0x8000_0011 });
    expect([m.memory.translate(0x1234), m.memory.translate(0x2000)]).toEqual([0x7234, -1]);
    m.memory.write(0x1000, hex("aabb"));
    expect([m.memory.readPhysical(0x7000, 2), m.memory.readPhysical(0x5004, 4)]).toEqual([hex("aabb"), hex("03700000")]);
  });

  it("shows code that was changed under the processor", () => {
    const m = flat("40 ebfd"); // inc eax / jmp
    setGuestRegisters(m, { eax: 0 });
    m.run(10);
    m.memory.write(CODE, hex("48"));
    m.run(10);
    expect(m.cpu.state.gpr(0)).toBe(0);
  });
});
