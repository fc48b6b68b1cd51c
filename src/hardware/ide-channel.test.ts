// Expectations: ATA/ATAPI-6 (T13/1410D), chapters 7 and 9.

import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { AtaDisk } from "./ide-ata.ts";
import { IdeChannel } from "./ide-channel.ts";
import { BSY, DRDY, DRQ, DSC, IdeHost, PatternMedium } from "./ide-test-host.ts";

const READY = DRDY | DSC;

let host: IdeHost;
beforeEach(() => {
  host = new IdeHost();
});

function attachDisk(unit: 0 | 1, sectors = 1000): PatternMedium {
  const medium = new PatternMedium(sectors);
  host.channel.attach(unit, new AtaDisk(host.clock, medium));
  return medium;
}

describeDevice("IdeChannel with a disk", () => {
  const clock = new ManualClock();
  const irq = new Probe();
  const channel = new IdeChannel({ id: "ide0", interrupt: irq });
  channel.attach(0, new AtaDisk(clock, new PatternMedium(1000)));
  return {
    device: channel,
    clock,
    regions: [
      { region: channel.commandBlock, size: 8 },
      { region: channel.controlBlock, size: 1 },
    ],
    // The signature of a device without the PACKET feature (9.12), diagnostic code 01h.
    afterReset: [
      [0, 1, 0x01],
      [0, 2, 0x01],
      [0, 3, 0x01],
      [0, 4, 0x00],
      [0, 5, 0x00],
      [0, 6, 0xa0],
      [0, 7, READY],
      [1, 0, READY],
    ],
    lines: [irq],
  };
});

describe("presence", () => {
  it("floats with DD7 low where no drive is attached", () => {
    for (const device of [0xa0, 0xb0]) {
      host.outb(6, device);
      for (let register = 1; register < 8; register++) expect(host.inb(register)).toBe(0x7f);
      expect(host.alternateStatus()).toBe(0x7f);
      expect(host.channel.commandBlock.read(0, 2)).toBe(0xff7f);
    }
    host.outb(7, 0xec);
    host.clock.advance(1e6);
    expect(host.irq.rises).toBe(0);
  });

  it("answers a probe of the absent device 1 with status 00h and ignores its commands", () => {
    attachDisk(0);
    host.outb(6, 0xb0);
    host.outb(2, 0x55);
    host.outb(3, 0xaa);
    expect([host.inb(2), host.inb(3), host.inb(6)]).toEqual([0x55, 0xaa, 0xb0]); // device 0's copies
    expect(host.inb(7)).toBe(0);
    host.outb(7, 0xec);
    host.clock.advance(1e6);
    expect(host.inb(7)).toBe(0);
    expect(host.irq.rises).toBe(0);
    host.outb(6, 0xa0);
    expect(host.inb(7)).toBe(READY);
  });

  it("lets two drives hear every register write but only the selected one act", () => {
    const first = attachDisk(0);
    const second = attachDisk(1);
    host.issueLba(3, 1, 0x30, true);
    host.wait();
    host.writeBytes(new Uint8Array(512).fill(9));
    host.wait();
    expect(second.written.has(3)).toBe(true);
    expect(first.written.size).toBe(0);
    host.outb(6, 0xa0);
    expect(host.inb(3)).toBe(3);
    expect(host.inb(7)).toBe(READY);
  });
});

describe("interrupts", () => {
  it("wait in the drive while nIEN is set", () => {
    attachDisk(0);
    host.control(0x02);
    host.issueLba(0, 1, 0x20);
    host.wait();
    expect(host.irq.level).toBe(false);
    host.control(0x00);
    expect(host.irq.level).toBe(true);
    host.inb(7);
    expect(host.irq.level).toBe(false);
    expect(host.irq.rises).toBe(1);
  });

  it("are gone when Status was read under nIEN, and stay for Alternate Status", () => {
    attachDisk(0);
    host.control(0x02);
    host.issueLba(0, 1, 0x20);
    host.wait();
    host.alternateStatus();
    host.inb(7);
    host.control(0x00);
    expect(host.irq.rises).toBe(0);
  });

  it("come from the selected drive only", () => {
    attachDisk(0);
    attachDisk(1);
    host.issueLba(0, 1, 0xe7);
    host.wait();
    expect(host.irq.level).toBe(true);
    host.outb(6, 0xf0);
    expect(host.irq.level).toBe(false);
    host.outb(6, 0xe0);
    expect(host.irq.level).toBe(true);
  });

  it("are withdrawn by the next command", () => {
    attachDisk(0);
    host.issueLba(0, 1, 0xe7);
    host.wait();
    host.outb(7, 0xe7);
    expect(host.irq.level).toBe(false);
  });
});

describe("reset", () => {
  it("SRST keeps both drives busy, selects device 0 and leaves the signature without an interrupt", () => {
    attachDisk(0);
    attachDisk(1);
    host.issueLba(500, 1, 0x20, true);
    host.wait();
    host.control(0x04);
    expect(host.irq.level).toBe(false);
    host.clock.advance(1e9);
    expect(host.alternateStatus()).toBe(BSY);
    host.control(0x00);
    expect(host.alternateStatus()).toBe(BSY);
    expect(host.wait()).toBe(READY);
    expect([1, 2, 3, 4, 5, 6].map((register) => host.inb(register))).toEqual([1, 1, 1, 0, 0, 0xa0]);
    host.outb(6, 0xb0);
    expect([1, 2, 3, 4, 5].map((register) => host.inb(register))).toEqual([1, 1, 1, 0, 0]);
    expect(host.irq.level).toBe(false);
    expect(host.irq.rises).toBe(1);
  });

  it("EXECUTE DEVICE DIAGNOSTIC runs on both and device 0 interrupts", () => {
    attachDisk(0);
    attachDisk(1);
    host.outb(6, 0xb0);
    host.outb(7, 0x90);
    expect(host.wait()).toBe(READY);
    expect(host.irq.rises).toBe(1);
    expect(host.inb(1)).toBe(0x01);
    expect(host.inb(6)).toBe(0xa0);
  });

  it("ends a transfer under way", () => {
    attachDisk(0);
    host.issueLba(0, 2, 0x20);
    host.wait();
    host.readWords(100);
    host.control(0x04);
    host.control(0x00);
    expect(host.wait()).toBe(READY);
    expect(host.channel.commandBlock.read(0, 2)).toBe(0xffff);
    host.issueLba(1, 1, 0x20);
    expect(host.wait()).toBe(READY | DRQ);
  });
});

describe("a busy drive", () => {
  it("takes neither registers nor commands", () => {
    attachDisk(0);
    host.issueLba(7, 1, 0x20);
    host.outb(3, 99);
    host.outb(7, 0xe7);
    expect(host.wait()).toBe(READY | DRQ);
    expect(host.inb(3)).toBe(7);
    expect(host.readWords(1)[1]).toBe(PatternMedium.byteAt(7, 1));
  });
});

describe("a clock that looks at its timers late", () => {
  it("does not keep a polling host waiting", () => {
    const medium = attachDisk(0);
    host.issueLba(7, 1, 0x20);
    expect(host.alternateStatus()).toBe(BSY);
    const now = host.clock.nowNs() + 1e6;
    host.clock.nowNs = () => now; // time goes on, no timer expires
    expect(host.inb(7)).toBe(READY | DRQ);
    expect(Buffer.compare(host.readWords(256), medium.sector(7))).toBe(0);
    host.issueLba(8, 1, 0x20);
    host.clock.nowNs = () => now + 1e6;
    expect(host.alternateStatus()).toBe(READY | DRQ);
    expect(host.irq.level).toBe(true);
  });
});

describe("snapshot", () => {
  it("carries a transfer in the middle of its data block to another machine", () => {
    const medium = attachDisk(0);
    host.issueLba(20, 2, 0x20);
    host.wait();
    host.readWords(100);
    const other = new IdeHost();
    other.channel.attach(0, new AtaDisk(other.clock, medium));
    other.channel.load(host.channel.save());
    expect(other.irq.level).toBe(true);
    expect(Buffer.compare(other.readWords(156), medium.sector(20).subarray(200))).toBe(0);
    expect(other.wait()).toBe(READY | DRQ);
    expect(Buffer.compare(other.readWords(256), medium.sector(21))).toBe(0);
  });
});
