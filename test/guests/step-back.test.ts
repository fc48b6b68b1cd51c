// Back in time on a real guest: 1,000 instructions back and forward again is the same state, and no step back takes long.
// TRAPSCOPE_DEBIAN_DISK names the image; times are processor time, so that a busy host does not count.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { Machine } from "../../src/machine/machine.ts";
import { History } from "../../src/machine/replay.ts";
import { stateHash } from "../../src/machine/snapshot.ts";

const DISK = process.env.TRAPSCOPE_DEBIAN_DISK ?? "";
const CHECKPOINT_MS = 180, STEP_BACK_MS = 300;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

describe.skipIf(DISK === "")("Debian, backwards (TRAPSCOPE_DEBIAN_DISK)", () => {
  const descriptor = DISK === "" ? -1 : openSync(DISK, "r");
  afterAll(() => void (descriptor >= 0 && closeSync(descriptor)));

  it.each([["virtual", 250e6], ["paced", 250e6]] as const)("with a %s clock, after %d instructions", { timeout: 300_000 }, (clock, instructions) => {
    const source = { size: fstatSync(descriptor).size, read: (offset: number, into: Uint8Array) => void readSync(descriptor, into, 0, into.length, offset) };
    const machine = new Machine({ memoryBytes: 128 << 20, technique: "emulate", ring: 1, set: {}, clock, ...configureBoot({ memoryBytes: 128 << 20, image: { name: DISK, source } }).machine });
    const history = new History(machine, { every: Infinity, ...(clock === "paced" ? { wallNs: () => performance.now() * 1e6 } : {}) });
    let since = cpuMs(), marking = 0;
    const began = since;
    while (history.now < instructions) {
      history.run(Math.min(400_000, instructions - history.now));
      if (cpuMs() - since < CHECKPOINT_MS) continue;
      const before = cpuMs();
      history.mark();
      since = cpuMs();
      marking += since - before;
    }
    const share = marking / (cpuMs() - began), { now } = history, hashes = new Map<number, string>();
    for (let n = 0; n < 1000; n++) {
      if (n % 250 === 0) hashes.set(history.now, stateHash(machine));
      history.run(1, true);
    }
    const end = stateHash(machine);
    history.goTo(now);
    expect(stateHash(machine)).toBe(hashes.get(now));
    history.goTo(now + 1000);
    expect(stateHash(machine)).toBe(end);
    const steps: number[] = [];
    for (let n = 0; n < 12; n++) {
      const before = cpuMs();
      history.stepBack();
      steps.push(cpuMs() - before);
    }
    history.goTo(now + 750);
    expect(stateHash(machine)).toBe(hashes.get(now + 750));
    const { checkpoints, bytes } = history.view;
    console.log(`${clock}: step back ${Math.round(Math.max(...steps))} ms at most, ${Math.round(steps.reduce((a, b) => a + b) / steps.length)} ms on average; checkpoints take ${(share * 100).toFixed(1)} % of the time; ${checkpoints} of them hold ${bytes >> 20} MB`);
    expect(Math.max(...steps)).toBeLessThan(STEP_BACK_MS);
    expect(bytes).toBeLessThanOrEqual(256 << 20);
  });
});
