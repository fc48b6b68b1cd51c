import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import type { BlockDevice } from "./device.ts";
import { Dma8237 } from "./dma-8237.ts";
import { Fdc82077aa } from "./fdc-82077aa.ts";
import { floppyGeometry } from "./floppy-drive.ts";

/** A disk whose every sector starts with its own number and is filled with a byte made of it. */
function disk(sectors: number, readOnly = false): BlockDevice & { bytes: Uint8Array; broken: boolean } {
  const bytes = new Uint8Array(sectors * 512);
  for (let i = 0; i < sectors; i++) {
    bytes.fill((i * 7 + 1) & 0xff, i * 512, i * 512 + 512);
    new DataView(bytes.buffer).setUint32(i * 512, i, true);
  }
  return {
    sectorSize: 512,
    sectorCount: sectors,
    readOnly,
    bytes,
    broken: false,
    read(lba, into) {
      if (this.broken) throw new Error("unreadable");
      into.set(bytes.subarray(lba * 512, lba * 512 + into.length));
    },
    write(lba, from) {
      if (this.broken) throw new Error("unwritable");
      bytes.set(from, lba * 512);
    },
    flush() {},
  };
}

let clock: ManualClock;
let irq6: Probe;
let ram: Uint8Array;
let dma: Dma8237;
let fdc: Fdc82077aa;
let a: ReturnType<typeof disk>;

beforeEach(() => {
  clock = new ManualClock();
  irq6 = new Probe();
  ram = new Uint8Array(1 << 20);
  dma = new Dma8237({ memory: { read: (at, into) => into.set(ram.subarray(at, at + into.length)), write: (at, from) => ram.set(from, at) } });
  fdc = new Fdc82077aa({ clock, irq6, dma: dma.channel(2) });
  a = disk(2880);
  fdc.insert(0, a);
});

const out = (port: number, value: number) => (port === 0x3f7 ? fdc.dirRegion.write(0, 1, value) : fdc.region.write(port - 0x3f0, 1, value));
const inp = (port: number) => (port === 0x3f7 ? fdc.dirRegion.read(0, 1) : fdc.region.read(port - 0x3f0, 1));
const msr = () => inp(0x3f4);

/** Writes a command as a driver does: RQM up and DIO down before every byte. */
function command(...bytes: number[]) {
  for (const byte of bytes) {
    expect(msr() & 0xc0, "ready for a command byte").toBe(0x80);
    out(0x3f5, byte);
  }
}

/** Reads the result phase. */
function result(): number[] {
  const bytes: number[] = [];
  while ((msr() & 0xd0) === 0xd0) bytes.push(inp(0x3f5));
  return bytes;
}

/** Waits for the interrupt. */
function wait(ms = 50) {
  for (let i = 0; i < ms * 100 && !irq6.level; i++) clock.advance(10_000);
  expect(irq6.level, "interrupt").toBe(true);
}

const sense = () => {
  command(0x08);
  return result();
};

/** Out of reset, drive 0 with its motor on, 500 kbit/s, DMA. */
function setUp(drive = 0, rate = 0) {
  out(0x3f2, 0x0c | drive | (0x10 << drive));
  wait();
  for (let i = 0; i < 4; i++) sense();
  out(0x3f7, rate);
  command(0x03, 0xaf, 0x02);
  command(0x07, drive);
  wait();
  sense();
}

/** Channel 2: `mode` 46h device to memory, 4Ah memory to device, 42h verify. */
function programDma(mode: number, address: number, bytes: number) {
  const ports: [number, number][] = [[0x0a, 6], [0x0c, 0], [0x0b, mode], [4, address & 0xff], [4, (address >> 8) & 0xff], [5, (bytes - 1) & 0xff], [5, (bytes - 1) >> 8], [0x0a, 2]];
  for (const [port, value] of ports) dma.byteRegion.write(port, 1, value);
  dma.pageRegion.write(1, 1, address >> 16);
}

/** A read or write of sectors: command, drive and head, C H R, EOT. */
const transfer = (code: number, unit: number, c: number, h: number, r: number, eot: number) => command(code, unit, c, h, r, 2, eot, 0x1b, 0xff);

const seek = (cylinder: number, drive = 0) => {
  command(0x0f, drive, cylinder);
  wait();
  return sense();
};

const sectorAt = (address: number) => new DataView(ram.buffer).getUint32(address, true);

describe("82077AA reset", () => {
  it("is held by DOR until the guest lets it go, then owes four drives' status", () => {
    expect(msr()).toBe(0);
    out(0x3f2, 0x0c);
    expect([msr(), irq6.level]).toEqual([0x80, false]);
    wait();
    expect([0, 1, 2, 3].map(() => sense())).toEqual([[0xc0, 0], [0xc1, 0], [0xc2, 0], [0xc3, 0]]);
    expect(irq6.level).toBe(false);
    expect(sense()).toEqual([0x80]);
  });

  it("resets by DSR bit 7, which clears itself", () => {
    setUp();
    out(0x3f4, 0x80);
    wait();
    expect(sense()).toEqual([0xc0, 0]);
  });

  it("does not interrupt after a reset when polling is off and locked", () => {
    setUp();
    command(0x13, 0, 0x57, 0);
    command(0x94);
    expect(result()).toEqual([0x10]);
    out(0x3f2, 0x18);
    out(0x3f2, 0x1c);
    clock.advance(1e6);
    expect(irq6.level).toBe(false);
    command(0x0e);
    expect(result()).toEqual([0, 0, 0, 0, 0xaf, 0x02, 0, 0x80, 0x57, 0]);
    command(0x14);
    expect(result()).toEqual([0x00]);
    out(0x3f2, 0x18);
    out(0x3f2, 0x1c);
    wait();
    for (let i = 0; i < 4; i++) sense();
    command(0x0e);
    expect(result()[8]).toBe(0x20);
  });

  it("keeps its interrupt off the bus while DMAGATE is closed", () => {
    out(0x3f2, 0x04);
    clock.advance(1e6);
    expect(irq6.level).toBe(false);
    out(0x3f2, 0x0c);
    expect(irq6.level).toBe(true);
  });

  it("aborts a command", () => {
    setUp();
    programDma(0x46, 0x1000, 512);
    transfer(0xe6, 0, 0, 0, 1, 18);
    out(0x3f2, 0x18);
    out(0x3f2, 0x1c);
    wait();
    expect(sense()).toEqual([0xc0, 0]);
    clock.advance(1e8);
    expect(sectorAt(0x1000)).toBe(0);
  });
});

describe("82077AA control commands", () => {
  beforeEach(() => setUp());

  it("tells its version and rejects what it does not know with 80h", () => {
    command(0x10);
    expect(result()).toEqual([0x90]);
    for (const code of [0x18, 0x11, 0x00, 0x1f, 0x48]) {
      command(code);
      expect(result(), code.toString(16)).toEqual([0x80]);
    }
  });

  it("is busy between a command's bytes", () => {
    out(0x3f5, 0x03);
    expect(msr()).toBe(0x90);
    out(0x3f5, 0);
    out(0x3f5, 0);
    expect(msr()).toBe(0x80);
  });

  it("keeps PERPENDICULAR, whose drive bits need OW", () => {
    command(0x12, 0xbf);
    command(0x0e);
    expect(result()[7]).toBe(0x3f);
    command(0x12, 0x01);
    command(0x0e);
    expect(result()[7]).toBe(0x3d);
  });

  it("shows drive status: track 0, head, write protection", () => {
    command(0x04, 0x04);
    expect(result()).toEqual([0x3c]);
    fdc.insert(0, disk(2880, true));
    seek(5);
    command(0x04, 0x00);
    expect(result()).toEqual([0x68]);
    command(0x04, 0x03);
    expect(result()).toEqual([0x2b]);
  });
});

describe("82077AA seeking", () => {
  beforeEach(() => setUp());

  it("marks the drive busy, takes commands meanwhile, and reports by SENSE INTERRUPT", () => {
    command(0x0f, 0x04, 20);
    expect([msr(), irq6.level]).toEqual([0x81, false]);
    wait();
    expect([msr(), sense(), irq6.level]).toEqual([0x80, [0x24, 20], false]);
  });

  it("seeks on two drives at once, with an interrupt for each", () => {
    command(0x0f, 0, 3);
    command(0x0f, 1, 40);
    expect(msr()).toBe(0x83);
    const before = irq6.rises;
    clock.advance(1e8);
    expect(irq6.rises - before).toBe(2);
    expect([sense(), irq6.level, sense(), irq6.level, sense()]).toEqual([[0x20, 3], true, [0x21, 40], false, [0x80]]);
  });

  it("recalibrates, and gives up after 79 steps or without a drive", () => {
    seek(80);
    command(0x07, 0);
    wait();
    expect(sense()).toEqual([0x70, 0]);
    command(0x07, 0);
    wait();
    expect(sense()).toEqual([0x20, 0]);
    command(0x07, 2);
    wait();
    expect(sense()).toEqual([0x72, 0]);
  });

  it("seeks relative to where it is", () => {
    seek(10);
    command(0xcf, 0, 5);
    wait();
    expect(sense()).toEqual([0x20, 15]);
    command(0x8f, 0, 6);
    wait();
    expect(sense()).toEqual([0x20, 9]);
  });

  it("clears the disk change line by a step with a disk in the drive", () => {
    expect(inp(0x3f7)).toBe(0x80);
    command(0x07, 0);
    wait();
    sense();
    expect(inp(0x3f7)).toBe(0x80);
    seek(1);
    expect(inp(0x3f7)).toBe(0);
    fdc.insert(0, null);
    seek(2);
    expect(inp(0x3f7)).toBe(0x80);
    fdc.insert(0, a);
    seek(2);
    expect(inp(0x3f7)).toBe(0x80);
    seek(1);
    expect(inp(0x3f7)).toBe(0);
    out(0x3f2, 0x1d);
    expect(inp(0x3f7)).toBe(0x80);
  });
});

describe("82077AA reading by DMA", () => {
  beforeEach(() => setUp());

  it("reads one sector and ends with terminal count, R moved on", () => {
    programDma(0x46, 0x1000, 512);
    transfer(0xe6, 0, 0, 0, 3, 18);
    expect([msr(), irq6.level]).toEqual([0x10, false]);
    wait();
    expect(sectorAt(0x1000)).toBe(2);
    expect(ram[0x11ff]).toBe(15);
    expect([msr(), irq6.level]).toEqual([0xd0, true]);
    expect(inp(0x3f5)).toBe(0);
    expect(irq6.level).toBe(false);
    expect(result()).toEqual([0, 0, 0, 0, 4, 2]);
    expect(msr()).toBe(0x80);
  });

  it("gives the result phase table's C, H and R", () => {
    const cases: [code: number, unit: number, r: number, sectors: number, expected: number[]][] = [
      [0x46, 0, 17, 1, [0, 0, 0, 0, 0, 18, 2]],
      [0x46, 0, 18, 1, [0, 0, 0, 1, 0, 1, 2]],
      [0x46, 4, 18, 1, [4, 0, 0, 1, 1, 1, 2]],
      [0xc6, 0, 17, 1, [0, 0, 0, 0, 0, 18, 2]],
      [0xc6, 0, 18, 1, [0, 0, 0, 0, 1, 1, 2]],
      [0xc6, 0, 18, 2, [4, 0, 0, 0, 1, 2, 2]],
      [0xc6, 4, 18, 1, [4, 0, 0, 1, 0, 1, 2]],
    ];
    for (const [code, unit, r, sectors, expected] of cases) {
      programDma(0x46, 0x1000, 512 * sectors);
      transfer(code, unit, 0, unit >> 2, r, 18);
      wait();
      expect(result()).toEqual(expected);
    }
  });

  it("reads a whole cylinder with multi-track", () => {
    seek(7);
    programDma(0x46, 0x10000, 36 * 512);
    transfer(0xe6, 0, 7, 0, 1, 18);
    wait();
    expect(result()).toEqual([4, 0, 0, 8, 0, 1, 2]);
    for (let i = 0; i < 36; i++) expect(sectorAt(0x10000 + 512 * i)).toBe(7 * 36 + i);
  });

  it("reports end of cylinder when the sectors end before the count", () => {
    programDma(0x46, 0x1000, 4096);
    transfer(0x46, 0, 0, 0, 17, 18);
    wait();
    expect(result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    expect(sectorAt(0x1200)).toBe(17);
  });

  it("stops inside a sector at terminal count", () => {
    programDma(0x46, 0x1000, 700);
    transfer(0x46, 0, 0, 0, 1, 18);
    wait();
    expect(result()).toEqual([0, 0, 0, 0, 0, 3, 2]);
    expect([ram[0x1000 + 699], ram[0x1000 + 700]]).toEqual([8, 0]);
  });

  it("waits for a DMA channel that opens late", () => {
    programDma(0x46, 0x1000, 512);
    dma.byteRegion.write(0x0a, 1, 6);
    transfer(0x46, 0, 0, 0, 1, 18);
    clock.advance(1e7);
    expect(msr()).toBe(0x10);
    dma.byteRegion.write(0x0a, 1, 2);
    expect(irq6.level).toBe(false);
    wait();
    expect(result()[0]).toBe(0);
  });

  it("seeks by itself with EIS", () => {
    command(0x13, 0, 0x57, 0);
    programDma(0x46, 0x1000, 512);
    transfer(0x46, 0, 30, 0, 1, 18);
    wait();
    expect(result()).toEqual([0, 0, 0, 30, 0, 2, 2]);
    expect(sectorAt(0x1000)).toBe(30 * 36);
  });

  it("reads a track from its first sector, noting an ID that does not match", () => {
    programDma(0x46, 0x1000, 1024);
    transfer(0x42, 0, 0, 0, 5, 18);
    wait();
    expect(result().slice(0, 3)).toEqual([0, 0x04, 0]);
    expect([sectorAt(0x1000), sectorAt(0x1200)]).toEqual([0, 1]);
  });

  it("gives a normal sector to READ DELETED with CM, or skips them all", () => {
    programDma(0x46, 0x1000, 1024);
    transfer(0x4c, 0, 0, 0, 5, 18);
    wait();
    expect(result()).toEqual([0, 0, 0x40, 0, 0, 5, 2]);
    expect(sectorAt(0x1000)).toBe(4);
    programDma(0x46, 0x2000, 1024);
    transfer(0x6c, 0, 0, 0, 5, 18);
    wait();
    expect(result()).toEqual([0x40, 0x80, 0x40, 1, 0, 1, 2]);
    expect(ram[0x2004]).toBe(0);
  });

  it("verifies to EOT, or a number of sectors with EC, without a transfer", () => {
    transfer(0x56, 0, 0, 0, 1, 18);
    wait();
    expect(result()).toEqual([0, 0, 0, 1, 0, 1, 2]);
    command(0x56, 0x80, 0, 0, 1, 2, 18, 0x1b, 3);
    wait();
    expect(result()).toEqual([0, 0, 0, 0, 0, 4, 2]);
    command(0x56, 0x80, 0, 0, 17, 2, 18, 0x1b, 3);
    wait();
    expect(result().slice(0, 2)).toEqual([0x40, 0x80]);
    transfer(0x56, 0, 0, 0, 1, 19);
    wait();
    expect(result()).toEqual([0x40, 0x04, 0, 0, 0, 19, 2]);
  });

  it("reads IDs as they come round", () => {
    const seen = new Set<number>();
    for (let i = 0; i < 60; i++) {
      command(0x4a, 0x04);
      wait();
      const [st0, st1, st2, c, h, r, n] = result();
      expect([st0, st1, st2, c, h, n]).toEqual([0x04, 0, 0, 0, 1, 2]);
      seen.add(r!);
      clock.advance(11_500_000);
    }
    expect([...seen].sort((x, y) => x - y)).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
  });
});

describe("82077AA writing", () => {
  beforeEach(() => setUp());

  it("writes sectors, and fills the last one with zeros", () => {
    ram.fill(0xa5, 0x1000, 0x1800);
    programDma(0x4a, 0x1000, 600);
    transfer(0xc5, 0, 0, 0, 2, 18);
    wait();
    expect(result()).toEqual([0, 0, 0, 0, 0, 4, 2]);
    expect([a.bytes[512], a.bytes[1023], a.bytes[1024 + 87], a.bytes[1024 + 88], a.bytes[1535]]).toEqual([0xa5, 0xa5, 0xa5, 0, 0]);
    expect(a.bytes[1536]).toBe(3);
  });

  it("refuses on a write-protected disk", () => {
    const b = disk(2880, true);
    fdc.insert(0, b);
    programDma(0x4a, 0x1000, 512);
    transfer(0x45, 4, 0, 1, 1, 18);
    wait();
    expect(result()).toEqual([0x44, 0x02, 0, 0, 1, 1, 2]);
    expect(b.bytes[18 * 512]).toBe(18);
  });

  it("formats a track from the IDs it is given", () => {
    seek(3);
    for (let i = 0; i < 18; i++) ram.set([3, 1, 18 - i, 2], 0x1000 + 4 * i);
    programDma(0x4a, 0x1000, 72);
    command(0x4d, 0x04, 2, 18, 0x50, 0xf6);
    wait();
    expect(result().slice(0, 3)).toEqual([0x04, 0, 0]);
    const track = (3 * 2 + 1) * 18 * 512;
    expect(a.bytes.subarray(track, track + 18 * 512).every((byte) => byte === 0xf6)).toBe(true);
    expect(a.bytes[track - 1]).not.toBe(0xf6);
    expect(a.bytes[track + 18 * 512]).not.toBe(0xf6);
  });

  it("reports a medium that fails as a data error", () => {
    a.broken = true;
    programDma(0x4a, 0x1000, 512);
    transfer(0x45, 0, 0, 0, 1, 18);
    wait();
    expect(result()).toEqual([0x40, 0x20, 0x20, 0, 0, 1, 2]);
    programDma(0x46, 0x1000, 512);
    transfer(0x46, 0, 0, 0, 1, 18);
    wait();
    expect(result().slice(0, 3)).toEqual([0x40, 0x20, 0x20]);
  });
});

describe("82077AA errors", () => {
  beforeEach(() => {
    setUp();
    programDma(0x46, 0x1000, 512);
  });

  const status = () => {
    wait();
    return result();
  };

  it("finds no sector beyond the track, of another size or side", () => {
    transfer(0x46, 0, 0, 0, 19, 36);
    expect(status()).toEqual([0x40, 0x04, 0, 0, 0, 19, 2]);
    transfer(0x46, 0, 0, 1, 1, 18);
    expect(status().slice(0, 3)).toEqual([0x40, 0x04, 0]);
    command(0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff);
    expect(status().slice(0, 3)).toEqual([0x40, 0x04, 0]);
  });

  it("tells the wrong cylinder", () => {
    transfer(0x46, 4, 5, 1, 1, 18);
    expect(status()).toEqual([0x44, 0x04, 0x10, 5, 1, 1, 2]);
  });

  it("finds no address mark without a disk, with the motor off, at the wrong rate or beyond the last cylinder", () => {
    const missing = () => {
      transfer(0x46, 0, 0, 0, 1, 18);
      expect(status().slice(0, 3)).toEqual([0x40, 0x01, 0]);
    };
    out(0x3f7, 2);
    missing();
    out(0x3f7, 0);
    out(0x3f2, 0x0c);
    missing();
    out(0x3f2, 0x1c);
    seek(81);
    missing();
    seek(0);
    fdc.insert(0, null);
    missing();
    command(0x4a, 0);
    expect(status().slice(0, 3)).toEqual([0x40, 0x01, 0]);
    transfer(0x46, 3, 0, 0, 1, 18);
    expect(status().slice(0, 3)).toEqual([0x43, 0x01, 0]);
  });

  it("finds nothing on the second side of a single-sided disk", () => {
    fdc.insert(0, disk(360));
    out(0x3f7, 2);
    transfer(0x46, 4, 0, 1, 1, 9);
    expect(status().slice(0, 3)).toEqual([0x44, 0x01, 0]);
    transfer(0x46, 0, 0, 0, 9, 9);
    expect(status()[0]).toBe(0);
    expect(sectorAt(0x1000)).toBe(8);
  });
});

describe("82077AA without DMA", () => {
  beforeEach(() => {
    setUp();
    command(0x03, 0xaf, 0x03);
  });

  it("reads byte by byte, with an interrupt for each, and ends at EOT", () => {
    transfer(0x46, 0, 0, 0, 18, 18);
    expect(msr()).toBe(0x30);
    wait();
    const before = irq6.rises;
    const bytes: number[] = [];
    while ((msr() & 0x20) !== 0) {
      if (msr() === 0xf0) bytes.push(inp(0x3f5));
      else clock.advance(10_000);
    }
    expect(bytes.length).toBe(512);
    expect(bytes.slice(0, 5)).toEqual([17, 0, 0, 0, 17 * 7 + 1]);
    expect(irq6.rises - before).toBe(511 + 1);
    expect(irq6.level).toBe(true);
    expect(result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  });

  it("writes byte by byte over several sectors", () => {
    transfer(0x45, 0, 0, 0, 17, 18);
    let written = 0;
    for (let i = 0; i < 5000 && (msr() & 0x40) === 0; i++) {
      if (msr() === 0xb0) {
        out(0x3f5, written >> 9 === 0 ? 0x11 : 0x22);
        written++;
      } else clock.advance(10_000);
    }
    expect(written).toBe(1024);
    expect(result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    expect([a.bytes[16 * 512], a.bytes[17 * 512 - 1], a.bytes[17 * 512], a.bytes[18 * 512 - 1]]).toEqual([0x11, 0x11, 0x22, 0x22]);
  });
});

describe("floppy formats", () => {
  it("follow from the size", () => {
    const shape = (sectors: number) => {
      const g = floppyGeometry(sectors);
      return g && [g.cylinders, g.heads, g.sectors];
    };
    expect([320, 360, 640, 720, 1440, 2400, 2880, 3360, 5760].map(shape)).toEqual([
      [40, 1, 8], [40, 1, 9], [40, 2, 8], [40, 2, 9], [80, 2, 9], [80, 2, 15], [80, 2, 18], [80, 2, 21], [80, 2, 36],
    ]);
    expect([shape(8), shape(2881), shape(5761)]).toEqual([[80, 2, 18], [80, 2, 36], undefined]);
  });

  it("work at their rates, on either drive", () => {
    setUp(1, 3);
    for (const [sectors, rate] of [[320, 2], [720, 1], [1440, 2], [2400, 0], [3360, 0], [5760, 3]] as const) {
      fdc.insert(1, disk(sectors));
      out(0x3f7, rate);
      const { heads, sectors: last } = floppyGeometry(sectors)!;
      programDma(0x46, 0x1000, 512);
      transfer(0x46, 1 | ((heads - 1) << 2), 0, heads - 1, last, last);
      wait();
      expect(result()[0]! & 0xc0, `${sectors}`).toBe(0);
      expect(sectorAt(0x1000)).toBe(heads * last - 1);
    }
  });

  it("read zeros where a short image ends, and cannot be written there", () => {
    setUp();
    fdc.insert(0, disk(4));
    ram.fill(0xee, 0x1000, 0x1400);
    programDma(0x46, 0x1000, 1024);
    transfer(0x46, 0, 0, 0, 4, 18);
    wait();
    expect(result()[0]).toBe(0);
    expect([sectorAt(0x1000), ram[0x1004], ram[0x1200], ram[0x13ff]]).toEqual([3, 22, 0, 0]);
    programDma(0x4a, 0x1000, 512);
    transfer(0x45, 0, 0, 0, 5, 18);
    wait();
    expect(result().slice(0, 2)).toEqual([0x40, 0x04]);
  });

  it("refuse what is no floppy disk", () => {
    expect(() => fdc.insert(0, disk(6000))).toThrow(RangeError);
    expect(() => fdc.insert(0, { ...disk(4), sectorSize: 2048 })).toThrow(RangeError);
    expect(() => fdc.insert(2, a)).toThrow(RangeError);
  });
});

describeDevice("82077AA", () => {
  const clock = new ManualClock();
  const irq6 = new Probe();
  const dma = new Dma8237({ memory: { read: () => {}, write: () => {} } });
  const device = new Fdc82077aa({ clock, irq6, dma: dma.channel(2) });
  device.insert(0, disk(2880));
  return {
    device,
    clock,
    regions: [{ region: device.region, size: 6 }, { region: device.dirRegion, size: 1 }],
    afterReset: [[0, 0, 0xff], [0, 1, 0xff], [0, 2, 0], [0, 3, 0xfc], [0, 4, 0]],
    lines: [irq6],
    stir: (n) => {
      // A guest that makes some sense, so that commands really run.
      const starts = [[0x07, 0], [0x0f, 0, n % 80], [0x4a, 0], [0x46, 0, 0, 0, 1, 2, 18, 27, 255], [0x03, 0xaf, n & 3], [0x08]];
      if (device.region.read(2, 1) !== 0x1c) device.region.write(2, 1, 0x1c);
      else for (const byte of starts[n % starts.length]!) device.region.write(5, 1, byte);
    },
  };
});
