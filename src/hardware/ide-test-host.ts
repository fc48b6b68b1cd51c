// For tests only: a driver's view of one IDE channel, and media to put behind it.

import type { BlockDevice, Line } from "./device.ts";
import { ManualClock, Probe } from "./describe-device.ts";
import { IdeChannel } from "./ide-channel.ts";

export const BSY = 0x80;
export const DRDY = 0x40;
export const DSC = 0x10;
export const DRQ = 0x08;
export const ERR = 0x01;

/** A medium whose sector n holds a pattern of n, and that remembers what was written. */
export class PatternMedium implements BlockDevice {
  readonly sectorSize: number;
  readonly sectorCount: number;
  readonly readOnly = false;
  readonly written = new Map<number, Uint8Array>();
  /** Sectors that cannot be read. */
  readonly bad = new Set<number>();
  flushes = 0;

  constructor(sectorCount: number, sectorSize = 512) {
    this.sectorCount = sectorCount;
    this.sectorSize = sectorSize;
  }

  static byteAt(lba: number, index: number): number {
    return (lba * 31 + Math.floor(lba / 256) + index * 7) & 0xff;
  }

  sector(lba: number): Uint8Array {
    return this.written.get(lba) ?? Uint8Array.from({ length: this.sectorSize }, (_, i) => PatternMedium.byteAt(lba, i));
  }

  read(lba: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; at += this.sectorSize) {
      const number = lba + at / this.sectorSize;
      if (this.bad.has(number) || number >= this.sectorCount) throw new Error(`sector ${number}`);
      into.set(this.sector(number), at);
    }
  }

  write(lba: number, from: Uint8Array): void {
    for (let at = 0; at < from.length; at += this.sectorSize) {
      const number = lba + at / this.sectorSize;
      if (this.bad.has(number) || number >= this.sectorCount) throw new Error(`sector ${number}`);
      this.written.set(number, from.slice(at, at + this.sectorSize));
    }
  }

  flush(): void {
    this.flushes++;
  }
}

export class IdeHost {
  readonly clock = new ManualClock();
  readonly irq = new Probe();
  readonly channel: IdeChannel;

  /** `wire` may put something between INTRQ and the far end. */
  constructor(wire: (end: Line) => Line = (end) => end) {
    this.channel = new IdeChannel({ id: "ide0", interrupt: wire(this.irq) });
  }

  inb(register: number): number {
    return this.channel.commandBlock.read(register, 1);
  }

  outb(register: number, value: number): void {
    this.channel.commandBlock.write(register, 1, value);
  }

  /** Alternate Status: acknowledges nothing. */
  alternateStatus(): number {
    return this.channel.controlBlock.read(0, 1);
  }

  control(value: number): void {
    this.channel.controlBlock.write(0, 1, value);
  }

  /** Lets time pass until BSY goes away. */
  wait(): number {
    for (let i = 0; i < 1000 && this.alternateStatus() & BSY; i++) this.clock.advance(1000);
    return this.alternateStatus();
  }

  /** Features, count, LBA low, mid, high, device, command. */
  issue(registers: { features?: number; count?: number; low?: number; mid?: number; high?: number; device?: number }, command: number): void {
    this.outb(6, registers.device ?? 0xe0);
    this.outb(1, registers.features ?? 0);
    this.outb(2, registers.count ?? 0);
    this.outb(3, registers.low ?? 0);
    this.outb(4, registers.mid ?? 0);
    this.outb(5, registers.high ?? 0);
    this.outb(7, command);
  }

  issueLba(lba: number, count: number, command: number, slave = false): void {
    this.issue(
      { count, low: lba & 0xff, mid: (lba >> 8) & 0xff, high: (lba >> 16) & 0xff, device: 0xe0 | (slave ? 0x10 : 0) | ((lba >> 24) & 15) },
      command,
    );
  }

  /** 48-bit registers are written twice, the high half first. */
  issueExt(lba: number, count: number, command: number): void {
    const byte = (n: number): number => Math.floor(lba / 2 ** (8 * n)) & 0xff;
    this.outb(6, 0xe0);
    const pairs: [number, number, number][] = [
      [2, count >> 8, count & 0xff],
      [3, byte(3), byte(0)],
      [4, byte(4), byte(1)],
      [5, byte(5), byte(2)],
    ];
    for (const [register, high, low] of pairs) {
      this.outb(register, high);
      this.outb(register, low);
    }
    this.outb(7, command);
  }

  readWords(count: number): Uint8Array {
    const bytes = new Uint8Array(count * 2);
    for (let i = 0; i < count; i++) {
      const word = this.channel.commandBlock.read(0, 2);
      bytes[2 * i] = word & 0xff;
      bytes[2 * i + 1] = word >> 8;
    }
    return bytes;
  }

  writeBytes(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 2) this.channel.commandBlock.write(0, 2, bytes[i] | ((bytes[i + 1] ?? 0) << 8));
  }
}
