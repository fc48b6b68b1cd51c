// 8042 keyboard controller with auxiliary (mouse) port.
//
// Manual: IBM PS/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device Controller"; commands DDh and DFh
// (A20) as most chip sets have them.
//
// A byte is in the output buffer as soon as the guest's OUT has caused it; after a byte has been read the next one takes
// a little guest time, so that a handler that looks twice sees the buffer empty and port 60h still reading the same byte.
//
// Deviation: the command byte after power-on is 61h (translation and keyboard interrupt on, mouse off), what a PC's
// BIOS leaves there; the part itself leaves it to its firmware.
// Not implemented: commands A4h to A6h (password), C1h and C2h (input port polling), parity and time-out errors.

import { byteRegion } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import type { Ps2Device } from "./ps2-port.ts";

const STATUS_OBF = 0x01;
const STATUS_CMD = 0x08;
const STATUS_NOT_LOCKED = 0x10;
const STATUS_AUX = 0x20;

const CTR_KEYBOARD_INT = 0x01;
const CTR_AUX_INT = 0x02;
const CTR_SYSTEM = 0x04;
const CTR_KEYBOARD_OFF = 0x10;
const CTR_AUX_OFF = 0x20;
const CTR_TRANSLATE = 0x40;

const OUTPUT_NOT_RESET = 0x01;
const OUTPUT_A20 = 0x02;
/** Clock and data lines of both ports idle high. */
const OUTPUT_IDLE = 0xcc;
const OUTPUT_IRQ1 = 0x10;
const OUTPUT_IRQ12 = 0x20;

/** Where the byte in the output buffer came from. */
const FROM_CONTROLLER = 0;
const FROM_KEYBOARD = 1;
const FROM_AUX = 2;

const NEXT_BYTE_NS = 100_000;

/** Scan code set 2 to set 1, as the controller's own firmware translates; bytes from 80h pass, except 83h and 84h. */
const TRANSLATION: readonly number[] = (
  "ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59 65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b " +
  "67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d 69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f " +
  "6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61 6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76 " +
  "55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f 52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54"
)
  .split(" ")
  .map((code) => parseInt(code, 16));

function translate(byte: number): number {
  if (byte < 0x80) return TRANSLATION[byte] as number;
  return byte === 0x83 ? 0x41 : byte === 0x84 ? 0x54 : byte;
}

function powerOn() {
  return {
    /** The part's RAM; byte 0 is the command byte. */
    ram: Uint8Array.from([CTR_KEYBOARD_INT | CTR_AUX_OFF | CTR_TRANSLATE, ...new Array<number>(31).fill(0)]),
    outputPort: OUTPUT_IDLE | OUTPUT_A20 | OUTPUT_NOT_RESET,
    data: 0,
    full: false,
    source: FROM_CONTROLLER,
    /** Bytes that the controller itself has to give: [byte, source]. */
    own: [] as number[][],
    /** The command whose parameter is expected at port 60h, or 0. */
    command: 0,
    lastWasCommand: false,
    /** F0h was taken from the keyboard: the next code is a break code. */
    breakCode: false,
    /** No byte enters the output buffer before. */
    readyNs: 0,
  };
}

export class Ps2I8042 implements Device {
  readonly id = "8042";
  /** Port 60h. */
  readonly dataRegion: Region;
  /** Port 64h. */
  readonly commandRegion: Region;
  private r = powerOn();
  private readonly clock: Clock;
  private readonly irq1: Line;
  private readonly irq12: Line;
  private readonly a20: Line;
  private readonly resetPulse: () => void;
  private readonly keyboard: Ps2Device;
  private readonly mouse: Ps2Device;
  private readonly timer: Timer;

  constructor(wiring: { clock: Clock; irq1: Line; irq12: Line; a20: Line; resetPulse: () => void; keyboard: Ps2Device; mouse: Ps2Device }) {
    this.clock = wiring.clock;
    this.irq1 = wiring.irq1;
    this.irq12 = wiring.irq12;
    this.a20 = wiring.a20;
    this.resetPulse = wiring.resetPulse;
    this.keyboard = wiring.keyboard;
    this.mouse = wiring.mouse;
    this.timer = wiring.clock.timer(() => this.pump());
    this.keyboard.onOutput = () => this.pump();
    this.mouse.onOutput = () => this.pump();
    this.dataRegion = byteRegion({ read: () => this.readData(), write: (_offset, value) => this.writeData(value) });
    this.commandRegion = byteRegion({ read: () => this.readStatus(), write: (_offset, value) => this.writeCommand(value) });
    this.reset();
  }

  reset(): void {
    this.r = powerOn();
    this.timer.cancel();
    this.drive();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, { ...powerOn(), own: [[0]] }, state);
    this.drive();
    if (!this.r.full) this.timer.arm(Math.max(this.r.readyNs, this.clock.nowNs()));
  }

  private get ctr(): number {
    return this.r.ram[0] as number;
  }

  private set ctr(value: number) {
    this.r.ram[0] = value;
  }

  private drive(): void {
    const { full, source, outputPort } = this.r;
    this.irq1.set(full && source !== FROM_AUX && (this.ctr & CTR_KEYBOARD_INT) !== 0);
    this.irq12.set(full && source === FROM_AUX && (this.ctr & CTR_AUX_INT) !== 0);
    this.a20.set((outputPort & OUTPUT_A20) !== 0);
  }

  /** Fills the output buffer from whoever has a byte: the controller, the keyboard, the mouse. */
  private pump(): void {
    const { r } = this;
    while (!r.full) {
      const keyboard = (this.ctr & CTR_KEYBOARD_OFF) === 0 && this.keyboard.waiting;
      const aux = (this.ctr & CTR_AUX_OFF) === 0 && this.mouse.waiting;
      if (r.own.length === 0 && !keyboard && !aux) return;
      if (this.clock.nowNs() < r.readyNs) {
        this.timer.arm(r.readyNs);
        return;
      }
      const own = r.own.shift();
      if (own !== undefined) this.fill(own[0] as number, own[1] as number);
      else if (keyboard) this.fillFromKeyboard(this.keyboard.take());
      else this.fill(this.mouse.take(), FROM_AUX);
    }
  }

  /** With translation F0h leaves the buffer empty and turns the code after it into a break code. */
  private fillFromKeyboard(byte: number): void {
    const { r } = this;
    if ((this.ctr & CTR_TRANSLATE) === 0) {
      this.fill(byte, FROM_KEYBOARD);
    } else if (byte === 0xf0) {
      r.breakCode = true;
    } else {
      this.fill(translate(byte) | (r.breakCode ? 0x80 : 0), FROM_KEYBOARD);
      r.breakCode = false;
    }
  }

  private fill(byte: number, source: number): void {
    const { r } = this;
    r.data = byte;
    r.source = source;
    r.full = true;
    this.drive();
  }

  private give(byte: number, source = FROM_CONTROLLER): void {
    this.r.own.push([byte, source]);
  }

  private readStatus(): number {
    const { r } = this;
    return (
      (r.full ? STATUS_OBF : 0) |
      (this.ctr & CTR_SYSTEM) |
      (r.lastWasCommand ? STATUS_CMD : 0) |
      STATUS_NOT_LOCKED |
      (r.full && r.source === FROM_AUX ? STATUS_AUX : 0)
    );
  }

  private readData(): number {
    const { r } = this;
    if (r.full) {
      r.full = false;
      r.readyNs = this.clock.nowNs() + NEXT_BYTE_NS;
      this.drive();
      this.pump();
    }
    return r.data;
  }

  private writeData(value: number): void {
    const { r } = this;
    const { command } = r;
    r.lastWasCommand = false;
    r.command = 0;
    r.readyNs = 0;
    if (command >= 0x60 && command <= 0x7f) {
      r.ram[command - 0x60] = value;
      this.drive();
    } else if (command === 0xd1) {
      this.writeOutputPort(value);
    } else if (command === 0xd2) {
      this.give(value, FROM_KEYBOARD);
    } else if (command === 0xd3) {
      this.give(value, FROM_AUX);
    } else if (command === 0xd4) {
      this.ctr &= ~CTR_AUX_OFF;
      this.mouse.command(value);
    } else {
      // Sending to the keyboard opens its clock line.
      this.ctr &= ~CTR_KEYBOARD_OFF;
      this.keyboard.command(value);
    }
    this.pump();
  }

  private writeOutputPort(value: number): void {
    this.r.outputPort = value;
    this.drive();
    if ((value & OUTPUT_NOT_RESET) === 0) this.resetPulse();
  }

  private writeCommand(value: number): void {
    const { r } = this;
    r.lastWasCommand = true;
    r.readyNs = 0;
    r.command = (value >= 0x60 && value <= 0x7f) || (value >= 0xd1 && value <= 0xd4) ? value : 0;
    if (r.command === 0) this.execute(value);
    this.pump();
  }

  private execute(command: number): void {
    const { r } = this;
    if (command >= 0x20 && command <= 0x3f) {
      this.give(r.ram[command - 0x20] as number);
      return;
    }
    if (command >= 0xf0) {
      // Bits 3 to 0 that are 0 pulse their output port line; line 0 resets the processor.
      if ((command & 1) === 0) this.resetPulse();
      return;
    }
    switch (command) {
      case 0xa7:
        this.ctr |= CTR_AUX_OFF;
        break;
      case 0xa8:
        this.ctr &= ~CTR_AUX_OFF;
        break;
      case 0xa9:
      case 0xab:
        this.give(0x00);
        break;
      case 0xaa:
        this.ctr |= CTR_SYSTEM;
        this.give(0x55);
        break;
      case 0xad:
        this.ctr |= CTR_KEYBOARD_OFF;
        break;
      case 0xae:
        this.ctr &= ~CTR_KEYBOARD_OFF;
        break;
      case 0xc0:
        // Input port: keyboard not locked, colour display, no manufacturing jumper.
        this.give(0xa0);
        break;
      case 0xd0:
        this.give(this.readOutputPort());
        break;
      case 0xdd:
      case 0xdf:
        this.writeOutputPort((r.outputPort & ~OUTPUT_A20) | (command & OUTPUT_A20));
        break;
      case 0xe0:
        // Test inputs: the keyboard's clock, held low while it is off, and its data line.
        this.give((this.ctr & CTR_KEYBOARD_OFF) !== 0 ? 0x02 : 0x03);
        break;
    }
  }

  private readOutputPort(): number {
    const { full, source, outputPort } = this.r;
    return (outputPort & ~(OUTPUT_IRQ1 | OUTPUT_IRQ12)) | (full ? (source === FROM_AUX ? OUTPUT_IRQ12 : OUTPUT_IRQ1) : 0);
  }
}
