import { describe, expect, it } from "vitest";
import { type Outcome, run, type Setup } from "../../../test/support/one-instruction.ts";
import {
  EFLAGS_AF as AF, EFLAGS_CF as CF, EFLAGS_DF as DF, EFLAGS_PF as PF, EFLAGS_SF as SF, EFLAGS_TF as TF, EFLAGS_ZF as ZF,
} from "../state-layout.ts";

const PAGE_FAULT = { vector: 14, errorCode: 2 };
const bytes = (count: number, first = 0) => Array.from({ length: count }, (_, n) => (first + n) & 0xff);

describe("one element", () => {
  it("moves by the width, down with DF", () => {
    expect(run({ code: "A4", esi: 0x2000, edi: 0x3000, memory: { 0x2000: [7] } })).toMatchObject({ esi: 0x2001, edi: 0x3001 });
    expect(run({ code: "66 A5", esi: 0x2000, edi: 0x3000, flags: DF })).toMatchObject({ esi: 0x1ffe, edi: 0x2ffe });
    const dword = run({ code: "A5", esi: 0x2000, edi: 0x3000, ecx: 9, memory: { 0x2000: bytes(4, 1) } });
    expect(dword).toMatchObject({ esi: 0x2004, edi: 0x3004, ecx: 9 });
    expect(dword.dword(0x3000)).toBe(0x04030201);
  });
  it("reads DS or the overriding segment and writes ES", () => {
    const segments = { ds: { base: 0x10000 }, es: { base: 0x20000 }, fs: { base: 0x30000 } };
    const memory = { 0x10010: [1], 0x30010: [2] };
    expect(run({ code: "A4", esi: 0x10, edi: 0x20, segments, memory }).byte(0x20020)).toBe(1);
    expect(run({ code: "64 A4", esi: 0x10, edi: 0x20, segments, memory }).byte(0x20020)).toBe(2);
    // STOS and SCAS know no override.
    expect(run({ code: "64 AA", eax: 3, edi: 0x20, segments }).byte(0x20020)).toBe(3);
  });
  it("uses SI and DI with 16-bit addresses and wraps them alone", () => {
    const got = run({ code: "67 A4", esi: 0xaaaaffff, edi: 0xbbbb0000, memory: { 0xffff: [5] } });
    expect(got).toMatchObject({ esi: 0xaaaa0000, edi: 0xbbbb0001 });
    expect(got.byte(0)).toBe(5);
  });
  it("LODS and STOS move the accumulator", () => {
    expect(run({ code: "AC", esi: 0x2000, eax: 0x11223344, memory: { 0x2000: [0x99] } })).toMatchObject({ eax: 0x11223399, esi: 0x2001 });
    expect(run({ code: "66 AB", edi: 0x2000, eax: 0x11223344 }).dword(0x2000)).toBe(0x3344);
  });
  it("CMPS subtracts the destination from the source, SCAS memory from the accumulator", () => {
    expect(run({ code: "A6", esi: 0x2000, edi: 0x3000, memory: { 0x2000: [1], 0x3000: [2] } }).flags).toBe(CF | PF | AF | SF);
    expect(run({ code: "AE", eax: 2, edi: 0x3000, memory: { 0x3000: [1] } })).toMatchObject({ flags: 0, edi: 0x3001 });
    expect(run({ code: "AF", eax: 2, edi: 0x3000, memory: { 0x3000: [2] } })).toMatchObject({ flags: ZF | PF, edi: 0x3004 });
  });
  it("commits nothing when an access faults", () => {
    const got = run({ code: "A5", esi: 0x2000, edi: 0x3000, faultAt: (_linear, _bytes, write) => (write ? PAGE_FAULT : null) });
    expect(got).toMatchObject({ fault: PAGE_FAULT, esi: 0x2000, edi: 0x3000 });
  });
});

describe("REP", () => {
  it("does nothing with a count of 0, not even a check", () => {
    for (const code of ["F3 A4", "F3 AB", "F3 A6", "F2 AE", "F3 6C", "F3 6E"]) {
      const got = run({ code, esi: 0x2000, edi: 0x3000, flags: ZF | CF, faultAt: () => PAGE_FAULT });
      expect(got, code).toMatchObject({ fault: null, esi: 0x2000, edi: 0x3000, flags: ZF | CF, eip: 0x1002, calls: [] });
    }
    expect(run({ code: "67 F3 AA", ecx: 0x10000, edi: 0x3000 })).toMatchObject({ ecx: 0x10000, edi: 0x3000 });
  });
  it("counts CX with 16-bit addresses, ECX otherwise", () => {
    expect(run({ code: "67 F3 AA", ecx: 0x10003, edi: 0x3000 })).toMatchObject({ ecx: 0x10000, edi: 0x3003 });
    expect(run({ code: "F3 AA", ecx: 3, edi: 0x3000 })).toMatchObject({ ecx: 0, edi: 0x3003 });
  });
  it("F2 repeats what compares nothing just as F3", () => {
    expect(run({ code: "F2 A4", ecx: 3, esi: 0x2000, edi: 0x3000 })).toMatchObject({ ecx: 0, esi: 0x2003 });
  });
  it("overlapping MOVS repeats a pattern, element by element", () => {
    const got = run({ code: "F3 A4", ecx: 6, esi: 0x2000, edi: 0x2002, memory: { 0x2000: [1, 2] } });
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => got.byte(0x2000 + n))).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
  });
  it("REPE stops behind the first difference, REPNE behind the first match", () => {
    const memory = { 0x2000: [1, 2, 3, 4], 0x3000: [1, 2, 9, 4] };
    const compared = run({ code: "F3 A6", ecx: 4, esi: 0x2000, edi: 0x3000, memory });
    expect(compared).toMatchObject({ ecx: 1, esi: 0x2003, edi: 0x3003 });
    expect(compared.flags & (CF | ZF)).toBe(CF);
    expect(run({ code: "F3 A6", ecx: 2, esi: 0x2000, edi: 0x3000, memory })).toMatchObject({ ecx: 0, flags: ZF | PF });
    expect(run({ code: "F2 AE", ecx: 4, eax: 9, edi: 0x3000, memory })).toMatchObject({ ecx: 1, edi: 0x3003, flags: ZF | PF });
    expect(run({ code: "F2 AE", ecx: 4, eax: 5, edi: 0x3000, memory })).toMatchObject({ ecx: 0, edi: 0x3004, flags: 0 });
  });
  it("compares only the element's width", () => {
    expect(run({ code: "F2 AE", ecx: 3, eax: 0x12345609, edi: 0x3000, memory: { 0x3000: [1, 9, 9] } })).toMatchObject({ ecx: 1, edi: 0x3002 });
  });
});

describe("a fault in the middle", () => {
  it("leaves the registers of the elements before it, and resumes", () => {
    let mapped = 0x3008;
    const setup: Setup = {
      code: "F3 A5", ecx: 5, esi: 0x2000, edi: 0x3000, memory: { 0x2000: bytes(20, 1) },
      faultAt: (linear, count, write) => (write && linear + count > mapped ? PAGE_FAULT : null),
    };
    const got = run(setup);
    expect(got).toMatchObject({ fault: PAGE_FAULT, ecx: 3, esi: 0x2008, edi: 0x3008, eip: 0x1000 });
    mapped = 0x4000;
    expect(got.again()).toMatchObject({ fault: null, ecx: 0, esi: 0x2014, edi: 0x3014, eip: 0x1002 });
    expect([got.dword(0x3000), got.dword(0x3010)]).toEqual([0x04030201, 0x14131211]);
  });
  it("leaves the flags of CMPS as they were before the instruction", () => {
    const got = run({
      code: "F3 A6", ecx: 5, esi: 0x2000, edi: 0x3000, flags: CF | SF, faultAt: (linear) => (linear === 0x3002 ? PAGE_FAULT : null),
    });
    expect(got).toMatchObject({ fault: PAGE_FAULT, ecx: 3, esi: 0x2002, edi: 0x3002, flags: CF | SF });
  });
  it("meets the segment limit like any access", () => {
    const got = run({ bits: 16, code: "F3 AB", ecx: 4, edi: 0xfffb, eax: 0x1234 });
    expect(got).toMatchObject({ fault: { vector: 13, errorCode: 0 }, ecx: 2, edi: 0xffff });
  });
});

describe("a long repetition", () => {
  it("suspends itself and goes on where it stopped", () => {
    const got = run({ code: "F3 AA", ecx: 10000, edi: 0x10000, eax: 7 });
    expect(got).toMatchObject({ suspended: true, eip: 0x1000 });
    expect(got.ecx).toBeGreaterThan(0);
    expect(got.ecx + got.edi - 0x10000).toBe(10000);
    let slices = 1;
    while (got.again().suspended) slices++;
    expect(got).toMatchObject({ ecx: 0, edi: 0x10000 + 10000, eip: 0x1002 });
    expect(slices).toBe(2);
    expect(got.byte(0x10000 + 9999)).toBe(7);
    expect(got.byte(0x10000 + 10000)).toBe(0);
  });
  it("sets flags in every slice, and completes when the end falls on a slice's end", () => {
    const got = run({ code: "F3 AE", ecx: 5000, edi: 0x10000, flags: CF });
    expect(got).toMatchObject({ suspended: true, flags: ZF | PF });
    expect(run({ code: "F3 AE", ecx: 4096, edi: 0x10000, flags: CF })).toMatchObject({ suspended: false, ecx: 0, eip: 0x1002 });
  });
  it("stops after every element while TF is set, and completes with the last", () => {
    const got = run({ code: "F3 AA", ecx: 2, edi: 0x3000, flags: TF });
    expect(got).toMatchObject({ suspended: true, ecx: 1, edi: 0x3001, eip: 0x1000 });
    expect(got.again()).toMatchObject({ suspended: false, ecx: 0, edi: 0x3002, eip: 0x1002 });
  });
});

describe("INS and OUTS", () => {
  const prepared = (log: string[], value = 0xab) => ({
    helper: (name: string, args: readonly number[], machine: Outcome) => {
      log.push(`${name} ${args.join(" ")} edi=${machine.register("edi").toString(16)}`);
      return value;
    },
  });
  it("check the port first, then prove the place, then touch the device", () => {
    const log: string[] = [];
    const got = run({ code: "6C", edx: 0x12341f0, edi: 0x3000, ...prepared(log) });
    expect(log).toEqual(["checkIo 16880 1 edi=3000", "portIn 16880 1 edi=3000"]);
    expect(got).toMatchObject({ edi: 0x3001 });
    expect(got.byte(0x3000)).toBe(0xab);
    const unmapped: string[] = [];
    expect(run({ code: "6C", edx: 0x1f0, edi: 0x3000, faultAt: () => PAGE_FAULT, ...prepared(unmapped) })).toMatchObject({ fault: PAGE_FAULT, edi: 0x3000 });
    expect(unmapped.map((line) => line.split(" ")[0])).toEqual(["checkIo"]);
  });
  it("a refused port faults before memory is looked at", () => {
    const got = run({
      code: "F3 6D", ecx: 2, edx: 0x1f0, edi: 0x3000, faultAt: () => PAGE_FAULT,
      helper: (_name, _args, machine) => {
        machine.raise(13, 0);
        return 0;
      },
    });
    expect(got).toMatchObject({ fault: { vector: 13, errorCode: 0 }, ecx: 2, edi: 0x3000 });
  });
  it("repeat with one check a slice", () => {
    const log: string[] = [];
    const got = run({ code: "F3 6D", ecx: 2, edx: 0x1f0, edi: 0x3000, ...prepared(log, 0x01020304) });
    expect(log.map((line) => line.split(" ")[0])).toEqual(["checkIo", "portIn", "portIn"]);
    expect(got).toMatchObject({ ecx: 0, edi: 0x3008 });
    expect(got.dword(0x3004)).toBe(0x01020304);
  });
  it("OUTS reads memory before it writes the port, through the overriding segment", () => {
    const segments = { gs: { base: 0x10000 } };
    const got = run({ code: "65 66 6F", edx: 0x1f0, esi: 0x20, segments, memory: { 0x10020: [0x34, 0x12] } });
    expect(got.calls).toEqual([["checkIo", 0x1f0, 2], ["portOut", 0x1f0, 2, 0x1234]]);
    expect(got).toMatchObject({ esi: 0x22 });
    expect(run({ code: "6E", edx: 0x1f0, esi: 0x20, faultAt: () => PAGE_FAULT }).calls).toEqual([["checkIo", 0x1f0, 1]]);
  });
});

describe("the accelerator", () => {
  /** Does at most `most` elements of a STOS without writing them: only the registers tell. */
  const skipping = (most: number, asked: number[][] = []) => (args: readonly number[], machine: Outcome) => {
    asked.push([...args]);
    const done = Math.min(most, machine.register("ecx"));
    machine.setRegister("ecx", machine.register("ecx") - done);
    machine.setRegister("edi", machine.register("edi") + done * args[1]!);
    return done;
  };
  it("does what it can, the element loop the rest", () => {
    const asked: number[][] = [];
    const got = run({ code: "F3 AB", ecx: 109, edi: 0x3000, eax: 1, bulk: skipping(50, asked) });
    expect(got).toMatchObject({ fault: null, suspended: false, ecx: 0, edi: 0x3000 + 4 * 109, eip: 0x1002 });
    // The last nine are not worth a call.
    expect(asked).toEqual([[1, 4, 4, -1], [1, 4, 4, -1]]);
    expect(got.writes.length).toBe(9 * 4);
  });
  it("may do everything at once", () => {
    const got = run({ code: "F3 AA", ecx: 100, edi: 0x3000, bulk: skipping(1000) });
    expect(got).toMatchObject({ suspended: false, ecx: 0, edi: 0x3064, writes: [] });
  });
  it("is told kind, width and address size", () => {
    const kindOf = (code: string) => {
      let seen: readonly number[] = [];
      run({ code, ecx: 20, edi: 0x3000, esi: 0x2000, bulk: (args) => ((seen = args), 0) });
      return seen.slice(0, 3);
    };
    expect(kindOf("F3 A4")).toEqual([0, 1, 4]);
    expect(kindOf("67 F3 AB")).toEqual([1, 4, 2]);
    expect(kindOf("66 F3 6D")).toEqual([2, 2, 4]);
    expect(kindOf("F3 6E")).toEqual([3, 1, 4]);
    expect(kindOf("F3 AD")).toEqual([4, 4, 4]);
    for (const code of ["F3 A6", "F2 AE", "A4"]) expect(kindOf(code)).toEqual([]);
  });
  it("is asked ever more rarely while it can do nothing", () => {
    const at: number[] = [];
    const got = run({
      code: "F3 AA", ecx: 4000, edi: 0x3000,
      bulk: (_args, machine) => {
        at.push(4000 - machine.register("ecx"));
        return 0;
      },
    });
    expect(got).toMatchObject({ ecx: 0, edi: 0x3000 + 4000 });
    expect(at.slice(0, 6)).toEqual([0, 1, 3, 7, 15, 31]);
    expect(at.length).toBeLessThan(26);
  });
  it("suspends the instruction after a megabyte", () => {
    const got = run({ code: "F3 AA", ecx: 0x300000, edi: 0, bulk: skipping(0x10000) });
    expect(got).toMatchObject({ suspended: true, eip: 0x1000 });
    expect(got.edi).toBe(0x100000);
  });
  it("is not asked while TF is set", () => {
    const got = run({ code: "F3 AA", ecx: 100, edi: 0x3000, flags: TF, bulk: skipping(100) });
    expect(got).toMatchObject({ suspended: true, ecx: 99, edi: 0x3001 });
  });
});
