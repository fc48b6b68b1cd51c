// What every ATA and ATAPI device on a cable has: the Command Block registers, the DRQ data
// block, the pending interrupt, reset. ATA/ATAPI-6 (T13/1410D), chapters 7 "Interface register
// definitions" and 9 "Protocol".
//
// A command never completes inside the port write that issued it: the device is busy (BSY) for a
// few microseconds of guest time first, as silicon is, so drivers see the order they expect.
//
// Not implemented: overlapped and queued commands, release and service interrupts.

import { checkedState } from "./device-state.ts";
import type { Clock, DeviceState, Timer } from "./device.ts";

const STATUS_BSY = 0x80;
export const STATUS_DRDY = 0x40;
export const STATUS_DSC = 0x10;
const STATUS_DRQ = 0x08;
export const STATUS_ERR = 0x01;

export const ERROR_UNC = 0x40;
export const ERROR_IDNF = 0x10;
export const ERROR_ABRT = 0x04;

/** Offsets in the Command Block. */
export const REG_DATA = 0;
export const REG_ERROR_FEATURES = 1;
export const REG_COUNT = 2;
export const REG_LBA_LOW = 3;
export const REG_LBA_MID = 4;
export const REG_LBA_HIGH = 5;
export const REG_DEVICE = 6;
export const REG_STATUS_COMMAND = 7;

export const DEVICE_DEV = 0x10;
export const DEVICE_LBA = 0x40;
/** Bits 7 and 5 are obsolete and read as ones. */
const DEVICE_OBSOLETE = 0xa0;

/** How long a device is busy before its first answer, and between two DRQ blocks of one command. */
export const COMMAND_NS = 5_000;
export const BLOCK_NS = 1_000;
const RESET_NS = 20_000;

/** The largest DRQ block; a bus-master transfer moves through the buffer in pieces of this size. */
export const BUFFER_BYTES = 65_536;

export type TransferDirection = "none" | "in" | "out";

/** The channel, as its drives see it. */
export interface IdeDriveHost {
  interruptChanged(): void;
  dmaRequested(): void;
}

interface DriveState {
  registers: Uint8Array;
  previous: Uint8Array;
  status: number;
  error: number;
  interruptPending: boolean;
  /** What the buffer holds, and the part of it that is still to be moved. */
  block: Uint8Array;
  position: number;
  limit: number;
  direction: TransferDirection;
  dma: boolean;
  resetting: boolean;
  interruptAfterReset: boolean;
  /** -1: not busy. */
  busyUntilNs: number;
  drive: DeviceState;
}

export abstract class IdeDrive {
  /** Current contents of the Command Block registers 1 to 6, as last written or as the command left them. */
  readonly registers = new Uint8Array(7);
  /** The contents before the last write: bits 47:24 of an LBA, read back while HOB is set. */
  readonly previous = new Uint8Array(7);
  status = 0;
  error = 0;
  interruptPending = false;
  host: IdeDriveHost | null = null;
  /** Device 1 on the cable (the channel says so). */
  isSlave = false;

  protected readonly buffer = new Uint8Array(BUFFER_BYTES);
  #position = 0;
  #limit = 0;
  #direction: TransferDirection = "none";
  #dma = false;
  #resetting = false;
  #interruptAfterReset = false;
  readonly #clock: Clock;
  readonly #timer: Timer;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = clock.timer(() => this.#busyOver());
  }

  #busyOver(): void {
    if (this.#resetting) this.#finishReset();
    else this.busyEnded();
  }

  /** A command code arrived; the device answers with `busy` or at once with a data block. */
  protected abstract commandWritten(command: number): void;
  /** The time given to `busy` is over. */
  protected abstract busyEnded(): void;
  /** The host has moved the whole data block that `offer` announced. */
  protected abstract blockMoved(): void;
  /** Leaves the device's signature in the registers (ATA/ATAPI-6 9.12) and ends what was going on. */
  protected abstract resetState(hard: boolean): void;
  /** The status that a device shows after a reset. */
  protected abstract readonly statusAfterReset: number;
  protected abstract saveDrive(): DeviceState;
  protected abstract loadDrive(state: DeviceState): void;
  /** Bytes of `buffer` beyond the present block that are still wanted. */
  protected bytesStaged(): number {
    return 0;
  }
  /** True for a command that is taken although the device is busy (DEVICE RESET). */
  protected acceptsWhileBusy(_command: number): boolean {
    return false;
  }

  // ---- the host's side ----

  writeRegister(offset: number, value: number): void {
    // The device does not look at its registers while it works, apart from the select bit.
    if ((this.status & STATUS_BSY) !== 0 && offset !== REG_DEVICE) return;
    this.previous[offset] = this.registers[offset];
    this.registers[offset] = offset === REG_DEVICE ? value | DEVICE_OBSOLETE : value;
  }

  writeCommand(command: number): void {
    if ((this.status & STATUS_BSY) !== 0 && !this.acceptsWhileBusy(command)) return;
    this.clearInterrupt();
    this.endTransfer();
    this.error = 0;
    this.commandWritten(command);
  }

  /** Reading Status acknowledges the interrupt, reading Alternate Status does not. */
  readStatus(): number {
    this.#catchUp();
    this.clearInterrupt();
    return this.status;
  }

  readAlternateStatus(): number {
    this.#catchUp();
    return this.status;
  }

  /** A host that polls sees the device ready in time, even where the clock looks at its timers less often than that. */
  #catchUp(): void {
    if (this.#timer.deadlineNs > this.#clock.nowNs()) return;
    this.#timer.cancel();
    this.#busyOver();
  }

  /** One access to the 16-bit data register. */
  readData(): number {
    if (this.#direction !== "in" || this.#dma) return 0xffff;
    const value = this.buffer[this.#position] | (this.buffer[this.#position + 1] << 8);
    this.#moved(2);
    return value;
  }

  writeData(value: number): void {
    if (this.#direction !== "out" || this.#dma) return;
    this.buffer[this.#position] = value & 0xff;
    this.buffer[this.#position + 1] = value >> 8;
    this.#moved(2);
  }

  /** As much of the current data block as fits `into`, in whole words; returns the bytes moved. */
  readDataBlock(into: Uint8Array, unit: number): number {
    const length = this.#blockLength("in", into.length, unit);
    if (length === 0) return 0;
    into.set(this.buffer.subarray(this.#position, this.#position + length));
    this.#moved(length);
    return length;
  }

  writeDataBlock(from: Uint8Array, unit: number): number {
    const length = this.#blockLength("out", from.length, unit);
    if (length === 0) return 0;
    this.buffer.set(from.subarray(0, length), this.#position);
    this.#moved(length);
    return length;
  }

  // ---- the bus master's side ----

  /** Which way the device wants to move data by DMA ("in": to memory); "none" while DMARQ is negated. */
  get dmaDirection(): TransferDirection {
    return this.#dma ? this.#direction : "none";
  }

  /** The bytes that are ready to be fetched, or the room that waits to be filled. */
  dmaWindow(): Uint8Array {
    return this.buffer.subarray(this.#position, this.#limit);
  }

  dmaMoved(length: number): void {
    this.#moved(length);
  }

  // ---- reset ----

  /** SRST set, RESET- asserted: everything stops, and BSY stays until `releaseReset`. */
  holdReset(): void {
    this.#timer.cancel();
    this.endTransfer();
    this.clearInterrupt();
    this.status = STATUS_BSY;
    this.#resetting = true;
    this.#interruptAfterReset = false;
  }

  releaseReset(): void {
    if (this.#resetting) this.#timer.arm(this.#clock.nowNs() + RESET_NS);
  }

  /** Power-on: as after a hardware reset that is long over. */
  powerOn(): void {
    this.holdReset();
    this.registers.fill(0);
    this.previous.fill(0);
    this.#enterResetState(true);
  }

  /** EXECUTE DEVICE DIAGNOSTIC: the state of a reset; one of the two drives reports its end. */
  diagnose(reports: boolean): void {
    this.holdReset();
    this.releaseReset();
    this.#interruptAfterReset = reports;
  }

  /** DEVICE RESET: over at once, and the device stays selected. */
  protected resetDevice(): void {
    this.holdReset();
    this.#resetting = false;
    this.error = 0x01;
    this.resetState(false);
    this.status = this.statusAfterReset;
  }

  #finishReset(): void {
    this.#enterResetState(false);
    if (this.#interruptAfterReset) this.raiseInterrupt();
  }

  #enterResetState(hard: boolean): void {
    this.#resetting = false;
    this.previous.fill(0);
    this.registers[REG_DEVICE] = DEVICE_OBSOLETE;
    this.error = 0x01; // diagnostic code: no error
    this.resetState(hard);
    this.status = this.statusAfterReset;
  }

  // ---- for the command sets ----

  protected busy(durationNs: number): void {
    this.status = STATUS_BSY;
    this.#timer.arm(this.#clock.nowNs() + durationNs);
  }

  /** Announces `length` bytes in `buffer` from `start` (or room for them) as one DRQ block. */
  protected offer(direction: "in" | "out", length: number, dma = false, start = 0): void {
    this.#position = start;
    this.#limit = start + length;
    this.#direction = direction;
    this.#dma = dma;
    this.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
    if (dma) this.host?.dmaRequested();
  }

  protected endTransfer(): void {
    this.#position = 0;
    this.#limit = 0;
    this.#direction = "none";
    this.#dma = false;
  }

  protected raiseInterrupt(): void {
    this.interruptPending = true;
    this.host?.interruptChanged();
  }

  protected clearInterrupt(): void {
    if (!this.interruptPending) return;
    this.interruptPending = false;
    this.host?.interruptChanged();
  }

  #blockLength(direction: TransferDirection, wanted: number, unit: number): number {
    if (this.#direction !== direction || this.#dma) return 0;
    const length = Math.min(wanted, this.#limit - this.#position);
    return length - (length % unit);
  }

  #moved(length: number): void {
    this.#position += length;
    if (this.#position < this.#limit) return;
    this.endTransfer();
    this.blockMoved();
  }

  // ---- snapshot ----

  save(): DeviceState {
    return { ...this.#snapshot() };
  }

  #snapshot(): DriveState {
    return {
      registers: this.registers.slice(),
      previous: this.previous.slice(),
      status: this.status,
      error: this.error,
      interruptPending: this.interruptPending,
      block: this.buffer.slice(0, Math.max(this.#limit, this.bytesStaged())),
      position: this.#position,
      limit: this.#limit,
      direction: this.#direction,
      dma: this.#dma,
      resetting: this.#resetting,
      interruptAfterReset: this.#interruptAfterReset,
      busyUntilNs: this.#timer.deadlineNs === Number.POSITIVE_INFINITY ? -1 : this.#timer.deadlineNs,
      drive: this.saveDrive(),
    };
  }

  load(state: DeviceState): void {
    // The block is as long as the command made it; everything else has a fixed shape.
    const block = state.block instanceof Uint8Array && state.block.length <= BUFFER_BYTES ? state.block : new Uint8Array(0);
    const s = checkedState("IDE drive", { ...this.#snapshot(), block }, state);
    this.registers.set(s.registers);
    this.previous.set(s.previous);
    this.status = s.status;
    this.error = s.error;
    this.interruptPending = s.interruptPending;
    this.buffer.set(s.block);
    this.#limit = Math.min(s.limit, s.block.length);
    this.#position = s.position;
    this.#direction = s.direction;
    this.#dma = s.dma;
    this.#resetting = s.resetting;
    this.#interruptAfterReset = s.interruptAfterReset;
    if (s.busyUntilNs < 0) this.#timer.cancel();
    else this.#timer.arm(s.busyUntilNs);
    this.loadDrive(s.drive);
  }
}
