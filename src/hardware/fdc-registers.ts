// Registers, commands and state of the 82077AA floppy disk controller.
//
// Manual: Intel 82077AA datasheet (290166), "Description of Registers", "Command Set/Descriptions", "Status Register Encoding".

import {
  type Ending,
  FORMAT_TRACK,
  powerOnTransfer,
  READ_DATA,
  READ_DELETED,
  READ_TRACK,
  VERIFY,
  WRITE_DATA,
  WRITE_DELETED,
} from "./fdc-transfer.ts";
import { FLOPPY_SECTOR_BYTES } from "./floppy-drive.ts";

export const DOR_NOT_RESET = 0x04;
export const DOR_DMAGATE = 0x08;
export const MSR_BUSY = 0x10;
export const MSR_NON_DMA = 0x20;
export const MSR_DIO = 0x40;
export const MSR_RQM = 0x80;
export const DSR_RESET = 0x80;
export const DIR_DSKCHG = 0x80;

export const ST0_SEEK_END = 0x20;
export const ST0_EQUIPMENT = 0x10;
export const ST0_INVALID = 0x80;
export const ST0_READY_CHANGED = 0xc0;
export const ST3_ALWAYS = 0x28;
export const ST3_TRACK0 = 0x10;
export const ST3_PROTECTED = 0x40;

export const CONFIG_EIS = 0x40;
const CONFIG_NO_FIFO = 0x20;
export const CONFIG_NO_POLL = 0x10;

export const SPECIFY = 0x03;
export const SENSE_DRIVE = 0x04;
export const RECALIBRATE = 0x07;
export const SENSE_INTERRUPT = 0x08;
export const READ_ID = 0x0a;
export const DUMPREG = 0x0e;
export const SEEK = 0x0f;
export const VERSION = 0x10;
export const PERPENDICULAR = 0x12;
export const CONFIGURE = 0x13;
export const LOCK = 0x14;
export const RELATIVE_SEEK = 0x8f;

/** Parameter bytes of each command, and the bits of its code that are options (MT, MFM, SK, DIR, LOCK). */
const COMMANDS: readonly { readonly code: number; readonly options: number; readonly parameters: number }[] = [
  { code: READ_TRACK, options: 0x40, parameters: 8 },
  { code: SPECIFY, options: 0x00, parameters: 2 },
  { code: SENSE_DRIVE, options: 0x00, parameters: 1 },
  { code: WRITE_DATA, options: 0xc0, parameters: 8 },
  { code: READ_DATA, options: 0xe0, parameters: 8 },
  { code: RECALIBRATE, options: 0x00, parameters: 1 },
  { code: SENSE_INTERRUPT, options: 0x00, parameters: 0 },
  { code: WRITE_DELETED, options: 0xc0, parameters: 8 },
  { code: READ_ID, options: 0x40, parameters: 1 },
  { code: READ_DELETED, options: 0xe0, parameters: 8 },
  { code: FORMAT_TRACK, options: 0x40, parameters: 5 },
  { code: DUMPREG, options: 0x00, parameters: 0 },
  { code: SEEK, options: 0x00, parameters: 2 },
  { code: RELATIVE_SEEK, options: 0x40, parameters: 2 },
  { code: VERSION, options: 0x00, parameters: 0 },
  { code: PERPENDICULAR, options: 0x00, parameters: 1 },
  { code: CONFIGURE, options: 0x00, parameters: 3 },
  { code: LOCK, options: 0x80, parameters: 0 },
  { code: VERIFY, options: 0xe0, parameters: 8 },
];

/** The table's entry for a command byte. */
export const commandOf = (byte: number) => COMMANDS.find(({ code, options }) => (byte & ~options) === code);

/** Phases of the state machine. */
export const HELD_IN_RESET = 0;
export const COMMAND = 1;
export const EXECUTION = 2;
export const RESULT = 3;

/** What the execution phase waits for: a timer before a sector, the host for bytes, a timer before the result. */
export const SEARCHING = 0;
export const MOVING = 1;
export const ENDING = 2;

export const NO_ENDING: Ending = { st0: 0, st1: 0, st2: 0 };

export function powerOn() {
  return {
    dor: 0,
    tdr: 0,
    dsr: 0x02,
    phase: HELD_IN_RESET,
    step: SEARCHING,
    int: false,
    command: 0,
    parameters: [] as number[],
    results: [] as number[],
    transfer: powerOnTransfer(),
    ending: NO_ENDING,
    buffer: new Uint8Array(FLOPPY_SECTOR_BYTES),
    /** SPECIFY, CONFIGURE, PERPENDICULAR and LOCK as written. */
    specify: [0, 0],
    config: CONFIG_NO_FIFO,
    precompensationTrack: 0,
    perpendicular: 0,
    locked: false,
    lastEot: 0,
    /** Present cylinder numbers, as the controller counts them. */
    pcn: [0, 0, 0, 0],
    /** ST0 of a seek that has ended and was not sensed, else -1. */
    seekStatus: [-1, -1, -1, -1],
    /** Guest times of coming events; 0 = none. */
    seekNs: [0, 0, 0, 0],
    executeNs: 0,
    resetNs: 0,
    /** SENSE INTERRUPT answers that a reset still owes. */
    resetStatuses: 0,
  };
}
