// Hostile guests, a time box for each kind under each technique. TRAPSCOPE_HOSTILE_SECONDS makes it longer (.ci/run
// takes a minute for each kind, by hand it may be an hour: `npm run hostile -- --seconds 3600`), TRAPSCOPE_HOSTILE_SEED begins elsewhere. A failure names its seed.

import { describe, expect, it } from "vitest";
import { BUILT_TECHNIQUES } from "../../src/machine/supervisor.ts";
import { HostileMachine, KINDS } from "./hostile-machine.ts";
import { hunt } from "./hunt.ts";

const seconds = Number(process.env["TRAPSCOPE_HOSTILE_SECONDS"] ?? 6);
const firstSeed = Number(process.env["TRAPSCOPE_HOSTILE_SEED"] ?? 1);
const WORLDS = [
  ["emulate", 1, false], ["emulate", 1, true], ...BUILT_TECHNIQUES.filter((id) => id !== "emulate").flatMap((id) => [[id, 1, false], [id, 3, false]] as const),
] as const;

describe.each(WORLDS)("hostile guests under %s, ring %i, translated %s", (technique, ring, jit) => {
  const hostile = new HostileMachine(technique, ring, jit);
  it.each(KINDS)("of random %s stay where they are", { timeout: (seconds + 120) * 1000 }, (kind) => {
    const { guests, failure } = hunt(hostile, kind, firstSeed, (seconds * 1000) / (WORLDS.length * KINDS.length));
    expect(failure).toBe(null);
    expect(guests).toBeGreaterThan(0);
  });
});
