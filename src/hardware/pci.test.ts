// Expectations: PCI Local Bus Specification 2.1; 82441FX, 82371SB and 82371AB datasheets.

import { beforeEach, describe, expect, it } from "vitest";
import { IoBus } from "./bus.ts";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import type { Region } from "./device.ts";
import { IdeBusMaster } from "./ide-bus-master.ts";
import { COMMAND_IO, COMMAND_MEMORY, PciFunction, placeOn } from "./pci-function.ts";
import { I440fxHostBridge, PciBus, type ShadowSegment } from "./pci-i440fx.ts";
import { Piix3Ide, Piix3IsaBridge, Piix4Pm } from "./pci-piix.ts";

const noMemory = { read: () => undefined, write: () => undefined };

/** Configuration accesses as software makes them. */
class ConfigSpace {
  readonly bus = new PciBus();

  select(device: number, fn: number, offset: number): void {
    this.bus.ports.write(0, 4, (0x80000000 | (device << 11) | (fn << 8) | (offset & 0xfc)) >>> 0);
  }

  read(device: number, fn: number, offset: number, width: 1 | 2 | 4): number {
    this.select(device, fn, offset);
    return this.bus.ports.read(4 + (offset & 3), width);
  }

  write(device: number, fn: number, offset: number, width: 1 | 2 | 4, value: number): void {
    this.select(device, fn, offset);
    this.bus.ports.write(4 + (offset & 3), width, value);
  }
}

let pci: ConfigSpace;
beforeEach(() => {
  pci = new ConfigSpace();
});

/** Configuration space seen as a register window. */
function window(fn: PciFunction): Region {
  return { read: (offset, width) => fn.read(offset, width), write: (offset, width, value) => fn.write(offset, width, value) };
}

describeDevice("PciBus", () => {
  const bus = new PciBus();
  const bridge = new I440fxHostBridge(() => undefined);
  bus.add(0, 0, bridge);
  return { device: bus, clock: new ManualClock(), regions: [{ region: bus.ports, size: 8 }], afterReset: [[0, 0, 0, 4]] };
});

describeDevice("I440fxHostBridge", () => {
  const bridge = new I440fxHostBridge(() => undefined);
  return {
    device: bridge,
    clock: new ManualClock(),
    regions: [{ region: window(bridge), size: 256 }],
    afterReset: [
      [0, 0, 0x12378086, 4],
      [0, 4, 0x02800006, 4],
      [0, 0x59, 0],
      [0, 0x72, 0x02],
    ],
  };
});

describeDevice("Piix3IsaBridge", () => {
  const lines = Array.from({ length: 16 }, () => new Probe());
  const bridge = new Piix3IsaBridge(lines, () => undefined);
  return {
    device: bridge,
    clock: new ManualClock(),
    regions: [
      { region: window(bridge), size: 256 },
      { region: bridge.resetControl, size: 1 },
    ],
    afterReset: [
      [0, 0, 0x70008086, 4],
      [0, 0x60, 0x80808080, 4],
      [0, 0x0e, 0x80],
      [1, 0, 0],
    ],
    lines,
  };
});

describeDevice("Piix3Ide", () => {
  const ide = new Piix3Ide(new IdeBusMaster(noMemory), () => undefined);
  return {
    device: ide,
    clock: new ManualClock(),
    regions: [{ region: window(ide), size: 256 }],
    afterReset: [
      [0, 0, 0x70108086, 4],
      [0, 0x09, 0x80], // bus master, both channels in compatibility mode
      [0, 0x0a, 0x0101, 2],
      [0, 0x20, 0x00000001, 4],
    ],
  };
});

describeDevice("Piix4Pm", () => {
  const pm = new Piix4Pm(() => undefined, () => undefined);
  return {
    device: pm,
    clock: new ManualClock(),
    regions: [{ region: window(pm), size: 256 }],
    afterReset: [
      [0, 0, 0x71138086, 4],
      [0, 0x40, 1, 4],
      [0, 0x3d, 1],
    ],
  };
});

describe("configuration mechanism #1", () => {
  beforeEach(() => {
    pci.bus.add(0, 0, new I440fxHostBridge(() => undefined));
  });

  it("reads dwords, words and bytes at their place in the data port", () => {
    expect(pci.read(0, 0, 0, 4)).toBe(0x12378086);
    expect(pci.read(0, 0, 2, 2)).toBe(0x1237);
    expect(pci.read(0, 0, 1, 1)).toBe(0x80);
    expect(pci.read(0, 0, 3, 1)).toBe(0x12);
    expect(pci.read(0, 0, 0x0b, 1)).toBe(0x06);
  });

  it("reads ones from functions, devices and buses that are not there", () => {
    expect(pci.read(0, 1, 0, 4)).toBe(0xffffffff);
    expect(pci.read(5, 0, 0, 2)).toBe(0xffff);
    expect(pci.read(31, 7, 3, 1)).toBe(0xff);
    pci.bus.ports.write(0, 4, 0x80010000); // bus 1
    expect(pci.bus.ports.read(4, 4)).toBe(0xffffffff);
    pci.bus.ports.write(0, 4, 0x00000000); // not enabled
    expect(pci.bus.ports.read(4, 4)).toBe(0xffffffff);
  });

  it("keeps the address that a dword wrote, whatever bytes are written beside it", () => {
    pci.bus.ports.write(0, 4, 0x800000ff);
    expect(pci.bus.ports.read(0, 4)).toBe(0x800000fc);
    pci.bus.ports.write(3, 1, 0x01); // as a kernel does that looks for mechanism #2
    pci.bus.ports.write(0, 1, 0x00);
    expect(pci.bus.ports.read(0, 4)).toBe(0x800000fc);
    expect(pci.bus.ports.read(0, 1)).toBe(0xff);
  });

  it("changes only what is writable", () => {
    pci.write(0, 0, 0, 4, 0);
    pci.write(0, 0, 0x3c, 1, 0x0b);
    expect(pci.read(0, 0, 0, 4)).toBe(0x12378086);
    expect(pci.read(0, 0, 0x3c, 2)).toBe(0x000b);
    pci.write(0, 0, 4, 2, 0xffff);
    expect(pci.read(0, 0, 4, 2)).toBe(0x0106);
  });
});

describe("base address registers", () => {
  class Card extends PciFunction {
    constructor(io: (base: number | null) => void, memory: (base: number | null) => void, rom: (base: number | null) => void) {
      super("card", { vendor: 0x1234, device: 0x5678, revision: 1, classCode: 0xff0000, commandMask: 7 });
      this.defineBar(0, "io", 0x20, io);
      this.defineBar(1, "memory", 0x10000, memory, true);
      this.defineRom(0x8000, rom);
    }
  }
  const moves: [string, number | null][] = [];
  let card: Card;
  beforeEach(() => {
    moves.length = 0;
    card = new Card(
      (base) => moves.push(["io", base]),
      (base) => moves.push(["memory", base]),
      (base) => moves.push(["rom", base]),
    );
  });

  it("tell their size and kind when written with ones", () => {
    for (const offset of [0x10, 0x14, 0x18, 0x30]) card.write(offset, 4, 0xffffffff);
    expect([card.read(0x10, 4), card.read(0x14, 4), card.read(0x18, 4), card.read(0x30, 4)]).toEqual([0xffffffe1, 0xffff0008, 0, 0xffff8001]);
  });

  it("decode only while the command register enables their space", () => {
    card.write(0x10, 4, 0xc000);
    card.write(0x14, 4, 0xe0000000);
    expect(moves).toEqual([]);
    card.write(4, 2, COMMAND_IO);
    card.write(4, 2, COMMAND_IO | COMMAND_MEMORY);
    card.write(0x10, 4, 0xd000);
    card.write(4, 2, 0);
    expect(moves).toEqual([
      ["io", 0xc000],
      ["memory", 0xe0000000],
      ["io", 0xd000],
      ["io", null],
      ["memory", null],
    ]);
  });

  it("do not decode while software asks for their size", () => {
    card.write(4, 2, COMMAND_IO | COMMAND_MEMORY);
    card.write(0x10, 4, 0xffffffff);
    card.write(0x14, 4, 0xffffffff);
    expect(moves).toEqual([]);
  });

  it("the ROM needs its own enable bit too", () => {
    card.write(4, 2, COMMAND_MEMORY);
    card.write(0x30, 4, 0xfebe0000);
    expect(moves).toEqual([]);
    card.write(0x30, 4, 0xfebe0001);
    expect(moves).toEqual([["rom", 0xfebe0000]]);
  });

  it("move back to nowhere at reset, and to their places when loaded", () => {
    card.write(4, 2, COMMAND_IO);
    card.write(0x10, 4, 0xc000);
    const saved = card.save();
    card.reset();
    expect(moves.at(-1)).toEqual(["io", null]);
    card.load(saved);
    expect(moves.at(-1)).toEqual(["io", 0xc000]);
  });

  it("status bits are cleared by writing ones to them", () => {
    card.config[7] = 0xfa;
    card.write(6, 2, 0x2000);
    expect(card.read(6, 2)).toBe(0xda00);
    card.write(6, 2, 0xffff);
    expect(card.read(6, 2)).toBe(0x0200);
  });

  it("place their windows on a bus", () => {
    const io = new IoBus();
    const place = placeOn(io, 4, { read: () => 0x5a, write: () => undefined });
    place(0x1000);
    expect([io.read(0x1003, 1), io.read(0x1004, 1)]).toEqual([0x5a, 0xff]);
    place(0x2000);
    expect([io.read(0x1000, 1), io.read(0x2000, 1)]).toEqual([0xff, 0x5a]);
    place(null);
    expect(io.read(0x2000, 1)).toBe(0xff);
  });
});

describe("host bridge", () => {
  it("tells which parts of C0000h-FFFFFh go to DRAM", () => {
    const seen: ShadowSegment[] = [];
    const bridge = new I440fxHostBridge((segment) => seen.push(segment));
    bridge.reset();
    expect(seen.length).toBe(13);
    expect(seen.every((segment) => !segment.readDram && !segment.writeDram)).toBe(true);
    seen.length = 0;
    bridge.write(0x59, 1, 0x30);
    bridge.write(0x5a, 1, 0x21);
    bridge.write(0x5f, 1, 0x10);
    expect(seen).toEqual([
      { first: 0xf0000, last: 0xfffff, readDram: true, writeDram: true },
      { first: 0xc0000, last: 0xc3fff, readDram: true, writeDram: false },
      { first: 0xc4000, last: 0xc7fff, readDram: false, writeDram: true },
      { first: 0xec000, last: 0xeffff, readDram: true, writeDram: false },
    ]);
    seen.length = 0;
    bridge.write(0x59, 1, 0x30);
    expect(seen).toEqual([]);
    bridge.reset();
    expect(seen.length).toBe(4);
  });
});

describe("PIIX3", () => {
  it("routes interrupt pins, rotated by device, to the interrupt controller", () => {
    const lines = Array.from({ length: 16 }, () => new Probe());
    const bridge = new Piix3IsaBridge(lines, () => undefined);
    bridge.reset();
    const pinA3 = bridge.interruptPin(3, 1); // PIRQC
    const pinC1 = bridge.interruptPin(1, 3); // PIRQC
    pinA3.set(true);
    expect(lines.some((line) => line.level)).toBe(false);
    bridge.write(0x62, 1, 0x0b);
    expect(lines[11].level).toBe(true);
    pinC1.set(true);
    pinA3.set(false);
    expect(lines[11].level).toBe(true); // shared
    bridge.write(0x62, 1, 0x0a);
    expect([lines[11].level, lines[10].level]).toEqual([false, true]);
    pinC1.set(false);
    expect(lines[10].level).toBe(false);
  });

  it("resets the machine at a rising bit 2 of port CF9h", () => {
    let resets = 0;
    const bridge = new Piix3IsaBridge([], () => resets++);
    bridge.resetControl.write(0, 1, 0x02);
    expect(resets).toBe(0);
    bridge.resetControl.write(0, 1, 0x06);
    expect(resets).toBe(1);
    bridge.resetControl.write(0, 1, 0x06);
    expect(resets).toBe(1);
    bridge.reset();
    bridge.resetControl.write(0, 1, 0x06);
    expect(resets).toBe(2);
  });

  it("places power management where PMBASE says, once enabled", () => {
    const places: (number | null)[] = [];
    const smbus: (number | null)[] = [];
    const pm = new Piix4Pm((base) => places.push(base), (base) => smbus.push(base));
    pm.reset();
    pm.write(0x90, 4, 0x0701);
    expect(smbus).toEqual([]);
    pm.write(0xd2, 1, 0x09);
    pm.write(0xd2, 1, 0x08);
    expect(smbus).toEqual([0x0700, null]);
    pm.write(0x40, 4, 0xb001);
    expect(places).toEqual([]);
    pm.write(0x80, 1, 1);
    expect([places, pm.read(0x40, 4)]).toEqual([[0xb000], 0xb001]);
    pm.write(0x40, 4, 0x0601);
    pm.write(0x80, 1, 0);
    expect(places).toEqual([0xb000, 0x0600, null]);
  });
});
