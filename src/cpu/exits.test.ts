// Events of the silicon's context that the monitor gets as exits: which, with what, and that nothing else has changed.
import { beforeEach, describe, expect, it } from "vitest";
import { type BareCpu, CODE0, CODE1, FREE, GDT, IDT, STACK1, STACK3, enterRing, protectedCpu } from "../../test/support/bare-cpu.ts";
import { ESP, NMI_BLOCKED } from "../isa/state-layout.ts";

let b: BareCpu;
const EIP = 0x5000_0000, HANDLER = 0x1000;
const INTERRUPT32 = 0x8e, TRAP32 = 0x8f, DPL3 = 0x60;
const gate = (vector: number, selector: number, access: number): void => b.gate(IDT, vector, selector, HANDLER, access);

describe("with a monitor attached", () => {
  beforeEach(() => {
    b = protectedCpu();
    for (let vector = 0; vector < 32; vector++) gate(vector, CODE0, INTERRUPT32 | DPL3);
    enterRing(b, 3);
    // The same state as context H.
    b.cpu.state.u8.copyWithin(b.cpu.h.context.base, b.cpu.v.context.base, b.cpu.v.context.base + 0x200);
    b.cpu.switchContext("H");
    b.cpu.hostAttached = true;
    b.cpu.state.eip = EIP;
  });
  const image = (): number[] => [...b.cpu.state.i32.subarray(0x400, 0x700)];
  const exit = (): unknown[] => {
    const { exit: e } = b.cpu;
    return [e.pending, e.kind, e.vector, e.hasErrorCode, e.errorCode, e.returnEip, e.resumeFlag];
  };

  it("an exception is an exit, counted, with nothing changed but the fault's own marks", () => {
    b.cpu.raise(13, 0x12);
    b.cpu.state.write({ name: "", offset: 0x1040, context: false }, 14);
    const before = image();
    before[0x10] = 0;
    b.cpu.deliverFault();
    expect(exit()).toEqual([true, "exception", 13, true, 0x12, EIP, true]);
    expect(image()).toEqual(before);
    expect(b.cpu.exitCount).toBe(1);
  });

  it("a page fault tells its address", () => {
    b.cpu.raisePageFault(0x1234, 6);
    b.cpu.deliverFault();
    expect([b.cpu.exit.vector, b.cpu.exit.errorCode, b.cpu.exit.cr2]).toEqual([14, 6, 0x1234]);
  });

  it("INT n ends the instruction and returns to the next EIP", () => {
    gate(0x80, CODE0, TRAP32 | DPL3);
    b.call("softwareInterrupt", 0x80);
    expect(b.cpu.state.fault).not.toBe(0);
    expect(exit()).toEqual([true, "software-interrupt", 0x80, false, 0, EIP, false]);
    b.cpu.deliverFault();
    expect([b.cpu.state.fault, b.cpu.exitCount, b.cpu.context.cpl]).toEqual([0, 1, 3]);
  });

  it("INT n through a gate of DPL 0 is a #GP, which is the exit", () => {
    gate(0x80, CODE0, TRAP32);
    b.call("softwareInterrupt", 0x80);
    expect(b.cpu.exit.pending).toBe(false);
    b.cpu.deliverFault();
    expect(exit().slice(0, 5)).toEqual([true, "exception", 13, true, 0x402]);
  });

  it("INT3 is the exception #BP", () => {
    b.call("breakpointTrap");
    expect(exit().slice(0, 3)).toEqual([true, "exception", 3]);
  });

  it("external interrupts and NMI", () => {
    b.cpu.exitForInterrupt();
    expect(exit().slice(0, 2)).toEqual([true, "interrupt"]);
    b.cpu.exit.clear();
    b.cpu.deliverNmi();
    expect(exit().slice(0, 3)).toEqual([true, "interrupt", 2]);
    expect([b.cpu.exitCount, b.cpu.context.get(NMI_BLOCKED)]).toEqual([2, 0]);
  });

  it("a gate to ring 1 is delivered without an exit", () => {
    gate(0x80, CODE1, TRAP32 | DPL3);
    b.call("softwareInterrupt", 0x80);
    expect([b.cpu.exit.pending, b.cpu.exitCount, b.cpu.context.cpl, b.cpu.state.gpr(ESP)]).toEqual([false, 0, 1, STACK1 - 20]);
  });

  it("context V keeps its own ring 0", () => {
    b.cpu.switchContext("V");
    b.cpu.raise(13, 0);
    b.cpu.deliverFault();
    expect([b.cpu.exit.pending, b.cpu.exitCount, b.cpu.context.cpl]).toEqual([false, 0, 0]);
  });

  it("SYSENTER, call gates and task switches", () => {
    b.cpu.context.set({ name: "", offset: 0x144, context: true }, CODE0);
    b.call("sysenter");
    expect([b.cpu.exit.kind, b.cpu.state.fault !== 0]).toEqual(["sysenter", true]);
    b.cpu.deliverFault();
    b.gate(GDT, FREE >> 3, CODE0, 0x100, 0xec);
    b.call("farCall", FREE | 3, 0, 4);
    expect([b.cpu.exit.kind, b.cpu.exit.selector]).toEqual(["call-gate", FREE | 3]);
    b.cpu.deliverFault();
    b.descriptor(GDT, FREE >> 3, 0x5000, 0x67, 0xe9);
    b.call("farJump", FREE | 3, 0, 4);
    expect([b.cpu.exit.kind, b.cpu.exit.selector, b.cpu.exitCount, b.cpu.state.gpr(ESP), b.cpu.context.cpl]).toEqual(["task-switch", FREE | 3, 3, STACK3, 3]);
  });
});
