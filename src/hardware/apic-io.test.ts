import { beforeEach, describe, expect, it } from "vitest";
import { IoApic } from "./apic-io.ts";
import type { ApicMessage } from "./apic-local.ts";
import { describeDevice, ManualClock } from "./describe-device.ts";

let apic: IoApic, sent: ApicMessage[], accepts: boolean;
const select = (register: number) => apic.region.write(0, 4, register);
function read(register: number): number {
  select(register);
  return apic.region.read(0x10, 4);
}
function write(register: number, value: number): void {
  select(register);
  apic.region.write(0x10, 4, value);
}
const entry = (pin: number) => 0x10 + 2 * pin;
const LEVEL = 0x8000, MASKED = 0x1_0000, REMOTE_IRR = 0x4000;

const build = () =>
  new IoApic({
    send: (message) => {
      sent.push(message);
      return accepts;
    },
  });

beforeEach(() => {
  sent = [];
  accepts = true;
  apic = build();
});

describe("redirection", () => {
  it("sends what the entry says at a rising edge", () => {
    write(entry(4) + 1, 0x0500_0000);
    write(entry(4), 0x0931); // lowest priority, logical
    const pin = apic.pin(4);
    pin.set(true);
    pin.set(true);
    expect(sent).toEqual([{ vector: 0x31, delivery: 1, logical: true, destination: 5, level: false }]);
    pin.set(false);
    pin.set(true);
    expect(sent).toHaveLength(2);
  });

  it("loses an edge at a masked input", () => {
    apic.pin(4).set(true);
    write(entry(4), 0x31);
    expect(sent).toEqual([]);
  });

  it("sends a level when it is unmasked, once until its end, and again if it stays", () => {
    apic.pin(10).set(true);
    write(entry(10), LEVEL | 0x41);
    expect([sent.length, read(entry(10))]).toEqual([1, LEVEL | REMOTE_IRR | 0x41]);
    apic.endOfInterrupt(0x42);
    expect(sent).toHaveLength(1);
    apic.endOfInterrupt(0x41);
    expect(sent).toHaveLength(2);
    apic.pin(10).set(false);
    apic.endOfInterrupt(0x41);
    expect([sent.length, read(entry(10))]).toEqual([2, LEVEL | 0x41]);
  });

  it("has no remote IRR where nobody took the message, and none in an edge entry", () => {
    accepts = false;
    write(entry(10), LEVEL | 0x41);
    apic.pin(10).set(true);
    expect(read(entry(10))).toBe(LEVEL | 0x41);
    accepts = true;
    write(entry(10), LEVEL | 0x41);
    expect(read(entry(10)) & REMOTE_IRR).toBe(REMOTE_IRR);
    write(entry(10), MASKED | 0x41);
    expect(read(entry(10))).toBe(MASKED | 0x41);
  });
});

describe("registers", () => {
  it("reports 24 inputs of version 11h, keeps the ID and shows it as arbitration ID", () => {
    expect(read(1)).toBe(0x0017_0011);
    write(0, 0xffff_ffff);
    expect([read(0), read(2)]).toEqual([0x0f00_0000, 0x0f00_0000]);
  });

  it("keeps the writable bits of an entry", () => {
    write(entry(0), 0xffff_ffff);
    write(entry(0) + 1, 0xffff_ffff);
    expect([read(entry(0)), read(entry(0) + 1)]).toEqual([0x1_afff, 0xff00_0000]);
    expect([read(entry(24)), read(0x0f)]).toEqual([0, 0]);
  });
});

describeDevice("I/O APIC", () => {
  const device = build();
  return {
    device, clock: new ManualClock(),
    regions: [{ region: device.region, size: 0x20 }],
    afterReset: [[0, 0, 0, 4], [0, 0x10, 0, 4]],
    stir: (n) => (n & 1 ? device.endOfInterrupt(n & 0xff) : device.pin(n % 24).set((n & 0x80) !== 0)),
  };
});
