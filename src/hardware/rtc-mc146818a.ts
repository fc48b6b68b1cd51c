// MC146818A real-time clock and the CMOS RAM behind ports 70h and 71h.
//
// Manuals: Motorola MC146818A datasheet; IBM PC/AT Technical Reference for the meaning of the RAM bytes;
// the century at 32h is where ACPI's FADT and Linux look for it, and this clock keeps it.
//
// Time is counted, not ticked: the calendar bytes stand as of the last second edge that was looked at, and the edges
// since then are added when somebody looks. The crystal is 32.768 kHz and the first edge is the host's.
//
// Not implemented: daylight saving (DSE is kept), the square-wave pin, other time bases than 32.768 kHz
// (register A's DV: only running and reset), the second bank of 128 bytes at ports 72h and 73h.

import { byteRegion } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DAY_OF_MONTH = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REG_A = 0x0a;
const REG_B = 0x0b;
const REG_C = 0x0c;
const REG_D = 0x0d;
const CENTURY = 0x32;

const A_UIP = 0x80;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_SQWE = 0x08;
const B_DM = 0x04;
const B_24 = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;

const SECOND_NS = 1e9;
/** UIP rises this long before the new time is there: t(BUC) of 244 us and t(UC) of 1984 us at 32.768 kHz. */
const UIP_NS = 2_228_000;

/** Fields of the calendar as plain numbers; `hours` 0 to 23, `year` 0 to 99. */
interface Calendar {
  seconds: number;
  minutes: number;
  hours: number;
  weekday: number;
  day: number;
  month: number;
  year: number;
  century: number;
}

export class RtcMc146818a implements Device {
  readonly id = "MC146818A";
  /** Ports 70h-71h. */
  readonly region: Region;
  private index = 0;
  private readonly ram = new Uint8Array(128);
  /** Guest time of the divider chain's zero: second edges and periodic ticks are whole periods from here. */
  private chainNs: number;
  /** Second edges since `chainNs` that are in the calendar and in the flags. */
  private edges = 0;
  /** Periodic ticks since `chainNs` that are in the flags. */
  private ticks = 0;
  private flags = 0;
  private readonly clock: Clock;
  private readonly irq8: Line;
  private readonly timer: Timer;

  constructor(wiring: { clock: Clock; irq8: Line }) {
    this.clock = wiring.clock;
    this.irq8 = wiring.irq8;
    this.timer = wiring.clock.timer(() => this.update());
    this.region = byteRegion({ read: (offset) => this.read(offset & 1), write: (offset, value) => this.write(offset & 1, value) });
    this.ram[REG_A] = 0x26;
    this.ram[REG_B] = B_24;
    this.ram[REG_D] = D_VRT;
    const { epochMs } = wiring.clock;
    this.setCalendar(calendarOf(Math.floor(epochMs / 1000)));
    this.chainNs = -Math.round((epochMs - Math.floor(epochMs / 1000) * 1000) * 1e6);
    this.skipTicks();
    this.reset();
  }

  /** RESET: time, alarm and RAM live on the battery; interrupts end. */
  reset(): void {
    this.sync();
    this.ram[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    this.flags = 0;
    this.index = 0;
    this.update();
  }

  save(): DeviceState {
    this.sync();
    const { index, ram, chainNs, edges, ticks, flags } = this;
    return copyState({ index, ram, chainNs, edges, ticks, flags });
  }

  load(state: DeviceState): void {
    const like = { index: 0, ram: this.ram, chainNs: 0, edges: 0, ticks: 0, flags: 0 };
    const { ram, ...rest } = checkedState(this.id, like, state);
    this.ram.set(ram);
    Object.assign(this, rest);
    this.update();
  }

  /** Sets a CMOS byte from outside (the board's equipment). */
  setCmos(index: number, value: number): void {
    this.ram[index & 0x7f] = value;
  }

  /** A CMOS byte as the guest would read it, without side effects. */
  cmos(index: number): number {
    this.sync();
    return (index & 0x7f) === REG_C ? this.flags : this.readRegister(index & 0x7f);
  }

  /** Port 70h bit 7. */
  get nmiMasked(): boolean {
    return (this.index & 0x80) !== 0;
  }

  private get binary(): boolean {
    return (this.ram[REG_B] & B_DM) !== 0;
  }

  private get dividersHeld(): boolean {
    return (this.ram[REG_A] & 0x60) === 0x60;
  }

  private get setting(): boolean {
    return (this.ram[REG_B] & B_SET) !== 0;
  }

  /** Periodic interrupt's period, or 0 with rate select 0. Rates 1 and 2 are 256 and 128 Hz again. */
  private get periodNs(): number {
    const rate = this.ram[REG_A] & 0x0f;
    if (rate === 0) return 0;
    return (SECOND_NS * 2 ** ((rate < 3 ? rate + 7 : rate) - 1)) / 32768;
  }

  /** Takes in the second edges and periodic ticks up to now. */
  private sync(): void {
    if (this.dividersHeld) return;
    const ns = this.clock.nowNs() - this.chainNs;
    const edges = Math.floor(ns / SECOND_NS);
    if (edges > this.edges) {
      const passed = edges - this.edges;
      this.edges = edges;
      if (!this.setting) this.passSeconds(passed);
    }
    const { periodNs } = this;
    if (periodNs === 0) return;
    const ticks = Math.floor(ns / periodNs);
    if (ticks > this.ticks) {
      this.ticks = ticks;
      this.flags |= C_PF;
    }
  }

  /** Ticks that are over already raise no flag: after start-up, after a change of rate. */
  private skipTicks(): void {
    const ns = this.clock.nowNs() - this.chainNs;
    this.edges = Math.floor(ns / SECOND_NS);
    const { periodNs } = this;
    this.ticks = periodNs === 0 ? 0 : Math.floor(ns / periodNs);
  }

  private passSeconds(passed: number): void {
    const before = this.calendar();
    const start = secondsOf(before);
    this.flags |= C_UF;
    // The day of the week is a counter of its own: it goes on from what the guest has set.
    const days = Math.floor((start + passed) / 86_400) - Math.floor(start / 86_400);
    this.setCalendar({ ...calendarOf(start + passed), weekday: ((before.weekday + 6 + days) % 7) + 1 });
    if ((this.flags & C_AF) === 0 && this.alarmIn(start + 1, Math.min(passed, 86_400))) this.flags |= C_AF;
  }

  /** Whether the alarm matches one of `count` seconds from `first`. Alarm bytes C0h to FFh match anything. */
  private alarmIn(first: number, count: number): boolean {
    const any = (index: number) => (this.ram[index] & 0xc0) === 0xc0;
    const seconds = any(SECONDS_ALARM) ? -1 : this.decode(this.ram[SECONDS_ALARM]);
    const minutes = any(MINUTES_ALARM) ? -1 : this.decode(this.ram[MINUTES_ALARM]);
    const hours = any(HOURS_ALARM) ? -1 : this.decodeHours(this.ram[HOURS_ALARM]);
    for (let i = 0; i < count; i++) {
      const time = (((first + i) % 86_400) + 86_400) % 86_400;
      if (
        (seconds < 0 || time % 60 === seconds) &&
        (minutes < 0 || Math.floor(time / 60) % 60 === minutes) &&
        (hours < 0 || Math.floor(time / 3600) === hours)
      ) {
        return true;
      }
    }
    return false;
  }

  /** Sets the interrupt line and wakes up for the next event that could raise it. */
  private update(): void {
    this.sync();
    const enabled = this.ram[REG_B] & (B_PIE | B_AIE | B_UIE);
    const raised = (this.flags & enabled) !== 0;
    this.irq8.set(raised);
    let next = Infinity;
    if (!raised && !this.dividersHeld) {
      if ((enabled & B_PIE) !== 0 && this.periodNs > 0) next = this.chainNs + (this.ticks + 1) * this.periodNs;
      if ((enabled & (B_AIE | B_UIE)) !== 0 && !this.setting) next = Math.min(next, this.chainNs + (this.edges + 1) * SECOND_NS);
    }
    if (next === Infinity) this.timer.cancel();
    else this.timer.arm(Math.ceil(next));
  }

  private encode(value: number): number {
    return this.binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  private decode(byte: number): number {
    return this.binary ? byte : (byte >> 4) * 10 + (byte & 15);
  }

  /** 12-hour mode: 12, 1 to 11, with bit 7 in the afternoon. */
  private encodeHours(hours: number): number {
    if ((this.ram[REG_B] & B_24) !== 0) return this.encode(hours);
    return this.encode(hours % 12 === 0 ? 12 : hours % 12) | (hours >= 12 ? 0x80 : 0);
  }

  private decodeHours(byte: number): number {
    if ((this.ram[REG_B] & B_24) !== 0) return this.decode(byte);
    return (this.decode(byte & 0x7f) % 12) + ((byte & 0x80) !== 0 ? 12 : 0);
  }

  private updateInProgress(): boolean {
    if (this.setting || this.dividersHeld) return false;
    return (this.edges + 1) * SECOND_NS - (this.clock.nowNs() - this.chainNs) <= UIP_NS;
  }

  private read(offset: number): number {
    // The index port cannot be read back.
    if (offset === 0) return 0xff;
    this.sync();
    const index = this.index & 0x7f;
    if (index !== REG_C) return this.readRegister(index);
    const raised = (this.flags & this.ram[REG_B] & (B_PIE | B_AIE | B_UIE)) !== 0;
    const value = this.flags | (raised ? C_IRQF : 0);
    this.flags = 0;
    this.update();
    return value;
  }

  private readRegister(index: number): number {
    return this.ram[index] | (index === REG_A && this.updateInProgress() ? A_UIP : 0);
  }

  private calendar(): Calendar {
    const { ram } = this;
    return {
      seconds: this.decode(ram[SECONDS]),
      minutes: this.decode(ram[MINUTES]),
      hours: this.decodeHours(ram[HOURS]),
      weekday: this.decode(ram[DAY_OF_WEEK]),
      day: this.decode(ram[DAY_OF_MONTH]),
      month: this.decode(ram[MONTH]),
      year: this.decode(ram[YEAR]),
      century: this.decode(ram[CENTURY]),
    };
  }

  private setCalendar(c: Calendar): void {
    const { ram } = this;
    ram[SECONDS] = this.encode(c.seconds);
    ram[MINUTES] = this.encode(c.minutes);
    ram[HOURS] = this.encodeHours(c.hours);
    ram[DAY_OF_WEEK] = this.encode(c.weekday);
    ram[DAY_OF_MONTH] = this.encode(c.day);
    ram[MONTH] = this.encode(c.month);
    ram[YEAR] = this.encode(c.year);
    ram[CENTURY] = this.encode(c.century);
  }

  private write(offset: number, value: number): void {
    if (offset === 0) {
      this.index = value;
      return;
    }
    this.sync();
    this.writeRegister(this.index & 0x7f, value);
    this.update();
  }

  private writeRegister(index: number, value: number): void {
    switch (index) {
      case REG_A:
        this.writeA(value & 0x7f);
        break;
      case REG_B:
        // Setting SET ends update interrupts. A new format converts nothing: the bytes stay and mean something else.
        this.ram[REG_B] = (value & ~this.ram[REG_B] & B_SET) !== 0 ? value & ~B_UIE : value;
        break;
      case REG_C:
      case REG_D:
        break;
      default:
        this.ram[index] = value;
    }
  }

  /** Leaving divider reset starts the chain so that the first update comes half a second later. */
  private writeA(value: number): void {
    const held = this.dividersHeld;
    this.ram[REG_A] = value;
    if (held && !this.dividersHeld) this.chainNs = this.clock.nowNs() - SECOND_NS / 2;
    this.skipTicks();
  }
}

/** Seconds since 1970 of a calendar whose fields may be out of range, as a guest can leave them. */
function secondsOf(c: Calendar): number {
  const date = new Date(0);
  date.setUTCFullYear(c.century * 100 + c.year, c.month - 1, c.day);
  return Math.floor(date.getTime() / 1000) + c.hours * 3600 + c.minutes * 60 + c.seconds;
}

function calendarOf(seconds: number): Calendar {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  return {
    seconds: date.getUTCSeconds(),
    minutes: date.getUTCMinutes(),
    hours: date.getUTCHours(),
    weekday: date.getUTCDay() + 1,
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    year: year % 100,
    century: Math.floor(year / 100),
  };
}
