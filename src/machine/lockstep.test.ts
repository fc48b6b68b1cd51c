import { describe, expect, it } from "vitest";
import { guestMachine, type GuestRunOptions } from "../../test/support/guest-run.ts";
import { PHASE_PORT } from "../../test/support/guest-expectations.ts";
import { compareMachines } from "./lockstep.ts";
import type { Machine } from "./machine.ts";

const EMULATE: GuestRunOptions = { technique: "emulate", ring: 1, set: {} };
const LIMIT = 5e6;
/** All memory is compared at each step. */
const MEMORY = 8 << 20;

function compare(guest: string, b: GuestRunOptions, spoil: (machine: Machine) => void = () => {}) {
  return compareMachines((side) => {
    const machine = guestMachine(guest, { ...(side === "a" ? EMULATE : b), memoryBytes: MEMORY });
    if (side === "b") spoil(machine);
    return { machine };
  }, LIMIT);
}

const bytes = (text: string): number[] => text.split(" ").map((byte) => Number.parseInt(byte, 16));

describe("two machines in lock-step", () => {
  it("finds no difference where there is none, and says how both ended", () => {
    const { divergence, end, instructions } = compare("tables", EMULATE);
    expect(divergence).toBeNull();
    expect(end).toBe("exit-port");
    expect(instructions).toBeGreaterThan(100_000);
  });

  it("finds none under trap where UMIP closes the five holes that the guest looks through", () => {
    expect(compare("tables", { technique: "trap", ring: 1, set: { umip: true } }).divergence).toBeNull();
  });

  it.each([1, 3] as const)("names the SGDT that shows the monitor's table at ring %i, and the branch that goes wrong", (ring) => {
    const { divergence } = compare("tables", { technique: "trap", ring, set: {} });
    expect([...divergence!.instruction.bytes.subarray(0, 3)]).toEqual(bytes("0f 01 05")); // sgdt [disp32]
    expect(divergence!.differences).toHaveLength(1);
    // The limit of the guest's table is 37h, its base 7D30h; the image begins with the limit.
    expect(divergence!.differences[0]).toMatchObject({ what: expect.stringMatching(/^memory /), a: 0x7d30_0037 });
    expect(divergence!.parting!.icount).toBeGreaterThan(divergence!.icount);
  });

  it("names the PUSHF that shows IF=1 after CLI", () => {
    const { divergence } = compare("popf", { technique: "trap", ring: 1, set: {} });
    expect(divergence!.instruction.bytes[0]).toBe(0x9c);
    const [difference] = divergence!.differences;
    expect((difference!.a as number) ^ (difference!.b as number)).toBe(0x200);
  });

  it("finds a byte that was spoilt behind the guest's back, far from where it is used", () => {
    const { divergence } = compare("tables", EMULATE, (machine) => {
      const write = (_offset: number, _width: number, value: number): void => {
        if (value === 1) machine.physical.writeBytes(0x70_0123, Uint8Array.of(1));
      };
      machine.pc.io.attach(PHASE_PORT, PHASE_PORT, { read: () => 0xff, write });
    });
    expect([...divergence!.instruction.bytes.subarray(0, 2)]).toEqual([0xe6, PHASE_PORT]); // out E8h,al
    expect(divergence!.differences).toEqual([{ what: "memory 00700120", a: 0, b: 0x0100_0000 }]);
    expect(divergence!.parting).toBeNull();
  });

  it("sees that one ends and the other runs on", () => {
    const { divergence } = compare("tables", EMULATE, (machine) => machine.pc.io.attach(0xf4, 0xf4, { read: () => 0xff, write: () => {} }));
    expect([...divergence!.instruction.bytes.subarray(0, 2)]).toEqual([0xe6, 0xf4]); // out F4h,al
    expect(divergence!.differences[0]).toMatchObject({ what: "end", a: "exit-port", b: "runs on" });
  });
});
