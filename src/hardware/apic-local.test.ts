import { beforeEach, describe, expect, it } from "vitest";
import { APIC_TIMER_HZ, LocalApic } from "./apic-local.ts";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";

// Offsets of Intel SDM Vol. 3A, "Local APIC Register Address Map".
const ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280;
const ICR = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LINT0 = 0x350, LINT1 = 0x360, LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0;
const MASKED = 0x1_0000, PERIODIC = 0x2_0000, ENABLED = 0x1ff;
const TICK = 1e9 / APIC_TIMER_HZ;

let clock: ManualClock, intr: Probe, apic: LocalApic, nmis: number, ended: number[], places: (number | null)[];
const read = (offset: number) => apic.region.read(offset, 4);
const write = (offset: number, value: number) => apic.region.write(offset, 4, value);

function build() {
  const wiring = {
    clock: (clock = new ManualClock()),
    intr: (intr = new Probe()),
    nmi: () => nmis++,
    acknowledgeExternal: () => 0x70,
    endOfInterrupt: (vector: number) => void ended.push(vector),
    place: (base: number | null) => void places.push(base),
  };
  return new LocalApic(wiring);
}

beforeEach(() => {
  nmis = 0;
  ended = [];
  places = [];
  apic = build();
  apic.reset();
});

const message = (vector: number, more: object = {}) => ({ vector, delivery: 0, logical: false, destination: 0, level: false, ...more });

describe("virtual wire mode", () => {
  it("passes the 8259's INTR on, and its vector, while the APIC is not enabled by software", () => {
    apic.lint0.set(true);
    expect([intr.level, apic.acknowledge()]).toEqual([true, 0x70]);
    apic.lint0.set(false);
    expect(intr.level).toBe(false);
  });

  it("stops at a masked LINT0, and goes on where the APIC is off altogether", () => {
    write(LINT0, MASKED | 0x700);
    apic.lint0.set(true);
    expect(intr.level).toBe(false);
    expect(apic.setBase(0xfee0_0000)).toBe(true);
    expect([intr.level, apic.acknowledge()]).toEqual([true, 0x70]);
  });

  it("masks every local interrupt when software disables the APIC", () => {
    write(SVR, ENABLED);
    write(LVT_TIMER, 0x30);
    write(LINT0, 0x700);
    write(SVR, 0xff);
    expect([read(LVT_TIMER), read(LINT0) & MASKED]).toEqual([MASKED | 0x30, MASKED]);
    write(LVT_TIMER, 0x30);
    expect(read(LVT_TIMER)).toBe(MASKED | 0x30);
  });
});

describe("priority", () => {
  beforeEach(() => write(SVR, ENABLED));

  it("delivers the highest vector first, nests by class and ends the last one", () => {
    apic.accept(message(0x41));
    apic.accept(message(0x52));
    expect([read(IRR + 0x20) >>> 0, intr.level]).toEqual([2 | (1 << 18), true]);
    expect(apic.acknowledge()).toBe(0x52);
    expect([read(PPR), intr.level]).toEqual([0x50, false]);
    // The same class waits; a higher one does not.
    apic.accept(message(0x5f));
    expect(intr.level).toBe(false);
    apic.accept(message(0x60));
    expect([intr.level, apic.acknowledge()]).toEqual([true, 0x60]);
    expect(read(ISR + 0x30)).toBe(1);
    write(EOI, 0);
    expect([read(ISR + 0x30), intr.level]).toEqual([0, false]);
    write(EOI, 0);
    expect([intr.level, apic.acknowledge()]).toEqual([true, 0x5f]);
  });

  it("holds back what the task priority covers; PPR keeps its low bits", () => {
    write(TPR, 0x4f);
    apic.accept(message(0x4f));
    expect([intr.level, read(PPR)]).toEqual([false, 0x4f]);
    write(TPR, 0x3f);
    expect(intr.level).toBe(true);
  });

  it("says that something asks for an interrupt, though the task priority holds it up", () => {
    expect(apic.requested).toBe(false);
    write(TPR, 0xf0);
    apic.accept(message(0x41));
    expect([apic.requested, intr.level]).toEqual([true, false]);
  });

  it("answers with the spurious vector, without ISR, when the request has gone", () => {
    write(SVR, 0x1ef);
    apic.accept(message(0x41));
    write(TPR, 0xf0);
    expect(apic.acknowledge()).toBe(0xef);
    expect(read(ISR + 0x70)).toBe(0);
  });

  it("tells the I/O APIC of the end of level-triggered vectors alone", () => {
    apic.accept(message(0x41, { level: true }));
    apic.accept(message(0x51));
    expect(read(TMR + 0x20)).toBe(2);
    apic.acknowledge();
    write(EOI, 0);
    apic.acknowledge();
    write(EOI, 0);
    expect(ended).toEqual([0x41]);
  });
});

describe("destinations", () => {
  const taken = (destination: number, logical: boolean) => apic.accept(message(0x40, { destination, logical }));
  beforeEach(() => write(SVR, ENABLED));

  it("compares the ID, or all ones, in physical mode", () => {
    write(ID, 0x0300_0000);
    expect([taken(3, false), taken(2, false), taken(0xff, false)]).toEqual([true, false, true]);
  });

  it("matches any bit of the flat model, and cluster and bit of the cluster model", () => {
    write(LDR, 0x1200_0000);
    expect([taken(0x02, true), taken(0x80, true)]).toEqual([true, false]);
    write(DFR, 0x0fff_ffff);
    expect([taken(0x12, true), taken(0x13, true), taken(0x22, true), taken(0x11, true)]).toEqual([true, true, false, false]);
  });

  it("takes nothing while it is disabled, but NMI", () => {
    write(SVR, 0xff);
    expect([taken(0, false), apic.accept(message(0, { delivery: 4 })), nmis]).toEqual([false, true, 1]);
  });
});

describe("interrupt command", () => {
  beforeEach(() => write(SVR, ENABLED));

  it.each([
    ["itself by shorthand", 0x4_0041, 0, true],
    ["everybody", 0x8_0041, 0, true],
    ["everybody else", 0xc_0041, 0, false],
    ["its own ID", 0x41, 0, true],
    ["somebody else", 0x41, 0x0500_0000, false],
  ])("to %s", (_name, command, destination, arrives) => {
    write(ICR_HIGH, destination);
    write(ICR, command);
    expect(intr.level).toBe(arrives);
    expect([read(ICR), read(ICR_HIGH)]).toEqual([command, destination]);
  });

  it("sends an NMI, and reports an illegal vector by the error interrupt", () => {
    write(ICR, 0x4_0400);
    expect(nmis).toBe(1);
    write(LVT_ERROR, 0xe1);
    write(ICR, 0x4_0005);
    expect(apic.acknowledge()).toBe(0xe1);
    expect(read(ESR)).toBe(0);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x20);
    write(ESR, 0);
    expect(read(ESR)).toBe(0);
  });

  it("notes registers that do not exist", () => {
    read(0x2f0);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x80);
  });
});

describe("timer", () => {
  beforeEach(() => write(SVR, ENABLED));

  it("counts down once at the divided clock and interrupts at zero", () => {
    write(DIVIDE, 0x3); // by 16
    write(LVT_TIMER, 0x30);
    write(INITIAL, 100);
    clock.advance(16 * TICK * 40);
    expect([read(CURRENT), intr.level]).toEqual([60, false]);
    clock.advance(16 * TICK * 60);
    expect([read(CURRENT), apic.acknowledge()]).toEqual([0, 0x30]);
    write(EOI, 0);
    clock.advance(1e6);
    expect(intr.level).toBe(false);
  });

  it.each([[0x0, 2], [0x1, 4], [0x2, 8], [0x3, 16], [0x8, 32], [0x9, 64], [0xa, 128], [0xb, 1]])("divides by the manual's table: %i means %i", (code, divisor) => {
    write(DIVIDE, code);
    write(INITIAL, 1000);
    clock.advance(divisor * TICK * 10);
    expect(read(CURRENT)).toBe(990);
  });

  it("reloads itself in periodic mode, every period an interrupt", () => {
    write(DIVIDE, 0xb);
    write(LVT_TIMER, PERIODIC | 0x30);
    write(INITIAL, 50);
    for (let n = 0; n < 3; n++) {
      clock.advance(50 * TICK);
      expect(apic.acknowledge()).toBe(0x30);
      write(EOI, 0);
    }
    clock.advance(10 * TICK);
    expect(read(CURRENT)).toBe(40);
  });

  it("does not interrupt while masked, and stops at a count of 0", () => {
    write(DIVIDE, 0xb);
    write(LVT_TIMER, PERIODIC | MASKED | 0x30);
    write(INITIAL, 50);
    clock.advance(120 * TICK);
    expect([intr.level, read(CURRENT)]).toEqual([false, 30]);
    write(LVT_TIMER, PERIODIC | 0x30);
    clock.advance(30 * TICK);
    expect(intr.level).toBe(true);
    write(INITIAL, 0);
    expect(read(CURRENT)).toBe(0);
  });
});

describe("LINT0 as an ordinary interrupt", () => {
  it("delivers its own vector at the edge; a level again after its end", () => {
    write(SVR, ENABLED);
    write(LINT0, 0x31);
    apic.lint0.set(true);
    expect(apic.acknowledge()).toBe(0x31);
    write(EOI, 0);
    expect(intr.level).toBe(false);
    apic.lint0.set(false);
    write(LINT0, 0x8031);
    apic.lint0.set(true);
    expect([apic.acknowledge(), read(LINT0)]).toEqual([0x31, 0xc031]);
    write(EOI, 0);
    expect([intr.level, ended]).toEqual([true, [0x31]]);
  });
});

describe("IA32_APIC_BASE", () => {
  it("moves the registers, switches them off and refuses reserved bits", () => {
    expect(apic.base).toBe(0xfee0_0900);
    places.length = 0;
    apic.setBase(0xfed8_0900);
    apic.setBase(0xfed8_0100);
    expect([places, apic.enabled, apic.base]).toEqual([[0xfed8_0000, null], false, 0xfed8_0100]);
    expect(apic.setBase(0xfee0_0c00)).toBe(false);
  });
});

describeDevice("local APIC", () => {
  const device = build();
  const lint0 = device.lint0;
  return {
    device, clock, lines: [intr],
    regions: [{ region: device.region, size: 0x400 }],
    afterReset: [
      [0, ID, 0, 4], [0, VERSION, 0x5_0014, 4], [0, TPR, 0, 4], [0, DFR, 0xffff_ffff, 4], [0, SVR, 0xff, 4],
      [0, LVT_TIMER, MASKED, 4], [0, LVT_ERROR, MASKED, 4], [0, LINT1, 0x400, 4], [0, LINT0, 0x700, 4],
    ],
    stir: (n) => (n & 1 ? lint0.set((n & 2) !== 0) : void device.accept(message(n & 0xff, { level: (n & 0x100) !== 0 }))),
  };
});
