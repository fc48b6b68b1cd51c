import { beforeEach, describe, expect, it } from "vitest";
import { AcpiPm, PM_TIMER_HZ } from "./acpi-pm.ts";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";

let clock: ManualClock;
let sci: Probe;
let off: number;
let pm: AcpiPm;

beforeEach(() => {
  clock = new ManualClock();
  sci = new Probe();
  off = 0;
  pm = new AcpiPm({ clock, sci, softOffType: 0, powerOff: () => off++ });
});

const HALF_NS = Math.ceil((0x800000 * 1e9) / PM_TIMER_HZ);

describe("PM timer", () => {
  it("counts 24 bits at 3.579545 MHz", () => {
    expect(pm.region.read(8, 4)).toBe(0);
    clock.advance(1e9);
    expect(pm.region.read(8, 4)).toBe(3579545);
    expect([pm.region.read(8, 1), pm.region.read(9, 2), pm.region.read(11, 1)]).toEqual([3579545 & 0xff, 3579545 >> 8, 0]);
    clock.advance(9e9);
    expect(pm.region.read(8, 4)).toBe(35795450 % 0x1000000);
  });

  it("cannot be written", () => {
    clock.advance(1e9);
    pm.region.write(8, 4, 0);
    expect(pm.region.read(8, 4)).toBe(3579545);
  });

  it("sets TMROF_STS when its top bit changes, up and down", () => {
    clock.advance(HALF_NS - 1);
    expect(pm.region.read(0, 2)).toBe(0);
    clock.advance(1);
    expect(pm.region.read(0, 2)).toBe(1);
    pm.region.write(0, 2, 1);
    expect(pm.region.read(0, 2)).toBe(0);
    clock.advance(HALF_NS);
    expect(pm.region.read(0, 2)).toBe(1);
  });

  it("raises SCI when enabled, until the status is cleared", () => {
    pm.apmRegion.write(0, 1, 0xf1);
    pm.region.write(2, 2, 1);
    clock.advance(HALF_NS);
    expect(sci.level).toBe(true);
    pm.region.write(0, 2, 1);
    expect(sci.level).toBe(false);
    clock.advance(HALF_NS);
    expect(sci.rises).toBe(2);
  });
});

describe("PM1", () => {
  it("turns ACPI on and off by port B2h", () => {
    expect(pm.region.read(4, 2)).toBe(0);
    pm.apmRegion.write(0, 1, 0xf1);
    expect(pm.region.read(4, 2)).toBe(1);
    pm.apmRegion.write(0, 1, 0xf0);
    expect(pm.region.read(4, 2)).toBe(0);
    pm.apmRegion.write(0, 2, 0x12f1);
    expect(pm.apmRegion.read(0, 2)).toBe(0x12f1);
  });

  it("tells of the power button only when ACPI is on and the event enabled", () => {
    pm.pressPowerButton();
    expect([sci.level, pm.region.read(0, 4)]).toEqual([false, 0x100]);
    pm.region.write(2, 2, 0x100);
    expect(sci.level).toBe(false);
    pm.region.write(4, 2, 1);
    expect(sci.level).toBe(true);
    pm.region.write(1, 1, 1);
    expect([sci.level, pm.region.read(0, 4)]).toEqual([false, 0x1000000]);
  });

  it("switches off by SLP_EN with the soft-off type, in one write or two", () => {
    pm.region.write(4, 2, 0x0401);
    pm.region.write(4, 2, 0x2401);
    expect(off).toBe(0);
    pm.region.write(4, 2, 0x0001);
    pm.region.write(4, 2, 0x2001);
    expect(off).toBe(1);
    pm.region.write(5, 1, 0x20);
    expect(off).toBe(2);
    expect(pm.region.read(4, 2)).toBe(1);
  });

  it("keeps defined bits only and reads 0 where it has nothing", () => {
    pm.region.write(2, 2, 0xffff);
    pm.region.write(0x20, 4, 0xffffffff);
    pm.region.write(0x0c, 4, 0xffffffff);
    expect([pm.region.read(2, 2), pm.region.read(0x20, 4), pm.region.read(0x0c, 4), pm.region.read(0x28, 4)]).toEqual([0x0521, 0, 0xffff0000, 0]);
    expect(pm.region.read(1, 4)).toBe(0x00052100);
  });
});

describeDevice("PIIX4 power management", () => {
  const clock = new ManualClock();
  const sci = new Probe();
  const device = new AcpiPm({ clock, sci, softOffType: 0, powerOff: () => {} });
  return {
    device,
    clock,
    regions: [{ region: device.region, size: 64 }, { region: device.apmRegion, size: 2 }],
    afterReset: [[0, 0, 0, 4], [0, 4, 0, 4], [0, 0x0c, 0, 4], [1, 0, 0]],
    lines: [sci],
    stir: (n) => {
      if (n % 3 === 0) device.pressPowerButton();
      else clock.advance(1e9);
    },
  };
});
