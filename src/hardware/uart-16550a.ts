// 16550A UART: a serial port of the PC.
//
// Manuals: National Semiconductor PC16550D datasheet; the PC gates the interrupt with MCR's OUT2.
//
// What is sent leaves at once and THRE stays set for a polling guest; the THRE interrupt follows a little later,
// as a guest that refills in its handler would otherwise never leave it. What is received comes at the speed
// the guest has set, and only while there is room: the line in front of the receiver is `queued` long.
//
// Not implemented: DMA mode (RXRDY, TXRDY pins), parity and stop bits on the line (every byte arrives whole).

import { byteRegion } from "./bus.ts";
import type { ByteSink, Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

export const UART_HZ = 1843200;

const IER_RDA = 0x01;
const IER_THRE = 0x02;
const IER_RLS = 0x04;
const IER_MSR = 0x08;

const IIR_NONE = 0x01;
const IIR_MSR = 0x00;
const IIR_THRE = 0x02;
const IIR_RDA = 0x04;
const IIR_RLS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFO = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;
const FCR_CLEAR_TX = 0x04;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_SIZE = 16;

const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_FE = 0x08;
const LSR_BI = 0x10;
/** Parity, framing and break belong to one byte and wait with it in the FIFO. */
const LSR_BYTE_ERRORS = 0x1c;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const LSR_FIFO_ERROR = 0x80;

const MSR_TERI = 0x04;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

/** From the last byte written to the THRE interrupt. */
const THRE_DELAY_NS = 2_000;
/** Bounds of one character's time, so that neither an absurd divisor nor a divisor of 0 stops the line. */
const MIN_CHARACTER_NS = 10_000;
const MAX_CHARACTER_NS = 1_100_000;

function powerOn() {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    /** OE only; the other bits follow from the FIFO and from the byte at its top. */
    overrun: false,
    /** Errors of the byte at the top, until LSR is read. */
    topErrors: 0,
    /** Line inputs (bits 7 to 4) with their changes (bits 3 to 0). */
    msr: 0,
    scratch: 0,
    divisor: 12,
    rbr: 0,
    /** Received bytes, errors in bits 15 to 8. Without FIFO at most one. */
    rx: [] as number[],
    /** Bytes on the line, not yet received. */
    line: [] as number[],
    threPending: false,
    timedOut: false,
    /** Guest times of the next events; 0 = none. */
    nextReceiveNs: 0,
    threAtNs: 0,
    timeoutAtNs: 0,
  };
}

export class Uart16550a implements Device {
  readonly id: string;
  /** Eight ports. */
  readonly region: Region;
  private r = powerOn();
  private modem = MSR_CTS | MSR_DSR | MSR_DCD;
  private readonly clock: Clock;
  private readonly irq: Line;
  private readonly sink: ByteSink;
  private readonly timer: Timer;

  constructor(wiring: { id: string; clock: Clock; irq: Line; sink: ByteSink }) {
    this.id = wiring.id;
    this.clock = wiring.clock;
    this.irq = wiring.irq;
    this.sink = wiring.sink;
    this.timer = wiring.clock.timer((nowNs) => this.expire(nowNs));
    this.region = byteRegion({ read: (offset) => this.read(offset & 7), write: (offset, value) => this.write(offset & 7, value) });
    this.reset();
  }

  /** Master reset. Divisor and scratch register keep their contents; what was on the line was meant for the guest before. */
  reset(): void {
    const { scratch, divisor } = this.r;
    this.r = { ...powerOn(), scratch, divisor, msr: this.modem };
    this.update();
  }

  save(): DeviceState {
    return copyState({ ...this.r, modem: this.modem });
  }

  load(state: DeviceState): void {
    const { modem, ...r } = checkedState(this.id, { ...powerOn(), modem: 0 }, state);
    this.r = r;
    this.modem = modem;
    this.update();
  }

  /** A byte arrives on the line. It waits there until the receiver has room for it. */
  receive(byte: number): void {
    this.r.line.push(byte & 0xff);
    this.feed();
    this.update();
  }

  /** The line is held at space for longer than a character: the receiver sees a zero byte with BI and FE. */
  receiveBreak(): void {
    this.r.line.push((LSR_BI | LSR_FE) << 8);
    this.feed();
    this.update();
  }

  /** Bytes given to `receive` that the guest's receiver has not taken yet. */
  get queued(): number {
    return this.r.line.length;
  }

  /** Whether the guest holds the transmit line at space. */
  get sendsBreak(): boolean {
    return (this.r.lcr & LCR_BREAK) !== 0 && !this.loop;
  }

  /** What the far end does with its modem lines. At first it is a terminal that is switched on: CTS, DSR and DCD. */
  setModemLines(lines: { cts: boolean; dsr: boolean; ri: boolean; dcd: boolean }): void {
    this.modem = (lines.cts ? MSR_CTS : 0) | (lines.dsr ? MSR_DSR : 0) | (lines.ri ? MSR_RI : 0) | (lines.dcd ? MSR_DCD : 0);
    if (!this.loop) this.setMsr(this.modem);
    this.update();
  }

  private get loop(): boolean {
    return (this.r.mcr & MCR_LOOP) !== 0;
  }

  private get fifo(): boolean {
    return (this.r.fcr & FCR_ENABLE) !== 0;
  }

  private get characterNs(): number {
    const bits = 7 + (this.r.lcr & 3) + ((this.r.lcr >> 2) & 1) + ((this.r.lcr >> 3) & 1);
    return Math.min(MAX_CHARACTER_NS, Math.max(MIN_CHARACTER_NS, Math.round((bits * 16e9 * this.r.divisor) / UART_HZ)));
  }

  /** Interrupt sources in their order of priority. */
  private iir(): number {
    const { r } = this;
    if ((r.ier & IER_RLS) !== 0 && (r.overrun || r.topErrors !== 0)) return IIR_RLS;
    if ((r.ier & IER_RDA) !== 0) {
      // Both have the same priority; IIR bit 3 tells that the timeout is pending, at whatever level the FIFO is.
      if (r.timedOut) return IIR_TIMEOUT;
      if (r.rx.length >= (this.fifo ? TRIGGER_LEVELS[(r.fcr >> 6) as 0 | 1 | 2 | 3] : 1)) return IIR_RDA;
    }
    if ((r.ier & IER_THRE) !== 0 && r.threPending) return IIR_THRE;
    if ((r.ier & IER_MSR) !== 0 && (r.msr & 0x0f) !== 0) return IIR_MSR;
    return IIR_NONE;
  }

  private update(): void {
    // OUT2 opens the PC's interrupt buffer; in loopback the pin is inactive.
    const enabled = (this.r.mcr & MCR_OUT2) !== 0 && !this.loop;
    this.irq.set(enabled && this.iir() !== IIR_NONE);
    const { nextReceiveNs, threAtNs, timeoutAtNs } = this.r;
    const next = Math.min(nextReceiveNs || Infinity, threAtNs || Infinity, timeoutAtNs || Infinity);
    if (next === Infinity) this.timer.cancel();
    else if (next !== this.timer.deadlineNs) this.timer.arm(next);
  }

  private expire(nowNs: number): void {
    const { r } = this;
    if (r.threAtNs !== 0 && r.threAtNs <= nowNs) {
      r.threAtNs = 0;
      r.threPending = true;
    }
    if (r.nextReceiveNs !== 0 && r.nextReceiveNs <= nowNs) {
      r.nextReceiveNs = 0;
      this.feed();
    }
    if (r.timeoutAtNs !== 0 && r.timeoutAtNs <= nowNs) {
      r.timeoutAtNs = 0;
      r.timedOut = r.rx.length > 0;
    }
    this.update();
  }

  /** Takes the next byte off the line if its time has come and there is room. */
  private feed(): void {
    const { r } = this;
    if (r.nextReceiveNs !== 0 || r.line.length === 0 || this.loop || r.rx.length >= (this.fifo ? FIFO_SIZE : 1)) return;
    this.push(r.line.shift()!);
    r.nextReceiveNs = this.clock.nowNs() + this.characterNs;
  }

  /** A byte leaves the receiver's shift register. */
  private push(entry: number): void {
    const { r } = this;
    if (r.rx.length >= (this.fifo ? FIFO_SIZE : 1)) {
      r.overrun = true;
      // The 16450's holding register is overwritten; a full FIFO loses the byte in the shift register.
      if (!this.fifo) r.rx[0] = entry;
    } else {
      r.rx.push(entry);
    }
    if (r.rx.length === 1) r.topErrors = (r.rx[0] >> 8) & LSR_BYTE_ERRORS;
    this.restartTimeout();
  }

  /** Four character times without a byte in or out raise the timeout interrupt. */
  private restartTimeout(): void {
    const { r } = this;
    r.timedOut = false;
    r.timeoutAtNs = this.fifo && r.rx.length > 0 ? this.clock.nowNs() + 4 * this.characterNs : 0;
  }

  private readRbr(): number {
    const { r } = this;
    const entry = r.rx.shift();
    if (entry !== undefined) {
      r.rbr = entry & 0xff;
      r.topErrors = ((r.rx[0] ?? 0) >> 8) & LSR_BYTE_ERRORS;
    }
    this.restartTimeout();
    this.feed();
    return r.rbr;
  }

  private readLsr(): number {
    const { r } = this;
    let lsr = r.topErrors | (r.overrun ? LSR_OE : 0) | (r.rx.length > 0 ? LSR_DR : 0) | LSR_THRE | LSR_TEMT;
    if (this.fifo && r.rx.some((entry) => entry >> 8 !== 0)) lsr |= LSR_FIFO_ERROR;
    r.overrun = false;
    if (r.topErrors !== 0) {
      r.topErrors = 0;
      r.rx[0] &= 0xff;
    }
    return lsr;
  }

  private readMsr(): number {
    const { msr } = this.r;
    this.r.msr &= 0xf0;
    return msr;
  }

  private setMsr(lines: number): void {
    const { r } = this;
    const changed = (r.msr ^ lines) & 0xf0;
    let delta = (changed >> 4) & ~MSR_TERI;
    // Ring is noticed at its trailing edge only.
    if ((changed & MSR_RI) !== 0 && (lines & MSR_RI) === 0) delta |= MSR_TERI;
    r.msr = lines | (r.msr & 0x0f) | delta;
  }

  private read(offset: number): number {
    const value = this.readRegister(offset);
    this.update();
    return value;
  }

  private readRegister(offset: number): number {
    const { r } = this;
    switch (offset) {
      case 0:
        return (r.lcr & LCR_DLAB) !== 0 ? r.divisor & 0xff : this.readRbr();
      case 1:
        return (r.lcr & LCR_DLAB) !== 0 ? r.divisor >> 8 : r.ier;
      case 2: {
        const iir = this.iir();
        if (iir === IIR_THRE) r.threPending = false;
        return iir | (this.fifo ? IIR_FIFO : 0);
      }
      case 3:
        return r.lcr;
      case 4:
        return r.mcr;
      case 5:
        return this.readLsr();
      case 6:
        return this.readMsr();
      default:
        return r.scratch;
    }
  }

  private write(offset: number, value: number): void {
    const { r } = this;
    switch (offset) {
      case 0:
        if ((r.lcr & LCR_DLAB) !== 0) r.divisor = (r.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case 1:
        if ((r.lcr & LCR_DLAB) !== 0) r.divisor = (r.divisor & 0xff) | (value << 8);
        else this.writeIer(value & 0x0f);
        break;
      case 2:
        this.writeFcr(value);
        break;
      case 3:
        this.writeLcr(value);
        break;
      case 4:
        this.writeMcr(value & 0x1f);
        break;
      case 7:
        r.scratch = value;
        break;
    }
    this.update();
  }

  /** Enabling the THRE interrupt while the transmitter is empty raises it: drivers probe for that. */
  private writeIer(value: number): void {
    const { r } = this;
    if ((value & ~r.ier & IER_THRE) !== 0 && r.threAtNs === 0) r.threPending = true;
    r.ier = value;
  }

  private transmit(byte: number): void {
    const { r } = this;
    r.threPending = false;
    r.threAtNs ||= this.clock.nowNs() + THRE_DELAY_NS;
    // With LCR's break bit set the line stays at space whatever is sent.
    if (this.loop) this.push((r.lcr & LCR_BREAK) !== 0 ? (LSR_BI | LSR_FE) << 8 : byte & (0xff >> (3 - (r.lcr & 3))));
    else if ((r.lcr & LCR_BREAK) === 0) this.sink.byte(byte);
  }

  private writeFcr(value: number): void {
    const { r } = this;
    const toggled = ((value ^ r.fcr) & FCR_ENABLE) !== 0;
    if (toggled || (value & FCR_CLEAR_RX) !== 0) {
      r.rx = [];
      r.topErrors = 0;
      r.timedOut = false;
      r.timeoutAtNs = 0;
    }
    if ((toggled || (value & FCR_CLEAR_TX) !== 0) && r.threAtNs === 0) r.threPending = true;
    // The other bits are programmed only together with FIFO enable.
    r.fcr = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0;
    this.feed();
  }

  private writeLcr(value: number): void {
    const { r } = this;
    if (this.loop && (value & ~r.lcr & LCR_BREAK) !== 0) this.push((LSR_BI | LSR_FE) << 8);
    r.lcr = value;
  }

  /** In loopback the modem outputs are wired to the modem inputs: DTR-DSR, RTS-CTS, OUT1-RI, OUT2-DCD. */
  private writeMcr(value: number): void {
    const { r } = this;
    r.mcr = value;
    const looped =
      ((value & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((value & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((value & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((value & MCR_OUT2) !== 0 ? MSR_DCD : 0);
    this.setMsr(this.loop ? looped : this.modem);
    this.feed();
  }
}
