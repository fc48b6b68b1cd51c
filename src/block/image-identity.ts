// What there is to say about a file that a person brings: the result of `identifyImage`.

import type { ByteSource } from "../hardware/device.ts";

export type ImageKind = "floppy" | "boot-sector" | "hard-disk" | "cd" | "linux-kernel" | "multiboot" | "initrd" | "unknown";

export type SuggestedDrive = "fda" | "hda" | "cdrom" | "kernel" | "initrd" | "multiboot";

export interface Refusal {
  /** One sentence: what is wrong. */
  readonly reason: string;
  /** One sentence: what the person can do. */
  readonly whatToDo: string;
  /** It may be booted all the same, if the person insists. */
  readonly force: boolean;
}

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export interface Partition {
  /** 1 to 4. */
  readonly number: number;
  readonly active: boolean;
  readonly type: number;
  readonly typeName: string;
  readonly firstSector: number;
  readonly sectorCount: number;
}

export interface ElToritoEntry {
  readonly bootable: boolean;
  readonly emulation: "none" | "floppy 1.2 MB" | "floppy 1.44 MB" | "floppy 2.88 MB" | "hard disk";
  readonly loadSegment: number;
  /** 512-byte sectors to load. */
  readonly sectorCount: number;
  /** 2048-byte sector of the boot image. */
  readonly lba: number;
}

/** Facts by kind; what does not apply is absent. */
export interface ImageDetails {
  /** Of the file. */
  readonly sizeBytes: number;
  /** The container around the disk ("qcow2, version 3"), and the size of the disk inside. */
  readonly container?: string;
  readonly virtualBytes?: number;
  /** Of the medium in its drive: more sectors than the file has are read as zeros. Absent for kernels and the like. */
  readonly sectorSize?: number;
  readonly sectorCount?: number;
  readonly geometry?: DiskGeometry;
  readonly partitions?: readonly Partition[];
  readonly gpt?: boolean;
  readonly volumeLabel?: string;
  readonly elTorito?: ElToritoEntry;
  /** Linux boot protocol, "2.15". */
  readonly bootProtocol?: string;
  readonly kernelVersion?: string;
  readonly entry?: number;
  readonly compression?: string;
}

export interface ImageIdentity {
  readonly kind: ImageKind;
  /** A few words for a person: "Linux kernel 6.1.0 (bzImage, boot protocol 2.15)". */
  readonly description: string;
  /** The evidence: "`CD001` at byte 32769". */
  readonly detectedBy: string;
  /** It boots by itself: exactly when there is no refusal. */
  readonly bootable: boolean;
  readonly refusal?: Refusal;
  /** Where it belongs, and where it would go if forced. */
  readonly suggestedDrive: SuggestedDrive;
  readonly details: ImageDetails;
}

export interface Finding {
  readonly kind: ImageKind;
  readonly description: string;
  readonly detectedBy: string;
  readonly suggestedDrive: SuggestedDrive;
  readonly refusal?: Refusal;
  readonly details?: Omit<ImageDetails, "sizeBytes">;
}

/** The parts of a file that may be looked at: its beginning, its end, and a few more bytes on request. */
export class ImageProbe {
  readonly source: ByteSource;
  readonly name: string;
  /** The first bytes, at most `HEAD_BYTES`. */
  readonly head: Uint8Array;
  private readonly view: DataView;

  constructor(source: ByteSource, name: string) {
    this.source = source;
    this.name = name;
    this.head = new Uint8Array(Math.min(source.size, HEAD_BYTES));
    source.read(0, this.head);
    this.view = new DataView(this.head.buffer);
  }

  get size(): number {
    return this.source.size;
  }

  /** Numbers in the head; zero past its end. */
  u8(offset: number): number {
    return this.head[offset] ?? 0;
  }
  u16(offset: number): number {
    return offset + 2 <= this.head.length ? this.view.getUint16(offset, true) : 0;
  }
  u32(offset: number): number {
    return offset + 4 <= this.head.length ? this.view.getUint32(offset, true) : 0;
  }

  /** Whether the head has these characters at `offset`. */
  has(offset: number, text: string): boolean {
    return offset + text.length <= this.head.length && asciiOf(this.head, offset, text.length) === text;
  }

  /** Bytes from anywhere, fewer at the end of the file. */
  bytes(offset: number, length: number): Uint8Array {
    const into = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    if (into.length > 0) this.source.read(offset, into);
    return into;
  }
}

/** Enough for a multiboot header, the ISO 9660 volume descriptors, and any boot sector. */
const HEAD_BYTES = 64 * 1024;

/** Characters 0-255 as they stand; for magic numbers and labels. */
export function asciiOf(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** "1.44 MB" is a floppy's name; for everything else, powers of two. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${units[unit]}`;
}
