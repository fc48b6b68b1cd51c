import { describe, expect, it } from "vitest";
import { SILENCE, Watchdog } from "./watchdog.ts";

function guest() {
  const now = { retired: 100, lastExit: 0, leaks: 0, leakMattered: false, acknowledged: 0, interruptRequested: false };
  const watchdog = new Watchdog({
    retired: () => now.retired, lastExit: () => now.lastExit, leaks: () => now.leaks, leakMattered: () => now.leakMattered,
    acknowledged: () => now.acknowledged, interruptRequested: () => now.interruptRequested, place: () => ({ eip: 0x1234, bytes: Uint8Array.of(0xeb, 0xfe) }),
  });
  return {
    now, watchdog,
    runs(instructions: number): void {
      now.retired += instructions;
      watchdog.look();
    },
  };
}

describe("watchdog", () => {
  it("gives up a guest that acted on a leak and fell silent, exactly when its time is over", () => {
    const { now, watchdog, runs } = guest();
    now.leakMattered = true;
    now.leaks = 1;
    now.lastExit = 5_000;
    runs(watchdog.room - 1);
    expect(watchdog.lost).toBeNull();
    expect(now.retired).toBe(5_000 + SILENCE - 1);
    runs(1);
    expect(watchdog.lost).toMatchObject({ eip: 0x1234, bytes: Uint8Array.of(0xeb, 0xfe) });
    expect(watchdog.lost?.reason).toContain("the guest is lost");
  });

  it("gives up a guest that leaks and does not take what its devices ask for", () => {
    const { now, watchdog, runs } = guest();
    now.leaks = 3;
    now.interruptRequested = true;
    runs(watchdog.room);
    expect(watchdog.lost).not.toBeNull();
  });

  it.each([
    ["computes for long, its interrupts masked", { leaks: 3 }],
    ["never leaked", { interruptRequested: true }],
  ])("leaves a guest alone that %s", (_what, state) => {
    const { now, watchdog, runs } = guest();
    Object.assign(now, state);
    for (let i = 0; i < 5; i++) runs(watchdog.room);
    expect(watchdog.lost).toBeNull();
  });

  it("begins anew with each exit and each interrupt that is taken", () => {
    const { now, watchdog, runs } = guest();
    now.leakMattered = true;
    runs(SILENCE - 1);
    now.lastExit = now.retired;
    runs(SILENCE - 1);
    expect(watchdog.lost).toBeNull();
    now.acknowledged++;
    runs(1);
    expect(watchdog.lost).toBeNull();
    runs(SILENCE);
    expect(watchdog.lost).not.toBeNull();
  });
});
