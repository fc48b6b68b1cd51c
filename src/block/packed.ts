// Compressed files and archives around an image. They are unpacked by stream, a step at a time, into a file that the caller gives:
// never a whole copy in memory.

import type { ByteSource } from "../hardware/device.ts";
import { GzipUnpacker, gzipSizeHint } from "./gzip.ts";
import { XZ_MAGIC, XzUnpacker, xzSize } from "./xz.ts";
import { entryData, isStored, type ZipEntry, zipEntries, ZipUnpacker } from "./zip.ts";

export type PackedFormat = "gzip" | "xz" | "zip";

/** Gives the content step by step. Bytes are valid until the next step; null: that was all. Throws ImageError. */
export interface Unpacker {
  readonly bytesRead: number;
  next(): Uint8Array | null;
}

export interface PackedFile {
  /** As the archive calls it, or the file's own name without its last extension. */
  readonly name: string;
  /** Unpacked; null where only unpacking tells. */
  readonly size: number | null;
  /** What `bytesRead` ends at. */
  readonly packedBytes: number;
  /** Where the content lies in the file as it is; null: it must be unpacked. */
  readonly storedAt: (() => number) | null;
  unpack(): Unpacker;
}

export interface Packed {
  readonly format: PackedFormat;
  readonly evidence: string;
  readonly files: readonly PackedFile[];
}

const IMAGE_NAME = /\.(img|ima|image|iso|bin|raw|dd|dsk|vfd|flp|hdd|vhd|vmdk|vdi|qcow2?|disk)$/i;

function magicOf(source: ByteSource): PackedFormat | null {
  const head = new Uint8Array(Math.min(6, source.size));
  source.read(0, head);
  const begins = (magic: readonly number[]): boolean => magic.every((byte, i) => head[i] === byte);
  if (begins([0x1f, 0x8b, 8])) return "gzip";
  if (begins(XZ_MAGIC)) return "xz";
  return begins([0x50, 0x4b, 3, 4]) || begins([0x50, 0x4b, 5, 6]) ? "zip" : null;
}

/** null: the file is not packed. Throws ImageError for an archive whose directory cannot be read. */
export function openPacked(source: ByteSource, name: string): Packed | null {
  const inner = name.replace(/^.*[/\\]/, "").replace(/\.(gz|xz|tgz|z)$/i, "");
  switch (magicOf(source)) {
    case "gzip":
      return single("gzip", "1F8Bh at byte 0", { name: inner, size: source.size < 2 ** 28 ? gzipSizeHint(source) : null, packedBytes: source.size, storedAt: null, unpack: () => new GzipUnpacker(source) });
    case "xz":
      return single("xz", "FD377A585Ah at byte 0", { name: inner, size: xzSize(source), packedBytes: source.size, storedAt: null, unpack: () => new XzUnpacker(source) });
    case "zip":
      return { format: "zip", evidence: "`PK` at byte 0", files: zipEntries(source).map((entry) => zipped(source, entry)) };
    default:
      return null;
  }
}

function single(format: PackedFormat, evidence: string, file: PackedFile): Packed {
  return { format, evidence, files: [file] };
}

function zipped(source: ByteSource, entry: ZipEntry): PackedFile {
  return {
    name: entry.name, size: entry.size, packedBytes: entry.packedBytes, unpack: () => new ZipUnpacker(source, entry),
    storedAt: isStored(entry) ? () => entryData(source, entry) : null,
  };
}

/** The files of the archive that may be meant: one where that is clear, all that look like images where not. */
export function likelyImages({ files }: Packed): readonly PackedFile[] {
  const real = files.filter((file) => file.size !== 0 && !file.name.startsWith("__MACOSX/"));
  if (real.length <= 1) return real;
  const images = real.filter((file) => IMAGE_NAME.test(file.name));
  return images.length > 0 ? images : real;
}
