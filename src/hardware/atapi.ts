// A CD-ROM drive behind the PACKET command: ATA/ATAPI-6 (T13/1410D), 9.8 to 9.11, with the packets of
// MMC-3 (T10/1363-D). Data moves by PIO in blocks of at most the byte count limit, or by DMA.
//
// Not implemented: overlap, MODE SELECT and everything that writes, audio, raw sectors, the power-on
// unit attention (29h), which drivers that try a command only once would take for a fault.

import type { BlockDevice, Clock, DeviceState } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import {
  BLOCK_NS,
  BUFFER_BYTES,
  COMMAND_NS,
  ERROR_ABRT,
  IdeDrive,
  REG_COUNT,
  REG_ERROR_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_LOW,
  REG_LBA_MID,
  STATUS_DRDY,
  STATUS_ERR,
} from "./ide-drive.ts";
import { identifyCdrom, MULTIWORD_MODES, ULTRA_MODES, writeWords } from "./ide-identify.ts";
import {
  capacityData,
  configurationData,
  discInformation,
  eventData,
  inquiryData,
  mechanismStatus,
  modeData,
  profileOf,
  senseData,
  tocData,
} from "./mmc-pages.ts";

const SECTOR = 2048;
const BUFFER_SECTORS = BUFFER_BYTES / SECTOR;
const PACKET_BYTES = 12;

/** Interrupt reason, in the Sector Count register. */
const REASON_COMMAND = 1;
const REASON_TO_HOST = 2;

const FEATURE_DMA = 1;

// Sense keys and additional sense codes.
const NO_SENSE = 0;
const NOT_READY = 2;
const MEDIUM_ERROR = 3;
const ILLEGAL_REQUEST = 5;
const UNIT_ATTENTION = 6;
const ASC_UNRECOVERED_READ = 0x11;
const ASC_INVALID_COMMAND = 0x20;
const ASC_LBA_OUT_OF_RANGE = 0x21;
const ASC_INVALID_FIELD = 0x24;
const ASC_MEDIUM_CHANGED = 0x28;
const ASC_SAVING_NOT_SUPPORTED = 0x39;
const ASC_NO_MEDIUM = 0x3a;
const ASC_REMOVAL_PREVENTED = 0x53;

/** Events of the media class. */
const EVENT_NONE = 0;
const EVENT_EJECT_REQUEST = 1;
const EVENT_NEW_MEDIA = 2;

/** What the end of the busy time does, or what the data block under way is. */
type Stage = "command" | "identify" | "packet" | "execute" | "data" | "finish";

interface CdState {
  command: number;
  stage: Stage;
  packet: Uint8Array;
  dma: boolean;
  /** The most that the host takes in one PIO block. */
  byteLimit: number;
  /** Bytes that wait in the buffer: from `at` to `staged`. */
  at: number;
  staged: number;
  /** Sectors still to be read into the buffer. */
  lba: number;
  sectorsLeft: number;
  /** A read that failed: reported when the command ends. */
  failed: boolean;
  senseKey: number;
  senseCode: number;
  senseQualifier: number;
  locked: boolean;
  trayOpen: boolean;
  /** The disc was changed and the host has not been told. */
  attention: boolean;
  event: number;
  multiwordMode: number;
  ultraMode: number;
}

function freshState(): CdState {
  return {
    command: 0,
    stage: "command",
    packet: new Uint8Array(PACKET_BYTES),
    dma: false,
    byteLimit: 0,
    at: 0,
    staged: 0,
    lba: 0,
    sectorsLeft: 0,
    failed: false,
    senseKey: NO_SENSE,
    senseCode: 0,
    senseQualifier: 0,
    locked: false,
    trayOpen: false,
    attention: false,
    event: EVENT_NONE,
    multiwordMode: 2,
    ultraMode: -1,
  };
}

export interface AtapiCdromOptions {
  readonly serial?: string;
  readonly model?: string;
}

export class AtapiCdrom extends IdeDrive {
  protected readonly statusAfterReset = 0;
  readonly #serial: string;
  readonly #model: string;
  #disc: BlockDevice | null;
  #state = freshState();

  /** `disc` in 2048-byte sectors; null for an empty drive. */
  constructor(clock: Clock, disc: BlockDevice | null, options: AtapiCdromOptions = {}) {
    super(clock);
    this.#disc = disc;
    this.#serial = options.serial ?? "TS00000002";
    this.#model = options.model ?? "TRAPSCOPE CD-ROM";
  }

  /** A person changes the disc: null takes it out. The guest hears of it at its next command. */
  changeDisc(disc: BlockDevice | null): void {
    const s = this.#state;
    this.#disc = disc;
    s.trayOpen = disc === null;
    s.attention = disc !== null;
    s.event = disc ? EVENT_NEW_MEDIA : EVENT_EJECT_REQUEST;
  }

  protected resetState(hard: boolean): void {
    const { trayOpen, attention, event, senseKey, senseCode, senseQualifier, multiwordMode, ultraMode } = this.#state;
    const kept = hard ? {} : { senseKey, senseCode, senseQualifier, multiwordMode, ultraMode };
    this.#state = { ...freshState(), trayOpen, attention, event, ...kept };
    this.#signature();
  }

  protected override acceptsWhileBusy(command: number): boolean {
    return command === 0x08;
  }

  protected override bytesStaged(): number {
    return this.#state.staged;
  }

  /** ATA/ATAPI-6 9.12: what tells a PACKET device from a disk. */
  #signature(): void {
    const r = this.registers;
    r[REG_COUNT] = 0x01;
    r[REG_LBA_LOW] = 0x01;
    r[REG_LBA_MID] = 0x14;
    r[REG_LBA_HIGH] = 0xeb;
  }

  protected commandWritten(command: number): void {
    if (command === 0x08) return this.resetDevice();
    this.#state.command = command;
    this.#state.stage = "command";
    this.busy(command === 0xa0 ? BLOCK_NS : COMMAND_NS);
  }

  protected busyEnded(): void {
    switch (this.#state.stage) {
      case "command":
        return this.#startCommand();
      case "execute":
        return this.#execute();
      case "data":
        return this.#offerData();
      default:
        return this.#finish();
    }
  }

  protected blockMoved(): void {
    const s = this.#state;
    if (s.stage === "identify") {
      this.status = STATUS_DRDY;
    } else if (s.stage === "packet") {
      s.packet = this.buffer.slice(0, PACKET_BYTES);
      s.stage = "execute";
      this.busy(COMMAND_NS);
    } else {
      this.#dataMoved();
    }
  }

  // ---- ATA commands ----

  #startCommand(): void {
    const r = this.registers;
    const s = this.#state;
    switch (s.command) {
      case 0xa0: // PACKET
        s.dma = (r[REG_ERROR_FEATURES] & FEATURE_DMA) !== 0;
        s.byteLimit = r[REG_LBA_MID] | (r[REG_LBA_HIGH] << 8);
        s.stage = "packet";
        r[REG_COUNT] = REASON_COMMAND;
        return this.offer("out", PACKET_BYTES);
      case 0xa1: // IDENTIFY PACKET DEVICE
        s.stage = "identify";
        writeWords(identifyCdrom({ ...s, serial: this.#serial, model: this.#model, isSlave: this.isSlave }), this.buffer);
        this.offer("in", 512);
        return this.raiseInterrupt();
      case 0xef: // SET FEATURES: transfer modes
        return r[REG_ERROR_FEATURES] === 0x03 && this.#setTransferMode(r[REG_COUNT]) ? this.#ready() : this.#abort();
      case 0xe0: // power modes change nothing that can be seen
      case 0xe1:
      case 0xe2:
      case 0xe3:
      case 0xe6:
        return this.#ready();
      case 0xe5: // CHECK POWER MODE
        r[REG_COUNT] = 0xff;
        return this.#ready();
      case 0xec: // IDENTIFY DEVICE and READ SECTOR(S) abort and leave the signature
      case 0x20:
      case 0x21:
        this.#signature();
        return this.#abort();
      default:
        return this.#abort();
    }
  }

  #ready(): void {
    this.status = STATUS_DRDY;
    this.raiseInterrupt();
  }

  #abort(): void {
    this.error = ERROR_ABRT;
    this.status = STATUS_DRDY | STATUS_ERR;
    this.raiseInterrupt();
  }

  #setTransferMode(value: number): boolean {
    const mode = value & 7;
    const s = this.#state;
    if (value >> 3 === 4 && (MULTIWORD_MODES >> mode) & 1) [s.multiwordMode, s.ultraMode] = [mode, -1];
    else if (value >> 3 === 8 && (ULTRA_MODES >> mode) & 1) [s.multiwordMode, s.ultraMode] = [-1, mode];
    else return value >> 3 <= 1 && mode <= 4;
    return true;
  }

  // ---- packets ----

  #present(): BlockDevice | null {
    return this.#state.trayOpen ? null : this.#disc;
  }

  #execute(): void {
    const s = this.#state;
    const p = s.packet;
    const operation = p[0];
    // INQUIRY, REQUEST SENSE, GET CONFIGURATION and GET EVENT STATUS work whatever has happened.
    const always = operation === 0x12 || operation === 0x03 || operation === 0x46 || operation === 0x4a;
    if (!always) {
      if (s.attention) {
        s.attention = false;
        return this.#check(UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
      }
      [s.senseKey, s.senseCode, s.senseQualifier] = [NO_SENSE, 0, 0];
    }
    switch (operation) {
      case 0x00: // TEST UNIT READY
      case 0x2b: // SEEK(10)
        return this.#withDisc(() => this.#succeed());
      case 0x03:
        return this.#requestSense(p[4]);
      case 0x12:
        return this.#reply(inquiryData(), p[4]);
      case 0x1b:
        return this.#startStop(p[4]);
      case 0x1e: // PREVENT ALLOW MEDIUM REMOVAL
        s.locked = (p[4] & 1) !== 0;
        return this.#succeed();
      case 0x25:
        return this.#withDisc((disc) => this.#reply(capacityData(disc.sectorCount), 8));
      case 0x28: // READ(10)
        return this.#read(be32(p, 2), be16(p, 7));
      case 0xa8: // READ(12)
        return this.#read(be32(p, 2), be32(p, 6));
      case 0xbe: // READ CD, as user data only
        if (p[9] !== 0x10 && p[9] !== 0) return this.#check(ILLEGAL_REQUEST, ASC_INVALID_FIELD);
        return this.#read(be32(p, 2), p[9] === 0 ? 0 : be32(p, 5) & 0xffffff);
      case 0x43:
        return this.#readToc(p);
      case 0x46:
        return this.#reply(configurationData(be16(p, 2), (p[1] & 3) === 2, profileOf(this.#present()?.sectorCount ?? 0)), be16(p, 7));
      case 0x4a:
        return this.#eventStatus(p);
      case 0x51:
        return this.#withDisc(() => this.#reply(discInformation(), be16(p, 7)));
      case 0x5a:
        return this.#modeSense(p);
      case 0xbb: // SET CD SPEED
        return this.#succeed();
      case 0xbd:
        return this.#reply(mechanismStatus(), be16(p, 8));
      default:
        return this.#check(ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
    }
  }

  #withDisc(action: (disc: BlockDevice) => void): void {
    const disc = this.#present();
    if (disc) action(disc);
    else this.#check(NOT_READY, ASC_NO_MEDIUM, this.#state.trayOpen ? 2 : 1);
  }

  /** Also reports, and takes back, a disc change that no command has met yet. */
  #requestSense(length: number): void {
    const s = this.#state;
    const pending = s.attention && s.senseKey === NO_SENSE;
    const data = pending ? senseData(UNIT_ATTENTION, ASC_MEDIUM_CHANGED, 0) : senseData(s.senseKey, s.senseCode, s.senseQualifier);
    if (pending) s.attention = false;
    [s.senseKey, s.senseCode, s.senseQualifier] = [NO_SENSE, 0, 0];
    this.#reply(data, length);
  }

  /** Bit 1 (LoEj) with bit 0 (Start) clear opens the tray, with it set closes it. */
  #startStop(action: number): void {
    const s = this.#state;
    if ((action & 2) !== 0) {
      const open = (action & 1) === 0;
      if (open && s.locked) return this.#check(ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, 2);
      if (s.trayOpen && !open && this.#disc) [s.attention, s.event] = [true, EVENT_NEW_MEDIA];
      s.trayOpen = open;
    }
    this.#succeed();
  }

  #readToc(p: Uint8Array): void {
    this.#withDisc((disc) => {
      // Older drives took the format from the control byte.
      const data = tocData(p[2] & 0x0f || p[9] >> 6, (p[1] & 2) !== 0, p[6], disc.sectorCount);
      if (data) this.#reply(data, be16(p, 7));
      else this.#check(ILLEGAL_REQUEST, ASC_INVALID_FIELD);
    });
  }

  #eventStatus(p: Uint8Array): void {
    const s = this.#state;
    if ((p[1] & 1) === 0) return this.#check(ILLEGAL_REQUEST, ASC_INVALID_FIELD); // asynchronous answers
    const data = eventData(p[4], s.event, s.trayOpen, this.#present() !== null);
    if (data.length > 4) s.event = EVENT_NONE;
    this.#reply(data, be16(p, 7));
  }

  #modeSense(p: Uint8Array): void {
    if (p[2] >> 6 === 3) return this.#check(ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
    const data = modeData(p[2] & 0x3f, this.#state.locked, this.#present() ? 0x01 : 0x70);
    if (data) this.#reply(data, be16(p, 7));
    else this.#check(ILLEGAL_REQUEST, ASC_INVALID_FIELD);
  }

  // ---- data ----

  #reply(data: readonly number[], allocation: number): void {
    const length = Math.min(data.length, allocation);
    this.buffer.set(data.slice(0, length));
    this.#startData(length, 0, 0);
  }

  #read(lba: number, count: number): void {
    this.#withDisc((disc) => {
      if (lba + count > disc.sectorCount) return this.#check(ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
      this.#startData(0, lba, count);
    });
  }

  #startData(staged: number, lba: number, sectors: number): void {
    Object.assign(this.#state, { at: 0, staged, lba, sectorsLeft: sectors, failed: false, stage: "data" });
    this.#offerData();
  }

  /** Announces the next block, reading more sectors where the buffer has run out; ends the command where nothing is left. */
  #offerData(): void {
    const s = this.#state;
    if (s.at === s.staged && !this.#stageSectors()) return this.#end();
    const waiting = s.staged - s.at;
    const length = s.dma ? waiting : Math.min(waiting, this.#pioLimit(waiting));
    const r = this.registers;
    r[REG_COUNT] = REASON_TO_HOST;
    r[REG_LBA_MID] = length & 0xff;
    r[REG_LBA_HIGH] = length >> 8;
    const start = s.at;
    s.at += length;
    this.offer("in", length, s.dma, start);
    if (!s.dma) this.raiseInterrupt();
  }

  /** An even number of bytes, whole sectors if one fits; a limit of zero is none. */
  #pioLimit(waiting: number): number {
    const limit = (this.#state.byteLimit || 0xfffe) & ~1;
    const usable = Math.max(2, Math.min(limit, 0xfffe));
    return waiting > usable && usable >= SECTOR ? usable - (usable % SECTOR) : usable;
  }

  /** Reads as many sectors as the buffer holds; false when none are left or the disc cannot be read. */
  #stageSectors(): boolean {
    const s = this.#state;
    const count = Math.min(BUFFER_SECTORS, s.sectorsLeft);
    if (count === 0) return false;
    try {
      const disc = this.#present();
      if (!disc) throw new Error("the disc was taken out");
      disc.read(s.lba, this.buffer.subarray(0, count * SECTOR));
    } catch {
      s.failed = true;
      return false;
    }
    [s.at, s.staged] = [0, count * SECTOR];
    s.lba += count;
    s.sectorsLeft -= count;
    return true;
  }

  #dataMoved(): void {
    if (this.#state.dma) this.#offerData();
    else this.busy(BLOCK_NS);
  }

  /** No more data. The end waits for the timer where it was reached inside a port access. */
  #end(): void {
    this.#state.stage = "finish";
    this.busy(BLOCK_NS);
  }

  #finish(): void {
    if (this.#state.failed) this.#check(MEDIUM_ERROR, ASC_UNRECOVERED_READ);
    else this.#succeed();
  }

  #succeed(): void {
    this.#statusPhase();
    this.#ready();
  }

  #check(key: number, code: number, qualifier = 0): void {
    const s = this.#state;
    [s.senseKey, s.senseCode, s.senseQualifier] = [key, code, qualifier];
    this.#statusPhase();
    this.error = key << 4;
    this.status = STATUS_DRDY | STATUS_ERR;
    this.raiseInterrupt();
  }

  #statusPhase(): void {
    [this.#state.at, this.#state.staged] = [0, 0];
    this.registers[REG_COUNT] = REASON_COMMAND | REASON_TO_HOST;
  }

  // ---- snapshot ----

  protected saveDrive(): DeviceState {
    return copyState({ ...this.#state });
  }

  protected loadDrive(state: DeviceState): void {
    this.#state = checkedState("CD-ROM drive", freshState(), state);
  }
}

function be16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] << 8) | bytes[offset + 1];
}

function be32(bytes: Uint8Array, offset: number): number {
  return ((be16(bytes, offset) << 16) | be16(bytes, offset + 2)) >>> 0;
}
