import { describe, expect, it } from "vitest";
import type { ProcessorSet, TechniqueId } from "../protocol/technique.ts";
import { explainInstruction } from "./instruction.ts";
import { techniqueNotes } from "./technique-notes.ts";
import { testTrap } from "./test-trap.ts";

/** Verdicts about an instruction, by technique. */
function verdicts(bytes: number[], changes: Parameters<typeof testTrap>[0] = {}, set: ProcessorSet = {}): Readonly<Record<TechniqueId, string>> {
  const instruction = explainInstruction(Uint8Array.from(bytes), 0, changes.mode !== "real")!;
  const subject = testTrap({ instruction: instruction.mnemonic, text: instruction.text, ...changes });
  return Object.fromEntries(techniqueNotes(subject, instruction.note!, set).map(({ technique, verdict }) => [technique, verdict])) as Record<TechniqueId, string>;
}

describe("what each technique does", () => {
  it("with POPF in a kernel: lab L1, run by run", () => {
    expect(verdicts([0x9d])).toEqual({
      emulate: "none", trap: "leak", int3: "breakpoint", scan: "breakpoint", lite: "asks", hybrid: "emulated", translate: "inline", paravirt: "leak", vtx: "none",
    });
  });

  it("with OUT, which traps wherever the kernel runs outside ring 0", () => {
    expect(verdicts([0xee])).toMatchObject({ trap: "trap", int3: "trap", scan: "trap", hybrid: "emulated", translate: "callout", paravirt: "asks", vtx: "trap" });
  });

  it("with SGDT, which UMIP closes, and in user code", () => {
    const sgdt = [0x0f, 0x01, 0x00];
    expect(verdicts(sgdt)).toMatchObject({ trap: "leak", translate: "callout", vtx: "none" });
    expect(verdicts(sgdt, {}, { umip: true })).toMatchObject({ trap: "trap", int3: "trap" });
    expect(verdicts(sgdt, { vcpl: 3 })).toMatchObject({ hybrid: "leak", translate: "leak", scan: "breakpoint" });
  });

  it("in real mode, which runs as virtual-8086 mode: PUSHF faults there, MOV of a segment is harmless, SMSW leaks", () => {
    expect(verdicts([0x9c], { mode: "real" })).toMatchObject({ trap: "trap", int3: "trap", lite: "refused" });
    expect(verdicts([0xfa], { mode: "real" }, { vme: true })).toMatchObject({ trap: "none" });
    expect(verdicts([0x9c], { mode: "real" }, { vme: true })).toMatchObject({ trap: "leak", scan: "breakpoint" });
    expect(verdicts([0x8c, 0xc8], { mode: "real" })).toMatchObject({ trap: "none", scan: "none", translate: "none" });
    expect(verdicts([0x0f, 0x01, 0xe0], { mode: "real" })).toMatchObject({ trap: "leak", int3: "leak", scan: "breakpoint" });
  });

  it("with MOV to CR0, which is no MOV of a segment", () => {
    expect(verdicts([0x0f, 0x22, 0xc0], { mode: "real" })).toMatchObject({ trap: "trap", translate: "callout", vtx: "none" });
    expect(verdicts([0x8c, 0xc8])).toMatchObject({ trap: "leak", translate: "inline" });
  });
});
