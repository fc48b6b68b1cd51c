// What the set-up program of this PC has left in CMOS RAM: memory sizes, floppy drives, boot order. The numbering is the one
// that Bochs, QEMU and SeaBIOS use.

import { floppyGeometry } from "../hardware/floppy-drive.ts";
import type { RtcMc146818a } from "../hardware/rtc-mc146818a.ts";
import type { BootOrder, Drives } from "./drives.ts";

const FLOPPY_TYPES = 0x10, EQUIPMENT = 0x14, BASE_KB = 0x15, EXTENDED_KB = 0x17, EXTENDED_KB_POST = 0x30, ABOVE_16M = 0x34;
const BOOT_THIRD = 0x38, BOOT_FIRST_SECOND = 0x3d;
const BOOT_CODES = { a: 1, c: 2, d: 3 } as const;

const MB = 1 << 20;
const BASE_MEMORY_KB = 640;
/** Equipment byte: a floppy drive, an FPU, a PS/2 mouse; bits 7 and 6: further floppy drives. */
const EQUIPMENT_FIXED = 0x07, EQUIPMENT_SECOND_FLOPPY = 0x40;

export interface CmosSetup {
  readonly memoryBytes: number;
  readonly drives: Drives;
  readonly bootOrder: BootOrder | null;
}

export function setUpCmos(rtc: RtcMc146818a, { memoryBytes, drives, bootOrder }: CmosSetup): void {
  const word = (index: number, value: number) => {
    rtc.setCmos(index, value & 0xff);
    rtc.setCmos(index + 1, (value >>> 8) & 0xff);
  };
  const extendedKb = Math.min(0xffff, (memoryBytes - MB) >>> 10);
  word(BASE_KB, BASE_MEMORY_KB);
  word(EXTENDED_KB, extendedKb);
  word(EXTENDED_KB_POST, extendedKb);
  word(ABOVE_16M, memoryBytes > 16 * MB ? (memoryBytes - 16 * MB) >>> 16 : 0);
  rtc.setCmos(FLOPPY_TYPES, (driveType(drives.fda) << 4) | (drives.fdb ? driveType(drives.fdb) : 0));
  rtc.setCmos(EQUIPMENT, EQUIPMENT_FIXED | (drives.fdb ? EQUIPMENT_SECOND_FLOPPY : 0));
  const order: BootOrder[] = bootOrder ? [bootOrder] : drives.fda ? ["a", "c", "d"] : ["c", "d", "a"];
  const rest = (["a", "c", "d"] as const).filter((drive) => !order.includes(drive));
  const [first, second, third] = [...order, ...rest].map((drive) => BOOT_CODES[drive]);
  rtc.setCmos(BOOT_FIRST_SECOND, first! | (second! << 4));
  rtc.setCmos(BOOT_THIRD, third! << 4);
}

const FLOPPY_SECTOR = 512;

/** The drive that its first medium was made for; an empty one reads what is common, 1.44 MB. */
function driveType(medium: Drives["fda"]): number {
  const { driveType: type } = floppyGeometry(medium ? Math.ceil(medium.size / FLOPPY_SECTOR) : 0)!;
  return type;
}
