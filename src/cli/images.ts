// Images that a person names: taken out of gz, xz and zip into a temporary file, with their overlay where one is asked for.

import { closeSync, ftruncateSync, fstatSync, fsyncSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ImageError } from "../base/errors.ts";
import { hashImage } from "../block/image-hash.ts";
import { OverlayFile, type RandomFile } from "../block/overlay-file.ts";
import { likelyImages, openPacked, type Packed, type PackedFile } from "../block/packed.ts";
import { sliceSource } from "../block/source.ts";
import type { ByteSource } from "../hardware/device.ts";
import { mediumBytes, type NamedSource, openNamed } from "../machine/boot/boot-request.ts";
import { openFile, openImage } from "./files.ts";

/** A file, or `ARCHIVE.zip:NAME`; what is packed is unpacked, and files beside it can be found. */
export function openDrive(path: string): NamedSource {
  const inside = /^(.+\.zip):(.+)$/i.exec(path);
  if (inside) return unpackedFrom(openFile(inside[1]!), inside[2]!);
  return unpackedFrom(openFile(path));
}

/** As `openDrive`, and the names of bundled guests. */
export function openBootImage(name: string): NamedSource {
  return /\.zip:./i.test(name) ? openDrive(name) : unpackedFrom(openImage(name));
}

function unpackedFrom(file: NamedSource, wanted?: string): NamedSource {
  const named: NamedSource = { ...file, sibling: (name) => besides(file.name, name) };
  const packed = openPacked(file.source, file.name);
  // An initial RAM disk stays packed: its kernel unpacks it.
  if (!packed || openNamed(named).identity.kind === "initrd") return named;
  const inner = choose(packed, file.name, wanted);
  const source = inner.storedAt ? sliceSource(file.source, inner.storedAt(), inner.size ?? 0) : unpackToFile(inner, file.name);
  return { name: file.name, source, packedIn: `${packed.format} (${packed.evidence})` };
}

function besides(path: string, name: string): ByteSource | null {
  try {
    return openFile(join(dirname(path), name)).source;
  } catch (error) {
    if (error instanceof ImageError) return null;
    throw error;
  }
}

function choose(packed: Packed, name: string, wanted: string | undefined): PackedFile {
  if (wanted !== undefined) {
    const file = packed.files.find((candidate) => candidate.name === wanted);
    if (file) return file;
    throw new ImageError(`${name} holds no ${wanted}. It holds: ${listed(packed.files)}.`);
  }
  const likely = likelyImages(packed);
  if (likely.length === 0) throw new ImageError(`${name} is an empty archive. Choose another file.`);
  if (likely.length > 1) throw new ImageError(`${name} holds several files. Say which, as ${name}:${likely[0]!.name}. It holds: ${listed(likely)}.`);
  return likely[0]!;
}

function listed(files: readonly PackedFile[]): string {
  return files.slice(0, 20).map((file) => file.name).join(", ") + (files.length > 20 ? ` and ${files.length - 20} more` : "");
}

const PROGRESS_MS = 200;

/** Into a file that has no name any more, so that it is gone with this process. Zeros are left out of it. */
function unpackToFile(packed: PackedFile, name: string): ByteSource {
  const folder = mkdtempSync(join(tmpdir(), "trapscope-"));
  const path = join(folder, "image");
  const descriptor = openSync(path, "wx+", 0o600);
  let size = 0;
  try {
    const unpacker = packed.unpack();
    let shown = performance.now();
    for (let bytes = unpacker.next(); bytes; bytes = unpacker.next()) {
      if (bytes.some((byte) => byte !== 0)) writeSync(descriptor, bytes, 0, bytes.length, size);
      size += bytes.length;
      if (!process.stderr.isTTY || performance.now() - shown < PROGRESS_MS) continue;
      shown = performance.now();
      process.stderr.write(`\rtrapscope: unpacking ${name}: ${Math.floor((unpacker.bytesRead / packed.packedBytes) * 100)} %, ${Math.round(size / 2 ** 20)} MB`);
    }
    ftruncateSync(descriptor, size);
  } catch (error) {
    closeSync(descriptor);
    if (error instanceof ImageError) throw new ImageError(`${name}: ${error.message.replaceAll("FILE", name)}`);
    throw new ImageError(`${name} could not be unpacked into ${tmpdir()} (${(error as Error).message}). Make room there, or set TMPDIR.`);
  } finally {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    unlinkSync(path);
    rmdirSync(folder);
  }
  return { size, read: (offset, into) => readWhole(descriptor, offset, into, name) };
}

function readWhole(descriptor: number, offset: number, into: Uint8Array, name: string): void {
  for (let done = 0; done < into.length; ) {
    const got = readSync(descriptor, into, done, into.length - done, offset + done);
    if (got === 0) throw new ImageError(`${name} has become shorter while it was read: leave it alone and start again.`);
    done += got;
  }
}

function openRandomFile(path: string): RandomFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new ImageError(`${path} cannot be used as an overlay (${(error as Error).message}).`);
    try {
      descriptor = openSync(path, "wx+");
    } catch (failure) {
      throw new ImageError(`${path} cannot be made (${(failure as Error).message}). Choose another place for the overlay.`);
    }
  }
  if (!fstatSync(descriptor).isFile()) throw new ImageError(`${path} is not a plain file: choose another place for the overlay.`);
  return {
    size: () => fstatSync(descriptor).size,
    read: (at, into) => readWhole(descriptor, at, into, path),
    write(at, from) {
      for (let done = 0; done < from.length; ) done += writeSync(descriptor, from, done, from.length - done, at + done);
    },
    truncate: (size) => ftruncateSync(descriptor, size),
    flush: () => fsyncSync(descriptor),
    close: () => closeSync(descriptor),
  };
}

/** The image with its writes kept in the file `path`, which is made if it is not there. `onFull` is told before anything is lost. */
export function withOverlay(file: NamedSource, path: string, onFull: () => void): { file: NamedSource; overlay: OverlayFile } {
  const { identity, source } = openNamed(file);
  try {
    const overlay = new OverlayFile(openRandomFile(path), { image: hashImage(source).hash, diskBytes: mediumBytes(identity, source) });
    overlay.onFull = onFull;
    return { file: { ...file, store: overlay }, overlay };
  } catch (error) {
    if (error instanceof ImageError && !error.message.startsWith(path)) throw new ImageError(`${path}: ${error.message}`);
    throw error;
  }
}
