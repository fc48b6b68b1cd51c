// Images that are kept in the browser's storage: unpacked from archives, or downloaded. Each is a file with a small description
// beside it; what was not finished has none, and is removed.

import { ImageError } from "../base/errors.ts";
import type { RandomFile } from "../block/overlay-file.ts";
import type { Medium } from "../protocol/commands.ts";
import type { StoredImage } from "../protocol/storage.ts";
import { names, openFolder, openRandomFile, readJson, remove, writeJson } from "./opfs.ts";

/** Takes an image from its first byte to its last. */
export interface ImageSink {
  readonly written: number;
  write(bytes: Uint8Array): void;
  /** The image as a medium, and what a person should know about where it is. */
  finish(): Promise<{ medium: Medium; notice: string | null }>;
  abandon(): Promise<void>;
}

const PAGE_BYTES = 4096;
/** Without storage, bytes go to the browser in pieces of this size, which it may put on the disk itself. */
const BLOB_PIECE_BYTES = 16 << 20;

export async function openSink(name: string, origin: string, nowMs: number): Promise<ImageSink> {
  try {
    return await storedSink(name, origin, nowMs);
  } catch (error) {
    if (error instanceof ImageError) throw error;
    return blobSink(name);
  }
}

async function storedSink(name: string, origin: string, nowMs: number): Promise<ImageSink> {
  const folder = await openFolder("images");
  const id = `${nowMs.toString(36)}-${name.replace(/[^\w.-]+/g, "_").slice(-60)}`;
  const file = await openRandomFile(folder, `${id}.image`);
  let written = 0;
  return {
    get written() {
      return written;
    },
    write(bytes) {
      try {
        writeSparse(file, written, bytes);
      } catch (error) {
        throw full(error);
      }
      written += bytes.length;
    },
    async finish() {
      file.truncate(written);
      file.flush();
      await writeJson(folder, `${id}.json`, { name, origin, lastUsedMs: nowMs });
      file.close();
      const data = await (await folder.getFileHandle(`${id}.image`)).getFile();
      return { medium: { name, data }, notice: null };
    },
    async abandon() {
      file.close();
      await remove(folder, `${id}.image`);
    },
  };
}

/** Zeros need no room: a file system keeps holes. */
function writeSparse(file: RandomFile, at: number, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) {
    let end = Math.min(bytes.length, from + PAGE_BYTES);
    const zero = isZero(bytes, from, end);
    while (end < bytes.length && isZero(bytes, end, Math.min(bytes.length, end + PAGE_BYTES)) === zero) end = Math.min(bytes.length, end + PAGE_BYTES);
    if (!zero) file.write(at + from, bytes.subarray(from, end));
    from = end;
  }
}

function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  for (let i = from; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}

function full(error: unknown): ImageError {
  return new ImageError(`The browser's storage has no room for the image (${error instanceof Error ? error.message : String(error)}). Delete images or saved changes under Storage, or unpack it yourself.`);
}

function blobSink(name: string): ImageSink {
  const parts: Blob[] = [];
  let piece: Uint8Array<ArrayBuffer>[] = [], held = 0, written = 0;
  const seal = (): void => {
    parts.push(new Blob(piece));
    piece = [];
    held = 0;
  };
  return {
    get written() {
      return written;
    },
    write(bytes) {
      piece.push(bytes.slice());
      held += bytes.length;
      written += bytes.length;
      if (held >= BLOB_PIECE_BYTES) seal();
    },
    async finish() {
      seal();
      return { medium: { name, data: new Blob(parts) }, notice: "This browser refuses storage here: the image is kept only until the tab closes." };
    },
    async abandon() {
      parts.length = 0;
      piece = [];
    },
  };
}

export async function listImages(): Promise<StoredImage[]> {
  const folder = await openFolder("images");
  const images: StoredImage[] = [];
  for (const file of await names(folder, ".image")) {
    const id = file.slice(0, -".image".length);
    const about = await readJson(folder, `${id}.json`);
    if (!about) continue;
    const { size } = await (await folder.getFileHandle(file)).getFile();
    images.push({ id, name: String(about.name), origin: String(about.origin), bytes: size, lastUsedMs: Number(about.lastUsedMs) });
  }
  return images;
}

/** Removes what an earlier page began and did not finish. */
export async function removeUnfinished(): Promise<void> {
  const folder = await openFolder("images");
  for (const file of await names(folder, ".image")) {
    if (await readJson(folder, `${file.slice(0, -".image".length)}.json`)) continue;
    // One that another tab is writing cannot be removed, and stays.
    await folder.removeEntry(file).catch(() => {});
  }
}

export async function openImageFile(id: string): Promise<Medium> {
  const folder = await openFolder("images");
  const about = await readJson(folder, `${id}.json`);
  if (!about) throw new ImageError("The image is not there any more. Drop it again.");
  await writeJson(folder, `${id}.json`, { ...about, lastUsedMs: Date.now() });
  return { name: String(about.name), data: await (await folder.getFileHandle(`${id}.image`)).getFile() };
}

export async function deleteImage(id: string): Promise<void> {
  const folder = await openFolder("images");
  await remove(folder, `${id}.image`);
  await remove(folder, `${id}.json`);
}
