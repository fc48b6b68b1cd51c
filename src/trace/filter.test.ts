import { describe, expect, it } from "vitest";
import { compileFilter } from "./filter.ts";
import { testExit, testTrap } from "./test-trap.ts";
import type { TrapFields } from "./trap-fields.ts";

function passes(source: string, trap: TrapFields): boolean {
  const result = compileFilter(source);
  if (!result.ok) throw new Error(`${source}: ${result.message}`);
  return result.test(trap);
}

describe("filter", () => {
  const popf = testTrap();
  const cli = testExit();
  const pageFault = testExit({ instruction: "MOV", text: "mov eax, [ebx]", reason: "#PF", vector: 14, error: 4, action: "shadow-fill", bytes: Uint8Array.of(0x0f, 0x01, 0x15) });

  it.each<[string, TrapFields, boolean]>([
    ["", popf, true],
    ["insn == popf && vcpl == 0", popf, true],
    ["insn == popf && vcpl == 3", popf, false],
    ["insn == POPFD", popf, true],
    ["eip in 0xc0100000..0xc01fffff", popf, true],
    ["eip in 0xc0100043 .. 0xc01fffff", popf, false],
    ["kind == leak or cost > 200", popf, true],
    ["kind == leak or cost > 200", cli, true],
    ["kind == leak and cost > 200", popf, false],
    ["class == missed", popf, true],
    ["class == missed", cli, false],
    ["class == privileged", cli, true],
    ["class == memory", pageFault, true],
    ["class == io", testExit({ kind: "observed", reason: null, instruction: "IN", text: "in al,dx" }), true],
    ["class == sensitive", testExit({ instruction: "MOV", text: "mov ds,ax" }), true],
    ["class == sensitive", testExit({ instruction: "MOV", text: "mov cr0,eax" }), false],
    ["class == interrupt", testExit({ instruction: "IRQ", reason: "IRQ" }), true],
    ["bytes contains 0f 01", pageFault, true],
    ["bytes contains 01 15 && kind == exit", pageFault, true],
    ["bytes contains 0f ?? 15", pageFault, true],
    ["bytes contains 15 0f", pageFault, false],
    ["bytes == 9d", popf, true],
    ["bytes == 0f 01", pageFault, false],
    ["t > 1e6", popf, true],
    ["t > 2e6", popf, false],
    ["reason == #GP", cli, true],
    ["reason == gp", cli, true],
    ["reason != #GP", pageFault, true],
    ["reason != #GP", popf, false], // a leak has no reason: comparisons with it are false
    ["not (reason == #GP)", popf, true],
    ["error == 0", popf, false],
    ["error == 4 or insn == sgdt", pageFault, true],
    ["insn == cli or insn == popf and vcpl == 3", cli, true], // and binds closer
    ["(insn == cli or insn == popf) and vcpl == 3", cli, false],
    ['text contains "eax, ["', pageFault, true],
    ["effect contains stays", popf, true],
    ["!(mode == pm32)", popf, false],
    ["NOT mode == real", popf, true],
    ["hcpl==1&&vcpl==0", popf, true],
    ["observed == 0x46", popf, true],
    ["seq >= 7 and seq <= 7", popf, true],
    ["insn = popf", popf, true],
  ])("%s", (source, trap, expected) => {
    expect(passes(source, trap)).toBe(expected);
  });

  it.each<[string, number, string, string]>([
    ["foo == 1", 0, 'no field "foo"', "insn"],
    ["insn ~ popf", 5, '"~" means nothing', ""],
    ["insn > popf", 5, "cannot be used with insn", "contains"],
    ["vcpl == zero", 8, "not a number", "0x1000"],
    ["kind == trap", 8, "not one of its values", "leak"],
    ["eip in 5", 8, "low..high", ".."],
    ["bytes contains xyz", 15, "pairs of hexadecimal digits", "0f 01"],
    ["(insn == popf", 13, "closing bracket", ")"],
    ["insn == popf popf", 13, "after a complete comparison", "and"],
    ["insn == popf and", 16, "missing", "eip"],
    ["insn", 4, "What about insn", "=="],
    ['text contains "abc', 14, "closing quote", '"'],
    ["constructor == 1", 0, "no field", "insn"],
    ["1 == 1", 0, "no field", "insn"],
  ])("%s is refused at %i: %s", (source, position, message, allowed) => {
    const result = compileFilter(source);
    expect(result).toMatchObject({ ok: false, position });
    if (result.ok) return;
    expect(result.message).toContain(message);
    if (allowed) expect(result.allowed).toContain(allowed);
    expect(result.length).toBeGreaterThan(0);
  });

  it("survives arbitrary text", () => {
    let state = 12345;
    const alphabet = "insn eip==<>!()&|.0x9#\"contaisr~\n";
    for (let i = 0; i < 3000; i++) {
      let text = "";
      for (let n = 0; n < 12; n++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        text += alphabet[(state >>> 16) % alphabet.length];
      }
      const result = compileFilter(text);
      if (!result.ok) expect(result.position).toBeLessThanOrEqual(text.length);
    }
  });
});
