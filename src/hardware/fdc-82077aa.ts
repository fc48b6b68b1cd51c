// 82077AA floppy disk controller in PC/AT mode, with up to two drives.
//
// Manual: Intel 82077AA datasheet (290166): registers, command set, status registers 0 to 3.
//
// Everything mechanical takes guest time by a timer, though far less than a real drive: an interrupt never comes before
// the OUT that started the command has returned. A disk that is missing or does not turn ends a command with
// "missing address mark" where the real part would wait for an index pulse that never comes.
//
// Not implemented: SCAN commands and PART ID (invalid commands here), deleted-data marks (every sector holds normal
// data), precompensation, power-down and tape bits (kept, no effect), status registers A and B (they float in AT mode),
// the FIFO's threshold (a transfer without DMA interrupts for every byte).

import { byteRegion } from "./bus.ts";
import type { BlockDevice, Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import type { DmaChannel } from "./dma-8237.ts";
import {
  COMMAND,
  CONFIGURE,
  CONFIG_EIS,
  CONFIG_NO_POLL,
  DIR_DSKCHG,
  DOR_DMAGATE,
  DOR_NOT_RESET,
  DSR_RESET,
  DUMPREG,
  ENDING,
  EXECUTION,
  HELD_IN_RESET,
  LOCK,
  MOVING,
  MSR_BUSY,
  MSR_DIO,
  MSR_NON_DMA,
  MSR_RQM,
  NO_ENDING,
  PERPENDICULAR,
  READ_ID,
  RECALIBRATE,
  RELATIVE_SEEK,
  RESULT,
  SEARCHING,
  SEEK,
  SENSE_DRIVE,
  SENSE_INTERRUPT,
  SPECIFY,
  ST0_EQUIPMENT,
  ST0_INVALID,
  ST0_READY_CHANGED,
  ST0_SEEK_END,
  ST3_ALWAYS,
  ST3_PROTECTED,
  ST3_TRACK0,
  VERSION,
  commandOf,
  powerOn,
} from "./fdc-registers.ts";
import {
  type Ending,
  FORMAT_TRACK,
  hostBytes,
  load,
  locate,
  next,
  NO_ADDRESS_MARK,
  READ_TRACK,
  readable,
  ST0_ABNORMAL,
  startTransfer,
  store,
  writesDisk,
} from "./fdc-transfer.ts";
import { FLOPPY_SECTOR_BYTES, FloppyDrive } from "./floppy-drive.ts";

/** Recalibrate gives up after this many steps. */
const RECALIBRATE_STEPS = 79;
const ROTATION_NS = 200_000_000;

const RESET_NS = 20_000;
const SEEK_NS = 50_000;
const STEP_NS = 20_000;
const START_NS = 100_000;
const SECTOR_NS = 20_000;
const ENDING_NS = 5_000;
/** How long an address mark is looked for. */
const SEARCH_NS = 10_000_000;

export class Fdc82077aa implements Device {
  readonly id = "82077AA";
  /** Ports 3F0h-3F5h. */
  readonly region: Region;
  /** Port 3F7h. */
  readonly dirRegion: Region;
  private r = powerOn();
  private readonly drives: readonly FloppyDrive[];
  private readonly clock: Clock;
  private readonly irq6: Line;
  private readonly dma: DmaChannel;
  private readonly timer: Timer;

  constructor(wiring: { clock: Clock; irq6: Line; dma: DmaChannel; drives?: number }) {
    this.clock = wiring.clock;
    this.irq6 = wiring.irq6;
    this.dma = wiring.dma;
    this.drives = Array.from({ length: wiring.drives ?? 2 }, () => new FloppyDrive());
    this.dma.onReady = () => this.moveByDma();
    this.timer = wiring.clock.timer((nowNs) => this.expire(nowNs));
    this.region = byteRegion({ read: (offset) => this.read(offset), write: (offset, value) => this.write(offset, value) });
    this.dirRegion = byteRegion({
      read: () => (this.drives[this.r.dor & 3]?.changed === true ? DIR_DSKCHG : 0),
      write: (_offset, value) => {
        this.r.dsr = (this.r.dsr & ~3) | (value & 3);
      },
    });
    this.reset();
  }

  /** Puts a disk into drive 0 or 1, or takes it out. Throws RangeError if it is no floppy disk. */
  insert(drive: number, media: BlockDevice | null): void {
    const target = this.drives[drive];
    if (target === undefined) throw new RangeError(`no floppy drive ${drive}`);
    target.insert(media);
  }

  /** Whether the motor of a drive is on (its lamp). */
  motorOn(drive: number): boolean {
    return (this.r.dor & (0x10 << drive)) !== 0;
  }

  /** RESET pin: DOR is cleared, which holds the part in reset until the guest ends it. */
  reset(): void {
    this.dma.request(false);
    this.r = powerOn();
    this.update();
  }

  /** Disks are not part of the state; whoever loads it has put the same ones in. */
  save(): DeviceState {
    const drives = this.drives.map(({ track, changed }) => ({ track, changed }));
    return copyState({ ...this.r, drives });
  }

  load(state: DeviceState): void {
    const { drives, ...r } = checkedState(this.id, { ...powerOn(), drives: [{ track: 0, changed: false }] }, state);
    this.r = r;
    for (const [i, drive] of this.drives.entries()) Object.assign(drive, drives[i]);
    this.dma.request(this.usesDma && r.phase === EXECUTION && r.step === MOVING);
    this.update();
  }

  private get usesDma(): boolean {
    return ((this.r.specify[1] as number) & 1) === 0;
  }

  private update(): void {
    const { r } = this;
    // DMAGATE opens the interrupt and DMA pins to the bus.
    this.irq6.set(r.int && (r.dor & DOR_DMAGATE) !== 0);
    const next = Math.min(...[...r.seekNs, r.executeNs, r.resetNs].map((ns) => ns || Infinity));
    if (next === Infinity) this.timer.cancel();
    else this.timer.arm(next);
  }

  private after(ns: number): number {
    return this.clock.nowNs() + ns;
  }

  /** An edge of its own, even when the interrupt before has not been sensed. */
  private interrupt(): void {
    this.r.int = false;
    this.update();
    this.r.int = true;
  }

  private expire(nowNs: number): void {
    const { r } = this;
    if (r.resetNs !== 0 && r.resetNs <= nowNs) {
      r.resetNs = 0;
      r.resetStatuses = 4;
      this.interrupt();
    }
    for (const [drive, ns] of r.seekNs.entries()) {
      if (ns === 0 || ns > nowNs) continue;
      r.seekNs[drive] = 0;
      r.resetStatuses = 0;
      this.interrupt();
    }
    if (r.executeNs !== 0 && r.executeNs <= nowNs) {
      r.executeNs = 0;
      if (r.step === ENDING) this.showResult();
      else this.nextSector();
    }
    this.update();
  }

  private read(offset: number): number {
    switch (offset) {
      case 2:
        return this.r.dor;
      case 3:
        return 0xfc | this.r.tdr;
      case 4:
        return this.mainStatus();
      case 5: {
        const value = this.readFifo();
        this.update();
        return value;
      }
      default:
        return 0xff;
    }
  }

  private write(offset: number, value: number): void {
    if (offset === 2) this.writeDor(value);
    else if (offset === 3) this.r.tdr = value & 3;
    else if (offset === 4) this.writeDsr(value);
    else if (offset === 5) this.writeFifo(value);
    this.update();
  }

  private mainStatus(): number {
    const { r } = this;
    const seeking = r.seekNs.reduce((bits, ns, drive) => bits | (ns !== 0 ? 1 << drive : 0), 0);
    switch (r.phase) {
      case HELD_IN_RESET:
        return 0;
      case COMMAND:
        return MSR_RQM | (r.command !== 0 ? MSR_BUSY : 0) | seeking;
      case RESULT:
        return MSR_RQM | MSR_DIO | MSR_BUSY | seeking;
    }
    if (r.step !== MOVING || this.usesDma) return MSR_BUSY | (this.usesDma ? 0 : MSR_NON_DMA) | seeking;
    return MSR_RQM | MSR_NON_DMA | MSR_BUSY | (writesDisk(r.transfer) ? 0 : MSR_DIO) | seeking;
  }

  private writeDor(value: number): void {
    const { r } = this;
    const was = r.dor & DOR_NOT_RESET;
    r.dor = value;
    if ((value & DOR_NOT_RESET) === 0) this.enterReset();
    else if (was === 0) this.leaveReset();
    else if (r.phase === EXECUTION && r.step === MOVING) this.moveByDma();
  }

  private writeDsr(value: number): void {
    this.r.dsr = value & ~DSR_RESET;
    if ((value & DSR_RESET) === 0 || this.r.phase === HELD_IN_RESET) return;
    this.enterReset();
    this.leaveReset();
  }

  /** Software reset. Registers stay; LOCK keeps what CONFIGURE has set. Heads stay where they are, and so does the count. */
  private enterReset(): void {
    const { dor, tdr, dsr, specify, locked, perpendicular, pcn, lastEot } = this.r;
    const kept = locked ? { config: this.r.config, precompensationTrack: this.r.precompensationTrack } : {};
    this.r = { ...powerOn(), dor, tdr, dsr, specify, locked, pcn, lastEot, perpendicular: perpendicular & 0x3c, ...kept };
    this.dma.request(false);
  }

  /** With polling on, the ready lines seem to have changed on all four drives. */
  private leaveReset(): void {
    const { r } = this;
    r.phase = COMMAND;
    if ((r.config & CONFIG_NO_POLL) === 0) r.resetNs = this.after(RESET_NS);
  }

  private readFifo(): number {
    const { r } = this;
    if (r.phase === RESULT) {
      // The first result byte ends an execution's interrupt, not that of a seek on another drive.
      if (r.step === ENDING) r.int = false;
      const value = r.results.shift() ?? 0;
      if (r.results.length === 0) this.endCommand();
      return value;
    }
    if (r.phase !== EXECUTION || r.step !== MOVING || this.usesDma || writesDisk(r.transfer)) return 0;
    const value = r.buffer[r.transfer.position++] as number;
    this.movedByte();
    return value;
  }

  private writeFifo(value: number): void {
    const { r } = this;
    if (r.phase === COMMAND) this.writeCommand(value);
    else if (r.phase === EXECUTION && r.step === MOVING && !this.usesDma && writesDisk(r.transfer)) {
      r.buffer[r.transfer.position++] = value;
      this.movedByte();
    }
  }

  /** A byte went through without DMA: the interrupt falls, and rises for the next one. */
  private movedByte(): void {
    const { r } = this;
    r.int = false;
    this.update();
    if (r.transfer.position < hostBytes(r.transfer, FLOPPY_SECTOR_BYTES)) r.int = true;
    else this.sectorDone(false);
  }

  private endCommand(): void {
    this.r.phase = COMMAND;
    this.r.command = 0;
    this.r.parameters = [];
  }

  private writeCommand(value: number): void {
    const { r } = this;
    if (r.command !== 0) r.parameters.push(value);
    else if (value !== 0 && commandOf(value) !== undefined) r.command = value;
    else {
      this.answer(ST0_INVALID);
      return;
    }
    const entry = commandOf(r.command);
    if (entry !== undefined && r.parameters.length === entry.parameters) this.execute(entry.code);
  }

  /** A result without an execution phase, and so without an interrupt. */
  private answer(...results: number[]): void {
    this.r.results = results;
    this.r.phase = RESULT;
    this.r.step = SEARCHING;
  }

  private execute(code: number): void {
    const { r } = this;
    const [p0 = 0, p1 = 0, p2 = 0] = r.parameters;
    switch (code) {
      case SPECIFY:
        r.specify = [p0, p1];
        break;
      case CONFIGURE:
        r.config = p1 & 0x7f;
        r.precompensationTrack = p2;
        break;
      case PERPENDICULAR:
        // OW must be set to change the drive bits.
        r.perpendicular = (p0 & 0x80) !== 0 ? p0 & 0x3f : (r.perpendicular & 0x3c) | (p0 & 0x03);
        break;
      case SENSE_DRIVE:
        this.answer(this.status3(p0));
        return;
      case SENSE_INTERRUPT:
        this.senseInterrupt();
        return;
      case RECALIBRATE:
        this.recalibrate(p0 & 3);
        break;
      case SEEK:
        this.seek(p0, p1);
        break;
      case RELATIVE_SEEK:
        this.seek(p0, ((r.pcn[p0 & 3] as number) + ((r.command & 0x40) !== 0 ? p1 : -p1)) & 0xff);
        break;
      case DUMPREG:
        this.answer(...r.pcn, ...r.specify, r.lastEot, (r.locked ? 0x80 : 0) | r.perpendicular, r.config, r.precompensationTrack);
        return;
      case VERSION:
        this.answer(0x90);
        return;
      case LOCK:
        r.locked = (r.command & 0x80) !== 0;
        this.answer(r.locked ? 0x10 : 0x00);
        return;
      default:
        this.startExecution(code);
        return;
    }
    this.endCommand();
  }

  private status3(unit: number): number {
    const drive = this.drives[unit & 3];
    return (unit & 7) | ST3_ALWAYS | (drive?.track === 0 ? ST3_TRACK0 : 0) | (drive?.media?.readOnly === true ? ST3_PROTECTED : 0);
  }

  private senseInterrupt(): void {
    const { r } = this;
    const drive = r.seekStatus.findIndex((status, i) => status >= 0 && r.seekNs[i] === 0);
    if (r.resetStatuses > 0) {
      const polled = 4 - r.resetStatuses--;
      r.int = false;
      this.answer(ST0_READY_CHANGED | polled, r.pcn[polled] as number);
    } else if (drive >= 0) {
      const status = r.seekStatus[drive] as number;
      r.seekStatus[drive] = -1;
      r.int = false;
      this.update();
      r.int = r.seekStatus.some((other, i) => other >= 0 && r.seekNs[i] === 0);
      this.answer(status, r.pcn[drive] as number);
    } else {
      this.answer(ST0_INVALID);
    }
  }

  private seek(unit: number, cylinder: number): void {
    const { r } = this;
    const drive = unit & 3;
    const steps = cylinder - (r.pcn[drive] as number);
    this.drives[drive]?.step(steps);
    r.pcn[drive] = cylinder;
    r.seekStatus[drive] = ST0_SEEK_END | (unit & 7);
    r.seekNs[drive] = this.after(SEEK_NS + Math.abs(steps) * STEP_NS);
  }

  /** Steps out until the drive reports track 0; a head beyond track 79, or no drive, ends in equipment check. */
  private recalibrate(unit: number): void {
    const { r } = this;
    const drive = this.drives[unit];
    const steps = Math.min(drive?.track ?? RECALIBRATE_STEPS, RECALIBRATE_STEPS);
    drive?.step(-steps);
    r.pcn[unit] = 0;
    r.seekStatus[unit] = ST0_SEEK_END | unit | (drive?.track === 0 ? 0 : ST0_ABNORMAL | ST0_EQUIPMENT);
    r.seekNs[unit] = this.after(SEEK_NS + steps * STEP_NS);
  }

  private startExecution(code: number): void {
    const { r } = this;
    const t = startTransfer(r.command, r.parameters);
    r.transfer = t;
    r.phase = EXECUTION;
    r.step = SEARCHING;
    r.resetStatuses = 0;
    r.executeNs = this.after(START_NS);
    if (code === READ_ID) return;
    r.lastEot = code === FORMAT_TRACK ? t.sectors : t.eot;
    if ((r.config & CONFIG_EIS) !== 0 && code !== FORMAT_TRACK && code !== READ_TRACK) {
      this.drives[t.drive]?.step(t.c - (r.pcn[t.drive] as number));
      r.pcn[t.drive] = t.c;
    }
  }

  private get rate(): number {
    return this.r.dsr & 3;
  }

  /** A sector comes under the head. */
  private nextSector(): void {
    const { r } = this;
    const t = r.transfer;
    const drive = this.drives[t.drive];
    const motor = this.motorOn(t.drive);
    if ((r.command & 0x1f) === READ_ID) {
      this.readId(drive, motor);
      return;
    }
    const missing = locate(t, drive, this.rate, motor);
    if (missing !== undefined || drive === undefined) {
      this.end(missing ?? NO_ADDRESS_MARK);
      return;
    }
    const failed = writesDisk(t) ? undefined : load(t, drive, r.buffer);
    if (failed !== undefined) {
      this.end(failed);
    } else if (hostBytes(t, FLOPPY_SECTOR_BYTES) === 0) {
      this.sectorDone(false);
    } else {
      r.step = MOVING;
      if (this.usesDma) {
        this.dma.request(true);
        this.moveByDma();
      } else {
        r.int = true;
      }
    }
  }

  /** The DMA controller takes or gives what it can; it calls again when the guest opens the channel. */
  private moveByDma(): void {
    const { r } = this;
    const t = r.transfer;
    if (r.phase !== EXECUTION || r.step !== MOVING || !this.usesDma || (r.dor & DOR_DMAGATE) === 0) return;
    const size = hostBytes(t, FLOPPY_SECTOR_BYTES);
    const moved = this.dma.transfer(r.buffer.subarray(t.position, size));
    t.position += moved;
    const terminalCount = moved > 0 && this.dma.terminalCount;
    if (t.position < size && !terminalCount) return;
    this.dma.request(false);
    // A write that terminal count cuts short fills the rest of the sector with zeros.
    r.buffer.fill(0, t.position);
    this.sectorDone(terminalCount);
    this.update();
  }

  private sectorDone(terminalCount: boolean): void {
    const { r } = this;
    const t = r.transfer;
    const drive = this.drives[t.drive];
    const failed = writesDisk(t) && drive !== undefined ? store(t, drive, r.buffer) : undefined;
    const { head } = t;
    const ending = failed ?? next(t, terminalCount);
    if (ending !== undefined) {
      this.end(ending, head);
    } else {
      r.step = SEARCHING;
      r.executeNs = this.after(SECTOR_NS);
    }
  }

  /** The ID under the head depends on how far the disk has turned. */
  private readId(drive: FloppyDrive | undefined, motor: boolean): void {
    const t = this.r.transfer;
    if (!readable(drive, t.head, this.rate, motor) || drive.geometry === undefined) {
      this.end(NO_ADDRESS_MARK);
      return;
    }
    const turned = (this.clock.nowNs() % ROTATION_NS) / ROTATION_NS;
    t.c = drive.track;
    t.h = t.head;
    t.r = 1 + Math.floor(turned * drive.geometry.sectors);
    t.n = 2;
    this.end(NO_ENDING);
  }

  /** `head` is the side of the last sector that was worked on. */
  private end(ending: Ending, head = this.r.transfer.head): void {
    const { r } = this;
    r.ending = { ...ending, st0: ending.st0 | (head << 2) | r.transfer.drive };
    r.step = ENDING;
    r.executeNs = this.after(ending === NO_ADDRESS_MARK ? SEARCH_NS : ENDING_NS);
  }

  private showResult(): void {
    const { r } = this;
    const { c, h, r: sector, n } = r.transfer;
    r.results = [r.ending.st0, r.ending.st1, r.ending.st2, c, h, sector, n];
    r.phase = RESULT;
    this.interrupt();
  }
}
