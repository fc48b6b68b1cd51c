import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock } from "./describe-device.ts";
import type { PhysicalMemory } from "./device.ts";
import { Dma8237 } from "./dma-8237.ts";

let ram: Uint8Array;
let dma: Dma8237;

const memoryOf = (bytes: Uint8Array): PhysicalMemory => ({
  read: (physical, into) => into.set(bytes.subarray(physical, physical + into.length)),
  write: (physical, from) => bytes.set(from, physical),
});

beforeEach(() => {
  ram = new Uint8Array(1 << 20);
  dma = new Dma8237({ memory: memoryOf(ram) });
});

const out = (port: number, value: number) => {
  if (port < 0x10) dma.byteRegion.write(port, 1, value);
  else if (port < 0xc0) dma.pageRegion.write(port - 0x80, 1, value);
  else dma.wordRegion.write(port - 0xc0, 1, value);
};
const inp = (port: number) => (port < 0x10 ? dma.byteRegion.read(port, 1) : port < 0xc0 ? dma.pageRegion.read(port - 0x80, 1) : dma.wordRegion.read(port - 0xc0, 1));

/** Programs channel 2 as a floppy driver does. */
function program(mode: number, page: number, address: number, count: number) {
  out(0x0a, 0x06);
  out(0x0c, 0);
  out(0x0b, mode | 2);
  out(0x04, address & 0xff);
  out(0x04, address >> 8);
  out(0x81, page);
  out(0x05, count & 0xff);
  out(0x05, count >> 8);
  out(0x0a, 0x02);
}

const bytes = (count: number, from = 1) => Uint8Array.from({ length: count }, (_, i) => from + i);

describe("8237A transfers", () => {
  it("writes a device's bytes to memory until terminal count, then masks the channel", () => {
    program(0x44, 0x01, 0x2345, 7);
    const channel = dma.channel(2);
    expect(channel.transfer(bytes(5))).toBe(5);
    expect(channel.terminalCount).toBe(false);
    expect(channel.transfer(bytes(5, 6))).toBe(3);
    expect(channel.terminalCount).toBe(true);
    expect([...ram.subarray(0x12345, 0x1234f)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
    expect(channel.ready).toBe(false);
    expect(channel.transfer(bytes(1))).toBe(0);
    expect(inp(0x08) & 0x0f).toBe(0x04);
    expect(inp(0x08) & 0x0f).toBe(0);
    expect(inp(0x0f) & 0x04).toBe(0x04);
  });

  it("reads memory for the device", () => {
    ram.set(bytes(4, 0x40), 0x500);
    program(0x48, 0, 0x500, 3);
    const into = new Uint8Array(8);
    expect(dma.channel(2).transfer(into)).toBe(4);
    expect([...into]).toEqual([0x40, 0x41, 0x42, 0x43, 0, 0, 0, 0]);
  });

  it("only counts when it verifies", () => {
    program(0x40, 0, 0x500, 1);
    const channel = dma.channel(2);
    expect([channel.transfer(bytes(4)), channel.terminalCount, ram[0x500]]).toEqual([2, true, 0]);
  });

  it("starts again by itself in autoinitialize mode", () => {
    program(0x54, 0, 0x600, 1);
    const channel = dma.channel(2);
    channel.transfer(bytes(2, 1));
    expect([channel.terminalCount, channel.ready]).toEqual([true, true]);
    channel.transfer(bytes(1, 9));
    expect([ram[0x600], ram[0x601], channel.terminalCount]).toEqual([9, 2, false]);
  });

  it("counts addresses down", () => {
    program(0x64, 0, 0x702, 2);
    dma.channel(2).transfer(bytes(3));
    expect([...ram.subarray(0x700, 0x704)]).toEqual([3, 2, 1, 0]);
  });

  it("wraps inside its 64 KB page", () => {
    program(0x44, 0x03, 0xfffe, 3);
    dma.channel(2).transfer(bytes(4));
    expect([ram[0x3fffe], ram[0x3ffff], ram[0x30000], ram[0x30001], ram[0x40000]]).toEqual([1, 2, 3, 4, 0]);
    expect([inp(0x04), inp(0x04)]).toEqual([0x02, 0x00]);
  });

  it("moves words on channels 5 to 7, at word addresses in 128 KB pages", () => {
    out(0xd6, 0x45);
    out(0xd8, 0);
    out(0xc4, 0x00);
    out(0xc4, 0x81);
    out(0xc6, 0x01);
    out(0xc6, 0x00);
    out(0x8b, 0x03);
    out(0xd4, 0x01);
    const channel = dma.channel(5);
    expect(channel.transfer(bytes(7))).toBe(4);
    expect([...ram.subarray(0x30200, 0x30206)]).toEqual([1, 2, 3, 4, 0, 0]);
    expect(channel.terminalCount).toBe(true);
  });

  it("moves nothing while masked, disabled or in cascade mode", () => {
    const channel = dma.channel(2);
    expect(channel.transfer(bytes(1))).toBe(0);
    program(0x44, 0, 0, 9);
    out(0x08, 0x04);
    expect(channel.transfer(bytes(1))).toBe(0);
    out(0x08, 0x00);
    program(0xc4, 0, 0, 9);
    expect(channel.transfer(bytes(1))).toBe(0);
  });

  it("calls a device that waits when its channel opens", () => {
    let calls = 0;
    const channel = dma.channel(2);
    channel.onReady = () => calls++;
    program(0x44, 0, 0, 9);
    expect(calls).toBe(0);
    out(0x0a, 0x06);
    channel.request(true);
    expect(inp(0x08)).toBe(0x40);
    out(0x0a, 0x05);
    expect(calls).toBe(0);
    out(0x0a, 0x02);
    expect(calls).toBe(1);
    channel.request(false);
    out(0x0e, 0);
    expect([calls, inp(0x08)]).toEqual([1, 0]);
  });
});

describe("8237A registers", () => {
  it("reads current address and count through the flip-flop", () => {
    program(0x44, 0, 0x1234, 0x5678);
    dma.channel(2).transfer(bytes(0x10));
    out(0x0c, 0);
    expect([inp(0x04), inp(0x04), inp(0x05), inp(0x05)]).toEqual([0x44, 0x12, 0x68, 0x56]);
    inp(0x04);
    out(0x0c, 0);
    expect(inp(0x04)).toBe(0x44);
  });

  it("masks by single bits, all at once, and clears", () => {
    out(0x0f, 0x0a);
    expect(inp(0x0f)).toBe(0xfa);
    out(0x0a, 0x04);
    expect(inp(0x0f)).toBe(0xfb);
    out(0x0a, 0x01);
    expect(inp(0x0f)).toBe(0xf9);
    out(0x0e, 0);
    expect(inp(0x0f)).toBe(0xf0);
  });

  it("clears like RESET by the master clear command", () => {
    program(0x44, 0, 0x1234, 5);
    out(0x09, 0x05);
    out(0x04, 0x77);
    expect(inp(0x08)).toBe(0x20);
    out(0x0d, 0);
    expect([inp(0x08), inp(0x0f), inp(0x0d)]).toEqual([0, 0xff, 0]);
    expect(inp(0x04)).toBe(0x77);
  });

  it("keeps pages, and the spare ones", () => {
    for (let i = 0; i < 16; i++) out(0x80 + i, i * 3);
    expect(Array.from({ length: 16 }, (_, i) => inp(0x80 + i))).toEqual(Array.from({ length: 16 }, (_, i) => i * 3));
  });
});

describeDevice("8237A", () => {
  const device = new Dma8237({ memory: memoryOf(new Uint8Array(1 << 24)) });
  const channel = device.channel(2);
  return {
    device,
    clock: new ManualClock(),
    regions: [
      { region: device.byteRegion, size: 16 },
      { region: device.wordRegion, size: 32 },
      { region: device.pageRegion, size: 16 },
    ],
    afterReset: [[0, 8, 0], [0, 15, 0xff], [1, 16, 0], [1, 30, 0xff]],
    stir: (n) => {
      channel.transfer(new Uint8Array(n % 100));
    },
  };
});
