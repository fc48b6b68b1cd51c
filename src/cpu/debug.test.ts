import { beforeEach, describe, expect, it } from "vitest";
import { type BareCpu, CODE0, IDT, STACK0, protectedCpu } from "../../test/support/bare-cpu.ts";
import { CR4, DR6, DR7, SHADOW } from "../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "./eflags.ts";

let b: BareCpu;
const HANDLER = 0x8765_4321 | 0, EIP = 0x5000_0000, INTERRUPT32 = 0x8e, TRAP32 = 0x8f, DPL3 = 0x60, TF = 0x100, RF = 0x1_0000;

const flags = (): number => getEflags(b.cpu.state, b.cpu.context);
const setFlags = (image: number): void => {
  setEflags(b.cpu.state, b.cpu.context, image, EFLAGS_ALL);
  b.cpu.updateMode();
};
const esp = (): number => b.cpu.state.gpr(4);
const gate = (vector: number, selector: number, access: number, offset = HANDLER): void => b.gate(IDT, vector, selector, offset, access);
const stack32 = (count: number): number[] => Array.from({ length: count }, (_, i) => b.r32(esp() + i * 4));
const handled = (): number => b.cpu.state.eip / 0x1000;
/** Gates for every exception at CODE0, offset = 1000h * vector. */
function handlers(): void {
  for (let vector = 0; vector < 32; vector++) gate(vector, CODE0, INTERRUPT32, vector * 0x1000);
}

function raise(vector: number): void {
  b.cpu.raiseNoError(vector);
  b.cpu.deliverFault();
}

describe("debug exceptions", () => {
  beforeEach(() => {
    b = protectedCpu();
    handlers();
    b.cpu.state.eip = EIP;
  });
  const step = (linear: number, run: () => void = () => {}): string => {
    b.cpu.state.eip = EIP;
    if (!b.cpu.beforeInstruction(linear)) {
      const fault = b.cpu.state.fault;
      b.cpu.deliverFault();
      return `fault ${fault - 1}`;
    }
    run();
    const before = b.cpu.state.eip;
    b.cpu.afterInstruction();
    return b.cpu.state.eip === before ? "" : `trap ${handled()}`;
  };
  const dr6 = (): number => b.cpu.context.get(DR6) & 0xffff;

  it("TF traps after the instruction that began with it", () => {
    expect(step(0, () => setFlags(TF))).toBe("");
    expect(step(0)).toBe("trap 1");
    expect(dr6()).toBe(0x4ff0);
    expect(stack32(3)).toEqual([EIP, CODE0, 0x2 | TF]);
    expect(flags()).toBe(0x2);
  });

  it("POPF that clears TF still traps; MOV SS holds the trap back", () => {
    setFlags(TF);
    expect(step(0, () => setFlags(0))).toBe("trap 1");
    setFlags(TF);
    expect(step(0, () => b.cpu.context.set(SHADOW, 2))).toBe("");
    b.cpu.context.set(SHADOW, 0);
    expect(step(0)).toBe("trap 1");
  });

  it("an INT under TF does not trap in the handler", () => {
    gate(0x80, CODE0, TRAP32 | DPL3);
    setFlags(TF);
    expect(b.cpu.beforeInstruction(0)).toBe(true);
    b.call("softwareInterrupt", 0x80);
    b.cpu.afterInstruction();
    expect(b.cpu.state.eip).toBe(HANDLER);
  });

  it("instruction breakpoints fault before, without RF in the image, and not with RF set", () => {
    b.call("writeDebug", 2, EIP);
    b.call("writeDebug", 7, 0x10);
    expect(step(EIP + 1)).toBe("");
    expect(step(EIP)).toBe("fault 1");
    expect([dr6(), stack32(3)]).toEqual([0x0ff4, [EIP, CODE0, 0x2]]);
    setFlags(RF);
    expect(step(EIP)).toBe("");
    expect(flags() & RF).toBe(0);
    expect(step(EIP)).toBe("fault 1");
  });

  it("data breakpoints trap after the instruction, several at once", () => {
    b.call("writeDebug", 0, 0x6000);
    b.call("writeDebug", 3, 0x6002);
    b.call("writeDebug", 7, 0x1 | 0x40 | (0xd << 16) | (0x7 << 28));
    expect(step(0, () => b.call("pushFlags", 4))).toBe("");
    b.cpu.state.setGpr(4, 0x6004);
    expect(step(0, () => b.call("pushFlags", 4))).toBe("trap 1");
    expect(dr6()).toBe(0x0ff9);
  });

  it("a frame that touches a data breakpoint traps before the handler begins", () => {
    b.call("writeDebug", 1, STACK0 - 4);
    b.call("writeDebug", 7, 0x4 | (0xd << 20));
    gate(0x40, CODE0, TRAP32, 0x1234);
    b.cpu.deliverInterrupt(0x40);
    expect([handled(), dr6(), b.r32(esp()), esp()]).toEqual([1, 0x0ff2, 0x1234, STACK0 - 24]);
  });

  it("INT1 pushes no RF", () => {
    setFlags(RF);
    b.call("icebp");
    expect(stack32(3)[2]).toBe(2);
  });

  it("GD guards the debug registers, and is off in the handler", () => {
    b.call("writeDebug", 7, 0x2000);
    b.call("readDebug", 0);
    expect([b.fault(), dr6()]).toEqual(["#1", 0x2ff0]);
    raise(1);
    expect(b.call("readDebug", 7)).toBe(0x400);
    expect(b.cpu.context.get(DR7)).toBe(0x400);
  });

  it("I/O breakpoints need CR4.DE", () => {
    b.call("writeDebug", 0, 0x60);
    b.call("writeDebug", 7, 0x1 | (0x6 << 16));
    b.call("portIn", 0x61, 1);
    expect(b.cpu.pendingDebug).toBe(0);
    b.cpu.context.set(CR4, 8);
    expect(step(0, () => b.call("portIn", 0x61, 1))).toBe("trap 1");
    expect(dr6()).toBe(0x0ff1);
    expect(step(0, () => b.call("portOut", 0x62, 1, 0))).toBe("");
  });

  it("DR4 and DR5 are DR6 and DR7 until CR4.DE; fixed bits", () => {
    b.call("writeDebug", 5, ~0x2000);
    expect(b.call("readDebug", 7) >>> 0).toBe(0xffff_07ff);
    b.cpu.context.set(DR7, 0x400);
    b.call("writeDebug", 4, 0);
    expect(b.call("readDebug", 6) >>> 0).toBe(0xffff_0ff0);
    b.call("writeDebug", 6, -1);
    expect(b.call("readDebug", 6) >>> 0).toBe(0xffff_efff);
    b.cpu.context.set(CR4, 8);
    b.call("readDebug", 4);
    expect(b.fault()).toBe("#6");
  });
});
