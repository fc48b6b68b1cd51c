import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu, CODE0, IDT, protectedCpu } from "../../test/support/bare-cpu.ts";
import { createBareCore } from "../../test/support/bare-core.ts";
import { DR6, EFLAGS_TF, IDTR_BASE, IDTR_LIMIT, GDTR_BASE, GDTR_LIMIT } from "../isa/state-layout.ts";
import { EFLAGS_ALL, setEflags } from "./eflags.ts";
import { eventSource, noteEvent } from "./branch-records.ts";

const DEBUGCTL = 0x1d9, LBR = 1, BTF = 2;
const CODE = 0x1000, GDT_AT = 0x8000, IDT_AT = 0x9000, HANDLERS = 0xa000, STACK = 0x7000, ESP = 4;
const { core, cpu, ram, memory } = createBareCore(1 << 16);

/** Newest first: [from, to] of so many records. */
function records(count: number): number[][] {
  const top = cpu.msrs.get(0x1da)![0];
  return Array.from({ length: count }, (_, n) => [0x680, 0x6c0].map((first) => cpu.msrs.get(first + ((top - n + 16) & 15))![0]));
}

/** Runs `count` instructions of this code with DEBUGCTL and EFLAGS as given. */
function run(code: readonly number[], count: number, debugControl: number, flags = 2): void {
  ram.set(code, CODE);
  core.blocks.invalidate(CODE, code.length);
  cpu.msrs.load([]);
  cpu.msrs.put(DEBUGCTL, debugControl);
  cpu.context.set(DR6, 0);
  cpu.state.setGpr(ESP, STACK);
  cpu.state.eip = CODE;
  setEflags(cpu.state, cpu.context, flags, EFLAGS_ALL);
  cpu.updateMode();
  core.run(count);
}

describe("last branch records of the Pentium 4", () => {
  beforeEach(() => {
    core.deliverExceptions = true;
    core.stopAtException = true;
    const view = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);
    view.setUint32(GDT_AT + 8, 0xffff, true);
    view.setUint32(GDT_AT + 12, 0x00cf_9b00, true);
    for (let vector = 0; vector < 32; vector++) {
      view.setUint32(IDT_AT + vector * 8, (8 << 16) | (HANDLERS + vector * 16), true);
      view.setUint32(IDT_AT + vector * 8 + 4, 0x8e00, true);
    }
    cpu.context.set(GDTR_BASE, GDT_AT);
    cpu.context.set(GDTR_LIMIT, 15);
    cpu.context.set(IDTR_BASE, IDT_AT);
    cpu.context.set(IDTR_LIMIT, 0xff);
  });

  it("hold where jumps, calls and returns came from and went, also those to the next instruction", () => {
    // jmp +0; call f; (f:) ret to the instruction behind the call, a NOP
    run([0xeb, 0x00, 0xe8, 0x03, 0, 0, 0, 0x90, 0x90, 0x90, 0xc3], 4, LBR);
    expect(records(4)).toEqual([[0x100a, 0x1007], [0x1002, 0x100a], [0x1000, 0x1002], [0, 0]]);
  });

  it("a branch that is not taken leaves no record", () => {
    run([0x39, 0xc0, 0x75, 0x02, 0x74, 0x02, 0x90, 0x90, 0x90], 4, LBR);
    expect(records(2)).toEqual([[0x1004, 0x1008], [0, 0]]);
  });

  it("exceptions and INT n leave one, and keep the record before them", () => {
    // jmp +2; ud2
    run([0xeb, 0x02, 0x90, 0x90, 0x0f, 0x0b], 2, LBR);
    expect(records(3)).toEqual([[0x1004, HANDLERS + 6 * 16], [0x1000, 0x1004], [0, 0]]);
    expect([cpu.msrs.get(0x1d7)![0], cpu.msrs.get(0x1d8)![0]]).toEqual([0x1000, 0x1004]);
    run([0x90, 0xcd, 0x05], 2, LBR);
    expect(records(2)).toEqual([[0x1001, HANDLERS + 5 * 16], [0, 0]]);
  });

  it("sixteen are kept", () => {
    run(Array.from({ length: 18 }, () => [0xeb, 0x00]).flat(), 18, LBR);
    expect(records(16).map(([from]) => from)).toEqual(Array.from({ length: 16 }, (_, n) => 0x1000 + (17 - n) * 2));
  });

  it("a debug exception ends the recording before its handler", () => {
    run([0xeb, 0x00, 0xf1], 2, LBR | BTF);
    expect(cpu.state.eip).toBe(HANDLERS + 16);
    expect(records(2)).toEqual([[0x1000, 0x1002], [0, 0]]);
    expect(cpu.msrs.get(DEBUGCTL)).toEqual([0, 0]);
  });

  it("with BTF, TF traps behind the first branch that is taken", () => {
    run([0x90, 0x39, 0xc0, 0x75, 0x10, 0xeb, 0x04, 0x90, 0x90], 5, BTF, 2 | EFLAGS_TF);
    expect(cpu.state.eip).toBe(HANDLERS + 16);
    expect([memory.getUint32(ram.byteOffset + STACK - 12, true), cpu.context.get(DR6) & 0x4000]).toEqual([0x100b, 0x4000]);
    expect(cpu.msrs.get(DEBUGCTL)).toEqual([0, 0]);
  });
});

it("the P6 records offsets in the code segment, one pair and the one before the last event", () => {
  const b = new BareCpu("pentium3");
  b.cpu.msrs.set(DEBUGCTL, LBR, 0);
  b.cpu.state.eip = 0x10;
  const from = eventSource(b.cpu, false);
  b.cpu.state.eip = 0x20;
  noteEvent(b.cpu, from, false);
  noteEvent(b.cpu, 0x30, false);
  expect([0x1db, 0x1dc, 0x1dd, 0x1de].map((n) => b.cpu.msrs.get(n)![0])).toEqual([0x30, 0x20, 0x10, 0x20]);
});

it("under a monitor nothing is recorded", () => {
  const b = protectedCpu();
  b.cpu.msrs.set(DEBUGCTL, LBR, 0);
  b.gate(IDT, 6, CODE0, 0x1234, 0x8e);
  b.cpu.hostAttached = true;
  b.cpu.raiseNoError(6);
  b.cpu.deliverFault();
  expect(b.cpu.msrs.get(0x1da)).toEqual([0, 0]);
});
