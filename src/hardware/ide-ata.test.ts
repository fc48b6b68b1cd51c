// Expectations: ATA/ATAPI-6 (T13/1410D).

import { beforeEach, describe, expect, it } from "vitest";
import { AtaDisk } from "./ide-ata.ts";
import { BSY, DRDY, DRQ, DSC, ERR, IdeHost, PatternMedium } from "./ide-test-host.ts";

const READY = DRDY | DSC;
const SECTORS = 100_000;

let host: IdeHost;
let medium: PatternMedium;

beforeEach(() => {
  host = new IdeHost();
  medium = new PatternMedium(SECTORS);
  host.channel.attach(0, new AtaDisk(host.clock, medium));
});

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function identify(slave = false): Uint16Array {
  host.issueLba(0, 0, 0xec, slave);
  expect(host.wait()).toBe(READY | DRQ);
  const bytes = host.readWords(256);
  return Uint16Array.from({ length: 256 }, (_, i) => bytes[2 * i] | (bytes[2 * i + 1] << 8));
}

function text(words: Uint16Array, first: number, count: number): string {
  let out = "";
  for (let i = first; i < first + count; i++) out += String.fromCharCode(words[i] >> 8, words[i] & 0xff);
  return out.trimEnd();
}

describe("PIO data-in", () => {
  it("is busy when the command's write returns, then asks with DRQ and INTRQ", () => {
    host.issueLba(5, 1, 0x20);
    expect(host.alternateStatus()).toBe(BSY);
    expect(host.irq.level).toBe(false);
    expect(host.wait()).toBe(READY | DRQ);
    expect(host.irq.level).toBe(true);
    expect(host.inb(7)).toBe(READY | DRQ);
    expect(host.irq.level).toBe(false);
    expect(same(host.readWords(256), medium.sector(5))).toBe(true);
    expect(host.alternateStatus()).toBe(READY);
  });

  it("interrupts once for each sector of READ SECTOR(S), and not at the end", () => {
    host.issueLba(7, 3, 0x20);
    for (let i = 0; i < 3; i++) {
      expect(host.wait()).toBe(READY | DRQ);
      expect(host.irq.rises).toBe(i + 1);
      host.inb(7);
      expect(same(host.readWords(256), medium.sector(7 + i))).toBe(true);
      expect(host.irq.level).toBe(false);
    }
    host.clock.advance(1e6);
    expect(host.irq.rises).toBe(3);
    expect(host.alternateStatus()).toBe(READY);
    expect(host.inb(3)).toBe(9); // the last sector
    expect(host.inb(2)).toBe(0);
  });

  it("reads 256 sectors for a count of zero", () => {
    host.issueLba(0, 0, 0x20);
    let sectors = 0;
    for (; host.wait() & DRQ; sectors++) expect(same(host.readWords(256), medium.sector(sectors))).toBe(true);
    expect(sectors).toBe(256);
  });

  it("moves bulk in one call, and 32-bit and 8-bit accesses by the word", () => {
    host.issueLba(9, 1, 0x20);
    host.wait();
    const data = host.channel.commandBlock;
    const expected = medium.sector(9);
    expect(data.read(0, 4)).toBe(new DataView(expected.buffer).getUint32(0, true));
    expect(data.read(0, 1)).toBe(expected[4]); // the high byte of the word is lost
    expect(data.read(0, 2)).toBe(expected[6] | (expected[7] << 8));
    const rest = new Uint8Array(1024);
    expect(data.readBlock?.(0, 4, rest)).toBe(504);
    expect(same(rest.subarray(0, 504), expected.subarray(8))).toBe(true);
    expect(host.alternateStatus() & DRQ).toBe(0);
    expect(data.readBlock?.(0, 2, rest)).toBe(0);
    expect(data.readBlock?.(1, 1, rest)).toBe(0);
  });

  it("leaves the last half of a dword access to the next sector's wait", () => {
    host.issueLba(9, 1, 0x20);
    host.wait();
    host.readWords(255);
    const last = medium.sector(9);
    expect(host.channel.commandBlock.readBlock?.(0, 4, new Uint8Array(4))).toBe(0);
    expect(host.channel.commandBlock.read(0, 4)).toBe((0xffff0000 | last[510] | (last[511] << 8)) >>> 0);
  });
});

describe("addresses", () => {
  it("reads by CHS in the default translation of 16 heads and 63 sectors", () => {
    host.issue({ count: 1, low: 3, mid: 2, high: 0, device: 0xa0 | 5 }, 0x20);
    host.wait();
    expect(same(host.readWords(256), medium.sector((2 * 16 + 5) * 63 + 2))).toBe(true);
    expect([host.inb(3), host.inb(4), host.inb(5), host.inb(6)]).toEqual([3, 2, 0, 0xa5]);
  });

  it("reads by CHS in the translation set by INITIALIZE DEVICE PARAMETERS", () => {
    host.issue({ count: 17, device: 0xa0 | 3 }, 0x91);
    expect(host.wait()).toBe(READY);
    expect(host.irq.level).toBe(true);
    host.issue({ count: 1, low: 17, mid: 1, device: 0xa0 | 3 }, 0x20);
    host.wait();
    expect(same(host.readWords(256), medium.sector((1 * 4 + 3) * 17 + 16))).toBe(true);
    const words = identify();
    expect([words[54], words[55], words[56]]).toEqual([Math.floor((99 * 16 * 63) / (4 * 17)), 4, 17]);
    expect(words[57] | (words[58] << 16)).toBe(words[54] * 4 * 17);
    host.issue({ count: 1, low: 18, device: 0xa0 }, 0x20);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10); // IDNF
  });

  it("refuses sector 0 and an address past the end with IDNF, naming the sector", () => {
    host.issue({ count: 1, low: 0, device: 0xa0 }, 0x20);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10);
    host.issueLba(SECTORS - 1, 2, 0x20);
    expect(host.wait()).toBe(READY | DRQ);
    expect(same(host.readWords(256), medium.sector(SECTORS - 1))).toBe(true);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10);
    expect(host.inb(3) | (host.inb(4) << 8) | (host.inb(5) << 16) | ((host.inb(6) & 15) << 24)).toBe(SECTORS);
    expect(host.irq.level).toBe(true);
  });

  it("reads a 200 GB disk above 137 GB with READ SECTOR(S) EXT", () => {
    const big = new PatternMedium(Math.floor(200e9 / 512));
    host.channel.attach(0, new AtaDisk(host.clock, big));
    const lba = 0x1234_5678; // needs 29 bits
    host.issueExt(lba, 2, 0x24);
    host.wait();
    expect(same(host.readWords(256), big.sector(lba))).toBe(true);
    host.wait();
    expect(same(host.readWords(256), big.sector(lba + 1))).toBe(true);
    // HOB shows the previous contents: bits 47:24.
    expect([host.inb(3), host.inb(4), host.inb(5)]).toEqual([0x79, 0x56, 0x34]);
    host.control(0x80);
    expect([host.inb(3), host.inb(4), host.inb(5)]).toEqual([0x12, 0, 0]);
    host.outb(1, 0); // any write to the Command Block clears HOB
    expect(host.inb(3)).toBe(0x79);
    const words = identify();
    expect(words[60] | (words[61] << 16)).toBe(0x0fff_ffff);
    expect(words[100] + words[101] * 0x10000).toBe(big.sectorCount);
    expect([words[1], words[3], words[6]]).toEqual([16383, 16, 63]);
  });

  it("answers READ NATIVE MAX ADDRESS and its EXT form", () => {
    host.issue({ device: 0xe0 }, 0xf8);
    host.wait();
    expect(host.inb(3) | (host.inb(4) << 8) | (host.inb(5) << 16) | ((host.inb(6) & 15) << 24)).toBe(SECTORS - 1);
    host.channel.attach(0, new AtaDisk(host.clock, new PatternMedium(2 ** 33)));
    host.issue({ device: 0xe0 }, 0x27);
    host.wait();
    expect([host.inb(3), host.inb(4), host.inb(5)]).toEqual([0xff, 0xff, 0xff]);
    host.control(0x80);
    expect([host.inb(3), host.inb(4), host.inb(5)]).toEqual([0xff, 1, 0]);
  });
});

describe("PIO data-out", () => {
  it("does not interrupt for the first sector, and does for each stored one", () => {
    const data = [1, 2].map((seed) => Uint8Array.from({ length: 512 }, (_, i) => (i * seed) & 0xff));
    host.issueLba(40, 2, 0x30);
    expect(host.wait()).toBe(READY | DRQ);
    expect(host.irq.level).toBe(false);
    host.writeBytes(data[0]);
    expect(host.alternateStatus()).toBe(BSY);
    expect(host.wait()).toBe(READY | DRQ);
    expect(host.irq.rises).toBe(1);
    host.inb(7);
    expect(host.channel.commandBlock.writeBlock?.(0, 2, data[1])).toBe(512);
    expect(host.wait()).toBe(READY);
    expect(host.irq.rises).toBe(2);
    expect(same(medium.sector(40), data[0])).toBe(true);
    expect(same(medium.sector(41), data[1])).toBe(true);
    expect(host.inb(3)).toBe(41);
  });

  it("writes with the EXT command and refuses to write past the end", () => {
    host.issueExt(SECTORS - 1, 2, 0x34);
    host.wait();
    host.writeBytes(new Uint8Array(512).fill(0xa5));
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10);
    expect(medium.sector(SECTORS - 1)[100]).toBe(0xa5);
    expect(medium.written.size).toBe(1);
  });

  it("takes 32-bit writes as two words", () => {
    host.issueLba(3, 1, 0x30);
    host.wait();
    for (let i = 0; i < 128; i++) host.channel.commandBlock.write(0, 4, (0x80000000 + i) >>> 0);
    expect(host.wait()).toBe(READY);
    const view = new DataView(medium.sector(3).buffer);
    expect(view.getUint32(127 * 4, true)).toBe(0x8000007f);
  });
});

describe("READ MULTIPLE and WRITE MULTIPLE", () => {
  it("abort until SET MULTIPLE MODE, which takes powers of two up to 16", () => {
    host.issueLba(0, 4, 0xc4);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x04);
    for (const [count, status] of [
      [3, READY | ERR],
      [32, READY | ERR],
      [16, READY],
    ]) {
      host.issue({ count }, 0xc6);
      expect(host.wait()).toBe(status);
    }
    expect(identify()[59]).toBe(0x0110);
  });

  it("move a block for each interrupt, the last one shorter", () => {
    host.issue({ count: 4 }, 0xc6);
    host.wait();
    host.inb(7);
    const rises = host.irq.rises;
    host.issueLba(100, 6, 0xc4);
    host.wait();
    expect(host.irq.rises).toBe(rises + 1);
    host.inb(7);
    const block = new Uint8Array(4096);
    expect(host.channel.commandBlock.readBlock?.(0, 2, block)).toBe(2048);
    expect(same(block.subarray(1536, 2048), medium.sector(103))).toBe(true);
    host.wait();
    expect(host.irq.rises).toBe(rises + 2);
    expect(host.channel.commandBlock.readBlock?.(0, 2, block)).toBe(1024);
    expect(same(block.subarray(512, 1024), medium.sector(105))).toBe(true);
    expect(host.wait()).toBe(READY);

    const data = Uint8Array.from({ length: 6 * 512 }, (_, i) => (i >> 9) + 1);
    host.issueExt(200, 6, 0x39);
    host.wait();
    host.writeBytes(data.subarray(0, 2048));
    host.wait();
    host.writeBytes(data.subarray(2048));
    expect(host.wait()).toBe(READY);
    expect([0, 3, 4, 5].map((i) => medium.sector(200 + i)[511])).toEqual([1, 4, 5, 6]);
  });
});

describe("IDENTIFY DEVICE", () => {
  it("describes the disk", () => {
    const words = identify();
    expect(words[0] & 0x8040).toBe(0x0040);
    expect([words[1], words[3], words[6]]).toEqual([99, 16, 63]);
    expect(words[60] | (words[61] << 16)).toBe(SECTORS);
    expect(words[100] | (words[101] << 16)).toBe(SECTORS);
    expect(text(words, 27, 20)).toBe("TRAPSCOPE HARDDISK");
    expect(text(words, 10, 10)).toBe("TS00000001");
    expect(words[49] & 0x0300).toBe(0x0300); // LBA, DMA
    expect(words[83] & 0xc400).toBe(0x4400); // valid; 48-bit addresses
    expect(words[53] & 7).toBe(7);
  });

  it("ends with a checksum that makes the sum of its bytes zero", () => {
    const words = identify();
    expect(words[255] & 0xff).toBe(0xa5);
    expect(words.reduce((sum, word) => sum + (word & 0xff) + (word >> 8), 0) & 0xff).toBe(0);
  });
});

describe("commands without data", () => {
  it("SET FEATURES selects one transfer mode at a time", () => {
    expect(identify()[63] >> 8).toBe(1 << 2);
    host.issue({ features: 3, count: 0x42 }, 0xef);
    expect(host.wait()).toBe(READY);
    let words = identify();
    expect(words[88] >> 8).toBe(1 << 2);
    expect(words[63] >> 8).toBe(0);
    host.issue({ features: 3, count: 0x21 }, 0xef);
    host.wait();
    words = identify();
    expect(words[88] >> 8).toBe(0);
    expect(words[63] >> 8).toBe(1 << 1);
    for (const count of [0x47, 0x23, 0x0d, 0x10]) {
      host.issue({ features: 3, count }, 0xef);
      expect(host.wait()).toBe(READY | ERR);
      expect(host.inb(1)).toBe(0x04);
    }
    host.issue({ features: 3, count: 0x0c }, 0xef); // PIO 4
    expect(host.wait()).toBe(READY);
  });

  it("SET FEATURES switches the write cache and look-ahead", () => {
    for (const [features, word85] of [
      [0x82, 0x0048],
      [0x55, 0x0008],
      [0x02, 0x0028],
      [0xaa, 0x0068],
    ]) {
      host.issue({ features }, 0xef);
      expect(host.wait()).toBe(READY);
      expect(identify()[85]).toBe(word85);
    }
  });

  it("end with an interrupt", () => {
    const codes = [0x10, 0x1f, 0x70, 0x40, 0x41, 0xe7, 0xea, 0xe0, 0xe1, 0xe2, 0xe3, 0x94, 0x97];
    for (const code of codes) {
      const rises = host.irq.rises;
      host.issueLba(1, 1, code);
      expect(host.irq.level).toBe(false);
      expect(host.wait()).toBe(READY);
      expect(host.irq.rises).toBe(rises + 1);
      host.inb(7);
    }
    expect(medium.flushes).toBe(2);
  });

  it("CHECK POWER MODE tells active, idle and standby apart", () => {
    const mode = (): number => {
      host.issue({}, 0xe5);
      host.wait();
      return host.inb(2);
    };
    expect(mode()).toBe(0xff);
    host.issue({}, 0xe1);
    host.wait();
    expect(mode()).toBe(0x80);
    host.issue({}, 0xe0);
    host.wait();
    expect(mode()).toBe(0x00);
    host.issueLba(0, 1, 0x20);
    host.wait();
    host.readWords(256);
    expect(mode()).toBe(0xff);
  });

  it("READ VERIFY and SEEK check the address", () => {
    host.issueLba(SECTORS - 2, 2, 0x40);
    expect(host.wait()).toBe(READY);
    host.issueLba(SECTORS - 2, 3, 0x40);
    expect(host.wait()).toBe(READY | ERR);
    host.issueLba(SECTORS, 1, 0x70);
    expect(host.wait()).toBe(READY | ERR);
    host.issueExt(SECTORS, 1, 0x42);
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x10);
  });

  it("unknown ones, NOP, SMART and packet commands abort", () => {
    for (const code of [0x00, 0x08, 0xa0, 0xa1, 0xb0, 0xf5, 0xff]) {
      host.issue({}, code);
      expect(host.wait()).toBe(READY | ERR);
      expect(host.inb(1)).toBe(0x04);
    }
    host.issue({}, 0xe7);
    host.wait();
    expect(host.inb(1)).toBe(0); // a good command clears the error
  });
});

describe("errors of the medium", () => {
  it("are UNC at the sector that failed", () => {
    medium.bad.add(12);
    host.issueLba(10, 5, 0x20);
    for (let i = 0; i < 2; i++) {
      host.wait();
      host.readWords(256);
    }
    expect(host.wait()).toBe(READY | ERR);
    expect(host.inb(1)).toBe(0x40);
    expect(host.inb(3)).toBe(12);
    host.issueLba(10, 1, 0x20);
    expect(host.wait()).toBe(READY | DRQ);
  });
});
