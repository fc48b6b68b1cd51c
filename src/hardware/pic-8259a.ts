// 8259A Programmable Interrupt Controller, two of them cascaded as in a PC/AT, with the ELCR of the PCI chip sets.
//
// Manuals: Intel 8259A datasheet (231468); 82371AB (PIIX4), "Edge/Level Control Registers" for 4D0h and 4D1h.
//
// Not implemented: 8080/8085 (CALL) mode, buffered mode's SP/EN pin (ICW4's bits are accepted), more than one slave.

import { byteRegion } from "./bus.ts";
import type { Device, DeviceState, Line, Region } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1_LTIM = 0x08;
const ICW1_D4 = 0x10;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3_D3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

/** The master's input that carries the slave. */
const CASCADE = 2;

function powerOn() {
  return {
    /** IR inputs as they are now. */
    pins: 0,
    /** Edges seen and not yet acknowledged. */
    edges: 0,
    isr: 0,
    imr: 0,
    elcr: 0,
    /** The input with the lowest priority; the one after it has the highest. */
    lowest: 7,
    vectorBase: 0,
    /** 0 = operating, else the number of the ICW expected next at A0 = 1. */
    nextIcw: 0,
    icw1: 0,
    icw3: 0,
    icw4: 0,
    rotateOnAeoi: false,
    specialMask: false,
    readIsr: false,
    poll: false,
    int: false,
  };
}

/** One 8259A. */
class Pic8259a {
  private r = powerOn();
  private readonly elcrMask: number;
  private readonly int: Line;
  /** The chip on IR2, when this one is the master. */
  private readonly slave: Pic8259a | undefined;

  constructor(elcrMask: number, int: Line, slave?: Pic8259a) {
    this.elcrMask = elcrMask;
    this.int = int;
    this.slave = slave;
  }

  /** A PC's reset does not touch an 8259A, which has no reset pin; its board starts it afresh all the same, inputs kept. */
  reset(): void {
    const { pins } = this.r;
    this.r = { ...powerOn(), pins, edges: 0 };
    this.int.set(false);
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState("8259A", powerOn(), state);
    this.int.set(this.r.int);
  }

  setPin(ir: number, level: boolean): void {
    const bit = 1 << ir;
    if (level === ((this.r.pins & bit) !== 0)) return;
    this.r.pins ^= bit;
    if (level) this.r.edges |= bit;
    this.update();
  }

  /** Requests: a level, or an edge whose input is still high. An input that falls before INTA takes its request back. */
  private get irr(): number {
    const level = (this.r.icw1 & ICW1_LTIM) !== 0 ? 0xff : this.r.elcr;
    return this.r.pins & (level | this.r.edges);
  }

  /** Inputs that ask and are not masked, whatever is in service. A request by an edge counts also while its input is low again. */
  get requests(): number {
    const { pins, edges, elcr, icw1, imr } = this.r;
    return (edges | (pins & ((icw1 & ICW1_LTIM) !== 0 ? 0xff : elcr))) & ~imr;
  }

  /** The input that would be acknowledged now, or -1. */
  private highest(): number {
    const { imr, isr, lowest, specialMask } = this.r;
    const requests = this.irr & ~imr;
    if (requests === 0) return -1;
    const inService = specialMask ? isr & ~imr : isr;
    // Special fully nested mode: a slave in service does not shut out its own further requests.
    const nested = this.slave !== undefined && (this.r.icw4 & ICW4_SFNM) !== 0 ? 1 << CASCADE : 0;
    for (let i = 1; i <= 8; i++) {
      const ir = (lowest + i) & 7;
      const bit = 1 << ir;
      if ((requests & bit) !== 0 && ((inService & ~nested) & bit) === 0) return ir;
      if ((inService & bit) !== 0) return -1;
    }
    return -1;
  }

  private update(): void {
    // Between ICW1 and the last ICW the chip asks for nothing.
    this.r.int = this.r.nextIcw === 0 && this.highest() >= 0;
    this.int.set(this.r.int);
  }

  /** The INTA cycles: the request moves from IRR to ISR; without one, IR7's vector goes out (spurious) and ISR stays. */
  acknowledge(): number {
    const ir = this.take();
    if (ir < 0) return this.r.vectorBase | 7;
    if (ir === CASCADE && this.slave !== undefined && (this.r.icw1 & ICW1_SNGL) === 0) return this.slave.acknowledge();
    return this.r.vectorBase | ir;
  }

  private take(): number {
    const ir = this.highest();
    if (ir >= 0) {
      const bit = 1 << ir;
      this.r.edges &= ~bit;
      if ((this.r.icw4 & ICW4_AEOI) === 0) this.r.isr |= bit;
      else if (this.r.rotateOnAeoi) this.r.lowest = ir;
    }
    // INT falls during INTA even when another request waits, so that an edge-triggered master sees the next one.
    this.int.set(false);
    this.update();
    return ir;
  }

  read(a0: number): number {
    if (this.r.poll) {
      this.r.poll = false;
      const ir = this.take();
      return ir < 0 ? 0 : 0x80 | ir;
    }
    if (a0 === 1) return this.r.imr;
    return this.r.readIsr ? this.r.isr : this.irr;
  }

  write(a0: number, value: number): void {
    if (a0 === 0 && (value & ICW1_D4) !== 0) this.writeIcw1(value);
    else if (a0 === 0 && (value & OCW3_D3) !== 0) this.writeOcw3(value);
    else if (a0 === 0) this.writeOcw2(value);
    else if (this.r.nextIcw !== 0) this.writeIcw(value);
    else this.r.imr = value;
    this.update();
  }

  private writeIcw1(value: number): void {
    const { pins, elcr, vectorBase, icw3, icw4 } = this.r;
    this.r = { ...powerOn(), pins, elcr, vectorBase, icw3, icw1: value, icw4: (value & ICW1_IC4) !== 0 ? icw4 : 0, nextIcw: 2 };
  }

  private writeIcw(value: number): void {
    const { r } = this;
    switch (r.nextIcw) {
      case 2:
        r.vectorBase = value & 0xf8;
        r.nextIcw = (r.icw1 & ICW1_SNGL) === 0 ? 3 : (r.icw1 & ICW1_IC4) !== 0 ? 4 : 0;
        break;
      case 3:
        r.icw3 = value;
        r.nextIcw = (r.icw1 & ICW1_IC4) !== 0 ? 4 : 0;
        break;
      default:
        r.icw4 = value & 0x1f;
        r.nextIcw = 0;
    }
  }

  /** OCW2: R, SL, EOI in bits 7 to 5. */
  private writeOcw2(value: number): void {
    const { r } = this;
    const specific = (value & 0x40) !== 0;
    const rotate = (value & 0x80) !== 0;
    if ((value & 0x20) !== 0) {
      const ir = specific ? value & 7 : this.highestInService();
      if (ir < 0) return;
      r.isr &= ~(1 << ir);
      if (rotate) r.lowest = ir;
    } else if (specific) {
      if (rotate) r.lowest = value & 7;
    } else {
      r.rotateOnAeoi = rotate;
    }
  }

  /** What a non-specific EOI ends. In special mask mode it spares the levels that are masked. */
  private highestInService(): number {
    const inService = this.r.specialMask ? this.r.isr & ~this.r.imr : this.r.isr;
    for (let i = 1; i <= 8; i++) {
      const ir = (this.r.lowest + i) & 7;
      if ((inService & (1 << ir)) !== 0) return ir;
    }
    return -1;
  }

  private writeOcw3(value: number): void {
    if ((value & OCW3_ESMM) !== 0) this.r.specialMask = (value & OCW3_SMM) !== 0;
    if ((value & OCW3_POLL) !== 0) this.r.poll = true;
    else if ((value & OCW3_RR) !== 0) this.r.readIsr = (value & OCW3_RIS) !== 0;
  }

  readElcr(): number {
    return this.r.elcr;
  }

  writeElcr(value: number): void {
    this.r.elcr = value & this.elcrMask;
    this.update();
  }
}

/** Both controllers of a PC/AT. */
export class Pic8259aPair implements Device {
  readonly id = "8259A";
  /** Ports 20h-21h. */
  readonly masterRegion: Region;
  /** Ports A0h-A1h. */
  readonly slaveRegion: Region;
  /** Ports 4D0h-4D1h: a set bit makes the input level-triggered. IRQ 0, 1, 2, 8 and 13 are always edges. */
  readonly elcrRegion: Region;
  private readonly master: Pic8259a;
  private readonly slave: Pic8259a;

  constructor(wiring: { intr: Line }) {
    this.slave = new Pic8259a(0xde, { set: (level) => this.master.setPin(CASCADE, level) });
    this.master = new Pic8259a(0xf8, wiring.intr, this.slave);
    this.masterRegion = byteRegion(portsOf(this.master));
    this.slaveRegion = byteRegion(portsOf(this.slave));
    this.elcrRegion = byteRegion({
      read: (offset) => (offset === 0 ? this.master : this.slave).readElcr(),
      write: (offset, value) => (offset === 0 ? this.master : this.slave).writeElcr(value),
    });
  }

  /** The wire of IRQ `n`. The AT carries the old IRQ 2 to IRQ 9. */
  irq(n: number): Line {
    const chip = n >= 8 || n === CASCADE ? this.slave : this.master;
    const ir = n === CASCADE ? 1 : n & 7;
    return { set: (level) => chip.setPin(ir, level) };
  }

  /** A device asks for an interrupt that is not masked here. It need not come: another in service may hold it up. */
  get requested(): boolean {
    return (this.master.requests & ~(1 << CASCADE)) !== 0 || this.slave.requests !== 0;
  }

  /** The processor's INTA: the vector to deliver. */
  acknowledge(): number {
    return this.master.acknowledge();
  }

  reset(): void {
    this.slave.reset();
    this.master.reset();
  }

  save(): DeviceState {
    return { master: this.master.save(), slave: this.slave.save() };
  }

  load(state: DeviceState): void {
    // The slave's INT reaches the master as an edge, so the master's own state comes last.
    this.slave.load((state["slave"] ?? {}) as DeviceState);
    this.master.load((state["master"] ?? {}) as DeviceState);
  }
}

function portsOf(chip: Pic8259a) {
  return {
    read: (offset: number) => chip.read(offset),
    write: (offset: number, value: number) => chip.write(offset, value),
  };
}
