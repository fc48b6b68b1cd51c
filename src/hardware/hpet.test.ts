import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Hpet } from "./hpet.ts";

// Offsets and bits of the IA-PC HPET Specification 1.0a.
const CAPABILITIES = 0, CONFIGURATION = 0x10, STATUS = 0x20, COUNTER = 0xf0;
const timer = (n: number) => 0x100 + 0x20 * n;
const ENABLE = 1, LEGACY = 2, LEVEL = 2, INTERRUPT = 4, PERIODIC = 8, SET_VALUE = 0x40, NARROW = 0x100;
const HZ = 14318180;
/** Nanoseconds after which `ticks` are over. */
const ns = (ticks: number) => Math.ceil((ticks * 1e9) / HZ);

let clock: ManualClock, irq0: Probe, irq8: Probe, routes: Probe[], hpet: Hpet;
const read = (offset: number) => hpet.region.read(offset, 4);
const write = (offset: number, value: number) => hpet.region.write(offset, 4, value);

function build() {
  clock = new ManualClock();
  irq0 = new Probe();
  irq8 = new Probe();
  routes = Array.from({ length: 24 }, () => new Probe());
  return new Hpet({ clock, irq0, irq8, route: (input) => routes[input] });
}

beforeEach(() => {
  hpet = build();
});

describe("main counter", () => {
  it("names three 64-bit timers, legacy replacement and its period of 69.84 ns", () => {
    expect([read(CAPABILITIES), read(CAPABILITIES + 4)]).toEqual([0x8086_a201, 69841279]);
  });

  it("stands until it is enabled, then counts, and stands again", () => {
    clock.advance(1e6);
    expect(read(COUNTER)).toBe(0);
    write(CONFIGURATION, ENABLE);
    clock.advance(1e9);
    expect(Math.abs(read(COUNTER) - HZ)).toBeLessThanOrEqual(1);
    write(CONFIGURATION, 0);
    const stopped = read(COUNTER);
    clock.advance(1e9);
    expect(read(COUNTER)).toBe(stopped);
  });

  it("carries into its upper half", () => {
    write(COUNTER, 0xffff_fff0);
    write(COUNTER + 4, 7);
    write(CONFIGURATION, ENABLE);
    clock.advance(ns(0x20));
    expect([read(COUNTER), read(COUNTER + 4)]).toEqual([0x10, 8]);
  });
});

describe("comparators", () => {
  it("interrupts once at its route when the counter reaches it", () => {
    write(timer(2), INTERRUPT | (21 << 9));
    write(timer(2) + 8, 1000);
    write(timer(2) + 12, 0);
    write(CONFIGURATION, ENABLE);
    clock.advance(ns(999));
    expect(routes[21].rises).toBe(0);
    clock.advance(ns(1));
    expect(routes[21].rises).toBe(1);
    clock.advance(1e9);
    expect(routes[21].rises).toBe(1);
  });

  it("does not reach the inputs that its capability bits leave out", () => {
    expect(read(timer(0) + 4)).toBe(0x00f0_0000);
    write(timer(2), INTERRUPT | (5 << 9));
    write(timer(2) + 8, 10);
    write(timer(2) + 12, 0);
    write(CONFIGURATION, ENABLE);
    clock.advance(1e6);
    expect(routes[5].rises).toBe(0);
  });

  it("waits for the next round when it is set to what has passed, in 32-bit mode 2^32 ticks", () => {
    write(CONFIGURATION, ENABLE);
    clock.advance(ns(5000));
    write(timer(2), INTERRUPT | NARROW | (20 << 9));
    write(timer(2) + 8, 4000);
    clock.advance(ns(2 ** 32 - 1500));
    expect(routes[20].rises).toBe(0);
    clock.advance(ns(1000));
    expect(routes[20].rises).toBe(1);
  });

  it("repeats with the period that follows the first value", () => {
    write(timer(0), INTERRUPT | PERIODIC | SET_VALUE | NARROW | (20 << 9));
    write(timer(0) + 8, 5000);
    write(timer(0) + 8, 1000);
    write(CONFIGURATION, ENABLE);
    clock.advance(ns(5000));
    expect(routes[20].rises).toBe(1);
    clock.advance(ns(3000));
    expect(routes[20].rises).toBe(4);
    expect(read(timer(0) + 8)).toBe(9000);
  });

  it("holds a level until its status bit is cleared by a one", () => {
    write(timer(1), INTERRUPT | LEVEL | (22 << 9));
    write(timer(1) + 8, 100);
    write(timer(1) + 12, 0);
    write(CONFIGURATION, ENABLE);
    clock.advance(ns(200));
    expect([routes[22].level, read(STATUS)]).toEqual([true, 2]);
    write(STATUS, 1);
    expect(routes[22].level).toBe(true);
    write(STATUS, 2);
    expect([routes[22].level, read(STATUS)]).toEqual([false, 0]);
  });

  it("arms no timer of the clock for a comparator that interrupts nobody", () => {
    const timers: number[] = [];
    const spy = Object.assign(new ManualClock(), {});
    const make = spy.timer.bind(spy);
    spy.timer = (expire) => {
      const made = make(expire);
      return { arm: (at) => (timers.push(at), made.arm(at)), cancel: () => made.cancel(), get deadlineNs() { return made.deadlineNs; } };
    };
    const quiet = new Hpet({ clock: spy, irq0, irq8, route: (input) => routes[input] });
    quiet.region.write(timer(0) + 8, 4, 500);
    quiet.region.write(CONFIGURATION, 4, ENABLE);
    expect(timers).toEqual([]);
  });
});

describe("legacy replacement", () => {
  it("takes IRQ 0 and IRQ 8 from the 8254 and the clock, and gives them back", () => {
    hpet.pit.set(true);
    hpet.rtc.set(true);
    expect([irq0.level, irq8.level]).toEqual([true, true]);
    write(CONFIGURATION, LEGACY | ENABLE);
    expect([irq0.level, irq8.level]).toEqual([false, false]);
    hpet.pit.set(false);
    hpet.pit.set(true);
    write(timer(0), INTERRUPT | NARROW);
    write(timer(0) + 8, read(COUNTER) + 100);
    clock.advance(ns(200));
    expect([irq0.rises, irq8.level]).toEqual([2, false]);
    write(CONFIGURATION, ENABLE);
    expect([irq0.level, irq8.level]).toEqual([true, true]);
  });
});

describeDevice("HPET", () => {
  const device = build();
  return {
    device, clock, lines: [irq0, irq8, routes[20], routes[21], routes[22], routes[23]],
    regions: [{ region: device.region, size: 0x160 }],
    afterReset: [[0, CONFIGURATION, 0, 4], [0, STATUS, 0, 4], [0, COUNTER, 0, 4], [0, timer(0), 0x30, 4], [0, timer(0) + 8, 0xffff_ffff, 4], [0, timer(0) + 12, 0xffff_ffff, 4]],
    stir: (n) => (n & 1 ? device.pit : device.rtc).set((n & 2) !== 0),
  };
});
