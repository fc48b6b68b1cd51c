// Expectations: SFF-8038i 1.0; 82371SB datasheet, "Bus Master IDE".

import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, type Probe } from "./describe-device.ts";
import type { PhysicalMemory } from "./device.ts";
import { AtaDisk } from "./ide-ata.ts";
import { IdeBusMaster } from "./ide-bus-master.ts";
import { DRDY, DSC, ERR, IdeHost, PatternMedium } from "./ide-test-host.ts";
import { Piix3Ide } from "./pci-piix.ts";

const READY = DRDY | DSC;
const START = 0x01;
const TO_MEMORY = 0x08;
const ACTIVE = 0x01;
const INTERRUPT = 0x04;

class Ram implements PhysicalMemory {
  readonly bytes = new Uint8Array(1 << 20);
  read(physical: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(physical, physical + into.length));
  }
  write(physical: number, from: Uint8Array): void {
    this.bytes.set(from, physical);
  }
}

describeDevice("IdeBusMaster", () => {
  const busMaster = new IdeBusMaster(new Ram());
  return {
    device: busMaster,
    clock: new ManualClock(),
    regions: [{ region: busMaster.ports, size: 16 }],
    afterReset: [
      [0, 0, 0],
      [0, 2, 0],
      [0, 4, 0, 4],
      [0, 10, 0],
    ],
  };
});

let ram: Ram;
let host: IdeHost;
let medium: PatternMedium;
let busMaster: IdeBusMaster;
let irq: Probe;

beforeEach(() => {
  ram = new Ram();
  busMaster = new IdeBusMaster(ram);
  host = new IdeHost((end) => busMaster.interruptLine(0, end));
  irq = host.irq;
  medium = new PatternMedium(100_000);
  host.channel.attach(0, new AtaDisk(host.clock, medium));
  busMaster.connect(0, host.channel);
});

/** Writes a table of regions at 1000h: address and byte count, the last with the end mark. */
function table(...regions: [number, number][]): void {
  const view = new DataView(ram.bytes.buffer);
  regions.forEach(([address, count], i) => {
    view.setUint32(0x1000 + 8 * i, address, true);
    view.setUint16(0x1004 + 8 * i, count & 0xffff, true);
    view.setUint16(0x1006 + 8 * i, i === regions.length - 1 ? 0x8000 : 0, true);
  });
  busMaster.ports.write(4, 4, 0x1000);
}

const status = (): number => busMaster.ports.read(2, 1);
const command = (value: number): void => busMaster.ports.write(0, 1, value);

/** Bytes as the medium has them. */
function sectors(lba: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 512);
  medium.read(lba, bytes);
  return bytes;
}

function at(physical: number, expected: Uint8Array): boolean {
  return Buffer.compare(ram.bytes.subarray(physical, physical + expected.length), expected) === 0;
}

describe("READ DMA", () => {
  it("fills the regions in order and then interrupts, in the order that drivers expect", () => {
    table([0x20000, 0x600], [0x40000, 0x200], [0x30000, 0x800]);
    command(TO_MEMORY);
    host.issueLba(77, 8, 0xc8);
    command(TO_MEMORY | START);
    expect(status()).toBe(ACTIVE);
    expect(irq.level).toBe(false);
    expect(host.wait()).toBe(READY);
    expect(irq.level).toBe(true);
    expect(status()).toBe(INTERRUPT); // all regions used, all data moved
    const data = sectors(77, 8);
    expect(at(0x20000, data.subarray(0, 0x600))).toBe(true);
    expect(at(0x40000, data.subarray(0x600, 0x800))).toBe(true);
    expect(at(0x30000, data.subarray(0x800))).toBe(true);
    command(0);
    expect(host.inb(7)).toBe(READY);
    expect(irq.level).toBe(false);
    busMaster.ports.write(2, 1, INTERRUPT);
    expect(status()).toBe(0);
    expect(irq.rises).toBe(1);
  });

  it("waits for the engine to be started", () => {
    table([0x20000, 0x200]);
    host.issueLba(5, 1, 0xc8);
    host.clock.advance(1e6);
    expect(host.alternateStatus() & 0x08).toBe(0x08);
    expect(irq.rises).toBe(0);
    command(TO_MEMORY | START);
    expect(irq.level).toBe(false); // not inside the port write
    host.wait();
    expect(irq.level).toBe(true);
    expect(at(0x20000, sectors(5, 1))).toBe(true);
  });

  it("moves 256 sectors and 65,536 sectors", () => {
    table([0x40000, 0x10000], [0x50000, 0x10000]); // a count of zero is 64 KB
    host.issueLba(1000, 0, 0xc8);
    command(TO_MEMORY | START);
    host.wait();
    expect(at(0x40000, sectors(1000, 256))).toBe(true);
    expect(status()).toBe(INTERRUPT);
    table(...Array.from({ length: 512 }, (): [number, number] => [0x80000, 0x10000]));
    host.issueExt(0, 0, 0x25);
    command(0);
    busMaster.ports.write(2, 1, INTERRUPT);
    command(TO_MEMORY | START);
    host.wait();
    expect(status()).toBe(INTERRUPT);
    expect(at(0x80000, sectors(65_536 - 128, 128))).toBe(true);
  });

  it("stays active when the regions are larger than the transfer", () => {
    table([0x20000, 0x400]);
    host.issueLba(5, 1, 0xc8);
    command(TO_MEMORY | START);
    host.wait();
    expect(status()).toBe(ACTIVE | INTERRUPT);
    command(0);
    expect(status()).toBe(INTERRUPT);
  });

  it("ends inactive without an interrupt when the regions are too small", () => {
    table([0x20000, 0x200]);
    host.issueLba(5, 2, 0xc8);
    command(TO_MEMORY | START);
    host.clock.advance(1e6);
    expect(status()).toBe(0);
    expect(irq.rises).toBe(0);
    expect(host.alternateStatus() & 0x08).toBe(0x08); // the drive still asks
    expect(ram.bytes[0x20200]).toBe(0);
  });

  it("does nothing in the wrong direction", () => {
    table([0x20000, 0x200]);
    host.issueLba(5, 1, 0xc8);
    command(START);
    host.clock.advance(1e6);
    expect(status()).toBe(ACTIVE);
    expect(irq.rises).toBe(0);
  });

  it("reports an unreadable sector through the drive", () => {
    medium.bad.add(300);
    table([0x20000, 0x10000], [0x30000, 0x10000]);
    host.issueExt(100, 256, 0x25); // the second buffer fails
    command(TO_MEMORY | START);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x40);
    expect(status() & INTERRUPT).toBe(INTERRUPT);
    expect(at(0x20000, sectors(100, 128))).toBe(true);
  });

  it("ends with IDNF at the end of the disk", () => {
    table([0x20000, 0x10000]);
    host.issueLba(99_999, 2, 0xc8);
    command(TO_MEMORY | START);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10);
  });
});

describe("WRITE DMA", () => {
  it("gathers the regions", () => {
    for (let i = 0; i < 0x1000; i++) ram.bytes[0x20000 + i] = (i * 5 + (i >> 8)) & 0xff;
    table([0x20000, 0x0302], [0x20302, 0x0cfe]);
    host.issueExt(4000, 8, 0x35);
    command(START);
    expect(host.wait()).toBe(READY);
    expect(status()).toBe(INTERRUPT);
    expect(at(0x20000, sectors(4000, 8))).toBe(true);
    expect(medium.written.size).toBe(8);
  });

  it("writes 128 KB through one buffer after the other", () => {
    for (let i = 0; i < 0x20000; i++) ram.bytes[0x40000 + i] = (i ^ (i >> 9)) & 0xff;
    table([0x40000, 0x10000], [0x50000, 0x10000]);
    host.issueLba(10, 0, 0xca);
    command(START);
    host.wait();
    expect(at(0x40000, sectors(10, 256))).toBe(true);
    expect(irq.rises).toBe(1);
  });
});

describe("registers", () => {
  it("status bits 1 and 2 clear by ones, bits 5 and 6 are software's, bit 0 is the engine's", () => {
    busMaster.ports.write(2, 1, 0xff);
    expect(status()).toBe(0x60);
    busMaster.ports.write(2, 1, 0x00);
    expect(status()).toBe(0x00);
  });

  it("remembers interrupts of PIO commands too, by their edge", () => {
    host.issueLba(0, 1, 0x20);
    host.wait();
    expect(status()).toBe(INTERRUPT);
    busMaster.ports.write(2, 1, INTERRUPT); // the wire is still high
    expect(status()).toBe(0);
    host.inb(7);
    expect(status()).toBe(0);
  });

  it("holds the table's address, dword aligned, in any width", () => {
    busMaster.ports.write(4, 4, 0xdeadbeef);
    expect(busMaster.ports.read(4, 4)).toBe(0xdeadbeec);
    busMaster.ports.write(5, 1, 0x12);
    busMaster.ports.write(6, 2, 0x3456);
    expect(busMaster.ports.read(4, 4)).toBe(0x345612ec);
    expect(busMaster.ports.read(12, 4)).toBe(0);
  });

  it("stopping in the middle lets the rest be lost", () => {
    table([0x20000, 0x200]);
    command(TO_MEMORY | START);
    expect(status()).toBe(ACTIVE);
    command(TO_MEMORY);
    expect(status()).toBe(0);
    host.issueLba(5, 1, 0xc8);
    host.clock.advance(1e6);
    expect(ram.bytes[0x20000]).toBe(0);
  });
});

describe("the PCI function", () => {
  it("lets the engine run only as a bus master", () => {
    const places: (number | null)[] = [];
    const ide = new Piix3Ide(busMaster, (base) => places.push(base));
    ide.reset();
    ide.write(0x20, 4, 0xc000);
    ide.write(4, 2, 0x0001);
    expect(places).toEqual([0xc000]);
    table([0x20000, 0x200]);
    host.issueLba(5, 1, 0xc8);
    command(TO_MEMORY | START);
    host.clock.advance(1e6);
    expect(ram.bytes[0x20001]).toBe(0);
    ide.write(4, 2, 0x0005);
    host.wait();
    expect(at(0x20000, sectors(5, 1))).toBe(true);
  });
});
