import { beforeAll, describe, expect, it } from "vitest";
import { dword, flatGuest } from "../../test/support/flat-guest.ts";
import { GUARD_SLOTS } from "../base/shared-ring.ts";
import { REGISTER_SLOTS, RegisterTraceReader, TRACED_REGISTERS, type TracedRegisters } from "../protocol/register-trace.ts";
import { emptyRawTrap, KIND_EXIT, KIND_LEAK, TrapReader } from "../protocol/trap-record.ts";
import type { Machine } from "./machine.ts";

const IF = 0x200;

describe("the registers around a record", () => {
  let machine: Machine, log: TrapReader, trace: RegisterTraceReader;
  const register = (registers: TracedRegisters | null, when: "before" | "after", name: (typeof TRACED_REGISTERS)[number]): number => registers![when][TRACED_REGISTERS.indexOf(name)]!;

  beforeAll(() => {
    // 1000: inc eax / cli / sti / sgdt [3000h] / loop 1000 / 100c: hlt
    machine = flatGuest([0x40, 0xfa, 0xfb, 0x0f, 0x01, 0x05, ...dword(0x3000), 0xe2, 0xf4, 0xf4], "trap", 1, {}, { eax: 0, ecx: REGISTER_SLOTS, eflags: 2 | IF });
    machine.supervisor.registers.enabled = true;
    const { buffer, view } = machine.map;
    log = new TrapReader(buffer, view.trapRing, view.trapSites);
    trace = new RegisterTraceReader(buffer, view.registers, log);
    machine.run(4);
    machine.supervisor.publish();
  });

  it("are those that the guest believes in, before and after its instruction", () => {
    const raw = emptyRawTrap(), seen: (readonly number[])[] = [];
    for (let sequence = 0; log.read(sequence, raw); sequence++) {
      const registers = trace.read(sequence);
      seen.push([raw.kind, raw.eip, register(registers, "before", "EIP"), ...(["before", "after"] as const).flatMap((when) => [register(registers, when, "EAX"), register(registers, when, "EFLAGS") & IF, register(registers, when, "CS:CPL")])]);
      expect(register(registers, "after", "EIP")).toBe(raw.eip + (raw.kind === KIND_EXIT ? 1 : 7));
    }
    // SGDT does not trap in ring 1, and is a leak there.
    expect(seen).toEqual([
      [KIND_EXIT, 0x1001, 0x1001, 1, IF, 8, 1, 0, 8],
      [KIND_EXIT, 0x1002, 0x1002, 1, 0, 8, 1, IF, 8],
      [KIND_LEAK, 0x1003, 0x1003, 1, IF, 8, 1, IF, 8],
    ]);
  });

  it("are there for the newest records, and for none that is overwritten or not written yet", () => {
    machine.run(1e7);
    machine.supervisor.publish();
    const newest = log.total - 1;
    expect(newest).toBeGreaterThan(2 * REGISTER_SLOTS);
    // HLT came last.
    expect(register(trace.read(newest), "before", "EIP")).toBe(0x100c);
    expect(register(trace.read(newest - 3), "before", "EAX")).toBe(REGISTER_SLOTS);
    expect(register(trace.read(newest - REGISTER_SLOTS + 1 + GUARD_SLOTS), "before", "EAX")).toBeGreaterThan(REGISTER_SLOTS / 2);
    for (const sequence of [0, newest - REGISTER_SLOTS, newest - REGISTER_SLOTS + GUARD_SLOTS, newest + 1]) expect([sequence, trace.read(sequence)]).toEqual([sequence, null]);
  });

  it("end where the instruction has led to", () => {
    // 1000: mov ax,cs / push cs / push 1010h / retf
    const own = flatGuest([0x8c, 0xc8, 0x0e, 0x68, ...dword(0x1010), 0xcb], "emulate", 1, {}, {}), { registers, probes } = own.supervisor, { buffer, view } = own.map;
    registers.enabled = true;
    probes.recordObserved = true;
    own.run(4);
    own.supervisor.publish();
    const records = new TrapReader(buffer, view.trapRing, view.trapSites), read = new RegisterTraceReader(buffer, view.registers, records);
    const eip = (when: "before" | "after"): number[] => Array.from({ length: records.total }, (_, sequence) => register(read.read(sequence), when, "EIP"));
    expect([eip("before"), eip("after")]).toEqual([[0x1000, 0x1002, 0x1008], [0x1002, 0x1003, 0x1010]]);
  });

  it("go with the record that their instruction gets, though another one came first", () => {
    const own = flatGuest([0x40, 0x40], "emulate", 1, {}, { eax: 7 }), { registers } = own.supervisor, { buffer, view } = own.map;
    registers.enabled = true;
    registers.before(10);
    own.run(2);
    registers.after(11);
    const read = new RegisterTraceReader(buffer, view.registers, { total: 12 }).read(11);
    expect([register(read, "before", "EAX"), register(read, "after", "EAX")]).toEqual([7, 9]);
  });
});
