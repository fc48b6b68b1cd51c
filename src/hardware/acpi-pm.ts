// Power management of the 82371AB (PIIX4): ACPI's PM1 event and control blocks, the PM timer, and the APM ports.
//
// Manuals: 82371AB (PIIX4) datasheet, "Power Management I/O Registers"; ACPI specification, "ACPI Hardware Specification".
//
// Port B2h takes the FADT's ACPI_ENABLE and ACPI_DISABLE directly: where a PC enters SMM to set SCI_EN, nothing needs to run here.
//
// Not implemented: sleep states other than soft-off, SMI, bus-master and RTC events, general purpose events
// (status stays 0), device monitors. Registers from 10h on read as 0.

import { byteRegion } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer, Width } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { Oscillator } from "./oscillator.ts";

export const PM_TIMER_HZ = 3579545;
/** Values for port B2h that the FADT names. */
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;

const TMROF = 0x0001;
const GBL = 0x0020;
const PWRBTN = 0x0100;
const RTC = 0x0400;
const PM1_EVENTS = TMROF | GBL | PWRBTN | RTC;

const SCI_EN = 0x0001;
/** PM1 control bits that are kept: SCI_EN, BM_RLD, SLP_TYP. */
const PM1_CONTROL_KEPT = 0x1c03;
const SLP_TYP_SHIFT = 10;
const SLP_EN = 0x2000;

const TIMER_MASK = 0xffffff;
/** The timer's overflow status is set whenever its top bit changes. */
const TIMER_HALF = 0x800000;

function powerOn() {
  return { status: 0, enable: 0, control: 0, gpeEnable: 0, halves: 0, apmControl: 0, apmStatus: 0 };
}

export class AcpiPm implements Device {
  readonly id = "PIIX4-PM";
  /** 64 bytes at the base that the PCI function's PMBA gives. */
  readonly region: Region;
  /** Ports B2h-B3h. */
  readonly apmRegion: Region;
  private r = powerOn();
  private readonly clock: Clock;
  private readonly sci: Line;
  private readonly softOffType: number;
  private readonly powerOff: () => void;
  private readonly crystal = new Oscillator(PM_TIMER_HZ);
  private readonly timer: Timer;

  /** `softOffType`: the SLP_TYP that the DSDT's _S5 names. */
  constructor(wiring: { clock: Clock; sci: Line; softOffType: number; powerOff: () => void }) {
    this.clock = wiring.clock;
    this.sci = wiring.sci;
    this.softOffType = wiring.softOffType;
    this.powerOff = wiring.powerOff;
    this.timer = wiring.clock.timer(() => this.update());
    this.region = { read: (offset, width) => this.read(offset, width), write: (offset, width, value) => this.write(offset, width, value) };
    this.apmRegion = byteRegion({
      read: (offset) => (offset === 0 ? this.r.apmControl : this.r.apmStatus),
      write: (offset, value) => this.writeApm(offset, value),
    });
    this.reset();
  }

  reset(): void {
    this.r = { ...powerOn(), halves: this.halvesNow() };
    this.update();
  }

  save(): DeviceState {
    this.sync();
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
    this.update();
  }

  /** A person presses the power button. The operating system hears of it if ACPI is on. */
  pressPowerButton(): void {
    this.r.status |= PWRBTN;
    this.update();
  }

  private halvesNow(): number {
    return Math.floor(this.crystal.cyclesAt(this.clock.nowNs()) / TIMER_HALF);
  }

  /** Notes changes of the timer's top bit since the last look. */
  private sync(): void {
    const halves = this.halvesNow();
    if (halves !== this.r.halves) this.r.status |= TMROF;
    this.r.halves = halves;
  }

  private update(): void {
    this.sync();
    const { status, enable, control, halves } = this.r;
    this.sci.set((control & SCI_EN) !== 0 && (status & enable) !== 0);
    if ((enable & TMROF) !== 0 && (status & TMROF) === 0) this.timer.arm(this.crystal.nsOf((halves + 1) * TIMER_HALF));
    else this.timer.cancel();
  }

  /** The doubleword at an aligned offset. */
  private dword(offset: number): number {
    const { r } = this;
    switch (offset) {
      case 0x00:
        this.sync();
        return r.status | (r.enable << 16);
      case 0x04:
        return r.control;
      case 0x08:
        return this.crystal.cyclesAt(this.clock.nowNs()) % (TIMER_MASK + 1);
      case 0x0c:
        return r.gpeEnable << 16;
      default:
        return 0;
    }
  }

  private read(offset: number, width: Width): number {
    const inside = offset & 3;
    if (inside + width <= 4) return width === 4 ? this.dword(offset) >>> 0 : (this.dword(offset & ~3) >>> (8 * inside)) & (width === 2 ? 0xffff : 0xff);
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.read(offset + i, 1) << (8 * i);
    return value >>> 0;
  }

  private write(offset: number, width: Width, value: number): void {
    // Status bits are cleared by ones and the rest is plain, so bytes in any order come to the same; but SLP_EN acts
    // with the type beside it, in the same byte.
    for (let i = 0; i < width; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    this.update();
  }

  private writeByte(offset: number, value: number): void {
    const { r } = this;
    const shift = 8 * (offset & 1);
    const merge = (old: number) => (old & ~(0xff << shift)) | (value << shift);
    switch (offset & ~1) {
      case 0x00:
        this.sync();
        r.status &= ~(value << shift);
        break;
      case 0x02:
        r.enable = merge(r.enable) & PM1_EVENTS;
        break;
      case 0x04:
        r.control = merge(r.control) & PM1_CONTROL_KEPT;
        if (((value << shift) & SLP_EN) !== 0 && r.control >> SLP_TYP_SHIFT === this.softOffType) this.powerOff();
        break;
      case 0x0e:
        r.gpeEnable = merge(r.gpeEnable);
        break;
    }
  }

  private writeApm(offset: number, value: number): void {
    const { r } = this;
    if (offset !== 0) {
      r.apmStatus = value;
      return;
    }
    r.apmControl = value;
    if (value === ACPI_ENABLE) r.control |= SCI_EN;
    else if (value === ACPI_DISABLE) r.control &= ~SCI_EN;
    this.update();
  }
}
