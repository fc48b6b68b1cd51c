// What a file that a person brought is, and what may be done with it.

export const DRIVES = ["fda", "fdb", "hda", "hdb", "cdrom"] as const;
export type DriveName = (typeof DRIVES)[number];

/** Where a file can go: a drive, or a direct boot. */
const TARGETS = [...DRIVES, "kernel", "initrd", "multiboot"] as const;
export type MediaTarget = (typeof TARGETS)[number];

export interface ImageInfo {
  /** "Floppy image, 1.44 MB", "Linux kernel (bzImage)", "ISO 9660 image" ... */
  readonly title: string;
  /** How it was recognised: "55AA at byte 510, 1 partition". */
  readonly evidence: string;
  readonly size: number;
  /** Where it may go, the likeliest first; empty when it cannot be used. */
  readonly targets: readonly MediaTarget[];
  /** Why it will not boot or cannot be used, and what to do. */
  readonly problem: { readonly reason: string; readonly whatToDo: string; /** It may be booted all the same. */ readonly canForce: boolean } | null;
}
