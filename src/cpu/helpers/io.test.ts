import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu, TSS, TSS_SELECTOR, enterRing, protectedCpu } from "../../../test/support/bare-cpu.ts";
import { CR0, CR3, EFLAGS_SYSTEM, EFLAGS_VM, TR } from "../../isa/state-layout.ts";
import { setSegment } from "../segmentation.ts";

let b: BareCpu;
const MAP = 0x68 + 32;
/** Closes or opens ports in the TSS's map; protectedCpu leaves all open. */
const close = (port: number): void => b.w8(TSS + MAP + (port >> 3), b.r8(TSS + MAP + (port >> 3)) | (1 << (port & 7)));
const check = (port: number, width: number): string => {
  b.call("checkIo", port, width);
  return b.fault();
};

beforeEach(() => {
  b = protectedCpu();
});

describe("permission", () => {
  it("ring 0 and real mode need none", () => {
    close(0x60);
    expect(check(0x60, 1)).toBe("");
    b = new BareCpu();
    expect(check(0x60, 1)).toBe("");
  });

  it("IOPL decides in protected mode, not in V86", () => {
    enterRing(b, 3);
    close(0x60);
    expect(check(0x60, 1)).toBe("#13(0)");
    b.cpu.context.set(EFLAGS_SYSTEM, 0x3000);
    expect(check(0x60, 1)).toBe("");
    b.cpu.context.set(EFLAGS_SYSTEM, 0x3000 | EFLAGS_VM);
    expect(check(0x60, 1)).toBe("#13(0)");
    expect(check(0x61, 1)).toBe("");
  });

  it("ring 1 at IOPL 0 asks the map, at IOPL 1 not", () => {
    enterRing(b, 1);
    close(0x60);
    expect(check(0x60, 1)).toBe("#13(0)");
    b.cpu.context.set(EFLAGS_SYSTEM, 0x1000);
    expect(check(0x60, 1)).toBe("");
  });

  it("looks at every port of the access, over a byte of the map too", () => {
    enterRing(b, 3);
    close(0x68);
    expect([check(0x67, 1), check(0x67, 2), check(0x65, 4), check(0x64, 4), check(0x69, 2)]).toEqual(["", "#13(0)", "#13(0)", "", ""]);
    close(0xffff);
    expect([check(0xffff, 1), check(0xfffe, 1)]).toEqual(["#13(0)", ""]);
  });

  it("needs both bytes inside the limit", () => {
    enterRing(b, 3);
    setSegment(b.cpu.context, TR, TSS_SELECTOR, TSS, MAP + 8, 0x8b);
    expect([check(0x38, 1), check(0x40, 1), check(0x48, 1)]).toEqual(["", "#13(0)", "#13(0)"]);
    setSegment(b.cpu.context, TR, TSS_SELECTOR, TSS, 0x66, 0x8b);
    expect(check(0, 1)).toBe("#13(0)");
  });

  it("a 16-bit TSS has no map", () => {
    enterRing(b, 3);
    setSegment(b.cpu.context, TR, TSS_SELECTOR, TSS, 0x20ff, 0x83);
    expect(check(0x60, 1)).toBe("#13(0)");
  });

  it("a map that is not mapped is a supervisor #PF", () => {
    const directory = 0x10_0000, table = 0x10_1000;
    b.w32(directory, table | 7);
    for (let i = 0; i < 1024; i++) b.w32(table + i * 4, (i << 12) | 7);
    b.w32(table + ((TSS + 0x1000) >> 12) * 4, 0);
    b.cpu.context.set(CR3, directory);
    b.cpu.context.set(CR0, 0x8000_0011 | 0);
    enterRing(b, 3);
    expect(check(0x60, 1)).toBe("");
    expect(check(0x8000, 1)).toBe("#14(0)");
  });
});

it("accesses carry width and 16 bits of port", () => {
  expect(b.call("portIn", 0x1_0064, 2)).toBe(0xa5a5);
  expect(b.call("portIn", 0x64, 4)).toBe(0xa5a5_a5a5 | 0);
  b.call("portOut", 0x64, 1, 0x1ff);
  b.call("portOut", 0x64, 4, -1);
  expect(b.log).toEqual(["in 64/2", "in 64/4", "out 64/1 ff", "out 64/4 ffffffff"]);
  enterRing(b, 3);
  close(0x64);
  b.call("portIn", 0x64, 1);
  expect([b.fault(), b.log.length]).toEqual(["#13(0)", 4]);
  b.call("portOut", 0x64, 1, 0);
  expect([b.fault(), b.log.length]).toEqual(["#13(0)", 4]);
});
