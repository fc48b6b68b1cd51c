// Expectations: ATA/ATAPI-6 (T13/1410D) 9.8-9.12; MMC-3 (T10/1363-D); SPC-2 (T10/1236-D).

import { beforeEach, describe, expect, it } from "vitest";
import { AtapiCdrom } from "./atapi.ts";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { IdeBusMaster } from "./ide-bus-master.ts";
import { IdeChannel } from "./ide-channel.ts";
import { DRDY, DRQ, ERR, IdeHost, PatternMedium } from "./ide-test-host.ts";

const SECTORS = 5000;

describeDevice("IdeChannel with a CD-ROM drive", () => {
  const clock = new ManualClock();
  const irq = new Probe();
  const channel = new IdeChannel({ id: "ide1", interrupt: irq });
  channel.attach(0, new AtapiCdrom(clock, new PatternMedium(SECTORS, 2048)));
  return {
    device: channel,
    clock,
    regions: [
      { region: channel.commandBlock, size: 8 },
      { region: channel.controlBlock, size: 1 },
    ],
    // The signature of a PACKET device (9.12), and no DRDY.
    afterReset: [
      [0, 1, 0x01],
      [0, 2, 0x01],
      [0, 3, 0x01],
      [0, 4, 0x14],
      [0, 5, 0xeb],
      [0, 7, 0x00],
    ],
    lines: [irq],
  };
});

let host: IdeHost;
let disc: PatternMedium;
let drive: AtapiCdrom;

beforeEach(() => {
  host = new IdeHost();
  disc = new PatternMedium(SECTORS, 2048);
  drive = new AtapiCdrom(host.clock, disc);
  host.channel.attach(0, drive);
});

/** Sends a packet and collects its data block by block, as a driver does. */
function packet(bytes: readonly number[], limit = 0xfffe): { data: Uint8Array; blocks: number[]; status: number } {
  host.issue({ mid: limit & 0xff, high: limit >> 8, device: 0xa0 }, 0xa0);
  expect(host.wait() & DRQ).toBe(DRQ);
  expect(host.inb(2) & 3).toBe(1); // command, to the device
  expect(host.irq.level).toBe(false);
  host.writeBytes(Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0));
  const blocks: number[] = [];
  const data: number[] = [];
  for (;;) {
    const status = host.wait();
    expect(host.irq.level).toBe(true);
    host.inb(7);
    if ((status & DRQ) === 0) {
      expect(host.inb(2) & 3).toBe(3); // status
      return { data: Uint8Array.from(data), blocks, status };
    }
    expect(host.inb(2) & 3).toBe(2); // data, to the host
    const length = host.inb(4) | (host.inb(5) << 8);
    blocks.push(length);
    data.push(...host.readWords(Math.ceil(length / 2)).subarray(0, length));
  }
}

const sense = (): number[] => {
  const { data } = packet([0x03, 0, 0, 0, 18]);
  return [data[2], data[12], data[13]];
};

function sectors(lba: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 2048);
  disc.read(lba, bytes);
  return bytes;
}

describe("the device", () => {
  it("refuses IDENTIFY DEVICE and READ SECTOR(S), and leaves its signature", () => {
    for (const command of [0xec, 0x20]) {
      host.issue({ device: 0xa0 }, command);
      expect(host.wait()).toBe(DRDY | ERR);
      expect(host.inb(1)).toBe(0x04);
      expect([host.inb(4), host.inb(5)]).toEqual([0x14, 0xeb]);
    }
  });

  it("answers IDENTIFY PACKET DEVICE", () => {
    host.issue({ device: 0xa0 }, 0xa1);
    host.wait();
    const bytes = host.readWords(256);
    const words = new Uint16Array(bytes.buffer);
    expect(words[0]).toBe(0x85c0);
    expect(words[49] & 0x0300).toBe(0x0300);
    expect(bytes.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    expect(host.alternateStatus()).toBe(DRDY);
  });

  it("takes SET FEATURES for transfer modes only", () => {
    const set = (features: number, count: number): number => {
      host.issue({ features, count, device: 0xa0 }, 0xef);
      return host.wait();
    };
    expect([set(3, 0x22), set(3, 0x42), set(3, 0x0c)]).toEqual([DRDY, DRDY, DRDY]);
    expect([set(3, 0x47), set(3, 0x60), set(2, 0)]).toEqual([DRDY | ERR, DRDY | ERR, DRDY | ERR]);
  });

  it("is reset by DEVICE RESET even while busy, and stays selected", () => {
    host.channel.attach(1, new AtapiCdrom(host.clock, disc));
    host.outb(6, 0xb0);
    host.outb(7, 0xa0);
    host.outb(7, 0x08);
    expect(host.alternateStatus()).toBe(0);
    expect([host.inb(1), host.inb(4), host.inb(5), host.inb(6)]).toEqual([1, 0x14, 0xeb, 0xb0]);
    host.clock.advance(1e6);
    expect(host.alternateStatus()).toBe(0);
    expect(host.irq.rises).toBe(0);
  });

  it("shows the signature after SRST, beside a disk's", () => {
    host.control(4);
    host.control(0);
    expect(host.wait()).toBe(0);
    expect([host.inb(2), host.inb(3), host.inb(4), host.inb(5)]).toEqual([1, 1, 0x14, 0xeb]);
  });
});

describe("packets about the device", () => {
  it("INQUIRY: a removable CD-ROM, cut to the allocation length", () => {
    const { data } = packet([0x12, 0, 0, 0, 36]);
    expect([data.length, data[0], data[1], data[4]]).toEqual([36, 0x05, 0x80, 31]);
    expect(packet([0x12, 0, 0, 0, 5]).blocks).toEqual([5]); // an odd length
  });

  it("READ CAPACITY: the last sector and its size", () => {
    expect([...packet([0x25]).data]).toEqual([0, 0, 0x13, 0x87, 0, 0, 8, 0]);
  });

  it("READ TOC: track 1 and the lead-out, in LBA and MSF, and the sessions", () => {
    expect([...packet([0x43, 0, 0, 0, 0, 0, 0, 0, 100]).data]).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0x13, 0x88]);
    const msf = packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100]).data;
    expect([...msf]).toEqual([0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 1, 8, 50]); // 5000 + 150 frames
    expect([...packet([0x43, 0, 1, 0, 0, 0, 0, 0, 12]).data]).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    expect([...packet([0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40]).data.subarray(0, 2)]).toEqual([0, 10]); // format in byte 9
    expect(packet([0x43, 0, 0, 0, 0, 0, 2, 0, 12]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([5, 0x24, 0]);
  });

  it("MODE SENSE(10): pages with their lengths", () => {
    const { data } = packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100]);
    expect([data.length, data[1], data[8], data[9]]).toEqual([28, 26, 0x2a, 18]);
    expect(packet([0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 100]).data.length).toBe(8 + 8 + 16 + 20);
    expect(packet([0x5a, 0, 0x2b, 0, 0, 0, 0, 0, 100]).status).toBe(DRDY | ERR);
    expect(packet([0x5a, 0, 0xea, 0, 0, 0, 0, 0, 100]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([5, 0x39, 0]);
  });

  it("GET CONFIGURATION: the current profile and the features", () => {
    const all = packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]).data;
    expect([all[3], all[7]]).toEqual([all.length - 4, 0x08]);
    const one = packet([0x46, 2, 0, 3, 0, 0, 0, 1, 0]).data;
    expect([...one.subarray(8, 12)]).toEqual([0, 3, 3, 4]);
    expect(one.length).toBe(16);
    drive.changeDisc(new PatternMedium(2_000_000, 2048));
    expect(packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).data[7]).toBe(0x10); // a DVD
  });

  it("refuses what it does not know, and REQUEST SENSE says why, once", () => {
    expect(packet([0xff]).status).toBe(DRDY | ERR);
    expect(host.inb(1)).toBe(0x50);
    expect(sense()).toEqual([5, 0x20, 0]);
    expect(sense()).toEqual([0, 0, 0]);
  });
});

describe("READ(10), READ(12), READ CD", () => {
  const read10 = (lba: number, count: number): number[] => [0x28, 0, lba >>> 24, (lba >> 16) & 255, (lba >> 8) & 255, lba & 255, 0, count >> 8, count & 255];

  it("move whole sectors within the byte count limit", () => {
    const { data, blocks, status } = packet(read10(16, 5), 0x1800);
    expect(Buffer.compare(data, sectors(16, 5))).toBe(0);
    expect(blocks).toEqual([0x1800, 0x1000]);
    expect(status).toBe(DRDY);
  });

  it("move parts of a sector where the limit is smaller", () => {
    const { data, blocks } = packet(read10(7, 1), 1001);
    expect(Buffer.compare(data, sectors(7, 1))).toBe(0);
    expect(blocks).toEqual([1000, 1000, 48]);
  });

  it("move more than the buffer holds", () => {
    const { data, blocks } = packet([0xa8, 0, 0, 0, 1, 0, 0, 0, 0, 70], 0xffff);
    expect(Buffer.compare(data, sectors(256, 70))).toBe(0);
    expect(blocks.reduce((sum, length) => sum + length, 0)).toBe(70 * 2048);
    expect(blocks.every((length) => length % 2048 === 0)).toBe(true);
    expect(Buffer.compare(packet([0xbe, 0, 0, 0, 0, 9, 0, 0, 2, 0x10]).data, sectors(9, 2))).toBe(0);
  });

  it("of nothing succeed, and past the end fail", () => {
    expect(packet(read10(0, 0))).toMatchObject({ blocks: [], status: DRDY });
    expect(packet(read10(SECTORS - 1, 2)).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([5, 0x21, 0]);
  });

  it("report an unreadable sector", () => {
    disc.bad.add(100);
    const { status, data } = packet(read10(60, 50));
    expect([status, data.length]).toEqual([DRDY | ERR, 32 * 2048]);
    expect(sense()).toEqual([3, 0x11, 0]);
  });

  it("carry a snapshot in the middle", () => {
    host.issue({ mid: 0, high: 0x10, device: 0xa0 }, 0xa0);
    host.wait();
    host.writeBytes(Uint8Array.from([...read10(3, 40), 0, 0, 0]));
    host.wait();
    host.readWords(100);
    const other = new IdeHost();
    other.channel.attach(0, new AtapiCdrom(other.clock, disc));
    other.channel.load(host.channel.save());
    const data: number[] = [...other.readWords(0x800 - 100)];
    while (other.wait() & DRQ) data.push(...other.readWords(0x800));
    expect(Buffer.compare(Uint8Array.from(data), sectors(3, 40).subarray(200))).toBe(0);
  });
});

describe("the disc", () => {
  it("may be absent", () => {
    host.channel.attach(0, new AtapiCdrom(host.clock, null));
    for (const command of [[0x00], [0x25], [0x28, 0, 0, 0, 0, 0, 0, 0, 1], [0x43, 0, 0, 0, 0, 0, 0, 0, 12]]) {
      expect(packet(command).status).toBe(DRDY | ERR);
      expect(sense()).toEqual([2, 0x3a, 1]);
    }
    expect(packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).data[7]).toBe(0);
    expect([...packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data]).toEqual([0, 6, 4, 0x10, 0, 0, 0, 0]);
  });

  it("when changed is met by the next command as a unit attention, and once by the event", () => {
    drive.changeDisc(new PatternMedium(100, 2048));
    expect(packet([0x12, 0, 0, 0, 36]).status).toBe(DRDY); // INQUIRY does not meet it
    expect(packet([0x00]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([6, 0x28, 0]);
    expect(packet([0x00]).status).toBe(DRDY);
    expect(packet([0x25]).data[3]).toBe(99);
    const event = (): number[] => [...packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data.subarray(4, 6)];
    expect(event()).toEqual([2, 2]);
    expect(event()).toEqual([0, 2]);
  });

  it("cannot be ejected while locked, and comes back when the tray closes", () => {
    expect(packet([0x1e, 0, 0, 0, 1]).status).toBe(DRDY);
    expect(packet([0x1b, 0, 0, 0, 2]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([5, 0x53, 2]);
    packet([0x1e, 0, 0, 0, 0]);
    expect(packet([0x1b, 0, 0, 0, 2]).status).toBe(DRDY);
    expect(packet([0x00]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([2, 0x3a, 2]); // tray open
    packet([0x1b, 0, 0, 0, 3]);
    expect(packet([0x00]).status).toBe(DRDY | ERR);
    expect(sense()).toEqual([6, 0x28, 0]);
    expect(packet([0x00]).status).toBe(DRDY);
  });

  it("GET EVENT STATUS refuses to wait, and names its only class", () => {
    expect(packet([0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8]).status).toBe(DRDY | ERR);
    expect([...packet([0x4a, 1, 0, 0, 0x40, 0, 0, 0, 8]).data]).toEqual([0, 2, 0x80, 0x10]);
  });
});

describe("DMA", () => {
  it("fills memory and ends with one interrupt", () => {
    const ram = new Uint8Array(1 << 20);
    const busMaster = new IdeBusMaster({
      read: (physical, into) => into.set(ram.subarray(physical, physical + into.length)),
      write: (physical, from) => ram.set(from, physical),
    });
    host = new IdeHost((end) => busMaster.interruptLine(0, end));
    host.channel.attach(0, new AtapiCdrom(host.clock, disc));
    busMaster.connect(0, host.channel);
    const view = new DataView(ram.buffer);
    [0x20000, 0x30000].forEach((address, i) => {
      view.setUint32(0x1000 + 8 * i, address, true);
      view.setUint32(0x1004 + 8 * i, i === 0 ? 0 : 0x80005000, true);
    });
    busMaster.ports.write(4, 4, 0x1000);
    host.issue({ features: 1, device: 0xa0 }, 0xa0);
    host.wait();
    host.writeBytes(Uint8Array.from([0x28, 0, 0, 0, 0, 50, 0, 0, 42, 0, 0, 0]));
    busMaster.ports.write(0, 1, 0x09);
    expect(host.wait()).toBe(DRDY);
    expect(host.irq.rises).toBe(1);
    expect(host.inb(2) & 3).toBe(3);
    expect(busMaster.ports.read(2, 1)).toBe(0x04);
    expect(Buffer.compare(ram.subarray(0x20000, 0x20000 + 42 * 2048), sectors(50, 42))).toBe(0);
  });
});
