import { describe, expect, it } from "vitest";
import { BareCpu } from "../../../test/support/bare-cpu.ts";
import { ACCESS_DB } from "../../cpu/protection.ts";
import { setSegment } from "../../cpu/segmentation.ts";
import { createDecoder } from "../../isa/decoder.ts";
import { ROWS } from "../../isa/opcode-map/index.ts";
import { CR0, CS, DS, EAX, ES, ESP, SS } from "../../isa/state-layout.ts";
import { HORIZON, type LeakPlace, parting } from "./two-worlds.ts";

const CODE = 0x1000, STACK = 0x8000;
const decoder = createDecoder(ROWS);

/** 32-bit flat code at CODE, in ring 0; the leaked value lies on top of the stack or where `place` says. */
function leadsTo(code: number[], observed: number, expected: number, place?: LeakPlace) {
  const { cpu, view } = new BareCpu();
  const v = cpu.v.context;
  v.set(CR0, 0x11);
  for (const segment of [ES, SS, DS]) setSegment(v, segment, 0x10, 0, 0xffff_ffff, 0x8093 | ACCESS_DB);
  setSegment(v, CS, 8, 0, 0xffff_ffff, 0x809b | ACCESS_DB);
  cpu.state.setGpr(ESP, STACK);
  cpu.state.setGpr(EAX, 7);
  view.setInt32(STACK, observed, true);
  code.forEach((byte, at) => view.setUint8(CODE + at, byte));
  const before = [...Array(8).keys()].map((n) => cpu.state.gpr(n));
  const found = parting(cpu, decoder, CODE, place ?? { kind: "memory", linear: STACK, width: 4 }, expected);
  // Nothing of the guest is touched.
  expect([...Array(8).keys()].map((n) => cpu.state.gpr(n))).toEqual(before);
  expect(view.getInt32(STACK, true)).toBe(observed);
  return found;
}

const POP_EAX = [0x58], BT_9 = [0x0f, 0xba, 0xe0, 0x09], JNC = [0x73, 0x02], TEST_AH_2 = [0xf6, 0xc4, 0x02], JE = [0x74, 0x02], NOP = [0x90], CLI = [0xfa];

describe("what a leak leads to", () => {
  it("pop eax; bt eax,9; jnc: the image showed IF=1, bare metal 0", () => {
    expect(leadsTo([...POP_EAX, ...BT_9, ...JNC, 0x0f, 0x0b], 0x246, 0x046)).toEqual({ eip: CODE + 5, distance: 3 });
  });

  it("nothing where the bit that differs is not the one that is asked for", () => {
    expect(leadsTo([...POP_EAX, ...BT_9, ...JNC, 0x0f, 0x0b], 0x3246, 0x0246)).toBeNull();
  });

  it("looks past CLI and STI, through registers, memory and calls", () => {
    // pop eax; cli; push eax; call +1; int3; mov ebx,[esp+4]; test bh,2; je
    const code = [...POP_EAX, ...CLI, 0x50, 0xe8, 1, 0, 0, 0, 0xcc, 0x8b, 0x5c, 0x24, 0x04, 0xf6, 0xc7, 0x02, ...JE, 0x90, 0x90];
    expect(leadsTo(code, 0x202, 0x002)).toEqual({ eip: CODE + 16, distance: 7 });
  });

  it("does not look past what only the machine can do, nor further than the horizon", () => {
    expect(leadsTo([...POP_EAX, 0xe4, 0x80, ...TEST_AH_2, ...JE], 0x202, 0x002)).toBeNull();
    const far = (nops: number) => leadsTo([...POP_EAX, ...Array<number>(nops).fill(NOP[0]!), ...TEST_AH_2, ...JE], 0x202, 0x002);
    expect(far(HORIZON - 3)).toEqual({ eip: CODE + 1 + HORIZON - 3 + 3, distance: HORIZON });
    expect(far(HORIZON - 2)).toBeNull();
  });

  it("sees a fault that only one of the two raises", () => {
    // div al, where AL leaked
    expect(leadsTo([0xf6, 0xf0], 0, 0, { kind: "register", number: EAX, width: 4 })).toEqual({ eip: CODE, distance: 1 });
  });

  it("follows a register and the zero flag", () => {
    expect(leadsTo([0x85, 0xc0, ...JE, 0x90, 0x90], 0, 0, { kind: "register", number: EAX, width: 4 })).toEqual({ eip: CODE + 2, distance: 2 });
    expect(leadsTo([...JE, 0x90, 0x90], 0, 0x40, { kind: "zf" })).toEqual({ eip: CODE, distance: 1 });
  });
});
