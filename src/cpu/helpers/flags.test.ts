import { beforeEach, describe, expect, it } from "vitest";
import { type BareCpu, STACK0, STACK3, enterRing, protectedCpu } from "../../../test/support/bare-cpu.ts";
import { CPL, CR0, CR4, MODE_SINGLE, SHADOW, SS } from "../../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "../eflags.ts";
import { setSegment } from "../segmentation.ts";

let b: BareCpu;
const TF = 0x100, IF = 0x200, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000, VIF = 0x8_0000, VIP = 0x10_0000, IOPL3 = 0x3000;
const VME = 1, PVI = 2;
const flags = (): number => getEflags(b.cpu.state, b.cpu.context) & ~2;
const setFlags = (image: number): void => {
  setEflags(b.cpu.state, b.cpu.context, image, EFLAGS_ALL);
  b.cpu.updateMode();
};
const esp = (): number => b.cpu.state.gpr(4);

/** Ring 0-3, "real" or "v86" with the given EFLAGS and CR4. */
function mode(name: 0 | 1 | 3 | "real" | "v86", image: number, cr4 = 0): void {
  enterRing(b, name === "real" ? 0 : name === "v86" ? 3 : name);
  if (name === "real") b.cpu.context.set(CR0, 0);
  b.cpu.context.set(CR4, cr4);
  setFlags(name === "v86" ? image | VM : image);
}
function pushf(size: number): string {
  b.call("pushFlags", size);
  return b.fault() || (size === 4 ? b.r32(esp()) : b.r16(esp())).toString(16);
}
function popf(image: number, size: number): string {
  b.w32(esp(), image);
  b.call("popFlags", size);
  return b.fault();
}

beforeEach(() => {
  b = protectedCpu();
});

describe("PUSHF", () => {
  it.each([
    ["ring 0", 0, IF | NT | AC | RF | VIF, 0, 4, (IF | NT | AC | VIF | 2).toString(16)],
    ["ring 3 sees IF and IOPL", 3, IF | IOPL3, 0, 4, "3202"],
    ["ring 3, 16 bits", 3, IF | AC, 0, 2, "202"],
    ["PVI changes nothing", 3, IF | VIF, PVI, 4, "80202"],
    ["real mode", "real", IF | IOPL3, 0, 2, "3202"],
    ["V86, IOPL 3", "v86", IF | IOPL3, 0, 2, "3202"],
    ["V86, IOPL 3, 32 bits: without VM", "v86", IF | IOPL3, 0, 4, "3202"],
    ["V86, IOPL 0", "v86", IF, 0, 2, "#13(0)"],
    ["V86 with VME, 32 bits", "v86", IF, VME, 4, "#13(0)"],
    ["V86 with VME: IF is VIF, IOPL reads 3", "v86", IF | NT, VME, 2, "7002"],
    ["V86 with VME, VIF set", "v86", IF | VIF, VME, 2, "3202"],
    ["V86 with VME at IOPL 3: IF itself", "v86", IOPL3 | VIF, VME, 2, "3002"],
  ] as const)("%s", (_name, where, image, cr4, size, expected) => {
    mode(where, image, cr4);
    const top = esp();
    expect(pushf(size)).toBe(expected);
    expect(esp()).toBe(expected.startsWith("#") ? top : top - size);
    expect(flags()).toBe(where === "v86" ? image | VM : image);
  });
});

describe("POPF", () => {
  const ALL = EFLAGS_ALL & ~TF & ~AC;
  it.each([
    ["ring 0: all but RF, VM, VIF, VIP", 0, 0, 0, ALL, 4, ALL & ~(RF | VM | VIF | VIP)],
    ["ring 0 keeps VIF and VIP", 0, VIF | VIP, 0, 0, 4, VIF | VIP],
    ["ring 0, 16 bits: the low half", 0, AC, 0, 0x7ed5, 2, AC | 0x7ed5],
    ["ring 1 at IOPL 1: IF but not IOPL", 1, 0x1000, 0, IF | IOPL3, 4, IF | 0x1000],
    ["ring 1 at IOPL 0: neither", 1, IF, 0, IOPL3 | NT, 4, IF | NT],
    ["ring 3 at IOPL 0: IF is kept in silence", 3, IF, 0, 0, 4, IF],
    ["ring 3 at IOPL 3", 3, IOPL3, 0, IF | VIF, 4, IOPL3 | IF],
    ["PVI changes nothing", 3, 0, PVI, IF, 4, 0],
    ["real mode", "real", 0, 0, IF | IOPL3 | NT, 2, IF | IOPL3 | NT],
    ["V86 at IOPL 3", "v86", IOPL3, 0, IF, 4, VM | IOPL3 | IF],
    ["V86 with VME: IF goes to VIF", "v86", IF, VME, IF | IOPL3 | NT, 2, VM | IF | VIF | NT],
    ["V86 with VME: VIF is cleared though VIP is set", "v86", IF | VIF | VIP, VME, 0, 2, VM | IF | VIP],
  ] as const)("%s", (_name, where, before, cr4, image, size, after) => {
    mode(where, before, cr4);
    const top = esp();
    expect(popf(image, size)).toBe("");
    expect([flags(), esp()]).toEqual([after, top + size]);
  });

  it.each([
    ["V86, IOPL 0", 0, 0, 0, 2],
    ["V86 with VME, 32 bits", 0, VME, 0, 4],
    ["V86 with VME, TF in the image", 0, VME, TF, 2],
    ["V86 with VME, IF in the image while VIP is set", VIP, VME, IF, 2],
  ])("%s: #GP(0) and nothing popped", (_name, before, cr4, image, size) => {
    mode("v86", before, cr4);
    expect(popf(image, size)).toBe("#13(0)");
    expect([flags(), esp()]).toEqual([before | VM, STACK3]);
  });

  it("TF and AC take effect", () => {
    mode(3, 0);
    popf(TF, 4);
    expect(b.cpu.context.mode & MODE_SINGLE).toBe(MODE_SINGLE);
    popf(0, 4);
    expect(b.cpu.context.mode & MODE_SINGLE).toBe(0);
    b.cpu.context.set(CR0, 0x4_0011);
    popf(AC, 4);
    expect(b.cpu.alignmentCheck).toBe(true);
  });

  it("faults at the stack's limit before it changes anything", () => {
    mode(0, 0);
    setSegment(b.cpu.context, SS, 0x10, 0, STACK0 + 2, 0x4093);
    expect(popf(IF, 4)).toBe("#12(0)");
    expect([flags(), esp()]).toEqual([0, STACK0]);
    b.cpu.state.setGpr(4, 2);
    b.call("pushFlags", 4);
    expect([b.fault(), esp()]).toEqual(["#12(0)", 2]);
  });
});

describe("CLI and STI", () => {
  const act = (name: "clearInterruptFlag" | "setInterruptFlag"): string => {
    b.call(name);
    return b.fault();
  };
  it.each([
    // where, EFLAGS, CR4: after CLI, after STI; null = #GP(0)
    ["ring 0", 0, IF, 0, 0, IF],
    ["ring 1 at IOPL 0", 1, IF, 0, null, null],
    ["ring 1 at IOPL 1", 1, IF | 0x1000, 0, 0x1000, IF | 0x1000],
    ["ring 1 with PVI", 1, IF, PVI, null, null],
    ["ring 3", 3, IF, 0, null, null],
    ["ring 3 at IOPL 3", 3, IF | IOPL3, 0, IOPL3, IF | IOPL3],
    ["ring 3 with PVI", 3, IF | VIF, PVI, IF, IF | VIF],
    ["ring 3 with PVI at IOPL 3: IF", 3, IF | VIF | IOPL3, PVI, VIF | IOPL3, IF | VIF | IOPL3],
    ["ring 3 with PVI and VIP", 3, IF | VIF | VIP, PVI, IF | VIP, null],
    ["ring 3 with VME but not PVI", 3, IF, VME, null, null],
    ["real mode", "real", IF, 0, 0, IF],
    ["V86 at IOPL 0", "v86", IF, 0, null, null],
    ["V86 with VME", "v86", IF | VIF, VME, IF | VM, IF | VIF | VM],
    ["V86 with VME and VIP", "v86", IF | VIP, VME, IF | VIP | VM, null],
    ["V86 with PVI but not VME", "v86", IF, PVI, null, null],
    ["V86 at IOPL 3", "v86", IF | IOPL3, VME, IOPL3 | VM, IF | IOPL3 | VM],
  ] as const)("%s", (_name, where, image, cr4, afterCli, afterSti) => {
    for (const [name, after] of [["clearInterruptFlag", afterCli], ["setInterruptFlag", afterSti]] as const) {
      mode(where, image, cr4);
      const before = flags();
      expect(act(name)).toBe(after === null ? "#13(0)" : "");
      expect(flags()).toBe(after ?? before);
    }
  });

  it("STI keeps interrupts off for one more instruction if they were off", () => {
    mode(0, IF);
    act("setInterruptFlag");
    expect(b.cpu.context.get(SHADOW)).toBe(0);
    act("clearInterruptFlag");
    act("setInterruptFlag");
    expect([b.cpu.context.get(SHADOW), b.cpu.interruptible()]).toEqual([1, false]);
    expect(b.cpu.context.get(CPL)).toBe(0);
  });
});
