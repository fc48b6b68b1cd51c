import { expect, it } from "vitest";
import { GPR_BASE } from "../../src/isa/state-layout.ts";
import { applyParts } from "../../src/protocol/mirror.ts";
import { ScreenReader, ScreenWriter } from "../../src/protocol/screen-view.ts";
import { StatsReader } from "../../src/protocol/stats-view.ts";
import { TestMemory } from "../../src/store/test-machine.ts";
import { ViewMirror } from "../../src/worker/view-mirror.ts";

it("keeps a copy that reads the same, and sends only what changed", () => {
  const memory = new TestMemory(), mirror = new ViewMirror(memory.buffer, memory.layout);
  memory.set("traps", 3);
  const { layout } = memory, buffer = mirror.first(), stats = new StatsReader(buffer, layout.stats), screen = new ScreenReader(buffer, layout.screen);
  expect(buffer).toBeInstanceOf(ArrayBuffer);
  expect(stats.scalar("traps")).toBe(3);
  expect(mirror.changes()).toBeNull();

  memory.set("traps", 4);
  memory.write(5);
  const some = mirror.changes()!;
  expect(some.data.length).toBeLessThan(16 << 10);
  applyParts(buffer, some);
  expect(stats.scalar("traps")).toBeGreaterThanOrEqual(4);
  const same = (from: number, to: number): boolean => Buffer.from(buffer, from, to - from).equals(Buffer.from(new Uint8Array(memory.buffer).slice(from, to)));
  expect(same(layout.stats, layout.screen)).toBe(true);
  // The processor's state, below the views.
  new Uint32Array(memory.buffer)[GPR_BASE >> 2] = 0x1234;
  applyParts(buffer, mirror.changes()!);
  expect(new Uint32Array(buffer)[GPR_BASE >> 2]).toBe(0x1234);

  const writer = new ScreenWriter(memory.buffer, memory.layout.screen);
  writer.graphics(640, 480, (own) => { own[640 * 480 - 1] = 0xff112233; });
  applyParts(buffer, mirror.changes()!);
  expect(screen.picture()).toMatchObject({ mode: "graphics", width: 640, height: 480 });
  const last = new Uint8ClampedArray(640 * 480 * 4);
  screen.copyPixels(last, 640 * 480);
  expect([...last.slice(-4)]).toEqual([0x33, 0x22, 0x11, 0xff]);
  expect(mirror.changes()).toBeNull();
});
