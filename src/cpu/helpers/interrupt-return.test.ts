import { beforeEach, describe, expect, it } from "vitest";
import {
  BareCpu, CODE0, CODE1, CODE3, DATA0, DATA1, DATA3, FREE, GDT, IDT, STACK0, STACK1, STACK3, TSS, enterRing, protectedCpu,
} from "../../../test/support/bare-cpu.ts";
import {
  ACCESS_UNUSABLE, CPL, CR4, CS, DS, EFLAGS_SYSTEM, ES, FS, GS, MODE_V86, NMI_BLOCKED, SS,
} from "../../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "../eflags.ts";
import { setSegment } from "../segmentation.ts";

let b: BareCpu;
const EIP = 0x5000_0000, TARGET = 0x8765_4321 | 0;
const VME = 1, PVI = 2;
const TF = 0x100, IF = 0x200, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000, VIF = 0x8_0000, VIP = 0x10_0000, ID = 0x20_0000, IOPL3 = 0x3000;
const flags = (): number => getEflags(b.cpu.state, b.cpu.context);
const setFlags = (image: number): void => {
  setEflags(b.cpu.state, b.cpu.context, image, EFLAGS_ALL);
  b.cpu.updateMode();
};
const esp = (): number => b.cpu.state.gpr(4);
function iret(items: readonly number[], size = 4): string {
  const base = b.cpu.context.segmentBase(SS);
  items.forEach((value, i) => (size === 4 ? b.w32(base + esp() + i * 4, value) : b.w16(base + esp() + i * 2, value)));
  b.call("interruptReturn", size);
  return b.fault();
}

beforeEach(() => {
  b = protectedCpu();
});

describe("protected mode", () => {
  it("same ring 0: every flag", () => {
    expect(iret([TARGET, CODE0, ~VM & ~NT])).toBe("");
    expect([b.cpu.state.eip, esp(), flags()]).toEqual([TARGET, STACK0 + 12, EFLAGS_ALL & ~VM & ~NT | 2]);
  });

  it("16 bits: the low half of EFLAGS alone", () => {
    setFlags(AC | ID | 0xd5);
    expect(iret([0x1234, CODE0, 0x3200], 2)).toBe("");
    expect([b.cpu.state.eip, esp(), flags()]).toEqual([0x1234, STACK0 + 6, 0x2 | AC | ID | 0x3200]);
  });

  it.each([
    ["CPL 3, IOPL 0: neither IF nor IOPL, VIF, VIP", 0, 0x2 | RF | AC | ID],
    ["CPL 3, IOPL 3: IF too", IOPL3, 0x2 | IF | IOPL3 | RF | AC | ID],
  ])("%s", (_name, before, after) => {
    enterRing(b, 3);
    setFlags(before);
    expect(iret([TARGET, CODE3, IF | IOPL3 | RF | AC | ID | VIF | VIP])).toBe("");
    expect(flags()).toBe(after);
  });

  it("IF is decided by the CPL before the return, IOPL too", () => {
    expect(iret([TARGET, CODE3, IF | IOPL3, STACK3, DATA3])).toBe("");
    expect(flags()).toBe(0x2 | IF | IOPL3);
  });

  it("ring 1 with IOPL 1 changes IF but not IOPL", () => {
    enterRing(b, 1);
    setFlags(0x1000);
    expect(iret([TARGET, CODE3, IF | IOPL3, STACK3, DATA3])).toBe("");
    expect([flags(), b.cpu.context.cpl]).toEqual([0x2 | IF | 0x1000, 3]);
  });

  it("to an outer ring: five items, inner data segments dropped", () => {
    expect(iret([TARGET, CODE3, IF, STACK3, DATA3])).toBe("");
    const c = b.cpu.context;
    expect([c.selector(CS), c.cpl, esp(), c.selector(SS), b.cpu.state.eip]).toEqual([CODE3, 3, STACK3, DATA3, TARGET]);
    expect([c.segmentAccess(DS), c.segmentAccess(ES), c.selector(FS), c.selector(GS)]).toEqual([ACCESS_UNUSABLE, ACCESS_UNUSABLE, DATA3, DATA3]);
  });

  it("ring 0 to ring 1 and ring 1 to ring 3", () => {
    expect(iret([TARGET, CODE1, 0, STACK1, DATA1])).toBe("");
    expect(b.cpu.context.cpl).toBe(1);
    expect(iret([TARGET, CODE3, 0, STACK3, DATA3])).toBe("");
    expect(b.cpu.context.cpl).toBe(3);
  });

  it.each([
    ["to an inner ring", [TARGET, CODE0, 0], 3, "#13(8)"],
    ["null CS", [TARGET, 0, 0], 0, "#13(0)"],
    ["data as CS", [TARGET, DATA0, 0], 0, "#13(10)"],
    ["CS beyond the table", [TARGET, 0x200, 0], 0, "#13(200)"],
    ["SS of another ring", [TARGET, CODE3, 0, STACK3, DATA0], 0, "#13(10)"],
    ["VM in the image at CPL 3 is ignored", [TARGET, CODE3, VM], 3, ""],
    ["VM in the image at CPL 1 is ignored", [TARGET, CODE1, VM], 1, ""],
  ] as const)("%s", (_name, items, cpl, expected) => {
    enterRing(b, cpl);
    setFlags(0x2);
    expect(iret(items)).toBe(expected);
    expect([flags(), b.cpu.context.cpl]).toEqual([0x2, cpl]);
  });

  it("ends the blocking of NMIs even where it faults", () => {
    b.cpu.context.set(NMI_BLOCKED, 1);
    expect(iret([TARGET, 0, 0])).toBe("#13(0)");
    expect(b.cpu.context.get(NMI_BLOCKED)).toBe(0);
  });

  it("RF from the image lasts for the next instruction", () => {
    expect(iret([TARGET, CODE0, RF])).toBe("");
    b.cpu.afterInstruction();
    expect(flags() & RF).toBe(RF);
    b.cpu.afterInstruction();
    expect(flags() & RF).toBe(0);
  });
});

describe("V86 mode", () => {
  const v86 = (image: number): void => {
    const c = b.cpu.context;
    for (const [i, s] of [[ES, 1], [CS, 0x1000], [SS, 0x2000], [DS, 3], [FS, 4], [GS, 5]] as const) setSegment(c, i, s, s << 4, 0xffff, 0xf3);
    c.set(CPL, 3);
    b.cpu.state.setGpr(4, 0x100);
    setFlags(VM | image);
  };

  it("is entered from ring 0 with nine items", () => {
    expect(iret([0x77, 0x1000, VM | IF | IOPL3 | VIF | VIP, 0x100, 0x2000, 0x1111, 0x1333, 0x1444, 0x1555])).toBe("");
    const c = b.cpu.context;
    expect([c.cpl, c.mode & MODE_V86, b.cpu.state.eip, esp(), flags()]).toEqual([3, MODE_V86, 0x77, 0x100, 0x2 | VM | IF | IOPL3 | VIF | VIP]);
    expect([CS, SS, ES, DS, FS, GS].map((i) => c.selector(i))).toEqual([0x1000, 0x2000, 0x1111, 0x1333, 0x1444, 0x1555]);
    expect([c.segmentBase(GS), c.segmentLimit(GS), c.segmentAccess(GS)]).toEqual([0x1_5550, 0xffff, 0xf3]);
  });

  it("with EIP above 64 KB is #GP(0)", () => {
    expect(iret([0x1_0000, 0x1000, VM, 0, 0, 0, 0, 0, 0])).toBe("#13(0)");
    expect(b.cpu.context.cpl).toBe(0);
  });

  it("IRET at IOPL 3 loads IF and leaves IOPL, VM, VIF, VIP", () => {
    v86(IOPL3);
    expect(iret([0x99, 0x1234, IF | TF | VIF], 4)).toBe("");
    expect([b.cpu.context.segmentBase(CS), b.cpu.state.eip, esp(), flags()]).toEqual([0x1_2340, 0x99, 0x10c, 0x2 | VM | IOPL3 | IF | TF]);
  });

  it.each([
    ["IOPL 0 without VME", 0, 0, 2, 0, "#13(0)"],
    ["IOPL 0 with VME, 32 bits", 1, 0, 4, 0, "#13(0)"],
    ["TF in the image under VME", 1, 0, 2, TF, "#13(0)"],
    ["IF in the image while VIP is set", 1, VIP, 2, IF, "#13(0)"],
    ["IF in the image", 1, 0, 2, IF, ""],
    ["no IF in the image while VIP is set", 1, VIP | VIF, 2, 0, ""],
  ] as const)("%s", (_name, cr4, before, size, image, expected) => {
    v86(IF | before);
    b.cpu.context.set(CR4, cr4);
    expect(iret([0x99, 0x1234, image | IOPL3], size)).toBe(expected);
    const vif = expected === "" ? (image & IF ? VIF : 0) : before & VIF;
    expect(flags()).toBe(0x2 | VM | IF | (before & VIP) | vif);
  });
});

describe("real mode", () => {
  it("loads all but VM, VIF and VIP", () => {
    b = new BareCpu();
    b.cpu.state.setGpr(4, 0x100);
    expect(iret([0x1234, 0x2000, 0xffff & ~TF], 2)).toBe("");
    expect([b.cpu.context.segmentBase(CS), b.cpu.state.eip, esp(), flags()]).toEqual([0x2_0000, 0x1234, 0x106, 0x7ed7]);
    expect(iret([0x1234, 0x2000, -1], 4)).toBe("");
    expect(flags()).toBe((EFLAGS_ALL & ~(VM | VIF | VIP)) | 2);
    expect(iret([0x1_0000, 0x2000, 0], 4)).toBe("#13(0)");
  });
});

describe("nested tasks", () => {
  beforeEach(() => setFlags(NT));

  it.each([
    ["no back link", 0, 0x8b, "#10(0)"],
    ["back link in the LDT", FREE | 4, 0x8b, "#10(74)"],
    ["beyond the table", 0x200, 0x8b, "#10(200)"],
    ["a task that is not busy", FREE, 0x89, "#10(70)"],
    ["not present", FREE, 0x0b, "#11(70)"],
  ])("%s", (_name, link, access, expected) => {
    b.descriptor(GDT, FREE >> 3, 0x5000, 0x67, access);
    b.w16(TSS, link);
    expect(iret([EIP, CODE0, 0])).toBe(expected);
    expect(flags()).toBe(0x2 | NT);
  });
});

describe("VIF and VIP both set", () => {
  beforeEach(() => {
    for (let vector = 0; vector < 32; vector++) b.gate(IDT, vector, CODE0, vector * 0x1000, 0x8e);
  });
  const toRing3 = (image: number): void => {
    expect(iret([TARGET, CODE3, image, STACK3, DATA3])).toBe("");
  };
  const toV86 = (image: number): void => {
    expect(iret([0x77, 0x1000, VM | image, 0x100, 0x2000, 0, 0, 0, 0])).toBe("");
  };

  it.each([
    ["ring 3 with PVI", PVI, toRing3, 0, true],
    ["ring 3 with VME alone", VME, toRing3, 0, false],
    ["V86 with VME", VME, toV86, 0, true],
    ["V86 with VME at IOPL 3", VME, toV86, IOPL3, false],
    ["V86 with PVI alone", PVI, toV86, 0, false],
  ] as const)("%s", (_name, cr4, enter, iopl, faults) => {
    b.cpu.context.set(CR4, cr4);
    enter(VIF | VIP | iopl);
    // The #GP is of the first instruction there: its EIP is on the stack, with RF.
    if (faults) expect([b.cpu.state.eip, b.cpu.context.cpl, b.r32(esp()), b.r32(esp() + 12) & (RF | VIF | VIP)]).toEqual([0xd000, 0, 0, RF | VIF | VIP]);
    else expect(b.cpu.context.cpl).toBe(3);
  });

  it("needs both, and comes after a single-step trap", () => {
    b.cpu.context.set(CR4, PVI);
    toRing3(VIF);
    expect(b.cpu.context.cpl).toBe(3);
    enterRing(b, 0);
    b.cpu.stepping = true;
    toRing3(VIF | VIP);
    b.cpu.afterInstruction();
    expect(b.cpu.state.eip).toBe(0x1000);
  });
});

it("SS:ESP and the system flags are untouched by a fault", () => {
  enterRing(b, 0);
  expect(iret([TARGET, CODE3, IF, STACK3, 0])).toBe("#13(0)");
  expect([esp(), b.cpu.context.get(EFLAGS_SYSTEM), b.cpu.context.selector(SS)]).toEqual([STACK0, 0, DATA0]);
});
