import { expect, it } from "vitest";
import { describeDevice, ManualClock } from "./describe-device.ts";
import { Piix4Smbus } from "./smbus-piix4.ts";

// 82371AB, "SMBus I/O Space Registers".
const STATUS = 0, CONTROL = 2, ADDRESS = 4, BLOCK = 7;

it("ends a transfer with a device error, which a one clears", () => {
  const { region } = new Piix4Smbus();
  region.write(ADDRESS, 1, 0xa1);
  region.write(CONTROL, 1, 0x48);
  expect([region.read(STATUS, 1), region.read(CONTROL, 1)]).toEqual([0x04, 0x08]);
  region.write(STATUS, 1, 0x02);
  expect(region.read(STATUS, 1)).toBe(0x04);
  region.write(STATUS, 1, 0x1e);
  expect(region.read(STATUS, 1)).toBe(0);
});

it("starts nothing without the start bit, and calls a killed transfer failed", () => {
  const { region } = new Piix4Smbus();
  region.write(CONTROL, 1, 0x08);
  expect(region.read(STATUS, 1)).toBe(0);
  region.write(CONTROL, 1, 0x02);
  expect([region.read(STATUS, 1), region.read(CONTROL, 1)]).toEqual([0x10, 0]);
});

it("walks through the block buffer, from its start after the control register was read", () => {
  const { region } = new Piix4Smbus();
  for (const value of [1, 2, 3]) region.write(BLOCK, 1, value);
  region.read(CONTROL, 1);
  expect([1, 2, 3].map(() => region.read(BLOCK, 1))).toEqual([1, 2, 3]);
});

describeDevice("SMBus of the PIIX4", () => {
  const device = new Piix4Smbus();
  return { device, clock: new ManualClock(), regions: [{ region: device.region, size: 16 }], afterReset: [[0, STATUS, 0], [0, CONTROL, 0]] };
});
