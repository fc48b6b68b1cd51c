// The contract that every device keeps, as a test suite, and the bench it is tested on.
// For tests only.

import { describe, expect, it } from "vitest";
import type { Clock, Device, Line, Region, Timer, Width } from "./device.ts";

/** A clock that a test moves by hand. Timers expire in order of their deadlines, at their deadlines. */
export class ManualClock implements Clock {
  readonly epochMs: number;
  private now = 0;
  private readonly timers: ManualTimer[] = [];

  constructor(epochMs = Date.UTC(2003, 1, 14, 14, 18, 30)) {
    this.epochMs = epochMs;
  }

  nowNs(): number {
    return this.now;
  }

  timer(onExpire: (nowNs: number) => void): Timer {
    const timer = new ManualTimer(onExpire);
    this.timers.push(timer);
    return timer;
  }

  /** Lets `ns` pass. */
  advance(ns: number): void {
    const end = this.now + ns;
    for (;;) {
      let next: ManualTimer | undefined;
      for (const timer of this.timers) {
        if (timer.deadlineNs <= end && (next === undefined || timer.deadlineNs < next.deadlineNs)) next = timer;
      }
      if (next === undefined) break;
      this.now = Math.max(this.now, next.deadlineNs);
      next.expire(this.now);
    }
    this.now = end;
  }

  /** Lets `ns` pass in one leap: whatever was due expires late, as when the host was away. */
  leap(ns: number): void {
    this.now += ns;
    this.advance(0);
  }
}

class ManualTimer implements Timer {
  deadlineNs = Infinity;
  private readonly onExpire: (nowNs: number) => void;

  constructor(onExpire: (nowNs: number) => void) {
    this.onExpire = onExpire;
  }

  arm(atNs: number): void {
    this.deadlineNs = atNs;
  }

  cancel(): void {
    this.deadlineNs = Infinity;
  }

  expire(nowNs: number): void {
    this.deadlineNs = Infinity;
    this.onExpire(nowNs);
  }
}

/** The far end of a wire: its level and how often it rose. */
export class Probe implements Line {
  level = false;
  rises = 0;

  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}

export interface DeviceUnderTest {
  readonly device: Device;
  readonly clock: ManualClock;
  /** Its register windows and their sizes in bytes. */
  readonly regions: readonly { readonly region: Region; readonly size: number }[];
  /** Datasheet values after reset: region index, offset, value of a byte read (of `width` when given). */
  readonly afterReset: readonly (readonly [region: number, offset: number, value: number, width?: Width])[];
  /** Something happens outside: a byte arrives, a key is pressed. `n` chooses what. */
  readonly stir?: (n: number) => void;
  /** Outputs whose levels must survive save and load. */
  readonly lines?: readonly Probe[];
}

/** A small generator with a fixed seed, so that a failing poke sequence can be run again. */
function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

const WIDTHS: readonly Width[] = [1, 2, 4];

/** Pokes registers at random and lets time pass; returns everything that was read. */
function poke(dut: DeviceUnderTest, seed: number, steps: number): number[] {
  const random = sequence(seed);
  const seen: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { region, size } = dut.regions[random() % dut.regions.length];
    const width = random() % 4 === 0 ? WIDTHS[random() % 3] : 1;
    const offset = random() % Math.max(1, size - width + 1);
    if (width > size) continue;
    if (random() % 2 === 0) {
      region.write(offset, width, ((random() << 8) ^ random()) >>> (32 - 8 * width));
    } else {
      seen.push(region.read(offset, width));
    }
    if (random() % 8 === 0) dut.stir?.(random());
    if (random() % 3 === 0) dut.clock.advance(random() % 2 === 0 ? random() % 3_000 : random() % 3_000_000);
  }
  return seen;
}

function plain(value: unknown): boolean {
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean" || value instanceof Uint8Array) return true;
  if (Array.isArray(value)) return value.every(plain);
  return typeof value === "object" && value !== null && Object.values(value).every(plain);
}

/** `make` builds a fresh device on a fresh clock each time. */
export function describeDevice(name: string, make: () => DeviceUnderTest): void {
  describe(`${name}: what every device promises`, () => {
    it("has the datasheet's values after power-on and after reset", () => {
      const dut = make();
      const check = () => {
        for (const [index, offset, value, width] of dut.afterReset) {
          expect(dut.regions[index].region.read(offset, width ?? 1), `region ${index} offset ${offset.toString(16)}`).toBe(value);
        }
      };
      check();
      poke(dut, 1, 400);
      dut.device.reset();
      check();
    });

    it("gives the same state after save, load, save", () => {
      for (let seed = 1; seed <= 8; seed++) {
        const one = make();
        poke(one, seed, 300);
        const saved = one.device.save();
        expect(plain(saved)).toBe(true);
        const other = make();
        other.clock.advance(one.clock.nowNs());
        other.device.load(saved);
        expect(other.device.save()).toEqual(saved);
        expect(one.device.save()).toEqual(saved);
      }
    });

    it("goes on after load as if nothing had happened", () => {
      for (let seed = 1; seed <= 8; seed++) {
        const one = make();
        poke(one, seed, 300);
        const other = make();
        other.clock.advance(one.clock.nowNs());
        other.device.load(one.device.save());
        for (const [i, line] of (one.lines ?? []).entries()) expect(other.lines![i].level, `line ${i}`).toBe(line.level);
        expect(poke(other, seed + 100, 300)).toEqual(poke(one, seed + 100, 300));
      }
    });

    it("does not share state with a snapshot", () => {
      const dut = make();
      poke(dut, 5, 200);
      const saved = dut.device.save();
      const copy = JSON.stringify(saved);
      poke(dut, 6, 200);
      expect(JSON.stringify(saved)).toBe(copy);
      dut.device.load(saved);
      poke(dut, 7, 200);
      expect(JSON.stringify(saved)).toBe(copy);
    });

    it("refuses a snapshot of something else", () => {
      const dut = make();
      expect(() => dut.device.load({})).toThrow();
    });

    it("answers every offset and width with a value of that width", () => {
      const dut = make();
      for (const { region, size } of dut.regions) {
        for (const width of WIDTHS) {
          for (let offset = 0; offset + width <= size; offset++) {
            for (const value of [0, 2 ** (8 * width) - 1, 0x5a5a5a5a >>> (32 - 8 * width)]) {
              region.write(offset, width, value);
              const read = region.read(offset, width);
              expect(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width), `offset ${offset} width ${width} read ${read}`).toBe(true);
            }
          }
        }
      }
      dut.clock.advance(1e9);
    });
  });
}
