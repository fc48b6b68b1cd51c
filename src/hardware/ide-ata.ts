// A hard disk with the ATA/ATAPI-6 command set (T13/1410D, chapter 8): PIO, READ/WRITE MULTIPLE and
// DMA in CHS, 28-bit and 48-bit LBA.
//
// Not implemented: SMART, security, host protected area (READ NATIVE MAX answers, SET MAX does not),
// advanced power management, queued and stream commands, READ/WRITE LONG, READ/WRITE BUFFER, FORMAT
// TRACK. They end with ABRT and IDENTIFY does not offer them.

import type { BlockDevice, Clock, DeviceState } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { readAddress, readCount, writeAddress, writeCount } from "./ide-address.ts";
import {
  BLOCK_NS,
  BUFFER_BYTES,
  COMMAND_NS,
  DEVICE_LBA,
  ERROR_ABRT,
  ERROR_IDNF,
  ERROR_UNC,
  IdeDrive,
  REG_COUNT,
  REG_DEVICE,
  REG_ERROR_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_LOW,
  REG_LBA_MID,
  STATUS_DRDY,
  STATUS_DSC,
  STATUS_ERR,
} from "./ide-drive.ts";
import {
  defaultGeometry,
  type Geometry,
  identifyDisk,
  LBA28_LIMIT,
  MULTIPLE_MAX,
  MULTIWORD_MODES,
  ULTRA_MODES,
  writeWords,
} from "./ide-identify.ts";

const READY = STATUS_DRDY | STATUS_DSC;
const SECTOR = 512;
const DMA_SECTORS = BUFFER_BYTES / SECTOR;

/** CHECK POWER MODE's answers. */
const POWER_ACTIVE = 0xff;
const POWER_IDLE = 0x80;
const POWER_STANDBY = 0x00;

type DataProtocol = "pio" | "multiple" | "dma" | "verify";

/** The commands that address sectors. */
interface SectorCommand {
  readonly protocol: DataProtocol;
  readonly write: boolean;
  /** 48-bit: two-deep registers. */
  readonly ext: boolean;
}

const sectorCommand = (protocol: DataProtocol, write: boolean, ext: boolean): SectorCommand => ({ protocol, write, ext });

const SECTOR_COMMANDS = new Map<number, SectorCommand>([
  [0x20, sectorCommand("pio", false, false)], // READ SECTOR(S)
  [0x21, sectorCommand("pio", false, false)], //   without retries
  [0x24, sectorCommand("pio", false, true)], // READ SECTOR(S) EXT
  [0x25, sectorCommand("dma", false, true)], // READ DMA EXT
  [0x29, sectorCommand("multiple", false, true)], // READ MULTIPLE EXT
  [0x30, sectorCommand("pio", true, false)], // WRITE SECTOR(S)
  [0x31, sectorCommand("pio", true, false)],
  [0x34, sectorCommand("pio", true, true)], // WRITE SECTOR(S) EXT
  [0x35, sectorCommand("dma", true, true)], // WRITE DMA EXT
  [0x39, sectorCommand("multiple", true, true)], // WRITE MULTIPLE EXT
  [0x40, sectorCommand("verify", false, false)], // READ VERIFY SECTOR(S)
  [0x41, sectorCommand("verify", false, false)],
  [0x42, sectorCommand("verify", false, true)], // READ VERIFY SECTOR(S) EXT
  [0xc4, sectorCommand("multiple", false, false)], // READ MULTIPLE
  [0xc5, sectorCommand("multiple", true, false)], // WRITE MULTIPLE
  [0xc8, sectorCommand("dma", false, false)], // READ DMA
  [0xc9, sectorCommand("dma", false, false)],
  [0xca, sectorCommand("dma", true, false)], // WRITE DMA
  [0xcb, sectorCommand("dma", true, false)],
]);

/** What the end of the busy time does. */
type Stage = "start" | "next-block" | "finish";

interface DiskSettings {
  geometry: Geometry;
  multiple: number;
  multiwordMode: number;
  ultraMode: number;
  writeCache: boolean;
  lookAhead: boolean;
}

interface DiskState extends DiskSettings {
  power: number;
  command: number;
  stage: Stage;
  /** The next sector to move, and how many are left. */
  lba: number;
  remaining: number;
  /** Sectors in the block that the host is sending. */
  inBlock: number;
  /** The error that the stage `finish` reports. */
  failure: number;
}

export interface AtaDiskOptions {
  /** Up to 20 and 40 ASCII characters. */
  readonly serial?: string;
  readonly model?: string;
}

export class AtaDisk extends IdeDrive {
  protected readonly statusAfterReset = READY;
  readonly #medium: BlockDevice;
  readonly #serial: string;
  readonly #model: string;
  readonly #defaultGeometry: Geometry;

  #state: DiskState;

  constructor(clock: Clock, medium: BlockDevice, options: AtaDiskOptions = {}) {
    super(clock);
    if (medium.sectorSize !== SECTOR) throw new RangeError("an ATA disk has 512-byte sectors");
    this.#medium = medium;
    this.#serial = options.serial ?? "TS00000001";
    this.#model = options.model ?? "TRAPSCOPE HARDDISK";
    this.#defaultGeometry = defaultGeometry(medium.sectorCount);
    this.#state = { ...this.#powerOnSettings(), power: POWER_ACTIVE, command: 0, stage: "start", lba: 0, remaining: 0, inBlock: 0, failure: 0 };
  }

  protected resetState(hard: boolean): void {
    this.registers[REG_COUNT] = 1;
    this.registers[REG_LBA_LOW] = 1;
    this.registers[REG_LBA_MID] = 0;
    this.registers[REG_LBA_HIGH] = 0;
    this.#state.power = POWER_ACTIVE;
    if (hard) Object.assign(this.#state, this.#powerOnSettings());
  }

  /** What a software reset keeps. */
  #powerOnSettings(): DiskSettings {
    return { geometry: { ...this.#defaultGeometry }, multiple: 0, multiwordMode: 2, ultraMode: -1, writeCache: true, lookAhead: true };
  }

  protected commandWritten(command: number): void {
    this.#state.command = command;
    this.#state.stage = "start";
    this.#state.failure = 0;
    this.busy(COMMAND_NS);
  }

  protected busyEnded(): void {
    if (this.#state.stage === "finish") {
      if (this.#state.failure !== 0) this.#fail(this.#state.failure);
      else this.#complete();
      return;
    }
    const sectors = SECTOR_COMMANDS.get(this.#state.command);
    if (!sectors) this.#startOther();
    else if (this.#state.stage === "start") this.#startSectors(sectors);
    else if (sectors.write) this.#storeBlock(sectors);
    else this.#offerBlock(sectors, true);
  }

  protected blockMoved(): void {
    const sectors = SECTOR_COMMANDS.get(this.#state.command);
    if (!sectors) {
      this.status = READY; // IDENTIFY DEVICE
      return;
    }
    if (sectors.protocol === "dma") {
      this.#dmaBlockMoved(sectors);
    } else if (sectors.write || this.#state.remaining > 0) {
      this.#state.stage = "next-block";
      this.busy(BLOCK_NS);
    } else {
      this.#storePosition(this.#state.lba - 1, 0);
      this.status = READY; // the last block of a read ends without an interrupt
    }
  }

  // ---- commands that address sectors ----

  #startSectors(c: SectorCommand): void {
    this.#state.power = POWER_ACTIVE;
    if (c.protocol === "multiple" && this.#state.multiple === 0) return this.#fail(ERROR_ABRT);
    const lba = readAddress(this, c.ext, this.#state.geometry);
    if (lba < 0) return this.#fail(ERROR_IDNF);
    this.#state.lba = lba;
    this.#state.remaining = readCount(this, c.ext);
    if (c.protocol === "verify") this.#verify();
    else this.#offerBlock(c, !c.write); // no interrupt announces the first block of a write
  }

  #offerBlock(c: SectorCommand, interrupt: boolean): void {
    const failure = c.write ? this.#offerWrite(c) : this.#offerRead(c);
    if (failure !== 0) this.#fail(failure);
    else if (interrupt && c.protocol !== "dma") this.raiseInterrupt();
  }

  /** Sectors of the next data block; 0 where the address is past the end of the disk. */
  #blockSectors(c: SectorCommand): number {
    const most = c.protocol === "dma" ? DMA_SECTORS : c.protocol === "multiple" ? this.#state.multiple : 1;
    return Math.max(0, Math.min(most, this.#state.remaining, this.#medium.sectorCount - this.#state.lba));
  }

  /** Announces the next block; returns an error instead where there is none to read. */
  #offerRead(c: SectorCommand): number {
    const count = this.#blockSectors(c);
    if (count === 0) return ERROR_IDNF;
    try {
      this.#medium.read(this.#state.lba, this.buffer.subarray(0, count * SECTOR));
    } catch {
      return ERROR_UNC; // an image that cannot be read is a bad sector to the guest
    }
    this.#state.lba += count;
    this.#state.remaining -= count;
    this.offer("in", count * SECTOR, c.protocol === "dma");
    return 0;
  }

  #offerWrite(c: SectorCommand): number {
    this.#state.inBlock = this.#blockSectors(c);
    if (this.#state.inBlock === 0) return ERROR_IDNF;
    this.offer("out", this.#state.inBlock * SECTOR, c.protocol === "dma");
    return 0;
  }

  /** Stores the block that the host has sent. */
  #writeMedium(): number {
    try {
      this.#medium.write(this.#state.lba, this.buffer.subarray(0, this.#state.inBlock * SECTOR));
    } catch {
      return ERROR_ABRT;
    }
    this.#state.lba += this.#state.inBlock;
    this.#state.remaining -= this.#state.inBlock;
    return 0;
  }

  #storeBlock(c: SectorCommand): void {
    const failure = this.#writeMedium();
    if (failure !== 0) this.#fail(failure);
    else if (this.#state.remaining > 0) this.#offerBlock(c, true);
    else this.#complete();
  }

  /**
   * A DMA transfer runs through as many buffers as it needs. Its end, good or bad, waits for the
   * timer: the bus master may be running inside the port write that started it.
   */
  #dmaBlockMoved(c: SectorCommand): void {
    let failure = c.write ? this.#writeMedium() : 0;
    if (failure === 0 && this.#state.remaining > 0) {
      failure = c.write ? this.#offerWrite(c) : this.#offerRead(c);
      if (failure === 0) return;
    }
    this.#state.failure = failure;
    this.#state.stage = "finish";
    this.busy(BLOCK_NS);
  }

  #verify(): void {
    const past = this.#state.lba + this.#state.remaining - this.#medium.sectorCount;
    if (past > 0) {
      this.#state.lba = this.#medium.sectorCount;
      return this.#fail(ERROR_IDNF);
    }
    this.#state.lba += this.#state.remaining;
    this.#state.remaining = 0;
    this.#complete();
  }

  // ---- all other commands ----

  #startOther(): void {
    const r = this.registers;
    const command = this.#state.command;
    switch (command) {
      case 0x27: // READ NATIVE MAX ADDRESS EXT
        writeAddress(this, true, this.#state.geometry, this.#medium.sectorCount - 1);
        return this.#done();
      case 0x91: // INITIALIZE DEVICE PARAMETERS
        return this.#initializeParameters();
      case 0x94: // STANDBY IMMEDIATE, STANDBY, SLEEP and their older codes
      case 0x96:
      case 0x99:
      case 0xe0:
      case 0xe2:
      case 0xe6:
        this.#state.power = POWER_STANDBY;
        return this.#done();
      case 0x95: // IDLE IMMEDIATE, IDLE
      case 0x97:
      case 0xe1:
      case 0xe3:
        this.#state.power = POWER_IDLE;
        return this.#done();
      case 0x98: // CHECK POWER MODE
      case 0xe5:
        r[REG_COUNT] = this.#state.power;
        return this.#done();
      case 0xc6: // SET MULTIPLE MODE
        return this.#setMultiple(r[REG_COUNT]);
      case 0xe7: // FLUSH CACHE, FLUSH CACHE EXT
      case 0xea:
        return this.#flush();
      case 0xec:
        return this.#identify();
      case 0xef:
        return this.#setFeatures(r[REG_ERROR_FEATURES], r[REG_COUNT]);
      case 0xf8: // READ NATIVE MAX ADDRESS
        r[REG_DEVICE] |= DEVICE_LBA;
        writeAddress(this, false, this.#state.geometry, Math.min(this.#medium.sectorCount - 1, LBA28_LIMIT));
        return this.#done();
    }
    const high = command & 0xf0;
    if (high === 0x10) return this.#done(); // RECALIBRATE, once 16 codes for step rates
    if (high === 0x70) return this.#seek();
    this.#fail(ERROR_ABRT);
  }

  /** The host goes by this answer: it comes when what was written will be there after a power failure. */
  #flush(): void {
    try {
      this.#medium.flush();
    } catch {
      return this.#fail(ERROR_ABRT);
    }
    this.#done();
  }

  #seek(): void {
    const lba = readAddress(this, false, this.#state.geometry);
    if (lba < 0 || lba >= this.#medium.sectorCount) this.#fail(ERROR_IDNF);
    else this.#done();
  }

  #initializeParameters(): void {
    const heads = (this.registers[REG_DEVICE] & 0x0f) + 1;
    const sectorsPerTrack = this.registers[REG_COUNT];
    if (sectorsPerTrack === 0) return this.#fail(ERROR_ABRT);
    const { cylinders, heads: h, sectorsPerTrack: s } = this.#defaultGeometry;
    const addressable = Math.min(this.#medium.sectorCount, cylinders * h * s);
    this.#state.geometry = { cylinders: Math.min(65_535, Math.floor(addressable / (heads * sectorsPerTrack))), heads, sectorsPerTrack };
    this.#done();
  }

  #setMultiple(count: number): void {
    if (count > MULTIPLE_MAX || (count & (count - 1)) !== 0) return this.#fail(ERROR_ABRT);
    this.#state.multiple = count;
    this.#done();
  }

  #identify(): void {
    const words = identifyDisk({
      sectorCount: this.#medium.sectorCount,
      serial: this.#serial,
      model: this.#model,
      defaultGeometry: this.#defaultGeometry,
      currentGeometry: this.#state.geometry,
      multiple: this.#state.multiple,
      multiwordMode: this.#state.multiwordMode,
      ultraMode: this.#state.ultraMode,
      writeCache: this.#state.writeCache,
      lookAhead: this.#state.lookAhead,
      isSlave: this.isSlave,
    });
    writeWords(words, this.buffer);
    this.offer("in", SECTOR);
    this.raiseInterrupt();
  }

  #setFeatures(feature: number, value: number): void {
    switch (feature) {
      case 0x03:
        return this.#setTransferMode(value);
      case 0x02:
      case 0x82:
        this.#state.writeCache = feature === 0x02;
        return this.#done();
      case 0xaa:
      case 0x55:
        this.#state.lookAhead = feature === 0xaa;
        return this.#done();
      case 0x66: // keep / restore the power-on settings at a software reset: kept either way
      case 0xcc:
        return this.#done();
      default:
        this.#fail(ERROR_ABRT);
    }
  }

  /** ATA/ATAPI-6 table 44: the mode's kind in bits 7:3, its number in bits 2:0. */
  #setTransferMode(value: number): void {
    const mode = value & 7;
    switch (value >> 3) {
      case 0: // PIO default mode, with or without IORDY
        return mode <= 1 ? this.#done() : this.#fail(ERROR_ABRT);
      case 1: // PIO with flow control
        return mode <= 4 ? this.#done() : this.#fail(ERROR_ABRT);
      case 4:
        if (((MULTIWORD_MODES >> mode) & 1) === 0) break;
        this.#state.multiwordMode = mode;
        this.#state.ultraMode = -1;
        return this.#done();
      case 8:
        if (((ULTRA_MODES >> mode) & 1) === 0) break;
        this.#state.ultraMode = mode;
        this.#state.multiwordMode = -1;
        return this.#done();
    }
    this.#fail(ERROR_ABRT);
  }

  // ---- endings ----

  #done(): void {
    this.status = READY;
    this.raiseInterrupt();
  }

  /** The end of a sector command: the registers name the last sector, and none are left. */
  #complete(): void {
    this.#storePosition(this.#state.lba - 1, 0);
    this.#done();
  }

  #storePosition(lba: number, remaining: number): void {
    const ext = SECTOR_COMMANDS.get(this.#state.command)?.ext ?? false;
    writeAddress(this, ext, this.#state.geometry, lba);
    writeCount(this, ext, remaining);
  }

  #fail(error: number): void {
    // The registers name the sector that failed.
    if (error !== ERROR_ABRT && SECTOR_COMMANDS.has(this.#state.command)) this.#storePosition(this.#state.lba, this.#state.remaining);
    this.endTransfer();
    this.error = error;
    this.status = READY | STATUS_ERR;
    this.raiseInterrupt();
  }

  // ---- snapshot ----

  protected saveDrive(): DeviceState {
    return copyState({ ...this.#state });
  }

  protected loadDrive(state: DeviceState): void {
    this.#state = checkedState("ATA disk", this.#state, state);
  }
}
