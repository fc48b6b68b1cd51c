// Delivery of exceptions and interrupts to the guest; what of them leads to the monitor: exits.test.ts.
import { beforeEach, describe, expect, it } from "vitest";
import {
  BareCpu, CODE0, CODE1, CODE16, CODE3, CONFORMING0, DATA0, DATA1, DATA3, FREE, GDT, IDT, STACK0, STACK1, STACK3, TSS, TSS_SELECTOR, enterRing, protectedCpu,
} from "../../test/support/bare-cpu.ts";
import {
  ACCESS_UNUSABLE, ACTIVITY, CPL, CR0, CR2, CR3, CR4, CS, DR6, DS, EFLAGS_SHARED, EFLAGS_SYSTEM, ES, FS, GS, NMI_BLOCKED, SHADOW, SS,
  SUSPENDED,
} from "../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "./eflags.ts";
import { setSegment } from "./segmentation.ts";

let b: BareCpu;
const HANDLER = 0x8765_4321 | 0, EIP = 0x5000_0000;
const INTERRUPT32 = 0x8e, TRAP32 = 0x8f, INTERRUPT16 = 0x86, TRAP16 = 0x87, DPL3 = 0x60;
const IF = 0x200, TF = 0x100, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000, VIF = 0x8_0000, VIP = 0x10_0000, IOPL3 = 0x3000;

const flags = (): number => getEflags(b.cpu.state, b.cpu.context);
const setFlags = (image: number): void => {
  setEflags(b.cpu.state, b.cpu.context, image, EFLAGS_ALL);
  b.cpu.updateMode();
};
const esp = (): number => b.cpu.state.gpr(4);
const gate = (vector: number, selector: number, access: number, offset = HANDLER): void => b.gate(IDT, vector, selector, offset, access);
const stack32 = (count: number): number[] => Array.from({ length: count }, (_, i) => b.r32(esp() + i * 4));
const stack16 = (count: number): number[] => Array.from({ length: count }, (_, i) => b.r16(esp() + i * 2));
/** What the handler sees: vector told by which gate it came through. */
const cs = (): number => b.cpu.context.selector(CS);

function raise(vector: number, error?: number): void {
  if (error === undefined) b.cpu.raiseNoError(vector);
  else b.cpu.raise(vector, error);
  b.cpu.deliverFault();
}

/** Gates for every exception at CODE0, offset = 1000h * vector. */
function handlers(): void {
  for (let vector = 0; vector < 32; vector++) gate(vector, CODE0, INTERRUPT32, vector * 0x1000);
}
const handled = (): number => b.cpu.state.eip / 0x1000;

/** Paging on, every page its own frame, and the page of ring 1's stack not present. */
function pageOutStack1(): void {
  const directory = 0x10_0000, table = 0x10_1000;
  b.w32(directory, table | 7);
  for (let i = 0; i < 1024; i++) b.w32(table + i * 4, (i << 12) | 7);
  b.w32(table + 4 * ((STACK1 - 1) >> 12), 0);
  b.cpu.context.set(CR3, directory);
  b.cpu.context.set(CR0, 0x8000_0011 | 0);
}

describe("gates in protected mode", () => {
  beforeEach(() => {
    b = protectedCpu();
    b.cpu.state.eip = EIP;
  });

  it("same ring, 32 bits: EFLAGS CS EIP, IF and TF cleared by an interrupt gate", () => {
    gate(0x40, CODE0, INTERRUPT32);
    setFlags(0x2 | IF | TF | NT | AC | 0xd5);
    b.cpu.deliverInterrupt(0x40);
    expect(stack32(3)).toEqual([EIP, CODE0, 0x2 | IF | TF | NT | AC | 0xd5]);
    expect(esp()).toBe(STACK0 - 12);
    expect([b.cpu.state.eip, cs(), flags()]).toEqual([HANDLER, CODE0, 0x2 | AC | 0xd5]);
    expect(b.r8(GDT + CODE0 + 5)).toBe(0x9b);
  });

  it("a trap gate leaves IF", () => {
    gate(0x40, CODE0, TRAP32);
    setFlags(IF);
    b.cpu.deliverInterrupt(0x40);
    expect(flags()).toBe(0x2 | IF);
  });

  it("faults push RF and an error code; interrupts push RF only in the middle of a REP", () => {
    gate(13, CODE0, INTERRUPT32);
    raise(13, 0x1234);
    expect(stack32(4)).toEqual([0x1234, EIP, CODE0, 0x2 | RF]);
    gate(0x40, CODE0, INTERRUPT32);
    b.cpu.state.eip = EIP;
    b.cpu.deliverInterrupt(0x40);
    expect(stack32(3)).toEqual([EIP, CODE0, 0x2]);
    b.cpu.state.write(SUSPENDED, 1);
    b.cpu.deliverInterrupt(0x40);
    expect(stack32(3)[2]).toBe(0x2 | RF);
  });

  it("16-bit gates push words and use 16 bits of the offset", () => {
    gate(14, CODE0, INTERRUPT16);
    raise(14, 0x1_0007);
    expect(stack16(4)).toEqual([7, EIP & 0xffff, CODE0, 0x2]);
    expect([esp(), b.cpu.state.eip]).toEqual([STACK0 - 8, 0x4321]);
  });

  it("switches to the stack of the inner ring", () => {
    enterRing(b, 3);
    b.cpu.state.eip = EIP;
    gate(14, CODE0, INTERRUPT32);
    raise(14, 6);
    expect(stack32(6)).toEqual([6, EIP, CODE3, 0x2 | RF, STACK3, DATA3]);
    expect([esp(), b.cpu.context.selector(SS), cs(), b.cpu.context.cpl]).toEqual([STACK0 - 24, DATA0, CODE0, 0]);
    expect(b.cpu.context.selector(DS)).toBe(DATA3);
  });

  it("goes to ring 1 with its stack", () => {
    enterRing(b, 3);
    gate(0x40, CODE1, INTERRUPT32 | DPL3);
    b.cpu.deliverInterrupt(0x40);
    expect([esp(), b.cpu.context.selector(SS), cs(), b.cpu.context.cpl]).toEqual([STACK1 - 20, DATA1, CODE1, 1]);
  });

  it("takes SP and SS from a 16-bit TSS", () => {
    b.descriptor(GDT, FREE >> 3, 0x6000, 0x2b, 0x81);
    b.call("loadTask", FREE);
    b.w16(0x6002, 0x4000, DATA0);
    enterRing(b, 3);
    gate(0x40, CODE0, TRAP32);
    b.cpu.deliverInterrupt(0x40);
    expect([esp(), b.cpu.context.selector(SS)]).toEqual([0x4000 - 20, DATA0]);
  });

  it("a conforming handler keeps the ring and the stack", () => {
    enterRing(b, 3);
    gate(0x40, CONFORMING0, INTERRUPT32);
    b.cpu.deliverInterrupt(0x40);
    expect([cs(), b.cpu.context.cpl, esp()]).toEqual([CONFORMING0 | 3, 3, STACK3 - 12]);
  });

  it("uses only SP of a 16-bit stack", () => {
    setSegment(b.cpu.context, SS, 0x68, 0x1000, 0xffff, 0x93);
    b.cpu.state.setGpr(4, 0x7777_0002);
    b.cpu.updateMode();
    gate(0x40, CODE0, TRAP16);
    b.cpu.deliverInterrupt(0x40);
    // The second word lies at FFFEh: SP wraps around between two pushes.
    expect(esp()).toBe(0x7777_fffc);
    expect(b.r16(0x1000 + 0xfffe)).toBe(CODE0);
    expect(b.r16(0x1000)).toBe(0x2);
  });

  it("wakes a halted processor and ends shadows", () => {
    gate(0x40, CODE0, INTERRUPT32);
    b.cpu.context.set(ACTIVITY, 1);
    b.cpu.context.set(SHADOW, 1);
    b.cpu.deliverInterrupt(0x40);
    expect([b.cpu.context.get(ACTIVITY), b.cpu.context.get(SHADOW)]).toEqual([0, 0]);
  });

  it("NMI goes to vector 2 and blocks until IRET", () => {
    gate(2, CODE0, INTERRUPT32);
    expect(b.cpu.nmiDeliverable()).toBe(true);
    b.cpu.deliverNmi();
    expect([b.cpu.context.get(NMI_BLOCKED), b.cpu.nmiDeliverable(), b.cpu.state.eip]).toEqual([1, false, HANDLER]);
    b.call("interruptReturn", 4);
    expect([b.cpu.nmiDeliverable(), b.cpu.state.eip]).toEqual([true, EIP]);
  });

  it("interrupts need IF and no shadow", () => {
    expect(b.cpu.interruptible()).toBe(false);
    setFlags(IF);
    expect(b.cpu.interruptible()).toBe(true);
    b.cpu.context.set(SHADOW, 2);
    expect(b.cpu.interruptible()).toBe(false);
  });
});

describe("faults of the delivery", () => {
  // A faulting delivery of interrupt 40h (EXT = 1) reaches the handler of the fault with this error code.
  const deliver = (): [number, number] => {
    b.cpu.deliverInterrupt(0x40);
    return [handled(), b.r32(esp())];
  };
  beforeEach(() => {
    b = protectedCpu();
    handlers();
  });

  it.each([
    ["beyond the IDT", () => b.call("loadIdt", IDT, 0x40 * 8 + 6), 13, 0x203],
    ["not a gate", () => gate(0x40, CODE0, 0x8c), 13, 0x203],
    ["a gate that is not present", () => gate(0x40, CODE0, 0x0e), 11, 0x203],
    ["null code selector", () => gate(0x40, 3, INTERRUPT32), 13, 1],
    ["code selector beyond the GDT", () => gate(0x40, 0x200, INTERRUPT32), 13, 0x201],
    ["data as code", () => gate(0x40, DATA0, INTERRUPT32), 13, DATA0 | 1],
    ["an outer ring", () => gate(0x40, CODE3, INTERRUPT32), 13, 0x19],
    ["code that is not present", () => (b.descriptor(GDT, FREE >> 3, 0, 0xf_ffff, 0xc01b), gate(0x40, FREE, INTERRUPT32)), 11, FREE | 1],
    ["an offset beyond the limit", () => (b.descriptor(GDT, FREE >> 3, 0, 0xff, 0x9b), gate(0x40, FREE, INTERRUPT32, 0x100)), 13, 1],
  ] as const)("%s", (_name, prepare, vector, error) => {
    prepare();
    expect(deliver()).toEqual([vector, error]);
    expect(b.cpu.context.get(ACTIVITY)).toBe(0);
  });

  it("has no EXT for INT n, and returns to the INT itself", () => {
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("#13(202)");
    gate(0x40, CODE0, 0x0e);
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("#11(202)");
    gate(0x40, DATA0, INTERRUPT32);
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("#13(10)");
  });

  describe("from ring 3 through the TSS", () => {
    beforeEach(() => {
      gate(0x40, CODE1, INTERRUPT32 | DPL3);
      enterRing(b, 3);
    });
    const stackOf1 = (selector: number): void => b.w32(TSS + 16, selector);

    it.each([
      ["null SS", () => stackOf1(1), 10, 1],
      ["SS beyond the GDT", () => stackOf1(0x201), 10, 0x201],
      ["RPL of SS is not the new CPL", () => stackOf1(0x30), 10, 0x31],
      ["DPL of SS is not the new CPL", () => stackOf1(0x11), 10, 0x11],
      ["SS is not writable data", () => stackOf1(CODE1), 10, 0x29],
      ["SS is not present", () => (b.descriptor(GDT, FREE >> 3, 0, 0xf_ffff, 0xc033), stackOf1(FREE | 1)), 12, FREE | 1],
      ["no room on the new stack", () => (b.descriptor(GDT, FREE >> 3, 0, 0xfff, 0x40b7), stackOf1(FREE | 1), b.w32(TSS + 12, 0x1010)), 12, FREE | 1],
      ["TSS too short", () => setSegment(b.cpu.context, 7, TSS_SELECTOR, TSS, 16, 0x8b), 10, TSS_SELECTOR | 1],
    ] as const)("%s", (_name, prepare, vector, error) => {
      // Ring 0, at offset 4 of the TSS, stays usable for the fault's own handler.
      prepare();
      expect(deliver()).toEqual([vector, error]);
    });
  });

  it("a page fault on the stack is reported at its address, and the interrupted state is kept", () => {
    pageOutStack1();
    gate(0x40, CODE1, INTERRUPT32);
    enterRing(b, 3);
    b.cpu.state.eip = EIP;
    b.cpu.deliverInterrupt(0x40);
    expect([handled(), b.cpu.context.get(CR2)]).toEqual([14, STACK1 - 4]);
    expect(stack32(6)).toEqual([2, EIP, CODE3, 0x2 | RF, STACK3, DATA3]);
  });
});

describe("double and triple faults", () => {
  beforeEach(() => {
    b = protectedCpu();
    handlers();
  });
  const absent = (...vectors: number[]): void => vectors.forEach((vector) => gate(vector, CODE0, 0x0e));
  // The second fault is #NP, or #PF by a stack page; both as the tables of the SDM name them.
  it.each([
    // first, its gate is absent (=> second is #NP, contributory), what is handled
    [0, 8], [10, 8], [12, 8], [13, 8], [14, 8],
    [1, 11], [3, 11], [4, 11], [5, 11], [6, 11], [7, 11], [9, 11], [16, 11], [17, 11],
  ])("#%d whose gate is absent is handled by vector %d", (first, expected) => {
    absent(first);
    raise(first);
    expect(handled()).toBe(expected);
    if (expected === 8) expect(b.r32(esp())).toBe(0);
    else expect(b.r32(esp())).toBe(first * 8 + 3);
  });

  it("an interrupt whose gate is absent is no first fault, whatever its vector", () => {
    absent(13);
    b.cpu.deliverInterrupt(13);
    expect(handled()).toBe(11);
  });

  it("#PF in the delivery of #PF is #DF, in that of #GP is handled as #PF", () => {
    pageOutStack1();
    gate(13, CODE1, INTERRUPT32);
    enterRing(b, 3);
    raise(13, 0);
    expect(handled()).toBe(14);
    gate(14, CODE1, INTERRUPT32);
    enterRing(b, 3);
    raise(14, 0);
    expect(handled()).toBe(8);
  });

  it("a fault in the delivery of #DF shuts the processor down", () => {
    absent(13, 8);
    raise(13, 0);
    expect(b.cpu.context.get(ACTIVITY)).toBe(2);
    expect(b.cpu.state.eip).toBe(EIP);
    expect(b.fault()).toBe("");
  });

  it("with an IDT of limit 0 every exception is the end", () => {
    b.call("loadIdt", 0, 0);
    raise(6);
    expect(b.cpu.context.get(ACTIVITY)).toBe(2);
  });

  it("a benign fault series ends at its last handler", () => {
    absent(6);
    raise(6);
    expect(handled()).toBe(11);
    expect(b.r32(esp())).toBe(6 * 8 + 3);
  });
});

describe("software interrupts", () => {
  beforeEach(() => {
    b = protectedCpu();
    handlers();
    enterRing(b, 3);
    b.cpu.state.eip = EIP;
  });

  it("check the gate's DPL", () => {
    gate(0x80, CODE0, TRAP32);
    b.call("softwareInterrupt", 0x80);
    expect(b.fault()).toBe("#13(402)");
    gate(0x80, CODE0, TRAP32 | DPL3);
    b.call("softwareInterrupt", 0x80);
    expect(b.fault()).toBe("");
    expect(stack32(5)).toEqual([EIP, CODE3, 0x2, STACK3, DATA3]);
  });

  it("INT3 and INTO check it as well, INT1 does not", () => {
    b.call("breakpointTrap");
    expect(b.fault()).toBe("#13(1a)");
    b.call("overflowTrap");
    expect(b.fault()).toBe("#13(22)");
    b.call("icebp");
    expect([b.fault(), handled(), b.cpu.context.get(DR6) | 0]).toEqual(["", 1, 0xffff_0ff0 | 0]);
    enterRing(b, 3);
    gate(3, CODE0, TRAP32 | DPL3);
    b.call("breakpointTrap");
    expect(b.fault()).toBe("");
    expect(b.cpu.context.cpl).toBe(0);
  });

  it("INT1's own faults carry EXT, and leave none behind", () => {
    gate(1, DATA0, INTERRUPT32);
    b.call("icebp");
    expect(b.fault()).toBe("#13(11)");
    b.call("loadSegment", DS, 0x200);
    expect(b.fault()).toBe("#13(200)");
  });

  it("does not push RF", () => {
    setFlags(RF | IOPL3);
    gate(0x80, CODE0, TRAP32 | DPL3);
    b.call("softwareInterrupt", 0x80);
    expect(stack32(3)[2]).toBe(0x2 | IOPL3);
  });
});

describe("real mode", () => {
  beforeEach(() => {
    b = new BareCpu();
    setSegment(b.cpu.context, SS, 0x2000, 0x2_0000, 0xffff, 0x93);
    setSegment(b.cpu.context, CS, 0x1000, 0x1_0000, 0xffff, 0x93);
    b.cpu.state.setGpr(4, 0x1234_0100);
    b.cpu.state.eip = 0x77;
  });

  it("goes through the vector table with three words, without an error code", () => {
    b.w16(13 * 4, 0x456, 0x3000);
    setFlags(IF | TF | AC | IOPL3);
    raise(13, 0x55);
    expect([b.r16(0x2_00fa), b.r16(0x2_00fc), b.r16(0x2_00fe)]).toEqual([0x77, 0x1000, 0x2 | IF | TF | IOPL3]);
    expect([cs(), b.cpu.context.segmentBase(CS), b.cpu.state.eip, esp()]).toEqual([0x3000, 0x3_0000, 0x456, 0x1234_00fa]);
    expect(flags()).toBe(0x2 | IOPL3);
  });

  it("uses the table that LIDT named", () => {
    b.call("loadIdt", 0x5000, 0x3ff);
    b.w16(0x5000 + 0x21 * 4, 0x11, 0x22);
    b.call("softwareInterrupt", 0x21);
    expect([cs(), b.cpu.state.eip]).toEqual([0x22, 0x11]);
  });

  it("beyond the table: #GP, #DF, shutdown", () => {
    b.call("loadIdt", 0, 0x83);
    b.w16(0x20 * 4, 1, 2);
    b.call("softwareInterrupt", 0x20);
    expect(b.fault()).toBe("");
    b.call("softwareInterrupt", 0x21);
    expect(b.fault()).toBe("#13(10a)");
    b.call("loadIdt", 0, 3);
    raise(6);
    expect(b.cpu.context.get(ACTIVITY)).toBe(2);
  });

  it("faults with SP = 1", () => {
    b.cpu.state.setGpr(4, 1);
    b.call("softwareInterrupt", 0x21);
    expect(b.fault()).toBe("#12(0)");
  });
});

describe("from V86 mode", () => {
  beforeEach(() => {
    b = protectedCpu();
    handlers();
    const c = b.cpu.context;
    const v86 = (index: number, selector: number): void => setSegment(c, index, selector, selector << 4, 0xffff, 0xf3);
    [[ES, 0x1111], [CS, 0x1000], [SS, 0x2000], [DS, 0x1333], [FS, 0x1444], [GS, 0x1555]].forEach(([i, s]) => v86(i, s));
    c.set(CPL, 3);
    b.cpu.state.setGpr(4, 0x100);
    b.cpu.state.eip = 0x77;
    setFlags(VM | IF);
  });

  it("pushes and nulls the data segments", () => {
    raise(13, 5);
    expect(stack32(10)).toEqual([5, 0x77, 0x1000, 0x2 | VM | IF | RF, 0x100, 0x2000, 0x1111, 0x1333, 0x1444, 0x1555]);
    expect(esp()).toBe(STACK0 - 40);
    const c = b.cpu.context;
    for (const i of [ES, DS, FS, GS]) expect([c.selector(i), c.segmentAccess(i)]).toEqual([0, ACCESS_UNUSABLE]);
    expect([c.cpl, cs(), c.selector(SS), flags()]).toEqual([0, CODE0, DATA0, 0x2]);
  });

  it("a 16-bit gate pushes words", () => {
    gate(0x40, CODE0, INTERRUPT16);
    b.cpu.deliverInterrupt(0x40);
    expect(stack16(9)).toEqual([0x77, 0x1000, 0x2 | IF, 0x100, 0x2000, 0x1111, 0x1333, 0x1444, 0x1555]);
  });

  it("a handler outside ring 0, or conforming, is #GP with its selector", () => {
    gate(0x40, CODE1, INTERRUPT32);
    b.cpu.deliverInterrupt(0x40);
    expect([handled(), b.r32(esp())]).toEqual([13, 0x29]);
  });

  it("a conforming handler is #GP", () => {
    gate(0x40, CONFORMING0, INTERRUPT32);
    b.cpu.deliverInterrupt(0x40);
    expect([handled(), b.r32(esp())]).toEqual([13, CONFORMING0 | 1]);
  });

  it("INT n needs IOPL 3; then the gate must have DPL 3", () => {
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("#13(0)");
    setFlags(VM | IF | IOPL3);
    gate(0x40, CODE0, INTERRUPT32);
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("#13(202)");
    gate(0x40, CODE0, INTERRUPT32 | DPL3);
    b.call("softwareInterrupt", 0x40);
    expect(b.fault()).toBe("");
    expect(b.cpu.context.cpl).toBe(0);
  });

  it("INT3 does not need IOPL 3", () => {
    gate(3, CODE0, TRAP32 | DPL3);
    b.call("breakpointTrap");
    expect(b.fault()).toBe("");
    expect(b.cpu.context.cpl).toBe(0);
  });

  describe("with VME", () => {
    beforeEach(() => {
      b.cpu.context.set(CR4, 1);
      b.w16(0x21 * 4, 0x0bad, 0x1cde);
    });
    const setBit = (vector: number): void => b.w8(TSS + 0x68 + (vector >> 3), 1 << (vector & 7));

    it("a clear bit redirects to the task's own table: IF shows VIF, IOPL shows 3, VIF is cleared", () => {
      setFlags(VM | IF | VIF | TF);
      b.call("softwareInterrupt", 0x21);
      expect(b.fault()).toBe("");
      expect([b.r16(0x2_00fa), b.r16(0x2_00fc), b.r16(0x2_00fe)]).toEqual([0x77, 0x1000, 0x2 | IF | IOPL3 | TF]);
      expect([cs(), b.cpu.state.eip, esp(), b.cpu.context.cpl]).toEqual([0x1cde, 0x0bad, 0xfa, 3]);
      expect(flags()).toBe(0x2 | VM | IF);
    });

    it("shows IF = 0 while VIF is clear", () => {
      b.call("softwareInterrupt", 0x21);
      expect(b.r16(0x2_00fe)).toBe(0x2 | IOPL3);
      expect(flags()).toBe(0x2 | VM | IF);
    });

    it("at IOPL 3 it works on IF itself", () => {
      setFlags(VM | IF | VIF | IOPL3);
      b.call("softwareInterrupt", 0x21);
      expect(b.r16(0x2_00fe)).toBe(0x2 | IF | IOPL3);
      expect(flags()).toBe(0x2 | VM | VIF | IOPL3);
    });

    it("a set bit goes to the IDT, if IOPL is 3", () => {
      setBit(0x21);
      b.call("softwareInterrupt", 0x21);
      expect(b.fault()).toBe("#13(0)");
      setFlags(VM | IF | IOPL3);
      gate(0x21, CODE0, INTERRUPT32 | DPL3);
      b.call("softwareInterrupt", 0x21);
      expect(b.cpu.context.cpl).toBe(0);
    });

    it("a map outside the TSS is #GP(0)", () => {
      b.w16(TSS + 0x66, 0x2100 + 32);
      b.call("softwareInterrupt", 0x21);
      expect(b.fault()).toBe("#13(0)");
      setSegment(b.cpu.context, 7, TSS_SELECTOR, TSS, 0x66, 0x8b);
      b.call("softwareInterrupt", 0x21);
      expect(b.fault()).toBe("#13(0)");
    });
  });

  it("VIF and VIP go into the pushed image and stay as they are", () => {
    setFlags(VM | IF | VIF | VIP);
    b.cpu.deliverInterrupt(2);
    expect(stack32(3)[2]).toBe(0x2 | VM | IF | VIF | VIP);
    expect(flags()).toBe(0x2 | VIF | VIP);
  });
});

it("code of 16 bits runs a 32-bit handler", () => {
  b = protectedCpu();
  gate(0x40, CODE16, TRAP32, 0x1234);
  b.cpu.deliverInterrupt(0x40);
  expect([cs(), b.cpu.state.eip, esp(), b.cpu.state.read(EFLAGS_SHARED), b.cpu.context.get(EFLAGS_SYSTEM)]).toEqual([CODE16, 0x1234, STACK0 - 12, 0, 0]);
});
