// The drives of the PC by the names that people give them.

import type { ByteSource } from "../hardware/device.ts";

export const DRIVE_NAMES = ["fda", "fdb", "hda", "hdb", "cdrom"] as const;
export type DriveName = (typeof DRIVE_NAMES)[number];
export type Drives = Readonly<Partial<Record<DriveName, ByteSource>>>;
export type BootOrder = "a" | "c" | "d";
