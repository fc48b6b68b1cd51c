import { beforeEach, describe, expect, it } from "vitest";
import {
  type BareCpu, CODE0, CODE3, CONFORMING0, DATA0, DATA1, DATA3, FREE, GDT, LDT, LDT_SELECTOR, TSS, TSS_SELECTOR, enterRing, protectedCpu,
} from "../../test/support/bare-cpu.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CR4, CS, DS, EFLAGS_SYSTEM, EFLAGS_VM, ES, FLAT_BELOW, FS, LDTR, MODE_CODE32, MODE_FLAT, MODE_HARDWARE, MODE_PROTECTED,
  MODE_STACK32, MODE_USER, MODE_V86, SEG_FAST_CUT, SEG_FAST_FLAT, SEG_FAST_READ, SEG_FAST_WRITE, SS, TLB_READ, TLB_WRITE, TR,
} from "../isa/state-layout.ts";
import { getStatus } from "./eflags.ts";
import { segmentCheck, setSegment } from "./segmentation.ts";

let b: BareCpu;
const ZF = 0x40;

/** Puts a descriptor into the free slot. */
function free(access: number, base = 0, limit = 0xf_ffff): void {
  b.descriptor(GDT, FREE >> 3, base, limit, access);
}

function loadSegment(index: number, selector: number): string {
  b.call("loadSegment", index, selector);
  return b.fault();
}

beforeEach(() => {
  b = protectedCpu();
});

describe("MOV to a segment register in protected mode", () => {
  it("takes base, byte limit and rights out of the descriptor, and marks it accessed", () => {
    free(0xc0f2, 0x1234_5678, 0x1_2345);
    expect(loadSegment(ES, FREE | 3)).toBe("");
    const c = b.cpu.context;
    expect([c.selector(ES), c.segmentBase(ES), c.segmentLimit(ES), c.segmentAccess(ES)]).toEqual([FREE | 3, 0x1234_5678, 0x1234_5fff, 0xc0f3]);
    expect(b.r8(GDT + FREE + 5)).toBe(0xf3);
    free(0x00f2, 0, 0x1_2345);
    loadSegment(ES, FREE);
    expect(c.segmentLimit(ES)).toBe(0x1_2345);
  });

  it.each([
    // access, selector RPL, CPL, result for DS
    ["data, DPL >= CPL and RPL", 0xf3, 3, 3, ""],
    ["data, RPL > DPL", 0x93, 1, 0, "#13(70)"],
    ["data, CPL > DPL", 0xb3, 0, 3, "#13(70)"],
    ["readable code like data", 0xfb, 3, 3, ""],
    ["readable code, CPL > DPL", 0x9b, 0, 3, "#13(70)"],
    ["conforming code whatever CPL and RPL", 0x9f, 3, 3, ""],
    ["execute-only code", 0xf9, 0, 0, "#13(70)"],
    ["a system segment", 0x82, 0, 0, "#13(70)"],
    ["data that is not present", 0x73, 3, 3, "#11(70)"],
    ["system and not present", 0x02, 0, 0, "#13(70)"],
  ] as const)("%s", (_name, access, rpl, cpl, expected) => {
    enterRing(b, cpl);
    free(access);
    expect(loadSegment(DS, FREE | rpl)).toBe(expected);
    expect(b.cpu.context.selector(DS)).toBe(expected === "" ? FREE | rpl : cpl === 3 ? DATA3 : DATA0);
  });

  it.each([
    ["null", 0, 0x93, 0, "#13(0)"],
    ["null with RPL 3 at CPL 3", 3, 0xf3, 3, "#13(0)"],
    ["RPL other than CPL", FREE | 3, 0x93, 0, "#13(70)"],
    ["DPL other than CPL", FREE, 0xf3, 0, "#13(70)"],
    ["read-only data", FREE, 0x91, 0, "#13(70)"],
    ["code", FREE, 0x9b, 0, "#13(70)"],
    ["writable data, not present", FREE, 0x13, 0, "#12(70)"],
    ["right", FREE, 0x93, 0, ""],
    ["right at CPL 3", FREE | 3, 0xf3, 3, ""],
  ] as const)("SS: %s", (_name, selector, access, cpl, expected) => {
    enterRing(b, cpl);
    free(access);
    expect(loadSegment(SS, selector)).toBe(expected);
  });

  it("loads null into data segments, which then fault at use", () => {
    expect(loadSegment(DS, 3)).toBe("");
    expect(b.cpu.context.selector(DS)).toBe(3);
    expect(b.cpu.context.segmentAccess(DS) & ACCESS_UNUSABLE).toBe(ACCESS_UNUSABLE);
    expect(segmentCheck(b.cpu, DS, 0, 1, false)).toBe(false);
    expect(b.fault()).toBe("#13(0)");
  });

  it("faults beyond the table's limit, which must hold all 8 bytes", () => {
    expect(loadSegment(DS, 0x200)).toBe("#13(200)");
    b.call("loadGdt", GDT, FREE + 6);
    free(0x93);
    expect(loadSegment(DS, FREE)).toBe("#13(70)");
    b.call("loadGdt", GDT, FREE + 7);
    expect(loadSegment(DS, FREE)).toBe("");
  });

  it("uses the LDT for TI, and nothing without one", () => {
    expect(loadSegment(DS, 0x0f)).toBe("#13(c)");
    b.call("loadLdt", LDT_SELECTOR);
    b.descriptor(LDT, 1, 0x500, 0xff, 0xf2);
    expect(loadSegment(DS, 0x0f)).toBe("");
    expect(b.cpu.context.segmentBase(DS)).toBe(0x500);
    expect(b.r8(LDT + 8 + 5)).toBe(0xf3);
    expect(loadSegment(DS, 0x104)).toBe("#13(104)");
  });
});

describe("segment loads without protection", () => {
  it("real mode changes selector and base, and keeps the limit that protected mode left", () => {
    free(0xc093, 0x1000);
    loadSegment(FS, FREE);
    b.call("writeControl", 0, 0x10);
    loadSegment(FS, 0x1234);
    const c = b.cpu.context;
    expect([c.selector(FS), c.segmentBase(FS), c.segmentLimit(FS), c.segmentAccess(FS)]).toEqual([0x1234, 0x1_2340, 0xffff_ffff, 0xc093]);
  });

  it("V86 mode sets limit and rights", () => {
    b.cpu.context.set(EFLAGS_SYSTEM, EFLAGS_VM);
    b.cpu.context.set(CPL, 3);
    loadSegment(ES, 0xb800);
    const c = b.cpu.context;
    expect([c.selector(ES), c.segmentBase(ES), c.segmentLimit(ES), c.segmentAccess(ES)]).toEqual([0xb800, 0xb_8000, 0xffff, 0xf3]);
  });
});

describe("limits", () => {
  const check = (access: number, limit: number, offset: number, size: number, write = false, index: number = DS): string => {
    setSegment(b.cpu.context, index, 8, 0, limit, access);
    const passed = segmentCheck(b.cpu, index, offset, size, write);
    const fault = b.fault();
    expect(passed).toBe(fault === "");
    return fault;
  };

  it("holds the last byte of an access", () => {
    expect(check(0x93, 0xfff, 0xffc, 4)).toBe("");
    expect(check(0x93, 0xfff, 0xffd, 4)).toBe("#13(0)");
    expect(check(0x93, 0xffff, 0xffff, 2)).toBe("#13(0)");
    expect(check(0x93, 0xffff, 0xffff, 2, true, SS)).toBe("#12(0)");
    expect(check(0xc093, 0xffff_ffff, 0xffff_fffe, 4)).toBe("");
    expect(check(0xc093, 0xffff_efff, 0xffff_ffff, 4)).toBe("#13(0)");
  });

  it("expands down below the limit, up to 64 KB or 4 GB by the B bit", () => {
    expect(check(0x97, 0xfff, 0x1000, 4)).toBe("");
    expect(check(0x97, 0xfff, 0xfff, 1)).toBe("#13(0)");
    expect(check(0x97, 0xfff, 0xfffd, 4)).toBe("#13(0)");
    expect(check(0x97, 0xfff, 0xfffc, 4)).toBe("");
    expect(check(0x4097, 0xfff, 0xfffd, 4)).toBe("");
    expect(check(0x4097, 0xfff, 0xffff_fffd, 4)).toBe("#13(0)");
    expect(check(0x4097, 0xfff, 0xffff_fffc, 4)).toBe("");
  });

  it("refuses by type", () => {
    expect(check(0x91, 0xfff, 0, 1, true)).toBe("#13(0)");
    expect(check(0x9b, 0xfff, 0, 1, true)).toBe("#13(0)");
    expect(check(0x99, 0xfff, 0, 1, false)).toBe("#13(0)");
    expect(check(0x9b, 0xfff, 0, 1, false)).toBe("");
  });
});

describe("what generated code reads", () => {
  it("SEG_FAST follows type, base and limit", () => {
    const fast = (access: number, base: number, limit: number): number => {
      setSegment(b.cpu.context, DS, 8, base, limit, access);
      return b.cpu.context.segmentFast(DS);
    };
    expect(fast(0xc093, 0, 0xffff_ffff)).toBe(SEG_FAST_READ | SEG_FAST_WRITE | SEG_FAST_FLAT | SEG_FAST_CUT);
    expect(fast(0xc093, 0, 0xffff_efff)).toBe(SEG_FAST_READ | SEG_FAST_WRITE | SEG_FAST_CUT);
    expect(fast(0xc093, 0, FLAT_BELOW - 1)).toBe(SEG_FAST_READ | SEG_FAST_WRITE | SEG_FAST_CUT);
    expect(fast(0xc093, 0, FLAT_BELOW - 0x1001)).toBe(SEG_FAST_READ | SEG_FAST_WRITE);
    expect(fast(0xc093, 0, FLAT_BELOW + 0x7ff)).toBe(SEG_FAST_READ | SEG_FAST_WRITE);
    expect(fast(0xc093, 16, 0xffff_ffff)).toBe(SEG_FAST_READ | SEG_FAST_WRITE);
    expect(fast(0xc091, 0, 0xffff_ffff)).toBe(SEG_FAST_READ | SEG_FAST_FLAT | SEG_FAST_CUT);
    expect(fast(0xc09b, 0, 0xffff_ffff)).toBe(SEG_FAST_READ | SEG_FAST_FLAT | SEG_FAST_CUT);
    expect(fast(0xc099, 0, 0xffff_ffff)).toBe(0);
    expect(fast(0xc097, 0, 0xffff_ffff)).toBe(0);
    expect(fast(0xc093 | ACCESS_UNUSABLE, 0, 0xffff_ffff)).toBe(0);
  });

  it("MODE follows CS, SS, flatness, PE, VM, CPL and the context", () => {
    const c = b.cpu.context, { tables } = b.cpu.tlb;
    expect(c.mode).toBe(MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_PROTECTED);
    expect([c.get(TLB_READ), c.get(TLB_WRITE)]).toEqual([tables.readSupervisor, tables.writeSupervisor]);
    loadSegment(ES, 0);
    expect(c.mode & MODE_FLAT).toBe(0);
    enterRing(b, 3);
    expect(c.mode).toBe(MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_PROTECTED | MODE_USER);
    expect([c.get(TLB_READ), c.get(TLB_WRITE)]).toEqual([tables.readUser, tables.writeUser]);
    c.set(EFLAGS_SYSTEM, EFLAGS_VM);
    b.cpu.updateMode();
    expect(c.mode & (MODE_PROTECTED | MODE_V86)).toBe(MODE_V86);
    c.set(EFLAGS_SYSTEM, 0);
    c.set(CR0, 0);
    b.cpu.updateMode();
    expect(c.mode & (MODE_PROTECTED | MODE_V86)).toBe(0);
    b.cpu.switchContext("H");
    expect(b.cpu.context.mode & MODE_HARDWARE).toBe(MODE_HARDWARE);
    b.cpu.switchContext("V");
    expect(b.cpu.context.mode & MODE_HARDWARE).toBe(0);
  });
});

describe("LLDT and LTR", () => {
  it.each([
    ["null makes the LDT unusable", 0, ""],
    ["null with RPL", 3, ""],
    ["an LDT", LDT_SELECTOR, ""],
    ["TI set", LDT_SELECTOR | 4, "#13(44)"],
    ["another type", CODE0, "#13(8)"],
    ["beyond the GDT", 0x200, "#13(200)"],
  ])("LLDT: %s", (_name, selector, expected) => {
    b.call("loadLdt", selector);
    expect(b.fault()).toBe(expected);
  });

  it("LLDT: not present is #NP", () => {
    free(0x02);
    b.call("loadLdt", FREE);
    expect(b.fault()).toBe("#11(70)");
    b.call("loadLdt", 0);
    expect(b.cpu.context.segmentAccess(LDTR) & ACCESS_UNUSABLE).toBe(ACCESS_UNUSABLE);
  });

  it.each([
    ["null", 0, 0x89, "#13(0)"],
    ["busy", FREE, 0x8b, "#13(70)"],
    ["an LDT", FREE, 0x82, "#13(70)"],
    ["in the LDT", FREE | 4, 0x89, "#13(74)"],
    ["not present", FREE, 0x09, "#11(70)"],
    ["32-bit", FREE, 0x89, ""],
    ["16-bit", FREE, 0x81, ""],
  ])("LTR: %s", (_name, selector, access, expected) => {
    free(access, TSS, 0x67);
    b.call("loadTask", selector);
    expect(b.fault()).toBe(expected);
    if (expected !== "") {
      expect(b.call("storeTask")).toBe(TSS_SELECTOR);
      return;
    }
    expect(b.r8(GDT + FREE + 5)).toBe(access | 2);
    expect([b.cpu.context.selector(TR), b.cpu.context.segmentAccess(TR)]).toEqual([FREE, access | 2]);
  });
});

describe("LAR LSL VERR VERW", () => {
  const zf = (): boolean => (getStatus(b.cpu.state) & ZF) !== 0;

  it("LAR gives bytes 1 and 2 of the high dword", () => {
    expect(b.call("loadAccessRights", CODE3) & 0xf0_ff00).toBe(0xc0_fb00);
    expect(zf()).toBe(true);
    free(0x89, TSS, 0x67);
    expect(b.call("loadAccessRights", FREE)).toBe(0x8900);
  });

  it("LSL gives the limit in bytes", () => {
    expect(b.call("loadSegmentLimit", DATA0)).toBe(-1);
    expect(b.call("loadSegmentLimit", TSS_SELECTOR)).toBe(0x20ff);
    expect(zf()).toBe(true);
  });

  it.each([
    // type: LAR sees it, LSL sees it
    [1, true, true], [2, true, true], [3, true, true], [4, true, false], [5, true, false], [6, false, false], [7, false, false],
    [8, false, false], [9, true, true], [10, false, false], [11, true, true], [12, true, false], [13, false, false], [14, false, false], [15, false, false],
    [0, false, false],
  ])("system type %d", (type, lar, lsl) => {
    free(0x80 | type);
    b.call("loadAccessRights", FREE);
    expect(zf()).toBe(lar);
    b.call("loadSegmentLimit", FREE);
    expect(zf()).toBe(lsl);
    b.call("verifyRead", FREE);
    expect(zf()).toBe(false);
  });

  it("look at CPL and RPL, except for conforming code; presence does not matter", () => {
    const visible = (name: "loadAccessRights" | "verifyRead" | "verifyWrite", selector: number): boolean => {
      b.call(name, selector);
      expect(b.fault()).toBe("");
      return zf();
    };
    expect(visible("loadAccessRights", DATA0 | 1)).toBe(false);
    expect(visible("loadAccessRights", CONFORMING0 | 3)).toBe(true);
    expect(visible("verifyRead", CONFORMING0 | 3)).toBe(true);
    enterRing(b, 3);
    expect(visible("loadAccessRights", DATA0)).toBe(false);
    expect(visible("verifyRead", CODE0)).toBe(false);
    expect(visible("verifyRead", CODE3)).toBe(true);
    expect(visible("verifyWrite", CODE3)).toBe(false);
    expect(visible("verifyWrite", DATA3)).toBe(true);
    expect(visible("verifyWrite", DATA1)).toBe(false);
    free(0x71);
    expect(visible("verifyRead", FREE)).toBe(true);
    expect(visible("verifyWrite", FREE)).toBe(false);
    expect(visible("verifyRead", 0)).toBe(false);
    expect(visible("verifyRead", 0xfff8)).toBe(false);
    free(0xf9);
    expect(visible("verifyRead", FREE)).toBe(false);
  });
});

describe("UMIP", () => {
  it("faults outside ring 0 alone", () => {
    b.cpu.context.set(CR4, 0x800);
    b.call("checkUmip");
    expect(b.fault()).toBe("");
    enterRing(b, 1);
    b.call("checkUmip");
    expect(b.fault()).toBe("#13(0)");
    b.cpu.context.set(CR4, 0);
    b.call("checkUmip");
    expect(b.fault()).toBe("");
  });
});

it("starts at the reset vector", () => {
  b.cpu.reset();
  const c = b.cpu.context, { state } = b.cpu;
  expect([c.selector(CS), c.segmentBase(CS) >>> 0, c.segmentLimit(CS), state.eip]).toEqual([0xf000, 0xffff_0000, 0xffff, 0xfff0]);
  expect([c.cr0 >>> 0, c.cr4, c.cpl, state.gpr(2)]).toEqual([0x6000_0010, 0, 0, 0xf41]);
  expect(c.mode).toBe(0);
});
