// High Precision Event Timer: a 64-bit up-counter at 14.31818 MHz and three comparators.
//
// Manual: Intel, IA-PC HPET Specification, revision 1.0a. Nothing ticks here: the counter is derived from guest time, and a
// timer of the clock is armed for each comparator's next match.
//
// In legacy replacement timers 0 and 1 take the wires of the 8254 (IRQ 0) and of the clock (IRQ 8); those chips' outputs pass through here.
//
// Deviation: an edge leaves the wire high until the next one, so that an 8259 does not lose it.
// Not implemented: interrupts as messages on the bus (FSB_INT_DEL_CAP is clear).

import { allOnes } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer, Width } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { Oscillator } from "./oscillator.ts";

export const HPET_BASE = 0xfed0_0000;
const HPET_HZ = 14318180;
/** One tick in femtoseconds. */
const PERIOD_FS = Math.round(1e15 / HPET_HZ);
const TIMERS = 3;
/** Revision 1, three timers, 64 bits, legacy replacement, Intel. */
export const HPET_CAPABILITIES = 0x8086_a201;
/** Inputs of the I/O APIC that a timer may use: those that no ISA interrupt has. */
const ROUTES = 0x00f0_0000;

const CAPABILITIES = 0x00, CONFIGURATION = 0x10, STATUS = 0x20, COUNTER = 0xf0, FIRST_TIMER = 0x100, TIMER_BYTES = 0x20, COMPARATOR = 0x08;
const ENABLE = 1, LEGACY = 2;

const LEVEL = 0x02, INTERRUPT = 0x04, PERIODIC = 0x08, PERIODIC_CAPABLE = 0x10, SIZE_64 = 0x20, SET_VALUE = 0x40, FORCE_32 = 0x100;
const ROUTE_SHIFT = 9, ROUTE_MASK = 0x1f;
const TIMER_WRITABLE = LEVEL | INTERRUPT | PERIODIC | SET_VALUE | FORCE_32 | (ROUTE_MASK << ROUTE_SHIFT);

const TWO32 = 2 ** 32;

/** A 64-bit number in two unsigned halves. */
type Pair = { low: number; high: number };

function powerOn() {
  const timer = () => ({
    configuration: SIZE_64 | PERIODIC_CAPABLE,
    comparator: { low: 0xffff_ffff, high: 0xffff_ffff },
    period: { low: 0, high: 0 },
  });
  return {
    configuration: 0,
    status: 0,
    /** The main counter when it was last started or written, and the oscillator's cycle of that moment. */
    counter: { low: 0, high: 0 },
    sinceCycle: 0,
    timers: [timer(), timer(), timer()],
    pitLevel: false,
    rtcLevel: false,
    levels: [false, false, false],
  };
}

export interface HpetWiring {
  readonly clock: Clock;
  /** The wires of IRQ 0 and IRQ 8. */
  readonly irq0: Line;
  readonly irq8: Line;
  /** An input of the I/O APIC. */
  readonly route: (input: number) => Line;
}

export class Hpet implements Device {
  readonly id = "hpet";
  /** 1 KB of registers. */
  readonly region: Region;
  private r = powerOn();
  private readonly wiring: HpetWiring;
  private readonly crystal = new Oscillator(HPET_HZ);
  private readonly clocks: readonly Timer[];
  private readonly routes: readonly Line[];

  constructor(wiring: HpetWiring) {
    this.wiring = wiring;
    this.clocks = Array.from({ length: TIMERS }, (_, n) => wiring.clock.timer(() => this.matched(n)));
    this.routes = Array.from({ length: ROUTE_MASK + 1 }, (_, n) => ((ROUTES >>> n) & 1 ? wiring.route(n) : { set: () => {} }));
    this.region = { read: (offset, width) => this.readAny(offset, width), write: (offset, width, value) => this.writeAny(offset, width, value) };
  }

  /** The 8254's OUT 0 and the clock's interrupt end here. */
  readonly pit: Line = {
    set: (level) => {
      this.r.pitLevel = level;
      if (!this.legacy) this.wiring.irq0.set(level);
    },
  };

  readonly rtc: Line = {
    set: (level) => {
      this.r.rtcLevel = level;
      if (!this.legacy) this.wiring.irq8.set(level);
    },
  };

  reset(): void {
    const { pitLevel, rtcLevel } = this.r;
    for (let n = 0; n < TIMERS; n++) this.drive(n, false);
    this.r = { ...powerOn(), pitLevel, rtcLevel };
    this.rewire();
    this.schedule();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    for (let n = 0; n < TIMERS; n++) this.drive(n, false);
    this.r = checkedState(this.id, powerOn(), state);
    this.rewire();
    this.schedule();
  }

  private get enabled(): boolean {
    return (this.r.configuration & ENABLE) !== 0;
  }

  private get legacy(): boolean {
    return (this.r.configuration & LEGACY) !== 0;
  }

  // --- the main counter

  private cycles(): number {
    return this.crystal.cyclesAt(this.wiring.clock.nowNs());
  }

  private get elapsed(): number {
    return this.enabled ? this.cycles() - this.r.sinceCycle : 0;
  }

  private counterLow(): number {
    return (this.r.counter.low + this.elapsed) % TWO32;
  }

  private counterHigh(): number {
    return (this.r.counter.high + Math.floor((this.r.counter.low + this.elapsed) / TWO32)) % TWO32;
  }

  /** Notes the counter as it is now, before something about it changes. */
  private settle(): void {
    this.r.counter = { low: this.counterLow(), high: this.counterHigh() };
    this.r.sinceCycle = this.cycles();
  }

  // --- comparators

  private narrow(n: number): boolean {
    return (this.r.timers[n]!.configuration & FORCE_32) !== 0;
  }

  /** Ticks until comparator `n` next equals the counter; 0: it does now. */
  private ticksToMatch(n: number): number {
    const { comparator } = this.r.timers[n]!;
    const low = comparator.low - this.counterLow();
    if (this.narrow(n)) return low < 0 ? low + TWO32 : low;
    const high = comparator.high - this.counterHigh();
    const ticks = high * TWO32 + low;
    return ticks < 0 ? ticks + TWO32 * TWO32 : ticks;
  }

  private schedule(): void {
    for (let n = 0; n < TIMERS; n++) this.arm(n, this.ticksToMatch(n));
  }

  /** A comparator that interrupts nobody wakes nobody; a periodic one moves on all the same, when it is looked at. */
  private arm(n: number, ticks: number): void {
    if (this.enabled && (this.r.timers[n]!.configuration & INTERRUPT) !== 0) this.clocks[n]!.arm(this.crystal.nsOf(this.cycles() + ticks));
    else this.clocks[n]!.cancel();
  }

  private matched(n: number): void {
    const timer = this.r.timers[n]!;
    if ((timer.configuration & PERIODIC) !== 0) this.advance(n);
    if ((timer.configuration & LEVEL) !== 0) {
      this.r.status |= 1 << n;
      this.drive(n, true);
    } else {
      this.drive(n, false);
      this.drive(n, true);
    }
    const ticks = this.ticksToMatch(n);
    // The match that has just happened is over; the next one is a whole round away.
    this.arm(n, ticks > 0 ? ticks : this.narrow(n) ? TWO32 : TWO32 * TWO32);
  }

  /** A periodic comparator moves to the first of its times that is still to come. */
  private advance(n: number): void {
    const timer = this.r.timers[n]!;
    const period = this.narrow(n) ? timer.period.low : timer.period.high * TWO32 + timer.period.low;
    if (period === 0) return;
    const wrap = this.narrow(n) ? TWO32 : TWO32 * TWO32;
    const ahead = this.ticksToMatch(n);
    const behind = ahead === 0 ? 0 : wrap - ahead;
    // So far behind that it is ahead: nothing to catch up with.
    if (behind > wrap / 2) return;
    timer.comparator = sum(timer.comparator, (Math.floor(behind / period) + 1) * period, this.narrow(n));
  }

  /** Periods that have passed while the comparator interrupted nobody. */
  private catchUp(n: number): void {
    const { configuration } = this.r.timers[n]!;
    if (this.enabled && (configuration & (PERIODIC | INTERRUPT)) === PERIODIC) this.advance(n);
  }

  // --- wires

  private drive(n: number, level: boolean): void {
    this.r.levels[n] = level;
    this.wire(n)?.set(level);
  }

  private wire(n: number): Line | undefined {
    if (this.legacy && n < 2) return n === 0 ? this.wiring.irq0 : this.wiring.irq8;
    return this.routes[(this.r.timers[n]!.configuration >> ROUTE_SHIFT) & ROUTE_MASK];
  }

  /** Puts every wire at the level of what drives it now. */
  private rewire(): void {
    if (!this.legacy) {
      this.wiring.irq0.set(this.r.pitLevel);
      this.wiring.irq8.set(this.r.rtcLevel);
    }
    for (let n = 0; n < TIMERS; n++) this.wire(n)?.set(this.r.levels[n]!);
  }

  // --- registers

  private readAny(offset: number, width: Width): number {
    const inside = offset & 3;
    if (inside + width <= 4) return ((this.read(offset & ~3) >>> (8 * inside)) & allOnes(width)) >>> 0;
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.readAny(offset + i, 1) << (8 * i);
    return value >>> 0;
  }

  /** Registers take doublewords; a narrower write changes its part of one. */
  private writeAny(offset: number, width: Width, value: number): void {
    const inside = offset & 3;
    if (inside + width > 4) return;
    const bits = (allOnes(width) << (8 * inside)) >>> 0;
    const aligned = offset & ~3;
    const before = aligned === STATUS ? 0 : this.read(aligned);
    this.write(aligned, ((before & ~bits) | ((value << (8 * inside)) & bits)) >>> 0);
  }

  private read(offset: number): number {
    switch (offset) {
      case CAPABILITIES: return HPET_CAPABILITIES;
      case CAPABILITIES + 4: return PERIOD_FS;
      case CONFIGURATION: return this.r.configuration;
      case STATUS: return this.r.status;
      case COUNTER: return this.counterLow();
      case COUNTER + 4: return this.counterHigh();
    }
    const n = Math.floor((offset - FIRST_TIMER) / TIMER_BYTES);
    if (n < 0 || n >= TIMERS) return 0;
    const timer = this.r.timers[n]!;
    switch ((offset - FIRST_TIMER) % TIMER_BYTES) {
      case 0: return timer.configuration;
      case 4: return ROUTES;
      case COMPARATOR:
        this.catchUp(n);
        return timer.comparator.low;
      case COMPARATOR + 4:
        this.catchUp(n);
        return this.narrow(n) ? 0 : timer.comparator.high;
      default: return 0;
    }
  }

  private write(offset: number, value: number): void {
    switch (offset) {
      case CONFIGURATION: return this.configure(value & (ENABLE | LEGACY));
      case STATUS: return this.clearStatus(value);
      case COUNTER: case COUNTER + 4:
        this.settle();
        this.r.counter = offset === COUNTER ? { ...this.r.counter, low: value } : { ...this.r.counter, high: value };
        return this.schedule();
    }
    const n = Math.floor((offset - FIRST_TIMER) / TIMER_BYTES);
    if (n < 0 || n >= TIMERS) return;
    switch ((offset - FIRST_TIMER) % TIMER_BYTES) {
      case 0: return this.configureTimer(n, value);
      case COMPARATOR: return this.writeComparator(n, value, "low");
      case COMPARATOR + 4: return this.writeComparator(n, value, "high");
    }
  }

  private configure(value: number): void {
    for (let n = 0; n < TIMERS; n++) this.catchUp(n);
    this.settle();
    if (((this.r.configuration ^ value) & LEGACY) !== 0) {
      for (let n = 0; n < TIMERS; n++) this.wire(n)?.set(false);
      this.r.configuration = value;
      this.rewire();
    }
    this.r.configuration = value;
    this.schedule();
  }

  private clearStatus(value: number): void {
    for (let n = 0; n < TIMERS; n++) {
      if ((value & this.r.status & (1 << n)) === 0) continue;
      this.r.status &= ~(1 << n);
      this.drive(n, false);
    }
  }

  private configureTimer(n: number, value: number): void {
    this.catchUp(n);
    const timer = this.r.timers[n]!;
    this.wire(n)?.set(false);
    timer.configuration = (value & TIMER_WRITABLE) | (timer.configuration & ~TIMER_WRITABLE);
    if (this.narrow(n)) timer.comparator.high = 0;
    if ((value & INTERRUPT) === 0) {
      this.r.status &= ~(1 << n);
      this.r.levels[n] = false;
    }
    this.wire(n)?.set(this.r.levels[n]!);
    this.arm(n, this.ticksToMatch(n));
  }

  /** In periodic mode a write gives the period, and the comparator too if SET_VALUE was written before it. */
  private writeComparator(n: number, value: number, half: keyof Pair): void {
    const timer = this.r.timers[n]!;
    const periodic = (timer.configuration & PERIODIC) !== 0;
    if (!periodic || (timer.configuration & SET_VALUE) !== 0) timer.comparator = { ...timer.comparator, [half]: value };
    if (periodic) timer.period = { ...timer.period, [half]: value };
    timer.configuration &= ~SET_VALUE;
    this.arm(n, this.ticksToMatch(n));
  }
}

function sum(value: Pair, ticks: number, narrow: boolean): Pair {
  const low = value.low + (ticks % TWO32);
  if (narrow) return { low: low % TWO32, high: 0 };
  return { low: low % TWO32, high: (value.high + Math.floor(ticks / TWO32) + Math.floor(low / TWO32)) % TWO32 };
}
