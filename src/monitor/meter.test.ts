import { expect, it } from "vitest";
import { MonitorMeter } from "./meter.ts";

it("estimates the time between exits and entries from one exit in sixty-one", () => {
  let now = 0, reads = 0;
  const meter = new MonitorMeter(() => (reads++, now));
  for (let exit = 0; exit < 610; exit++) {
    now += 1000; // the guest
    meter.left();
    now += exit % 61 === 0 ? 300 : 100; // the monitor
    meter.enters();
  }
  expect(meter.ns).toBe(10 * 300 * 61);
  expect(reads).toBe(20);
});

it("does not count what the host does between two runs", () => {
  let now = 0;
  const meter = new MonitorMeter(() => now);
  meter.left();
  now += 1e9;
  meter.forget();
  meter.enters();
  expect(meter.ns).toBe(0);
});

it("reads no clock where there is none", () => {
  const meter = new MonitorMeter(null);
  meter.left();
  meter.enters();
  expect(meter.ns).toBe(0);
});
