// 8254 Programmable Interval Timer: three 16-bit counters at 1.193182 MHz.
//
// Manual: Intel 8254 datasheet (231164), "Mode Definitions" and "Read Operations". Nothing ticks here: every
// counter knows its state at one CLK cycle and folds any number of cycles into it when it is looked at.
// Counters 0 and 1 have GATE tied high, as in a PC; port 61h drives counter 2's.
//
// Deviation: a count of 1 in modes 2 and 3, which the datasheet forbids, acts as 2.
// Not implemented: sound.

import { byteRegion } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { Oscillator } from "./oscillator.ts";

export const PIT_HZ = 1193182;

/** Read/write field of the control word. */
const RW_LSB = 1;
const RW_MSB = 2;
const RW_BOTH = 3;

/** Mode 3, both bytes, binary. */
const SQUARE_WAVE = 0x36;

function powerOn() {
  return {
    /** Bits 5 to 0 of the last control word. The datasheet leaves everything before the first one undefined. */
    control: 0x30,
    /** Count register: the count for the next loading, 1 to 10000h (or 10000 in BCD). */
    cr: 0x10000,
    /** Counting element at CLK cycle `cycle`. In mode 3 it goes down by two. */
    ce: 0,
    cycle: 0,
    out: false,
    gate: true,
    /** A count was written since the control word. */
    armed: false,
    /** The next CLK loads CE from CR. */
    loading: false,
    /** Counting; in modes 1 and 5 since the first trigger. */
    counting: false,
    /** Modes 4 and 5: the strobe of this loading is still to come or present. */
    strobe: false,
    /** Mode 3: the count loaded was odd. */
    odd: false,
    nullCount: true,
    writeLow: 0,
    writeMsbNext: false,
    readMsbNext: false,
    latchedCount: -1,
    latchedStatus: -1,
  };
}

class Counter {
  r = powerOn();

  private get mode(): number {
    const mode = (this.r.control >> 1) & 7;
    return mode > 5 ? mode - 4 : mode;
  }

  private get rw(): number {
    return (this.r.control >> 4) & 3;
  }

  private get modulus(): number {
    return (this.r.control & 1) !== 0 ? 10_000 : 0x10000;
  }

  /** GATE low holds the count in modes 0, 2, 3 and 4; modes 1 and 5 only look at its rising edge. */
  private get running(): boolean {
    return this.r.counting && (this.r.gate || this.mode === 1 || this.mode === 5);
  }

  private get toZero(): number {
    return this.r.ce === 0 ? this.modulus : this.r.ce;
  }

  /** Mode 3: CLK pulses left in this half of the square wave. With an odd count OUT is high for one more. */
  private get toToggle(): number {
    return this.r.ce / 2 + (this.r.odd && this.r.out ? 1 : 0);
  }

  /** Whether OUT repeats itself: a square wave, or a rate. */
  get oscillates(): boolean {
    return this.running && (this.mode === 2 || this.mode === 3);
  }

  /** Brings the counter to CLK cycle `cycle`. Returns whether OUT rose on the way. */
  advance(cycle: number): boolean {
    const { r } = this;
    let cycles = cycle - r.cycle;
    if (cycles <= 0) return false;
    r.cycle = cycle;
    let rose = false;
    if (r.strobe && !r.out) {
      r.strobe = false;
      r.out = true;
      rose = true;
    }
    if (r.loading) {
      rose = this.load() || rose;
      cycles--;
    }
    return (cycles > 0 && this.running && this.count(cycles)) || rose;
  }

  /** CLK pulses until OUT changes or a count is loaded, if nothing is written. */
  cyclesToChange(): number {
    const { r } = this;
    if (r.loading || (r.strobe && !r.out)) return 1;
    if (!this.running) return Infinity;
    switch (this.mode) {
      case 0:
      case 1:
        return r.out ? Infinity : this.toZero;
      case 2:
        return r.out ? r.ce - 1 : 1;
      case 3:
        return this.toToggle;
      default:
        return r.strobe ? this.toZero : Infinity;
    }
  }

  private load(): boolean {
    const { r } = this;
    const before = r.out;
    r.loading = false;
    r.counting = true;
    this.reload();
    r.out = this.mode > 1;
    r.strobe = this.mode >= 4;
    return r.out && !before;
  }

  private reload(): void {
    const { r } = this;
    r.nullCount = false;
    const count = this.mode === 2 || this.mode === 3 ? Math.max(2, r.cr) : r.cr;
    r.odd = this.mode === 3 && count % 2 === 1;
    r.ce = r.odd ? count - 1 : count;
  }

  private count(cycles: number): boolean {
    const { r } = this;
    if (this.mode === 2) return this.countRate(cycles);
    if (this.mode === 3) return this.countSquare(cycles);
    let rose = false;
    if (this.mode < 2) {
      rose = !r.out && cycles >= this.toZero;
      r.out ||= rose;
    } else if (r.strobe) {
      rose = cycles > this.toZero;
      r.strobe = !rose;
      r.out = cycles !== this.toZero;
    }
    r.ce = (((r.ce - cycles) % this.modulus) + this.modulus) % this.modulus;
    return rose;
  }

  private countRate(cycles: number): boolean {
    const { r } = this;
    const rose = cycles >= r.ce;
    if (rose) {
      const over = cycles - r.ce;
      this.reload();
      r.ce -= over % r.ce;
    } else {
      r.ce -= cycles;
    }
    r.out = r.ce !== 1;
    return rose;
  }

  private countSquare(cycles: number): boolean {
    const { r } = this;
    let left = cycles;
    let rose = false;
    while (left >= this.toToggle) {
      left -= this.toToggle;
      r.out = !r.out;
      this.reload();
      const period = r.odd ? r.ce + 1 : r.ce;
      rose ||= r.out || left >= period;
      left %= period;
    }
    r.ce -= 2 * left;
    return rose;
  }

  setGate(level: boolean): void {
    const { r } = this;
    if (level === r.gate) return;
    r.gate = level;
    const periodic = this.mode === 2 || this.mode === 3;
    if (level) r.loading ||= r.armed && (periodic || this.mode === 1 || this.mode === 5);
    else if (periodic) r.out = true;
  }

  writeControl(value: number): void {
    const { cr, ce, cycle, gate } = this.r;
    this.r = { ...powerOn(), control: value & 0x3f, cr, ce, cycle, gate };
    this.r.out = this.mode !== 0;
  }

  writeCount(value: number): void {
    const { r } = this;
    if (this.rw === RW_LSB) this.setCount(value);
    else if (this.rw === RW_MSB) this.setCount(value << 8);
    else if (r.writeMsbNext) {
      r.writeMsbNext = false;
      this.setCount(r.writeLow | (value << 8));
    } else {
      r.writeMsbNext = true;
      r.writeLow = value;
      if (this.mode === 0) {
        r.counting = false;
        r.loading = false;
        r.out = false;
      }
    }
  }

  private setCount(value: number): void {
    const { r } = this;
    const count = (r.control & 1) !== 0 ? fromBcd(value) : value;
    r.cr = count === 0 ? this.modulus : count;
    r.armed = true;
    r.nullCount = true;
    if (this.mode === 0) r.out = false;
    if (this.mode === 0 || this.mode === 4) r.loading = true;
    else if (this.mode === 2 || this.mode === 3) r.loading ||= !r.counting;
  }

  latchCount(): void {
    if (this.r.latchedCount < 0) this.r.latchedCount = this.reading();
  }

  latchStatus(): void {
    const { r } = this;
    if (r.latchedStatus < 0) r.latchedStatus = (r.out ? 0x80 : 0) | (r.nullCount ? 0x40 : 0) | r.control;
  }

  private reading(): number {
    return (this.r.control & 1) !== 0 ? toBcd(this.r.ce % 10_000) : this.r.ce & 0xffff;
  }

  readByte(): number {
    const { r } = this;
    if (r.latchedStatus >= 0) {
      const status = r.latchedStatus;
      r.latchedStatus = -1;
      return status;
    }
    const value = r.latchedCount >= 0 ? r.latchedCount : this.reading();
    const msb = this.rw === RW_MSB || (this.rw === RW_BOTH && r.readMsbNext);
    r.readMsbNext = this.rw === RW_BOTH && !r.readMsbNext;
    if (!r.readMsbNext) r.latchedCount = -1;
    return msb ? value >> 8 : value & 0xff;
  }
}

function fromBcd(value: number): number {
  return (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  return (Math.floor(value / 1000) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}

export class Pit8254 implements Device {
  readonly id = "8254";
  /** Ports 40h-43h. */
  readonly region: Region;
  /** Counter 2, which makes the tone of the loudspeaker, was programmed. */
  onCounter2: () => void = () => {};
  private readonly counters = [new Counter(), new Counter(), new Counter()] as const;
  private readonly crystal = new Oscillator(PIT_HZ);
  private readonly clock: Clock;
  private readonly irq0: Line;
  private readonly timer: Timer;
  private line = { level: false, fallNs: 0 };

  constructor(wiring: { clock: Clock; irq0: Line }) {
    this.clock = wiring.clock;
    this.irq0 = wiring.irq0;
    this.timer = wiring.clock.timer(() => this.counter(0));
    this.region = byteRegion({ read: (offset) => this.read(offset), write: (offset, value) => this.write(offset, value) });
    this.reset();
  }

  /** OUT of counter `index`, now. */
  out(index: 0 | 1 | 2): boolean {
    return this.counter(index).r.out;
  }

  /** What OUT of counter `index` repeats itself with, in Hz; 0: it does not. */
  frequency(index: 0 | 1 | 2): number {
    const counter = this.counter(index);
    return counter.oscillates ? PIT_HZ / counter.r.cr : 0;
  }

  /** When OUT of counter `index` changes next if nothing is written, in ns; Infinity: it does not. */
  changeNs(index: 0 | 1 | 2): number {
    const counter = this.counter(index), cycles = counter.cyclesToChange();
    return cycles === Infinity ? Infinity : this.crystal.nsOf(counter.r.cycle + cycles);
  }

  /** GATE of counter 2 (port 61h bit 0). */
  setGate2(level: boolean): void {
    this.counter(2).setGate(level);
  }

  reset(): void {
    const cycle = this.crystal.cyclesAt(this.clock.nowNs());
    for (const [i, counter] of this.counters.entries()) counter.r = { ...powerOn(), cycle, gate: i !== 2 };
    // What the datasheet leaves undefined is as an AT's BIOS leaves it, which has beeped: so a program that moves the cone by itself is heard.
    Object.assign(this.counters[2].r, { control: SQUARE_WAVE, out: true });
    this.line = { level: false, fallNs: 0 };
    this.irq0.set(false);
    this.schedule();
  }

  save(): DeviceState {
    return copyState({ counters: this.counters.map((counter) => counter.r), line: this.line });
  }

  load(state: DeviceState): void {
    const like = { counters: this.counters.map(() => powerOn()), line: { level: false, fallNs: 0 } };
    const { counters, line } = checkedState(this.id, like, state);
    for (const [i, counter] of this.counters.entries()) counter.r = counters[i];
    this.line = line;
    this.irq0.set(line.level);
    this.schedule();
  }

  /** Counter `index`, brought to now. */
  private counter(index: number): Counter {
    const counter = this.counters[index] as Counter;
    const nowNs = this.clock.nowNs();
    const rose = counter.advance(this.crystal.cyclesAt(nowNs));
    if (index === 0) this.drive(rose, nowNs);
    return counter;
  }

  /** IRQ 0 follows OUT 0. Time that passes in one piece must not swallow an edge: a high half that was missed is shown late. */
  private drive(rose: boolean, nowNs: number): void {
    const { line } = this;
    const { out, cr } = this.counters[0].r;
    if (rose) {
      this.irq0.set(false);
      line.fallNs = out ? 0 : nowNs + this.crystal.nsOf(Math.ceil(cr / 2));
      line.level = true;
    } else if (out || nowNs >= line.fallNs) {
      line.level = out;
    }
    this.irq0.set(line.level);
    this.schedule();
  }

  private schedule(): void {
    const { r } = this.counters[0];
    const cycles = this.counters[0].cyclesToChange();
    const changeNs = cycles === Infinity ? Infinity : this.crystal.nsOf(r.cycle + cycles);
    const atNs = this.line.level && !r.out ? Math.min(changeNs, this.line.fallNs) : changeNs;
    if (atNs === Infinity) this.timer.cancel();
    else if (atNs !== this.timer.deadlineNs) this.timer.arm(atNs);
  }

  private read(offset: number): number {
    return offset === 3 ? 0xff : this.counter(offset).readByte();
  }

  private write(offset: number, value: number): void {
    if (offset === 3 && value >> 6 === 3) {
      this.readBack(value);
      return;
    }
    const index = offset === 3 ? value >> 6 : offset;
    const counter = this.counter(index);
    if (offset < 3) counter.writeCount(value);
    else if ((value & 0x30) === 0) counter.latchCount();
    else counter.writeControl(value);
    if (index === 0) this.drive(false, this.clock.nowNs());
    else if (index === 2) this.onCounter2();
  }

  /** Read-back command: bits 5 and 4 low select count and status, bits 3 to 1 the counters. */
  private readBack(value: number): void {
    for (let index = 0; index < 3; index++) {
      if ((value & (2 << index)) === 0) continue;
      const counter = this.counter(index);
      if ((value & 0x20) === 0) counter.latchCount();
      if ((value & 0x10) === 0) counter.latchStatus();
    }
  }
}
