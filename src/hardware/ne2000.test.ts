import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { checkSequence, Ne2000 } from "./ne2000.ts";

const MAC = [0x02, 0x54, 0x53, 0x00, 0x00, 0x01];
const BROADCAST = new Array<number>(6).fill(0xff);
const CR = 0, DATA = 0x10, RESET = 0x1f;

let clock: ManualClock, irq: Probe, sent: Uint8Array[], nic: Ne2000;
const inb = (port: number) => nic.region.read(port, 1);
const outb = (port: number, value: number) => nic.region.write(port, 1, value);
function build() {
  clock = new ManualClock();
  irq = new Probe();
  sent = [];
  return new Ne2000({ clock, interrupt: irq, address: MAC, transmit: (frame) => sent.push(frame) });
}

/** As a driver of the DP8390 starts it (datasheet, "Initialization Sequence"): a ring of pages 46h to 80h, broadcasts accepted. */
function start(): void {
  outb(CR, 0x21);
  outb(0xe, 0x49);
  outb(0xc, 0x04);
  outb(0xd, 0x00);
  outb(0x1, 0x46);
  outb(0x2, 0x80);
  outb(0x3, 0x46);
  outb(0x7, 0xff);
  outb(0xf, 0x3f);
  outb(CR, 0x61);
  MAC.forEach((byte, i) => outb(1 + i, byte));
  outb(0x7, 0x47);
  outb(CR, 0x22);
}
function remote(command: number, address: number, bytes: number): void {
  outb(0x8, address & 0xff);
  outb(0x9, address >> 8);
  outb(0xa, bytes & 0xff);
  outb(0xb, bytes >> 8);
  outb(CR, command);
}
function readMemory(address: number, bytes: number): number[] {
  remote(0x0a, address, bytes);
  return Array.from({ length: bytes / 2 }, () => nic.region.read(DATA, 2)).flatMap((word) => [word & 0xff, word >> 8]);
}
const frame = (to: readonly number[], length: number) => Uint8Array.from({ length }, (_, i) => to[i] ?? i & 0xff);

beforeEach(() => {
  nic = build();
});

describe("NE2000", () => {
  it("answers a probe: reset, the address doubled in the PROM, and 57h", () => {
    expect(inb(RESET)).toBe(0);
    expect([inb(7) & 0x80, inb(CR)]).toEqual([0x80, 0x21]);
    outb(0xe, 0x49);
    expect(readMemory(0, 32)).toEqual([...MAC.flatMap((byte) => [byte, byte]), ...new Array<number>(20).fill(0x57)]);
    expect([inb(0xa), inb(0xb)]).toEqual([0x50, 0x43]);
  });

  it("keeps 16 KB at 4000h and says when remote DMA is done", () => {
    start();
    remote(0x12, 0x4000, 4);
    nic.region.write(DATA, 4, 0xdeadbeef);
    expect(inb(7)).toBe(0x40);
    expect(readMemory(0x4000, 4)).toEqual([0xef, 0xbe, 0xad, 0xde]);
    expect(readMemory(0x8000, 2)).toEqual([0xff, 0xff]);
  });

  it("moves bytes with byte transfers, and words with a byte access otherwise", () => {
    start();
    remote(0x12, 0x4000, 4);
    nic.region.write(DATA, 4, 0x44332211);
    remote(0x0a, 0x4000, 4);
    expect([inb(DATA), inb(DATA)]).toEqual([0x11, 0x33]);
    outb(0xe, 0x48);
    remote(0x0a, 0x4000, 4);
    expect([inb(DATA), inb(DATA)]).toEqual([0x11, 0x22]);
  });

  it("sends what the transmit page holds, after its time on the wire", () => {
    start();
    remote(0x12, 0x4000, 60);
    for (let i = 0; i < 60; i += 2) nic.region.write(DATA, 2, i | ((i + 1) << 8));
    outb(7, 0xff);
    outb(4, 0x40);
    outb(5, 60);
    outb(6, 0);
    outb(CR, 0x26);
    expect([inb(CR) & 4, sent.length]).toEqual([4, 0]);
    clock.advance((60 + 24) * 800);
    expect(sent).toEqual([Uint8Array.from({ length: 60 }, (_, i) => i)]);
    expect([inb(CR) & 4, inb(4), inb(7), irq.level]).toEqual([0, 1, 2, true]);
    outb(7, 2);
    expect(irq.level).toBe(false);
  });

  it("puts a frame into the ring behind its header, padded and with its check sequence", () => {
    start();
    nic.receive(frame(MAC, 42));
    expect([inb(7), inb(0xc), irq.level]).toEqual([1, 1, true]);
    const [status, next, low, high, ...bytes] = readMemory(0x4700, 4 + 64);
    expect([status, next, low! | (high! << 8)]).toEqual([1, 0x48, 64]);
    expect(bytes.slice(0, 42)).toEqual([...frame(MAC, 42)]);
    expect(bytes.slice(42, 60)).toEqual(new Array(18).fill(0));
    outb(CR, 0x62);
    expect(inb(7)).toBe(0x48);
  });

  it("wraps both the ring and remote reads from its stop to its start", () => {
    start();
    outb(CR, 0x62);
    outb(7, 0x7f);
    outb(CR, 0x22);
    outb(3, 0x7e);
    nic.receive(frame(BROADCAST, 300));
    const bytes = readMemory(0x7f00, 308);
    expect([bytes[0], bytes[1], bytes.slice(4, 304)]).toEqual([0x21, 0x47, [...frame(BROADCAST, 300)]]);
  });

  it("takes its own address, broadcasts and chosen groups, and everything when promiscuous", () => {
    start();
    const takes = (to: readonly number[]) => {
      outb(7, 0xff);
      nic.receive(frame(to, 60));
      return (inb(7) & 1) === 1;
    };
    const other = [...MAC.slice(0, 5), 9], group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
    expect([takes(MAC), takes(BROADCAST), takes(other), takes(group)]).toEqual([true, true, false, false]);
    outb(0xc, 0x08);
    // The top six bits of the group's check sequence, low bit first: zlib's crc32 gives 31.
    const bit = 31;
    const filter = (chosen: (index: number) => boolean) => {
      outb(CR, 0x62);
      for (let i = 0; i < 8; i++) outb(8 + i, [...Array(8).keys()].reduce((byte, n) => byte | (chosen(8 * i + n) ? 1 << n : 0), 0));
      outb(CR, 0x22);
    };
    filter((index) => index !== bit);
    expect(takes(group)).toBe(false);
    filter((index) => index === bit);
    expect([takes(group), takes(BROADCAST)]).toEqual([true, false]);
    outb(0xc, 0x10);
    expect(takes(other)).toBe(true);
  });

  it("stops at the boundary, with the overwrite warning and a missed frame counted", () => {
    start();
    for (let i = 0; i < 9; i++) nic.receive(frame(MAC, 1514));
    expect(inb(7) & 0x10).toBe(0);
    nic.receive(frame(MAC, 1514));
    expect([inb(7) & 0x14, inb(0xf), inb(0xf)]).toEqual([0x14, 1, 0]);
  });

  it("receives nothing while it is stopped, in loopback or only monitoring", () => {
    start();
    outb(0xd, 0x02);
    nic.receive(frame(MAC, 60));
    outb(0xd, 0);
    outb(0xc, 0x20);
    nic.receive(frame(MAC, 60));
    expect([inb(7), inb(0xf)]).toEqual([0, 1]);
    outb(CR, 0x21);
    nic.receive(frame(MAC, 60));
    expect(inb(7)).toBe(0x80);
  });

  it("computes the check sequence of IEEE 802.3", () => {
    // The check value of CRC-32 over "123456789".
    expect(checkSequence(Uint8Array.from("123456789", (c) => c.charCodeAt(0)))).toBe(0xcbf43926);
  });
});

describeDevice("NE2000", () => {
  const device = build();
  return {
    device, clock, lines: [irq],
    regions: [{ region: device.region, size: 32 }],
    afterReset: [[0, CR, 0x21], [0, 7, 0x80]],
    stir: (n) => device.receive(frame(n & 1 ? BROADCAST : MAC, 14 + (n % 1600))),
  };
});
