import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Uart16550a } from "./uart-16550a.ts";

let clock: ManualClock;
let irq: Probe;
let sent: number[];
let uart: Uart16550a;

beforeEach(() => {
  clock = new ManualClock();
  irq = new Probe();
  sent = [];
  uart = new Uart16550a({ id: "COM1", clock, irq, sink: { byte: (value) => sent.push(value) } });
});

const RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7;
const out = (offset: number, value: number) => uart.region.write(offset, 1, value);
const inp = (offset: number) => uart.region.read(offset, 1);
const MS = 1_000_000;

/** 115200 8N1: a character takes 86.8 us. */
function setUp(fcr: number, ier: number) {
  out(LCR, 0x83);
  out(0, 1);
  out(1, 0);
  out(LCR, 0x03);
  out(FCR, fcr);
  out(MCR, 0x0b);
  out(IER, ier);
}

const text = (bytes: string) => {
  for (const c of bytes) uart.receive(c.charCodeAt(0));
};

describe("16550A registers", () => {
  it("shows the divisor behind DLAB", () => {
    out(LCR, 0x80);
    out(0, 0x34);
    out(1, 0x12);
    expect([inp(0), inp(1)]).toEqual([0x34, 0x12]);
    out(LCR, 0x03);
    expect(inp(1)).toBe(0);
    expect(inp(LCR)).toBe(0x03);
  });

  it("keeps the scratch register, the low IER nibble and five MCR bits", () => {
    out(SCR, 0xa5);
    out(IER, 0xff);
    out(MCR, 0xff);
    expect([inp(SCR), inp(IER), inp(MCR)]).toEqual([0xa5, 0x0f, 0x1f]);
    uart.reset();
    expect([inp(SCR), inp(IER), inp(MCR)]).toEqual([0xa5, 0, 0]);
  });

  it("tells a 16550A by IIR bits 7 and 6, and is no 16750", () => {
    out(FCR, 0x01);
    expect(inp(IIR)).toBe(0xc1);
    out(LCR, 0x80);
    out(FCR, 0x21);
    expect(inp(IIR)).toBe(0xc1);
    out(FCR, 0x00);
    expect(inp(IIR)).toBe(0x01);
  });

  it("ignores writes to LSR and MSR", () => {
    out(LSR, 0xff);
    out(MSR, 0xff);
    expect([inp(LSR), inp(MSR)]).toEqual([0x60, 0xb0]);
  });
});

describe("16550A reset", () => {
  it("shows the line inputs without changes", () => {
    uart.setModemLines({ cts: true, dsr: false, ri: false, dcd: false });
    uart.reset();
    expect(inp(MSR)).toBe(0x10);
  });
});

describe("16550A transmitter", () => {
  it("sends at once and is always ready for a polling guest", () => {
    out(LCR, 0x03);
    for (const c of [0x41, 0x42]) {
      expect(inp(LSR) & 0x20).toBe(0x20);
      out(THR, c);
    }
    expect(sent).toEqual([0x41, 0x42]);
    expect(inp(LSR)).toBe(0x60);
  });

  it("raises THRE when it is enabled, clears it by reading IIR, and again on every enabling", () => {
    setUp(0x01, 0);
    out(IER, 0x02);
    expect(irq.level).toBe(true);
    expect(inp(IIR)).toBe(0xc2);
    expect(inp(IIR)).toBe(0xc1);
    expect(irq.level).toBe(false);
    out(IER, 0x02);
    expect(inp(IIR)).toBe(0xc1);
    out(IER, 0x00);
    out(IER, 0x02);
    expect(inp(IIR)).toBe(0xc2);
  });

  it("raises THRE a little after a write, so that a handler which refills can leave", () => {
    setUp(0x01, 0x02);
    inp(IIR);
    for (let i = 0; i < 16; i++) out(THR, i);
    expect(irq.level).toBe(false);
    expect(inp(IIR)).toBe(0xc1);
    clock.advance(2_000);
    expect(irq.level).toBe(true);
    out(THR, 0x41);
    expect(irq.level).toBe(false);
    clock.advance(2_000);
    expect(inp(IIR)).toBe(0xc2);
    clock.advance(MS);
    expect(inp(IIR)).toBe(0xc1);
  });

  it("sends nothing while it holds a break", () => {
    out(LCR, 0x43);
    out(THR, 0x41);
    expect(sent).toEqual([]);
    expect(uart.sendsBreak).toBe(true);
    out(LCR, 0x03);
    expect(uart.sendsBreak).toBe(false);
  });

  it("interrupts only through OUT2", () => {
    setUp(0x01, 0x02);
    out(MCR, 0x03);
    expect(irq.level).toBe(false);
    out(MCR, 0x0b);
    expect(irq.level).toBe(true);
  });
});

describe("16550A receiver", () => {
  it("holds one byte without FIFO and takes the next when it is read", () => {
    setUp(0x00, 0x01);
    text("ab");
    expect(irq.level).toBe(true);
    expect(inp(IIR)).toBe(0x04);
    clock.advance(MS);
    expect(inp(LSR)).toBe(0x61);
    expect(inp(RBR)).toBe(0x61);
    expect(inp(RBR)).toBe(0x62);
    expect(inp(LSR)).toBe(0x60);
    expect(irq.level).toBe(false);
  });

  it("interrupts at the trigger level", () => {
    for (const [fcr, level] of [[0x01, 1], [0x41, 4], [0x81, 8], [0xc1, 14]] as const) {
      setUp(fcr | 0x02, 0x01);
      text("x".repeat(level - 1));
      clock.advance(86_900 * (level - 1));
      if (level > 1) expect(inp(IIR), `level ${level}`).toBe(0xc1);
      text("x");
      clock.advance(90_000);
      expect(inp(IIR), `level ${level}`).toBe(0xc4);
      clock.advance(MS);
      expect(inp(IIR), `level ${level}, nobody reads`).toBe(0xcc);
      inp(RBR);
      expect(inp(IIR) & 0x0f).not.toBe(0x04);
    }
  });

  it("raises a timeout four characters after the last one, below the trigger level", () => {
    setUp(0xc1, 0x01);
    text("hi");
    clock.advance(87_000);
    expect(irq.level).toBe(false);
    clock.advance(340_000);
    expect(irq.level).toBe(false);
    clock.advance(10_000);
    expect(inp(IIR)).toBe(0xcc);
    expect(inp(RBR)).toBe(0x68);
    expect(irq.level).toBe(false);
    clock.advance(350_000);
    expect(inp(IIR)).toBe(0xcc);
    expect(inp(RBR)).toBe(0x69);
    clock.advance(MS);
    expect(inp(IIR)).toBe(0xc1);
  });

  it("loses nothing of a pasted text, however slowly the guest reads", () => {
    setUp(0x81, 0x01);
    const paste = Array.from({ length: 500 }, (_, i) => String.fromCharCode(32 + (i % 90))).join("");
    text(paste);
    let read = "";
    for (let round = 0; round < 200; round++) {
      clock.advance(3 * MS);
      expect(irq.level || read.length === 500).toBe(true);
      while ((inp(LSR) & 1) !== 0) read += String.fromCharCode(inp(RBR));
    }
    expect(read).toBe(paste);
    expect(inp(LSR) & 0x02).toBe(0);
    expect(uart.queued).toBe(0);
  });

  it("comes at the speed that is set", () => {
    setUp(0x01, 0);
    text("abcd");
    expect(uart.queued).toBe(3);
    clock.advance(86_806 + 1);
    expect(uart.queued).toBe(2);
    clock.advance(86_806 + 1);
    expect(uart.queued).toBe(1);
  });

  it("empties its FIFO when told to and when FIFO mode changes", () => {
    setUp(0x01, 0);
    text("abc");
    clock.advance(MS);
    expect(inp(LSR) & 1).toBe(1);
    out(FCR, 0x03);
    expect(inp(LSR) & 1).toBe(0);
    text("abc");
    clock.advance(MS);
    out(FCR, 0x00);
    expect(inp(LSR) & 1).toBe(0);
  });

  it("reports a break with the byte that it belongs to, first of all sources", () => {
    setUp(0x01, 0x05);
    text("a");
    uart.receiveBreak();
    clock.advance(200_000);
    expect(inp(LSR)).toBe(0xe1);
    expect(inp(IIR)).toBe(0xc4);
    expect(inp(RBR)).toBe(0x61);
    expect(inp(IIR)).toBe(0xc6);
    expect(inp(LSR)).toBe(0xf9);
    expect(inp(LSR)).toBe(0x61);
    expect(inp(RBR)).toBe(0);
    expect(inp(IIR)).toBe(0xc1);
  });
});

describe("16550A modem lines and loopback", () => {
  it("notes changes until MSR is read, ring at its end", () => {
    setUp(0x01, 0x08);
    uart.setModemLines({ cts: false, dsr: true, ri: true, dcd: false });
    expect(irq.level).toBe(true);
    expect(inp(IIR)).toBe(0xc0);
    expect(inp(MSR)).toBe(0x69);
    expect(inp(MSR)).toBe(0x60);
    expect(irq.level).toBe(false);
    uart.setModemLines({ cts: false, dsr: true, ri: false, dcd: false });
    expect(inp(MSR)).toBe(0x24);
  });

  it("wires MCR to MSR in loopback (the probe of Linux's driver)", () => {
    out(MCR, 0x1a);
    expect(inp(MSR) & 0xf0).toBe(0x90);
    out(MCR, 0x15);
    expect(inp(MSR) & 0xf0).toBe(0x60);
    out(MCR, 0x0b);
    expect(inp(MSR) & 0xf0).toBe(0xb0);
  });

  it("receives what it sends, keeps it off the line, and overruns when nobody reads", () => {
    setUp(0x01, 0);
    out(MCR, 0x1b);
    for (let i = 0; i < 17; i++) out(THR, i);
    expect(sent).toEqual([]);
    expect(inp(LSR)).toBe(0x63);
    expect(Array.from({ length: 16 }, () => inp(RBR))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(inp(LSR)).toBe(0x60);
  });

  it("overwrites the single byte without FIFO, and cuts to the word length", () => {
    out(LCR, 0x00);
    out(MCR, 0x10);
    out(THR, 0xff);
    out(THR, 0x4a);
    expect(inp(LSR)).toBe(0x63);
    expect(inp(RBR)).toBe(0x0a);
  });

  it("receives its own break", () => {
    out(MCR, 0x10);
    out(LCR, 0x43);
    expect(inp(LSR)).toBe(0x79);
  });

  it("leaves the line waiting and asserts no interrupt in loopback", () => {
    setUp(0x01, 0x0f);
    out(MCR, 0x1b);
    text("zz");
    out(THR, 0x41);
    clock.advance(MS);
    expect(irq.level).toBe(false);
    expect(inp(RBR)).toBe(0x41);
    expect(inp(LSR) & 1).toBe(0);
    out(MCR, 0x0b);
    expect(inp(RBR)).toBe(0x7a);
  });
});

describeDevice("16550A", () => {
  const clock = new ManualClock();
  const irq = new Probe();
  const device = new Uart16550a({ id: "COM1", clock, irq, sink: { byte: () => {} } });
  return {
    device,
    clock,
    regions: [{ region: device.region, size: 8 }],
    afterReset: [[0, IER, 0], [0, IIR, 1], [0, LCR, 0], [0, MCR, 0], [0, LSR, 0x60]],
    lines: [irq],
    stir: (n) => {
      if (n % 5 === 0) device.receiveBreak();
      else if (n % 5 === 1) device.setModemLines({ cts: (n & 32) !== 0, dsr: (n & 64) !== 0, ri: (n & 128) !== 0, dcd: (n & 256) !== 0 });
      else device.receive(n & 0xff);
    },
  };
});
