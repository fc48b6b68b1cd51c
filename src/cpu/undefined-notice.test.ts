import { beforeEach, describe, expect, it } from "vitest";
import { createBareCore } from "../../test/support/bare-core.ts";

const notices: string[] = [];
const { core, cpu, ram } = createBareCore(1 << 20, () => {}, (text) => notices.push(text));
const CODE = 0x1000;

function execute(hex: string, at = CODE): number | null {
  ram.set(Buffer.from(hex.replaceAll(" ", ""), "hex"), at);
  core.blocks.flush();
  cpu.state.eip = at;
  core.run(1);
  return core.exception?.vector ?? null;
}

beforeEach(() => void notices.splice(0));

describe("an encoding that the processor does not have", () => {
  it("is #UD and told with its bytes and address, once an opcode", () => {
    expect(execute("0f 38 00 c1")).toBe(6);
    expect(notices).toEqual(["The guest executed 0f 38 00 c1 00 00 00 00 at 8:1000: not an instruction of the Intel Pentium 4 (Prescott)."]);
    expect(execute("66 0f 38 00 c2")).toBe(6);
    expect(notices.length).toBe(1);
    expect(execute("66 0f 38 01 c2")).toBe(6);
    expect(execute("0f 05")).toBe(6);
    expect(notices.slice(1).map((text) => text.slice(0, 30))).toEqual(["The guest executed 66 0f 38 01", "The guest executed 0f 05 38 01"]);
  });
  it("is not one that is undefined for good, nor a LOCK out of place, nor a fault", () => {
    expect(execute("0f 0b")).toBe(6);
    expect(execute("f0 90")).toBe(6);
    expect(execute("0f 58 c0")).toBe(6); // ADDPS while CR4.OSFXSR is clear
    expect(notices).toEqual([]);
  });
  it("is told of a few times at most", () => {
    for (let opcode = 0x10; opcode < 0x60; opcode++) execute(`0f 3a ${opcode.toString(16)} c0 00`);
    expect(notices.length).toBeGreaterThan(10);
    expect(notices.length).toBeLessThan(21);
  });
});
