// The 82077AA's data commands, sector by sector: which one comes next, whether the disk has it, and what the status says.
//
// Manual: Intel 82077AA datasheet (290166), "Data Transfer Commands", "Status Registers", "Result Phase Table".

import type { FloppyDrive } from "./floppy-drive.ts";

/** Command codes, without MT, MFM and SK. */
export const READ_TRACK = 0x02;
export const WRITE_DATA = 0x05;
export const READ_DATA = 0x06;
export const WRITE_DELETED = 0x09;
export const READ_DELETED = 0x0c;
export const FORMAT_TRACK = 0x0d;
export const VERIFY = 0x16;

export const ST0_ABNORMAL = 0x40;
const ST1_MA = 0x01;
const ST1_NW = 0x02;
const ST1_ND = 0x04;
const ST1_DE = 0x20;
const ST1_EN = 0x80;
const ST2_WC = 0x10;
const ST2_DD = 0x20;
const ST2_CM = 0x40;

const COMMAND_MT = 0x80;
const COMMAND_SK = 0x20;

/** N = 2: 512 bytes a sector. */
const SIZE_512 = 2;
const FORMAT_ID_BYTES = 4;

/** How a command ends: interrupt code of ST0, ST1, ST2. */
export interface Ending {
  readonly st0: number;
  readonly st1: number;
  readonly st2: number;
}

const NORMAL: Ending = { st0: 0, st1: 0, st2: 0 };
const abnormal = (st1: number, st2 = 0): Ending => ({ st0: ST0_ABNORMAL, st1, st2 });
export const NO_ADDRESS_MARK = abnormal(ST1_MA);

export function powerOnTransfer() {
  return {
    op: 0,
    multiTrack: false,
    skip: false,
    drive: 0,
    /** The side that is selected, and the cylinder, side, sector and size that the sector's ID must have. */
    head: 0,
    c: 0,
    h: 0,
    r: 0,
    n: 0,
    /** Last sector number of a track. */
    eot: 0,
    /** Sectors left to verify (0 = up to EOT) or to format. */
    sectors: 0,
    filler: 0,
    /** READ TRACK met no sector with the ID it was given. */
    noData: false,
    /** Bytes of the present sector that are through. */
    position: 0,
  };
}

export type Transfer = ReturnType<typeof powerOnTransfer>;

/** Unpacks the parameter bytes that follow the command. */
export function startTransfer(command: number, parameters: readonly number[]): Transfer {
  const [unit = 0, a = 0, b = 0, c = 0, d = 0, eot = 0, , sectors = 0] = parameters;
  const op = command & 0x1f;
  const t = { ...powerOnTransfer(), op, drive: unit & 3, head: (unit >> 2) & 1 };
  if (op === FORMAT_TRACK) return { ...t, n: a, sectors: b, filler: d, h: t.head };
  return {
    ...t,
    multiTrack: (command & COMMAND_MT) !== 0,
    skip: (command & COMMAND_SK) !== 0,
    c: a,
    h: b,
    // READ TRACK starts with the first sector after the index hole, whatever R says.
    r: op === READ_TRACK ? 1 : c,
    n: d,
    eot,
    sectors: op === VERIFY && (unit & 0x80) !== 0 ? sectors : 0,
    noData: op === READ_TRACK && c !== 1,
  };
}

export const writesDisk = (t: Transfer): boolean => t.op === WRITE_DATA || t.op === WRITE_DELETED || t.op === FORMAT_TRACK;

/** A read of deleted data that skips normal sectors transfers none of them. */
const skips = (t: Transfer): boolean => t.op === READ_DELETED && t.skip;

/** Bytes that the host and the controller exchange for a sector. */
export function hostBytes(t: Transfer, sectorBytes: number): number {
  if (t.op === FORMAT_TRACK) return FORMAT_ID_BYTES;
  return t.op === VERIFY || skips(t) ? 0 : sectorBytes;
}

/** Whether a disk turns under a head that can read it: otherwise no address mark is ever found. */
export function readable(drive: FloppyDrive | undefined, head: number, rate: number, motor: boolean): drive is FloppyDrive {
  return drive?.geometry !== undefined && motor && drive.geometry.rates.includes(rate) && drive.has(head, 1);
}

/** Looks for the present sector. Returns the ending if it is not there. */
export function locate(t: Transfer, drive: FloppyDrive | undefined, rate: number, motor: boolean): Ending | undefined {
  t.position = 0;
  if (writesDisk(t) && drive?.media?.readOnly === true) return abnormal(ST1_NW);
  if (!readable(drive, t.head, rate, motor)) return NO_ADDRESS_MARK;
  if (t.op === FORMAT_TRACK) return undefined;
  if (t.op === READ_TRACK) {
    // IDs that do not match are only noted.
    t.noData ||= t.c !== drive.track || t.h !== t.head || t.n !== SIZE_512;
    return drive.has(t.head, t.r) ? undefined : abnormal(ST1_ND);
  }
  if (t.c !== drive.track) return abnormal(ST1_ND, ST2_WC);
  if (t.h !== t.head || t.n !== SIZE_512 || !drive.has(t.head, t.r)) return abnormal(ST1_ND);
  return undefined;
}

/** Brings the present sector from the disk. */
export function load(t: Transfer, drive: FloppyDrive, buffer: Uint8Array): Ending | undefined {
  try {
    drive.read(t.head, t.r, buffer);
    return undefined;
  } catch {
    return abnormal(ST1_DE, ST2_DD);
  }
}

/** Puts what the host gave on the disk: a sector, or the ID of a sector to format. */
export function store(t: Transfer, drive: FloppyDrive, buffer: Uint8Array): Ending | undefined {
  let data = buffer;
  if (t.op === FORMAT_TRACK) {
    [t.c = 0, t.h = 0, t.r = 0, t.n = 0] = buffer;
    // The image's size fixes the format: another number or size of sectors cannot be laid out.
    if (t.n !== SIZE_512) return abnormal(ST1_ND);
    data = new Uint8Array(buffer.length).fill(t.filler);
  }
  try {
    return drive.write(t.head, t.r, data) ? undefined : abnormal(ST1_ND);
  } catch {
    return abnormal(ST1_DE, ST2_DD);
  }
}

/** After a sector: the ending, or undefined when the next one follows. */
export function next(t: Transfer, terminalCount: boolean): Ending | undefined {
  if (t.op === FORMAT_TRACK) return --t.sectors <= 0 ? NORMAL : undefined;
  // A normal sector met by a read of deleted data is given, marked, and ends the command.
  if (t.op === READ_DELETED && !t.skip) return { ...NORMAL, st2: ST2_CM };
  const atEnd = advance(t);
  const st1 = t.noData ? ST1_ND : 0;
  const st2 = t.op === READ_DELETED ? ST2_CM : 0;
  if (terminalCount) return { st0: 0, st1, st2 };
  if (t.op === VERIFY) {
    if (t.sectors > 0 && --t.sectors === 0) return NORMAL;
    if (atEnd && t.sectors === 0) return NORMAL;
  }
  return atEnd ? abnormal(st1 | ST1_EN, st2) : undefined;
}

/** Moves C, H and R on as the result phase table says; true at the end of the cylinder. */
function advance(t: Transfer): boolean {
  if (t.r !== t.eot) {
    t.r = (t.r + 1) & 0xff;
    return false;
  }
  t.r = 1;
  if (!t.multiTrack) {
    t.c = (t.c + 1) & 0xff;
    return true;
  }
  t.h ^= 1;
  if (t.head === 0) {
    t.head = 1;
    return false;
  }
  t.c = (t.c + 1) & 0xff;
  return true;
}
