import { describe, expect, it } from "vitest";
import { disassembleBytes, disassembleRun, explainInstruction } from "./instruction.ts";

describe("instruction", () => {
  it("names its parts and says why it is sensitive", () => {
    // sgdt [0x7c40] in 32-bit code
    const sgdt = explainInstruction(Uint8Array.of(0x0f, 0x01, 0x05, 0x40, 0x7c, 0, 0, 0x90), 0x1000, true);
    expect(sgdt?.bytes).toHaveLength(7);
    expect(sgdt?.mnemonic).toBe("SGDT");
    expect(sgdt?.parts).toEqual([{ start: 0, length: 2, role: "opcode" }, { start: 2, length: 1, role: "modrm" }, { start: 3, length: 4, role: "displacement" }]);
    expect(sgdt?.note?.deprivileged).toBe("silent");
    expect(explainInstruction(Uint8Array.of(0x90), 0, true)?.note).toBeNull();
    expect(explainInstruction(Uint8Array.of(0x0f, 0x04), 0, true)).toBeNull();
  });

  it("gives the text for the code size", () => {
    expect(disassembleBytes(Uint8Array.of(0x9d), 0, true)).toBe("popfd");
    expect(disassembleBytes(Uint8Array.of(0x9d), 0, false)).toBe("popf");
    expect(disassembleBytes(Uint8Array.of(0x0f), 0, true)).toBe("(bad)");
  });

  it("goes through a run of code and marks what is sensitive", () => {
    const code = Uint8Array.of(0xfa, 0x9c, 0x8b, 0xc3, 0xcf);
    expect(disassembleRun(code, 0x100, true, 9).map((line) => [line.offset, line.text, line.sensitive])).toEqual([
      [0, "cli", true], [1, "pushfd", true], [2, "mov eax,ebx", false], [4, "iretd", true],
    ]);
    expect(disassembleRun(code, 0x100, true, 2)).toHaveLength(2);
    expect(disassembleRun(Uint8Array.of(0x90, 0xe8, 0x01), 0, true, 9)).toHaveLength(1);
  });
});
