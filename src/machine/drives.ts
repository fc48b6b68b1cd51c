// The drives of the PC by the names that people give them: hda and hdb share the first IDE channel, cdrom and hdd the second.

import { ImageError } from "../base/errors.ts";
import type { BlockStore } from "../block/block-store.ts";
import type { ByteSource } from "../hardware/device.ts";

export const DRIVE_NAMES = ["fda", "fdb", "hda", "hdb", "cdrom", "hdd"] as const;
export type DriveName = (typeof DRIVE_NAMES)[number];

/** What is in a drive: an image, and where the guest's writes to it are kept (absent: in memory). */
export interface DriveSource extends ByteSource {
  readonly store?: BlockStore;
}
export type Drives = Readonly<Partial<Record<DriveName, DriveSource>>>;
export type BootOrder = "a" | "c" | "d";

/** Hard disks stay where they are while the machine runs. */
export const REMOVABLE_DRIVES = ["fda", "fdb", "cdrom"] as const;
export type RemovableDrive = (typeof REMOVABLE_DRIVES)[number];

export function removable(drive: DriveName): RemovableDrive {
  const own = REMOVABLE_DRIVES.find((name) => name === drive);
  if (!own) throw new ImageError("A hard disk cannot be changed while the machine runs: start a machine with it.");
  return own;
}
