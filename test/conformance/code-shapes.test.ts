// Awkward code in 16-bit real mode, which de-privileged runs in V86 mode, under every technique that takes any guest: code that
// rewrites itself, jumps into the middle of an instruction, crosses pages, has breakpoints of its own. The outcome is the manual's.
import { describe, expect, it } from "vitest";
import { Machine } from "../../src/machine/machine.ts";
import { writeRegisters } from "../../src/cpu/register-file.ts";
import { BUILT_TECHNIQUES } from "../../src/monitor/techniques/list.ts";
import type { ProcessorSet, TechniqueId } from "../../src/protocol/technique.ts";
import { EAX, EBX, EDX } from "../../src/isa/state-layout.ts";
import { calloutsOf, countsOf } from "../support/guest-run.ts";
import { sum } from "../support/guest-expectations.ts";

const CODE = 0x1000, HLT = 0xf4;

interface Program {
  readonly at?: number;
  readonly code: readonly number[];
  /** Further bytes by address. */
  readonly memory?: Readonly<Record<number, readonly number[]>>;
}

function run(technique: TechniqueId, program: Program, set: ProcessorSet = {}) {
  const machine = new Machine({ memoryBytes: 1 << 20, technique, ring: 1, set, clock: "virtual", drives: {} });
  const at = program.at ?? CODE;
  machine.physical.writeBytes(at, Uint8Array.from([...program.code, HLT]));
  for (const [address, bytes] of Object.entries(program.memory ?? {})) machine.physical.writeBytes(Number(address), Uint8Array.from(bytes));
  const segment = { selector: 0, base: 0, limit: 0xffff, access: 0x93 };
  machine.cpu.switchContext("V");
  writeRegisters(machine.cpu, {
    eax: 0, ebx: 0, ecx: 0, edx: 0, esp: 0x8000, eip: at, eflags: 2, cs: segment, ds: segment, es: segment, ss: segment, fs: segment, gs: segment,
    idtr: { base: 0, limit: 0x3ff },
  });
  machine.supervisor.guestChanged();
  const reason = machine.run(100_000);
  const { state } = machine.cpu;
  const counts = countsOf(machine);
  expect(machine.cpu.exitCount).toBe(sum(counts.traps.byInstruction) + calloutsOf(machine));
  return { reason, ax: state.gpr(EAX) & 0xffff, bx: state.gpr(EBX) & 0xffff, dx: state.gpr(EDX) & 0xffff, leaks: counts.leaks.byInstruction, machine };
}

/** Adds an immediate that the loop itself increments: 1 + 2 + 3 + 4 + 5. */
const SELF_MODIFYING: Program = {
  // mov cx,5 / again: mov ax,1 / inc word [again+1] / add bx,ax / loop again
  code: [0xb9, 5, 0, 0xb8, 1, 0, 0xff, 0x06, 0x04, 0x10, 0x01, 0xc3, 0xe2, 0xf5],
};
/** MOV AX runs once as it is; then a jump into its immediate, which reads INC DX, NOP. */
const MIDDLE: Program = {
  // jmp over / middle: mov ax,9042h / test bx,bx / jnz end / inc bx / jmp middle+1 / over: jmp middle / end:
  code: [0xeb, 0x0a, 0xb8, 0x42, 0x90, 0x85, 0xdb, 0x75, 0x05, 0x43, 0xeb, 0xf7, 0xeb, 0xf4],
};
/** The guest's own INT3: its handler counts in DX. */
const OWN_INT3: Program = {
  // mov word [0Ch],2000h / mov word [0Eh],0 / int3 / int3; handler: inc dx / iret
  code: [0xc7, 0x06, 0x0c, 0, 0, 0x20, 0xc7, 0x06, 0x0e, 0, 0, 0, 0xcc, 0xcc],
  memory: { 0x2000: [0x42, 0xcf] },
};
/** SMSW AX with its opcode on both sides of a page's end. */
const CROSSING: Program = { at: 0x1ffe, code: [0x90, 0x0f, 0x01, 0xe0] };

const anyGuest = BUILT_TECHNIQUES.filter((id) => id !== "lite" && id !== "paravirt" && id !== "trap");

describe.each(anyGuest)("%s", (technique) => {
  it("runs code that rewrites itself", () => {
    expect(run(technique, SELF_MODIFYING)).toMatchObject({ reason: "halted", bx: 15, ax: 5, leaks: {} });
  });

  it("runs a jump into the middle of an instruction", () => {
    expect(run(technique, MIDDLE)).toMatchObject({ reason: "halted", ax: 0x9042, dx: 1, bx: 1, leaks: {} });
  });

  it("gives the guest its own INT3", () => {
    expect(run(technique, OWN_INT3)).toMatchObject({ reason: "halted", dx: 2, leaks: {} });
  });

  it("shows CR0 as the guest's real mode has it, across a page's end", () => {
    const { reason, ax, leaks } = run(technique, CROSSING);
    expect([reason, ax & 1, leaks]).toEqual(["halted", 0, {}]);
  });
});

describe("the holes of V86 mode", () => {
  it("SMSW shows PE under trap", () => {
    expect(run("trap", CROSSING)).toMatchObject({ leaks: { SMSW: 1 } });
    expect(run("trap", CROSSING).ax & 1).toBe(1);
  });

  it("with VME INT n goes to its handler without an exit, and with copies of the code it does not", () => {
    const calls: Program = {
      // mov word [84h],2000h / mov word [86h],0 / int 21h, three times
      code: [0xc7, 0x06, 0x84, 0, 0, 0x20, 0xc7, 0x06, 0x86, 0, 0, 0, 0xcd, 0x21, 0xcd, 0x21, 0xcd, 0x21],
      memory: { 0x2000: [0x42, 0xcf] },
    };
    const exits = (technique: TechniqueId, set: ProcessorSet) => countsOf(run(technique, calls, set).machine).traps.byInstruction["INT"] ?? 0;
    expect(exits("trap", {})).toBe(3);
    expect(exits("trap", { vme: true })).toBe(0);
    expect(exits("scan", { vme: true })).toBe(3);
    expect(run("scan", calls, { vme: true })).toMatchObject({ dx: 3, leaks: {} });
  });
});
