// One IDE channel: a cable with two drives, its Command Block (1F0h-1F7h, 170h-177h) and Control
// Block (3F6h, 376h). ATA/ATAPI-6 (T13/1410D), chapters 7 and 9.16 "Single device configurations".
//
// Not implemented: drive address register (port 3F7h), which belongs to the floppy controller on a PC.

import { byteRegion } from "./bus.ts";
import { checkedState } from "./device-state.ts";
import type { Device, DeviceState, Line, Region, Width } from "./device.ts";
import {
  DEVICE_DEV,
  type IdeDrive,
  type IdeDriveHost,
  REG_DATA,
  REG_DEVICE,
  REG_ERROR_FEATURES,
  REG_STATUS_COMMAND,
} from "./ide-drive.ts";

const CONTROL_NIEN = 0x02;
const CONTROL_SRST = 0x04;
const CONTROL_HOB = 0x80;

/** Nobody drives the bus, and DD7 has a pull-down resistor so that BSY does not read as one. */
const FLOATING = 0x7f;
const FLOATING_WORD = 0xff7f;

const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;

export interface IdeChannelOptions {
  /** Names the channel in snapshots: "ide0", "ide1". */
  readonly id: string;
  /** INTRQ. */
  readonly interrupt: Line;
}

export class IdeChannel implements Device, IdeDriveHost {
  readonly id: string;
  /** Eight ports. */
  readonly commandBlock: Region;
  /** One port: Alternate Status and Device Control. */
  readonly controlBlock: Region;
  /** Told when a drive asserts DMARQ. */
  onDmaRequest: () => void = () => undefined;

  readonly #interrupt: Line;
  readonly #drives: [IdeDrive | null, IdeDrive | null] = [null, null];
  #selected: 0 | 1 = 0;
  #control = 0;

  constructor(options: IdeChannelOptions) {
    this.id = options.id;
    this.#interrupt = options.interrupt;
    const registers = byteRegion({
      read: (offset) => this.#readRegister(offset),
      write: (offset, value) => this.#writeRegister(offset, value),
    });
    this.commandBlock = {
      read: (offset, width) => (offset === REG_DATA ? this.#readData(width) : registers.read(offset, width)),
      write: (offset, width, value) => {
        if (offset === REG_DATA) this.#writeData(width, value);
        else registers.write(offset, width, value);
      },
      readBlock: (offset, width, into) => (offset === REG_DATA && width > 1 ? (this.#drive?.readDataBlock(into, width) ?? 0) : 0),
      writeBlock: (offset, width, from) => (offset === REG_DATA && width > 1 ? (this.#drive?.writeDataBlock(from, width) ?? 0) : 0),
    };
    this.controlBlock = byteRegion({
      read: (offset) => (offset === 0 ? this.#alternateStatus() : 0xff),
      write: (offset, value) => {
        if (offset === 0) this.#writeControl(value);
      },
    });
  }

  /** Puts a drive on the cable (null: takes it off), as before power-on. */
  attach(unit: 0 | 1, drive: IdeDrive | null): void {
    this.#drives[unit] = drive;
    if (!drive) return;
    drive.isSlave = unit === 1;
    drive.host = this;
    drive.powerOn();
  }

  drive(unit: 0 | 1): IdeDrive | null {
    return this.#drives[unit];
  }

  /** The drive that asserts DMARQ, if one does. */
  get dmaDrive(): IdeDrive | null {
    const drive = this.#drive;
    return drive && drive.dmaDirection !== "none" ? drive : null;
  }

  reset(): void {
    this.#selected = 0;
    this.#control = 0;
    for (const drive of this.#drives) drive?.powerOn();
    this.interruptChanged();
  }

  // ---- from the drives ----

  /** Only the selected drive drives INTRQ, and not while nIEN is set; the pending interrupt stays in the drive. */
  interruptChanged(): void {
    this.#interrupt.set((this.#control & CONTROL_NIEN) === 0 && (this.#drive?.interruptPending ?? false));
  }

  dmaRequested(): void {
    this.onDmaRequest();
  }

  // ---- registers ----

  get #drive(): IdeDrive | null {
    return this.#drives[this.#selected];
  }

  #readData(width: Width): number {
    const drive = this.#drive;
    const word = drive ? drive.readData() : FLOATING_WORD;
    if (width === 1) return word & 0xff;
    if (width === 2) return word;
    return (word | ((drive ? drive.readData() : FLOATING_WORD) << 16)) >>> 0;
  }

  #writeData(width: Width, value: number): void {
    this.#drive?.writeData(value & 0xffff);
    if (width === 4) this.#drive?.writeData(value >>> 16);
  }

  #readRegister(offset: number): number {
    const drive = this.#drive;
    if (!drive) return this.#readAbsent(offset);
    switch (offset) {
      case REG_ERROR_FEATURES:
        return drive.error;
      case REG_STATUS_COMMAND:
        return drive.readStatus();
      default:
        if (offset > REG_STATUS_COMMAND) return 0xff;
        return this.#control & CONTROL_HOB && offset !== REG_DEVICE ? drive.previous[offset] : drive.registers[offset];
    }
  }

  /** Device 0 answers for an absent device 1, with a Status of zero; nobody answers for an absent device 0. */
  #readAbsent(offset: number): number {
    const other = this.#selected === 1 ? this.#drives[0] : null;
    if (!other) return FLOATING;
    return offset === REG_STATUS_COMMAND || offset === REG_ERROR_FEATURES ? 0 : other.registers[offset];
  }

  #writeRegister(offset: number, value: number): void {
    this.#control &= ~CONTROL_HOB;
    if (offset === REG_STATUS_COMMAND) {
      this.#writeCommand(value);
      return;
    }
    // Both drives listen to every write.
    for (const drive of this.#drives) drive?.writeRegister(offset, value);
    if (offset === REG_DEVICE) {
      this.#selected = value & DEVICE_DEV ? 1 : 0;
      this.interruptChanged();
    }
  }

  #writeCommand(command: number): void {
    if (command !== EXECUTE_DEVICE_DIAGNOSTIC) {
      this.#drive?.writeCommand(command);
      return;
    }
    // Goes to both drives whichever is selected; device 0 reports, and is selected afterwards.
    this.#selected = 0;
    const [first, second] = this.#drives;
    first?.diagnose(true);
    second?.diagnose(first === null);
  }

  #alternateStatus(): number {
    return this.#drive ? this.#drive.readAlternateStatus() : this.#readAbsent(REG_STATUS_COMMAND);
  }

  #writeControl(value: number): void {
    const changed = this.#control ^ value;
    this.#control = value;
    if (changed & CONTROL_SRST) {
      this.#selected = 0;
      for (const drive of this.#drives) {
        if (value & CONTROL_SRST) drive?.holdReset();
        else drive?.releaseReset();
      }
    }
    this.interruptChanged();
  }

  // ---- snapshot ----

  save(): DeviceState {
    return { selected: this.#selected, control: this.#control, drives: this.#drives.map((drive) => drive?.save() ?? {}) };
  }

  load(state: DeviceState): void {
    const s = checkedState(this.id, { selected: 0, control: 0, drives: [{}, {}] }, { ...state, drives: [{}, {}] });
    const drives = state.drives as DeviceState[];
    this.#drives.forEach((drive, unit) => drive?.load(drives[unit]));
    this.#selected = s.selected === 1 ? 1 : 0;
    this.#control = s.control;
    this.interruptChanged();
  }
}
