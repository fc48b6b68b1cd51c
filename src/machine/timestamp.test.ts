// What a monitor does to the guest's time-stamp counter: where RDTSC runs on the silicon it shows the monitor's time, too; what is seen of it
// stays, and nothing of it is seen where RDTSC is done for the guest.
import { describe, expect, it } from "vitest";
import { CODE, flatGuest } from "../../test/support/flat-guest.ts";
import type { Ring, TechniqueId } from "../protocol/technique.ts";
import type { Machine } from "./machine.ts";
import { TSC_PER_NS } from "./guest-clock.ts";

/** cli, sti, a hundred times, and from 00001008h on rdtsc; hlt: the first stretch leaves often. */
const EXITS = [0xb9, 100, 0, 0, 0, 0xfa, 0xfb, 0xe2, 0xfc], RDTSC_HLT = [0x0f, 0x31, 0x89, 0xc6, 0x0f, 0x31, 0x90, 0xeb, 0xfe];
const STRETCH = 301, AT_FIRST = STRETCH + 1, TO_SECOND = 2;

function stormed(technique: TechniqueId, ring: Ring): Machine {
  const machine = flatGuest([...EXITS, ...RDTSC_HLT], technique, ring);
  machine.run(AT_FIRST);
  expect(machine.cpu.state.eip).toBe(CODE + EXITS.length + 2);
  return machine;
}

/** EAX of RDTSC, less the guest's time at its execution. */
const ahead = (machine: Machine): number => machine.cpu.state.gpr(0) - Math.floor(machine.clock.nowNs() * TSC_PER_NS);

describe("the time-stamp counter", () => {
  it("shows the monitor's time under trap, and goes on from there under others", () => {
    const machine = stormed("trap", 1), first = machine.cpu.state.gpr(0);
    const shown = ahead(machine);
    expect(shown).toBeGreaterThan(200 * 1000);
    machine.supervisor.change("emulate", 1, {});
    machine.run(TO_SECOND);
    expect(ahead(machine)).toBe(shown);
    expect(machine.cpu.state.gpr(0)).toBeGreaterThan(first);
  });

  it.each([["scan", 3], ["translate", 1], ["vtx", 1]] as const)("shows none of it under %s, nor when that is left", (technique, ring) => {
    const machine = stormed(technique, ring);
    const bare = ahead(machine);
    expect(Math.abs(bare)).toBeLessThan(1000);
    machine.supervisor.change("emulate", 1, {});
    machine.run(TO_SECOND);
    expect(ahead(machine)).toBe(bare);
  });

  it.each([["trap", 1], ["scan", 3]] as const)("goes on under %s as if nobody had looked", (technique, ring) => {
    const looked = stormed(technique, ring), left = stormed(technique, ring);
    looked.supervisor.resume(looked.supervisor.suspend());
    for (const machine of [looked, left]) machine.run(TO_SECOND);
    expect(looked.cpu.state.gpr(0)).toBe(left.cpu.state.gpr(0));
  });
});
