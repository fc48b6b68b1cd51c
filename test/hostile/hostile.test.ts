// Hostile guests, a time box for each kind under each technique. TRAPSCOPE_HOSTILE_SECONDS makes it longer, TRAPSCOPE_HOSTILE_SEED
// begins elsewhere. `npm run hostile` does the same by hand: .ci/run takes a minute for each kind. A failure names its seed.

import { describe, expect, it } from "vitest";
import { HOSTILE_WORLDS, HostileMachine, KINDS, worldName } from "./hostile-machine.ts";
import { hunt } from "./hunt.ts";

const seconds = Number(process.env["TRAPSCOPE_HOSTILE_SECONDS"] ?? 6);
const firstSeed = Number(process.env["TRAPSCOPE_HOSTILE_SEED"] ?? 1);

describe.each(HOSTILE_WORLDS.map((world) => [worldName(world), world] as const))("hostile guests under %s", (_name, world) => {
  const hostile = new HostileMachine(world);
  it.each(KINDS)("of random %s stay where they are", { timeout: (seconds + 120) * 1000 }, (kind) => {
    const { guests, failure } = hunt(hostile, kind, firstSeed, (seconds * 1000) / (HOSTILE_WORLDS.length * KINDS.length));
    expect(failure).toBe(null);
    expect(guests).toBeGreaterThan(0);
  });
});

// It faulted some hundred times for each instruction that retired: a slice of 1,500 took half a minute.
it("a guest that comes forward hardly at all is left after a moment", { timeout: 120_000 }, () => {
  const world = HOSTILE_WORLDS.find((own) => worldName(own) === "trap/1 vme=on tricks=on shadow=cached")!;
  expect(hunt(new HostileMachine(world), "code", 73_001_672, 0)).toEqual({ guests: 1, failure: null });
});
