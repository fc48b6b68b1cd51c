import { describe, expect, it } from "vitest";
import { BareCpu } from "../../test/support/bare-cpu.ts";
import { EFLAGS_SHARED, EFLAGS_STATUS, EFLAGS_SYSTEM, FLAG_CARRIES, FLAG_RESULT } from "../isa/state-layout.ts";
import { EFLAGS_ALL, getEflags, getStatus, setEflags, setStatus } from "./eflags.ts";

describe("EFLAGS", () => {
  it("keeps every combination of the status flags", () => {
    const { cpu } = new BareCpu();
    for (let i = 0; i < 64; i++) {
      const image = (i & 1) | ((i & 2) << 1) | ((i & 4) << 2) | ((i & 8) << 3) | ((i & 16) << 3) | ((i & 32) << 6);
      setStatus(cpu.state, image);
      expect(getStatus(cpu.state)).toBe(image);
    }
  });

  it("reads lazy flags as arithmetic leaves them", () => {
    const { cpu } = new BareCpu();
    // 80h + 80h in a byte: result 0, CF, OF, ZF, PF.
    cpu.state.write(FLAG_RESULT, 0);
    cpu.state.write(FLAG_CARRIES, 0x8000_0000 | 0);
    expect(getStatus(cpu.state)).toBe(0x845);
    // 7Fh + 1: SF, OF, AF; 80h has one bit.
    cpu.state.write(FLAG_RESULT, -128);
    cpu.state.write(FLAG_CARRIES, 0x4000_0008);
    expect(getStatus(cpu.state)).toBe(0x890);
  });

  it("splits the image into its three stores and puts it together again", () => {
    const { cpu } = new BareCpu();
    setEflags(cpu.state, cpu.context, -1, EFLAGS_ALL);
    expect(cpu.state.read(EFLAGS_SHARED)).toBe(0x24_4500);
    expect(cpu.context.get(EFLAGS_SYSTEM)).toBe(0x1b_3200);
    expect(getEflags(cpu.state, cpu.context)).toBe(0x3f_7fd7);
    setEflags(cpu.state, cpu.context, 0, EFLAGS_STATUS & ~1);
    expect(getEflags(cpu.state, cpu.context)).toBe(0x3f_7703);
    setEflags(cpu.state, cpu.context, 0, EFLAGS_ALL);
    expect(getEflags(cpu.state, cpu.context)).toBe(2);
  });
});
