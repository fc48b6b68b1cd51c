import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu, CODE0, CODE3, STACK0, enterRing, protectedCpu } from "../../../test/support/bare-cpu.ts";
import {
  ACTIVITY, CPL, CR0, CR2, CR3, CR4, CS, EBP, EFLAGS_SYSTEM, FSW, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, MODE_PROTECTED, SS, SYSENTER_CS,
  SYSENTER_EIP, SYSENTER_ESP,
} from "../../isa/state-layout.ts";
import { setSegment } from "../segmentation.ts";

let b: BareCpu;
const EAX = 0, ECX = 1, EDX = 2, ESP = 4;
const gpr = (i: number): number => b.cpu.state.gpr(i);
const set = (i: number, value: number): void => b.cpu.state.setGpr(i, value);
const done = (name: Parameters<BareCpu["call"]>[0], ...args: number[]): string => {
  b.call(name, ...args);
  return b.fault();
};

beforeEach(() => {
  b = protectedCpu();
});

describe("control registers", () => {
  it("CR0: impossible combinations fault, ET and reserved bits are fixed", () => {
    expect(done("writeControl", 0, 0x8000_0000 | 0)).toBe("#13(0)");
    expect(done("writeControl", 0, 0x2000_0001)).toBe("#13(0)");
    expect(done("writeControl", 0, 0x7fff_ffff)).toBe("");
    expect(b.call("readControl", 0) >>> 0).toBe(0x6005_003f);
    expect(done("writeControl", 0, 0)).toBe("");
    expect([b.call("readControl", 0), b.cpu.context.mode & MODE_PROTECTED]).toEqual([0x10, 0]);
  });

  it.each([["PG", 0x8000_0001 | 0, 0x8000_0001 | 0x8000_0000], ["WP", 0x1_0001, 0], ["PE", 0, 0]])("a change of CR0.%s drops the TLB", (_name, value) => {
    let flushes = 0;
    b.cpu.tlb.onFlush.push(() => flushes++);
    b.call("writeControl", 0, value);
    b.call("writeControl", 0, value);
    expect(flushes).toBe(1);
  });

  it("CR2 and CR3 keep what is written", () => {
    b.call("writeControl", 2, 0x1234_5678);
    b.call("writeControl", 3, 0x1000 | 0x18);
    expect([b.call("readControl", 2), b.call("readControl", 3)]).toEqual([0x1234_5678, 0x1018]);
    expect([b.cpu.context.get(CR2), b.cpu.context.get(CR3)]).toEqual([0x1234_5678, 0x1018]);
  });

  it("CR4 takes what CPUID offers; UMIP only where the monitor runs", () => {
    expect(done("writeControl", 4, 0x7ff)).toBe("");
    expect(done("writeControl", 4, 0x2000)).toBe("#13(0)");
    expect(done("writeControl", 4, 0x800)).toBe("#13(0)");
    expect(b.cpu.context.get(CR4)).toBe(0x7ff);
    b.cpu.v.cr4Mask |= 0x800;
    expect(done("writeControl", 4, 0x800)).toBe("");
    b.cpu.switchContext("H");
    expect(done("writeControl", 4, 0x800)).toBe("");
  });

  it("others do not exist", () => {
    for (const n of [1, 5, 6, 7]) {
      expect(done("readControl", n)).toBe("#6");
      expect(done("writeControl", n, 0)).toBe("#6");
    }
  });

  it("LMSW sets PE and never clears it; CLTS", () => {
    b.call("loadMachineStatus", 0xe);
    expect(b.call("readControl", 0)).toBe(0x1f);
    b.call("loadMachineStatus", 0xfff0);
    expect(b.call("readControl", 0)).toBe(0x11);
    b.call("writeControl", 0, 0x10);
    b.call("loadMachineStatus", 9);
    expect(b.call("readControl", 0)).toBe(0x19);
    b.call("clearTaskSwitched");
    expect(b.call("readControl", 0)).toBe(0x11);
  });

  it("LGDT and LIDT", () => {
    b.call("loadGdt", 0x8000_0000 | 0, 0x1_ffff);
    b.call("loadIdt", 0x1234, 0x3ff);
    expect([GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT].map((f) => b.cpu.context.get(f) >>> 0)).toEqual([0x8000_0000, 0xffff, 0x1234, 0x3ff]);
  });
});

describe("counters", () => {
  it("RDTSC reads 64 bits; TSD keeps it to ring 0", () => {
    b.ticks = 0x12_3456_789a;
    expect(done("readTimestamp")).toBe("");
    expect([gpr(EDX), gpr(EAX)]).toEqual([0x12, 0x3456_789a]);
    b.cpu.context.set(CR4, 4);
    expect(done("readTimestamp")).toBe("");
    enterRing(b, 3);
    expect(done("readTimestamp")).toBe("#13(0)");
    b.cpu.context.set(CR4, 0);
    expect(done("readTimestamp")).toBe("");
  });

  it("RDPMC: counters 0 to 17, ring 0 or PCE", () => {
    set(ECX, 17);
    expect([done("readPerformanceCounter"), gpr(EAX), gpr(EDX)]).toEqual(["", 0, 0]);
    set(ECX, 18);
    expect(done("readPerformanceCounter")).toBe("#13(0)");
    set(ECX, 0);
    enterRing(b, 3);
    expect(done("readPerformanceCounter")).toBe("#13(0)");
    b.cpu.context.set(CR4, 0x100);
    expect(done("readPerformanceCounter")).toBe("");
  });
});

describe("SYSENTER and SYSEXIT", () => {
  beforeEach(() => {
    b.cpu.context.set(SYSENTER_CS, CODE0 | 3);
    b.cpu.context.set(SYSENTER_ESP, 0x9000);
    b.cpu.context.set(SYSENTER_EIP, 0xc000_1000 | 0);
  });

  it("enters ring 0 with flat segments and without IF", () => {
    enterRing(b, 3);
    b.cpu.context.set(EFLAGS_SYSTEM, 0x1_0200);
    expect(done("sysenter")).toBe("");
    const c = b.cpu.context;
    expect([c.selector(CS), c.selector(SS), c.cpl, gpr(ESP), b.cpu.state.eip >>> 0, c.get(EFLAGS_SYSTEM)]).toEqual([CODE0, CODE0 + 8, 0, 0x9000, 0xc000_1000, 0]);
    expect([c.segmentAccess(CS), c.segmentAccess(SS), c.segmentLimit(CS), c.segmentBase(SS)]).toEqual([0xc09b, 0xc093, 0xffff_ffff, 0]);
  });

  it("returns to ring 3 by ECX and EDX", () => {
    set(ECX, 0x7000);
    set(EDX, 0x8000);
    expect(done("sysexit")).toBe("");
    const c = b.cpu.context;
    expect([c.selector(CS), c.selector(SS), c.cpl, gpr(ESP), b.cpu.state.eip]).toEqual([CODE0 + 16 + 3, CODE0 + 24 + 3, 3, 0x7000, 0x8000]);
    expect([c.selector(CS), c.segmentAccess(CS), c.segmentAccess(SS)]).toEqual([CODE3, 0xc0fb, 0xc0f3]);
  });

  it("fault outside ring 0 (SYSEXIT), in real mode, and with a null CS", () => {
    enterRing(b, 3);
    expect(done("sysexit")).toBe("#13(0)");
    b.cpu.context.set(SYSENTER_CS, 3);
    expect([done("sysenter"), b.cpu.context.get(CPL)]).toEqual(["#13(0)", 3]);
    enterRing(b, 0);
    expect(done("sysexit")).toBe("#13(0)");
    b.cpu.context.set(SYSENTER_CS, CODE0);
    b.cpu.context.set(CR0, 0);
    expect([done("sysenter"), done("sysexit")]).toEqual(["#13(0)", "#13(0)"]);
  });
});

describe("x87 and SSE availability", () => {
  const MP = 2, EM = 4, TS = 8, NE = 0x20;
  it.each([
    // CR0: x87 instruction, control form, WAIT
    [0, "", "", ""],
    [TS, "#7", "#7", ""],
    [EM, "#7", "#7", ""],
    [MP, "", "", ""],
    [MP | TS, "#7", "#7", "#7"],
    [EM | MP, "#7", "#7", ""],
  ])("CR0 %#x", (cr0, instruction, control, wait) => {
    b.cpu.context.set(CR0, 1 | cr0);
    expect([done("fpuCheck", 0), done("fpuCheck", 1), done("fpuCheck", 2)]).toEqual([instruction, control, wait]);
  });

  it("a pending error is #MF, or FERR# without NE; control forms do not look", () => {
    b.cpu.state.write(FSW, 0x81);
    b.cpu.context.set(CR0, 1 | NE);
    expect([done("fpuCheck", 0), done("fpuCheck", 1), done("fpuCheck", 2)]).toEqual(["#16", "", "#16"]);
    expect(b.log).toEqual([]);
    b.cpu.context.set(CR0, 1);
    expect([done("fpuCheck", 0), done("fpuCheck", 2)]).toEqual(["", ""]);
    expect(b.log).toEqual(["ferr", "ferr"]);
  });

  it("SSE needs OSFXSR and no EM, MMX no EM; both no TS", () => {
    expect([done("sseCheck", 0), done("sseCheck", 1)]).toEqual(["#6", ""]);
    b.cpu.context.set(CR4, 0x200);
    expect(done("sseCheck", 0)).toBe("");
    b.cpu.context.set(CR0, 1 | TS);
    expect([done("sseCheck", 0), done("sseCheck", 1)]).toEqual(["#7", "#7"]);
    b.cpu.context.set(CR0, 1 | TS | EM);
    expect([done("sseCheck", 0), done("sseCheck", 1)]).toEqual(["#6", "#6"]);
  });
});

describe("ENTER", () => {
  beforeEach(() => set(EBP, 0x2_0000));

  it("level 0", () => {
    expect(done("enter", 4, 0x20, 0)).toBe("");
    expect([b.r32(STACK0 - 4), gpr(EBP), gpr(ESP)]).toEqual([0x2_0000, STACK0 - 4, STACK0 - 4 - 0x20]);
  });

  it("level 3 copies two frame pointers and its own", () => {
    b.w32(0x2_0000 - 8, 0x222, 0x111);
    expect(done("enter", 4, 8, 3)).toBe("");
    const top = STACK0 - 4;
    expect([b.r32(top), b.r32(top - 4), b.r32(top - 8), b.r32(top - 12), gpr(EBP), gpr(ESP)]).toEqual([0x2_0000, 0x111, 0x222, top, top, top - 12 - 8]);
  });

  it("takes the level modulo 32", () => {
    expect(done("enter", 4, 0, 0x21)).toBe("");
    expect(gpr(ESP)).toBe(STACK0 - 8);
  });

  it("16 bits on a 32-bit stack writes BP alone", () => {
    set(EBP, 0x77_1234);
    expect(done("enter", 2, 4, 1)).toBe("");
    expect([b.r16(STACK0 - 2), b.r16(STACK0 - 4), gpr(EBP), gpr(ESP)]).toEqual([0x1234, (STACK0 - 2) & 0xffff, 0x77_0000 | ((STACK0 - 2) & 0xffff), STACK0 - 8]);
  });

  it("wraps on a 16-bit stack", () => {
    b = new BareCpu();
    setSegment(b.cpu.context, SS, 0x2000, 0x2_0000, 0xffff, 0x93);
    set(ESP, 0x5555_0002);
    set(EBP, 0x100);
    expect(done("enter", 2, 4, 0)).toBe("");
    expect([b.r16(0x2_0000), gpr(EBP), gpr(ESP)]).toEqual([0x100, 0, 0x5555_fffc]);
  });

  it("faults if the new top is not writable, before any register changes", () => {
    setSegment(b.cpu.context, SS, 0x10, 0, STACK0 - 0x10, 0x4097);
    expect(done("enter", 4, 0x100, 0)).toBe("#12(0)");
    expect([gpr(EBP), gpr(ESP)]).toEqual([0x2_0000, STACK0]);
    expect(done("enter", 4, 4, 0)).toBe("");
  });
});

it("HLT stops the processor, undefined opcodes are #UD, PAUSE and cache control do nothing", () => {
  b.call("halt");
  expect(b.cpu.context.get(ACTIVITY)).toBe(1);
  expect([done("undefined"), done("cacheControl")]).toEqual(["#6", ""]);
});

it("MWAIT stops the processor after a MONITOR that no interrupt's return has ended", () => {
  const ARM = 0, WAIT = 1;
  expect(done("monitorWait", WAIT)).toBe("");
  expect(b.cpu.context.get(ACTIVITY)).toBe(0);
  expect([done("monitorWait", ARM), done("monitorWait", WAIT)]).toEqual(["", ""]);
  expect(b.cpu.context.get(ACTIVITY)).toBe(1);
  b.cpu.context.set(ACTIVITY, 0);
  done("monitorWait", ARM);
  done("interruptReturn", 4);
  done("monitorWait", WAIT);
  expect(b.cpu.context.get(ACTIVITY)).toBe(0);
});
