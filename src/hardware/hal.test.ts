// Expectations: plex86, hal.h (call numbers, areas, results, IRQ 3); IEEE 802.3 for the length of a frame.
import { describe, expect, it } from "vitest";
import type { BlockDevice } from "./device.ts";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import {
  HAL_CONSOLE_REGISTER, HAL_CONSOLE_WRITE, HAL_DISK_CLEANUP, HAL_DISK_INFO, HAL_DISK_READ, HAL_DISK_WRITE, HAL_NET_REGISTER, HAL_NET_TX, Hal,
} from "./hal.ts";

const MEMORY = 0x10000, NET = 0x1000, CONSOLE = 0x2000;

function bench(disks: readonly (BlockDevice | null)[] = []) {
  const clock = new ManualClock();
  const ram = new Uint8Array(MEMORY);
  const view = new DataView(ram.buffer);
  const irq = new Probe();
  const sent: number[][] = [], printed: number[] = [];
  const memory = {
    read: (at: number, into: Uint8Array) => into.set(ram.subarray(at, at + into.length)),
    write: (at: number, from: Uint8Array) => ram.set(from, at),
  };
  const hal = new Hal({
    clock, memory, memoryBytes: MEMORY, irq, disks,
    transmit: (frame) => void sent.push([...frame]),
    print: (byte) => void printed.push(byte),
  });
  return { clock, ram, view, irq, sent, printed, hal };
}

function disk(sectors: number, readOnly = false): BlockDevice & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(sectors * 512);
  return {
    bytes, sectorSize: 512, sectorCount: sectors, readOnly,
    read: (lba, into) => into.set(bytes.subarray(lba * 512, lba * 512 + into.length)),
    write: (lba, from) => bytes.set(from, lba * 512),
    flush: () => {},
  };
}

describeDevice("HAL", () => {
  const { hal, clock, irq } = bench();
  return {
    device: hal, clock, regions: [{ region: { read: () => 0, write: () => {} }, size: 1 }], afterReset: [], lines: [irq],
    stir: (n) => {
      hal.call(HAL_NET_REGISTER, 0, NET, 1522);
      hal.call(HAL_CONSOLE_REGISTER, 0, CONSOLE, 2056);
      if (n & 1) hal.receive(Uint8Array.from({ length: 60 + (n % 100) }, (_, i) => i));
      else hal.type(n & 0xff);
    },
  };
});

describe("calls", () => {
  it("are 1 to 8", () => {
    const { hal } = bench();
    expect(hal.call(0, 0, 0, 0)).toBeNull();
    expect(hal.call(9, 0, 0, 0)).toBeNull();
    expect(hal.call(HAL_DISK_CLEANUP, 0, 0, 0)).toBe(1);
  });

  it("print what the console's area holds, once it is registered", () => {
    const { hal, ram, printed } = bench();
    ram.set([72, 105], CONSOLE + 8 + 1024);
    expect(hal.call(HAL_CONSOLE_WRITE, 0, 0, 2)).toBe(0);
    expect(hal.call(HAL_CONSOLE_REGISTER, 1, CONSOLE, 2056)).toBe(0); // HalConMaxDevices is 1
    expect(hal.call(HAL_CONSOLE_REGISTER, 0, CONSOLE, 2055)).toBe(0);
    expect(hal.call(HAL_CONSOLE_REGISTER, 0, MEMORY - 2055, 2056)).toBe(0);
    expect(hal.call(HAL_CONSOLE_REGISTER, 0, CONSOLE, 2056)).toBe(1);
    expect(hal.call(HAL_CONSOLE_REGISTER, 0, CONSOLE, 2056)).toBe(0); // it is already
    expect(hal.call(HAL_CONSOLE_WRITE, 0, 0, 2)).toBe(1);
    expect(hal.call(HAL_CONSOLE_WRITE, 0, 0, 1025)).toBe(0);
    expect(printed).toEqual([72, 105]);
  });

  it("describe four disks and move sectors", () => {
    const first = disk(4032), third = disk(8, true);
    const { hal, ram, view } = bench([first, null, third]);
    ram.fill(0xee, 0x100, 0x160);
    expect(hal.call(HAL_DISK_INFO, 0x100, 0, 0)).toBe(1);
    expect(Array.from({ length: 24 }, (_, i) => view.getUint32(0x100 + 4 * i, true))).toEqual([
      1, 4, 16, 63, 0, 4032, 0, 0, 0, 0, 0, 0, 1, 1, 16, 63, 0, 8, 0, 0, 0, 0, 0, 0,
    ]);
    ram.fill(0x5a, 0x200, 0x400);
    expect(hal.call(HAL_DISK_WRITE, 0x200, 4031, 0)).toBe(1);
    expect(first.bytes.subarray(-512).every((byte) => byte === 0x5a)).toBe(true);
    expect(hal.call(HAL_DISK_READ, 0x401, 4031, 0)).toBe(1);
    expect([ram[0x401], ram[0x600], ram[0x601]]).toEqual([0x5a, 0x5a, 0]);
    expect(hal.call(HAL_DISK_READ, 0x400, 4032, 0)).toBe(0);
    expect(hal.call(HAL_DISK_READ, 0x400, 0, 1)).toBe(0);
    expect(hal.call(HAL_DISK_READ, 0x400, 0, 7)).toBe(0);
    expect(hal.call(HAL_DISK_READ, MEMORY - 511, 0, 0)).toBe(0);
    expect(hal.call(HAL_DISK_WRITE, 0x200, 0, 2)).toBe(0); // read-only
  });

  it("send frames of 1514 bytes at most", () => {
    const { hal, ram, sent } = bench();
    ram.set([1, 2, 3], 0x300);
    expect(hal.call(HAL_NET_TX, 0, 0x300, 3)).toBe(0); // not registered
    hal.call(HAL_NET_REGISTER, 0, NET, 1522);
    expect(hal.call(HAL_NET_TX, 0, 0x300, 3)).toBe(1);
    expect(hal.call(HAL_NET_TX, 0, 0x300, 1515)).toBe(0);
    expect(sent).toEqual([[1, 2, 3]]);
  });
});

describe("what comes from outside", () => {
  it("is dropped while nobody is there", () => {
    const { hal, irq } = bench();
    hal.receive(new Uint8Array(60));
    hal.call(HAL_NET_REGISTER, 0, NET, 1522);
    expect(irq.rises).toBe(0);
  });

  it("fills the area, raises IRQ 3 and waits until the guest has taken it", () => {
    const { hal, clock, view, ram, irq } = bench();
    hal.call(HAL_NET_REGISTER, 0, NET, 1522);
    hal.receive(Uint8Array.of(9, 8, 7));
    hal.receive(new Uint8Array(1514).fill(4));
    expect([view.getUint32(NET, true), view.getUint32(NET + 4, true)]).toEqual([1, 60]);
    expect([...ram.subarray(NET + 8, NET + 12)]).toEqual([9, 8, 7, 0]);
    expect([irq.level, irq.rises]).toEqual([true, 1]);
    clock.advance(10e6);
    expect([view.getUint32(NET + 4, true), irq.rises]).toEqual([60, 1]);
    view.setUint32(NET, 0, true);
    clock.advance(1e6);
    expect([view.getUint32(NET, true), view.getUint32(NET + 4, true), irq.rises]).toEqual([1, 1514, 2]);
    view.setUint32(NET, 0, true);
    clock.advance(1e6);
    expect([irq.level, irq.rises]).toEqual([false, 2]);
  });

  it("reaches a console that registers later", () => {
    const { hal, view, ram, irq } = bench();
    hal.type(65);
    hal.type(66);
    expect(irq.rises).toBe(0);
    hal.call(HAL_CONSOLE_REGISTER, 0, CONSOLE, 2056);
    expect([view.getUint32(CONSOLE, true), view.getUint32(CONSOLE + 4, true), ram[CONSOLE + 8], ram[CONSOLE + 9], irq.rises]).toEqual([1, 2, 65, 66, 1]);
  });

  it("survives save and load, and does not take strange snapshots", () => {
    const one = bench(), other = bench();
    one.hal.call(HAL_NET_REGISTER, 0, NET, 1522);
    one.hal.receive(new Uint8Array(60).fill(1));
    one.hal.receive(new Uint8Array(60).fill(2));
    other.ram.set(one.ram);
    other.hal.load(one.hal.save());
    expect(other.irq.level).toBe(true);
    other.view.setUint32(NET, 0, true);
    other.clock.advance(1e6);
    expect(other.ram[NET + 8]).toBe(2);
    expect(() => other.hal.load({ ...one.hal.save(), frames: [new Uint8Array(2000)] })).toThrow("hal.frames");
    expect(() => other.hal.load({ ...one.hal.save(), net: "x" })).toThrow("hal.net");
  });
});
