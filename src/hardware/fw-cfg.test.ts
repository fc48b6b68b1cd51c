import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock } from "./describe-device.ts";
import { FW_CFG_FILE_DIR, FW_CFG_NB_CPUS, FwCfg } from "./fw-cfg.ts";

let fw: FwCfg, ram: Uint8Array;
const memory = { read: (at: number, into: Uint8Array) => into.set(ram.subarray(at, at + into.length)), write: (at: number, from: Uint8Array) => ram.set(from, at) };
beforeEach(() => {
  ram = new Uint8Array(0x4000).fill(0xee);
  fw = new FwCfg({ memory });
});

const select = (key: number) => fw.region.write(0, 2, key);
const bytes = (count: number) => Array.from({ length: count }, () => fw.region.read(1, 1));
const text = (count: number) => String.fromCharCode(...bytes(count));

describe("fw_cfg", () => {
  it("signs itself QEMU and offers the port interface and DMA", () => {
    select(0);
    expect(text(4)).toBe("QEMU");
    select(1);
    expect(bytes(4)).toEqual([3, 0, 0, 0]);
  });

  it("reads zeros beyond an item's end and without an item", () => {
    select(0);
    expect(bytes(6)).toEqual([0x51, 0x45, 0x4d, 0x55, 0, 0]);
    select(0x1234);
    expect(bytes(2)).toEqual([0, 0]);
  });

  it("lists its files, big-endian, and gives them by key", () => {
    fw.addFile("etc/e820", Uint8Array.of(1, 2, 3));
    fw.addFile("bootorder", new Uint8Array(300).fill(7));
    select(FW_CFG_FILE_DIR);
    expect(bytes(4)).toEqual([0, 0, 0, 2]);
    expect(bytes(8)).toEqual([0, 0, 0, 3, 0, 0x20, 0, 0]);
    expect(text(56)).toBe(`etc/e820${"\0".repeat(48)}`);
    expect(bytes(8)).toEqual([0, 0, 1, 0x2c, 0, 0x21, 0, 0]);
    select(0x20);
    expect(bytes(4)).toEqual([1, 2, 3, 0]);
    fw.addFile("etc/e820", Uint8Array.of(9));
    select(0x20);
    expect(bytes(2)).toEqual([9, 0]);
    select(FW_CFG_FILE_DIR);
    expect(bytes(8)).toEqual([0, 0, 0, 2, 0, 0, 0, 1]);
  });

  it("gives numbers little-endian and ignores the write-channel bit of a selector", () => {
    fw.addNumber(FW_CFG_NB_CPUS, 0x0102, 2);
    select(FW_CFG_NB_CPUS | 0x4000);
    expect(bytes(3)).toEqual([2, 1, 0]);
  });

  it("reads a large source in pieces, by bytes and by blocks in turn", () => {
    const size = 10_000;
    const reads: number[] = [];
    fw.addFile("big", {
      size,
      read(offset, into) {
        reads.push(into.length);
        for (let i = 0; i < into.length; i++) into[i] = (offset + i) % 251;
      },
    });
    select(0x20);
    expect(bytes(3)).toEqual([0, 1, 2]);
    const block = new Uint8Array(6000);
    expect(fw.region.readBlock!(1, 1, block)).toBe(6000);
    expect([block[0], block[5999]]).toEqual([3, 6002 % 251]);
    expect(bytes(2)).toEqual([6003 % 251, 6004 % 251]);
    fw.region.readBlock!(1, 1, block);
    expect([block[3994], block[3995], block[5999]]).toEqual([9999 % 251, 0, 0]);
    expect(reads.length).toBeLessThan(6);
  });

  it("has no bulk path at the selector, and takes it in 16 bits only", () => {
    expect(fw.region.readBlock!(0, 1, new Uint8Array(2))).toBe(0);
    expect(fw.region.readBlock!(1, 2, new Uint8Array(2))).toBe(0);
    select(0);
    fw.region.write(0, 1, 1);
    fw.region.write(1, 1, 1);
    expect(text(4)).toBe("QEMU");
  });

  it("refuses a name that does not fit", () => {
    expect(() => fw.addFile("x".repeat(56), new Uint8Array(1))).toThrow(RangeError);
  });
});

describeDevice("fw-cfg", () => {
  const device = new FwCfg({ memory });
  device.addFile("a", new Uint8Array(100_000).map((_, i) => i % 256));
  return { device, clock: new ManualClock(), regions: [{ region: device.region, size: 2 }], afterReset: [[0, 0, 0xff], [0, 1, 0x51]] };
});

describe("fw_cfg's DMA interface", () => {
  const AT = 0x100;
  /** Big-endian words, then the address register. The control word that is found afterwards. */
  const access = (control: number, length: number, address: number, high = 0) => {
    const view = new DataView(ram.buffer);
    [control, length, 0, address].forEach((word, n) => view.setUint32(AT + 4 * n, word));
    fw.dmaRegion.write(0, 4, high);
    fw.dmaRegion.write(4, 4, 0x0001_0000); // 100h, big-endian
    return view.getUint32(AT);
  };
  const SELECT_FIRST = (0x20 << 16) | 8;

  it("reads as a signature", () => {
    expect([0, 4].map((offset) => fw.dmaRegion.read(offset, 4))).toEqual([0x554d_4551, 0x4746_4320]);
    expect(fw.dmaRegion.read(7, 1)).toBe("G".charCodeAt(0));
  });

  it("selects, reads and skips, with zeros beyond the end", () => {
    fw.addFile("numbers", Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(access(SELECT_FIRST | 2, 2, 0x1000)).toBe(0);
    expect([...ram.subarray(0x1000, 0x1003)]).toEqual([1, 2, 0xee]);
    expect(access(4, 2, 0)).toBe(0);
    expect(access(2, 4, 0x2000)).toBe(0);
    expect([...ram.subarray(0x2000, 0x2005)]).toEqual([5, 6, 0, 0, 0xee]);
  });

  it("goes on where the ports stopped, in pieces of any length", () => {
    fw.addFile("long", Uint8Array.from({ length: 10_000 }, (_, n) => n % 251));
    select(0x20);
    expect(bytes(2)).toEqual([0, 1]);
    expect(access(2, 9_000, 0x1000)).toBe(0);
    expect([ram[0x1000], ram[0x1000 + 8_999], ram[0x1000 + 9_000]]).toEqual([2, 9_001 % 251, 0xee]);
    expect(bytes(1)).toEqual([9_002 % 251]);
  });

  it("answers a write with an error, and an address above 4 GB not at all", () => {
    fw.addFile("fixed", Uint8Array.of(1));
    expect(access(SELECT_FIRST | 0x10, 1, 0x1000)).toBe(1);
    expect(access(SELECT_FIRST | 2, 1, 0x1000, 1)).toBe(SELECT_FIRST | 2);
  });

  it("starts by the lower half alone, written in 32 bits", () => {
    new DataView(ram.buffer).setUint32(AT, SELECT_FIRST | 2);
    fw.dmaRegion.write(0, 4, 0);
    fw.dmaRegion.write(4, 2, 0x0001);
    fw.dmaRegion.write(6, 2, 0x0001);
    expect(new DataView(ram.buffer).getUint32(AT)).toBe(SELECT_FIRST | 2);
  });
});
