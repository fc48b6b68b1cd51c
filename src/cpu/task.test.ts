import { beforeEach, describe, expect, it } from "vitest";
import {
  type BareCpu, CODE0, CODE16, CODE3, CONFORMING0, DATA0, DATA16, DATA3, FREE, GDT, IDT, LDT, LDT_SELECTOR, STACK0, TSS, TSS_16, TSS_OTHER,
  TSS_SELECTOR, enterRing, protectedCpu,
} from "../../test/support/bare-cpu.ts";
import {
  ACTIVITY, CR0, CR3, CS, DR6, DR7, DS, ES, FS, GS, LDTR, MODE_V86, SS, TR,
} from "../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "./eflags.ts";

let b: BareCpu;
const EIP = 0x5000_0000, NEW_EIP = 0x6000_0000, TASK = FREE, TASK16 = FREE + 8, TASK_GATE = FREE + 16;
const NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, IF = 0x200;

interface Task {
  cr3?: number; eip?: number; eflags?: number; ss?: number; cs?: number; ds?: number; es?: number; ldt?: number; esp?: number; trap?: number;
}

/** The task that TASK names. */
function task32(t: Task = {}): void {
  b.w32(TSS_OTHER + 4, STACK0, DATA0);
  b.w32(TSS_OTHER + 0x1c, t.cr3 ?? 0, t.eip ?? NEW_EIP, t.eflags ?? IF, 1, 2, 3, 4, t.esp ?? 0x7000, 5, 6, 7);
  b.w32(TSS_OTHER + 0x48, t.es ?? DATA0, t.cs ?? CODE0, t.ss ?? DATA0, t.ds ?? DATA3, 0, CONFORMING0, t.ldt ?? LDT_SELECTOR, t.trap ?? 0);
}

const flags = (): number => getEflags(b.cpu.state, b.cpu.context);
const access = (selector: number): number => b.r8(GDT + (selector & ~7) + 5);
const gprs = (): number[] => [0, 1, 2, 3, 4, 5, 6, 7].map((i) => b.cpu.state.gpr(i));

beforeEach(() => {
  b = protectedCpu();
  b.descriptor(GDT, TASK >> 3, TSS_OTHER, 0x67, 0x89);
  b.descriptor(GDT, TASK16 >> 3, TSS_16, 0x2b, 0x81);
  b.gate(GDT, TASK_GATE >> 3, TASK, 0, 0x85);
  for (let vector = 0; vector < 32; vector++) b.gate(IDT, vector, CODE0, vector * 0x1000, 0x8e);
  for (let i = 0; i < 8; i++) b.cpu.state.setGpr(i, 0x1010 * (i + 1));
  b.cpu.state.setGpr(4, STACK0);
  setEflags(b.cpu.state, b.cpu.context, 0x82 | 0x3000, EFLAGS_ALL);
  task32();
});

describe("JMP to a TSS", () => {
  it("saves the old task and loads the new one", () => {
    b.call("farJump", TASK, 0x1234, 4);
    expect(b.fault()).toBe("");
    expect([0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c, 0x40, 0x44].map((o) => b.r32(TSS + o))).toEqual([
      EIP, 0x3082, 0x1010, 0x2020, 0x3030, 0x4040, STACK0, 0x6060, 0x7070, 0x8080,
    ]);
    expect([0x48, 0x4c, 0x50, 0x54, 0x58, 0x5c].map((o) => b.r16(TSS + o))).toEqual([DATA0, CODE0, DATA0, DATA0, DATA3, DATA3]);
    const c = b.cpu.context;
    expect([b.cpu.state.eip, flags(), gprs()]).toEqual([NEW_EIP, 0x2 | IF, [1, 2, 3, 4, 0x7000, 5, 6, 7]]);
    expect([ES, CS, SS, DS, FS, GS, LDTR, TR].map((i) => c.selector(i))).toEqual([DATA0, CODE0, DATA0, DATA3, 0, CONFORMING0, LDT_SELECTOR, TASK]);
    expect([c.segmentBase(TR), c.segmentAccess(TR), c.segmentBase(LDTR), c.cpl]).toEqual([TSS_OTHER, 0x8b, LDT, 0]);
    expect([access(TSS_SELECTOR), access(TASK), c.get(CR0) & 8, b.r16(TSS_OTHER)]).toEqual([0x89, 0x8b, 8, 0]);
  });

  it("through a task gate", () => {
    b.call("farJump", TASK_GATE, 0, 4);
    expect([b.fault(), b.cpu.context.selector(TR)]).toEqual(["", TASK]);
  });

  it("to a user task takes the ring from CS", () => {
    task32({ cs: CODE3, ss: DATA3, ds: DATA3, es: DATA3 });
    b.call("farJump", TASK, 0, 4);
    expect([b.fault(), b.cpu.context.cpl]).toEqual(["", 3]);
  });

  it("to a V86 task", () => {
    task32({ eflags: VM | 2, eip: 0x1234, cs: 0x1000, ss: 0x2000, ds: 0x3000, es: 0x4000 });
    b.call("farJump", TASK, 0, 4);
    const c = b.cpu.context;
    expect([b.fault(), c.mode & MODE_V86, c.cpl, c.segmentBase(CS), c.segmentAccess(DS), c.segmentLimit(ES)]).toEqual(["", MODE_V86, 3, 0x1_0000, 0xf3, 0xffff]);
  });

  it("with the trap bit raises #DB with BT before the first instruction", () => {
    task32({ trap: 1 });
    b.call("farJump", TASK, 0, 4);
    b.cpu.afterInstruction();
    expect([b.cpu.state.eip, b.cpu.context.get(DR6) & 0xf000, b.r32(b.cpu.state.gpr(4))]).toEqual([0x1000, 0x8000, NEW_EIP]);
  });

  it("disables the local breakpoints", () => {
    b.cpu.context.set(DR7, 0x4ff);
    b.call("farJump", TASK, 0, 4);
    expect(b.cpu.context.get(DR7)).toBe(0x4aa);
  });

  it("loads CR3 under paging and drops the TLB", () => {
    const directory = 0x10_0000, other = 0x10_2000, table = 0x10_1000;
    for (const d of [directory, other]) b.w32(d, table | 7);
    for (let i = 0; i < 1024; i++) b.w32(table + i * 4, (i << 12) | 7);
    b.cpu.context.set(CR3, directory);
    b.cpu.context.set(CR0, 0x8000_0011 | 0);
    task32({ cr3: other });
    let flushes = 0;
    b.cpu.tlb.onFlush.push(() => flushes++);
    b.call("farJump", TASK, 0, 4);
    expect([b.fault(), b.cpu.context.get(CR3), flushes]).toEqual(["", other, 1]);
  });

  it.each([
    ["busy", () => b.descriptor(GDT, TASK >> 3, TSS_OTHER, 0x67, 0x8b), TASK, "#13(70)"],
    ["not present", () => b.descriptor(GDT, TASK >> 3, TSS_OTHER, 0x67, 0x09), TASK, "#11(70)"],
    ["DPL < RPL", () => {}, TASK | 1, "#13(70)"],
    ["too short", () => b.descriptor(GDT, TASK >> 3, TSS_OTHER, 0x66, 0x89), TASK, "#10(70)"],
    ["a gate that is not present", () => b.gate(GDT, TASK_GATE >> 3, TASK, 0, 0x05), TASK_GATE, "#11(80)"],
    ["a gate that names no TSS", () => b.gate(GDT, TASK_GATE >> 3, CODE0, 0, 0x85), TASK_GATE, "#13(8)"],
    ["a gate that names the LDT", () => b.gate(GDT, TASK_GATE >> 3, TASK | 4, 0, 0x85), TASK_GATE, "#13(74)"],
    ["a gate beyond the table", () => b.gate(GDT, TASK_GATE >> 3, 0x200, 0, 0x85), TASK_GATE, "#13(200)"],
  ] as const)("%s: the old task goes on", (_name, prepare, selector, expected) => {
    prepare();
    b.call("farJump", selector, 0, 4);
    expect(b.fault()).toBe(expected);
    expect([b.cpu.context.selector(TR), b.cpu.state.eip, access(TSS_SELECTOR)]).toEqual([TSS_SELECTOR, EIP, 0x8b]);
  });

  it("outside ring 0 needs DPL 3", () => {
    enterRing(b, 3);
    b.call("farJump", TASK, 0, 4);
    expect(b.fault()).toBe("#13(70)");
    b.gate(GDT, TASK_GATE >> 3, TASK, 0, 0xe5);
    b.call("farJump", TASK_GATE, 0, 4);
    expect(b.fault()).toBe("");
  });
});

describe("CALL and IRET", () => {
  it("nest: back link, NT, both tasks busy", () => {
    b.call("farCall", TASK, 0, 4);
    expect(b.fault()).toBe("");
    expect([b.r16(TSS_OTHER), flags() & NT, access(TSS_SELECTOR), access(TASK)]).toEqual([TSS_SELECTOR, NT, 0x8b, 0x8b]);
    b.call("interruptReturn", 4);
    expect(b.fault()).toBe("");
    expect([b.cpu.context.selector(TR), b.cpu.state.eip, flags(), gprs()[7]]).toEqual([TSS_SELECTOR, EIP, 0x3082, 0x8080]);
    expect([access(TSS_SELECTOR), access(TASK), b.r32(TSS_OTHER + 0x24) & NT]).toEqual([0x8b, 0x89, 0]);
  });

  it("IRET to the same task finds what it has just saved", () => {
    b.w16(TSS, TSS_SELECTOR);
    setEflags(b.cpu.state, b.cpu.context, NT, NT);
    b.call("interruptReturn", 4);
    expect(b.fault()).toBe("");
    expect([b.cpu.context.selector(TR), b.cpu.state.eip, flags(), gprs()[1]]).toEqual([TSS_SELECTOR, EIP, 0x3082, 0x2020]);
  });

  it("save EFLAGS without RF, and drop a single step that waits", () => {
    setEflags(b.cpu.state, b.cpu.context, RF, RF);
    b.cpu.stepping = true;
    b.call("farCall", TASK, 0, 4);
    expect([b.r32(TSS + 0x24) & RF, b.cpu.stepping]).toEqual([0, false]);
  });
});

describe("interrupts through a task gate", () => {
  it("save the interrupted state and push the error code in the new task", () => {
    b.gate(IDT, 13, TASK, 0, 0x85);
    b.cpu.raise(13, 0x1234);
    b.cpu.deliverFault();
    expect([b.r32(TSS + 0x20), b.r32(TSS + 0x24), b.r16(TSS_OTHER)]).toEqual([EIP, 0x3082 | RF, TSS_SELECTOR]);
    expect([b.cpu.state.eip, b.cpu.state.gpr(4), b.r32(0x6ffc), flags() & NT]).toEqual([NEW_EIP, 0x6ffc, 0x1234, NT]);
  });

  it("refuse a TSS that is busy with #GP", () => {
    b.gate(IDT, 0x40, TSS_SELECTOR, 0, 0x85);
    b.cpu.deliverInterrupt(0x40);
    expect([b.cpu.state.eip / 0x1000, b.r32(b.cpu.state.gpr(4))]).toEqual([13, TSS_SELECTOR | 1]);
  });

  it("#DF finds its task however broken the stack is", () => {
    b.gate(IDT, 8, TASK, 0, 0x85);
    b.cpu.state.setGpr(4, 0xfff0_0000 | 0);
    b.cpu.context.setSegmentWords(SS, DATA0, 0, 0xfff, 0x4093, 3);
    b.cpu.raiseNoError(6);
    b.cpu.deliverFault();
    expect([b.cpu.context.get(ACTIVITY), b.cpu.state.eip, b.cpu.context.selector(TR)]).toEqual([0, NEW_EIP, TASK]);
  });
});

describe("faults of the new task", () => {
  // They are delivered in the new task: its EIP is on its stack, its TSS is the current one.
  it.each([
    ["CS null", { cs: 0 }, 10, 0],
    ["CS is data", { cs: DATA0 }, 10, DATA0],
    ["CS of another ring", { cs: CODE3 & ~3 }, 10, CODE3 & ~3],
    ["SS null", { ss: 0 }, 10, 0],
    ["SS of another ring", { ss: DATA3 }, 10, DATA3 & ~3],
    ["DS is a system segment", { ds: TSS_SELECTOR }, 10, TSS_SELECTOR],
    ["DS beyond the table", { ds: 0x200 }, 10, 0x200],
    ["LDT is no LDT", { ldt: CODE0 }, 10, CODE0],
    ["LDT in the LDT", { ldt: LDT_SELECTOR | 4 }, 10, LDT_SELECTOR | 4],
    ["EIP beyond the limit", { cs: CODE16, eip: 0x1_0000 }, 13, 0],
  ] as const)("%s", (_name, t, vector, error) => {
    // The fault's handler is a task, so that it can run without a stack.
    task32(t);
    b.w32(TSS_16, 0);
    b.gate(IDT, vector, TASK16, 0, 0x85);
    b.w16(TSS_16 + 0xe, 0x4444, 2, 0, 0, 0, 0, 0x7000, 0, 0, 0, DATA0, CODE0, DATA16, DATA0, 0);
    b.call("farJump", TASK, 0, 4);
    expect(b.fault()).toBe("");
    expect([b.cpu.context.selector(TR), b.cpu.state.eip, b.r16(b.cpu.state.gpr(4) & 0xffff)]).toEqual([TASK16, 0x4444, error]);
    expect([b.r16(TSS_16), b.r32(TSS_OTHER + 0x20)]).toEqual([TASK, "eip" in t ? t.eip : NEW_EIP]);
  });

  it("a bad LDT of a ring-0 task is reported on the ring-0 stack of its TSS, for it has no other yet", () => {
    b.gate(IDT, 10, CODE0, 0x1111, 0x8e);
    b.w32(TSS_OTHER + 4, 0x6800, DATA0);
    task32({ ldt: CODE0 });
    b.w32(TSS_OTHER + 4, 0x6800, DATA0);
    b.call("farJump", TASK, 0, 4);
    expect([b.cpu.state.eip, b.cpu.state.gpr(4), b.r32(b.cpu.state.gpr(4)), b.cpu.context.get(ACTIVITY)]).toEqual([0x1111, 0x6800 - 24, CODE0, 0]);
  });

  it("a bad CS is reported on the new stack", () => {
    b.gate(IDT, 10, CODE0, 0x1111, 0x8e);
    task32({ cs: DATA0 });
    b.call("farJump", TASK, 0, 4);
    expect([b.cpu.state.eip, b.cpu.state.gpr(4), b.r32(b.cpu.state.gpr(4))]).toEqual([0x1111, 0x7000 - 16, DATA0]);
  });

  it("a segment that is not present is #NP, a stack #SS", () => {
    b.descriptor(GDT, 30, 0, 0xf_ffff, 0xc013);
    b.gate(IDT, 11, CODE0, 0x1111, 0x8e);
    task32({ ds: 30 * 8 });
    b.call("farJump", TASK, 0, 4);
    expect([b.cpu.state.eip, b.r32(b.cpu.state.gpr(4)), b.r32(b.cpu.state.gpr(4) + 4)]).toEqual([0x1111, 30 * 8, NEW_EIP]);
  });
});

describe("16-bit TSS", () => {
  beforeEach(() => b.w16(TSS_16 + 0xe, 0x4444, 0x202, 1, 2, 3, 4, 0x7000, 5, 6, 7, DATA0, CODE0, DATA16, DATA3, 0));

  it("loads 16 bits, nulls FS and GS, keeps CR3", () => {
    b.cpu.context.set(CR3, 0x9000);
    b.call("farJump", TASK16, 0, 4);
    expect(b.fault()).toBe("");
    const c = b.cpu.context;
    expect([b.cpu.state.eip, flags(), b.cpu.state.gpr(0) & 0xffff, b.cpu.state.gpr(7) & 0xffff]).toEqual([0x4444, 0x202, 1, 7]);
    expect([c.selector(DS), c.selector(FS), c.selector(GS), c.selector(LDTR), c.get(CR3), c.segmentAccess(TR)]).toEqual([DATA3, 0, 0, 0, 0x9000, 0x83]);
  });

  it("is saved in 16 bits when it is left", () => {
    b.call("farJump", TASK16, 0, 4);
    b.cpu.state.setGpr(3, 0x1_5678);
    b.cpu.state.eip = 0x4455;
    b.w32(TSS + 0x20, NEW_EIP);
    b.call("farCall", TSS_SELECTOR, 0, 4);
    expect(b.fault()).toBe("");
    expect([b.r16(TSS_16 + 0xe), b.r16(TSS_16 + 0x18), b.r16(TSS), b.cpu.state.eip]).toEqual([0x4455, 0x5678, TASK16, NEW_EIP]);
    b.call("interruptReturn", 4);
    expect([b.fault(), b.cpu.state.eip, b.cpu.state.gpr(3) & 0xffff]).toEqual(["", 0x4455, 0x5678]);
  });

  it("pushes error codes as words", () => {
    b.gate(IDT, 13, TASK16, 0, 0x85);
    b.cpu.raise(13, 0x77);
    b.cpu.deliverFault();
    expect([b.cpu.state.gpr(4) & 0xffff, b.r16(0x6ffe)]).toEqual([0x6ffe, 0x77]);
  });
});

it("nothing of the old task is changed when its TSS cannot be written", () => {
  const directory = 0x10_0000, table = 0x10_1000;
  b.w32(directory, table | 7);
  for (let i = 0; i < 1024; i++) b.w32(table + i * 4, (i << 12) | 7);
  b.w32(table + (TSS >> 12) * 4, TSS | 1);
  b.cpu.context.set(CR3, directory);
  b.cpu.context.set(CR0, 0x8001_0011 | 0);
  b.call("farJump", TASK, 0, 4);
  expect(b.fault()).toBe("#14(3)");
  expect([b.cpu.context.selector(TR), access(TSS_SELECTOR), access(TASK), b.cpu.state.eip]).toEqual([TSS_SELECTOR, 0x8b, 0x89, EIP]);
});
