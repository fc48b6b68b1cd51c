import { describe, expect, it } from "vitest";
import { byteRegion, IoBus, MmioBus } from "./bus.ts";
import type { Region, Width } from "./device.ts";

/** A region that notes what reaches it. */
function recorder(value = 0): Region & { log: string[] } {
  const log: string[] = [];
  return {
    log,
    read(offset: number, width: Width) {
      log.push(`r${width}@${offset}`);
      return value;
    },
    write(offset: number, width: Width, v: number) {
      log.push(`w${width}@${offset}=${v.toString(16)}`);
    },
  };
}

describe("IoBus", () => {
  it("floats high where nothing is attached", () => {
    const bus = new IoBus();
    expect([bus.read(0x1234, 1), bus.read(0x1234, 2), bus.read(0x1234, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
    expect(() => bus.write(0x1234, 4, 1)).not.toThrow();
  });

  it("gives a region offsets from its own start and the width of the access", () => {
    const bus = new IoBus();
    const ide = recorder(0x12345678);
    bus.attach(0x1f0, 0x1f7, ide);
    expect(bus.read(0x1f0, 4)).toBe(0x12345678);
    expect(bus.read(0x1f2, 1)).toBe(0x78);
    bus.write(0x1f6, 2, 0xabcd);
    expect(ide.log).toEqual(["r4@0", "r1@2", "w2@6=abcd"]);
  });

  it("splits an access that leaves its region into bytes, low address first", () => {
    const bus = new IoBus();
    const low = recorder(0x11);
    const high = recorder(0x22);
    bus.attach(0x60, 0x60, low);
    bus.attach(0x61, 0x61, high);
    expect(bus.read(0x60, 4)).toBe(0xffff2211);
    bus.write(0x60, 2, 0xbbaa);
    expect(low.log).toEqual(["r1@0", "w1@0=aa"]);
    expect(high.log).toEqual(["r1@0", "w1@0=bb"]);
  });

  it("floats beyond port FFFF, which has no wrap to port 0", () => {
    const bus = new IoBus();
    const zero = recorder(0);
    bus.attach(0, 0, zero);
    bus.attach(0xffff, 0xffff, recorder(0x12));
    expect(bus.read(0xffff, 2)).toBe(0xff12);
    bus.write(0xffff, 2, 0);
    expect(zero.log).toEqual([]);
  });

  it("keeps the dword cycle of a region whole when a byte port lies over its middle (CF8h and CF9h)", () => {
    const bus = new IoBus();
    const pci = recorder();
    const reset = recorder();
    bus.attach(0xcf8, 0xcff, pci);
    bus.attach(0xcf9, 0xcf9, reset);
    bus.write(0xcf8, 4, 0x80000000);
    bus.write(0xcf9, 1, 6);
    bus.write(0xcfc, 2, 7);
    expect(pci.log).toEqual(["w4@0=80000000", "w2@4=7"]);
    expect(reset.log).toEqual(["w1@0=6"]);
  });

  it("uncovers what lay beneath when a region is detached", () => {
    const bus = new IoBus();
    bus.attach(0x100, 0x1ff, recorder(1));
    const over = bus.attach(0x180, 0x280, recorder(2));
    expect([bus.read(0x180, 1), bus.read(0x280, 1)]).toEqual([2, 2]);
    bus.detach(over);
    bus.detach(over);
    expect([bus.read(0x180, 1), bus.read(0x1ff, 1), bus.read(0x280, 1)]).toEqual([1, 1, 0xff]);
  });

  it("passes blocks only to a region with a bulk path and room for the width", () => {
    const bus = new IoBus();
    bus.attach(0x10, 0x11, { ...recorder(), readBlock: (offset, width, into) => into.fill(offset + width).length, writeBlock: (_o, _w, from) => from.length });
    bus.attach(0x20, 0x20, recorder());
    const into = new Uint8Array(4);
    expect(bus.readBlock(0x10, 2, into)).toBe(4);
    expect([...into]).toEqual([2, 2, 2, 2]);
    expect(bus.readBlock(0x11, 2, into)).toBe(0);
    expect(bus.readBlock(0x20, 1, into)).toBe(0);
    expect(bus.readBlock(0x30, 1, into)).toBe(0);
    expect(bus.writeBlock(0x10, 2, into)).toBe(4);
    expect(bus.writeBlock(0x20, 1, into)).toBe(0);
  });

  it("refuses ports outside the space", () => {
    expect(() => new IoBus().attach(0xffff, 0x10000, recorder())).toThrow(RangeError);
    expect(() => new IoBus().attach(5, 4, recorder())).toThrow(RangeError);
  });
});

describe("byteRegion", () => {
  it("turns a wide cycle into byte cycles", () => {
    const writes: number[][] = [];
    const region = byteRegion({ read: (offset) => 0xf0 + offset, write: (offset, value) => writes.push([offset, value]) });
    expect(region.read(0, 4)).toBe(0xf3f2f1f0);
    region.write(1, 2, 0xbbaa);
    expect(writes).toEqual([[1, 0xaa], [2, 0xbb]]);
  });
});

describe("MmioBus", () => {
  it("answers for its pages only", () => {
    const bus = new MmioBus();
    const vga = recorder(0x5a);
    const at = bus.attach(0xa0000, 0xbffff, vga);
    expect([bus.has(0x9ffff), bus.has(0xa0000), bus.has(0xbffff), bus.has(0xc0000)]).toEqual([false, true, true, false]);
    bus.write(0xb8000, 2, 0x0741);
    expect(vga.log).toEqual(["w2@98304=741"]);
    expect(bus.read(0xc0000, 4)).toBe(0xffffffff);
    bus.detach(at);
    expect(bus.has(0xa0000)).toBe(false);
  });

  it("works at the top of the 32-bit space and splits across a window's edge", () => {
    const bus = new MmioBus();
    const apic = recorder(0x77);
    bus.attach(0xfee00000, 0xfee00fff, apic);
    expect(bus.read(0xfee00ffe, 4)).toBe(0xffff7777);
    expect(apic.log).toEqual(["r1@4094", "r1@4095"]);
  });

  it("takes whole pages only", () => {
    expect(() => new MmioBus().attach(0xa0001, 0xaffff, recorder())).toThrow(RangeError);
    expect(() => new MmioBus().attach(0xa0000, 0xafffe, recorder())).toThrow(RangeError);
  });
});
