// A kernel whose stack and data lie in the page of its GDT. Expectations: what bare metal does; Adams and Agesen, "A Comparison of
// Software and Hardware Techniques for x86 Virtualization" (2006): an instruction that keeps faulting on watched memory must not go on to.
import { describe, expect, it } from "vitest";
import { assemble } from "../../isa/assembler.ts";
import { setGuestRegisters } from "../../machine/guest-registers.ts";
import { Machine } from "../../machine/machine.ts";
import type { TechniqueId } from "../../protocol/technique.ts";

const CODE = 0x4000, GDT = 0x1100, OTHER = 0x5000, EAGER = { threshold: 1, promotion: 8, batch: 1, patience: 0 };
const segment = (selector: number, access: number) => ({ selector, base: 0, limit: 0xffff_ffff, access });
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** 400 rounds of stores beside the table: PUSH, CALL, a plain one, ADD, one of 8 bytes. */
const BESIDE = `
        fninit
        mov ecx, 400
.again: push ecx
        call .add
        pop edx
        mov [0x1120], edx
        fild dword [0x1120]
        fistp qword [0x10f0]
        dec ecx
        jnz .again
        jmp into
.add:   add [0x1ffc], ecx
        ret
`;
/** Six times 113 rounds of one store that goes down through the page and at last changes the base of the last descriptor: what FS reads then is there. */
const INTO = `
into:   mov ebp, 6
.down:  mov edi, 0x1498
        mov eax, 0x50000fff
.again: mov [edi], eax
        sub edi, 8
        cmp edi, 0x1118
        jae .again
        dec ebp
        jnz .down
        mov ax, 0x18
        mov fs, ax
        mov ebx, [fs:0]
        hlt
`;

function run(technique: TechniqueId, jit: false | typeof EAGER) {
  const m = new Machine({ memoryBytes: 1 << 20, technique, ring: 1, set: {}, clock: "virtual", drives: {}, jit });
  m.physical.writeBytes(GDT, hex("0000000000000000 ffff0000009bcf00 ffff00000093cf00 ff0f000000934000"));
  m.physical.writeBytes(OTHER, hex("78563412"));
  const { bytes, errors } = assemble(BESIDE + INTO, { origin: CODE, code32: true });
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  m.physical.writeBytes(CODE, bytes);
  setGuestRegisters(m, {
    cr0: 0x31, cs: segment(8, 0xc09b), ss: segment(16, 0xc093), ds: segment(16, 0xc093), es: segment(16, 0xc093), fs: segment(16, 0xc093), gs: segment(16, 0xc093), eip: CODE, esp: 0x1ff0, eflags: 2,
    gdtr: { base: GDT, limit: 0x1f }, idtr: { base: 0, limit: 0 },
  });
  let end = "budget";
  // Regions are made between two runs.
  while (end === "budget" && m.core.retired() < 100_000) end = m.run(499);
  const { trapRing, trapSites } = m.map.view;
  return {
    end, retired: m.core.retired(), ebx: m.cpu.state.gpr(3), page: Buffer.from(m.memory.read(0x1000, 0x1000)).toString("hex"),
    exits: m.cpu.exitCount, statistics: m.supervisor.statistics, ring: Buffer.from(m.map.buffer, trapRing, trapSites - trapRing),
  };
}

describe("translate", () => {
  it("lets stores beside the descriptor tables go on and sees those into them, translated to regions or not", () => {
    const bare = run("emulate", false), { ring: expected, ...interpreted } = run("translate", false), { ring, ...regions } = run("translate", EAGER);
    expect([bare.end, bare.ebx]).toEqual(["halted", 0x1234_5678]);
    for (const field of ["end", "retired", "ebx", "page"] as const) expect(interpreted[field]).toEqual(bare[field]);
    expect(interpreted.statistics["checked"]).toBeGreaterThanOrEqual(5);
    // 8 faults of each instruction that stores, the units, HLT; and what the loop into the table takes.
    expect(interpreted.exits).toBeLessThan(150);
    expect(regions).toEqual(interpreted);
    expect(Buffer.compare(ring, expected)).toBe(0);
  });
});
