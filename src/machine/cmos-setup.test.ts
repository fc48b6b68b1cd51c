import { describe, expect, it } from "vitest";
import { ManualClock, Probe } from "../hardware/describe-device.ts";
import { RtcMc146818a } from "../hardware/rtc-mc146818a.ts";
import { type CmosSetup, setUpCmos } from "./cmos-setup.ts";

const MB = 1 << 20;
const medium = (sectors: number) => ({ size: sectors * 512, read: () => {} });

function cmos(setup: Partial<CmosSetup>): (index: number) => number {
  const rtc = new RtcMc146818a({ clock: new ManualClock(), irq8: new Probe() });
  setUpCmos(rtc, { memoryBytes: 128 * MB, drives: {}, bootOrder: null, ...setup });
  return (index) => {
    rtc.region.write(0, 1, index);
    return rtc.region.read(1, 1);
  };
}

describe("what set-up left in CMOS RAM", () => {
  // The drive types of IBM's CMOS byte 10h, drive A in the high nibble.
  it.each([
    [320, 1], [360, 1], [640, 1], [720, 1], [1440, 3], [2400, 2], [2880, 4], [3360, 4], [3444, 4], [5760, 5], [1, 4],
  ])("takes a floppy of %i sectors for drive type %i", (sectors, type) => {
    expect(cmos({ drives: { fda: medium(sectors) } })(0x10)).toBe(type << 4);
    expect(cmos({ drives: { fda: medium(2880), fdb: medium(sectors) } })(0x10)).toBe(0x40 | type);
  });

  it("has an empty 1.44 MB drive A, and no drive B", () => {
    expect(cmos({})(0x10)).toBe(0x40);
    expect(cmos({})(0x14)).toBe(0x07);
    expect(cmos({ drives: { fda: medium(2880), fdb: medium(2880) } })(0x14)).toBe(0x47);
  });

  it("counts memory above 1 MB in KB, and above 16 MB in units of 64 KB", () => {
    const small = cmos({ memoryBytes: 8 * MB });
    expect([small(0x30) | (small(0x31) << 8), small(0x34) | (small(0x35) << 8)]).toEqual([7 * 1024, 0]);
    const large = cmos({ memoryBytes: 1024 * MB });
    expect([large(0x30) | (large(0x31) << 8), large(0x34) | (large(0x35) << 8)]).toEqual([0xffff, 1008 * 16]);
  });

  it("boots what is asked for, then the rest", () => {
    const order = (setup: Partial<CmosSetup>) => [cmos(setup)(0x3d), cmos(setup)(0x38)];
    expect(order({ bootOrder: "d" })).toEqual([0x13, 0x20]);
    expect(order({})).toEqual([0x32, 0x10]);
    expect(order({ drives: { fda: medium(2880) } })).toEqual([0x21, 0x30]);
  });
});
