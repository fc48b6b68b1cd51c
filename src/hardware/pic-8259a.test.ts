import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Pic8259aPair } from "./pic-8259a.ts";

let intr: Probe;
let pic: Pic8259aPair;

beforeEach(() => {
  intr = new Probe();
  pic = new Pic8259aPair({ intr });
});

const out = (port: number, value: number) => {
  (port < 0xa0 ? pic.masterRegion : pic.slaveRegion).write(port & 1, 1, value);
};
const inp = (port: number) => (port < 0xa0 ? pic.masterRegion : pic.slaveRegion).read(port & 1, 1);
const ocw3 = { irr: 0x0a, isr: 0x0b };

/** As the PC BIOS programs them: vectors 08h and 70h. */
function initialize(icw4 = 0x01, slaveIcw4 = icw4, icw1 = 0x11) {
  out(0x20, icw1);
  out(0x21, 0x08);
  out(0x21, 0x04);
  out(0x21, icw4);
  out(0xa0, icw1);
  out(0xa1, 0x70);
  out(0xa1, 0x02);
  out(0xa1, slaveIcw4);
}

function pulse(irq: number) {
  pic.irq(irq).set(false);
  pic.irq(irq).set(true);
}

describe("8259A initialization", () => {
  it("clears the mask, expects ICW2 to ICW4, then takes OCW1", () => {
    out(0x21, 0xff);
    initialize();
    expect(inp(0x21)).toBe(0);
    out(0x21, 0xb8);
    expect(inp(0x21)).toBe(0xb8);
  });

  it("asks for nothing before the last ICW", () => {
    out(0x20, 0x11);
    pulse(1);
    expect(intr.level).toBe(false);
    out(0x21, 0x08);
    out(0x21, 0x04);
    expect(intr.level).toBe(false);
    out(0x21, 0x01);
    expect(intr.level).toBe(true);
  });

  it("needs no ICW3 when single and no ICW4 without IC4", () => {
    out(0x20, 0x12);
    out(0x21, 0x40);
    out(0x21, 0xfe);
    expect(inp(0x21)).toBe(0xfe);
    pulse(0);
    expect(pic.acknowledge()).toBe(0x40);
  });

  it("resets the edge sense: an input that stays high must fall and rise again", () => {
    initialize();
    pulse(1);
    initialize();
    expect(intr.level).toBe(false);
    expect(inp(0x20)).toBe(0);
    pulse(1);
    expect(intr.level).toBe(true);
  });

  it("forgets ICW4's modes when ICW1 comes without IC4", () => {
    initialize(0x03);
    out(0x20, 0x10);
    out(0x21, 0x08);
    out(0x21, 0x04);
    pulse(3);
    pic.acknowledge();
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0x08);
  });

  it("ignores the low three bits of the vector base", () => {
    out(0x20, 0x11);
    out(0x21, 0x2f);
    out(0x21, 0x04);
    out(0x21, 0x01);
    pulse(1);
    expect(pic.acknowledge()).toBe(0x29);
  });
});

describe("8259A priority", () => {
  beforeEach(() => initialize());

  it("takes the lowest-numbered request first and blocks equal and lower ones until EOI", () => {
    pulse(4);
    pulse(1);
    expect(pic.acknowledge()).toBe(0x09);
    expect(intr.level).toBe(false);
    out(0x20, 0x20);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x0c);
    pulse(0);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x08);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0x11);
    out(0x20, 0x20);
    expect(inp(0x20)).toBe(0x10);
  });

  it("masks with OCW1 and keeps the request", () => {
    out(0x21, 0x02);
    pulse(1);
    expect(intr.level).toBe(false);
    out(0x20, ocw3.irr);
    expect(inp(0x20)).toBe(0x02);
    out(0x21, 0);
    expect(intr.level).toBe(true);
  });

  it("ends a given level with a specific EOI", () => {
    pulse(5);
    pic.acknowledge();
    pulse(1);
    pic.acknowledge();
    out(0x20, 0x65);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0x02);
  });

  it("rotates on non-specific EOI: the level served becomes the lowest", () => {
    pulse(4);
    pic.acknowledge();
    out(0x20, 0xa0);
    pulse(4);
    pulse(5);
    pulse(3);
    expect(pic.acknowledge()).toBe(0x0d);
    out(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x0b);
    out(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x0c);
  });

  it("rotates on specific EOI and by the set-priority command", () => {
    pulse(0);
    pic.acknowledge();
    out(0x20, 0xe0);
    pulse(0);
    pulse(7);
    expect(pic.acknowledge()).toBe(0x0f);
    out(0x20, 0x67);
    out(0x20, 0xc7);
    pulse(7);
    expect(pic.acknowledge()).toBe(0x08);
  });

  it("lets other levels in by special mask mode, and spares masked ones from a non-specific EOI", () => {
    pulse(1);
    pic.acknowledge();
    pulse(6);
    expect(intr.level).toBe(false);
    out(0x20, 0x68);
    out(0x21, 0x02);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x0e);
    out(0x20, 0x20);
    out(0x20, 0x20);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0x02);
    out(0x20, 0x48);
    out(0x20, 0x20);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0);
  });
});

describe("8259A automatic EOI", () => {
  it("leaves ISR clear", () => {
    initialize(0x03);
    pulse(6);
    expect(pic.acknowledge()).toBe(0x0e);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0);
  });

  it("rotates when told to", () => {
    initialize(0x03);
    out(0x20, 0x80);
    pulse(3);
    pic.acknowledge();
    pulse(3);
    pulse(4);
    expect(pic.acknowledge()).toBe(0x0c);
    out(0x20, 0x00);
    pulse(4);
    expect(pic.acknowledge()).toBe(0x0b);
    pulse(3);
    expect(pic.acknowledge()).toBe(0x0b);
  });
});

describe("8259A triggering", () => {
  it("takes a request back when an edge input falls before INTA: spurious IR7", () => {
    initialize();
    pulse(3);
    pic.irq(3).set(false);
    expect(intr.level).toBe(false);
    expect(pic.acknowledge()).toBe(0x0f);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0);
  });

  it("asks once per edge", () => {
    initialize();
    pulse(3);
    pic.acknowledge();
    out(0x20, 0x20);
    expect(intr.level).toBe(false);
    pic.irq(3).set(true);
    expect(intr.level).toBe(false);
    pulse(3);
    expect(intr.level).toBe(true);
  });

  it("asks again after EOI while a level input stays high (ELCR)", () => {
    initialize();
    pic.elcrRegion.write(1, 1, 0x08);
    pic.irq(11).set(true);
    expect(pic.acknowledge()).toBe(0x73);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x73);
    pic.irq(11).set(false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(intr.level).toBe(false);
  });

  it("treats every input as a level with LTIM", () => {
    initialize(0x01, 0x01, 0x19);
    pic.irq(5).set(true);
    pic.acknowledge();
    out(0x20, 0x20);
    expect(intr.level).toBe(true);
  });

  it("keeps IRQ 0, 1, 2, 8 and 13 edge-triggered in the ELCR", () => {
    pic.elcrRegion.write(0, 2, 0xffff);
    expect(pic.elcrRegion.read(0, 2)).toBe(0xdef8);
  });
});

describe("8259A cascade", () => {
  beforeEach(() => initialize());

  it("delivers the slave's vector and needs an EOI on both chips", () => {
    pulse(12);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x74);
    out(0x20, ocw3.isr);
    out(0xa0, ocw3.isr);
    expect([inp(0x20), inp(0xa0)]).toEqual([0x04, 0x10]);
    pulse(3);
    expect(intr.level).toBe(false);
    pulse(1);
    expect(intr.level).toBe(true);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect([inp(0x20), inp(0xa0)]).toEqual([0, 0]);
  });

  it("places IRQ 8 to 15 between IRQ 1 and IRQ 3", () => {
    pulse(3);
    pulse(15);
    pulse(8);
    expect(pic.acknowledge()).toBe(0x70);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x77);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x0b);
  });

  it("takes the cascade's request back with the slave's: the master answers, as spurious IR7", () => {
    pulse(10);
    expect(intr.level).toBe(true);
    pic.irq(10).set(false);
    expect(intr.level).toBe(false);
    expect(pic.acknowledge()).toBe(0x0f);
    pulse(10);
    out(0xa1, 0x04);
    expect(intr.level).toBe(false);
    out(0xa1, 0);
    expect(pic.acknowledge()).toBe(0x72);
  });

  it("answers spurious IRQ 15 when the master's IR2 rises without a slave request", () => {
    // Only a slave that is polled between the two chips' answers shows this: its request is gone, the master's edge is not.
    const alone = new Pic8259aPair({ intr });
    alone.masterRegion.write(0, 1, 0x11);
    for (const value of [0x08, 0x04, 0x01]) alone.masterRegion.write(1, 1, value);
    alone.slaveRegion.write(0, 1, 0x11);
    for (const value of [0x70, 0x02, 0x01]) alone.slaveRegion.write(1, 1, value);
    const state = alone.save() as { master: { pins: number; edges: number } };
    state.master.pins |= 4;
    state.master.edges |= 4;
    alone.load(state);
    expect(alone.acknowledge()).toBe(0x77);
    alone.slaveRegion.write(0, 1, 0x0b);
    alone.masterRegion.write(0, 1, 0x0b);
    expect([alone.masterRegion.read(0, 1), alone.slaveRegion.read(0, 1)]).toEqual([0x04, 0]);
  });

  it("lets a higher slave request through in special fully nested mode only", () => {
    pulse(12);
    pic.acknowledge();
    pulse(8);
    expect(intr.level).toBe(false);
    pic.reset();
    initialize(0x11, 0x01);
    pulse(12);
    pic.acknowledge();
    pulse(15);
    pulse(3);
    expect(intr.level).toBe(false);
    pulse(8);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x70);
  });

  it("passes on a second slave request when the slave ends its first by itself", () => {
    initialize(0x01, 0x03);
    pulse(9);
    pulse(10);
    expect(pic.acknowledge()).toBe(0x71);
    out(0x20, 0x20);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x72);
  });

  it("carries IRQ 2 to IRQ 9", () => {
    pulse(2);
    expect(pic.acknowledge()).toBe(0x71);
  });
});

describe("8259A poll and status", () => {
  beforeEach(() => initialize());

  it("answers a poll with the request and puts it in service", () => {
    pulse(6);
    out(0x20, 0x0c);
    expect(inp(0x20)).toBe(0x86);
    expect(intr.level).toBe(false);
    out(0x20, ocw3.isr);
    expect(inp(0x20)).toBe(0x40);
    out(0x20, 0x0c);
    expect(inp(0x20)).toBe(0);
    expect(inp(0x20)).toBe(0x40);
  });

  it("reads IRR after initialization and keeps the choice of OCW3", () => {
    pulse(4);
    expect(inp(0x20)).toBe(0x10);
    pic.acknowledge();
    expect(inp(0x20)).toBe(0);
    out(0x20, ocw3.isr);
    expect([inp(0x20), inp(0x20)]).toEqual([0x10, 0x10]);
    out(0x20, 0x08);
    expect(inp(0x20)).toBe(0x10);
  });
});

describeDevice("8259A pair", () => {
  const lines = [new Probe()];
  const device = new Pic8259aPair({ intr: lines[0]! });
  return {
    device,
    clock: new ManualClock(),
    regions: [
      { region: device.masterRegion, size: 2 },
      { region: device.slaveRegion, size: 2 },
      { region: device.elcrRegion, size: 2 },
    ],
    afterReset: [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]],
    lines,
  };
});
