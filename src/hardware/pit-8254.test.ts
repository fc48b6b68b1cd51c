import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Oscillator } from "./oscillator.ts";
import { PIT_HZ, Pit8254 } from "./pit-8254.ts";

const crystal = new Oscillator(PIT_HZ);
let clock: ManualClock;
let irq0: Probe;
let pit: Pit8254;

beforeEach(() => {
  clock = new ManualClock();
  irq0 = new Probe();
  pit = new Pit8254({ clock, irq0 });
});

/** Lets `cycles` CLK pulses pass. */
function clk(cycles: number) {
  clock.advance(crystal.nsOf(crystal.cyclesAt(clock.nowNs()) + cycles) - clock.nowNs());
}

const out = (offset: number, value: number) => pit.region.write(offset, 1, value);
const inp = (offset: number) => pit.region.read(offset, 1);

/** Reads counter `n`, programmed for LSB then MSB. */
const count = (n: number) => inp(n) | (inp(n) << 8);

/** Counter 2 with its gate on. */
function program(mode: number, value: number, bcd = 0) {
  pit.setGate2(true);
  out(3, 0xb0 | (mode << 1) | bcd);
  out(2, value & 0xff);
  out(2, value >> 8);
}

/** OUT of counter 2 and its count, for `n` CLK pulses from the next one on. */
function trace(n: number): string {
  let text = "";
  for (let i = 0; i < n; i++) {
    clk(1);
    text += `${pit.out(2) ? "H" : "L"}${count(2).toString(16)} `;
  }
  return text.trim();
}

describe("8254 modes, as the datasheet's waveforms", () => {
  it("mode 0: OUT rises N + 1 pulses after the count is written", () => {
    program(0, 4);
    expect(pit.out(2)).toBe(false);
    expect(trace(7)).toBe("L4 L3 L2 L1 H0 Hffff Hfffe");
  });

  it("mode 0: GATE low holds the count, which is loaded all the same", () => {
    program(0, 3);
    expect(trace(2)).toBe("L3 L2");
    pit.setGate2(false);
    expect(trace(3)).toBe("L2 L2 L2");
    pit.setGate2(true);
    expect(trace(2)).toBe("L1 H0");
    pit.setGate2(false);
    out(2, 2);
    out(2, 0);
    expect(trace(2)).toBe("L2 L2");
    pit.setGate2(true);
    expect(trace(2)).toBe("L1 H0");
  });

  it("mode 0: the first byte of a new count stops counting and lowers OUT", () => {
    program(0, 2);
    expect(trace(3)).toBe("L2 L1 H0");
    out(2, 3);
    expect(pit.out(2)).toBe(false);
    expect(trace(2)).toBe("L0 L0");
    out(2, 0);
    expect(trace(4)).toBe("L3 L2 L1 H0");
  });

  it("mode 1: a trigger starts the pulse, a new one restarts it, the gate's level does not matter", () => {
    pit.setGate2(false);
    out(3, 0xb2);
    out(2, 3);
    out(2, 0);
    expect(pit.out(2)).toBe(true);
    clk(5);
    expect(pit.out(2)).toBe(true);
    pit.setGate2(true);
    expect(pit.out(2)).toBe(true);
    expect(trace(1)).toBe("L3");
    pit.setGate2(false);
    expect(trace(3)).toBe("L2 L1 H0");
    pit.setGate2(true);
    expect(trace(2)).toBe("L3 L2");
    pit.setGate2(false);
    pit.setGate2(true);
    expect(trace(5)).toBe("L3 L2 L1 H0 Hffff");
  });

  it("mode 1: a new count waits for the next trigger", () => {
    program(1, 2);
    pit.setGate2(false);
    pit.setGate2(true);
    expect(trace(1)).toBe("L2");
    out(2, 4);
    out(2, 0);
    expect(trace(2)).toBe("L1 H0");
    pit.setGate2(false);
    pit.setGate2(true);
    expect(trace(1)).toBe("L4");
  });

  it("mode 2: low for one pulse in N", () => {
    program(2, 3);
    expect(trace(8)).toBe("H3 H2 L1 H3 H2 L1 H3 H2");
  });

  it("mode 2: GATE low raises OUT at once, its rising edge reloads", () => {
    program(2, 3);
    expect(trace(3)).toBe("H3 H2 L1");
    pit.setGate2(false);
    expect(pit.out(2)).toBe(true);
    expect(trace(2)).toBe("H1 H1");
    pit.setGate2(true);
    expect(trace(3)).toBe("H3 H2 L1");
  });

  it("mode 2: a new count waits for the end of the cycle", () => {
    program(2, 4);
    expect(trace(2)).toBe("H4 H3");
    out(2, 5);
    out(2, 0);
    expect(trace(4)).toBe("H2 L1 H5 H4");
  });

  it("mode 3, even: half high, half low, counting by two", () => {
    program(3, 4);
    expect(trace(9)).toBe("H4 H2 L4 L2 H4 H2 L4 L2 H4");
  });

  it("mode 3, odd: high for (N + 1) / 2, low for (N - 1) / 2", () => {
    program(3, 5);
    expect(trace(11)).toBe("H4 H2 H0 L4 L2 H4 H2 H0 L4 L2 H4");
    program(3, 3);
    expect(trace(7)).toBe("H2 H0 L2 H2 H0 L2 H2");
  });

  it("mode 3: a new count waits for the end of the half cycle; GATE as in mode 2", () => {
    program(3, 4);
    expect(trace(1)).toBe("H4");
    out(2, 6);
    out(2, 0);
    expect(trace(4)).toBe("H2 L6 L4 L2");
    pit.setGate2(false);
    expect(pit.out(2)).toBe(true);
    pit.setGate2(true);
    expect(trace(4)).toBe("H6 H4 H2 L6");
  });

  it("mode 4: one low pulse N + 1 after the write, once", () => {
    program(4, 3);
    expect(trace(6)).toBe("H3 H2 H1 L0 Hffff Hfffe");
    clk(70_000);
    expect(pit.out(2)).toBe(true);
    out(2, 2);
    expect(trace(1)).not.toBe("H2");
    out(2, 0);
    expect(trace(4)).toBe("H2 H1 L0 Hffff");
  });

  it("mode 4: GATE low holds the count and not the end of the strobe", () => {
    program(4, 2);
    expect(trace(1)).toBe("H2");
    pit.setGate2(false);
    expect(trace(2)).toBe("H2 H2");
    pit.setGate2(true);
    expect(trace(2)).toBe("H1 L0");
    pit.setGate2(false);
    expect(trace(1)).toBe("H0");
  });

  it("mode 5: the trigger starts the count to the strobe", () => {
    pit.setGate2(false);
    out(3, 0xba);
    out(2, 3);
    out(2, 0);
    clk(10);
    expect(pit.out(2)).toBe(true);
    pit.setGate2(true);
    expect(trace(2)).toBe("H3 H2");
    pit.setGate2(false);
    pit.setGate2(true);
    expect(trace(5)).toBe("H3 H2 H1 L0 Hffff");
  });

  it("modes 6 and 7 are 2 and 3", () => {
    program(6, 3);
    expect(trace(4)).toBe("H3 H2 L1 H3");
    program(7, 4);
    expect(trace(4)).toBe("H4 H2 L4 L2");
  });

  it("takes count 0 as 10000h, or 10000 in BCD", () => {
    program(2, 0);
    expect(trace(2)).toBe("H0 Hffff");
    clk(65_534);
    expect(trace(1)).toBe("H0");
    program(2, 0, 1);
    expect(trace(2)).toBe("H0 H9999");
    clk(9_998);
    expect(trace(1)).toBe("H0");
  });

  it("counts in decades", () => {
    program(0, 0x0101, 1);
    expect(trace(3)).toBe("L101 L100 L99");
    clk(98);
    expect(trace(3)).toBe("H0 H9999 H9998");
  });
});

describe("8254 programming", () => {
  it("gives the same from one leap as from single pulses, in every mode", () => {
    for (const mode of [0, 1, 2, 3, 4, 5]) {
      for (const value of [2, 3, 7, 10, 100]) {
        for (const leap of [1, 2, 3, 4, 5, 9, 10, 11, 57, 203, 1000]) {
          program(mode, value);
          pit.setGate2(false);
          pit.setGate2(true);
          for (let i = 0; i < leap; i++) {
            clk(1);
            pit.out(2);
          }
          const stepped = `${pit.out(2)} ${count(2)}`;
          program(mode, value);
          pit.setGate2(false);
          pit.setGate2(true);
          clk(leap);
          expect(`${pit.out(2)} ${count(2)}`, `mode ${mode} count ${value} after ${leap}`).toBe(stepped);
        }
      }
    }
  });

  it("reads and writes one byte only when told so", () => {
    out(3, 0x50);
    out(1, 0x34);
    clk(2);
    expect([inp(1), inp(1)]).toEqual([0x33, 0x33]);
    out(3, 0x60);
    out(1, 0x12);
    clk(1);
    expect([inp(1), inp(1)]).toEqual([0x12, 0x12]);
    clk(1);
    expect(inp(1)).toBe(0x11);
  });

  it("keeps separate byte order for reading and writing", () => {
    out(3, 0x74);
    out(1, 0x00);
    out(1, 0x10);
    clk(1);
    expect(inp(1)).toBe(0x00);
    out(1, 0x22);
    expect(inp(1)).toBe(0x10);
    out(1, 0x20);
    clk(0x1000);
    expect(count(1)).toBe(0x2022);
  });

  it("latches a count until it is read, and ignores a second latch", () => {
    program(2, 0x1000);
    clk(0x11);
    out(3, 0x80);
    clk(5);
    out(3, 0x80);
    expect(count(2)).toBe(0xff0);
    expect(count(2)).toBe(0xfeb);
  });

  it("reads back status: OUT, null count and the control word as written", () => {
    out(3, 0xbe);
    out(3, 0xe8);
    expect(inp(2)).toBe(0xfe);
    pit.setGate2(true);
    out(2, 10);
    out(2, 0);
    out(3, 0xe8);
    expect(inp(2)).toBe(0xfe);
    clk(1);
    out(3, 0xe8);
    expect(inp(2)).toBe(0xbe);
    clk(5);
    out(3, 0xe8);
    expect(inp(2)).toBe(0x3e);
  });

  it("reads back status first, then the count, of several counters", () => {
    program(2, 0x100);
    out(3, 0x74);
    out(1, 0x00);
    out(1, 0x02);
    clk(0x10);
    out(3, 0xcc);
    clk(7);
    expect(inp(2)).toBe(0xb4);
    expect(count(2)).toBe(0xf1);
    expect(inp(1)).toBe(0xb4);
    expect(count(1)).toBe(0x1f1);
  });

  it("forgets latches on a new control word", () => {
    program(0, 0x1000);
    clk(1);
    out(3, 0x80);
    program(0, 0x2000);
    clk(1);
    expect(count(2)).toBe(0x2000);
  });

  it("floats at the control word's address", () => {
    expect(inp(3)).toBe(0xff);
  });
});

describe("8254 counter 0 and IRQ 0", () => {
  function tick(mode: number, value: number) {
    out(3, 0x30 | (mode << 1));
    out(0, value & 0xff);
    out(0, value >> 8);
  }

  it("rises once per period, without drift over ten minutes", () => {
    tick(2, 11932);
    const before = irq0.rises;
    clock.advance(600e9);
    expect(irq0.rises - before).toBe(Math.floor((600 * PIT_HZ - 1) / 11932));
  });

  it("gives the BIOS's 18.2 Hz in mode 3", () => {
    tick(3, 0);
    const before = irq0.rises;
    clock.advance(3600e9);
    expect(irq0.rises - before).toBe(Math.floor((3600 * PIT_HZ - 1) / 65536));
  });

  it("interrupts once in mode 0, at its time", () => {
    tick(0, 1000);
    clk(1000);
    expect(irq0.level).toBe(false);
    clk(1);
    expect(irq0.level).toBe(true);
    clock.advance(1e9);
    expect(irq0.rises).toBe(1);
  });

  it("is low for one pulse in mode 2", () => {
    tick(2, 100);
    clk(99);
    expect(irq0.level).toBe(true);
    clk(1);
    expect(irq0.level).toBe(false);
    clk(1);
    expect(irq0.level).toBe(true);
  });

  it("shows a rising edge even when a leap ends in the low half", () => {
    tick(3, 1000);
    clk(10);
    const before = irq0.rises;
    clock.leap(crystal.nsOf(1700));
    expect(irq0.rises).toBe(before + 1);
    expect(irq0.level).toBe(true);
    clk(285);
    expect([irq0.level, irq0.rises]).toEqual([true, before + 1]);
    clk(10);
    expect([irq0.level, irq0.rises]).toEqual([true, before + 2]);
    clk(500);
    expect(irq0.level).toBe(false);
  });

  it("does not lose an edge when the counter is read before its timer expires", () => {
    tick(2, 50);
    clk(1);
    const before = irq0.rises;
    clock.leap(crystal.nsOf(60));
    inp(0);
    expect(irq0.rises).toBe(before + 1);
  });

  it("stays quiet before it is programmed and with a count that is not complete", () => {
    clock.advance(1e9);
    out(3, 0x30);
    out(0, 10);
    clock.advance(1e9);
    expect(irq0.rises).toBe(0);
  });
});

describeDevice("8254", () => {
  const clock = new ManualClock();
  const irq0 = new Probe();
  const device = new Pit8254({ clock, irq0 });
  return { device, clock, regions: [{ region: device.region, size: 4 }], afterReset: [[0, 3, 0xff]], lines: [irq0] };
});
