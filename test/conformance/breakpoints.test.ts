// int3 where instructions overlap, and where a person would rather have it give up.
import { describe, expect, it } from "vitest";
import { HANDLER_CONTINUE, R_HANDLER, R_LINK } from "../../src/isa/record-layout.ts";
import { EAX } from "../../src/isa/state-layout.ts";
import type { ProcessorSet } from "../../src/protocol/technique.ts";
import { CODE, flatGuest } from "../support/flat-guest.ts";

function run(program: readonly number[], set: ProcessorSet, budget = 1000) {
  const machine = flatGuest(program, "int3", 1, { set });
  // The refusal is answered by the next call.
  const ends = [machine.run(budget), machine.run(budget)];
  return { end: ends.includes("refused") ? "refused" : ends[0], eax: machine.cpu.state.gpr(EAX) >>> 0, supervisor: machine.supervisor };
}

/** jz into the middle: mov eax,9090909Ch has a PUSHF in it. cli; hlt */
const OVERLAP = [0x74, 0x01, 0xb8, 0x9c, 0x90, 0x90, 0x90, 0xfa, 0xf4];
/** The same in a loop of 5,000, which is hot. */
const OVERLAP_OFTEN = [0xb9, 0x88, 0x13, 0x00, 0x00, 0x74, 0x01, 0xb8, 0x9c, 0x90, 0x90, 0x90, 0xe2, 0xf7, 0xfa, 0xf4];
/** jz to the next page; jmp to its end: mov eax,909c9090h, whose third byte behind the opcode is the first there. */
const OVERLAP_BEHIND = [0x0f, 0x84, 0xfa, 0x0f, 0x00, 0x00, 0xe9, 0xf2, 0x0f, 0x00, 0x00, ...new Array<number>(0xff2).fill(0x90), 0xb8, 0x90, 0x90, 0x9c, 0x90, 0xfa, 0xf4];
/** pushf; mov al,[CODE]; cli; hlt */
const READS_ITSELF = [0x9c, 0xa0, 0x00, 0x10, 0x00, 0x00, 0xfa, 0xf4];

describe("a breakpoint inside of another instruction", () => {
  it("is planted, counted, and spoils that one", () => {
    const { end, eax, supervisor } = run(OVERLAP, {});
    expect([end, eax.toString(16), supervisor.statistics["conflicts"]]).toEqual(["halted", "909090cc", 1]);
  });

  it.each([["once", OVERLAP, 1, "909090cc"], ["each time, also where the code is hot", OVERLAP_OFTEN, 5000, "909090cc"], ["across the end of a page", OVERLAP_BEHIND, 1, "90cc9090"]] as const)(
    "is a leak where that one runs: %s", (_, program, leaks, read) => {
      const { end, eax, supervisor } = run(program, {}, 20_000);
      expect([end, eax.toString(16), supervisor.counters.get("leaks")]).toEqual(["halted", read, leaks]);
    },
  );

  it("makes the technique give up where it is asked to", () => {
    const { end, supervisor } = run(OVERLAP, { int3: "refuse" });
    expect(end).toBe("refused");
    expect(supervisor.refusal!.reason).toContain("CONFLICT: a breakpoint and another instruction overlap at 1003");
  });
});

describe("code over which a breakpoint is lifted again and again", () => {
  it("takes the room of its own records, and those that are left forward to the present ones at once", () => {
    /** mov ecx,1000; in a loop: call pushf / pop eax / ret; cli; hlt */
    const machine = flatGuest([0xb9, 0xe8, 3, 0, 0, 0xe8, 4, 0, 0, 0, 0xe2, 0xf9, 0xfa, 0xf4, 0x9c, 0x58, 0xc3], "int3", 1);
    expect(machine.run(20_000)).toBe("halted");
    expect(machine.cpu.exitCount).toBeGreaterThan(1000);
    const { view } = machine.cpu.state;
    const { pages } = machine.core.blocks as unknown as { pages: ReadonlyMap<number, { readonly stale: ReadonlyMap<number, readonly number[]> }> };
    const hops = (record: number): number => (view.getUint16(record + R_HANDLER, true) === HANDLER_CONTINUE ? 1 + hops(view.getInt32(record + R_LINK, true)) : 0);
    const forwarding = [...pages.values()].flatMap(({ stale }) => [...stale.values()]);
    expect(Math.max(...forwarding.map((records) => records.length))).toBe(1);
    expect(Math.max(...forwarding.flat().map(hops))).toBeLessThanOrEqual(1);
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
