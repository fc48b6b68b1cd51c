// int3 where instructions overlap, and where a person would rather have it give up.
import { describe, expect, it } from "vitest";
import { EAX } from "../../src/isa/state-layout.ts";
import type { ProcessorSet } from "../../src/protocol/technique.ts";
import { CODE, flatGuest } from "../support/flat-guest.ts";


function run(program: readonly number[], set: ProcessorSet) {
  const machine = flatGuest(program, "int3", 1, { set });
  // The refusal is answered by the next call.
  const ends = [machine.run(1000), machine.run(1000)];
  return { end: ends.includes("refused") ? "refused" : ends[0], eax: machine.cpu.state.gpr(EAX) >>> 0, supervisor: machine.supervisor };
}

/** jz into the middle: mov eax,9090909Ch has a PUSHF in it. cli; hlt */
const OVERLAP = [0x74, 0x01, 0xb8, 0x9c, 0x90, 0x90, 0x90, 0xfa, 0xf4];
/** pushf; mov al,[CODE]; cli; hlt */
const READS_ITSELF = [0x9c, 0xa0, 0x00, 0x10, 0x00, 0x00, 0xfa, 0xf4];

describe("a breakpoint inside of another instruction", () => {
  it("is planted, counted, and spoils that one", () => {
    const { end, eax, supervisor } = run(OVERLAP, {});
    expect([end, eax.toString(16), supervisor.statistics["conflicts"]]).toEqual(["halted", "909090cc", 1]);
  });

  it("makes the technique give up where it is asked to", () => {
    const { end, supervisor } = run(OVERLAP, { int3: "refuse" });
    expect(end).toBe("refused");
    expect(supervisor.refusal!.reason).toContain("CONFLICT: a breakpoint and another instruction overlap at 1003");
  });
});

describe("a breakpoint that the guest reads", () => {
  it("is a leak", () => {
    const { end, eax, supervisor } = run(READS_ITSELF, {});
    expect([end, eax & 0xff, supervisor.counters.get("leaks")]).toEqual(["halted", 0xcc, 1]);
  });

  it("makes the technique give up at the instruction, where it is asked to", () => {
    const { end, supervisor } = run(READS_ITSELF, { int3: "refuse" });
    expect([end, supervisor.refusal!.eip]).toEqual(["refused", CODE + 1]);
    expect(supervisor.refusal!.reason).toContain("PATCH_SEEN");
  });
});
