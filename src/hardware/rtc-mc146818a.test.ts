import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { RtcMc146818a } from "./rtc-mc146818a.ts";

const SECOND = 1e9;
let clock: ManualClock;
let irq8: Probe;
let rtc: RtcMc146818a;

function start(epochMs: number) {
  clock = new ManualClock(epochMs);
  irq8 = new Probe();
  rtc = new RtcMc146818a({ clock, irq8 });
}

beforeEach(() => start(Date.UTC(2003, 1, 14, 14, 18, 30)));

const get = (index: number) => {
  rtc.region.write(0, 1, index);
  return rtc.region.read(1, 1);
};
const set = (index: number, value: number) => {
  rtc.region.write(0, 1, index);
  rtc.region.write(1, 1, value);
};
const hex = (...indexes: number[]) => indexes.map((i) => get(i).toString(16).padStart(2, "0")).join(" ");
/** Century, year, month, day, weekday, hours, minutes, seconds. */
const now = () => hex(0x32, 9, 8, 7, 6, 4, 2, 0);

describe("MC146818A time", () => {
  it("starts with the board's UTC in BCD, 24 hours, Friday = 6", () => {
    expect(now()).toBe("20 03 02 14 06 14 18 30");
    expect(hex(0x0a, 0x0b, 0x0d)).toBe("26 02 80");
  });

  it("counts seconds from the host's second edges", () => {
    start(Date.UTC(2003, 1, 14, 14, 18, 30, 250));
    clock.advance(0.75 * SECOND - 1);
    expect(get(0)).toBe(0x30);
    clock.advance(1);
    expect(get(0)).toBe(0x31);
  });

  it("carries through minutes, days, leap years and the century", () => {
    start(Date.UTC(1999, 11, 31, 23, 59, 59));
    clock.advance(SECOND);
    expect(now()).toBe("20 00 01 01 07 00 00 00");
    clock.advance(59 * 86_400 * SECOND);
    expect(now()).toBe("20 00 02 29 03 00 00 00");
    clock.advance(86_400 * SECOND);
    expect(now()).toBe("20 00 03 01 04 00 00 00");
  });

  it("shows binary and 12-hour formats", () => {
    set(0x0b, 0x86);
    for (const [i, v] of [[0, 59], [2, 58], [4, 23], [7, 31], [8, 12], [9, 99], [0x32, 19]] as const) set(i, v);
    set(0x0b, 0x06);
    expect(hex(0, 2, 4, 9, 0x32)).toBe("3b 3a 17 63 13");
    clock.advance(120 * SECOND);
    expect(hex(0, 2, 4, 7, 8, 9, 0x32)).toBe("3b 00 00 01 01 00 14");
    for (const [byte, after] of [[0x11, 0x92], [0x12, 0x01], [0x91, 0x12], [0x92, 0x81]] as const) {
      set(0x0b, 0x80);
      set(4, byte);
      set(2, 0x59);
      set(0, 0x59);
      set(0x0b, 0x00);
      clock.advance(SECOND);
      expect(get(4), byte.toString(16)).toBe(after);
    }
  });

  it("converts nothing when the format changes", () => {
    const before = hex(0, 2, 4, 6, 7, 8, 9, 0x32);
    for (const format of [0x06, 0x04, 0x00, 0x02]) {
      set(0x0b, format);
      expect(hex(0, 2, 4, 6, 7, 8, 9, 0x32), format.toString(16)).toBe(before);
    }
  });

  it("takes a new time while SET holds the update, and goes on from it", () => {
    set(0x0b, 0x82);
    for (const [i, v] of [[0, 0x58], [2, 0x59], [4, 0x23], [6, 0x02], [7, 0x31], [8, 0x12], [9, 0x85], [0x32, 0x19]] as const) set(i, v);
    clock.advance(10 * SECOND);
    expect(now()).toBe("19 85 12 31 02 23 59 58");
    set(0x0b, 0x02);
    clock.advance(2 * SECOND);
    expect(now()).toBe("19 86 01 01 03 00 00 00");
  });

  it("keeps an impossible date until the next update", () => {
    set(7, 0x31);
    expect(hex(7, 8)).toBe("31 02");
    set(8, 0x03);
    clock.advance(SECOND);
    expect(hex(7, 8)).toBe("31 03");
  });

  it("starts half a second after the dividers leave reset", () => {
    set(0x0a, 0x66);
    clock.advance(10 * SECOND);
    expect(get(0)).toBe(0x30);
    set(0x0a, 0x26);
    clock.advance(0.5 * SECOND - 1);
    expect(get(0)).toBe(0x30);
    clock.advance(1);
    expect(get(0)).toBe(0x31);
    clock.advance(SECOND);
    expect(get(0)).toBe(0x32);
  });

  it("shows update in progress for the last 2228 us of a second, and not with SET", () => {
    clock.advance(SECOND - 2_228_001);
    expect(get(0x0a)).toBe(0x26);
    clock.advance(1);
    expect(get(0x0a)).toBe(0xa6);
    set(0x0b, 0x82);
    expect(get(0x0a)).toBe(0x26);
    set(0x0b, 0x02);
    expect(get(0x0a)).toBe(0xa6);
    clock.advance(2_228_000);
    expect(get(0x0a)).toBe(0x26);
  });
});

describe("MC146818A interrupts", () => {
  it("sets flags whether or not they interrupt; reading C clears them", () => {
    clock.advance(SECOND);
    expect(get(0x0c)).toBe(0x50);
    expect(get(0x0c)).toBe(0);
    expect(irq8.rises).toBe(0);
  });

  it("interrupts once a second until C is read", () => {
    get(0x0c);
    set(0x0b, 0x12);
    clock.advance(SECOND - 1);
    expect(irq8.level).toBe(false);
    clock.advance(1);
    expect(irq8.level).toBe(true);
    clock.advance(3 * SECOND);
    expect(irq8.rises).toBe(1);
    expect(get(0x0c) & 0xb0).toBe(0x90);
    expect(irq8.level).toBe(false);
    clock.advance(SECOND);
    expect(irq8.rises).toBe(2);
  });

  it("gives every periodic rate of the table for 32.768 kHz", () => {
    const hz = [0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2];
    for (const [rate, expected] of hz.entries()) {
      start(0);
      set(0x0a, 0x20 | rate);
      set(0x0b, 0x42);
      let count = 0;
      for (let i = 0; i < 32768; i++) {
        clock.advance(i % 2 === 0 ? 30_517 : 30_518);
        if (irq8.level) {
          count++;
          get(0x0c);
        }
      }
      clock.advance(SECOND - clock.nowNs());
      if (irq8.level) count++;
      expect(count, `rate ${rate}`).toBe(expected);
    }
  });

  it("matches the alarm, with wild cards C0h to FFh", () => {
    set(1, 0x00);
    set(3, 0x19);
    set(5, 0x14);
    set(0x0b, 0x22);
    clock.advance(29 * SECOND);
    expect(irq8.level).toBe(false);
    clock.advance(SECOND);
    expect(irq8.level).toBe(true);
    expect(get(0x0c)).toBe(0xf0);
    set(3, 0xff);
    set(5, 0xc0);
    clock.advance(60 * SECOND);
    expect(irq8.rises).toBe(2);
    get(0x0c);
    set(1, 0xc0);
    clock.advance(SECOND);
    expect(irq8.rises).toBe(3);
  });

  it("finds an alarm that passed unseen, and a 12-hour one", () => {
    get(0x0c);
    set(0x0b, 0x00);
    set(4, 0x82);
    set(1, 0x00);
    set(3, 0x00);
    set(5, 0x83);
    clock.advance(40 * 60 * SECOND);
    expect(get(0x0c) & 0x20).toBe(0);
    clock.advance(2 * 60 * SECOND);
    expect(get(0x0c) & 0x20).toBe(0x20);
    clock.advance(86_300 * SECOND);
    expect(get(0x0c) & 0x20).toBe(0);
  });

  it("drops update interrupts when SET is set, and all of them on RESET", () => {
    set(0x0b, 0x12);
    set(0x0b, 0x92);
    expect(get(0x0b)).toBe(0x82);
    set(0x0b, 0x7a);
    clock.advance(SECOND);
    expect(irq8.level).toBe(true);
    rtc.reset();
    expect(irq8.level).toBe(false);
    expect(hex(0x0b, 0x0c)).toBe("02 00");
    expect(get(0)).toBe(0x31);
  });
});

describe("CMOS RAM", () => {
  it("keeps bytes over RESET; registers C and D are read-only", () => {
    set(0x10, 0x40);
    set(0x7f, 0x12);
    set(0x0d, 0);
    rtc.reset();
    expect(hex(0x10, 0x7f, 0x0d)).toBe("40 12 80");
  });

  it("is filled by the board and read back without side effects", () => {
    rtc.setCmos(0x14, 0x2f);
    expect(get(0x14)).toBe(0x2f);
    clock.advance(SECOND);
    expect(rtc.cmos(0x0c)).toBe(0x50);
    expect(get(0x0c)).toBe(0x50);
    expect(rtc.cmos(0)).toBe(0x31);
  });

  it("has bit 7 of the index for the NMI mask, and an index port that cannot be read", () => {
    rtc.region.write(0, 1, 0x8d);
    expect(rtc.nmiMasked).toBe(true);
    expect(rtc.region.read(1, 1)).toBe(0x80);
    expect(rtc.region.read(0, 1)).toBe(0xff);
  });
});

describeDevice("MC146818A", () => {
  const clock = new ManualClock();
  const irq8 = new Probe();
  const device = new RtcMc146818a({ clock, irq8 });
  return { device, clock, regions: [{ region: device.region, size: 2 }], afterReset: [[0, 0, 0xff]], lines: [irq8] };
});
