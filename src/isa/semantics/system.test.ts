// Segment registers, flag control, I/O, and system instructions.

import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import {
  EFLAGS_AF as AF, EFLAGS_CF as CF, EFLAGS_DF as DF, EFLAGS_OF as OF, EFLAGS_PF as PF, EFLAGS_SF as SF, EFLAGS_ZF as ZF,
  GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, SHADOW,
} from "../state-layout.ts";

const PAGE_FAULT = { vector: 14, errorCode: 2 };
const UNDEFINED = { vector: 6, errorCode: null };
const ALL = CF | PF | AF | ZF | SF | OF;

describe("segment registers", () => {
  it("are loaded by the helper, by number", () => {
    expect(run({ code: "8E C0", eax: 0xffff0010 }).calls).toEqual([["loadSegment", 0, 0x10]]);
    expect(run({ code: "8E 2B", ebx: 0x3000, memory: { 0x3000: [0x34, 0x12, 0xff] } }).calls).toEqual([["loadSegment", 5, 0x1234]]);
    expect(run({ code: "1F", esp: 0x8000, memory: { 0x8000: [8, 0, 0xff, 0xff] } })).toMatchObject({ calls: [["loadSegment", 3, 8]], esp: 0x8004 });
    expect(run({ code: "66 0F A1", esp: 0x8000, memory: { 0x8000: [8, 0] } })).toMatchObject({ calls: [["loadSegment", 4, 8]], esp: 0x8002 });
  });
  it("MOV SS and POP SS shadow the next instruction, LSS does not", () => {
    expect(run({ code: "8E D0" }).field(SHADOW)).toBe(2);
    expect(run({ code: "17", esp: 0x8000 }).field(SHADOW)).toBe(2);
    expect(run({ code: "0F B2 03", ebx: 0x3000 }).field(SHADOW)).toBe(0);
    expect(run({ code: "8E D8" }).field(SHADOW)).toBe(0);
  });
  it("a refused selector leaves the stack pointer, the register and the shadow", () => {
    const helper = (_n: string, _a: readonly number[], machine: { raise(v: number, e: number): void }) => {
      machine.raise(13, 0x10);
      return 0;
    };
    const fault = { vector: 13, errorCode: 0x10 };
    expect(run({ code: "17", esp: 0x8000, helper })).toMatchObject({ fault, esp: 0x8000 });
    expect(run({ code: "17", esp: 0x8000, helper }).field(SHADOW)).toBe(0);
    expect(run({ code: "C4 03", ebx: 0x3000, eax: 5, helper })).toMatchObject({ fault, eax: 5 });
  });
  it("far pointers: offset, then selector", () => {
    const memory = { 0x3000: [1, 2, 3, 4, 5, 6] };
    expect(run({ code: "C5 33", ebx: 0x3000, memory })).toMatchObject({ calls: [["loadSegment", 3, 0x0605]], esi: 0x04030201 });
    expect(run({ code: "66 0F B5 33", ebx: 0x3000, esi: 0xffffffff, memory })).toMatchObject({ calls: [["loadSegment", 5, 0x0403]], esi: 0xffff0201 });
  });
  it("are pushed zero-extended", () => {
    const got = run({ code: "0E", esp: 0x8000, segments: { cs: { selector: 0xfff8 } }, memory: { 0x7ffc: [9, 9, 9, 9] } });
    expect(got).toMatchObject({ esp: 0x7ffc });
    expect(got.dword(0x7ffc)).toBe(0xfff8);
  });
});

describe("MONITOR and MWAIT", () => {
  const MONITOR = "0F 01 C8", MWAIT = "0F 01 C9";
  it("arm the watch of a byte that may be read, then wait", () => {
    expect(run({ code: MONITOR, eax: 0x3000 })).toMatchObject({ fault: null, calls: [["monitorWait", 0]] });
    expect(run({ code: MWAIT })).toMatchObject({ fault: null, calls: [["monitorWait", 1]] });
    const faultAt = (linear: number, bytes: number, write: boolean) => (linear === 0x5000 && bytes === 1 && !write ? PAGE_FAULT : null);
    expect(run({ code: MONITOR, eax: 0x5000, faultAt })).toMatchObject({ fault: PAGE_FAULT, calls: [] });
    expect(run({ code: "67 0F 01 C8", eax: 0x1_5000, faultAt }).fault).toEqual(PAGE_FAULT);
    expect(run({ code: MONITOR, eax: 0x3000, segments: { ds: { limit: 0x2fff } } }).fault).toEqual({ vector: 13, errorCode: 0 });
    expect(run({ code: "64 0F 01 C8", eax: 0x3000, segments: { ds: { limit: 0x2fff } } }).fault).toBe(null);
  });
  it("are undefined outside level 0, and have no extensions", () => {
    for (const code of [MONITOR, MWAIT]) {
      expect(run({ code, cpl: 1, ecx: 1 })).toMatchObject({ fault: UNDEFINED, calls: [] });
      expect(run({ code, ecx: 1 })).toMatchObject({ fault: { vector: 13, errorCode: 0 }, calls: [] });
    }
  });
});

describe("flag control", () => {
  it("changes CF alone", () => {
    expect(run({ code: "F8", flags: ALL }).flags).toBe(ALL & ~CF);
    expect(run({ code: "F9", flags: ZF | OF }).flags).toBe(ZF | OF | CF);
    expect(run({ code: "F5", flags: ALL }).flags).toBe(ALL & ~CF);
    expect(run({ code: "F5", flags: SF }).flags).toBe(SF | CF);
  });
  it("changes DF alone", () => {
    expect(run({ code: "FD", flags: ALL }).flags).toBe(ALL | DF);
    expect(run({ code: "FC", flags: ALL | DF }).flags).toBe(ALL);
  });
  it("LAHF and SAHF move SF ZF AF PF CF", () => {
    expect(run({ code: "9F", flags: ALL, eax: 0 }).eax).toBe(0xd700);
    expect(run({ code: "9F", flags: OF, eax: 0xffffffff }).eax).toBe(0xffff02ff);
    expect(run({ code: "9E", flags: OF | ZF, eax: 0x8100 }).flags).toBe(OF | SF | CF);
    expect(run({ code: "9E", flags: 0, eax: 0xff00 }).flags).toBe(ALL & ~OF);
  });
  it("hands PUSHF, POPF, CLI and STI to the helpers", () => {
    expect(run({ code: "66 9C" }).calls).toEqual([["pushFlags", 2]]);
    expect(run({ code: "9D" }).calls).toEqual([["popFlags", 4]]);
    expect(run({ code: "FA" }).calls).toEqual([["clearInterruptFlag"]]);
    expect(run({ code: "FB" }).calls).toEqual([["setInterruptFlag"]]);
  });
});

describe("IN and OUT", () => {
  it("take the port from DX or an immediate byte, the width from the accumulator", () => {
    const helper = () => 0x99887766;
    expect(run({ code: "EC", edx: 0xffff03f8, eax: 0x11111111, helper })).toMatchObject({ calls: [["portIn", 0x3f8, 1]], eax: 0x11111166 });
    expect(run({ code: "66 E5 FE", eax: 0x11111111, helper })).toMatchObject({ calls: [["portIn", 0xfe, 2]], eax: 0x11117766 });
    expect(run({ code: "ED", edx: 0xcfc, helper })).toMatchObject({ calls: [["portIn", 0xcfc, 4]], eax: 0x99887766 });
    expect(run({ code: "E6 E9", eax: 0x1234 }).calls).toEqual([["portOut", 0xe9, 1, 0x34]]);
    expect(run({ code: "66 EF", edx: 0x1f0, eax: 0x12345678 }).calls).toEqual([["portOut", 0x1f0, 2, 0x5678]]);
  });
});

describe("descriptor tables", () => {
  const fields = [[GDTR_BASE, 0x89abcdef], [GDTR_LIMIT, 0x1234], [IDTR_BASE, 0x11223344], [IDTR_LIMIT, 0x7ff]] as const;
  it("SGDT and SIDT store the limit and all of the base in either operand size", () => {
    for (const code of ["0F 01 03", "66 0F 01 03"]) {
      const got = run({ code, ebx: 0x3000, fields });
      expect(got.calls).toEqual([["checkUmip"]]);
      expect([got.word(0x3000), got.dword(0x3002)]).toEqual([0x1234, 0x89abcdef]);
    }
    const idt = run({ code: "0F 01 0B", ebx: 0x3000, fields });
    expect([idt.word(0x3000), idt.dword(0x3002)]).toEqual([0x7ff, 0x11223344]);
  });
  it("SGDT stores the limit before the base, and the fault of the first of two pages comes first", () => {
    const got = run({ code: "0F 01 03", ebx: 0x3ffe, fields, faultAt: (linear) => (linear >= 0x4000 ? PAGE_FAULT : null) });
    expect(got).toMatchObject({ fault: PAGE_FAULT, writes: [0x3ffe, 0x3fff], eip: 0x1000 });
    const first = { vector: 14, errorCode: 3 };
    expect(run({ code: "0F 01 03", ebx: 0x3ffe, fields, faultAt: (linear) => (linear >= 0x4000 ? PAGE_FAULT : first) }).fault).toEqual(first);
  });
  it("LGDT and LIDT take 24 bits of the base with a 16-bit operand size", () => {
    const memory = { 0x3000: [0xff, 0x07, 0x44, 0x33, 0x22, 0x11] };
    expect(run({ code: "0F 01 13", ebx: 0x3000, memory }).calls).toEqual([["loadGdt", 0x11223344, 0x7ff]]);
    expect(run({ code: "66 0F 01 1B", ebx: 0x3000, memory }).calls).toEqual([["loadIdt", 0x223344, 0x7ff]]);
  });
  it("SLDT, STR and SMSW: a word to memory, a register whole", () => {
    const helper = (name: string) => (name === "checkUmip" ? 0 : 0x28);
    const memory = { 0x3000: [9, 9, 9, 9] };
    const sldt = run({ code: "0F 00 03", ebx: 0x3000, memory, helper });
    expect(sldt.calls).toEqual([["checkUmip"], ["storeLdt"]]);
    expect(sldt.dword(0x3000)).toBe(0x09090028);
    expect(run({ code: "0F 00 C8", eax: 0xffffffff, helper })).toMatchObject({ calls: [["checkUmip"], ["storeTask"]], eax: 0x28 });
    expect(run({ code: "66 0F 00 C8", eax: 0xffffffff, helper }).eax).toBe(0xffff0028);
    const cr0 = (name: string) => (name === "readControl" ? 0x80050033 : 0);
    expect(run({ code: "0F 01 23", ebx: 0x3000, memory, helper: cr0 }).dword(0x3000)).toBe(0x09090033);
    expect(run({ code: "0F 01 E0", helper: cr0 })).toMatchObject({ calls: [["checkUmip"], ["readControl", 0]], eax: 0x80050033 });
    expect(run({ code: "66 0F 01 E0", eax: 0xffffffff, helper: cr0 }).eax).toBe(0xffff0033);
  });
  it("LLDT, LTR, LMSW, VERR and VERW take a word", () => {
    for (const [code, name] of [["0F 00 D0", "loadLdt"], ["0F 00 D8", "loadTask"], ["0F 01 F0", "loadMachineStatus"], ["0F 00 E0", "verifyRead"], ["0F 00 E8", "verifyWrite"]] as const)
      expect(run({ code, eax: 0xabcd1234 }).calls).toEqual([[name, 0x1234]]);
  });
  it("LAR and LSL write their destination only if ZF came out", () => {
    const answer = (zf: number) => (_n: string, _a: readonly number[], machine: { setStatus(image: number): void }) => {
      machine.setStatus(zf);
      return 0x00cf9a00;
    };
    expect(run({ code: "0F 02 C1", eax: 7, ecx: 8, helper: answer(ZF) })).toMatchObject({ calls: [["loadAccessRights", 8]], eax: 0xcf9a00 });
    expect(run({ code: "0F 02 C1", eax: 7, ecx: 8, helper: answer(0) })).toMatchObject({ eax: 7 });
    expect(run({ code: "66 0F 03 C1", eax: 0x70007, ecx: 8, helper: answer(ZF) })).toMatchObject({ calls: [["loadSegmentLimit", 8]], eax: 0x79a00 });
  });
  it("ARPL raises the RPL and tells by ZF", () => {
    expect(run({ code: "63 C8", eax: 0xffff0010, ecx: 3, flags: CF | PF })).toMatchObject({ eax: 0xffff0013, flags: CF | PF | ZF });
    expect(run({ code: "63 C8", eax: 0x13, ecx: 1, flags: ZF | SF })).toMatchObject({ eax: 0x13, flags: SF });
  });
});

describe("control and debug registers", () => {
  it("are named by number and moved as 32 bits", () => {
    expect(run({ code: "66 0F 20 C3", helper: () => 0x80000011 })).toMatchObject({ calls: [["readControl", 0]], ebx: 0x80000011 });
    expect(run({ code: "0F 22 DB", ebx: 0x1000 }).calls).toEqual([["writeControl", 3, 0x1000]]);
    expect(run({ code: "0F 21 FB", helper: () => 0x400 })).toMatchObject({ calls: [["readDebug", 7]], ebx: 0x400 });
    expect(run({ code: "0F 23 CB", ebx: 5 }).calls).toEqual([["writeDebug", 1, 5]]);
  });
  it("INVLPG names a linear address and does not access it", () => {
    const segments = { gs: { base: 0x10000 } };
    expect(run({ code: "65 0F 01 3B", ebx: 0x3000, segments, faultAt: () => PAGE_FAULT }).calls).toEqual([["invalidatePage", 0x13000]]);
  });
});

describe("instructions that are one helper", () => {
  it.each([
    ["F4", "halt"], ["0F 06", "clearTaskSwitched"], ["0F 08", "cacheControl"], ["0F 09", "cacheControl"], ["0F A2", "cpuid"],
    ["0F 31", "readTimestamp"], ["0F 33", "readPerformanceCounter"], ["0F 32", "readMsr"], ["0F 30", "writeMsr"], ["0F 34", "sysenter"],
    ["0F 35", "sysexit"],
  ] as const)("%s is %s", (code, name) => expect(run({ code }).calls).toEqual([[name]]));
});

describe("undefined opcodes that have a row", () => {
  it.each(["0F 0B", "0F B9 C0", "0F FF C0", "0F 24 C0", "0F 26 C0"])("%s raises #UD at every privilege level", (code) => {
    expect(run({ code, cpl: 3 })).toMatchObject({ fault: UNDEFINED, eip: 0x1000 });
  });
});
